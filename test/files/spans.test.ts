import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Stream, Tracer } from "effect"
import { FileMetadata, Files, FileSource, Policy, UploadCache, UploadStore } from "effect-anthropic-files"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpClient } from "effect/http"
import { layerOf, wire } from "../policy/support.ts"
import { recordSpans } from "../support/spans.ts"

const id = FileMetadata.FileId.make("file_1")

const from = HttpMock.answering((request) => {
  if (request.method === "DELETE") return Response.json({ id, type: "file_deleted" })
  if (request.method === "POST") return Response.json(wire({ id, size_bytes: 6 }))
  if (request.path.endsWith("/content")) return new Response("secret", { headers: { "content-length": "6" } })
  return Response.json(request.path === "/v1/files" ? { data: [wire({ id })], next_page: null } : wire({ id }))
})

const operations: ReadonlyArray<readonly [span: string, effect: Effect.Effect<unknown, unknown, Files.Files>]> = [
  ["anthropic.files.upload", Files.upload(FileSource.text("secret", "private.txt"))],
  ["anthropic.files.retrieve_metadata", Files.metadata(id)],
  ["anthropic.files.download", Stream.runDrain(Files.download(id))],
  ["anthropic.files.delete", Files.delete(id)]
]

const spansOf = (effect: Effect.Effect<unknown, unknown, Files.Files>) =>
  Effect.gen(function*() {
    const { spans, tracer } = recordSpans()
    yield* Effect.provideService(
      Effect.provide(effect, layerOf(from.client, Policy.standard())),
      Tracer.Tracer,
      tracer
    )
    return spans
  })

describe("the span of an operation has the API's own name, is a client span, and names its file", () => {
  for (const [name, effect] of operations) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const spans = yield* spansOf(effect)
        const span = spans.find((span) => span.name === name)
        assert(span !== undefined, spans.map(({ name }) => name).join(", "))
        assert.strictEqual(span.kind, "client")
        assert.strictEqual(span.attributes.get("anthropic.file.id"), id)
      }))
  }

  it.effect("each page has a span anthropic.files.list with the number of its files", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(Stream.runDrain(Files.list()))
      const pages = spans.filter(({ name }) => name === "anthropic.files.list")
      assert.strictEqual(pages.length, 1)
      assert.strictEqual(pages[0]?.kind, "client")
      assert.strictEqual(pages[0]?.attributes.get("files.count"), 1)
    }))

  it.effect("P6: no span contains the key that an answer repeats as the id of a file", () =>
    Effect.gen(function*() {
      const key = "sk-ant-canary-0123456789"
      const { client } = HttpMock.answering(() => Response.json(wire({ id: key, size_bytes: 6 })))
      const { spans, tracer } = recordSpans()
      const source = FileSource.text("secret", "private.txt")
      const both = Effect.gen(function*() {
        assert.strictEqual((yield* Files.upload(source)).id, key)
        yield* (yield* UploadCache.UploadCache).get(source)
      })
      yield* both.pipe(
        Effect.provide(
          UploadCache.layer().pipe(
            Layer.provide(UploadStore.layerMemory),
            Layer.provideMerge(Files.layer({ apiKey: Redacted.make(key) }))
          )
        ),
        Effect.provideService(HttpClient.HttpClient, client),
        Effect.provideService(Tracer.Tracer, tracer)
      )
      const attributes = spans.map(({ attributes }) => JSON.stringify(Array.from(attributes))).join()
      assert.include(attributes, "anthropic.file.id")
      assert.notInclude(attributes, key)
    }))

  it.effect("no span contains a file's name or content", () =>
    Effect.gen(function*() {
      for (const [, effect] of operations) {
        const spans = yield* spansOf(effect)
        const attributes = spans.map(({ attributes, events }) => JSON.stringify([Array.from(attributes), events]))
        assert.notInclude(attributes.join("\n"), "private.txt")
        assert.notInclude(attributes.join("\n"), "secret")
      }
    }))
})
