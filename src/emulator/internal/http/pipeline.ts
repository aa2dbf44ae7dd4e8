/**
 * The way of a request through the emulator, the same for a socket and in process: faults, key, limit, route, answer.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { HttpApiSchemaError } from "effect/http-api/HttpApiError"
import type * as Headers from "effect/http/Headers"
import * as HttpBody from "effect/http/HttpBody"
import { HttpServerError } from "effect/http/HttpServerError"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { filesBeta } from "../../../internal/wire/constants.ts"
import { methodsOf, operationOf } from "../../Api.ts"
import type * as Fault from "../../Fault.ts"
import { Store } from "../../Store.ts"
import { type BodyError, type Notes, RequestContext, type RequestDialect } from "../context.ts"
import * as Faults from "../faults.ts"
import { Batches } from "../model/batches.ts"
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
  RequestBodyFailed,
  toResponse
} from "./apiError.ts"
import * as Auth from "./auth.ts"
import type { Requirements } from "./routes.ts"
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

export type HttpEffect = Effect.Effect<Response, unknown, HttpServerRequest | Scope.Scope | Requirements>

const dialectOf = (headers: Headers.Headers): RequestDialect => {
  const betas = (headers["anthropic-beta"] ?? "").split(",").map((beta) => beta.trim())
  if (betas.includes(filesBeta)) return "beta"
  return betas.some((beta) => beta.startsWith("managed-agents-")) ? "mixed" : "ga"
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

/** `limit: Expected …` for what an endpoint's Schemas refuse. */
const schemaMessage = (error: HttpApiSchemaError): string => {
  const lines = error.cause.message.split("\n").map((line) => line.trim())
  const path = lines.map((line) => /^at \["([^"]+)"\]/.exec(line)?.[1]).find((name) => name !== undefined)
  return path === undefined ? lines[0] ?? "Invalid request" : `${path}: ${lines[0]}`
}

/** What is left when a handler did not answer. */
const recover = (cause: Cause.Cause<unknown>): Effect.Effect<never, ApiError | ConnectionReset | RequestBodyFailed> => {
  for (const reason of cause.reasons) {
    const error = reason._tag === "Die" ? reason.defect : reason._tag === "Fail" ? reason.error : undefined
    if (error instanceof ConnectionReset || error instanceof RequestBodyFailed) return Effect.fail(error)
    if (HttpApiSchemaError.is(error)) return Effect.fail(invalidRequest(schemaMessage(error)))
    if (error instanceof HttpServerError && error.reason._tag === "RouteNotFound") {
      return Effect.fail(notFound("Not found"))
    }
  }
  if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
  return Effect.logError("The emulator failed", cause).pipe(Effect.andThen(Effect.fail(internal())))
}

/** Puts the parts together: `route` answers what got past the gates. */
export const make = (state: State, route: HttpEffect): Handle =>
  Effect.fnUntraced(function*(request, transport): Effect.fn.Return<
    Response,
    ConnectionReset | RequestBodyFailed,
    Scope.Scope
  > {
    const requestId = yield* Random.identifier("req")
    const now = (yield* Clock.currentTimeMillis) + state.offset.millis
    const path = transport.url.split(/[?#]/, 1)[0] ?? "/"
    const operation = operationOf(transport.method, path)
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
      if (!isAdmin && operation === undefined) {
        const methods = methodsOf(path)
        return yield* methods.length === 0 ? notFound("Not found") : methodNotAllowed(methods.join(", "))
      }
      const workspace = yield* Auth.authenticate(state.keys, transport.headers)
      extraHeaders = { "anthropic-organization-id": state.organization, "anthropic-workspace-id": workspace }
      if (isAdmin) return yield* Admin.handle(state, transport.method, path, request)

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

      return yield* route.pipe(
        Effect.provideService(HttpServerRequest, request),
        Effect.provideService(RequestContext, {
          requestId,
          workspace,
          dialect: dialectOf(transport.headers),
          baseUrl: transport.baseUrl,
          now,
          contentType: transport.headers["content-type"],
          body: requestBody(transport, faults, state.bodyIdleTimeout),
          notes,
          limits: state.limits
        }),
        Effect.provideService(Store, state.store),
        Effect.provideService(Batches, state.batches),
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
