/**
 * What an operator sees: spans, metrics and debug logs. The one place that records. Nothing that it records holds a
 * key, a body or a header's value, and no span or metric a file's name.
 *
 * It costs little: a figure is recorded by a call where the fiber is at hand, and attributes are set only where a tracer
 * is installed and has taken the span.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import * as UrlParams from "effect/http/UrlParams"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { FilesError, Operation } from "../FilesError.ts"
import * as Metrics from "./telemetry/metrics.ts"
import { errorTypeOf, type Named, nameOf, operations, type Sending, tagOf } from "./telemetry/operations.ts"

export type AnyFiber = Fiber.Fiber<unknown, unknown>

const recordDuration = Metrics.recorder(Metrics.operationDuration)
const addActive = Metrics.adder(Metrics.operationActive)
const countRequest = Metrics.recorder(Metrics.requests)
const countError = Metrics.recorder(Metrics.errors)
const countRetry = Metrics.recorder(Metrics.retries)
const recordWait = Metrics.recorder(Metrics.waitDuration)
const countRejection = Metrics.recorder(Metrics.circuitRejections)
const countBytes = Metrics.recorder(Metrics.fileBytes)
const countAdopted = Metrics.recorder(Metrics.adopted)
const countResumed = Metrics.recorder(Metrics.resumed)
const countLookup = Metrics.recorder(Metrics.cacheLookups)
const recordTokens = Metrics.recorder(Metrics.tokenUsage)
const setItems = Metrics.recorder(Metrics.ingestItems)

/** Values of `error.type` that metrics have; a status is one as well. */
const knownErrorTypes: ReadonlySet<string> = new Set([
  "invalid_request_error",
  "authentication_error",
  "billing_error",
  "permission_error",
  "not_found_error",
  "request_too_large",
  "rate_limit_error",
  "timeout_error",
  "overloaded_error",
  "api_error",
  "client_timeout_error",
  "connection_error",
  "client_error"
])

/** A service may send any word for its type: a metric takes those that are documented. */
const fewErrorTypes = (error: FilesError): string => {
  const type = errorTypeOf(error)
  return knownErrorTypes.has(type) || /^[45]\d\d$/.test(type) ? type : Metrics.other
}

/** The span of this fiber, where a tracer records it. */
export const recordedSpan = (fiber: AnyFiber): Tracer.Span | undefined => {
  const { span } = fiber.cache
  if (span?._tag !== "Span" || !span.sampled || span.status._tag === "Ended") return undefined
  return fiber.getRef(Tracer.Tracer) === Tracer.nativeTracer ? undefined : span
}

/** The span of the operation that this fiber runs. */
const spanOf = (fiber: AnyFiber, operation: Operation): Tracer.Span | undefined => {
  const span = recordedSpan(fiber)
  return span !== undefined && span.name === nameOf(operation) ? span : undefined
}

/** Sets an attribute of the current span, where it is recorded. */
export const annotate = (fiber: AnyFiber, name: string, value: unknown): void =>
  recordedSpan(fiber)?.attribute(name, value)

/** Sets attributes of the current span, where it is recorded. */
export const annotateAll = (fiber: AnyFiber, attributes: Readonly<Record<string, unknown>>): void => {
  const span = recordedSpan(fiber)
  if (span !== undefined) setAll(span, attributes)
}

export const setAll = (span: Tracer.Span, attributes: Readonly<Record<string, unknown>>): void => {
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) span.attribute(name, value)
}

/** A failure as a span shows it: by its kind alone. The error's own words may name a file. */
class SpanFailed extends Data.TaggedError("effect-anthropic-files/internal/SpanFailed")<{ readonly message: string }> {
  constructor(name: string, message: string) {
    super({ message })
    this.name = name
    this.stack = `${name}: ${message}`
  }
}

/**
 * Ends a span with nothing of what came of it: a value holds contents, and an error's words names. Whoever made the span
 * ends it once more, which does nothing.
 */
const end = (fiber: AnyFiber, span: Tracer.Span, exit: Exit.Exit<void, SpanFailed>): void => {
  const isTimed = fiber.getRef(References.TracerTimingEnabled)
  span.end(isTimed ? fiber.getRef(Clock.Clock).currentTimeNanosUnsafe() : BigInt(0), exit)
}

/** Ends a span with a failure that tells only its kind. */
const endFailed = (fiber: AnyFiber, span: Tracer.Span, name: string, type: string): void => {
  span.attribute("error.type", type)
  end(fiber, span, Exit.fail(new SpanFailed(name, type)))
}

/** Some lines name files, and a logger of effect's writes every line into the span. */
const withoutTracerLogger = (loggers: ReadonlySet<Logger.Logger<unknown, unknown>>) =>
  loggers.has(Logger.tracerLogger) ? new Set(Array.from(loggers).filter((one) => one !== Logger.tracerLogger)) : loggers

/** Logs that are kept out of the span. */
export const offSpan: <A, E, R>(log: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> = Effect.updateService(
  Logger.CurrentLoggers,
  withoutTracerLogger
)

/** Without the error's own words: they may be the service's, and name files. */
const logFailure = (error: FilesError, type: string): Effect.Effect<void> =>
  offSpan(Effect.annotateLogs(Effect.logDebug(`${nameOf(error.operation)} failed (${tagOf(error)})`), {
    "anthropic.operation.name": nameOf(error.operation),
    "anthropic.error.tag": tagOf(error),
    "error.type": type,
    ...(error.status === undefined ? undefined : { "http.response.status_code": error.status }),
    ...(error.requestId === undefined ? undefined : { "anthropic.request.id": error.requestId }),
    ...(error.tries === undefined ? undefined : { tries: error.tries })
  }))

/** An operation over a base URL, and what its spans say from the start. */
interface Observed {
  readonly operation: Sending
  readonly named: Named
  readonly attributes: Readonly<Record<string, unknown>>
}

const observed = (operation: Sending, baseUrl: string): Observed => {
  const named = operations[operation]
  const { hostname, port, protocol } = new URL(baseUrl)
  const standard = protocol === "https:" ? 443 : 80
  return {
    operation,
    named,
    attributes: {
      "gen_ai.provider.name": "anthropic",
      "http.request.method": named.method,
      "http.route": named.route,
      "server.address": hostname.replace(/^\[|\]$/g, ""),
      "server.port": port === "" ? standard : Number(port),
      "url.scheme": protocol.slice(0, -1)
    }
  }
}

const seconds = (nanos: bigint): number => Number(nanos) / 1e9

/** What is called once with what came of an operation. */
export type End = (exit: Exit.Exit<unknown, FilesError>) => Effect.Effect<void> | undefined

/** An operation has begun in the span of this fiber. */
const begin = (fiber: AnyFiber, { attributes, named, operation }: Observed): End => {
  const { context } = fiber
  const clock = fiber.getRef(Clock.Clock)
  const since = clock.monotonicTimeNanosUnsafe()
  const span = spanOf(fiber, operation)
  if (span !== undefined) setAll(span, attributes)
  addActive(context, 1, named.name)
  return (exit) => {
    const duration = seconds(clock.monotonicTimeNanosUnsafe() - since)
    addActive(context, -1, named.name)
    if (Exit.isSuccess(exit) || Exit.hasInterrupts(exit)) {
      // When the caller ends it, the service has not failed.
      recordDuration(context, duration, named.name)
      if (span !== undefined && Exit.isSuccess(exit)) end(fiber, span, Exit.void)
      return undefined
    }
    const error = Option.getOrUndefined(Exit.findErrorOption(exit))
    if (error === undefined) {
      recordDuration(context, duration, named.name, "client_error")
      if (span !== undefined) endFailed(fiber, span, "Defect", "client_error")
      return undefined
    }
    const type = errorTypeOf(error)
    const few = fewErrorTypes(error)
    recordDuration(context, duration, named.name, few)
    countError(context, 1, named.name, tagOf(error), few)
    if (span !== undefined) {
      if (error.status !== undefined) span.attribute("http.response.status_code", error.status)
      if (error.requestId !== undefined) span.attribute("anthropic.request.id", error.requestId)
      endFailed(fiber, span, tagOf(error), type)
    }
    return logFailure(error, type)
  }
}

/** Observes an operation: to be called as it begins, inside its span. */
export const observer = (operation: Sending, baseUrl: string): (fiber: AnyFiber) => End => {
  const about = observed(operation, baseUrl)
  return (fiber) => begin(fiber, about)
}

/** Observes an operation that gives a stream, in a span that ends when the stream does. */
export const observeStream = (operation: Sending, baseUrl: string) => {
  const about = observed(operation, baseUrl)
  return <A, E extends FilesError>(
    self: Stream.Stream<A, E>,
    attributes: Readonly<Record<string, unknown>> = {}
  ): Stream.Stream<A, E> =>
    Stream.suspend(() => {
      let end: End | undefined
      const begun = Effect.withFiber((fiber) => {
        end = begin(fiber, about)
        return Effect.succeed(self)
      })
      return Stream.onExit(Stream.unwrap(begun), (exit) => end?.(exit) ?? Effect.void)
    }).pipe(Stream.withSpan(about.named.name, { kind: "client", attributes }))
}

/** What policies and operations do besides sending. */
export type Event = "retry" | "gave_up" | "wait" | "circuit_open" | "adopted" | "resumed"

/** What a wait's reason is called in metrics. */
const waitReasons: ReadonlyMap<unknown, string> = new Map([
  ["rate limit", "rate_limit"],
  ["the service asked to", "service"],
  ["concurrency", "concurrency"]
])

const statusOr = (reason: unknown): string => /^[45]\d\d$/.test(String(reason)) ? String(reason) : Metrics.other

/** The figures of an event. */
const count = (
  where: Context.Context<never>,
  event: Event,
  { delay_ms, reason }: Readonly<Record<string, unknown>>,
  error: FilesError | undefined
): void => {
  switch (event) {
    case "retry":
      recordWait(where, Number(delay_ms) / 1000, "retry")
      return error === undefined
        ? countRetry(where, 1, "", statusOr(reason))
        : countRetry(where, 1, nameOf(error.operation), fewErrorTypes(error))
    case "wait":
      return recordWait(where, Number(delay_ms) / 1000, waitReasons.get(reason) ?? Metrics.other)
    case "circuit_open":
      return countRejection(where, 1)
    case "adopted":
      return countAdopted(where, 1)
    case "resumed":
      return countResumed(where, 1)
    case "gave_up":
      return
  }
}

/**
 * Makes an event visible: in the span, in the metrics and as a debug log. `attributes` are reasons and figures, never a
 * body or a header's value.
 *
 * @param error what an operation of this package failed with, for a retry of it
 */
export const report = (
  event: Event,
  message: string,
  attributes: Readonly<Record<string, string | number | boolean>>,
  error?: FilesError
): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    recordedSpan(fiber)?.event(
      `anthropic_files.${event}`,
      fiber.getRef(Clock.Clock).currentTimeNanosUnsafe(),
      attributes
    )
    count(fiber.context, event, attributes, error)
    const operation = error === undefined ? undefined : { "anthropic.operation.name": nameOf(error.operation) }
    return offSpan(Effect.annotateLogs(Effect.logDebug(message), { ...attributes, ...operation }))
  })

/** Where an operation's request goes to. Of its query only what can hold no content. */
export const addressed = (
  fiber: AnyFiber,
  operation: Operation,
  { baseUrl }: { readonly baseUrl: string },
  { path, urlParams }: { readonly path: string; readonly urlParams?: UrlParams.Input }
): void => {
  const span = spanOf(fiber, operation)
  if (span === undefined || operation === "contentBlock") return
  const recordable = operations[operation].query
  const params = urlParams === undefined ? [] : UrlParams.fromInput(urlParams).params
  const query = new URLSearchParams(
    params.flatMap(([name, value]) => recordable.includes(name) && Predicate.isString(value) ? [[name, value]] : [])
  ).toString()
  const url = `${baseUrl}${path}`
  span.attribute("url.path", url.slice(url.indexOf("/", url.indexOf("//") + 2)))
  if (query !== "") span.attribute("url.query", query)
  span.attribute("url.full", query === "" ? url : `${url}?${query}`)
}

/** How many requests an operation has sent, this one included. */
interface Sent {
  readonly requests: number
}

const noteResends = (span: Tracer.Span, { requests }: Sent): void => {
  if (requests > 1) span.attribute("http.request.resend_count", requests - 1)
}

/** An answer came, of whatever status. */
export const answered = (
  fiber: AnyFiber,
  operation: Operation,
  sent: Sent,
  { headers, status }: { readonly headers: Headers.Headers; readonly status: number },
  /** Takes out of a text what must not be shown, should a server echo it. */
  scrub: (text: string) => string
): void => {
  countRequest(fiber.context, 1, nameOf(operation), String(status))
  const span = spanOf(fiber, operation)
  if (span === undefined) return
  noteResends(span, sent)
  // A failure has those of its own answer.
  if (status < 400) span.attribute("http.response.status_code", status)
  for (const [name, header] of answerHeaders) {
    const value = headers[header]
    if (value !== undefined && (status < 400 || header !== "request-id")) span.attribute(name, scrub(value))
  }
}

const answerHeaders = [
  ["anthropic.request.id", "request-id"],
  ["anthropic.organization.id", "anthropic-organization-id"],
  ["anthropic.workspace.id", "anthropic-workspace-id"]
] as const

/** Nothing was sent: the policies of this client kept it back. */
const isKeptBack = (error: FilesError): boolean =>
  (error._tag === "RateLimited" && error.status === undefined)
  || (error._tag === "RequestFailed" && error.reason._tag === "CircuitOpen")

/** A request ended without an answer. */
export const unanswered = (fiber: AnyFiber, operation: Operation, sent: Sent, error: FilesError): void => {
  if (isKeptBack(error)) return
  countRequest(fiber.context, 1, nameOf(operation), "", fewErrorTypes(error))
  const span = spanOf(fiber, operation)
  if (span !== undefined) noteResends(span, sent)
}

/** Bytes of a file's content have been sent or received. */
export const moved = (where: Context.Context<never>, direction: "transmit" | "receive", bytes: number): void =>
  countBytes(where, bytes, direction)

/** The upload cache was asked for a content. */
export const lookedUp = (result: "hit" | "miss"): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    annotate(fiber, "anthropic.cache.result", result)
    countLookup(fiber.context, 1, result)
    return Effect.void
  })

/** Tokens of a message. */
export const usedTokens = (
  where: Context.Context<never>,
  model: string,
  type: "input" | "output",
  tokens: number
): void => recordTokens(where, tokens, "chat", "anthropic", type, model)

/**
 * How many items of durable ingest are in each state now. A state that has none is given with 0, so that its gauge goes
 * down.
 */
export const ingestItems = (ingest: string, items: Readonly<Record<string, number>>): Effect.Effect<void> =>
  Effect.withFiber(({ context }) => {
    for (const [state, count] of Object.entries(items)) setItems(context, count, ingest, state)
    return Effect.void
  })

/**
 * Ends the span of a whole operation of this package's own, which is above those of its requests, with nothing of what
 * came of it: the last of the functions that `Effect.fn` is given.
 */
export const whole = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => Effect.onExit(self, endWhole)

const endWhole = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    const span = recordedSpan(fiber)
    if (span === undefined || Exit.hasInterrupts(exit)) return Effect.void
    if (Exit.isSuccess(exit)) end(fiber, span, Exit.void)
    else {
      const error = Option.getOrUndefined(Exit.findErrorOption(exit))
      const name = Predicate.hasProperty(error, "_tag") && Predicate.isString(error._tag) ? error._tag : "Defect"
      endFailed(fiber, span, name, name)
    }
    return Effect.void
  })

/**
 * A whole operation of this package's own, in its span: for what is no generator.
 */
export const inSpan =
  (name: string) => <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>> =>
    Effect.withSpan(whole(self), name)

/** A stream that is a whole operation of this package's own, in its span. */
export const wholeStream =
  (name: string) => <A, E, R>(self: Stream.Stream<A, E, R>): Stream.Stream<A, E, Exclude<R, Tracer.ParentSpan>> =>
    Stream.withSpan(Stream.onExit(self, endWhole), name)

/** The header by which a service joins its trace to the operation's. */
export const traceHeaders = (fiber: AnyFiber): Record<string, string> => {
  const { span } = fiber.cache
  const { traceparent } = span?._tag === "Span" ? HttpTraceContext.toHeaders(span) : Headers.empty
  return traceparent === undefined ? {} : { traceparent }
}

const always = () => true

/**
 * The operation's span is the request's: effect's client makes none for each try besides, unless the program asks for
 * them by setting `TracerDisabledWhen` itself. Nor does it write headers of a trace that nobody asked for.
 */
export const oneSpan = (context: Context.Context<never>, propagates: boolean): Context.Context<never> => {
  const asked = Context.getOrUndefined(context, HttpClient.TracerDisabledWhen)
  if (asked === undefined) return Context.add(context, HttpClient.TracerDisabledWhen, always)
  return propagates ? context : Context.add(context, HttpClient.TracerPropagationEnabled, false)
}
