import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

const nanosPerMilli = BigInt(1_000_000)

/**
 * A clock that nobody sets, for state that is kept in this process: it shows what `clock` shows now, and goes on by the
 * monotonic time.
 */
export const makeSteadyClock = (clock: Clock.Clock): Clock.Clock => {
  const offset = BigInt(clock.currentTimeMillisUnsafe()) * nanosPerMilli - clock.monotonicTimeNanosUnsafe()
  const nanos = () => clock.monotonicTimeNanosUnsafe() + offset
  const millis = () => Number(nanos() / nanosPerMilli)
  return {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => clock.sleep(duration)
  }
}
