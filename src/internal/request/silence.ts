/**
 * The one limit on silence of a request. Its timer and its state belong to the request that it guards: they are shared
 * with no other request, layer or clock, and they end with it.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { after } from "../timer.ts"

/** Limits that a timeout policy sets, in milliseconds. The client's own hold where one is absent. */
export interface SilenceLimits {
  /** Until the answer's headers, and between two signs of progress of the request's body. */
  readonly headers?: number | undefined
  /** Between two chunks of the answer's body. */
  readonly body?: number | undefined
}

/** What a request beneath the guard tells it. */
export interface Silence {
  /** The body of the request made progress: its source gave bytes, or the socket took some. */
  readonly moved: () => void
  /** A wait on purpose begins, for a turn or for a socket: it is not silence. The function that it returns ends it. */
  readonly pause: () => () => void
  /** Replaces limits of the client for this request. Of several for the same silence the shortest holds. */
  readonly limitTo: (limits: SilenceLimits) => void
  readonly limits: SilenceLimits
  /** When something last moved, the beginning at first. Monotonic milliseconds. */
  readonly movedAt: number
}

/** The guard of the request that runs in this fiber. */
export const CurrentSilence = Context.Reference<Silence | undefined>(
  "effect-anthropic-files/internal/request/CurrentSilence",
  { defaultValue: () => undefined }
)

/** Begins a wait on purpose in the guard of this fiber's request, if there is one. */
export const pauseIn = (fiber: Fiber.Fiber<unknown, unknown>): () => void =>
  fiber.getRef(CurrentSilence)?.pause() ?? (() => {})

/** Milliseconds by a clock that nobody sets. */
export const monotonicMillis = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

/** Milliseconds of silence that are allowed now. */
type LimitOf = (limits: SilenceLimits) => number

const shorter = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? one ?? other : Math.min(one, other)

class Guard implements Silence {
  private readonly clock: Clock.Clock
  private readonly limitOf: LimitOf
  movedAt: number
  private pauses = 0
  limits: SilenceLimits = {}
  private cancelTimer: (() => void) | undefined
  private expire: ((waited: Duration.Duration) => void) | undefined

  constructor(clock: Clock.Clock, limitOf: LimitOf) {
    this.clock = clock
    this.limitOf = limitOf
    this.movedAt = monotonicMillis(clock)
  }

  moved(): void {
    this.movedAt = monotonicMillis(this.clock)
  }

  pause(): () => void {
    let isPaused = true
    this.pauses++
    return () => {
      if (!isPaused) return
      isPaused = false
      this.pauses--
      this.moved()
    }
  }

  limitTo(limits: SilenceLimits): void {
    this.limits = {
      headers: shorter(this.limits.headers, limits.headers),
      body: shorter(this.limits.body, limits.body)
    }
    if (this.cancelTimer !== undefined) this.look()
  }

  start(expire: (waited: Duration.Duration) => void): void {
    this.expire = expire
    this.look(this.movedAt)
  }

  stop(): void {
    this.expire = undefined
    this.cancelTimer?.()
    this.cancelTimer = undefined
  }

  private look(now = monotonicMillis(this.clock)): void {
    const { expire } = this
    this.cancelTimer?.()
    this.cancelTimer = undefined
    if (expire === undefined) return
    const limit = this.limitOf(this.limits)
    const waited = this.pauses > 0 ? 0 : now - this.movedAt
    if (waited >= limit) {
      this.stop()
      return expire(Duration.millis(limit))
    }
    if (limit !== Infinity) this.cancelTimer = after(this.clock, Math.ceil(limit - waited), () => this.look())
  }
}

export interface GuardOptions<E> {
  readonly limit: LimitOf
  readonly onSilence: (waited: Duration.Duration) => E
  /** What the effect runs with besides. */
  readonly provide?: (context: Context.Context<never>) => Context.Context<never>
}

/**
 * Runs what `make` gives, and fails when nothing has moved for longer than the limit. The failure comes once that has
 * cleaned up, since the next try may need what it holds.
 */
export const unlessSilent = <A, E, R, E2>(
  make: (silence: Silence) => Effect.Effect<A, E, R>,
  options: GuardOptions<E2>
): Effect.Effect<A, E | E2, R> =>
  Effect.callback<A, E | E2, R>((resume) => {
    const outer = Fiber.getCurrent()?.context ?? Context.empty()
    const guard = new Guard(Context.get(outer, Clock.Clock), options.limit)
    const guarded = Context.add(outer, CurrentSilence, guard)
    // The fiber that runs this has what the effect needs.
    const context = (options.provide === undefined ? guarded : options.provide(guarded)) as Context.Context<R>
    const fiber = Effect.runForkWith(context)(make(guard))
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return resume(exit)
    let silent: Effect.Effect<never, E2> | undefined
    guard.start((waited) => {
      silent = Effect.fail(options.onSilence(waited))
      fiber.interruptUnsafe()
    })
    fiber.addObserver((exit) => {
      guard.stop()
      resume(silent ?? exit)
    })
    return Effect.suspend(() => {
      guard.stop()
      return Fiber.interrupt(fiber)
    })
  })

/**
 * Fails when a pull takes longer than `limit`. While nobody pulls, no time passes.
 */
export const unlessStalled = <A, E, R, E2>(
  self: Stream.Stream<A, E, R>,
  limit: Duration.Duration,
  onSilence: () => E2
): Stream.Stream<A, E | E2, R> => {
  const millis = Duration.toMillis(limit)
  return Stream.transformPull(
    self,
    (pull) => Effect.succeed(unlessSilent(() => pull, { limit: () => millis, onSilence }))
  )
}
