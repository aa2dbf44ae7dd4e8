import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Redacted } from "effect"
import { Files, Policy } from "effect-anthropic-files"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpClient, HttpClientError } from "effect/http"
import { CircuitBreaker } from "effect/persistence"
import { TestClock } from "effect/testing"
import { StaleSocketError } from "../../src/internal/request/transportErrors.ts"
import { failure, id, layerOf, ok, outcomeOf, script, settle } from "./support.ts"

const under = <A, E, R>(
  effect: Effect.Effect<A, E, R | Files.Files>,
  from: HttpMock.Mock,
  options?: Policy.CircuitBreakerOptions
) => Effect.provide(effect, layerOf(from.client, Policy.circuitBreaker(options)))

const outcomes = (count: number) =>
  Effect.forEach(
    Array.from({ length: count }),
    () => Effect.match(Files.metadata(id), { onFailure: outcomeOf, onSuccess: () => "Success" })
  )

const stale: HttpMock.Answer = (_, request) =>
  Effect.fail(
    new HttpClientError.HttpClientError({
      reason: new HttpClientError.TransportError({ request, cause: new StaleSocketError(new Error("socket hang up")) })
    })
  )

describe("circuitBreaker", () => {
  it.effect("opens after five failures in a row, sends nothing, tries one after 30 seconds, and closes", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering((_, n) => n > 6 ? ok() : failure(500))
      yield* under(
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* outcomes(7), [...Array(5).fill("ServerFailed"), "CircuitOpen", "CircuitOpen"])
          assert.strictEqual(from.requests().length, 5)
          yield* TestClock.adjust("29 seconds")
          assert.deepStrictEqual(yield* outcomes(1), ["CircuitOpen"])
          yield* TestClock.adjust("1 second")
          // The one that may try fails.
          assert.deepStrictEqual(yield* outcomes(2), ["ServerFailed", "CircuitOpen"])
          yield* TestClock.adjust("30 seconds")
          assert.deepStrictEqual(yield* outcomes(3), ["Success", "Success", "Success"])
        }),
        from
      )
    }))

  it.effect("says for how long it is open, and that nothing was sent", () =>
    under(
      Effect.gen(function*() {
        yield* outcomes(5)
        yield* TestClock.adjust("10 seconds")
        const error = yield* Effect.flip(Files.metadata(id))
        assert(error._tag === "RequestFailed" && error.retryAfter !== undefined)
        assert.strictEqual(Duration.toSeconds(error.retryAfter), 20)
        assert.isTrue(error.isRetryable)
        assert.isFalse(error.isOutcomeUnknown)
      }),
      script(() => failure(503))
    ))

  const counts: ReadonlyArray<readonly [string, () => HttpMock.Reply, boolean]> = [
    ...[500, 502, 503, 504, 520, 529].map((status) => [`${status}`, () => failure(status), true] as const),
    ...["ECONNREFUSED", "ECONNRESET"].map((code) => [code, () => HttpMock.broken(code), true] as const),
    ...[400, 401, 403, 404, 408, 409, 413, 429].map((status) => [`${status}`, () => failure(status), false] as const),
    ["a certificate", () => HttpMock.broken("CERT_HAS_EXPIRED"), false],
    ["a kept-alive socket that the server had closed", () => stale, false],
    ["a success", () => ok(), false]
  ]
  for (const [name, answer, opens] of counts) {
    it.effect(`${name} ${opens ? "counts" : "does not count"} as a failure`, () =>
      Effect.gen(function*() {
        const from = script(answer)
        const seen = yield* under(outcomes(8), from)
        assert.strictEqual(seen.includes("CircuitOpen"), opens)
        assert.strictEqual(from.requests().length, opens ? 5 : 8)
      }))
  }

  it.effect("a success resets the count, a 429 does not", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering((_, n) => n % 5 === 0 ? ok() : failure(500))
      assert.notInclude(yield* under(outcomes(20), from), "CircuitOpen")
      const limited = HttpMock.answering((_, n) => n % 5 === 0 ? failure(429) : failure(500))
      assert.include(yield* under(outcomes(20), limited), "CircuitOpen")
    }))

  it.effect("stays open as long as the service asks, up to a minute", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering((_, n) => n > 5 ? ok() : failure(503, { "retry-after": "50" }))
      yield* under(
        Effect.gen(function*() {
          yield* outcomes(5)
          yield* TestClock.adjust("49 seconds")
          assert.deepStrictEqual(yield* outcomes(1), ["CircuitOpen"])
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual(yield* outcomes(1), ["Success"])
        }),
        from
      )
    }))

  it.effect("is separate for each host", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering(({ request }) => request.headers["x-api-key"] === "bad" ? failure(500) : ok())
      const breaker = Layer.provide(Policy.circuitBreaker(), Layer.succeed(HttpClient.HttpClient, from.client))
      yield* Effect.gen(function*() {
        const client = yield* HttpClient.HttpClient
        const get = (host: string, key: string) =>
          Effect.exit(client.get(`http://${host}.localhost/v1/files`, { headers: { "x-api-key": key } }))
        for (let n = 0; n < 5; n++) yield* get("one", "bad")
        assert.strictEqual((yield* get("one", "good"))._tag, "Failure")
        assert.strictEqual((yield* get("two", "good"))._tag, "Success")
      }).pipe(Effect.provide(breaker))
    }))

  it.effect("is separate for each host of this package's clients, though they have one key", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering(({ request }) => request.url.includes("one.localhost") ? failure(500) : ok())
      const breaker = Layer.provide(Policy.circuitBreaker(), Layer.succeed(HttpClient.HttpClient, from.client))
      yield* Effect.gen(function*() {
        const clientOf = (host: string) =>
          Files.make({ apiKey: Redacted.make("sk-ant-test"), baseUrl: `https://${host}.localhost` })
        const [one, two] = [yield* clientOf("one"), yield* clientOf("two")]
        for (let n = 0; n < 5; n++) yield* Effect.ignore(one.metadata(id))
        assert.strictEqual(outcomeOf(yield* Effect.flip(one.metadata(id))), "CircuitOpen")
        assert.strictEqual((yield* two.metadata(id)).id, id)
      }).pipe(Effect.provide(breaker))
    }))

  it.effect("only one request tries a half-open circuit, and an interrupted one frees its place", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering((_, n) => n <= 5 ? failure(500) : n === 6 ? Effect.never : ok())
      yield* under(
        Effect.gen(function*() {
          yield* outcomes(5)
          yield* TestClock.adjust("30 seconds")
          const probe = yield* Effect.forkChild(Files.metadata(id))
          yield* settle
          assert.deepStrictEqual(yield* outcomes(2), ["CircuitOpen", "CircuitOpen"])
          assert.strictEqual(from.requests().length, 6)
          yield* Fiber.interrupt(probe)
          assert.deepStrictEqual(yield* outcomes(1), ["Success"])
        }),
        from
      )
    }))

  it.effect("uses the given policy and time", () =>
    Effect.gen(function*() {
      const from = script(() => failure(500), () => failure(500), () => ok())
      yield* under(
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* outcomes(3), ["ServerFailed", "ServerFailed", "CircuitOpen"])
          yield* TestClock.adjust("2 seconds")
          assert.deepStrictEqual(yield* outcomes(1), ["Success"])
        }),
        from,
        { tripPolicy: CircuitBreaker.consecutive(2), openDuration: "2 seconds" }
      )
    }))

  it.effect("lets requests pass when its store fails", () =>
    Effect.gen(function*() {
      const error = new CircuitBreaker.CircuitBreakerError({
        reason: new CircuitBreaker.CircuitBreakerStoreError({ message: "no connection" })
      })
      const store = Layer.succeed(CircuitBreaker.CircuitBreakerStore, {
        admit: () => Effect.fail(error),
        record: () => Effect.fail(error),
        state: () => Effect.fail(error)
      })
      const from = script(() => ok())
      assert.deepStrictEqual(yield* Effect.provide(under(outcomes(2), from), store), ["Success", "Success"])
    }))
})
