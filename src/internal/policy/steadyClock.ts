import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { monotonicMillis } from "../request/silence.ts"

/**
 * A clock that nobody sets, for state that is kept in this process: it shows what `clock` shows now, and goes on by the
 * monotonic time.
 */
export const makeSteadyClock = (clock: Clock.Clock): Clock.Clock => {
  const offset = clock.currentTimeMillisUnsafe() - monotonicMillis(clock)
  const exact = () => monotonicMillis(clock) + offset
  const millis = () => Math.floor(exact())
  const nanos = () => BigInt(Math.round(exact() * 1e6))
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
