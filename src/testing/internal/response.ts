/**
 * Responses that no server sent.
 */
import * as HttpBody from "effect/http/HttpBody"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"

const streamOf = (body: Uint8Array | Stream.Stream<Uint8Array, unknown>): Stream.Stream<Uint8Array, unknown> => {
  if (!(body instanceof Uint8Array)) return body
  return body.length === 0 ? Stream.empty : Stream.succeed(body)
}

/** A response with exactly these headers: a `content-length` is announced only if it is one of them. */
export const respond = (request: HttpClientRequest.HttpClientRequest, response: {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | Stream.Stream<Uint8Array, unknown>
}): HttpClientResponse.HttpClientResponse => {
  const { body, headers, status } = response
  return HttpServerResponse.toClientResponse(
    HttpServerResponse.empty({ status }).pipe(
      HttpServerResponse.setBody(HttpBody.stream(streamOf(body))),
      HttpServerResponse.setHeaders(headers)
    ),
    { request }
  )
}
