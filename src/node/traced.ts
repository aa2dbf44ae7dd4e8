/**
 * The span of a request, the same as that of effect's `HttpClient.make`, but without the abort signal and the finalizer
 * that it adds to each request, which cost more than the span.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import * as UrlParams from "effect/http/UrlParams"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import { withMore } from "../internal/request/secretHeaders.ts"

/** The parts of a URL that a span shows, which leave out the query. */
export interface Place {
  readonly href: string
  /** With the query. */
  readonly path: string
  readonly scheme: string
  readonly hostname: string
  readonly port: number
}

type Try = Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

export const isTraced = (
  fiber: Fiber.Fiber<unknown, unknown>,
  request: HttpClientRequest.HttpClientRequest
): boolean =>
  fiber.getRef(Tracer.Tracer) !== Tracer.nativeTracer && !fiber.getRef(Tracer.DisablePropagation)
  && !fiber.getRef(HttpClient.TracerDisabledWhen)(request)

const addUrl = (
  span: Tracer.Span,
  { hostname, href, path, port, scheme }: Place,
  urlParams: UrlParams.UrlParams,
  names: ReadonlyArray<string | RegExp>
): void => {
  const secret = urlParams.params.filter(([, value]) => typeof value !== "string").map(([key]) => key)
  const all = secret.length === 0
    ? names
    : [...names, ...new URLSearchParams(secret.map((key) => [key, ""])).keys()]
  const queryStart = path.indexOf("?")
  const query = queryStart < 0 ? "" : UrlParams.redactUrl(path.slice(queryStart), all).slice(1)
  span.attribute("url.full", UrlParams.redactUrl(href, all))
  span.attribute("url.path", queryStart < 0 ? path : path.slice(0, queryStart))
  if (query !== "") span.attribute("url.query", query)
  span.attribute("url.scheme", scheme)
  span.attribute("server.address", hostname)
  span.attribute("server.port", port)
}

const addHeaders = (
  span: Tracer.Span,
  phase: "request" | "response",
  headers: Headers.Headers,
  filter: (name: string, phase: "request" | "response") => boolean,
  names: ReadonlyArray<string | RegExp>
): void => {
  for (const name in headers) {
    if (!filter(name, phase)) continue
    span.attribute(
      `http.${phase}.header.${name}`,
      Headers.isRedactedName(name, names) ? "<redacted>" : headers[name]
    )
  }
}

export const traced = (
  fiber: Fiber.Fiber<unknown, unknown>,
  request: HttpClientRequest.HttpClientRequest,
  place: Place,
  send: (request: HttpClientRequest.HttpClientRequest) => Try
): Try =>
  Effect.useSpan(fiber.getRef(HttpClient.SpanNameGenerator)(request), { kind: "client" }, (span) => {
    const names = fiber.getRef(Headers.CurrentRedactedNames)
    const filter = fiber.getRef(HttpClient.TracerHeaderFilter)
    span.attribute("http.request.method", request.method)
    addUrl(span, place, request.urlParams, fiber.getRef(UrlParams.CurrentRedactedNames))
    addHeaders(span, "request", request.headers, filter, names)
    const propagated = fiber.getRef(HttpClient.TracerPropagationEnabled)
      ? withMore(request, HttpTraceContext.toHeaders(span))
      : request
    // Only a body that is made on the way can make spans.
    const sent = request.body._tag === "Stream"
      ? Effect.withParentSpan(send(propagated), span, { captureStackTrace: false })
      : send(propagated)
    return Effect.map(sent, (response) => {
      span.attribute("http.response.status_code", response.status)
      addHeaders(span, "response", response.headers, filter, names)
      if (response.status >= 400 && response.status < 600) {
        span.attribute("error.type", String(response.status))
        // The response is still returned: only its span has failed.
        const reason = new HttpClientError.StatusCodeError({ request: propagated, response })
        span.end(
          fiber.getRef(References.TracerTimingEnabled)
            ? fiber.getRef(Clock.Clock).currentTimeNanosUnsafe()
            : BigInt(0),
          Exit.fail(new HttpClientError.HttpClientError({ reason }))
        )
      }
      return response
    })
  })
