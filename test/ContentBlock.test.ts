import type Anthropic from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Schema } from "effect"
import * as ContentBlock from "effect-anthropic-files/ContentBlock"
import { FileId, type FileMetadata } from "effect-anthropic-files/FileMetadata"
import { TestClock } from "effect/testing"

const id = FileId.make("file_011CNha8iCJcU1wXNR6q4V8w")

const file = (mime_type: string, more?: Partial<FileMetadata>): FileMetadata => ({
  id,
  type: "file",
  filename: "report",
  mime_type,
  size_bytes: 10,
  created_at: DateTime.makeUnsafe(0),
  downloadable: false,
  expires_at: null,
  scope: null,
  ...more
})

const source = { type: "file", file_id: id } as const

// The official SDK's request types take the blocks as they are. Checked by the compiler.
const officialTypes = (
  document: ContentBlock.Document,
  image: ContentBlock.Image,
  upload: ContentBlock.ContainerUpload,
  any: ContentBlock.ContentBlock
): Anthropic.Messages.MessageCreateParams => {
  const one: Anthropic.Messages.DocumentBlockParam = document
  const two: Anthropic.Messages.ImageBlockParam = image
  const three: Anthropic.Messages.ContainerUploadBlockParam = upload
  return {
    model: "claude-sonnet-5-5",
    max_tokens: 1024,
    messages: [{ role: "user", content: [one, two, three, any, { type: "text", text: "What is this?" }] }]
  }
}

// A bare id says nothing about its type. Checked by the compiler.
type Options = Parameters<typeof ContentBlock.document | typeof ContentBlock.image | typeof ContentBlock.forFile>[1]
const bareIdNeedsType: Options extends { readonly mimeType: string } ? true : false = true

describe("ContentBlock", () => {
  it.effect("document has the documented shape", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* ContentBlock.document(file("application/pdf")), { type: "document", source })
      const cacheControl = { type: "ephemeral", ttl: "1h" } as const
      assert.deepStrictEqual(
        yield* ContentBlock.document(file("text/plain"), {
          title: "Contract",
          context: "Signed in May.",
          citations: true,
          cacheControl
        }),
        {
          type: "document",
          source,
          title: "Contract",
          context: "Signed in May.",
          citations: { enabled: true },
          cache_control: { type: "ephemeral", ttl: "1h" }
        }
      )
      assert.deepStrictEqual(
        (yield* ContentBlock.document(file("text/plain"), { citations: false })).citations,
        { enabled: false }
      )
    }))

  it.effect("image and container_upload have the documented shapes", () =>
    Effect.gen(function*() {
      for (const type of ["image/jpeg", "image/png", "image/gif", "image/webp"]) {
        assert.deepStrictEqual(yield* ContentBlock.image(file(type)), { type: "image", source })
      }
      assert.deepStrictEqual(yield* ContentBlock.containerUpload(file("text/csv")), {
        type: "container_upload",
        file_id: id
      })
      assert.deepStrictEqual(
        yield* ContentBlock.containerUpload(id, { cacheControl: { type: "ephemeral" } }),
        { type: "container_upload", file_id: id, cache_control: { type: "ephemeral" } }
      )
    }))

  it.effect("an id without metadata is accepted with its type", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* ContentBlock.document(id, { mimeType: "Text/Plain; charset=utf-8", title: "Notes" }),
        { type: "document", source, title: "Notes" }
      )
      assert.deepStrictEqual(yield* ContentBlock.image(id, { mimeType: "image/png" }), { type: "image", source })
      const error = yield* Effect.flip(ContentBlock.document(id, { mimeType: "text/csv" }))
      assert.strictEqual(error._tag, "InvalidFileType")
      assert.isTrue(bareIdNeedsType)
    }))

  it.effect.each(
    [
      ["application/pdf", "document"],
      ["text/plain", "document"],
      ["text/plain; charset=utf-8", "document"],
      ["image/jpeg", "image"],
      ["image/png", "image"],
      ["image/gif", "image"],
      ["image/webp", "image"],
      ["image/svg+xml", "container_upload"],
      ["text/csv", "container_upload"],
      ["text/markdown", "container_upload"],
      ["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "container_upload"],
      ["application/octet-stream", "container_upload"]
    ] as const
  )("forFile puts %s into %s", ([mimeType, block]) =>
    Effect.gen(function*() {
      const options = { title: "T", context: "C", citations: true, cacheControl: { type: "ephemeral" } } as const
      const made = yield* ContentBlock.forFile(file(mimeType), options)
      assert.strictEqual(made.type, block)
      assert.deepStrictEqual(made.cache_control, { type: "ephemeral" })
      assert.strictEqual("title" in made, block === "document")
      assert.strictEqual("citations" in made, block === "document")
      assert.deepStrictEqual(yield* ContentBlock.forFile(id, { mimeType, ...options }), made)
    }))

  it.effect.each(
    [
      ["text/csv", /upload it as text\/plain .* or use ContentBlock\.containerUpload with the code execution tool/],
      ["text/markdown", /upload it as text\/plain/],
      ["application/json", /upload it as text\/plain/],
      ["application/vnd.openxmlformats-officedocument.wordprocessingml.document", /convert it to PDF or plain text/],
      ["image/png", /use ContentBlock\.image\.$/],
      ["image/heic", /convert it to PNG or JPEG/],
      ["image/jpg", /upload it as image\/jpeg/],
      ["application/octet-stream", /upload it with its real type as mimeType/]
    ] as const
  )("a document block refuses %s and says what to do", ([mimeType, advice]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(ContentBlock.document(file(mimeType, { filename: "data.bin" })))
      assert.strictEqual(error._tag, "InvalidFileType")
      assert.strictEqual(error._tag === "InvalidFileType" && error.mimeType, mimeType)
      assert.strictEqual(error.fileId, id)
      assert.isFalse(error.isRetryable)
      assert.include(error.message, `data.bin (${id}) is ${mimeType}, and a document block takes application/pdf and`)
      assert.match(error.message, advice)
    }))

  it.effect("an image block refuses a PDF and says what to do", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(ContentBlock.image(file("application/pdf")))
      assert.strictEqual(error._tag, "InvalidFileType")
      assert.match(error.message, /an image block takes image\/jpeg, .* use ContentBlock\.document\.$/)
    }))

  it.effect("an expired file fails in every kind of block", () =>
    Effect.gen(function*() {
      const expires_at = DateTime.makeUnsafe(60_000)
      const pdf = file("application/pdf", { expires_at })
      const png = file("image/png", { expires_at })
      yield* TestClock.adjust(59_999)
      yield* ContentBlock.document(pdf)
      yield* TestClock.adjust(1)
      for (
        const attempt of [
          ContentBlock.document(pdf),
          ContentBlock.image(png),
          ContentBlock.containerUpload(pdf),
          ContentBlock.forFile(png)
        ]
      ) {
        const error = yield* Effect.flip<unknown, { readonly _tag: string; readonly message: string }, never>(attempt)
        assert.strictEqual(error._tag, "FileExpired")
        assert.include(error.message, "1970-01-01T00:01:00.000Z")
      }
    }))

  it.effect("the Schemas decode and encode blocks, and keep unknown fields", () =>
    Effect.gen(function*() {
      const blocks = [
        { type: "document", source, title: null, citations: { enabled: true, style: "new" }, extra: [1] },
        { type: "image", source: { ...source, detail: "high" }, transformations: { rotate: 90 } },
        { type: "container_upload", file_id: id, cache_control: { type: "ephemeral", ttl: "5m" }, extra: true }
      ]
      for (const block of blocks) {
        const decoded = yield* Schema.decodeEffect(ContentBlock.ContentBlock)(block)
        assert.deepStrictEqual(decoded as unknown, block)
        assert.deepStrictEqual((yield* Schema.encodeEffect(ContentBlock.ContentBlock)(decoded)) as unknown, block)
      }
      const base64 = { type: "document", source: { type: "base64", data: "", media_type: "application/pdf" } }
      assert.isFalse(Schema.is(ContentBlock.ContentBlock)(base64))
    }))

  it.effect("the official SDK's request types take the blocks", () =>
    Effect.gen(function*() {
      const document = yield* ContentBlock.document(file("application/pdf"), { citations: true })
      const image = yield* ContentBlock.image(file("image/png"))
      const upload = yield* ContentBlock.containerUpload(file("text/csv"))
      assert.strictEqual(officialTypes(document, image, upload, image).messages.length, 1)
    }))
})
