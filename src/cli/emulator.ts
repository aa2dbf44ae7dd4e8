/**
 * `emulator`: serves the Files API on this machine until a signal arrives.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as NodeFs from "node:fs"
import process from "node:process"
import * as Emulator from "../emulator/Emulator.ts"
import * as Fault from "../emulator/Fault.ts"
import * as NodeEmulator from "../emulator/NodeEmulator.ts"
import * as Rule from "../emulator/Rule.ts"
import type { InvalidConfig } from "../FilesError.ts"
import { UsageError } from "./failure.ts"
import * as Flags from "./flags.ts"
import { Streams } from "./streams.ts"
import { program } from "./usage.ts"

/** `--max-file` is `ANTHROPIC_FILES_EMULATOR_MAX_FILE`. */
const variable = (flag: string): string => Flags.twin(`emulator-${flag}`)

const toggle = (name: string, description: string) => Flags.toggle(name, description, variable(name))

const text = (name: string, metavar: string, description: string) =>
  Flags.text(name, metavar, description, undefined, variable(name))

const count = (name: string, description: string) => Flags.count(name, description, 1, variable(name))

const size = (name: string, description: string) => Flags.size(name, description, variable(name))

const list = (name: string, metavar: string, description: string) =>
  Flags.list(name, metavar, description, variable(name))

const isPort = Schema.is(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65535 })))

const flags = {
  port: Flags.count("port", "Port to listen on (default: any free port)", 0, variable("port")).pipe(
    Flag.filter(
      (port) => isPort(Option.getOrElse(port, () => 0)),
      (port) => `--port takes a number from 0 to 65535, not ${Option.getOrUndefined(port)}`
    )
  ),
  host: text(
    "host",
    "ADDRESS",
    "Address to listen on; any but a loopback address needs --key-file (default: 127.0.0.1)"
  ),
  data: text("data", "DIR", "Folder that keeps files over restarts; new, empty, or of an earlier run"),
  memory: toggle("memory", "Keep files in memory (the default without --data)"),
  keyFile: text(
    "key-file",
    "FILE",
    "File that holds the accepted key (default: a random key, kept in --data)"
  ),
  allowHost: list("allow-host", "NAME", "Host name by which it may be called, for example a service of a compose file"),
  allowOrigin: list("allow-origin", "ORIGIN", "Origin of web pages that may call it, for example https://app.example"),
  quota: size("quota", "Bytes of all files together; uploads beyond it are refused (default: 1TB)"),
  maxFile: size("max-file", "Bytes of one file; larger ones are refused (default: 500MB)"),
  rate: count("rate", "Requests per minute; more are answered with 429 (default: no limit)"),
  tokenRate: count("token-rate", "Tokens of messages per minute; more are answered with 429 (default: no limit)"),
  batchDelay: Flags.duration(
    "batch-delay",
    "How long a message batch takes (default: it ends at once)",
    variable("batch-delay")
  ),
  contextWindow: count("context-window", "Tokens of one message; more are refused (default: 1000000)"),
  faults: text("faults", "FILE", "JSON file with a list of faults"),
  rules: text("rules", "FILE", "JSON file with a list of rules for answers"),
  admin: toggle(
    "admin",
    "Serve /_emulator/, which seeds files, shows requests, sets faults and rules, and moves the clock"
  ),
  json: toggle("json", "Print one line, {\"url\":…,\"apiKey\":…}, once it listens")
} as const

const readFile = (flag: string, path: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.mapError(
      fs.readFileString(path),
      (error) => new UsageError({ message: `--${flag}: ${path} can't be read (${error.reason._tag}).` })
    ))

const readKey = Effect.fnUntraced(function*(path: string) {
  const key = (yield* readFile("key-file", path)).trim()
  return /^[\x21-\x7e]{8,}$/.test(key)
    ? Redacted.make(key)
    : yield* new UsageError({ message: `--key-file: ${path} has to hold one key of at least 8 characters.` })
})

const decodeJson = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Unknown))

const readList =
  <A>(flag: string, decode: (input: unknown) => Effect.Effect<A, InvalidConfig>) =>
  (path: string): Effect.Effect<A, UsageError, FileSystem.FileSystem> =>
    Effect.gen(function*() {
      const text = yield* readFile(flag, path)
      const json = yield* Effect.mapError(
        decodeJson(text),
        () => new UsageError({ message: `--${flag}: ${path} is not JSON.` })
      )
      return yield* Effect.mapError(
        decode(json),
        ({ message }) => new UsageError({ message: `--${flag}: ${path} is not a list of ${flag}: ${message}` })
      )
    })

const readFaults = readList("faults", Fault.decode)

const readRules = readList("rules", Rule.decode)

const ifGiven = <A, B, E, R>(option: Option.Option<A>, f: (value: A) => Effect.Effect<B, E, R>) =>
  Option.match(option, { onNone: () => Effect.undefined, onSome: f })

const greeting = (url: string, key: string) =>
  [
    `The emulator serves the Files API at ${url}. It is not a model: it makes up the answers to messages.`,
    "",
    "Point a program at it, this client or an official SDK:",
    "",
    `  export ANTHROPIC_BASE_URL=${url}`,
    `  export ANTHROPIC_API_KEY=${key}`,
    "",
    "Ctrl-C stops it.",
    ""
  ].join("\n")

/**
 * Ends when the process that started this one closes its end of standard input, so that a test runner that is killed leaves
 * no emulator behind. A terminal, a file and `/dev/null` never do.
 */
const inputGone = Effect.callback<void>((resume) => {
  const type = Option.liftThrowable(NodeFs.fstatSync)(0)
  if (!Option.exists(type, (stats) => stats.isFIFO() || stats.isSocket())) return
  const gone = () => resume(Effect.void)
  process.stdin.once("end", gone).once("error", gone).resume()
  return Effect.sync(() => {
    process.stdin.pause()
  })
})

/** Standard output is for the one line that says where it listens. */
const layerLogger = Layer.unwrap(
  Effect.map(Streams, ({ err }) =>
    Logger.layer([
      Logger.map(Logger.formatSimple, (line) => {
        Effect.runFork(err(`${line}\n`))
      })
    ]))
)

export const emulator = Command.make(
  "emulator",
  flags,
  Effect.fnUntraced(function*(given) {
    if (given.memory && Option.isSome(given.data)) {
      return yield* new UsageError({ message: "--memory and --data exclude each other." })
    }
    const { out } = yield* Streams
    const server = NodeEmulator.layerServer({
      port: Option.getOrUndefined(given.port),
      host: Option.getOrUndefined(given.host),
      allowedHosts: given.allowHost,
      allowedOrigins: given.allowOrigin,
      adminRoute: given.admin,
      directory: Option.getOrUndefined(given.data),
      apiKey: yield* ifGiven(given.keyFile, readKey),
      storageQuotaBytes: Option.getOrUndefined(given.quota),
      maxFileBytes: Option.getOrUndefined(given.maxFile),
      requestsPerMinute: Option.getOrUndefined(given.rate),
      tokensPerMinute: Option.getOrUndefined(given.tokenRate),
      batchDelay: Option.getOrUndefined(given.batchDelay),
      contextWindow: Option.getOrUndefined(given.contextWindow),
      faults: yield* ifGiven(given.faults, readFaults),
      rules: yield* ifGiven(given.rules, readRules),
      // Only the admin route shows them.
      maxRecordedRequests: given.admin ? undefined : 0
    })
    const announce = Layer.effectDiscard(Effect.gen(function*() {
      const { apiKey, url } = yield* Emulator.Emulator
      const key = Redacted.value(apiKey)
      yield* out(given.json ? `${JSON.stringify({ url, apiKey: key })}\n` : greeting(url, key))
    }))
    const served = Layer.launch(Layer.provide(announce, server).pipe(Layer.provide(layerLogger)))
    return yield* Effect.raceFirst(served, inputGone)
  })
).pipe(
  Command.withDescription("Serve the Files API on this machine, for development and tests"),
  Command.withExamples([
    { command: `${program} emulator --json`, description: "In memory, on a free port, for a script to read" },
    { command: `${program} emulator --port 4010 --data ./emulated`, description: "Files stay over restarts" }
  ])
)
