/**
 * The known traps of effect's own retry, rate limiter and circuit breaker: ours falls into none of them.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schedule, Stream } from "effect"
import { Files, Policy } from "effect-anthropic-files"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpClient } from "effect/http"
import { CircuitBreaker, RateLimiter } from "effect/persistence"
import { TestClock } from "effect/testing"
import { drive, failure, id, layerOf, ok, outcomeOf, script, settle, timesOf } from "./support.ts"

const url = "http://localhost/v1/files/file_1"

const ours = (from: HttpMock.Mock, policy: Policy.Policy) =>
  drive(Effect.result(Effect.provide(Files.metadata(id), layerOf(from.client, policy))), 500)

const memory = RateLimiter.layer.pipe(Layer.provide(RateLimiter.layerStoreMemory))

describe("retryTransient", () => {
  it.effect("does not know 529 and 409, ours does", () =>
    Effect.gen(function*() {
      for (const status of [529, 409]) {
        const theirs = script(() => failure(status), () => ok())
        yield* HttpClient.retryTransient(theirs.client, { times: 3 }).get(url)
        assert.strictEqual(theirs.requests().length, 1)
        const from = script(() => failure(status), () => ok())
        yield* ours(from, Policy.retry())
        assert.strictEqual(from.requests().length, 2)
      }
    }))

  it.effect("is immediate without a schedule, ours waits", () =>
    Effect.gen(function*() {
      const theirs = script(() => failure(503), () => failure(503), () => ok())
      yield* HttpClient.retryTransient(theirs.client, { times: 3 }).get(url)
      assert.deepStrictEqual(timesOf(theirs), [0, 0, 0])
      const from = script(() => failure(503), () => failure(503), () => ok())
      yield* ours(from, Policy.retry())
      const [, second = 0, third = 0] = timesOf(from)
      assert.isAtLeast(second, 375)
      assert.isAtLeast(third - second, 750)
    }))

  it.effect("ignores retry-after-ms, ours does not", () =>
    Effect.gen(function*() {
      const theirs = script(() => failure(503, { "retry-after-ms": "7000" }), () => ok())
      yield* drive(
        HttpClient.retryTransient(theirs.client, { times: 3, schedule: Schedule.spaced("1 second") }).get(url),
        500
      )
      assert.deepStrictEqual(timesOf(theirs), [0, 1000])
      const from = script(() => failure(503, { "retry-after-ms": "7000" }), () => ok())
      const start = timesOf(theirs).at(-1) ?? 0
      yield* ours(from, Policy.retry())
      const [first = 0, second = 0] = timesOf(from)
      assert.isAtLeast(first, start)
      assert.isAtLeast(second - first, 7000)
      assert.isAtMost(second - first, 7500)
    }))

  it.effect("gives the last bad answer as a success, ours gives its error", () =>
    Effect.gen(function*() {
      const theirs = script(() => failure(503))
      assert.strictEqual((yield* HttpClient.retryTransient(theirs.client, { times: 1 }).get(url)).status, 503)
      const from = script(() => failure(503, {}, undefined, "api_error"))
      const result = yield* ours(from, Policy.retry({ times: 1 }))
      assert(result._tag === "Failure")
      assert.strictEqual(outcomeOf(result.failure), "ServerFailed")
      assert.strictEqual(result.failure.status, 503)
      // What the last answer said is still there.
      assert.include(result.failure.message, "The service says: no")
    }))

  it.effect("counts answers and failures apart, ours together", () =>
    Effect.gen(function*() {
      const mixed = () => HttpMock.answering((_, n) => n % 2 === 0 ? failure(503) : failure(429))
      const from = mixed()
      yield* ours(from, Policy.retry({ times: 3 }))
      assert.strictEqual(from.requests().length, 4)
    }))
})

describe("withRateLimiter", () => {
  const theirs = (client: HttpClient.HttpClient) =>
    Effect.map(
      RateLimiter.RateLimiter,
      (limiter) => HttpClient.withRateLimiter(client, { limiter, key: "k", limit: 100, window: "1 minute" })
    )

  it.effect("retries 429 without end, ours sends it once", () =>
    Effect.gen(function*() {
      const endless = script(() => failure(429, { "retry-after": "1" }))
      const client = yield* theirs(endless.client)
      const fiber = yield* Effect.forkChild(Effect.exit(client.get(url)))
      for (let n = 0; n < 200; n++) {
        yield* settle
        yield* TestClock.adjust("1 second")
      }
      assert.isAbove(endless.requests().length, 50)
      yield* Fiber.interrupt(fiber)
      const from = script(() => failure(429, { "retry-after": "1" }))
      const result = yield* ours(from, Policy.rateLimit())
      assert(result._tag === "Failure")
      assert.strictEqual(from.requests().length, 1)
    }).pipe(Effect.provide(memory)))

  it.effect("has no longest wait, ours has", () =>
    Effect.gen(function*() {
      const from = script(() => failure(429, { "retry-after": "3600" }))
      yield* Effect.gen(function*() {
        yield* Effect.flip(Files.metadata(id))
        const error = yield* Effect.flip(Files.metadata(id))
        assert.strictEqual(error._tag, "RateLimited")
      }).pipe(Effect.provide(layerOf(from.client, Policy.rateLimit({ maxWait: "30 seconds" }))))
      assert.strictEqual(from.requests().length, 1)
    }))

  it.effect("loses the place of an interrupted request, ours does not", () =>
    Effect.gen(function*() {
      const from = script(() => ok())
      yield* Effect.gen(function*() {
        const fibers = yield* Effect.forEach([1, 2, 3, 4], () => Effect.forkChild(Files.metadata(id)))
        yield* settle
        for (const fiber of fibers.slice(1, 3)) yield* Fiber.interrupt(fiber)
        yield* drive(Effect.forEach([0, 3], (n) => fibers[n] === undefined ? Effect.void : Fiber.join(fibers[n])), 100)
      }).pipe(Effect.provide(layerOf(from.client, Policy.rateLimit({ requestsPerMinute: 60, burst: 1 }))))
      assert.strictEqual(from.requests().length, 2)
      assert.isAtMost(timesOf(from)[1] ?? NaN, 1100)
    }))

  it.effect("reads an RFC 3339 reset as seconds and waits far too long, ours as the time it is", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2026, 10, 21))
      const from = HttpMock.answering((_, n) =>
        n === 1
          ? Response.json({ data: [], next_page: null }, {
            headers: {
              "anthropic-ratelimit-requests-remaining": "0",
              "anthropic-ratelimit-requests-reset": "2026-11-21T00:00:05Z"
            }
          })
          : Response.json({ data: [], next_page: null })
      )
      yield* drive(
        Effect.andThen(Stream.runDrain(Files.list()), Stream.runDrain(Files.list())).pipe(
          Effect.provide(layerOf(from.client, Policy.rateLimit()))
        ),
        100
      )
      const [first = 0, second = 0] = timesOf(from)
      assert.strictEqual(second - first, 5000)
    }))

  it.effect("widens the error channel, ours keeps an HttpClient one", () =>
    Effect.gen(function*() {
      const policy: Policy.Policy = Policy.stack(Policy.rateLimit({ maxWait: 0 }), Policy.circuitBreaker())
      const from = script(() => failure(500))
      const error = yield* Effect.gen(function*() {
        const client = yield* HttpClient.HttpClient
        for (let n = 0; n < 5; n++) yield* client.get(url)
        return yield* Effect.flip(client.get(url))
      }).pipe(Effect.provide(layerOf(from.client, policy)))
      assert.strictEqual(error._tag, "HttpClientError")
      assert.strictEqual(error.reason._tag, "TransportError")
    }))
})

describe("the circuit breaker's classifier", () => {
  it.effect("does not know 529 and counts 429, ours knows both", () =>
    Effect.gen(function*() {
      for (const [status, opens] of [[529, true], [429, false]] as const) {
        const from = script(() => failure(status))
        const results = yield* Effect.provide(
          Effect.forEach(Array.from({ length: 6 }), () => Effect.flip(Files.metadata(id))),
          layerOf(from.client, Policy.circuitBreaker({ tripPolicy: CircuitBreaker.consecutive(5) }))
        )
        assert.strictEqual(results.map(outcomeOf).includes("CircuitOpen"), opens)
      }
    }))
})

describe("a client beneath that makes failures of bad answers", () => {
  it.effect("is retried anyway, and counted", () =>
    Effect.gen(function*() {
      const from = script(() => failure(529, { "retry-after": "2" }), () => ok())
      const strict = HttpClient.filterStatusOk(from.client)
      yield* drive(Effect.provide(Files.metadata(id), layerOf(strict, Policy.standard())), 500)
      assert.isAtLeast(timesOf(from)[1] ?? NaN, 2000)
      const open = script(() => failure(500))
      const results = yield* Effect.provide(
        Effect.forEach(Array.from({ length: 6 }), () =>
          Effect.flatMap(HttpClient.HttpClient, (client) => Effect.flip(client.get(url)))),
        layerOf(
          HttpClient.filterStatusOk(open.client),
          Policy.stack(Policy.retry({ times: 0 }), Policy.circuitBreaker())
        )
      )
      assert.strictEqual(open.requests().length, 5)
      assert.strictEqual(results[0]?.reason._tag, "StatusCodeError")
      // Its body can still be read.
      const [first] = results
      assert(first?.reason._tag === "StatusCodeError")
      assert.include(yield* first.reason.response.text, "api_error")
    }))
})

describe("a policy ends at the response's headers", () => {
  it.effect("ends at the headers, so a download has its own guard", () =>
    Effect.gen(function*() {
      const theirs = script(() => new Response("abc", { headers: { "content-length": "9" } }))
      const response = yield* HttpClient.retryTransient(theirs.client, { times: 3 }).get(url)
      assert.strictEqual((yield* Stream.runCollect(response.stream)).length, 1)
      assert.strictEqual(theirs.requests().length, 1)
      const from = script(
        () => new Response("abc", { headers: { "content-length": "9" } }),
        () => new Response("abcdefghi", { headers: { "content-length": "9" } })
      )
      const text = yield* drive(
        Effect.provide(
          Stream.mkString(Stream.decodeText(Files.download(id))),
          layerOf(from.client, Policy.retry())
        ),
        500
      )
      assert.strictEqual(text, "abcdefghi")
    }))
})

describe("layers", () => {
  it.effect("are shared by reference: a policy is a function", () =>
    Effect.sync(() => {
      assert.notStrictEqual(Policy.retry(), Policy.retry())
      assert.notStrictEqual(Policy.standard(), Policy.standard())
    }))

  it.effect("given as a list they are merged, not stacked: stack stacks", () =>
    Effect.gen(function*() {
      const from = script(() => failure(500), () => failure(500), () => ok())
      const breaker = Policy.circuitBreaker({ tripPolicy: CircuitBreaker.consecutive(1), openDuration: "3 seconds" })
      yield* drive(
        Effect.provide(Files.metadata(id), layerOf(from.client, Policy.stack(Policy.retry({ times: 9 }), breaker))),
        100
      )
      // Both at work: the tries wait for the circuit.
      const [first = 0, second = 0, third = 0] = timesOf(from)
      assert.isAtLeast(second - first, 3000)
      assert.isAtLeast(third - second, 3000)
    }))
})
