/**
 * Uploaded files in programs that are built on `effect/ai`.
 *
 * A prompt's file part holds data or a URL but no file id, so the id is written as a URL: `anthropic-file:file_…`. A
 * provider puts it into a document or image block like any other URL, and {@link transformClient} turns it into a file
 * reference when the request is sent.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import type { FileMetadata } from "effect-anthropic-files"
 * import * as PromptFile from "effect-anthropic-files/PromptFile"
 * import { LanguageModel, Prompt } from "effect/ai"
 *
 * const summarize = Effect.fn(function*(report: FileMetadata.FileMetadata) {
 *   const file = yield* PromptFile.part(report)
 *   const { text } = yield* LanguageModel.generateText({
 *     prompt: Prompt.make([{ role: "user", content: [file, Prompt.textPart({ text: "Summarize this." })] }])
 *   })
 *   return text
 * })
 *
 * // Given to a provider's layer: `transformClient: PromptFile.transformClient`.
 * ```
 */
import * as Prompt from "effect/ai/Prompt"
import * as Effect from "effect/Effect"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as ContentBlock from "./ContentBlock.ts"
import type { FileMetadata } from "./FileMetadata.ts"
import type { ContentBlockError } from "./FilesError.ts"

const scheme = "anthropic-file:"

/**
 * An uploaded document or image as a part of a prompt's user message. A file that neither block accepts fails with
 * `InvalidFileType`, and an expired one with `FileExpired`.
 *
 * @param options the provider's own options of the part: title, citations, cache control
 */
export const part = (
  file: FileMetadata,
  options?: { readonly options: Prompt.FilePartOptions }
): Effect.Effect<Prompt.FilePart, ContentBlockError> =>
  Effect.gen(function*() {
    yield* file.mime_type.startsWith("image/") ? ContentBlock.image(file) : ContentBlock.document(file)
    return Prompt.filePart({
      mediaType: file.mime_type,
      fileName: file.filename,
      data: new URL(`${scheme}${encodeURIComponent(file.id)}`),
      ...options
    })
  })

/** Replaces a block's source that holds our URL with a file id. `JSON.parse` calls this with inner values first. */
const revive = (_: string, value: unknown): unknown => {
  if (!Predicate.hasProperty(value, "type") || value.type !== "url" || !Predicate.hasProperty(value, "url")) {
    return value
  }
  if (!Predicate.isString(value.url) || !value.url.startsWith(scheme)) return value
  return { type: "file", file_id: decodeURIComponent(value.url.slice(scheme.length)) }
}

/** The body with file references, or `undefined` if it is not JSON. */
const rewrite = (text: string): unknown =>
  Result.getOrUndefined(Result.try({ try: (): unknown => JSON.parse(text, revive), catch: () => undefined }))

/**
 * Replaces `anthropic-file:` URLs with file references in every JSON request, for a provider's `transformClient` option.
 * Other requests pass unchanged.
 */
export const transformClient = <E, R>(client: HttpClient.HttpClient.With<E, R>): HttpClient.HttpClient.With<E, R> =>
  HttpClient.mapRequest(client, (request) => {
    const { body } = request
    if (body._tag !== "Uint8Array") return request
    const text = body.text ?? new TextDecoder().decode(body.body)
    if (!text.includes(`"${scheme}`)) return request
    const rewritten = rewrite(text)
    if (rewritten === undefined) return request
    return HttpClientRequest.setBody(request, HttpBody.jsonUnsafe(rewritten, body.contentType))
  })
