import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, Stream } from "effect"
import { FileMetadata, Files, FileSource, Policy } from "effect-anthropic-files"
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

  it.effect("end within the body of an upload that has the only place, with others waiting for it", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering(({ method, query }) => {
        if (method === "POST") return Response.json(wire({ id: "file_3", size_bytes: 3 }))
        const data = ["file_1", "file_2"].filter((id) => JSON.stringify(query).includes(id)).map((id) => wire({ id }))
        return Response.json({ data, next_page: null })
      })
      const upload = Effect.gen(function*() {
        let outside: Fiber.Fiber<unknown, unknown> | undefined
        const context = yield* Effect.context<Files.Files>()
        const body = Stream.unwrap(Effect.gen(function*() {
          outside = Effect.runForkWith(context)(Files.find(id(1)))
          assert.isTrue(Option.isSome(yield* Effect.orDie(Files.find(id(2)))))
          return Stream.succeed(new Uint8Array(3))
        }))
        const file = yield* Files.upload(FileSource.stream(body, { filename: "a.bin" }))
        assert(outside !== undefined)
        yield* Fiber.join(outside)
        return file
      })
      const file = yield* Effect.provide(upload, layerOf(from.client, Policy.concurrency(1)))
      assert.strictEqual(file.id, id(3))
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
