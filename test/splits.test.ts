import { assert, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema, Stream } from "effect"
import { FileMetadata, Files } from "effect-anthropic-files"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpClient } from "effect/http"
import { urlOf } from "./support/mock.ts"

/** Lengths to cut a body into; what is left over comes last. */
const Cuts = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 50 }))).check(Schema.isMaxLength(40))

const split = (bytes: Uint8Array, cuts: ReadonlyArray<number>): ReadableStream<Uint8Array> => {
  const pieces: Array<Uint8Array> = []
  let from = 0
  for (const cut of cuts) {
    pieces.push(bytes.subarray(from, from + cut))
    from += cut
  }
  pieces.push(bytes.subarray(from))
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) if (piece.length > 0) controller.enqueue(piece)
      controller.close()
    }
  })
}

const filesOver = (answer: (url: URL) => Response) =>
  Files.layer({ apiKey: Redacted.make("sk-ant-splits-0123456789") }).pipe(
    Layer.provide(
      Layer.succeed(HttpClient.HttpClient, HttpMock.answering(({ request }) => answer(urlOf(request))).client)
    )
  )

const id = FileMetadata.FileId.make("file_1")

it.effect.prop(
  "content is the same however it comes in pieces",
  [Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))), Cuts, Schema.Boolean],
  ([values, cuts, announced]) =>
    Effect.gen(function*() {
      const bytes = Uint8Array.from(values)
      const layer = filesOver(() =>
        new Response(split(bytes, cuts), {
          headers: announced ? { "content-length": String(bytes.length) } : { "transfer-encoding": "chunked" }
        })
      )
      const received = yield* Effect.provide(Stream.mkUint8Array(Files.download(id)), layer)
      assert.deepStrictEqual(received, bytes)
    })
)

it.effect.prop(
  "a JSON answer is the same however it comes in pieces",
  [Schema.String, Cuts],
  ([filename, cuts]) =>
    Effect.gen(function*() {
      const sent = {
        id,
        filename: new TextDecoder("utf-8", { ignoreBOM: true }).decode(new TextEncoder().encode(filename)),
        mime_type: "text/plain",
        size_bytes: 1,
        created_at: "2026-11-21T00:00:00.000Z"
      }
      const body = new TextEncoder().encode(JSON.stringify(sent))
      const file = yield* Effect.provide(Files.metadata(id), filesOver(() => new Response(split(body, cuts))))
      assert.strictEqual(file.filename, sent.filename)
    })
)
