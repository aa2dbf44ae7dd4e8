/**
 * Two policies of a kind, and overrides within overrides: both hold, and nothing is repeated, or forgotten, for it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Files, FileSource, Policy } from "effect-anthropic-files"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpClient, HttpClientRequest } from "effect/http"
import { mergedOverrides } from "../../src/internal/policy/options.ts"
import { drive, failure, id, layerOf, ok, outcomeOf, script, timesOf } from "./support.ts"

const silent = () => script(() => HttpMock.silence)

/** When a lookup under a policy fails, milliseconds, and how. */
const failsAt = (
  policy: Policy.Policy,
  from: HttpMock.Mock = silent(),
  lookup = Files.metadata(id)
) =>
  drive(
    Effect.clockWith((clock) => {
      const began = clock.currentTimeMillisUnsafe()
      return Effect.map(
        Effect.flip(lookup),
        (error) => [clock.currentTimeMillisUnsafe() - began, outcomeOf(error)] as const
      )
    }).pipe(Effect.provide(layerOf(from.client, policy))),
    100
  )

const foreign = Effect.flatMap(
  HttpClient.HttpClient,
  (client) => client.execute(HttpClientRequest.get("http://other/"))
)

const quick = { times: 2, baseDelay: 0 } as const

describe("two timeouts", () => {
  it.effect("the one that says nothing leaves the limits of the other, whichever is outside", () =>
    Effect.gen(function*() {
      const limit = Policy.timeout({ headers: "3 seconds" })
      assert.deepStrictEqual(yield* failsAt(Policy.stack(limit, Policy.timeout())), [3000, "TimedOut"])
      assert.deepStrictEqual(yield* failsAt(Policy.stack(Policy.timeout(), limit)), [3000, "TimedOut"])
      assert.deepStrictEqual(yield* failsAt(Policy.stack(limit, Policy.standard({ retry: false }))), [3000, "TimedOut"])
    }))

  it.effect("the shorter of two limits on the same thing applies", () =>
    Effect.gen(function*() {
      const short = Policy.timeout({ headers: "3 seconds" })
      const long = Policy.timeout({ headers: "9 seconds" })
      assert.deepStrictEqual(yield* failsAt(Policy.stack(short, long)), [3000, "TimedOut"])
      assert.deepStrictEqual(yield* failsAt(Policy.stack(long, short)), [3000, "TimedOut"])
    }))

  it.effect("the shorter of two limits on all tries together applies", () =>
    Effect.gen(function*() {
      const failing = () => script(() => failure(500))
      const retry = Policy.retry({ times: 100 })
      const short = Policy.timeout({ total: "3 seconds" })
      const long = Policy.timeout({ total: "1 minute" })
      assert.deepStrictEqual(yield* failsAt(Policy.stack(short, long, retry), failing()), [3000, "TimedOut"])
      assert.deepStrictEqual(yield* failsAt(Policy.stack(long, short, retry), failing()), [3000, "TimedOut"])
    }))
})

describe("two retries", () => {
  it.effect("the outer one repeats, and requests are not multiplied, for operations and for other clients", () =>
    Effect.gen(function*() {
      const twice = Policy.stack(Policy.retry(quick), Policy.retry({ ...quick, times: 9 }))
      const own = script(() => failure(500))
      yield* failsAt(twice, own)
      assert.lengthOf(own.requests(), 3)
      const other = script(() => failure(500))
      yield* drive(Effect.provide(foreign, layerOf(other.client, twice)))
      assert.lengthOf(other.requests(), 3)
    }))
})

describe("an override within an override", () => {
  it.effect("leaves what it does not name, of the same policy too", () =>
    Effect.gen(function*() {
      const from = script(() => failure(500))
      const inner = Policy.override(Files.metadata(id), { retry: { baseDelay: 0 } })
      yield* failsAt(Policy.retry(), from, Policy.override(inner, { retry: { times: 1 } }))
      assert.deepStrictEqual(timesOf(from), [0, 0])
    }))

  it("leaves every policy that it does not name as the outer one has it", () => {
    const outer = { retry: false, rateLimit: false, circuitBreaker: false, timeout: false, concurrency: false } as const
    assert.deepStrictEqual(mergedOverrides(outer, {}), outer)
    assert.deepStrictEqual(mergedOverrides({}, outer), outer)
  })

  it.effect("treats undefined as left out", () =>
    Effect.gen(function*() {
      const from = script(() => failure(500))
      const inner = Policy.override(Files.metadata(id), { retry: undefined, timeout: undefined })
      yield* failsAt(Policy.retry(), from, Policy.override(inner, { retry: false }))
      assert.lengthOf(from.requests(), 1)
      const limited = Policy.override(Files.metadata(id), { timeout: { headers: undefined, idleBody: "1 second" } })
      assert.deepStrictEqual(yield* failsAt(Policy.timeout({ headers: "3 seconds" }), silent(), limited), [
        3000,
        "TimedOut"
      ])
    }))
})

describe("an override of the limit on all tries", () => {
  const policy = Policy.stack(Policy.timeout({ total: "2 seconds" }), Policy.retry({ times: 9 }))

  it.effect("lengthens it, shortens it, and takes it away", () =>
    Effect.gen(function*() {
      const at = (overrides: Policy.Overrides, of = policy) =>
        failsAt(of, script(() => failure(500)), Policy.override(Files.metadata(id), overrides))
      assert.deepStrictEqual(yield* at({}), [2000, "TimedOut"])
      assert.deepStrictEqual(yield* at({ timeout: { total: "4 seconds" } }), [4000, "TimedOut"])
      assert.deepStrictEqual(yield* at({ timeout: { total: "1 second" } }), [1000, "TimedOut"])
      assert.strictEqual((yield* at({ timeout: false }))[1], "ServerFailed")
      const unlimited = Policy.stack(Policy.timeout(), Policy.retry({ times: 9 }))
      assert.deepStrictEqual(yield* at({ timeout: { total: "1 second" } }, unlimited), [1000, "TimedOut"])
    }))

  it.effect("leaves it on the one try that is left without retries", () =>
    Effect.gen(function*() {
      const once = Policy.override(Files.metadata(id), { retry: false })
      assert.deepStrictEqual(yield* failsAt(policy, silent(), once), [2000, "TimedOut"])
    }))
})

describe("an answer with a status above 599", () => {
  it.effect("reaches another client as it is, whatever policies stand in between", () =>
    Effect.gen(function*() {
      const odd = () =>
        HttpMock.answering(() => Object.defineProperty(new Response("denied"), "status", { value: 999 }))
      for (const policy of [Policy.retry(quick), Policy.timeout(), Policy.standard({ retry: quick })]) {
        const seen = Effect.flatMap(foreign, (response) => Effect.map(response.text, (text) => [response.status, text]))
        assert.deepStrictEqual(yield* drive(Effect.provide(seen, layerOf(odd().client, policy))), [999, "denied"])
      }
    }))
})

describe("a download that is passed on as an upload", () => {
  it.effect("needs no second place: as many run as there are places", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering((request) => {
        if (request.method === "POST") return ok({ size_bytes: 5 })
        return request.path.endsWith("/content") ? new Response("hello") : ok({ size_bytes: 5, downloadable: true })
      })
      const copy = Effect.suspend(() =>
        Files.upload(FileSource.stream(Files.download(id), { filename: "copy.txt", size: 5 }))
      )
      const copies = Effect.all(Array.from({ length: 6 }, () => copy), { concurrency: "unbounded" })
      const files = yield* drive(Effect.provide(copies, layerOf(from.client, Policy.concurrency(2))), 1000)
      assert.lengthOf(files, 6)
    }))

  it.effect("a source that is fetched again for another try needs none either", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering((request, n) => {
        if (request.method !== "POST") return new Response("hello")
        return n === 2 ? failure(529) : ok({ size_bytes: 5 })
      })
      const policy = Policy.standard({ concurrency: 1, retry: quick })
      const upload = Files.upload(FileSource.url("http://localhost/a.txt"))
      yield* drive(Effect.provide(upload, layerOf(from.client, policy)), 1000)
      assert.deepStrictEqual(from.requests().map(({ method }) => method).sort(), ["GET", "GET", "POST", "POST"])
    }))
})
