/**
 * Lets a command end on its own after a signal, instead of being interrupted.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import process from "node:process"
import { ExitCode } from "./exitCode.ts"

export class Stop extends Context.Service<Stop, {
  /** From now on the first signal ends the inner effect, and interrupts nothing. */
  readonly claim: Effect.Effect<Effect.Effect<void>>
  /** The exit code of the first signal. */
  readonly code: () => number
}>()("effect-anthropic-files/cli/Stop") {}

/** `onSignal` says whether the command ends on its own. */
export const make = (): { readonly stop: Stop["Service"]; readonly onSignal: Effect.Effect<boolean> } => {
  const requested = Deferred.makeUnsafe<void>()
  let isClaimed = false
  let code: number = ExitCode.interrupted
  // These listeners come before those that interrupt.
  process.once("SIGTERM", () => void (code = ExitCode.terminated))
  process.once("SIGHUP", () => void (code = ExitCode.hungUp))
  return {
    stop: {
      claim: Effect.sync(() => {
        isClaimed = true
        return Deferred.await(requested)
      }),
      code: () => code
    },
    onSignal: Effect.sync(() => {
      if (isClaimed) Deferred.doneUnsafe(requested, Effect.void)
      return isClaimed
    })
  }
}
