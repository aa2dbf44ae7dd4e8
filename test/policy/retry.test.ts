import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Random } from "effect"
import { Files, Policy } from "effect-anthropic-files"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { Headers, HttpClient } from "effect/http"
import { isRetryable } from "../../src/internal/request/retryable.ts"
import { errorTable } from "../internal/request/errorTable.ts"
import { drive, failure, id, layerOf, ok, outcomeOf, script, timesOf } from "./support.ts"

const metadata = (policy: Policy.Policy, from: HttpMock.Mock) =>
  Effect.provide(Files.metadata(id), layerOf(from.client, policy))

/** Chance that always takes nothing off. */
const withoutJitter = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, Random.Random, { nextIntUnsafe: () => 0, nextDoubleUnsafe: () => 0 })

/** The waits between requests, milliseconds. */
const waits = (times: ReadonlyArray<number>) => times.slice(1).map((at, n) => at - (times[n] ?? 0))

describe("what is retried", () => {
  for (const { code, status } of errorTable) {
    for (const header of [undefined, "true", "false", "maybe"]) {
      const headers: Record<string, string> = header === undefined ? {} : { "x-should-retry": header }
      it.effect(`${status} ${code ?? ""} with x-should-retry ${header}`, () =>
        Effect.gen(function*() {
          const from = script(() => failure(status, headers, code), () => ok())
          const result = yield* Effect.result(drive(metadata(Policy.retry(), from), 500))
          const spendCap = code?.includes("spend_limit") === true
          const expected = spendCap
            ? false
            : header === "true" || (header !== "false" && isRetryable(status, Headers.empty, code))
          assert.strictEqual(from.requests().length, expected ? 2 : 1)
          assert.strictEqual(result._tag, expected ? "Success" : "Failure")
          // The error says the same of itself.
          if (result._tag === "Failure") assert.isFalse(result.failure.isRetryable)
        }))
    }
  }

  it.effect("the statuses by name", () =>
    Effect.gen(function*() {
      for (const status of [408, 409, 429, 500, 502, 503, 504, 520, 529, 599, 600, 999]) {
        // fromWeb takes no such status, and a gateway gives them all the same.
        const from = HttpMock.answering((_, n) =>
          n > 1 ? ok() : status < 600 ? failure(status) : withStatus(failure(500), status)
        )
        yield* drive(metadata(Policy.retry(), from), 500)
        assert.strictEqual(from.requests().length, 2, `${status}`)
      }
      for (const status of [400, 401, 402, 403, 404, 405, 413, 418, 422, 501]) {
        const from = script(() => failure(status), () => ok())
        yield* Effect.flip(drive(metadata(Policy.retry(), from), 500))
        assert.strictEqual(from.requests().length, 1, `${status}`)
      }
    }))

  it.effect("an error whose code decides is told by the code in its body", () =>
    Effect.gen(function*() {
      const again = script(() => failure(400, {}, "request_body_timeout"), () => ok())
      yield* drive(metadata(Policy.retry(), again), 500)
      assert.strictEqual(again.requests().length, 2)
      for (const code of ["enforced_spend_limit_reached", "contract_spend_limit_reached"]) {
        const never = script(() => failure(429, { "retry-after": "1", "x-should-retry": "true" }, code), () => ok())
        const error = yield* Effect.flip(drive(metadata(Policy.retry(), never), 500))
        assert.strictEqual(outcomeOf(error), "BillingBlocked")
        assert.isFalse(error.isRetryable)
        assert.strictEqual(never.requests().length, 1)
      }
    }))

  it.effect("a broken connection, but not a certificate", () =>
    Effect.gen(function*() {
      for (const code of ["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "EPIPE", "UND_ERR_CONNECT_TIMEOUT"]) {
        const from = script(() => HttpMock.broken(code), () => ok())
        yield* drive(metadata(Policy.retry(), from), 500)
        assert.strictEqual(from.requests().length, 2, code)
      }
      for (const code of ["CERT_HAS_EXPIRED", "ERR_TLS_CERT_ALTNAME_INVALID", "SELF_SIGNED_CERT_IN_CHAIN"]) {
        const from = script(() => HttpMock.broken(code), () => ok())
        const error = yield* Effect.flip(drive(metadata(Policy.retry(), from), 500))
        assert.strictEqual(outcomeOf(error), "Unreachable")
        assert.strictEqual(from.requests().length, 1, code)
      }
    }))

  it.effect("the error of another client whose body never ends, after ten seconds", () =>
    Effect.gen(function*() {
      const from = script(() => new Response(new ReadableStream(), { status: 503 }), () => new Response("done"))
      const retried = Layer.provide(Policy.retry(), Layer.succeed(HttpClient.HttpClient, from.client))
      const response = yield* drive(Effect.provide(HttpClient.get("http://localhost/"), retried), 500)
      assert.strictEqual(response.status, 200)
      const [first = NaN, second = NaN] = timesOf(from)
      assert.isAtLeast(second - first, 10_000)
      assert.isAtMost(second - first, 12_000)
    }))

  it.effect("a success that is truncated, empty or not JSON", () =>
    Effect.gen(function*() {
      for (const body of ["", "{\"id\":", "<html>", "null"]) {
        const from = script(() => new Response(body), () => ok())
        yield* drive(metadata(Policy.retry(), from), 500)
        assert.strictEqual(from.requests().length, 2)
      }
    }))
})

/** A response with a status that the constructor refuses. */
const withStatus = (response: Response, status: number): Response =>
  Object.defineProperty(response, "status", { value: status })

describe("how long it waits", () => {
  const said: ReadonlyArray<readonly [Readonly<Record<string, string>>, number]> = [
    [{ "retry-after-ms": "1230" }, 1230],
    [{ "retry-after-ms": "40", "retry-after": "7" }, 40],
    [{ "retry-after": "7" }, 7000],
    [{ "retry-after": "0.25" }, 250],
    [{ "retry-after": "0" }, 0],
    [{ "retry-after": "60" }, 60_000],
    // The virtual clock begins with 1970.
    [{ "retry-after": "Thu, 01 Jan 1970 00:00:42 GMT" }, 42_000],
    [{ "retry-after": "Wed, 31 Dec 1969 23:59:59 GMT" }, 0]
  ]
  for (const [headers, millis] of said) {
    for (const status of [429, 503, 529]) {
      it.effect(`at least as long as a ${status} says, and never less than the back-off: ${JSON.stringify(headers)}`, () =>
        Effect.gen(function*() {
          const from = script(() => failure(status, headers), () => ok())
          yield* drive(metadata(Policy.retry(), from))
          const [wait = NaN] = waits(timesOf(from))
          assert.isAtLeast(wait, Math.max(375, millis))
          assert.isAtMost(wait, Math.max(500, millis + 500))
        }))
    }
  }

  it.effect("not at all when the service wants more than maxDelay, which the error says", () =>
    Effect.gen(function*() {
      for (const [status, tag] of [[429, "RateLimited"], [529, "Overloaded"], [503, "ServerFailed"]] as const) {
        const from = script(() => failure(status, { "retry-after": "61" }), () => ok())
        const error = yield* Effect.flip(metadata(Policy.retry(), from))
        assert.strictEqual(outcomeOf(error), tag)
        assert.strictEqual(from.requests().length, 1)
        assert("retryAfter" in error && error.retryAfter !== undefined)
        assert.strictEqual(Duration.toMillis(error.retryAfter), 61_000)
        assert.isTrue(error.isRetryable)
      }
      const patient = script(() => failure(429, { "retry-after": "61" }), () => ok())
      yield* drive(metadata(Policy.retry({ maxDelay: "2 minutes" }), patient), 500)
      const [wait = NaN] = waits(timesOf(patient))
      assert.isAtLeast(wait, 61_000)
      assert.isAtMost(wait, 61_500)
    }))

  it.effect("otherwise twice as long each time, up to eight seconds", () =>
    Effect.gen(function*() {
      const from = script(() => failure(500))
      const error = yield* Effect.flip(drive(withoutJitter(metadata(Policy.retry({ times: 7 }), from))))
      assert.strictEqual(outcomeOf(error), "ServerFailed")
      assert.deepStrictEqual(waits(timesOf(from)), [500, 1000, 2000, 4000, 8000, 8000, 8000])
    }))

  it.effect("from a base and up to a bound", () =>
    Effect.gen(function*() {
      const from = script(() => failure(500))
      const policy = Policy.retry({ times: 4, baseDelay: "30 millis", maxDelay: "100 millis" })
      yield* Effect.flip(drive(withoutJitter(metadata(policy, from))))
      assert.deepStrictEqual(waits(timesOf(from)), [30, 60, 100, 100])
    }))

  it.effect("minus up to a quarter, at random with a seed", () =>
    Effect.gen(function*() {
      const of = (seed: string) =>
        Effect.gen(function*() {
          const from = script(() => failure(500))
          yield* Effect.flip(drive(metadata(Policy.retry(), from).pipe(Random.withSeed(seed)), 1))
          return waits(timesOf(from))
        })
      const one = yield* of("one")
      assert.deepStrictEqual(yield* of("one"), one)
      assert.notDeepEqual(yield* of("two"), one)
      for (const [n, wait] of one.entries()) {
        const full = 500 * 2 ** n
        assert.isTrue(wait >= full * 0.75 && wait <= full, `${wait} of ${full}`)
      }
    }))
})

describe("how often", () => {
  it.effect("five tries in all, or as many as were asked for", () =>
    Effect.gen(function*() {
      for (const [times, tries] of [[undefined, 5], [0, 1], [1, 2], [9, 10]] as const) {
        const from = script(() => failure(503))
        yield* Effect.flip(drive(metadata(Policy.retry({ times }), from), 500))
        assert.strictEqual(from.requests().length, tries)
      }
    }))

  it.effect("no try starts after maxElapsed", () =>
    Effect.gen(function*() {
      const from = script(() => failure(503, { "retry-after": "30" }))
      yield* Effect.flip(drive(metadata(Policy.retry({ times: 1000 }), from), 500))
      assert.isAtMost(timesOf(from).at(-1) ?? NaN, 3_600_000)
      assert.isAtLeast(timesOf(from).at(-1) ?? NaN, 3_560_000)
      const short = script(() => failure(503, { "retry-after": "30" }))
      yield* Effect.flip(drive(metadata(Policy.retry({ times: 100, maxElapsed: "1 minute" }), short), 500))
      assert.strictEqual(short.requests().length, 2)
    }))

  it.effect("each operation has its own budget", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering((_, n) => n % 5 === 0 ? ok() : failure(500))
      yield* Effect.provide(
        Effect.gen(function*() {
          yield* drive(Files.metadata(id), 500)
          yield* drive(Files.metadata(id), 500)
        }),
        layerOf(from.client, Policy.retry())
      )
      assert.strictEqual(from.requests().length, 10)
    }))
})
