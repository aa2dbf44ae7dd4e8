/**
 * Asks the API whether it is away. If it is, a failed item is not at fault.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type * as Files from "../../Files.ts"
import type { ListError } from "../../FilesError.ts"
import { monotonicMillis } from "../../internal/request/silence.ts"
import * as Policy from "../../Policy.ts"
import { isAway, verdictOf } from "./verdict.ts"

/** The first and the longest wait between two requests. Milliseconds. */
const firstWait = 1_000
const longestWait = 30_000

export interface Outage {
  /** Call it after each successful upload: the API is reachable. */
  readonly succeeded: Effect.Effect<void>
  /**
   * Waits until the API answers, and returns whether it was away since the failed upload began. Fails if the API refuses every
   * request.
   *
   * @param since when the upload began, in monotonic milliseconds
   * @param onAway run once if the API is away
   */
  readonly wait: (since: number, onAway: Effect.Effect<void>) => Effect.Effect<boolean, ListError>
}

export const make = (files: Files.Files["Service"]): Outage => {
  let upAt = -Infinity
  let isOutage = false
  /** When the last outage ended. */
  let awayUntil = -Infinity
  // One asks, and all that wait use its answer.
  const asking = Semaphore.makeUnsafe(1)
  const now = Effect.map(Clock.Clock, monotonicMillis)
  const succeeded = Effect.map(now, (now) => {
    upAt = now
    if (isOutage) awayUntil = now
    isOutage = false
  })
  const ask: Effect.Effect<boolean, ListError> = files.listPage({ limit: 1 }).pipe(
    Policy.override({ retry: false }),
    Effect.as(true),
    Effect.catchIf((error) => verdictOf(error) !== "Refused", (error) => Effect.succeed(!isAway(error))),
    Effect.tap((isUp) => isUp ? succeeded : Effect.sync(() => void (isOutage = true)))
  )

  const askUntilUp = Effect.fnUntraced(function*(onAway: Effect.Effect<void>) {
    let wait = firstWait
    let isFirst = true
    while (!(yield* ask)) {
      if (isFirst) yield* onAway
      isFirst = false
      yield* Effect.sleep(Duration.millis(wait))
      wait = Math.min(wait * 2, longestWait)
    }
  })

  return {
    succeeded,
    wait: (since, onAway) =>
      Effect.flatMap(now, (failedAt) =>
        Semaphore.withPermit(
          asking,
          Effect.suspend(() =>
            // Another one asked, or uploaded, while this one was waiting.
            Effect.map(upAt > failedAt ? Effect.void : askUntilUp(onAway), () => awayUntil >= since)
          )
        ))
  }
}
