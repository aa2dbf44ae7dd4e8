/**
 * How a request passes through the emulator, on a socket and in process: faults, route, key, limits, answer.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Headers from "effect/http/Headers"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { filesBeta } from "../../../internal/wire/constants.ts"
import type * as Fault from "../../Fault.ts"
import { Store, type StoreFailed } from "../../Store.ts"
import { type BodyError, type Notes, RequestContext, type RequestDialect } from "../context.ts"
import * as Faults from "../faults.ts"
import { Model } from "../model/model.ts"
import * as Random from "../random.ts"
import {
  ApiError,
  type ConnectionReset,
  internal,
  invalidRequest,
  methodNotAllowed,
  notFound,
  type RequestBodyFailed,
  tooLarge,
  toResponse
} from "./apiError.ts"
import * as Auth from "./auth.ts"
import * as Body from "./body.ts"
import { type Match, match, type Operation } from "./endpoints.ts"
import type { Call, Handler, Handlers } from "./handler.ts"
import * as Parameters from "./parameters.ts"
import type { State } from "./state.ts"

type Response = HttpServerResponse.HttpServerResponse

/** A request, from a socket or in process. */
export interface Transport {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly baseUrl: string
  readonly headers: Headers.Headers
  readonly body: Stream.Stream<Uint8Array, RequestBodyFailed>
  /** Whether the sender may reuse a chunk once the next one is pulled. */
  readonly reusesChunks: boolean
  /** Whether the body has to be compared with its content-length, because the transport does not. */
  readonly checksLength: boolean
  /** Checks the request before anything else. */
  readonly guard: Effect.Effect<void, ApiError>
}

/** Answers a request, or ends its connection. */
export type Handle = (
  transport: Transport
) => Effect.Effect<Response, ConnectionReset | RequestBodyFailed, Scope.Scope>

const betasOf = (headers: Headers.Headers): ReadonlyArray<string> =>
  (headers["anthropic-beta"] ?? "").split(",").map((beta) => beta.trim()).filter((beta) => beta !== "")

const dialectOf = (betas: ReadonlyArray<string>): RequestDialect => {
  if (betas.includes(filesBeta)) return "beta"
  return betas.some((beta) => beta.startsWith("managed-agents-")) ? "mixed" : "ga"
}

const queryOf = (url: string): URLSearchParams => {
  const [withoutFragment = ""] = url.split("#", 1)
  const start = withoutFragment.indexOf("?")
  return new URLSearchParams(start === -1 ? "" : withoutFragment.slice(start))
}

const contentLength = (headers: Headers.Headers): number | undefined => {
  const value = headers["content-length"]
  return value !== undefined && /^\d+$/.test(value) ? Number(value) : undefined
}

const bodyStream = ({ body }: Response): Stream.Stream<Uint8Array, unknown> => {
  switch (body._tag) {
    case "Uint8Array":
      return Stream.succeed(body.body)
    case "Stream":
      return body.stream
    default:
      return Stream.empty
  }
}

/** The answer, damaged by the faults. */
const damaged = (response: Response, faults: ReadonlyArray<Fault.Fault>): Response => {
  const damaged = Faults.damage(faults, bodyStream(response), Body.broken)
  if (damaged === undefined) return response
  const original = response.body
  const known = original._tag === "Uint8Array" || original._tag === "Stream"
  return HttpServerResponse.setBody(
    response,
    HttpBody.stream(
      damaged.body,
      (known ? original.contentType : undefined) ?? "application/json",
      known && damaged.keepsLength ? original.contentLength : undefined
    )
  )
}

/** The answer of a fault. */
const answerOf = (fault: Fault.Answer, requestId: string): Response => {
  if (fault.body !== undefined) {
    return HttpServerResponse.text(fault.body, {
      status: fault.status,
      contentType: fault.contentType ?? "application/json",
      ...(fault.headers === undefined ? {} : { headers: fault.headers })
    })
  }
  return toResponse(
    new ApiError({
      status: fault.status,
      type: fault.type ?? "api_error",
      message: fault.message ?? "Internal server error",
      errorCode: fault.errorCode,
      headers: fault.headers
    }),
    requestId
  )
}

/** Turns the failures of a handler into answers; a broken connection has none. */
const recover = (
  cause: Cause.Cause<BodyError | StoreFailed>
): Effect.Effect<never, ApiError | ConnectionReset | RequestBodyFailed> => {
  const failure = Cause.findErrorOption(cause)
  if (Option.isSome(failure) && failure.value._tag !== "StoreFailed") return Effect.fail(failure.value)
  if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
  const message = Option.isSome(failure) ? failure.value.message : undefined
  return Effect.logError("The emulator failed", cause).pipe(Effect.andThen(Effect.fail(internal(message))))
}

const callHandler = (handlers: Handlers, { operation, params }: Match, query: Readonly<Record<string, unknown>>) => {
  // Each handler has its own parameters, and these were read by its own endpoint.
  const handler = handlers[operation] as Handler<Operation>
  return handler({ params, query } as Call<Operation>)
}

/** Checks the credential and the announced length. Gives the workspace that the request may act on. */
const admit = Effect.fnUntraced(function*(
  state: State,
  { endpoint, operation }: Match,
  headers: Headers.Headers,
  now: number
): Effect.fn.Return<string, ApiError> {
  if (endpoint.access === "anyone") return state.workspace
  if (endpoint.access === "admin") {
    yield* Auth.authenticateAdmin(state.keys, headers)
    return state.workspace
  }
  const workspace = yield* Auth.authenticate(state.keys, state.tokens, headers, now)
  const length = contentLength(headers)
  // The rest of the form is much smaller than this, so the file must be too large.
  if (operation === "upload" && length !== undefined && length > state.limits.maxFileBytes + 1024 * 1024) {
    return yield* tooLarge("Request exceeds the maximum size")
  }
  return workspace
})

/** Bodies are read as they are: one that is compressed would be stored, or parsed, as something else. */
const checkEncoding = (headers: Headers.Headers): Effect.Effect<void, ApiError> => {
  const encoding = headers["content-encoding"] ?? "identity"
  return encoding.trim().toLowerCase() === "identity"
    ? Effect.void
    : Effect.fail(invalidRequest("content-encoding: Input should be 'identity'", "request_body_encoding_unsupported"))
}

/** Takes one request from the rate limit, or fails if a limit is used up. */
const takeFromLimits = Effect.fnUntraced(function*(
  { requestLimit, tokenLimit }: State,
  operation: Operation,
  now: number
): Effect.fn.Return<void, ApiError> {
  const waitForTokens = operation === "createMessage" ? tokenLimit?.wait(now) ?? 0 : 0
  const wait = Math.max(requestLimit?.wait(now) ?? 0, waitForTokens)
  if (wait > 0) {
    return yield* new ApiError({
      status: 429,
      type: "rate_limit_error",
      message: "This request would exceed your organization's rate limit.",
      headers: { "retry-after": String(Math.ceil(wait / 1000)) }
    })
  }
  requestLimit?.take(1, now)
})

/** What is known of a request before anything is done about it. */
interface Received {
  readonly transport: Transport
  readonly requestId: string
  /** The emulator's time, in milliseconds since 1970. */
  readonly now: number
  readonly found: Match | undefined
  /** The methods that the path takes, if it has none of this method. */
  readonly allow: ReadonlyArray<string>
  readonly faults: ReadonlyArray<Fault.Fault>
  readonly notes: Notes
  /** The headers of the answer, whatever it is. They are added to while the request is carried out. */
  readonly headers: Record<string, string>
}

/** What a handler may know of its request. */
const contextOf = (
  state: State,
  { faults, notes, now, requestId, transport }: Received,
  workspace: string
): RequestContext["Service"] => {
  const betas = betasOf(transport.headers)
  return {
    requestId,
    workspace,
    dialect: dialectOf(betas),
    betas,
    isBeta: betas.length > 0 || queryOf(transport.url).get("beta") === "true",
    baseUrl: transport.baseUrl,
    now,
    contentType: transport.headers["content-type"],
    body: Body.guarded(transport.body, {
      idle: state.bodyIdleTimeout,
      declaredLength: transport.checksLength ? contentLength(transport.headers) : undefined,
      reusesChunks: transport.reusesChunks,
      faults
    }),
    notes,
    limits: state.limits
  }
}

/** Lets the request pass the gates, and calls its handler. */
const carryOut = Effect.fnUntraced(function*(
  state: State,
  handlers: Handlers,
  received: Received
): Effect.fn.Return<Response, ApiError | ConnectionReset | RequestBodyFailed, Scope.Scope> {
  const { allow, found, headers, now, transport } = received
  if (found === undefined) {
    return yield* allow.length === 0 ? notFound("Not found") : methodNotAllowed(allow.join(", "))
  }
  const workspace = yield* admit(state, found, transport.headers, now)
  yield* checkEncoding(transport.headers)
  if (found.endpoint.access === "key") {
    headers["anthropic-workspace-id"] = workspace
    yield* takeFromLimits(state, found.operation, now).pipe(
      Effect.ensuring(Effect.sync(() => {
        Object.assign(headers, state.requestLimit?.headers(now), state.tokenLimit?.headers(now))
      }))
    )
  }
  const query = Parameters.read(found.endpoint.query ?? {}, queryOf(transport.url))
  if (Result.isFailure(query)) return yield* invalidRequest(query.failure)
  return yield* state.store.sweep(now).pipe(
    Effect.andThen(callHandler(handlers, found, query.success)),
    Effect.provideService(RequestContext, contextOf(state, received, workspace)),
    Effect.provideService(Store, state.store),
    Effect.provideService(Model, state.model),
    Effect.catchCause(recover)
  )
})

/** Matches the request with the endpoints and the faults, and begins its record, if it gets one. */
const receive = Effect.fnUntraced(function*(state: State, transport: Transport) {
  const requestId = yield* Random.identifier("req")
  const now = (yield* Clock.currentTimeMillis) + state.offset.millis
  const path = transport.url.split(/[?#]/, 1)[0] ?? "/"
  const matched = match(transport.method, path, state.adminRoute)
  const found = "operation" in matched ? matched : undefined
  const notes: Notes = {}
  const target = { method: transport.method, operation: found?.operation, path }
  // Calls that control the emulator have no faults, and are not recorded.
  const isControl = path.startsWith("/_emulator/") && found !== undefined
  const received: Received = {
    transport,
    requestId,
    now,
    found,
    allow: "operation" in matched ? [] : matched.allow,
    faults: isControl ? [] : state.faults.hit(target),
    notes,
    headers: { "request-id": requestId, "anthropic-organization-id": state.organization }
  }
  const { headers, url } = transport
  const record = isControl ? undefined : state.requests.start({ ...target, requestId, at: now, url, headers }, notes)
  return { received, record }
})

/** Answers requests: `handlers` answer those that pass the gates. */
export const make = (state: State, handlers: Handlers): Handle =>
  Effect.fnUntraced(function*(transport): Effect.fn.Return<
    Response,
    ConnectionReset | RequestBodyFailed,
    Scope.Scope
  > {
    const { received, record } = yield* receive(state, transport)
    const { faults, found, headers, requestId } = received
    const guarded = found?.operation === "health" ? Effect.void : transport.guard
    const work = Effect.andThen(
      guarded,
      Faults.applyFaults(faults, {
        reset: Body.broken,
        answer: (fault) => answerOf(fault, requestId),
        discard: () => Effect.void
      }, carryOut(state, handlers, received))
    )
    return yield* work.pipe(
      Effect.catchTag("ApiError", (error) => Effect.succeed(toResponse(error, requestId))),
      Effect.map((response) => {
        record?.answered(response.status)
        return damaged(HttpServerResponse.setHeaders(response, { ...headers, ...response.headers }), faults)
      }),
      Effect.tapError((error) =>
        Effect.sync(() =>
          record?.failed(error._tag === "ConnectionReset" ? error.description : "The request body failed")
        )
      ),
      Effect.onInterrupt(() => Effect.sync(() => record?.failed("The client went away")))
    )
  })
