/**
 * What an operation tells the policies beneath it, and what they tell it. An operation knows what one try of it is, how
 * to find out whether a lost upload arrived, and how to go on with a broken download; a policy knows how often and how
 * long. With another client above a policy there is no attempt, and the policy does what can be done without.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import type { FilesError } from "../../FilesError.ts"

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
export const startPauseIn = (fiber: Fiber.Fiber<unknown, unknown>): () => void => {
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
}

/**
 * Set for requests that are made while another one of the same operation waits for them: looking for a lost upload.
 * They use what that one holds.
 */
export const Nested = Context.Reference<boolean>("effect-anthropic-files/internal/Nested", {
  defaultValue: () => false
})

/** A deliberate wait: no limit on silence around it counts it. */
export const pause = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.withFiber((fiber) => Effect.succeed(startPauseIn(fiber))),
    () => effect,
    (end) => Effect.sync(end)
  )

interface Guarded {
  readonly watch: Watch
  readonly patience: () => number
  readonly expire: () => void
}

/**
 * Looks after all that is guarded by one clock. There is one fiber for them all, and it sleeps: a request has several
 * guards, and a fiber for each of them would cost more than the rest of a small request.
 */
const makeWatchdog = (clock: Clock.Clock) => {
  const all = new Set<Guarded>()
  // Nothing of a caller's context: to interrupt a fiber costs the more the more it knows.
  const context = Context.make(Clock.Clock, clock)
  let sleeper: Fiber.Fiber<void> | undefined
  let wakesAt = Infinity

  const leftOf = ({ patience, watch }: Guarded, now: number): number => {
    // A clock that was set back must not make silence last longer.
    if (now < watch.movedAt) watch.movedAt = now
    return patience() - (watch.pauses > 0 ? 0 : now - watch.movedAt)
  }
  const sleep = (left: number, now: number) => {
    wakesAt = now + left
    sleeper?.interruptUnsafe()
    sleeper = Effect.runForkWith(context)(Effect.andThen(Effect.sleep(left), Effect.sync(look)))
  }
  const look = () => {
    sleeper = undefined
    wakesAt = Infinity
    const now = clock.currentTimeMillisUnsafe()
    let least = Infinity
    // What one ends may end others, let them go on or begin new ones.
    for (const one of Array.from(all)) {
      if (!all.has(one)) continue
      const left = leftOf(one, now)
      if (left > 0) {
        least = Math.min(least, left)
      } else {
        all.delete(one)
        one.expire()
      }
    }
    if (all.size > 0 && now + least < wakesAt) sleep(least, now)
  }

  // A timer keeps a process alive. Asked a moment later, since one request often follows another.
  const stop = () => {
    if (all.size > 0) return
    sleeper?.interruptUnsafe()
    sleeper = undefined
  }

  return {
    add: (one: Guarded): void => {
      all.add(one)
      const now = clock.currentTimeMillisUnsafe()
      const left = leftOf(one, now)
      if (sleeper === undefined || now + left < wakesAt) sleep(left, now)
    },
    delete: (one: Guarded): void => {
      all.delete(one)
      if (all.size === 0) queueMicrotask(stop)
    }
  }
}

const watchdogs = new WeakMap<Clock.Clock, ReturnType<typeof makeWatchdog>>()

export interface GuardOptions<E> {
  readonly clock: Clock.Clock
  readonly watch: Watch
  /** Milliseconds, asked anew each time. */
  readonly patience: () => number
  readonly fail: (waited: Duration.Duration) => E
  /** What the effect runs with besides. */
  readonly provide?: (context: Context.Context<never>) => Context.Context<never>
  readonly onStart?: () => void
  /** Called when the effect has ended, however that was. */
  readonly onEnd?: () => void
}

/**
 * Runs an effect, and ends it with a failure when nothing has moved for longer than `patience`.
 */
export const guard = <A, E, R, E2>(
  effect: Effect.Effect<A, E, R>,
  options: GuardOptions<E2>
): Effect.Effect<A, E | E2, R> =>
  Effect.callback<A, E | E2, R>((resume) => {
    const { clock, onEnd, onStart, patience, provide, watch } = options
    const outer = Fiber.getCurrent()?.context ?? Context.empty()
    onStart?.()
    // What runs this holds what the effect needs.
    const context = (provide === undefined ? outer : provide(outer)) as Context.Context<R>
    const fiber = Effect.runForkWith(context)(effect)
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) {
      onEnd?.()
      return resume(exit)
    }
    let watchdog = watchdogs.get(clock)
    if (watchdog === undefined) watchdogs.set(clock, watchdog = makeWatchdog(clock))
    let expired: Effect.Effect<never, E2> | undefined
    const guarded: Guarded = {
      watch,
      patience,
      expire: () => {
        expired = Effect.fail(options.fail(Duration.millis(patience())))
        fiber.interruptUnsafe()
      }
    }
    watchdog.add(guarded)
    const { delete: release } = watchdog
    // Not before it has cleaned up: the next try may need what it holds.
    fiber.addObserver((exit) => {
      release(guarded)
      onEnd?.()
      resume(expired ?? exit)
    })
    return Effect.suspend(() => {
      release(guarded)
      return Fiber.interrupt(fiber)
    })
  })
