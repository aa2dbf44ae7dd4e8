import { assert, it } from "@effect/vitest"
import { Effect, Redacted, Stream } from "effect"
import { FileMetadata, Files, FileSource } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { http, HttpResponse } from "msw"
import { setupServer } from "msw/node"
import { wire } from "../support/wire.ts"

const id = FileMetadata.FileId.make("file_1")

const file = wire({ size_bytes: 5, downloadable: true })

it.live("msw sees and answers what NodeFiles sends, more than the pool holds", () =>
  Effect.gen(function*() {
    const seen: Array<string> = []
    const note = (request: Request) => void seen.push(`${request.method} ${new URL(request.url).pathname}`)
    const server = setupServer(
      http.post("https://api.anthropic.com/v1/files", async ({ request }) => {
        note(request)
        const form = await request.formData()
        const sent = form.get("file")
        return HttpResponse.json({ ...file, size_bytes: sent instanceof Blob ? sent.size : 0 })
      }),
      http.get("https://api.anthropic.com/v1/files/:id/content", ({ request }) => {
        note(request)
        return new HttpResponse("hello", { headers: { "content-type": "text/plain", "content-length": "5" } })
      }),
      http.get("https://api.anthropic.com/v1/files/:id", ({ params, request }) => {
        note(request)
        return params["id"] === "file_missing"
          ? HttpResponse.json({ type: "error", error: { type: "not_found_error", message: "no file_missing" } }, {
            status: 404
          })
          : HttpResponse.json(file)
      })
    )
    yield* Effect.acquireRelease(
      Effect.sync(() => server.listen()),
      () => Effect.sync(() => server.close())
    )
    const use = Effect.gen(function*() {
      yield* Files.upload(FileSource.text("hello", "a.txt"))
      assert.strictEqual(
        Buffer.from(yield* Stream.mkUint8Array(Files.download(id))).toString(),
        "hello"
      )
      const error = yield* Effect.flip(Files.metadata(FileMetadata.FileId.make("file_missing")))
      assert.strictEqual(error._tag, "FileNotFound")
      yield* Effect.forEach(Array.from({ length: 100 }), () => Files.metadata(id), { concurrency: "unbounded" })
    })
    yield* Effect.provide(use, NodeFiles.layer({ apiKey: Redacted.make("sk-ant-test-key"), proxy: false }))
    assert.deepStrictEqual(seen.slice(0, 2), ["POST /v1/files", "GET /v1/files/file_1/content"])
    assert.lengthOf(seen.filter((line) => line === "GET /v1/files/file_1"), 100)
  }).pipe(Effect.scoped))
