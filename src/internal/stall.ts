/**
 * A limit on how long a stream may keep its consumer waiting.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/**
 * Fails when a pull takes longer than `limit`. While nobody pulls, no time passes.
 *
 * `Stream.timeoutOrElse` does the same through a queue, at several times the cost of a chunk.
 */
export const unlessStalled = <A, E, R, E2>(
  self: Stream.Stream<A, E, R>,
  limit: Duration.Duration,
  stalled: () => E2
): Stream.Stream<A, E | E2, R> =>
  Stream.transformPull(
    self,
    (pull) => Effect.succeed(Effect.timeoutOrElse(pull, { duration: limit, orElse: () => Effect.fail(stalled()) }))
  )
