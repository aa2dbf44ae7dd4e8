import { Effect, Latch } from "effect"

/** A point at which an effect is held, for tests that do something else in the meantime. */
export const makeGate = Effect.sync(() => {
  const reached = Latch.makeUnsafe()
  const opened = Latch.makeUnsafe()
  return {
    /** Waits here until the gate is opened. */
    pass: Effect.andThen(reached.open, opened.await),
    /** Waits until an effect is held at the gate. */
    reached: reached.await,
    open: opened.open
  }
})
