import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Clock, Context, Duration, Effect, Fiber, Layer, Logger, Redacted, Schema } from "effect"
import { Files, Policy } from "effect-anthropic-files"
import type * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpClient } from "effect/http"
import { RateLimiter } from "effect/persistence"
import { TestClock } from "effect/testing"
import { generator } from "../../src/emulator/internal/faults.ts"
import { drive, failure, id, layerOf, mostIn, ok, outcomeOf, script, settle, timesOf } from "./support.ts"

const minute = 60_000

const lookUp = (from: HttpMock.Mock, policy: Policy.Policy, options?: Partial<Files.Options>) =>
  Effect.provide(Files.metadata(id), layerOf(from.client, policy, options))

/** Lookups at these times, milliseconds, each in its own fiber. */
const arrivals = (times: ReadonlyArray<number>) =>
  Effect.forEach(times, (at) => Effect.delay(Files.metadata(id), at), { concurrency: "unbounded", discard: true })

describe("never more than the limit in any 60 seconds", () => {
  const patterns = Arbitrary.schema(Schema.Struct({
    perMinute: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 60 })),
    burst: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 80 })),
    seed: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1e9 })),
    bursts: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 6 }))
  }))

  it.effect.prop(
    "whatever the pattern of arrivals",
    [patterns],
    ([{ burst, bursts, perMinute, seed }]) =>
      Effect.gen(function*() {
        const random = generator(seed)
        const from = script(() => ok())
        const times = Array.from({ length: bursts }, () => {
          const at = Math.floor(random() * 4 * minute)
          return Array.from({ length: Math.floor(random() * perMinute) + 1 }, () =>
            at + Math.floor(random() ** 8 * minute))
        }).flat()
        const policy = Policy.rateLimit({
          requestsPerMinute: perMinute,
          burst: Math.max(1, Math.min(burst, perMinute - 1)),
          maxWait: "1 day"
        })
        yield* drive(Effect.provide(arrivals(times), layerOf(from.client, policy)), 5000)
        assert.strictEqual(from.requests().length, times.length)
        // Both ends included.
        assert.isAtMost(mostIn(timesOf(from), minute + 1), perMinute)
      }).pipe(Effect.provide(TestClock.layer())),
    { arbitrary: { runs: 60, concurrency: 1 } }
  )

  it.effect("a full minute's worth is sent in little more than a minute", () =>
    Effect.gen(function*() {
      const from = script(() => ok())
      const many = Effect.forEach(Array.from({ length: 1000 }), () => Files.metadata(id), { concurrency: "unbounded" })
      yield* drive(Effect.provide(many, layerOf(from.client, Policy.rateLimit())), 1000)
      assert.isAtMost(mostIn(timesOf(from), minute), 500)
      assert.isAtLeast(mostIn(timesOf(from), minute), 490)
      // A tenth at once.
      assert.strictEqual(timesOf(from).filter((at) => at === 0).length, 50)
      assert.isAtMost(timesOf(from).at(-1) ?? NaN, 2.2 * minute)
    }))

  it.effect("the beta dialect gets 100", () =>
    Effect.gen(function*() {
      const from = script(() => ok())
      const many = Effect.forEach(Array.from({ length: 250 }), () => Files.metadata(id), { concurrency: "unbounded" })
      yield* drive(Effect.provide(many, layerOf(from.client, Policy.rateLimit(), { dialect: "beta" })), 1000)
      assert.isAtMost(mostIn(timesOf(from), minute), 100)
      assert.isAtLeast(mostIn(timesOf(from), minute), 98)
      assert.strictEqual(timesOf(from).filter((at) => at === 0).length, 10)
    }))

  it.effect("a fixed window lets a whole one through at once, and twice as much around an edge", () =>
    Effect.gen(function*() {
      const from = script(() => ok())
      const policy = Policy.rateLimit({ algorithm: "fixed-window", requestsPerMinute: 20 })
      yield* drive(
        Effect.provide(arrivals([0, ...Array(19).fill(2900), ...Array(20).fill(minute)]), layerOf(from.client, policy)),
        1000
      )
      assert.strictEqual(mostIn(timesOf(from), 3000), 20)
      assert.isAbove(mostIn(timesOf(from), minute), 20)
    }))
})

describe("turns", () => {
  it.effect("are taken in the order of arrival", () =>
    Effect.gen(function*() {
      const order: Array<number> = []
      const from = script(() => ok())
      yield* drive(
        Effect.provide(
          Effect.forEach(
            Array.from({ length: 40 }, (_, n) => n),
            (n) => Effect.tap(Effect.delay(Files.metadata(id), n), () => Effect.sync(() => order.push(n))),
            { concurrency: "unbounded" }
          ),
          layerOf(from.client, Policy.rateLimit({ requestsPerMinute: 10, burst: 1 }))
        ),
        500
      )
      assert.deepStrictEqual(order, Array.from({ length: 40 }, (_, n) => n))
    }))

  it.effect("of those that were interrupted leave no gap", () =>
    Effect.gen(function*() {
      const from = script(() => ok())
      yield* Effect.gen(function*() {
        const fibers = yield* Effect.forEach(Array.from({ length: 9 }), () => Effect.forkChild(Files.metadata(id)))
        yield* settle
        yield* TestClock.adjust(100)
        // One at the head of the queue and some behind it.
        for (const fiber of fibers.slice(1, 8)) yield* Fiber.interrupt(fiber)
        const last = fibers[8]
        assert(last !== undefined)
        yield* drive(Fiber.join(last), 100)
      }).pipe(Effect.provide(layerOf(from.client, Policy.rateLimit({ requestsPerMinute: 10, burst: 1 }))))
      assert.deepStrictEqual(timesOf(from), [0, 6100])
    }))

  it.effect("are shared by two clients of one key, not by two keys, base URLs or workspaces", () =>
    Effect.gen(function*() {
      const most = (first: Files.Options, second: Files.Options) =>
        Effect.gen(function*() {
          const from = script(() => ok())
          const under = (options: Files.Options) =>
            Files.layer(options).pipe(Layer.provide(Policy.rateLimit({ requestsPerMinute: 10, burst: 5 })))
          // Two clients, each with a policy of its own, built together.
          const clients = Effect.all([Layer.build(under(first)), Layer.build(under(second))])
          yield* drive(
            Effect.scoped(Effect.flatMap(clients, ([one, other]) =>
              Effect.forEach(
                [one, other],
                (context) =>
                  Effect.forEach(Array.from({ length: 10 }), () => Files.metadata(id), { concurrency: "unbounded" })
                    .pipe(Effect.provideContext(context)),
                { concurrency: 2 }
              ))).pipe(
                Effect.provideService(HttpClient.HttpClient, from.client),
                Effect.provide(RateLimiter.layerStoreMemory)
              ),
            500
          )
          return mostIn(timesOf(from), minute)
        }).pipe(Effect.provide(TestClock.layer()))
      const options = { apiKey: Redacted.make("key-one"), baseUrl: "http://localhost" }
      assert.strictEqual(yield* most(options, options), 10)
      assert.strictEqual(yield* most(options, { ...options, apiKey: Redacted.make("key-two") }), 20)
      assert.strictEqual(yield* most(options, { ...options, baseUrl: "http://localhost:81" }), 20)
      assert.strictEqual(yield* most(options, { ...options, baseUrl: "http://localhost/gateway" }), 20)
      assert.strictEqual(yield* most(options, { ...options, workspaceId: "wrkspc_1" }), 20)
    }))

  for (const nearest of [false, true]) {
    it.effect(`are taken in turn by clients that share a store, ${nearest ? "however near one of them is" : "all equally near"}`, () =>
      Effect.gen(function*() {
        const clients = 4
        const from = script(() => ok())
        const taken = new Map<number, number>()
        const memory = yield* Effect.map(
          Layer.build(RateLimiter.layerStoreMemory),
          (context) => Context.get(context, RateLimiter.RateLimiterStore)
        )
        /** Each answer of the store travels for that long. */
        const storeAt = (distance: number) =>
          RateLimiter.RateLimiterStore.of({
            ...memory,
            tokenBucket: (bucket) => Effect.delay(memory.tokenBucket(bucket), distance)
          })
        const one = (n: number) =>
          Effect.forever(Effect.tap(Files.metadata(id), () => Effect.sync(() => taken.set(n, (taken.get(n) ?? 0) + 1))))
            .pipe(
              Effect.replicate(3),
              (all) => Effect.all(all, { concurrency: "unbounded" }),
              Effect.provide(
                layerOf(from.client, Policy.rateLimit({ maxWait: "20 seconds" })).pipe(
                  Layer.provide(Layer.succeed(RateLimiter.RateLimiterStore, storeAt(nearest && n > 0 ? 20 : 1))),
                  Layer.fresh
                )
              )
            )
        const all = Effect.forEach(Array.from({ length: clients }, (_, n) => n), one, { concurrency: "unbounded" })
        const failed = yield* drive(Effect.timeoutOption(Effect.flip(all), "2 minutes"), 7)
        assert.strictEqual(failed._tag, "None", "nobody waits in vain")
        const counts = Array.from({ length: clients }, (_, n) => taken.get(n) ?? 0)
        // All tokens are used, and no client has many more of them than another one.
        assert.isAtLeast(from.requests().length, 900)
        assert.isAtMost(mostIn(timesOf(from), minute), 500)
        assert.isAtMost(Math.max(...counts) - Math.min(...counts), 0.2 * Math.max(...counts), counts.join())
      }).pipe(Effect.scoped))
  }

  it.effect("are shared in memory by policies that are built together, without a store of one's own", () =>
    Effect.gen(function*() {
      const from = script(() => ok())
      const client = () =>
        Files.layer({ apiKey: Redacted.make("k"), baseUrl: "http://localhost" }).pipe(
          Layer.provide(Policy.rateLimit({ requestsPerMinute: 10, burst: 5 }))
        )
      const run = Effect.forEach(Array.from({ length: 8 }), () => Files.metadata(id), { concurrency: "unbounded" })
      const program = Layer.mergeAll(
        Layer.effectDiscard(Effect.orDie(run)).pipe(Layer.provide(client())),
        Layer.effectDiscard(Effect.orDie(run)).pipe(Layer.provide(client()))
      ).pipe(Layer.provide(Layer.succeed(HttpClient.HttpClient, from.client)))
      yield* drive(Effect.scoped(Layer.build(program)), 500)
      assert.isAtMost(mostIn(timesOf(from), minute), 10)
    }))

  it.effect("the store learns neither key nor base URL", () =>
    Effect.gen(function*() {
      const keys: Array<string> = []
      const memory = yield* Effect.flatMap(Layer.build(RateLimiter.layerStoreMemory), (context) =>
        Effect.provide(RateLimiter.RateLimiterStore, context))
      const store = Layer.succeed(RateLimiter.RateLimiterStore, {
        ...memory,
        tokenBucket: (options) => {
          keys.push(options.key)
          return memory.tokenBucket(options)
        }
      })
      const from = script(() =>
        ok()
      )
      yield* Effect.provide(lookUp(from, Policy.rateLimit()), store)
      assert.match(keys.join(), /^anthropic-files:[0-9a-f]{64}$/)
    }).pipe(Effect.scoped))
})

describe("what it learns", () => {
  const second = (headers: Readonly<Record<string, string>>, status = 429, policy = Policy.rateLimit()) =>
    Effect.gen(function*() {
      const from = script(
        () => status < 400 ? Response.json(JSON.parse(body), { headers }) : failure(status, headers),
        () => ok()
      )
      const results = yield* drive(
        Effect.all([Effect.result(Files.metadata(id)), Effect.result(Files.metadata(id))]).pipe(
          Effect.provide(layerOf(from.client, policy))
        ),
        100
      )
      return [timesOf(from), results] as const
    }).pipe(Effect.provide(TestClock.layer()))
  const body = JSON.stringify({
    id,
    type: "file",
    filename: "a",
    mime_type: "text/plain",
    size_bytes: 1,
    created_at: "1970-01-01T00:00:00Z"
  })
  const reset = "anthropic-ratelimit-requests-reset"
  const remaining = "anthropic-ratelimit-requests-remaining"

  it.effect("after a 429, waits as long as the service asks", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* second({ "retry-after": "17" }))[0], [0, 17_000])
      assert.deepStrictEqual((yield* second({ "retry-after": "0.5" }))[0], [0, 500])
      assert.deepStrictEqual((yield* second({ "retry-after-ms": "1700", "retry-after": "9" }))[0], [0, 1700])
      assert.deepStrictEqual((yield* second({ "retry-after": "Thu, 01 Jan 1970 00:00:30 GMT" }))[0], [0, 30_000])
      assert.deepStrictEqual((yield* second({}))[0], [0, 0])
      // What is not about the rate is not for it.
      assert.deepStrictEqual((yield* second({ "retry-after": "17" }, 503))[0], [0, 0])
    }))

  it.effect("with nothing remaining, waits for the reset, an RFC 3339 time", () =>
    Effect.gen(function*() {
      const at = "1970-01-01T00:00:25Z"
      assert.deepStrictEqual((yield* second({ [remaining]: "0", [reset]: at }, 200))[0], [0, 25_000])
      assert.deepStrictEqual(
        (yield* second({ [remaining]: "0", [reset]: "1970-01-01T02:00:25.500+02:00" }, 200))[0],
        [0, 25_500]
      )
      assert.deepStrictEqual((yield* second({ [remaining]: "1", [reset]: at }, 200))[0], [0, 0])
      assert.deepStrictEqual((yield* second({ [reset]: at }, 200))[0], [0, 0])
      assert.deepStrictEqual((yield* second({ [remaining]: "0", [reset]: "soon" }, 200))[0], [0, 0])
      assert.deepStrictEqual((yield* second({ [remaining]: "0", [reset]: "1969-12-31T23:00:00Z" }, 200))[0], [0, 0])
    }))

  it.effect("a wait that is longer than maxWait fails at once, nothing is sent, and the sentence names the header", () =>
    Effect.gen(function*() {
      const [times, [, result]] = yield* second(
        { "retry-after": "50" },
        429,
        Policy.rateLimit({ maxWait: "49 seconds" })
      )
      assert.deepStrictEqual(times, [0])
      assert(result._tag === "Failure" && result.failure._tag === "RateLimited")
      assert(result.failure.retryAfter !== undefined)
      assert.strictEqual(Duration.toMillis(result.failure.retryAfter), 50_000)
      assert.include(result.failure.message, "retry-after")
      assert.notInclude(result.failure.message, "own rate limit")
      assert.isUndefined(result.failure.status)
      assert.isFalse(result.failure.isOutcomeUnknown)
    }))
})

describe("maxWait", () => {
  it.effect("bounds the wait for a turn: RateLimited, and nothing sent", () =>
    Effect.gen(function*() {
      const from = script(() => ok())
      const results = yield* drive(
        Effect.forEach(
          Array.from({ length: 10 }),
          () =>
            Effect.flatMap(Effect.result(Files.metadata(id)), (result) =>
              Effect.map(Clock.currentTimeMillis, (at) => [result, at] as const)),
          { concurrency: "unbounded" }
        ).pipe(
          Effect.provide(
            layerOf(from.client, Policy.rateLimit({ requestsPerMinute: 10, burst: 1, maxWait: "20 seconds" }))
          )
        ),
        100
      )
      const failed = results.filter(([result]) =>
        result._tag === "Failure"
      )
      // At 0, 6.1, 12.2 and 18.3 seconds.
      assert.strictEqual(from.requests().length, 4)
      assert.strictEqual(failed.length, 6)
      for (const [result, at] of failed) {
        assert(result._tag === "Failure")
        assert.strictEqual(outcomeOf(result.failure), "RateLimited")
        assert.isTrue(result.failure.isRetryable)
        assert.isAtMost(at, 20_000)
      }
    }))

  it.effect("applies to each request separately", () =>
    Effect.gen(function*() {
      const from = script(() => ok())
      const policy = Policy.rateLimit({ requestsPerMinute: 1, burst: 1 })
      yield* Effect.gen(function*() {
        yield* Files.metadata(id)
        const patient = yield* Effect.forkChild(Files.metadata(id))
        yield* settle
        const hasty = yield* Effect.forkChild(
          Effect.flip(Policy.override(Files.metadata(id), { rateLimit: { maxWait: "2 seconds" } }))
        )
        yield* settle
        yield* TestClock.adjust("2 seconds")
        yield* settle
        assert.isDefined(hasty.pollUnsafe())
        assert.strictEqual(outcomeOf(yield* Fiber.join(hasty)), "RateLimited")
        yield* drive(Fiber.join(patient), 1000)
      }).pipe(Effect.provide(layerOf(from.client, policy)))
      assert.deepStrictEqual(timesOf(from), [0, 61_000])
    }))

  it.effect("of zero takes a free turn, and never waits", () =>
    Effect.gen(function*() {
      const from = script(() => ok())
      const policy = Policy.rateLimit({ requestsPerMinute: 10, burst: 2, maxWait: 0 })
      const results = yield* Effect.provide(
        Effect.forEach([1, 2, 3], () => Effect.result(Files.metadata(id))),
        layerOf(from.client, policy)
      )
      assert.deepStrictEqual(results.map((result) => result._tag), ["Success", "Success", "Failure"])
    }))
})

describe("a store that fails", () => {
  const failing = (consume: Effect.Effect<never, RateLimiter.RateLimiterError>) =>
    Layer.effect(
      RateLimiter.RateLimiterStore,
      Effect.map(
        Effect.flatMap(
          Layer.build(RateLimiter.layerStoreMemory),
          (context) => Effect.provide(RateLimiter.RateLimiterStore, context)
        ),
        (memory) => ({ ...memory, tokenBucket: () => consume })
      )
    )

  for (
    const [name, consume, after] of [
      [
        "with an error",
        Effect.fail(
          new RateLimiter.RateLimiterError({
            reason: new RateLimiter.RateLimitStoreError({ message: "no connection" })
          })
        ),
        0
      ],
      ["by silence", Effect.never, 2000]
    ] as const
  ) {
    it.effect(`${name} lets requests pass, with a warning`, () =>
      Effect.gen(function*() {
        const from = script(() => ok())
        const logs: Array<string> = []
        const logger = Logger.make(({ logLevel, message }) => void logs.push(`${logLevel} ${String(message)}`))
        yield* drive(
          Effect.provide(lookUp(from, Policy.rateLimit()), Layer.merge(failing(consume), Logger.layer([logger]))),
          100
        )
        assert.deepStrictEqual(timesOf(from), [after])
        assert.match(logs.join(), /Warn.*store/i)
      }).pipe(Effect.scoped))
  }
})
