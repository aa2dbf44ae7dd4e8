/**
 * The commands of `claude-files`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import process from "node:process"
import { version } from "../internal/version.ts"
import { emulator } from "./emulator.ts"

const claudeFiles = Command.make("claude-files").pipe(
  Command.withDescription("Files of the Claude API"),
  Command.withSubcommands([emulator])
)

/** What ends the process with a code, when its sentence has been printed. */
class Failed extends Data.TaggedError("Failed")<{ readonly code: number }> {
  override readonly [Runtime.errorExitCode] = this.code
  override readonly [Runtime.errorReported] = false
}

/** A user sees one sentence, and no stack. */
const explain = (error: { readonly _tag: string; readonly message: string }) =>
  Effect.andThen(Console.error(error.message), new Failed({ code: error._tag === "UsageError" ? 2 : 7 }))

const interrupted = 130

const terminated = 143

/** Runs the process's command line. */
export const main = (): void => {
  let code = interrupted
  process.once("SIGTERM", () => code = terminated)
  Command.run(claudeFiles, { version }).pipe(
    Effect.catchTags({
      UsageError: explain,
      EmulatorFailed: explain,
      StoreFailed: explain,
      // effect/cli has printed the help and what was wrong.
      ShowHelp: ({ errors }) => errors.length === 0 ? Effect.void : new Failed({ code: 2 })
    }),
    Effect.provide(NodeServices.layer),
    NodeRuntime.runMain({
      teardown: (exit, onExit) => Runtime.defaultTeardown(exit, (usual) => onExit(usual === interrupted ? code : usual))
    })
  )
}
