/**
 * `anthropic-files emulator`: the Files API served on this machine until a signal comes.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Emulator from "../emulator/Emulator.ts"
import * as Fault from "../emulator/Fault.ts"
import * as NodeEmulator from "../emulator/NodeEmulator.ts"

/** What was asked for can't be done; the message says what to do instead. */
export class UsageError extends Schema.TaggedError<UsageError>()("UsageError", { message: Schema.String }) {}

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

const readFaults = Effect.fnUntraced(function*(path: string) {
  const text = yield* readFile("faults", path)
  return yield* decodeJson(text).pipe(
    Effect.flatMap(Fault.decode),
    Effect.mapError((error) =>
      new UsageError({ message: `--faults: ${path} is not a list of faults: ${error.message}` })
    )
  )
})

const greeting = (url: string, key: string) =>
  [
    `The emulator serves the Files API at ${url}. It is no model: answers to messages are its own.`,
    "",
    "Point a program at it, this client or an official SDK:",
    "",
    `  export ANTHROPIC_BASE_URL=${url}`,
    `  export ANTHROPIC_API_KEY=${key}`,
    "",
    "Ctrl-C stops it."
  ].join("\n")

export const emulator = Command.make(
  "emulator",
  {
    port: Flag.Int("port").pipe(
      Flag.withDescription("Port to listen on; 0 takes a free one"),
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65535 }))),
      Flag.withDefault(0)
    ),
    host: Flag.String("host").pipe(
      Flag.withDescription("Address to listen on; any but a loopback one needs --key-file"),
      Flag.withDefault("127.0.0.1")
    ),
    data: Flag.String("data").pipe(
      Flag.withDescription("Folder to keep files in, over restarts"),
      Flag.optional
    ),
    memory: Flag.Boolean("memory").pipe(
      Flag.withDescription("Keep files in memory, the default without --data"),
      Flag.withDefault(false)
    ),
    keyFile: Flag.String("key-file").pipe(
      Flag.withDescription("File that holds the key to accept; without it one is made up and printed"),
      Flag.optional
    ),
    faults: Flag.String("faults").pipe(
      Flag.withDescription("JSON file with a list of faults"),
      Flag.optional
    ),
    admin: Flag.Boolean("admin").pipe(
      Flag.withDescription("Serve /_emulator/ for faults and reset"),
      Flag.withDefault(false)
    ),
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print one line of JSON, {\"url\":…,\"apiKey\":…}, once it listens"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function*({ admin, data, faults, host, json, keyFile, memory, port }) {
    if (memory && Option.isSome(data)) {
      return yield* new UsageError({ message: "--memory and --data exclude each other." })
    }
    const server = NodeEmulator.layerServer({
      port,
      host,
      adminRoute: admin,
      directory: Option.getOrUndefined(data),
      apiKey: Option.isSome(keyFile) ? yield* readKey(keyFile.value) : undefined,
      faults: Option.isSome(faults) ? yield* readFaults(faults.value) : undefined
    })
    const announce = Layer.effectDiscard(Effect.gen(function*() {
      const { apiKey, url } = yield* Emulator.Emulator
      const key = Redacted.value(apiKey)
      yield* Console.log(json ? JSON.stringify({ url, apiKey: key }) : greeting(url, key))
    }))
    return yield* Layer.launch(Layer.provide(announce, server))
  })
).pipe(
  Command.withDescription("Serve the Files API on this machine, for development and tests"),
  Command.withExamples([
    { command: "anthropic-files emulator --json", description: "In memory, on a free port, for a script to read" },
    { command: "anthropic-files emulator --port 4010 --data ./files", description: "Files stay over restarts" }
  ])
)
