import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric, Stream } from "effect"
import { Files, FileSource, Policy } from "effect-anthropic-files"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { drive, failure, id, key, layerOf, observed, ok, type Seen, wire } from "./support.ts"

const secret = "body-canary-4711"

/** A service that echoes what must not be seen. */
const leaky = (status: number, headers: Readonly<Record<string, string>> = {}): Response =>
  Response.json({
    type: "error",
    error: { type: "api_error", message: `${key} ${secret}`, details: { error_code: `${key}` } }
  }, { status, headers })

/** What a metric counts, over all its series or over those whose attributes have a value. */
const countOf = (name: string, value?: string) =>
  Effect.map(
    Metric.snapshot,
    (metrics) =>
      metrics.reduce((sum, { attributes, id, state }) =>
        id === name && (value === undefined || Object.values(attributes ?? {}).includes(value)) && "count" in state
          ? sum + Number(state.count)
          : sum, 0)
  )

const watch = <A, E, R>(effect: Effect.Effect<A, E, R>, step = 500) =>
  Effect.map(observed(drive(Effect.exit(effect), step)), ([, seen]) => {
    assert.notInclude(seen.text(), key)
    assert.notInclude(seen.text(), secret)
    return seen
  })

const expectSeen = (seen: Seen, event: string, reason?: string | RegExp, count?: number) => {
  const events = seen.events.filter(({ name }) => name === `anthropic_files.${event}`)
  assert.isAbove(events.length, 0, `${event} in ${JSON.stringify(seen.events)}`)
  if (count !== undefined) assert.strictEqual(events.length, count)
  if (reason !== undefined) assert.match(String(events[0]?.attributes["reason"]), new RegExp(reason))
}

describe("what happens is seen: an event of the span, a metric, a debug log with the reason", () => {
  it.effect("a retry, and the end of retries", () =>
    Effect.gen(function*() {
      const before = yield* countOf("anthropic.client.retries", "api_error")
      const from = HttpMock.answering(() => leaky(529))
      const seen = yield* watch(Effect.provide(Files.metadata(id), layerOf(from.client, Policy.retry({ times: 2 }))))
      expectSeen(seen, "retry", "^529$", 2)
      expectSeen(seen, "gave_up", "^529$", 1)
      const [first] = seen.events
      assert.strictEqual(first?.attributes["tries"], 1)
      assert.isNumber(first?.attributes["delay_ms"])
      assert.match(seen.logs.join("\n"), /level=DEBUG.*metadata failed \(529\), next try in/)
      assert.match(seen.logs.join("\n"), /level=DEBUG.*is not tried again/)
      assert.strictEqual(yield* countOf("anthropic.client.retries", "api_error"), before + 2)
    }))

  const reasons: ReadonlyArray<readonly [string, () => HttpMock.Reply]> = [
    ["ECONNRESET", () => HttpMock.broken("ECONNRESET")],
    ["503", () => leaky(503)],
    ["ramp_limit_exceeded", () => failure(429, {}, "ramp_limit_exceeded")],
    ["TimedOut", () => HttpMock.silence],
    ["UnexpectedResponse", () => new Response(`<html>${secret}`)]
  ]
  for (const [reason, answer] of reasons) {
    it.effect(`why it is tried again: ${reason}`, () =>
      Effect.gen(function*() {
        const from = HttpMock.answering((_, n) => n === 1 ? answer() : ok())
        const seen = yield* watch(Effect.provide(Files.metadata(id), layerOf(from.client, Policy.retry())), 1000)
        expectSeen(seen, "retry", `^${reason}$`, 1)
      }))
  }

  it.effect("a wait for the rate", () =>
    Effect.gen(function*() {
      const before = yield* countOf("anthropic.client.wait.duration", "rate_limit")
      const from = HttpMock.answering((_, n) => n === 2 ? leaky(429, { "retry-after": "3" }) : ok())
      const seen = yield* watch(
        Effect.provide(
          Effect.forEach([1, 2, 3], () => Effect.ignore(Files.metadata(id))),
          layerOf(from.client, Policy.rateLimit({ requestsPerMinute: 600, burst: 1 }))
        ),
        10
      )
      expectSeen(seen, "wait", "^rate limit$")
      assert.isTrue(seen.events.some(({ attributes }) =>
        attributes["reason"] === "the service asked to" && attributes["delay_ms"] === 3000
      ))
      assert.match(seen.logs.join("\n"), /level=DEBUG.*waits \d+ ms \(rate limit\)/)
      assert.isAbove(yield* countOf("anthropic.client.wait.duration", "rate_limit"), before)
    }))

  it.effect("a wait for concurrency", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering(() => Effect.as(Effect.sleep("1 second"), ok()))
      const seen = yield* watch(
        Effect.provide(
          Effect.all([Files.metadata(id), Files.metadata(id)], { concurrency: 2 }),
          layerOf(from.client, Policy.concurrency(1))
        ),
        100
      )
      expectSeen(seen, "wait", "^concurrency$", 1)
      assert.match(seen.logs.join("\n"), /level=DEBUG.*waited 1000 ms \(concurrency\)/)
    }))

  it.effect("an open circuit", () =>
    Effect.gen(function*() {
      const before = yield* countOf("anthropic.client.circuit_breaker.rejections")
      const from = HttpMock.answering(() => leaky(500))
      const seen = yield* watch(Effect.provide(
        Effect.forEach(Array.from({ length: 7 }), () => Effect.ignore(Files.metadata(id))),
        layerOf(from.client, Policy.circuitBreaker())
      ))
      expectSeen(seen, "circuit_open", "^CircuitOpen$", 2)
      assert.match(seen.logs.join("\n"), /level=DEBUG.*was not sent: the circuit is open/)
      assert.strictEqual(yield* countOf("anthropic.client.circuit_breaker.rejections"), before + 2)
    }))

  it.effect("an adopted upload", () =>
    Effect.gen(function*() {
      const before = yield* countOf("anthropic.client.uploads.adopted")
      const from = HttpMock.answering((request) =>
        request.method === "POST"
          ? leaky(500)
          : Response.json({ data: [wire({ size_bytes: secret.length })], next_page: null })
      )
      const seen = yield* watch(
        Effect.provide(Files.upload(FileSource.text(secret, "a.txt")), layerOf(from.client, Policy.retry()))
      )
      expectSeen(seen, "adopted", undefined, 1)
      const event = seen.events.find(({ name }) => name === "anthropic_files.adopted")
      assert.deepStrictEqual(event?.attributes, { file_id: "file_1", size: secret.length })
      assert.match(seen.logs.join("\n"), /level=DEBUG.*file_1 is the upload of a.txt whose answer was lost/)
      assert.strictEqual(yield* countOf("anthropic.client.uploads.adopted"), before + 1)
    }))

  it.effect("a continued download", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering((_, n) =>
        n === 1
          ? new Response(secret.slice(0, 4), { headers: { "content-length": String(secret.length) } })
          : new Response(secret, { headers: { "content-length": String(secret.length) } })
      )
      const seen = yield* watch(
        Effect.provide(Stream.runDrain(Files.download(id)), layerOf(from.client, Policy.retry()))
      )
      expectSeen(seen, "retry", "^Truncated$", 1)
      expectSeen(seen, "resumed", undefined, 1)
      const event = seen.events.find(({ name }) => name === "anthropic_files.resumed")
      assert.deepStrictEqual(event?.attributes, { offset: 4, ranged: false })
    }))
})
