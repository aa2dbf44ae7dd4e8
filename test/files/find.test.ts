import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import { FileMetadata, Files, Policy } from "effect-anthropic-files"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { drive, failure, layerOf, settle, wire } from "../policy/support.ts"

const id = (n: number) => FileMetadata.FileId.make(`file_${n}`)

const page = () => Response.json({ data: [wire({ id: "file_1" }), wire({ id: "file_2" })], next_page: null })

describe("lookups that share a request", () => {
  it.effect("P7: interrupting one lookup does not stop the request, and interrupting all of them aborts it", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering(() => Effect.as(Effect.sleep("1 minute"), page()))
      yield* Effect.gen(function*() {
        const one = yield* Effect.forkChild(Files.find(id(1)))
        const other = yield* Effect.forkChild(Files.find(id(2)))
        yield* settle
        yield* Fiber.interrupt(one)
        yield* settle
        assert.strictEqual(from.open().now, 1)
        yield* Fiber.interrupt(other)
        yield* settle
        assert.strictEqual(from.open().now, 0)
        assert.lengthOf(from.requests(), 1)
      }).pipe(Effect.provide(layerOf(from.client, Policy.standard())))
    }))

  it.effect("give the remaining lookups their answer, even if the first is interrupted", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering(() => Effect.as(Effect.sleep("1 minute"), page()))
      const stays = Effect.gen(function*() {
        const first = yield* Effect.forkChild(Files.find(id(1)))
        const second = yield* Effect.forkChild(Files.find(id(2)))
        yield* settle
        yield* Fiber.interrupt(first)
        return yield* Fiber.join(second)
      })
      const found = yield* drive(Effect.provide(stays, layerOf(from.client, Policy.standard())), 1000)
      assert.strictEqual(Option.getOrUndefined(found)?.id, id(2))
      assert.lengthOf(from.requests(), 1)
    }))

  it.effect("don't share the overrides of one of them", () =>
    Effect.gen(function*() {
      let asked = 0
      const from = HttpMock.answering(() => asked++ < 2 ? failure(500) : page())
      const lookups = Effect.all([
        Effect.isSuccess(Policy.override(Files.find(id(1)), { retry: false })),
        Effect.isSuccess(Files.find(id(2))),
        Effect.isSuccess(Files.find(id(1)))
      ], { concurrency: "unbounded" })
      const outcomes = yield* drive(Effect.provide(lookups, layerOf(from.client, Policy.retry())), 500)
      assert.deepStrictEqual(outcomes, [false, true, true])
      // Two lookups that share a request, and its retry.
      assert.lengthOf(from.requests(), 3)
    }))
})
