/**
 * The store of the rate that all runners share, in Redis. While Redis is away, a runner keeps to its share of the rate, or
 * sends nothing.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Redis from "effect/persistence/Redis"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import { makeSteadyClock } from "../../internal/policy/steadyClock.ts"
import { monotonicMillis } from "../../internal/request/silence.ts"
import { aside } from "./aside.ts"

type Store = RateLimiter.RateLimiterStore["Service"]

type Bucket = Parameters<Store["tokenBucket"]>[0]

type Window = Parameters<Store["fixedWindow"]>[0]

/** Redis is away if it does not answer within that time. The rate limit policy waits twice as long for this store. */
const answerLimit = Duration.seconds(1)

/** While Redis is away, it is asked once in so many milliseconds. */
const askAgain = 1_000

/** How often live runners are counted. */
const countInterval = Duration.seconds(2)

/** How often the time of Redis is read. */
const measureInterval = Duration.seconds(30)

/** No request waits so long, so it fails at once. */
const never = Duration.days(1)

/** The tokens of one key that were used while Redis was away. */
interface Spent {
  tokens: number
  /** The number of the outage. */
  outage: number
}

const refuse = (key: string, limit: number) =>
  Effect.fail(
    new RateLimiter.RateLimiterError({
      reason: new RateLimiter.RateLimitExceeded({ key, retryAfter: never, limit, remaining: 0 })
    })
  )

const noAnswer = () =>
  Effect.fail(
    new RateLimiter.RateLimiterError({
      reason: new RateLimiter.RateLimitStoreError({ message: "Redis gives no answer" })
    })
  )

/**
 * An estimate of the time of Redis. If each machine filled the bucket by its own clock, and the clocks differ, more tokens
 * than the limit would be issued.
 */
const makeRedisClock = Effect.fnUntraced(function*(
  redis: Redis.Redis["Service"],
  steady: Clock.Clock
): Effect.fn.Return<Clock.Clock, never, Scope.Scope> {
  let ahead = 0
  const measure = Effect.gen(function*() {
    const asked = steady.currentTimeMillisUnsafe()
    const [seconds = "", micros = ""] = yield* redis.send<ReadonlyArray<string>>("TIME")
    const answered = steady.currentTimeMillisUnsafe()
    ahead = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000) - (asked + answered) / 2
  }).pipe(Effect.timeout(answerLimit), Effect.ignore)
  yield* measure
  yield* Effect.forkScoped(Effect.repeat(measure, Schedule.spaced(measureInterval)))
  return {
    ...steady,
    currentTimeMillisUnsafe: () => Math.round(steady.currentTimeMillisUnsafe() + ahead)
  }
})

export const make = Effect.fnUntraced(function*(
  countAlive: Effect.Effect<number, SqlError>,
  onRedisLost: "share" | "fail"
): Effect.fn.Return<Store, never, Redis.Redis | Scope.Scope> {
  const redis = yield* Redis.Redis
  const shared = yield* RateLimiter.makeStoreRedis()
  const local = Context.get(yield* Layer.build(RateLimiter.layerStoreMemory), RateLimiter.RateLimiterStore)
  const clock = yield* Clock.Clock
  const steady = makeSteadyClock(clock)
  const redisClock = yield* makeRedisClock(redis, steady)
  let alive = 1
  let lostAt = -Infinity
  let isLost = false
  let outages = 0
  const spent = new Map<string, Spent>()

  yield* Effect.ignore(countAlive.pipe(Effect.map((count) => void (alive = Math.max(1, count))))).pipe(
    Effect.repeat(Schedule.spaced(countInterval)),
    aside,
    Effect.forkScoped
  )

  /** Asks Redis, unless it failed a moment ago. */
  const ask = <A>(
    question: Effect.Effect<A, RateLimiter.RateLimiterError>,
    otherwise: Effect.Effect<A, RateLimiter.RateLimiterError>
  ): Effect.Effect<A, RateLimiter.RateLimiterError> =>
    Effect.suspend(() => {
      if (isLost && monotonicMillis(clock) - lostAt < askAgain) return otherwise
      return Effect.matchEffect(Effect.timeoutOrElse(question, { duration: answerLimit, orElse: noAnswer }), {
        onSuccess: (answer) => {
          if (!isLost) return Effect.succeed(answer)
          isLost = false
          return Effect.as(Effect.logInfo("The rate limit is shared through Redis again"), answer)
        },
        onFailure: (error) => {
          if (error.reason._tag === "RateLimitExceeded") return Effect.fail(error)
          lostAt = monotonicMillis(clock)
          if (isLost) return otherwise
          isLost = true
          outages++
          return Effect.andThen(Effect.logWarning(lostMessage(onRedisLost, alive, error.message)), otherwise)
        }
      })
    })

  /** The runner's share of the rate. It starts empty, because the runner may just have used its part. */
  const ofShare = (bucket: Bucket) =>
    Effect.gen(function*() {
      const { allowOverflow, key, limit, refillRate, tokens } = bucket
      const mine: Bucket = {
        ...bucket,
        key: `${key} ${outages}`,
        limit: Math.max(1, Math.floor(limit / alive)),
        refillRate: Duration.times(refillRate, alive)
      }
      const before = spent.get(key)
      if (before?.outage !== outages) {
        spent.set(key, { tokens: before?.tokens ?? 0, outage: outages })
        yield* local.tokenBucket({ ...mine, tokens: mine.limit, allowOverflow: false })
      }
      const [remaining, elapsed] = yield* local.tokenBucket(mine)
      const mySpent = spent.get(key)
      if ((remaining >= 0 || allowOverflow) && mySpent !== undefined) mySpent.tokens += tokens
      return [remaining, elapsed] as const
    }).pipe(Effect.provideService(Clock.Clock, steady))

  /** Takes the tokens that were used during the outage from the bucket in Redis, which kept filling. */
  const payBack = (bucket: Bucket) =>
    Effect.suspend(() => {
      const mine = spent.get(bucket.key)
      if (mine === undefined || mine.tokens === 0) return Effect.void
      return Effect.map(
        shared.tokenBucket({ ...bucket, tokens: mine.tokens, allowOverflow: true }),
        () => void spent.delete(bucket.key)
      )
    })

  return RateLimiter.RateLimiterStore.of({
    ...shared,
    tokenBucket: (bucket) =>
      ask(
        Effect.provideService(
          Effect.andThen(payBack(bucket), shared.tokenBucket(bucket)),
          Clock.Clock,
          redisClock
        ),
        onRedisLost === "fail" ? refuse(bucket.key, bucket.limit) : ofShare(bucket)
      ),
    fixedWindow: (window: Window) => {
      const { key, limit, refillRate } = window
      const mine = limit === undefined ? undefined : Math.max(1, Math.floor(limit / alive))
      return ask(
        shared.fixedWindow(window),
        onRedisLost === "fail"
          ? refuse(key, limit ?? 0)
          : Effect.provideService(
            local.fixedWindow({ ...window, limit: mine, refillRate: Duration.times(refillRate, alive) }),
            Clock.Clock,
            steady
          )
      )
    }
  })
})

const lostMessage = (onRedisLost: "share" | "fail", alive: number, why: string): string =>
  onRedisLost === "fail"
    ? `Redis is away, and nothing is sent until it is back: ${why}`
    : `Redis is away, and this runner keeps to 1/${alive} of the rate limit until it is back: ${why}`
