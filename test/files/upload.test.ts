import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Files, FileSource, Policy } from "effect-anthropic-files"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { TestClock } from "effect/testing"
import { drive, layerOf, ok } from "../policy/support.ts"

const encoder = new TextEncoder()

describe("a source that is fetched from a URL", () => {
  it.effect("is fetched again if it breaks off, as often as the retry policy allows", () =>
    Effect.gen(function*() {
      let gets = 0
      const from = HttpMock.answering((request) => {
        if (request.method === "POST") return ok({ size_bytes: 10 })
        gets++
        const body = new ReadableStream<Uint8Array>({
          start: (controller) => controller.enqueue(encoder.encode("01234")),
          pull: (controller) => {
            if (gets < 3) return controller.error(new Error("reset"))
            controller.enqueue(encoder.encode("56789"))
            controller.close()
          }
        })
        return new Response(body, { headers: { "content-length": "10" } })
      })
      const upload = Files.upload(FileSource.url("https://bucket.example/file.txt"))
      const file = yield* drive(Effect.provide(upload, layerOf(from.client, Policy.retry())), 100)
      assert.strictEqual(file.size_bytes, 10)
      assert.strictEqual(gets, 3)
    }))
})

describe("a misspelt option", () => {
  it.effect("is refused before anything is sent", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering(() => ok())
      const options = JSON.parse(JSON.stringify({ onUnknownOutcome: "fial" }))
      const error = yield* Effect.flip(
        Effect.provide(Files.upload(FileSource.text("x", "x.txt"), options), layerOf(from.client, Policy.standard()))
      )
      assert(error._tag === "RequestFailed" && error.reason._tag === "InvalidRequest")
      assert.strictEqual(error.reason.option, "onUnknownOutcome")
      assert.strictEqual(from.requests().length, 0)
    }))
})

describe("a stored file with another size than was sent", () => {
  const answering = (file: Record<string, unknown>) => {
    const deleted: Array<string> = []
    const from = HttpMock.answering((request) => {
      if (request.method !== "DELETE") return ok(file)
      deleted.push(request.path)
      return Response.json({ id: "file_1", type: "file_deleted" })
    })
    return { from, deleted }
  }
  const hello = FileSource.text("hello", "a.txt")

  it.effect("is deleted again if it can only be this upload's", () =>
    Effect.gen(function*() {
      const { deleted, from } = answering({ filename: "a.txt", size_bytes: 4 })
      const error = yield* Effect.flip(Effect.provide(Files.upload(hello), layerOf(from.client, Policy.stack())))
      assert(error._tag === "TransferInterrupted")
      assert.strictEqual(error.reason, "SizeMismatch")
      assert.deepStrictEqual(deleted, ["/v1/files/file_1"])
    }))

  it.effect("is kept if it is older than the upload, or known to be another upload's", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2030, 0, 1))
      const older = answering({ filename: "a.txt", size_bytes: 4, created_at: "2029-12-01T00:00:00.000001Z" })
      yield* Effect.flip(Effect.provide(Files.upload(hello), layerOf(older.from.client, Policy.stack())))
      assert.deepStrictEqual(older.deleted, [])
      // A cache in between repeats an earlier answer.
      const repeated = answering({ filename: "a.txt", size_bytes: 5, created_at: "2030-01-01T00:00:00.000001Z" })
      yield* Effect.gen(function*() {
        yield* Files.upload(hello)
        yield* Effect.flip(Files.upload(FileSource.text("goodbye", "a.txt")))
      }).pipe(Effect.provide(layerOf(repeated.from.client, Policy.stack())))
      assert.deepStrictEqual(repeated.deleted, [])
    }))
})
