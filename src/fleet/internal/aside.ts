/**
 * Effects that can be interrupted without waiting. If the database has stopped answering, a statement takes seconds to end
 * after an interruption.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** The same effect in a fiber of its own. An interruption returns at once, and the fiber ends on its own. */
export const aside = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      Effect.forkDetach(restore(self)),
      (fiber) => Effect.onInterrupt(restore(Fiber.join(fiber)), () => Effect.sync(() => fiber.interruptUnsafe()))
    )
  )
