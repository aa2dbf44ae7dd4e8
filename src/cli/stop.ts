/**
 * A signal to a command that ends by itself when it is told to. Every other one is interrupted.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

export class Stop extends Context.Service<Stop, {
  /** From now on a first signal ends the effect that this gives, and interrupts nothing. */
  readonly claim: Effect.Effect<Effect.Effect<void>>
}>()("effect-anthropic-files/cli/Stop") {}

/** `onSignal` gives whether the command ends by itself. */
export const make = (): { readonly stop: Stop["Service"]; readonly onSignal: Effect.Effect<boolean> } => {
  const requested = Deferred.makeUnsafe<void>()
  let isClaimed = false
  return {
    stop: {
      claim: Effect.sync(() => {
        isClaimed = true
        return Deferred.await(requested)
      })
    },
    onSignal: Effect.sync(() => {
      if (isClaimed) Deferred.doneUnsafe(requested, Effect.void)
      return isClaimed
    })
  }
}
