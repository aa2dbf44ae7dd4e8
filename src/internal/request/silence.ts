/**
 * A limit on how long a stream may keep its consumer waiting.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { guard } from "./attempt.ts"

/**
 * Fails when a pull takes longer than `limit`. While nobody pulls, no time passes.
 *
 * `Stream.timeoutOrElse` does the same through a queue, at many times the cost of a chunk.
 */
export const unlessStalled = <A, E, R, E2>(
  self: Stream.Stream<A, E, R>,
  limit: Duration.Duration,
  stalled: () => E2
): Stream.Stream<A, E | E2, R> =>
  Stream.transformPull(self, (pull) =>
    Effect.map(Clock.Clock, (clock) => {
      const watch = { pauses: 0, movedAt: 0 }
      const millis = Duration.toMillis(limit)
      const guarded = guard(pull, { clock, watch, patience: () => millis, fail: stalled })
      return Effect.suspend(() => {
        watch.movedAt = clock.currentTimeMillisUnsafe()
        return guarded
      })
    }))
