/**
 * Uploaded files in programs that are built on `effect/ai`.
 *
 * A prompt's file part holds data or a URL and knows no file id. So the id travels as a URL, `anthropic-file:file_…`,
 * which a provider puts into a document or image block as it would any other, and which is rewritten into a file
 * reference when the request leaves.
 */
import * as Prompt from "effect/ai/Prompt"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Predicate from "effect/Predicate"
import * as ContentBlock from "./ContentBlock.ts"
import type { FileMetadata } from "./FileMetadata.ts"
import type { ContentBlockError } from "./FilesError.ts"

const scheme = "anthropic-file:"

/**
 * An uploaded document or image as a part of a prompt's user message. What no such block takes fails with
 * `InvalidFileType`, and an expired file with `FileExpired`.
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

const fileIdOf = (url: unknown): string | undefined =>
  Predicate.isString(url) && url.startsWith(scheme) ? decodeURIComponent(url.slice(scheme.length)) : undefined

/** `JSON.parse`'s reviver, which sees inner values first. */
const revive = (_: string, value: unknown): unknown => {
  if (!Predicate.hasProperty(value, "type") || value.type !== "url" || !Predicate.hasProperty(value, "url")) {
    return value
  }
  const file_id = fileIdOf(value.url)
  return file_id === undefined ? value : { type: "file", file_id }
}

/**
 * Rewrites `anthropic-file:` URLs into file references in every JSON request that passes: for a provider's
 * `transformClient` option.
 */
export const transformClient = <E, R>(client: HttpClient.HttpClient.With<E, R>): HttpClient.HttpClient.With<E, R> =>
  HttpClient.mapRequest(client, (request) => {
    const { body } = request
    if (body._tag !== "Uint8Array") return request
    const text = body.text ?? new TextDecoder().decode(body.body)
    if (!text.includes(`"${scheme}`)) return request
    const rewritten = Effect.runSyncExit(
      Effect.try({ try: (): unknown => JSON.parse(text, revive), catch: () => undefined })
    )
    return Exit.isSuccess(rewritten)
      ? HttpClientRequest.setBody(request, HttpBody.jsonUnsafe(rewritten.value, body.contentType))
      : request
  })
