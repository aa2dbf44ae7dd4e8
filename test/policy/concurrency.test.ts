import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Stream } from "effect"
import { Files, Policy } from "effect-anthropic-files"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpClient } from "effect/http"
import { drive, failure, id, layerOf, ok, outcomeOf, settle, timesOf } from "./support.ts"

const slowly = HttpMock.answering((_, n) =>
  Effect.as(Effect.sleep("1 second"), n % 7 === 0 ? HttpMock.broken("ECONNRESET") : n % 5 === 0 ? failure(500) : ok())
)

describe("concurrency", () => {
  it.effect("without its number, or with another one than a whole one from 1, is refused when the Layer is made", () =>
    Effect.gen(function*() {
      for (const permits of [undefined, null, 0, 1.5, NaN, "2"]) {
        const policy = Layer.provide(
          Policy.concurrency(permits as number),
          Layer.succeed(HttpClient.HttpClient, slowly.client)
        )
        const error = yield* Effect.flip(Layer.build(policy))
        assert(error._tag === "InvalidConfig", String(permits))
        assert.strictEqual(error.option, "concurrency")
        assert.strictEqual(
          error.message,
          `Policy: concurrency is ${permits}; it has to be a whole number of at least 1.`
        )
      }
    }))

  it.effect("runs at most that many at once, failures included, in the order of arrival", () =>
    Effect.gen(function*() {
      const order: Array<number> = []
      yield* drive(
        Effect.forEach(
          Array.from({ length: 40 }, (_, n) => n),
          (n) => Effect.andThen(Effect.ignore(Files.metadata(id)), Effect.sync(() => order.push(n))),
          { concurrency: "unbounded" }
        ).pipe(Effect.provide(layerOf(slowly.client, Policy.concurrency(4)))),
        100
      )
      assert.strictEqual(slowly.open().most, 4)
      assert.strictEqual(slowly.requests().length, 40)
      assert.deepStrictEqual(order, Array.from({ length: 40 }, (_, n) => n))
      // Ten rounds of a second: a place is taken again at once.
      assert.strictEqual(timesOf(slowly).at(-1), 9000)
    }))

  it.effect("a waiting request can be interrupted at once, and a running one frees its place", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering((_, n) => n === 1 ? Effect.never : ok())
      yield* Effect.gen(function*() {
        const holder = yield* Effect.forkChild(Files.metadata(id))
        yield* settle
        const waiting = yield* Effect.forkChild(Files.metadata(id))
        const next = yield* Effect.forkChild(Files.metadata(id))
        yield* settle
        assert.strictEqual(from.requests().length, 1)
        const interrupted = yield* Effect.forkChild(Fiber.interrupt(waiting))
        yield* settle
        assert.isDefined(interrupted.pollUnsafe())
        assert.isDefined(waiting.pollUnsafe())
        yield* Fiber.interrupt(holder)
        yield* settle
        assert.strictEqual((yield* Fiber.join(next)).id, id)
        assert.strictEqual(from.requests().length, 2)
      }).pipe(Effect.provide(layerOf(from.client, Policy.concurrency(1))))
    }))

  it.effect("a place is free once the headers have come, not only after the body", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering((request) =>
        request.path.endsWith("/content")
          ? new Response(new ReadableStream({ pull: () => new Promise(() => undefined) }), {
            headers: { "content-length": "5" }
          })
          : ok()
      )
      yield* Effect.gen(function*() {
        const download = yield* Effect.forkChild(Stream.runDrain(Files.download(id)))
        yield* settle
        assert.strictEqual(from.requests().length, 1)
        yield* Files.metadata(id)
        yield* Fiber.interrupt(download)
      }).pipe(Effect.provide(layerOf(from.client, Policy.concurrency(1))))
    }))

  it.effect("a running request can time out by silence", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering(() => Effect.never)
      const error = yield* Effect.flip(
        drive(Effect.provide(Files.metadata(id), layerOf(from.client, Policy.concurrency(1))), 1000)
      )
      assert.strictEqual(outcomeOf(error), "TimedOut")
    }))

  it.effect("a wait for a place does not count as silence", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering(() => Effect.as(Effect.sleep("50 seconds"), ok()))
      yield* drive(
        Effect.all(Array.from({ length: 4 }, () => Files.metadata(id)), { concurrency: "unbounded" }).pipe(
          Effect.provide(layerOf(from.client, Policy.concurrency(1), { idleTimeout: "1 minute" }))
        ),
        1000
      )
      assert.deepStrictEqual(timesOf(from), [0, 50_000, 100_000, 150_000])
    }))
})
