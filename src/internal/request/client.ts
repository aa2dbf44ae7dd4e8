/**
 * What clients over other clients have in common.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** `Effect.flatMap`, without a step where the value is there already: it mostly is for a request. */
export const withValue = <A, E, R, B, E2, R2>(
  effect: Effect.Effect<A, E, R>,
  f: (value: A) => Effect.Effect<B, E2, R2>
): Effect.Effect<B, E | E2, R | R2> =>
  Exit.isExit(effect) && Exit.isSuccess(effect) ? f(effect.value as A) : Effect.flatMap(effect, f)
