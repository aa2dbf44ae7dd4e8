/**
 * The way of a request through the emulator, the same for a socket and in process: faults, key, limit, route, answer.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Headers from "effect/http/Headers"
import * as HttpBody from "effect/http/HttpBody"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
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
import * as Admin from "./admin.ts"
import {
  ApiError,
  bodyTimeout,
  ConnectionReset,
  internal,
  invalidRequest,
  methodNotAllowed,
  notFound,
  type RequestBodyFailed,
  toResponse
} from "./apiError.ts"
import * as Auth from "./auth.ts"
import { type Match, match, type Operation } from "./endpoints.ts"
import type { Call, Handler, Handlers } from "./handlers.ts"
import * as Parameters from "./parameters.ts"
import type { State } from "./state.ts"

type Response = HttpServerResponse.HttpServerResponse

/** What differs between a socket and a call in process. */
export interface Transport {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly baseUrl: string
  readonly headers: Headers.Headers
  readonly body: Stream.Stream<Uint8Array, RequestBodyFailed>
  /** Whether the sender may write to a chunk again once the next one is asked for. */
  readonly reusesChunks: boolean
  /** Whether nobody below has compared the body with its content-length. */
  readonly checksLength: boolean
  /** Looks at the request before anything else does. */
  readonly guard: Effect.Effect<void, ApiError>
}

/** A request, answered; or the end of its connection. */
export type Handle = (
  request: HttpServerRequest,
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

const broken = (description: string) => new ConnectionReset({ description })

const reset = (description: string) => Effect.fail(broken(description))

type BodyPull = Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, BodyError>

const requestBody = (
  transport: Transport,
  faults: ReadonlyArray<Fault.Fault>,
  idle: Duration.Duration
): Stream.Stream<Uint8Array, BodyError> => {
  const ending = Faults.endingAt(faults, "during")
  const declared = transport.checksLength ? contentLength(transport.headers) : undefined
  return Stream.transformPull(transport.body, (pull) =>
    Effect.sync(() => {
      let received = 0
      const next: BodyPull = pull.pipe(
        Effect.timeoutOrElse({ duration: idle, orElse: () => Effect.fail(bodyTimeout()) }),
        Effect.flatMap((chunks): BodyPull => {
          for (const chunk of chunks) received += chunk.byteLength
          if (ending !== undefined && received >= (ending.after ?? 0)) {
            return Faults.end(ending, broken, "Reset while the body was sent")
          }
          if (declared !== undefined && received > declared) return reset("The body is longer than its content-length")
          if (!transport.reusesChunks) return Effect.succeed(chunks)
          return Effect.succeed(Arr.map(chunks, (chunk) => chunk.slice()))
        })
      )
      return declared === undefined ? next : next.pipe(
        Pull.catchDone(() =>
          Effect.suspend((): BodyPull =>
            received === declared ? Cause.done() : reset("The body is shorter than its content-length")
          )
        )
      )
    }))
}

const bodyStream = (response: Response): Stream.Stream<Uint8Array, unknown> => {
  switch (response.body._tag) {
    case "Uint8Array":
      return Stream.succeed(response.body.body)
    case "Stream":
      return response.body.stream
    default:
      return Stream.empty
  }
}

/** What faults do to an answer on its way out. */
const damaged = (response: Response, faults: ReadonlyArray<Fault.Fault>): Response => {
  const damaged = Faults.damage(faults, bodyStream(response), broken)
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

/** Turns what a handler could not do into an answer; a broken connection has none. */
const recover = (
  cause: Cause.Cause<BodyError | StoreFailed>
): Effect.Effect<never, ApiError | ConnectionReset | RequestBodyFailed> => {
  const failure = Cause.findErrorOption(cause)
  if (Option.isSome(failure) && failure.value._tag !== "StoreFailed") return Effect.fail(failure.value)
  if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
  const message = Option.isSome(failure) ? failure.value.message : undefined
  return Effect.logError("The emulator failed", cause).pipe(Effect.andThen(Effect.fail(internal(message))))
}

const answerTo = (handlers: Handlers, { operation, params }: Match, query: Readonly<Record<string, unknown>>) => {
  // One of many handlers, each with parameters of its own; the table that they were read by is the handler's own.
  const handler = handlers[operation] as Handler<Operation>
  return handler({ params, query } as Call<Operation>)
}

/** Puts the parts together: `handlers` answer what got past the gates. */
export const make = (state: State, handlers: Handlers): Handle =>
  Effect.fnUntraced(function*(request, transport): Effect.fn.Return<
    Response,
    ConnectionReset | RequestBodyFailed,
    Scope.Scope
  > {
    const requestId = yield* Random.identifier("req")
    const now = (yield* Clock.currentTimeMillis) + state.offset.millis
    const path = transport.url.split(/[?#]/, 1)[0] ?? "/"
    const matched = match(transport.method, path)
    const operation = "operation" in matched ? matched.operation : undefined
    const betas = betasOf(transport.headers)
    const notes: Notes = {}
    const record = state.requests.start({
      requestId,
      at: now,
      method: transport.method,
      url: transport.url,
      path,
      operation,
      headers: transport.headers
    }, notes)
    const isAdmin = state.adminRoute && path.startsWith(Admin.prefix)
    const faults = isAdmin ? [] : state.faults.hit({ method: transport.method, operation, path })
    let extraHeaders: Record<string, string> = {}

    const carryOut = Effect.gen(function*() {
      extraHeaders = { "anthropic-organization-id": state.organization }
      if (isAdmin) {
        yield* Auth.authenticateAdmin(state.keys, transport.headers)
        return yield* Admin.handle(state, transport.method, path, request)
      }
      if (!("operation" in matched)) {
        return yield* matched.allow.length === 0 ? notFound("Not found") : methodNotAllowed(matched.allow.join(", "))
      }
      const workspace = matched.endpoint.access === "anyone"
        ? ""
        : yield* Auth.authenticate(state.keys, state.tokens, transport.headers, now)
      if (workspace !== "") extraHeaders = { ...extraHeaders, "anthropic-workspace-id": workspace }

      if (state.rateLimit !== undefined) {
        const { headers, waitMillis } = state.rateLimit.take(now)
        extraHeaders = { ...extraHeaders, ...headers }
        if (waitMillis > 0) {
          return yield* new ApiError({
            status: 429,
            type: "rate_limit_error",
            message: "This request would exceed your organization's rate limit.",
            headers: { "retry-after": String(Math.ceil(waitMillis / 1000)) }
          })
        }
      }
      const length = contentLength(transport.headers)
      // What surrounds the file is far smaller than this, so the file itself is too large for certain.
      if (operation === "upload" && length !== undefined && length > state.limits.maxFileBytes + 1024 * 1024) {
        return yield* new ApiError({
          status: 413,
          type: "request_too_large",
          message: "Request exceeds the maximum size"
        })
      }
      yield* state.store.sweep(now).pipe(
        Effect.catch((error) =>
          Effect.logError("The emulator's store failed", error).pipe(Effect.andThen(Effect.fail(internal())))
        )
      )

      const query = Parameters.read(matched.endpoint.query ?? {}, queryOf(transport.url))
      if (Result.isFailure(query)) return yield* invalidRequest(query.failure)
      return yield* answerTo(handlers, matched, query.success).pipe(
        Effect.provideService(RequestContext, {
          requestId,
          workspace,
          dialect: dialectOf(betas),
          betas,
          isBeta: betas.length > 0 || queryOf(transport.url).get("beta") === "true",
          baseUrl: transport.baseUrl,
          now,
          contentType: transport.headers["content-type"],
          body: requestBody(transport, faults, state.bodyIdleTimeout),
          notes,
          limits: state.limits
        }),
        Effect.provideService(Store, state.store),
        Effect.provideService(Model, state.model),
        Effect.catchCause(recover)
      )
    })

    const work = Effect.andThen(
      transport.guard,
      Faults.applyFaults(faults, {
        reset: broken,
        answer: (fault) => answerOf(fault, requestId),
        discard: () => Effect.void
      }, carryOut)
    )

    return yield* work.pipe(
      Effect.catchTag("ApiError", (error) => Effect.succeed(toResponse(error, requestId))),
      Effect.map((response) => {
        record.status = response.status
        return damaged(
          HttpServerResponse.setHeaders(response, { "request-id": requestId, ...extraHeaders, ...response.headers }),
          faults
        )
      }),
      Effect.tapError((error) =>
        Effect.sync(() => {
          record.failure = error._tag === "ConnectionReset" ? error.description : "The request body failed"
        })
      ),
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          record.failure = "The client went away"
        })
      )
    )
  })
