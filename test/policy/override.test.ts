import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { Files, Policy } from "effect-anthropic-files"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { TestClock } from "effect/testing"
import { drive, failure, id, layerOf, ok, outcomeOf, script, settle, timesOf } from "./support.ts"

const page = () => Response.json({ data: [], next_page: null })

describe("override", () => {
  it.effect("of retry, for one effect: more tries, fewer, none", () =>
    Effect.gen(function*() {
      const tries = (override?: Policy.Overrides) =>
        Effect.gen(function*() {
          const from = script(() => failure(500))
          const effect = override === undefined ? Files.metadata(id) : Policy.override(Files.metadata(id), override)
          yield* Effect.flip(
            drive(Effect.provide(effect, layerOf(from.client, Policy.standard({ circuitBreaker: false }))), 500)
          )
          return from.requests().length
        })
      assert.strictEqual(yield* tries(), 5)
      assert.strictEqual(yield* tries({ retry: { times: 9 } }), 10)
      assert.strictEqual(yield* tries({ retry: { times: 1 } }), 2)
      assert.strictEqual(yield* tries({ retry: false }), 1)
      assert.strictEqual(yield* tries({ timeout: false }), 5)
    }))

  it.effect("leaves what it does not name: maxDelay stays", () =>
    Effect.gen(function*() {
      const from = script(() => failure(429, { "retry-after": "100" }), () => ok())
      const policy = Policy.retry({ maxDelay: "2 minutes" })
      yield* drive(
        Files.metadata(id).pipe(
          Policy.override({ retry: { times: 1 } }),
          Policy.override({ timeout: false }),
          Effect.provide(layerOf(from.client, policy))
        ),
        1000
      )
      assert.strictEqual(from.requests().length, 2)
      assert.isAtLeast(timesOf(from)[1] ?? NaN, 100_000)
    }))

  it.effect("the inner one wins, and options that only one names are combined", () =>
    Effect.gen(function*() {
      const from = script(() => HttpMock.silence)
      yield* Effect.flip(drive(
        Files.metadata(id).pipe(
          Policy.override({ retry: { times: 1 } }),
          Policy.override({ retry: { times: 5 }, timeout: { headers: "3 seconds" } }),
          Effect.provide(layerOf(from.client, Policy.standard()))
        ),
        100
      ))
      assert.strictEqual(from.requests().length, 2)
      assert.isAtMost(timesOf(from)[1] ?? NaN, 3700)
    }))

  it.effect("for a stream: its pages and its broken body", () =>
    Effect.gen(function*() {
      const list = script(() => failure(500), page)
      const run = Policy.override(Files.list(), { retry: false })
      assert.strictEqual(
        outcomeOf(yield* Effect.flip(Effect.provide(Stream.runDrain(run), layerOf(list.client, Policy.retry())))),
        "ServerFailed"
      )
      assert.strictEqual(list.requests().length, 1)
      const cut = script(() => new Response("abc", { headers: { "content-length": "9" } }))
      const bytes = Files.download(id).pipe(Policy.override({ retry: { times: 2 } }), Stream.runDrain)
      yield* Effect.flip(drive(Effect.provide(bytes, layerOf(cut.client, Policy.retry())), 500))
      assert.strictEqual(cut.requests().length, 3)
      const nested = script(() => new Response("abc", { headers: { "content-length": "9" } }))
      const both = Files.download(id).pipe(
        Policy.override({ timeout: false }),
        Policy.override({ retry: { times: 1 } }),
        Stream.runDrain
      )
      yield* Effect.flip(drive(Effect.provide(both, layerOf(nested.client, Policy.retry())), 500))
      assert.strictEqual(nested.requests().length, 2)
      const once = script(() => new Response("abc", { headers: { "content-length": "9" } }))
      yield* Effect.flip(
        Effect.provide(
          Stream.runDrain(Policy.override(Files.download(id), { retry: false })),
          layerOf(once.client, Policy.retry())
        )
      )
      assert.strictEqual(once.requests().length, 1)
    }))

  it.effect("of the rate limit, the circuit breaker, concurrency and timeouts", () =>
    Effect.gen(function*() {
      const limited = script(() => ok())
      yield* Effect.provide(
        Effect.forEach([1, 2, 3], () => Policy.override(Files.metadata(id), { rateLimit: false })),
        layerOf(limited.client, Policy.rateLimit({ requestsPerMinute: 1 }))
      )
      assert.strictEqual(limited.requests().length, 3)

      const failing = script(() => failure(500))
      yield* Effect.provide(
        Effect.all(
          Array.from({ length: 8 }, () => Effect.flip(Policy.override(Files.metadata(id), { circuitBreaker: false })))
        ),
        layerOf(failing.client, Policy.circuitBreaker())
      )
      assert.strictEqual(failing.requests().length, 8)

      const slow = HttpMock.answering(() => Effect.as(Effect.sleep("1 second"), ok()))
      yield* drive(
        Effect.forEach([1, 2], () => Policy.override(Files.metadata(id), { concurrency: false }), { concurrency: 2 })
          .pipe(Effect.provide(layerOf(slow.client, Policy.concurrency(1)))),
        100
      )
      assert.strictEqual(slow.open().most, 2)

      const late = HttpMock.answering(() => Effect.as(Effect.sleep("90 seconds"), ok()))
      yield* drive(
        Effect.provide(
          Policy.override(Files.metadata(id), { timeout: false }),
          layerOf(late.client, Policy.timeout(), { idleTimeout: "10 minutes" })
        ),
        1000
      )
    }))

  it.effect("reaches the listing that looks for a lost upload, and nothing outside", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering((request) =>
        request.method === "POST" ? HttpMock.broken("ECONNRESET") : failure(500)
      )
      yield* Effect.provide(
        Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(
            Effect.flip(Policy.override(Files.metadata(id), { retry: { times: 0 } }))
          )
          yield* settle
          yield* TestClock.adjust(0)
          yield* Fiber.join(fiber)
          assert.strictEqual(from.requests().length, 1)
          yield* Effect.flip(drive(Files.metadata(id), 500))
          assert.strictEqual(from.requests().length, 6)
        }),
        layerOf(from.client, Policy.retry())
      )
    }))
})
