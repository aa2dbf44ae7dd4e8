import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Files, FileSource, Policy } from "effect-anthropic-files"
import { drive, layerOf, ok, service } from "../policy/support.ts"

const encoder = new TextEncoder()

describe("a source that is fetched from a URL", () => {
  it.effect("and breaks off is fetched again, as often as the retry policy allows", () =>
    Effect.gen(function*() {
      let gets = 0
      const from = service((request) => {
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

describe("an option that is misspelt", () => {
  it.effect("is refused before anything is sent", () =>
    Effect.gen(function*() {
      const from = service(() => ok())
      const options = JSON.parse(JSON.stringify({ onUnknownOutcome: "fial" }))
      const error = yield* Effect.flip(
        Effect.provide(Files.upload(FileSource.text("x", "x.txt"), options), layerOf(from.client, Policy.standard()))
      )
      assert(error._tag === "RequestFailed" && error.reason._tag === "InvalidRequest")
      assert.strictEqual(error.reason.option, "onUnknownOutcome")
      assert.strictEqual(from.requests.length, 0)
    }))
})
