/**
 * Makes a command: its flags, what it does, and how its end is reported.
 */
import * as Cause from "effect/Cause"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import type * as Stdio from "effect/Stdio"
import type * as Terminal from "effect/Terminal"
import type { Item } from "../CliEvent.ts"
import { environment } from "./environment.ts"
import { ExitCode } from "./exitCode.ts"
import { Stopped, UsageError } from "./failure.ts"
import { make as makeOutput, Output } from "./output.ts"
import { read, Settings } from "./settings.ts"
import { Stop } from "./stop.ts"
import { Streams } from "./streams.ts"
import { hint, program } from "./usage.ts"

/** What every command can use. */
export type Services =
  | Output
  | Settings
  | Streams
  | Stop
  | FileSystem.FileSystem
  | Path.Path
  | Stdio.Stdio
  | Terminal.Terminal
  | ChildProcessSpawner.ChildProcessSpawner
  | Scope.Scope

export interface Definition<Name extends string, Config extends Command.Command.Config> {
  readonly name: Name
  /** For a subcommand: the names of its parents and its own, without the program's. @default its name */
  readonly path?: ReadonlyArray<string> | undefined
  readonly description: string
  readonly examples: ReadonlyArray<Command.Command.Example>
  readonly flags: Config
  /** The action that the summary counts; a command that only shows things has none. */
  readonly main?: Item["action"] | undefined
  /** Whether it can stop once nobody reads its output. */
  readonly onlyReads?: boolean | undefined
  readonly run: (input: Command.Command.Config.Infer<Config>) => Effect.Effect<void, unknown, Services>
}

export const define = <const Name extends string, const Config extends Command.Command.Config>(
  definition: Definition<Name, Config>
) => {
  const path = definition.path ?? [definition.name]
  return Command.make(
    definition.name,
    definition.flags,
    (input: Command.Command.Config.Infer<Config>) =>
      Effect.scoped(Effect.gen(function*() {
        const streams = yield* Streams
        const stop = yield* Stop
        const settings = yield* read
        const output = yield* makeOutput({
          command: path.join(" "),
          main: definition.main,
          environment: yield* environment
        }).pipe(Effect.provideService(Settings, settings))
        const ended = output.logged(definition.run(input)).pipe(
          Effect.provideService(Output, output),
          Effect.provideService(Settings, settings),
          Effect.catchCause((cause) => {
            if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
            const error = Cause.squash(cause)
            return error instanceof UsageError || error instanceof Stopped ? Effect.fail(error) : output.fail(error)
          })
        )
        const code = yield* (definition.onlyReads === true ? Effect.raceFirst(ended, streams.closed) : ended).pipe(
          Effect.andThen(output.finish(undefined)),
          Effect.onInterrupt(() => output.finish(stop.code()))
        )
        if (code !== 0) return yield* new Stopped({ code })
      })).pipe(
        Effect.catchTag("UsageError", ({ message }) =>
          Effect.gen(function*() {
            const { err } = yield* Streams
            yield* err(`${message}\n${hint([program, ...path])}\n`)
            return yield* new Stopped({ code: ExitCode.usage })
          }))
      )
  ).pipe(
    Command.withDescription(definition.description),
    Command.withExamples(definition.examples)
  )
}
