/**
 * A timer outside of a fiber, for what runs beside one.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** What `setTimeout` can wait for. Milliseconds. */
const maxTimeout = 2 ** 31 - 1

/** Effect's own clock, which waits by `setTimeout`: a test, for example, installs another. */
const platformClock = Context.get(Context.empty(), Clock.Clock)

/**
 * Calls `run` after some milliseconds of the clock. What it returns cancels that.
 *
 * By effect's own clock it takes no fiber, since each request has such a timer and the fiber costs as much as the timer.
 */
export const after = (clock: Clock.Clock, millis: number, run: () => void): () => void => {
  if (millis <= maxTimeout && clock === platformClock) {
    // oxlint-disable-next-line no-restricted-globals -- a test's clock takes the other way
    const timer = setTimeout(run, millis)
    return () => clearTimeout(timer)
  }
  // A clock that doesn't wait at all would otherwise call `run` before this returns.
  const sleeping = Effect.runFork(Effect.andThen(clock.sleep(Duration.millis(millis)), Effect.yieldNow))
  sleeping.addObserver((exit) => {
    if (Exit.isSuccess(exit)) run()
  })
  return () => sleeping.interruptUnsafe()
}
