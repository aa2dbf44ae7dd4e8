/**
 * Asks before something is lost, and refuses where nobody can answer.
 */
import * as Prompt from "effect/cli/Prompt"
import * as Effect from "effect/Effect"
import { ExitCode } from "./exitCode.ts"
import { Stopped, UsageError } from "./failure.ts"
import * as Flags from "./flags.ts"
import { Output } from "./output.ts"

export const flags = {
  yes: Flags.toggle("yes", "Do not ask for confirmation"),
  dryRun: Flags.toggle("dry-run", "Show what would be done, without doing it")
}

/**
 * Whether to go on.
 *
 * @param what a sentence that says what will be lost
 */
export const confirm = Effect.fnUntraced(function*(what: string, question: string, yes: boolean) {
  const output = yield* Output
  if (yes) return true
  if (!output.canAsk) {
    return yield* new UsageError({
      message:
        `${what} Nobody can answer a question here: add --yes to go on, or --dry-run to see which files they are.`
    })
  }
  yield* output.note(what)
  return yield* Prompt.run(Prompt.Confirm({ message: question, initial: false })).pipe(
    Effect.provideService(Prompt.Theme, Prompt.makeTheme({ colors: output.noteHasColor })),
    // Ctrl-C at the question ends the command.
    Effect.catchTag("QuitError", () => new Stopped({ code: ExitCode.interrupted }))
  )
})
