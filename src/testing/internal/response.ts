/**
 * Responses that no server sent.
 */
import * as HttpBody from "effect/http/HttpBody"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"

/** The headers stand as they are given; without a `content-length` among them none is announced. */
export const respond = (request: HttpClientRequest.HttpClientRequest, response: {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | Stream.Stream<Uint8Array, unknown>
}): HttpClientResponse.HttpClientResponse => {
  const { body, headers, status } = response
  const stream = !(body instanceof Uint8Array) ? body : body.length === 0 ? Stream.empty : Stream.succeed(body)
  return HttpServerResponse.toClientResponse(
    HttpServerResponse.empty({ status }).pipe(
      HttpServerResponse.setBody(HttpBody.stream(stream)),
      HttpServerResponse.setHeaders(headers)
    ),
    { request }
  )
}
