/**
 * An `HttpClient` whose requests are answered by the emulator in the same process, streams included.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Headers from "effect/http/Headers"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { ConnectionReset, RequestBodyFailed } from "./apiError.ts"
import type * as Pipeline from "./pipeline.ts"

const failed = (cause: unknown) => new RequestBodyFailed({ cause })

interface Sent {
  readonly headers: Headers.Headers
  readonly body: Stream.Stream<Uint8Array, RequestBodyFailed>
}

/** What would be sent for this request. */
const sent = (request: HttpClientRequest.HttpClientRequest, server: HttpServerRequest.HttpServerRequest): Sent => {
  const { body, headers } = request
  switch (body._tag) {
    case "Empty":
      return { headers, body: Stream.empty }
    case "Stream":
      return { headers, body: Stream.mapError(body.stream, failed) }
    case "FormData": {
      const encoded = new Response(body.formData)
      const stream = encoded.body
      return {
        headers: Headers.set(headers, "content-type", encoded.headers.get("content-type") ?? ""),
        body: stream === null
          ? Stream.empty
          : Stream.fromReadableStream<Uint8Array, RequestBodyFailed>({ evaluate: () => stream, onError: failed })
      }
    }
    default:
      return { headers, body: Stream.mapError(server.stream, failed) }
  }
}

/** The path from `/v1/` on, since the base URL of a client may have a path. */
const pathOf = (url: URL): string => {
  const start = Math.max(0, url.pathname.indexOf("/v1/"), url.pathname.indexOf("/_emulator/"))
  return url.pathname.slice(start) + url.search
}

export const make = (handle: Pipeline.Handle): HttpClient.HttpClient =>
  HttpClient.make((request, url, signal) =>
    Effect.suspend(() => {
      const path = pathOf(url)
      const server = HttpServerRequest.fromClientRequest(request).modify({ url: path })
      const { body, headers } = sent(request, server)
      const scope = Scope.makeUnsafe()
      let streaming = false
      return handle({
        method: request.method,
        url: path,
        baseUrl: url.origin,
        headers,
        body,
        reusesChunks: true,
        checksLength: true,
        guard: Effect.void
      }).pipe(
        Scope.provide(scope),
        Effect.map((response) => {
          const answered = response.body
          if (answered._tag !== "Stream") return response
          streaming = true
          // The client may stop reading before the end of the answer.
          signal.addEventListener("abort", () => Effect.runFork(Scope.close(scope, Exit.void)), { once: true })
          return HttpServerResponse.setBody(
            response,
            HttpBody.stream(
              Stream.onExit(answered.stream, (exit) => Scope.close(scope, exit)),
              answered.contentType,
              answered.contentLength
            )
          )
        }),
        Effect.map((response) => HttpServerResponse.toClientResponse(response, { request })),
        Effect.mapError((error) =>
          new HttpClientError.HttpClientError({
            reason: error instanceof ConnectionReset
              ? new HttpClientError.TransportError({ request, cause: error, description: error.description })
              : new HttpClientError.EncodeError({ request, cause: error.cause })
          })
        ),
        Effect.onExit((exit) => streaming && Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit))
      )
    })
  )
