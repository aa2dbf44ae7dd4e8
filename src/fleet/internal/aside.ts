/**
 * Effects whose interruption nobody waits for: a statement gives up only seconds after it was interrupted where a database
 * has stopped to answer.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** The same effect; interrupted, it ends at once, and what it did ends by itself. */
export const aside = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      Effect.forkDetach(restore(self)),
      (fiber) => Effect.onInterrupt(restore(Fiber.join(fiber)), () => Effect.sync(() => fiber.interruptUnsafe()))
    )
  )
