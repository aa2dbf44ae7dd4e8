/**
 * Reads requests on their way out.
 */
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as MultipartParser from "effect/http/MultipartParser"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { concat, decodeText, parseJson } from "../../internal/request/body.ts"
import type { Part, SentRequest } from "../SentRequest.ts"

export type Try = Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

/** A client whose every request goes through `f`. */
export const through = (
  client: HttpClient.HttpClient,
  f: (
    request: HttpClientRequest.HttpClientRequest,
    send: (request: HttpClientRequest.HttpClientRequest) => Try
  ) => Try
): HttpClient.HttpClient =>
  HttpClient.makeWith(
    Effect.flatMap((request) => f(request, (altered) => client.postprocess(Effect.succeed(altered)))),
    client.preprocess
  )

export const transportError = (
  request: HttpClientRequest.HttpClientRequest,
  cause: unknown,
  description?: string
): HttpClientError.HttpClientError =>
  new HttpClientError.HttpClientError({
    reason: new HttpClientError.TransportError({
      request,
      cause,
      ...(description === undefined ? undefined : { description })
    })
  })

/** A failed connection, with a code of Node's. */
export const connectionFailed = (message: string, code: string): Error => Object.assign(new Error(message), { code })

export const connectionReset = (message: string): Error => connectionFailed(message, "ECONNRESET")

/** A request whose body has not been read. */
export const nothingRead = ({ headers }: HttpClientRequest.HttpClientRequest): Wire => ({
  headers,
  bytes: new Uint8Array()
})

/** The request with the body that was read, since a source may give it only once. */
export const withBody = (
  request: HttpClientRequest.HttpClientRequest,
  { bytes, headers }: Wire
): HttpClientRequest.HttpClientRequest =>
  bytes.length === 0
    ? request
    : HttpClientRequest.setBody(request, HttpBody.uint8Array(bytes, headers["content-type"]))

/** What would be sent: the body, and the headers that belong to it. */
export interface Wire {
  readonly headers: Headers.Headers
  readonly bytes: Uint8Array
}

export const readWire = (
  request: HttpClientRequest.HttpClientRequest
): Effect.Effect<Wire, HttpClientError.HttpClientError> => {
  const { body, headers } = request
  const failed = (cause: unknown) =>
    new HttpClientError.HttpClientError({ reason: new HttpClientError.EncodeError({ request, cause }) })
  switch (body._tag) {
    case "Empty":
      return Effect.succeed({ headers, bytes: new Uint8Array() })
    case "Uint8Array":
      return Effect.succeed({ headers, bytes: body.body })
    case "Stream": {
      const chunks: Array<Uint8Array> = []
      let size = 0
      // A source may reuse its buffer once the next chunk is pulled.
      return body.stream.pipe(
        Stream.runForEach((chunk) =>
          Effect.sync(() => {
            chunks.push(chunk.slice())
            size += chunk.length
          })
        ),
        Effect.mapBoth({ onFailure: failed, onSuccess: () => ({ headers, bytes: concat(chunks, size) }) })
      )
    }
    case "FormData": {
      const encoded = new Response(body.formData)
      return Effect.map(
        Effect.tryPromise({ try: () => encoded.arrayBuffer(), catch: failed }),
        (buffer) => ({
          headers: Headers.set(headers, "content-type", encoded.headers.get("content-type") ?? ""),
          bytes: new Uint8Array(buffer)
        })
      )
    }
    default:
      return Effect.mapBoth(HttpServerRequest.fromClientRequest(request).arrayBuffer, {
        onFailure: failed,
        onSuccess: (buffer) => ({ headers, bytes: new Uint8Array(buffer) })
      })
  }
}

/** The parts of a multipart body; of a malformed one, those before the fault. */
const parseParts = (contentType: string, bytes: Uint8Array): ReadonlyArray<Part> => {
  const parts: Array<Part> = []
  const parser = MultipartParser.make({
    headers: { "content-type": contentType },
    isFile: () => true,
    onField: () => undefined,
    onFile: (info) => {
      const type = info.headers["content-type"]
      const chunks: Array<Uint8Array> = []
      let size = 0
      return (chunk) => {
        if (chunk !== null) {
          chunks.push(chunk)
          size += chunk.length
          return
        }
        const content = concat(chunks, size)
        parts.push({
          name: info.name,
          filename: info.filename,
          contentType: typeof type === "string" ? type : type?.[0],
          bytes: content,
          get text() {
            return decodeText(content)
          }
        })
      }
    },
    onError: () => undefined,
    onDone: () => undefined
  })
  parser.write(bytes)
  parser.end()
  return parts
}

const secretName = /key|token|secret|auth|cookie|password/i

/** Headers that may hold a key. */
export const isSecretHeader = (name: string): boolean =>
  secretName.test(name) && !name.startsWith("anthropic-ratelimit-")

/** Stands for a header's value that is not shown. */
export const redacted = "<redacted>"

const redact = (headers: Headers.Headers): Headers.Headers =>
  Headers.fromInput(
    Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, isSecretHeader(name) ? redacted : value]))
  )

export const urlOf = (request: HttpClientRequest.HttpClientRequest): URL =>
  Option.getOrElse(HttpClientRequest.toUrl(request), () => new URL("http://localhost/"))

const queryOf = (url: URL): Record<string, string | ReadonlyArray<string>> => {
  const query: Record<string, string | ReadonlyArray<string>> = {}
  for (const name of new Set(url.searchParams.keys())) {
    const [first = "", ...more] = url.searchParams.getAll(name)
    query[name] = more.length === 0 ? first : [first, ...more]
  }
  return query
}

/** @param showSecrets leaves the headers that may hold a key as they are */
export const toSentRequest = (
  request: HttpClientRequest.HttpClientRequest,
  wire: Wire,
  showSecrets = false
): SentRequest => {
  const url = urlOf(request)
  const contentType = wire.headers["content-type"] ?? ""
  return {
    method: request.method,
    path: url.pathname,
    query: queryOf(url),
    headers: showSecrets ? wire.headers : redact(wire.headers),
    bytes: wire.bytes,
    json: contentType.startsWith("application/json")
      ? Result.getOrUndefined(parseJson(decodeText(wire.bytes)))
      : undefined,
    parts: contentType.startsWith("multipart/form-data") ? parseParts(contentType, wire.bytes) : []
  }
}
