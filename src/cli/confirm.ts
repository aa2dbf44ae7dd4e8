/**
 * A question before something is lost, and how it is answered where nobody is asked.
 */
import * as Prompt from "effect/cli/Prompt"
import * as Effect from "effect/Effect"
import { ExitCode } from "./exitCode.ts"
import { Stopped, UsageError } from "./failure.ts"
import * as Flags from "./flags.ts"
import { Output } from "./output.ts"

export const flags = {
  yes: Flags.toggle("yes", "Do it without asking"),
  dryRun: Flags.toggle("dry-run", "Say what would be done, and do nothing")
}

/** Whether to go on. `what` is a sentence that says what will be lost. */
export const confirm = Effect.fnUntraced(function*(what: string, question: string, yes: boolean) {
  const output = yield* Output
  if (yes) return true
  if (!output.canAsk) {
    return yield* new UsageError({
      message: `${what} Nobody can be asked here: add --yes to do it, or --dry-run to see which.`
    })
  }
  yield* output.note(what)
  return yield* Prompt.run(Prompt.Confirm({ message: question, initial: false })).pipe(
    Effect.provideService(Prompt.Theme, Prompt.makeTheme({ colors: output.noteHasColor })),
    // Ctrl-C at the question.
    Effect.catchTag("QuitError", () => new Stopped({ code: ExitCode.interrupted }))
  )
})
