import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Schema } from "effect"
import { FileMetadata } from "effect-anthropic-files"
import * as PromptFile from "effect-anthropic-files/PromptFile"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { Prompt } from "effect/ai"
import { HttpBody, HttpClientRequest } from "effect/http"

const file = (mime_type: string, id = "file_011CNha8iCJcU1wXNR6q4V8w"): FileMetadata.FileMetadata => ({
  id: FileMetadata.FileId.make(id),
  type: "file",
  filename: "report",
  mime_type,
  size_bytes: 10,
  created_at: DateTime.makeUnsafe(0),
  downloadable: false,
  expires_at: null,
  scope: null
})

/** The request that is sent, for a provider's request. */
const sent = (body: HttpBody.HttpBody) =>
  Effect.gen(function*() {
    let text = ""
    const client = PromptFile.transformClient(
      HttpMock.answering(({ bytes, headers }) => {
        text = new TextDecoder().decode(bytes)
        assert.strictEqual(headers["content-length"], String(bytes.length))
        return new Response("{}")
      }).client
    )
    yield* client.execute(HttpClientRequest.setBody(HttpClientRequest.post("https://api.anthropic.com/v1"), body))
    return text
  })

describe("PromptFile", () => {
  it.effect.each(["image/png", "application/pdf", "text/plain"])(
    "a part of type %s becomes a file reference on its way out",
    (mimeType) =>
      Effect.gen(function*() {
        const part = yield* PromptFile.part(file(mimeType))
        assert.strictEqual(part.mediaType, mimeType)
        assert.strictEqual(part.fileName, "report")
        const text = yield* sent(HttpBody.jsonUnsafe({
          messages: [{
            role: "user",
            content: [{ type: "any", source: { type: "url", url: String(part.data) }, title: "T" }]
          }]
        }))
        assert.deepStrictEqual(JSON.parse(text), {
          messages: [{
            role: "user",
            content: [{ type: "any", source: { type: "file", file_id: "file_011CNha8iCJcU1wXNR6q4V8w" }, title: "T" }]
          }]
        })
      })
  )

  it.effect("a prompt with a part survives its JSON form", () =>
    Effect.gen(function*() {
      const part = yield* PromptFile.part(file("application/pdf", "file_Ä/ß?#"), {
        options: { anthropic: { documentOptions: { citations: { enabled: true } } } }
      })
      const prompt = Prompt.make([{ role: "user", content: [part] }])
      const codec = Schema.toCodecJson(Prompt.Prompt)
      const decoded = yield* Schema.decodeEffect(codec)(yield* Schema.encodeEffect(codec)(prompt))
      const [message] = decoded.content
      const again = message?.role === "user" ? message.content[0] : undefined
      assert.strictEqual(again?.type === "file" && String(again.data), String(part.data))
      assert.deepStrictEqual(again?.options, { anthropic: { documentOptions: { citations: { enabled: true } } } })
      const text = yield* sent(HttpBody.jsonUnsafe({ source: { type: "url", url: String(part.data) } }))
      assert.deepStrictEqual(JSON.parse(text), { source: { type: "file", file_id: "file_Ä/ß?#" } })
    }))

  it.effect("requests without a file part pass unchanged", () =>
    Effect.gen(function*() {
      for (
        const text of [
          "{\"a\": {\"type\":\"url\",\"url\":\"https://example.com/a.pdf\"}}",
          "{\"text\": \"anthropic-file:file_1 is a \\\"URL\\\"\"}",
          "{\"not json: \"anthropic-file:file_1\"",
          "plain"
        ]
      ) {
        assert.strictEqual(
          (yield* sent(HttpBody.text(text, "application/json"))).replaceAll(" ", ""),
          text.replaceAll(" ", "")
        )
      }
    }))

  it.effect("a file that neither a document nor an image block accepts fails", () =>
    Effect.gen(function*() {
      for (const type of ["text/csv", "image/svg+xml"]) {
        assert.strictEqual((yield* Effect.flip(PromptFile.part(file(type))))._tag, "InvalidFileType")
      }
    }))
})
