/**
 * What an operation tells the policies beneath it, and what they tell it. An operation knows what one try of it is, how
 * to find out whether a lost upload arrived, and how to go on with a broken download; a policy knows how often and how
 * long. With another client above a policy there is no attempt, and the policy does what can be done without.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import type { FilesError } from "../FilesError.ts"

export type Try = Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

/**
 * Whether a failed request may be sent again.
 *
 * - `Again`: nothing was done, or doing it twice changes nothing;
 * - `Done`: it had been carried out after all, and this is its answer;
 * - `Never`: it can't be sent again, or it can't be told whether it was carried out.
 */
export type Verdict =
  | { readonly _tag: "Again" }
  | { readonly _tag: "Done"; readonly response: HttpClientResponse.HttpClientResponse }
  | { readonly _tag: "Never" }

/** Time without a sign of life. */
export interface Watch {
  /** Deliberate waits under way: a policy's back-off, a queue. They are not silence. */
  pauses: number
  /** Epoch milliseconds of the last sign of life. */
  movedAt: number
}

export interface Attempt {
  /** The innermost one, which runs. */
  watch: Watch
  /** Runs one try: its answer is read where the operation reads it at once, and it ends when nothing moves. */
  readonly run: (effect: Try) => Try
  /** Whether a failed request may be sent again at all, asked before waiting for it. */
  readonly canRepeat: (isOutcomeUnknown: boolean) => boolean
  /** Asked after the wait: what is known then decides. */
  readonly verdict: (isOutcomeUnknown: boolean) => Effect.Effect<Verdict>
  /** Tries so far, over all requests of the operation. */
  tries: number
  /** Epoch milliseconds of the first try. */
  startedAt: number | undefined
  /**
   * Set by a retry policy: asks for one more try after a failure that came behind the response headers. Waits, and
   * gives false when the budget is used up.
   */
  again: ((error: FilesError) => Effect.Effect<boolean>) | undefined
}

export const Attempt = Context.Reference<Attempt | undefined>("effect-anthropic-files/internal/Attempt", {
  defaultValue: () => undefined
})

/** The watches of the timeout policies around a request; with a client of this package above them, besides its own. */
export const Watches = Context.Reference<ReadonlyArray<Watch>>("effect-anthropic-files/internal/Watches", {
  defaultValue: () => []
})

/** Begins a deliberate wait, which no limit on silence around it counts. What it gives ends the wait, once. */
export const startPause: Effect.Effect<() => void> = Effect.withFiber((fiber) =>
  Effect.sync(() => {
    const clock = fiber.getRef(Clock.Clock)
    const attempt = fiber.getRef(Attempt)
    const watches = attempt === undefined ? fiber.getRef(Watches) : [attempt.watch, ...fiber.getRef(Watches)]
    for (const watch of watches) watch.pauses++
    let paused = true
    return () => {
      if (!paused) return
      paused = false
      for (const watch of watches) {
        watch.pauses--
        watch.movedAt = clock.currentTimeMillisUnsafe()
      }
    }
  })
)

/**
 * Set for requests that are made while another one of the same operation waits for them: looking for a lost upload.
 * They use what that one holds.
 */
export const Nested = Context.Reference<boolean>("effect-anthropic-files/internal/Nested", {
  defaultValue: () => false
})

/** A deliberate wait: no limit on silence around it counts it. */
export const pause = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(startPause, () => effect, (end) => Effect.sync(end))

/**
 * Fails when nothing has moved for longer than `patience`, which is asked anew each time.
 */
export const watchdog = <E>(
  clock: Clock.Clock,
  watch: Watch,
  patience: () => Duration.Duration,
  fail: (patience: Duration.Duration) => Effect.Effect<never, E>
): Effect.Effect<never, E> =>
  Effect.suspend(() => {
    const limit = patience()
    const now = clock.currentTimeMillisUnsafe()
    // A clock that was set back must not make silence last longer.
    if (now < watch.movedAt) watch.movedAt = now
    const left = watch.pauses > 0
      ? Duration.toMillis(limit)
      : Duration.toMillis(limit) - (now - watch.movedAt)
    return left > 0
      ? Effect.andThen(Effect.sleep(left), Effect.suspend(() => watchdog(clock, watch, patience, fail)))
      : fail(limit)
  })
