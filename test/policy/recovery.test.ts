/**
 * What happens when a service comes back, and what one strange header may do.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { Files, FileSource, Messages, Policy } from "effect-anthropic-files"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpClient } from "effect/http"
import { RateLimiter } from "effect/persistence"
import * as Redacted from "effect/Redacted"
import { TestClock } from "effect/testing"
import { drive, failure, id, key, layerOf, ok, outcomeOf, timesOf, wire } from "./support.ts"

const many = <A, E, R>(count: number, effect: Effect.Effect<A, E, R>) =>
  Effect.all(Array.from({ length: count }, () => Effect.result(effect)), { concurrency: "unbounded" })

describe("when the service comes back", () => {
  it.effect("all calls that wait under the standard stack succeed, none fails with CircuitOpen", () =>
    Effect.gen(function*() {
      const outage = 45_000
      const from = HttpMock.answering((request) =>
        Effect.delay(Effect.sync(() => request.at < outage ? failure(503) : ok()), 20)
      )
      const results = yield* drive(
        Effect.provide(many(64, Files.metadata(id)), layerOf(from.client, Policy.standard())),
        100
      )
      const failed = results.flatMap((result) => result._tag === "Failure" ? [outcomeOf(result.failure)] : [])
      assert.deepStrictEqual(failed, [])
    }))

  it.effect("the calls do not come all in the same moment", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering((request) => request.at < 1000 ? failure(529, { "retry-after": "10" }) : ok())
      yield* drive(Effect.provide(many(40, Files.metadata(id)), layerOf(from.client, Policy.retry())), 10)
      const second = timesOf(from).filter((at) => at > 1000)
      assert.isAtLeast(Math.min(...second), 10_000)
      assert.isAtLeast(Math.max(...second) - Math.min(...second), 200)
    }))

  it.effect("a wait for an open circuit costs no try: the one try that is left is made after two such waits", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering((request) => request.at < 15_000 ? failure(503) : ok())
      const policy = Policy.stack(Policy.retry({ times: 1 }), Policy.circuitBreaker({ openDuration: "10 seconds" }))
      yield* Effect.gen(function*() {
        yield* Policy.override(many(5, Files.metadata(id)), { retry: false })
        yield* drive(Files.metadata(id), 100)
      }).pipe(Effect.provide(layerOf(from.client, policy)))
      assert.strictEqual(from.requests().length, 7)
      assert.isAtLeast(timesOf(from).at(-1) ?? NaN, 20_000)
    }))

  it.effect("waits for an open circuit end at maxElapsed", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering(() => failure(503))
      const policy = Policy.stack(
        Policy.retry({ times: 9, maxElapsed: "5 minutes" }),
        Policy.circuitBreaker({ openDuration: "50 seconds" })
      )
      const error = yield* Effect.flip(drive(Effect.provide(Files.metadata(id), layerOf(from.client, policy)), 500))
      assert.include(["ServerFailed", "CircuitOpen"], outcomeOf(error))
      // Five open the circuit; from then on one for each time that it may try.
      assert.isAtLeast(from.requests().length, 8)
      assert.isAtMost(timesOf(from).at(-1) ?? NaN, 300_000)
    }))
})

describe("no wait that a service asks for is shorter than the back-off", () => {
  for (
    const headers of [{ "retry-after": "0" }, { "retry-after-ms": "0" }, {
      "retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"
    }]
  ) {
    it.effect(JSON.stringify(headers), () =>
      Effect.gen(function*() {
        const from = HttpMock.answering(() => failure(529, headers))
        yield* drive(Effect.provide(many(64, Files.metadata(id)), layerOf(from.client, Policy.retry())), 10)
        assert.strictEqual(from.requests().length, 320)
        // 0.375, 0.75, 1.5 and 3 seconds at least.
        assert.isAtLeast(Math.max(...timesOf(from)), 5600)
      }))
  }
})

describe("a strange header does not close the client", () => {
  const far: ReadonlyArray<readonly [string, number, Readonly<Record<string, string>>]> = [
    ["retry-after", 429, { "retry-after": "9999999999" }],
    ["retry-after-ms", 429, { "retry-after-ms": "9999999999999" }],
    ["a reset a year ahead", 200, {
      "anthropic-ratelimit-requests-remaining": "0",
      "anthropic-ratelimit-requests-reset": "1971-01-01T00:00:00Z"
    }],
    ["a breaker's retry-after", 503, { "retry-after": "9999999999" }]
  ]
  for (const [how, status, headers] of far) {
    it.effect(`${how}: a minute later requests pass again`, () =>
      Effect.gen(function*() {
        const from = HttpMock.answering((_, n) => {
          if (n > 5) return ok()
          return status === 200 ? Response.json(wire({ id }), { headers }) : failure(status, headers)
        })
        const layer = layerOf(from.client, Policy.standard({ retry: false }))
        yield* Effect.gen(function*() {
          yield* drive(many(5, Files.metadata(id)), 1000)
          yield* TestClock.adjust("61 seconds")
          yield* drive(Files.metadata(id), 100)
        }).pipe(Effect.provide(layer))
      }))
  }

  it.effect("times of the service are compared with its own date, not with this machine's clock", () =>
    Effect.gen(function*() {
      const year = 365 * 24 * 3_600_000
      const headers = {
        date: new Date(year).toUTCString(),
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": new Date(year + 5000).toISOString()
      }
      const from = HttpMock.answering((_, n) => n === 1 ? Response.json(wire({ id }), { headers }) : ok())
      yield* drive(
        Effect.andThen(Files.metadata(id), Files.metadata(id)).pipe(
          Effect.provide(layerOf(from.client, Policy.rateLimit()))
        ),
        100
      )
      assert.deepStrictEqual(timesOf(from), [0, 5000])
    }))
})

describe("lanes of the rate limit", () => {
  const services = (from: HttpMock.Mock, policy: Policy.Policy) => {
    const options = { apiKey: Redacted.make(key), baseUrl: "http://localhost" }
    return Layer.mergeAll(Files.layer(options), Messages.layer(options)).pipe(
      Layer.provideMerge(policy),
      Layer.provide(Layer.succeed(HttpClient.HttpClient, from.client))
    )
  }
  const ask = Messages.create({
    model: "claude-sonnet-5-5",
    max_tokens: 1,
    messages: [{ role: "user", content: "hi" }]
  })
  const message = Response.json({
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "m",
    content: [],
    stop_reason: "end_turn",
    stop_sequence: null,
    usage: { input_tokens: 1, output_tokens: 1 }
  })

  it.effect("messages are not paced by the rate of files", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering(() => message.clone())
      yield* drive(Effect.provide(many(200, ask), services(from, Policy.rateLimit())), 100)
      assert.strictEqual(timesOf(from).at(-1), 0)
    }))

  it.effect("messages keep to a rate of their own when it is given", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering(() => message.clone())
      const policy = Policy.rateLimit({ messagesPerMinute: 60 })
      yield* drive(Effect.provide(many(60, ask), services(from, policy)), 100)
      assert.isAtLeast(timesOf(from).at(-1) ?? NaN, 50_000)
    }))

  it.effect("a 429 of the model does not stop a listing", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering((request) =>
        request.path.startsWith("/v1/messages")
          ? failure(429, { "retry-after": "30" })
          : Response.json({ data: [], next_page: null })
      )
      yield* drive(
        Effect.andThen(Effect.ignore(ask), Stream.runDrain(Files.list())).pipe(
          Effect.provide(services(from, Policy.rateLimit()))
        ),
        100
      )
      assert.deepStrictEqual(timesOf(from), [0, 0])
    }))

  it.effect("GETs of other hosts are not paced by the rate of files", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering((request) =>
        request.method === "GET" ? new Response("x".repeat(3)) : Response.json(wire({ size_bytes: 3 }))
      )
      yield* drive(
        Effect.provide(
          many(40, Files.upload(FileSource.url("https://bucket.example/file.txt"))),
          services(from, Policy.rateLimit({ requestsPerMinute: 50, burst: 40 }))
        ),
        100
      )
      const gets = from.requests().filter(({ method }) => method === "GET")
      assert.strictEqual(gets.length, 40)
      assert.isTrue(gets.every(({ at }) => at === 0))
    }))
})

describe("a store that many processes share", () => {
  const away = [
    ["fails", Effect.fail("away")],
    ["dies", Effect.die(new Error("away"))]
  ] as const
  for (const [how, effect] of away) {
    it.effect(`fails the Layer as PolicyFailed when it ${how} as the Layer is built`, () =>
      Effect.gen(function*() {
        const store = Layer.effect(RateLimiter.RateLimiterStore, effect)
        const client = Layer.succeed(HttpClient.HttpClient, HttpMock.answering(() => ok()).client)
        const policy = Policy.withStore(Policy.standard(), store)
        const error = yield* Effect.flip(Effect.scoped(Layer.build(Layer.provide(policy, client))))
        assert.strictEqual(error._tag, "PolicyFailed")
        assert.include(error.message, "store")
      }))
  }

  it.effect("lets requests pass, with a warning, when it is lost later", () =>
    Effect.gen(function*() {
      const lost = Effect.fail(
        new RateLimiter.RateLimiterError({ reason: new RateLimiter.RateLimitStoreError({ message: "gone" }) })
      )
      const store = Layer.succeed(RateLimiter.RateLimiterStore, {
        fixedWindow: () => lost,
        tokenBucket: () => lost,
        adaptiveConsume: () => lost,
        adaptiveFeedback: () => lost
      })
      const from = HttpMock.answering(() => ok())
      yield* Effect.provide(Files.metadata(id), layerOf(from.client, Policy.withStore(Policy.rateLimit(), store)))
      assert.strictEqual(from.requests().length, 1)
    }))
})
