/**
 * One run of the command line: arguments in, exit code out.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeStdio from "@effect/platform-node/NodeStdio"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Stdio from "effect/Stdio"
import process from "node:process"
import { printable } from "../internal/text.ts"
import { version } from "../internal/version.ts"
import * as NodeMain from "../NodeMain.ts"
import { environment } from "./environment.ts"
import { codeOf, ExitCode } from "./exitCode.ts"
import { Stopped } from "./failure.ts"
import { wantsColor } from "./screen/style.ts"
import { make as makeStop, Stop } from "./stop.ts"
import { layer as layerStreams, layerTerminal, Streams } from "./streams.ts"
import { commandFor } from "./tree.ts"
import { presenter, program } from "./usage.ts"
import { messageOf } from "./wording.ts"

/** Effect's own has the alias -v, which is --verbose here. */
const versionFlag: GlobalFlag.Action<boolean> = GlobalFlag.Action({
  flag: Flag.Boolean("version").pipe(Flag.withDescription("Show version information"), Flag.withDefault(false)),
  run: GlobalFlag.Version.run
})

/** Reports a failure in one sentence, without a stack. */
const explain = (error: unknown): Effect.Effect<number, never, Streams> =>
  Effect.gen(function*() {
    if (error instanceof Stopped) return error.code
    if (CliError.isCliError(error) && error._tag === "ShowHelp") {
      return error.errors.length === 0 ? ExitCode.done : ExitCode.usage
    }
    const streams = yield* Streams
    yield* streams.err(`${printable(messageOf(error))}\n`)
    return codeOf(error)
  })

/** Reports a defect of this program with its stack, for a bug report. */
const fault = (defect: unknown): Effect.Effect<number, never, Streams> =>
  Effect.gen(function*() {
    const { err } = yield* Streams
    const what = defect instanceof Error ? defect.stack ?? defect.message : String(defect)
    yield* err(`This is a bug in ${program}; please report it.\n${what}\n`)
    return ExitCode.someFailed
  })

/** Runs the command line that the arguments are, and gives the exit code. */
const run = (args: ReadonlyArray<string>): Effect.Effect<number, never, Stop> =>
  Effect.gen(function*() {
    const streams = yield* Streams
    const { stdoutIsTerminal } = yield* Stdio.Stdio
    const canColor = wantsColor(yield* environment, yield* stdoutIsTerminal)
    const command = yield* commandFor(args)
    const code = yield* Command.runWith(command, { version, renderErrors: true })(args).pipe(
      Effect.as(ExitCode.done),
      Effect.catch(explain),
      Effect.catchDefect(fault),
      Effect.provideService(CliOutput.Presenter, presenter(streams, canColor)),
      Effect.provideService(CliConfig.CliConfig, { builtIns: [GlobalFlag.Help, versionFlag] })
    )
    const unwritten = yield* streams.failure
    if (unwritten === undefined) return code
    yield* streams.err(
      `✗ Standard output can't be written (${printable(unwritten)}): the output is not complete.\n`
    )
    return code === ExitCode.done ? ExitCode.refused : code
  }).pipe(
    Effect.provide(platform)
  )

const platform = Layer.mergeAll(
  NodeFileSystem.layer,
  NodePath.layer,
  NodeStdio.layer,
  layerStreams,
  layerTerminal,
  // The type of a command requires it, but no command here starts a process.
  Layer.succeed(
    ChildProcessSpawner.ChildProcessSpawner,
    ChildProcessSpawner.make(() => Effect.die("No process is started"))
  )
)

/**
 * Under npm, a shell is the parent of this process, and a signal to npm ends that shell only: its end counts as SIGTERM.
 */
const untilParentEnds = Effect.gen(function*() {
  if (process.env["npm_lifecycle_event"] === undefined) return yield* Effect.never
  const parent = process.ppid
  while (process.ppid === parent) yield* Effect.sleep("200 millis")
  process.kill(process.pid, "SIGTERM")
  return yield* Effect.never
})

/** Runs a command line, and ends the process with its exit code. */
export const main = (args: ReadonlyArray<string>): void => {
  const { onSignal, stop } = makeStop()
  NodeMain.runMain(
    Effect.raceFirst(run(args), untilParentEnds).pipe(
      Effect.flatMap((code) => code === ExitCode.done ? Effect.void : Effect.fail(new Stopped({ code }))),
      Effect.provideService(Stop, stop)
    ),
    { stop: onSignal }
  )
}
