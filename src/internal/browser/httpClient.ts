/**
 * Requests from a page: over `fetch`, and over `XMLHttpRequest` where the body is large, since that alone tells how much
 * of it has been sent.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Headers from "effect/http/Headers"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Stream from "effect/Stream"
import { type BlobBody, blobOf } from "../request/blobBody.ts"
import { CurrentSilence } from "../request/silence.ts"

/** A request whose body is a `Blob`, and whom to tell how much of that is sent. */
interface Sent {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly contentType: string | undefined
  readonly body: Blob
  readonly blob: BlobBody | undefined
}

/** A page is told neither what failed nor where. */
const unexplained = "the browser gives no reason: it may be the network, CORS (the server has to let this page's "
  + "origin in) or the page's Content-Security-Policy"

/** What fetch failed with, and what may be behind it where it has no cause. */
const explained = (error: HttpClientError.HttpClientError): HttpClientError.HttpClientError => {
  const { reason, request } = error
  if (reason._tag !== "TransportError" || !(reason.cause instanceof TypeError)) return error
  const { cause, message } = reason.cause
  return cause === undefined ? failed(request, new TypeError(`${message} (${unexplained})`)) : error
}

const failed = (request: HttpClientRequest.HttpClientRequest, cause: unknown) =>
  new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })

const unencodable = (request: HttpClientRequest.HttpClientRequest, cause: unknown) =>
  new HttpClientError.HttpClientError({ reason: new HttpClientError.EncodeError({ request, cause }) })

/**
 * A body that is sent from a `Blob`. Other streams are collected in one: most browsers send no stream, and those that do
 * send none over HTTP/1.1.
 */
const toBlob = (
  request: HttpClientRequest.HttpClientRequest,
  body: HttpBody.Stream
): Effect.Effect<Sent, HttpClientError.HttpClientError> => {
  const { contentType } = body
  const blob = blobOf(body)
  const sent = (parts: ReadonlyArray<unknown>): Sent => ({
    request,
    contentType,
    body: new Blob(parts as Array<BlobPart>),
    blob
  })
  if (blob !== undefined) return Effect.succeed(sent(blob.parts))
  return Effect.mapBoth(Stream.runCollect(body.stream), {
    onFailure: (cause) => unencodable(request, cause),
    onSuccess: sent
  })
}

/** Finds out what the browser does not say: whether it was the file that could not be read. */
const checkReadable = ({ blob }: Sent): Effect.Effect<void> =>
  Effect.promise(() =>
    Promise.all((blob?.parts ?? []).map((part) => part instanceof Blob ? part.slice(0, 1).arrayBuffer() : undefined))
      .then(() => {}, blob?.unreadable)
  )

const headersOf = (text: string): Record<string, string> => {
  const headers: Record<string, string> = {}
  for (const line of text.split("\r\n")) {
    const at = line.indexOf(": ")
    if (at > 0) headers[line.slice(0, at)] = line.slice(at + 2)
  }
  return headers
}

const withoutBody: ReadonlySet<number> = new Set([204, 205, 304])

/** The answer as fetch gives it. One from another address is what fetch makes of a redirect: status 0. */
const responseOf = (xhr: XMLHttpRequest, url: URL): Response =>
  xhr.responseURL !== "" && xhr.responseURL !== url.href.replace(/#.*$/, "")
    ? Response.error()
    : new Response(withoutBody.has(xhr.status) ? null : xhr.response as Blob, {
      status: xhr.status,
      statusText: xhr.statusText,
      headers: headersOf(xhr.getAllResponseHeaders())
    })

const sendByXhr = (
  { blob, body, request }: Sent,
  url: URL,
  fiber: Fiber.Fiber<unknown, unknown>
): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> =>
  Effect.callback((resume) => {
    const xhr = new XMLHttpRequest()
    const silence = fiber.getRef(CurrentSilence)
    const told = blob?.begin(fiber.context)
    const init = Context.getOrUndefined(fiber.context, FetchHttpClient.RequestInit)
    xhr.open(request.method, url)
    xhr.responseType = "blob"
    xhr.withCredentials = init?.credentials === "include"
    for (const name in request.headers) {
      if (name !== "content-length") xhr.setRequestHeader(name, request.headers[name] ?? "")
    }
    xhr.upload.addEventListener("progress", ({ loaded }) => {
      silence?.moved()
      told?.(loaded)
    })
    xhr.addEventListener(
      "load",
      () => resume(Effect.succeed(HttpClientResponse.fromWeb(request, responseOf(xhr, url))))
    )
    xhr.addEventListener(
      "error",
      () => resume(Effect.fail(failed(request, new TypeError(unexplained))))
    )
    xhr.send(body)
    return Effect.sync(() => xhr.abort())
  })

/** Whether a header says who is asking, and must go nowhere else. */
const isAuthorized = (
  headers: Headers.Headers,
  names: ReadonlyArray<string | RegExp>
): boolean =>
  Object.keys(headers).some((header) =>
    names.some((name) => typeof name === "string" ? name.toLowerCase() === header : name.test(header))
  )

/** Milliseconds a byte: a `fetch` that sends a `Blob` at 32 KB/s or more is not taken for silent. */
const slowest = 1 / 32

/**
 * fetch does not tell how much of a `Blob` is sent. The limit on silence begins when a slow link would have sent all.
 */
const sendByFetch = (
  fetch: HttpClient.HttpClient,
  { blob, body, contentType, request }: Sent,
  fiber: Fiber.Fiber<unknown, unknown>
) =>
  Effect.suspend(() => {
    const told = blob?.begin(fiber.context)
    const resume = fiber.getRef(CurrentSilence)?.pause()
    const whole = HttpClientRequest.setBody(
      request,
      HttpBody.raw(body, contentType === undefined ? {} : { contentType })
    )
    const sending = Effect.tap(fetch.execute(whole), () => Effect.sync(() => told?.(body.size)))
    return Effect.forkScoped(Effect.andThen(Effect.sleep(body.size * slowest), Effect.sync(() => resume?.()))).pipe(
      Effect.andThen(sending),
      Effect.ensuring(Effect.sync(() => resume?.())),
      Effect.scoped
    )
  })

/**
 * A client for pages. `XMLHttpRequest` follows redirects and can't be kept from it: a request that says who is asking
 * goes over `fetch`, which can.
 */
export const make = (transport: HttpClient.HttpClient): HttpClient.HttpClient => {
  const fetch = HttpClient.transformResponse(transport, Effect.mapError(explained))
  const xhr = HttpClient.make((request, url, _, fiber) =>
    request.body._tag !== "Stream"
      ? fetch.execute(request)
      : Effect.flatMap(toBlob(request, request.body), (sent) =>
        (typeof XMLHttpRequest === "undefined"
            || isAuthorized(request.headers, fiber.getRef(Headers.CurrentRedactedNames))
          ? sendByFetch(fetch, sent, fiber)
          : sendByXhr(sent, url, fiber)).pipe(Effect.tapError(() => checkReadable(sent))))
  )
  return HttpClient.makeWith<HttpClientError.HttpClientError, never, HttpClientError.HttpClientError, never>(
    Effect.flatMap((request) => request.body._tag === "Stream" ? xhr.execute(request) : fetch.execute(request)),
    Effect.succeed
  )
}
