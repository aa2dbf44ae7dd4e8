/**
 * Retries of what another Effect client sends. Operations of this package retry by themselves: they read the policy as
 * data from their client, and know more than a request shows.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Headers from "effect/http/Headers"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import {
  begin,
  delayBefore,
  newAttempt,
  overridden,
  type RetryPolicy,
  retryPolicy,
  withRetryPolicy
} from "../request/attempt.ts"
import { decodeText, parseJson, readBody } from "../request/body.ts"
import { readEnvelope } from "../request/errors.ts"
import { evidenceOf } from "../request/evidence.ts"
import { CurrentOwnRequest } from "../request/ownRequest.ts"
import { isRetryable } from "../request/retryable.ts"
import { serviceTime } from "../request/serviceTime.ts"
import { monotonicMillis } from "../request/silence.ts"
import { report } from "../telemetry.ts"
import { retryAfter } from "../wire/retryAfter.ts"
import { type RetryOptions, retryProblem } from "./options.ts"
import { nameOf, type Policy, policyOf, responseOf, through, webResponse } from "./through.ts"

/**
 * Sends a request again when that may help: the table is the one behind `isRetryable` of the errors. It waits longer
 * each time, and at least as long as the service asks (`retry-after-ms`, `retry-after`).
 *
 * An upload whose outcome is unknown is never simply repeated: `Files.upload` looks for it first, and another client's
 * upload (a POST of `multipart/form-data`) is not repeated at all. A body is sent again only if it can be: a path and
 * bytes can, a source that can be read only once can't.
 *
 * The operations of this package read the policy from the client that this Layer gives, and put it around everything
 * else in the stack.
 */
export const retry = (options: RetryOptions = {}): Policy =>
  policyOf(retryProblem(options), (client) => Effect.succeed(withRetries(client, retryPolicy(options))))

/** Set beneath a retry policy: of several the outermost repeats, and the others leave the request alone. */
const IsRetriedAbove = Context.Reference<boolean>(
  "effect-anthropic-files/internal/policy/IsRetriedAbove",
  { defaultValue: () => false }
)

const withRetries = (client: HttpClient.HttpClient, own: RetryPolicy): HttpClient.HttpClient =>
  withRetryPolicy(
    through(client, (request, send, { clock, fiber, overrides }) => {
      const policy = overridden(own, overrides)
      const isRetriedAbove = fiber.getRef(IsRetriedAbove) || fiber.getRef(CurrentOwnRequest)?.isRetriedAbove === true
      if (policy === undefined || isRetriedAbove) return send(request)
      const attempt = newAttempt()

      /** Waits for another try. Gives false when there is none left. */
      const another = (failure: Failure): Effect.Effect<boolean> =>
        Effect.gen(function*() {
          const delay = delayBefore(policy, attempt.tries, failure.wait, yield* Random.next)
          const now = monotonicMillis(clock)
          const end = (attempt.startedAt ?? now) + policy.maxElapsed
          const isTooLong = failure.wait !== undefined && Duration.toMillis(failure.wait) > policy.maxDelay
          const what = `${nameOf(request)} failed (${failure.reason})`
          const attributes = { reason: failure.reason, tries: attempt.tries, delay_ms: delay }
          if (attempt.tries > policy.times || isTooLong || now + delay > end) {
            yield* report("gave_up", `${what} and is not tried again`, attributes)
            return false
          }
          yield* report("retry", `${what}, next try in ${delay} ms`, attributes)
          yield* Effect.sleep(delay)
          return true
        })

      const again = (failure: Failure, giveUp: ReturnType<typeof send>): ReturnType<typeof send> =>
        failure.isOutcomeUnknown && isUpload(request)
          ? giveUp
          : Effect.flatMap(another(failure), (granted) => granted ? once : giveUp)

      /** An answer that is not a success: sent again, or given back as it is. */
      const refused = (
        response: HttpClientResponse.HttpClientResponse,
        giveUp: (response: HttpClientResponse.HttpClientResponse) => ReturnType<typeof send>
      ): ReturnType<typeof send> => {
        const { headers, status } = response
        // Only these can turn out either way by the code in their body.
        if (status !== 400 && !isRetryable(status, headers, undefined)) return giveUp(response)
        return Effect.flatMap(buffered(response), ({ copy, errorCode }) =>
          isRetryable(status, headers, errorCode)
            ? again({
              reason: errorCode !== undefined && /^[a-z_]{1,64}$/.test(errorCode) ? errorCode : String(status),
              isOutcomeUnknown: status >= 500 && status !== 529,
              wait: retryAfter(headers, serviceTime(headers) ?? clock.currentTimeMillisUnsafe())
            }, giveUp(copy))
            : giveUp(copy))
      }

      const once: ReturnType<typeof send> = Effect.suspend(() => {
        begin(attempt, clock)
        return Effect.matchEffect(Effect.provideService(send(request), IsRetriedAbove, true), {
          onFailure: (error) => {
            const response = responseOf(error)
            // A client beneath that makes failures of such answers.
            if (response !== undefined) return refused(response, (copy) => Effect.fail(withResponse(error, copy)))
            const failure = failureOf(error)
            return failure === undefined ? Effect.fail(error) : again(failure, Effect.fail(error))
          },
          onSuccess: (response) => response.status >= 400 ? refused(response, Effect.succeed) : Effect.succeed(response)
        })
      })
      return once
    }),
    own
  )

interface Failure {
  readonly reason: string
  readonly isOutcomeUnknown: boolean
  readonly wait: Duration.Duration | undefined
}

/** Why a request failed without an answer, if it may succeed when it is sent again. */
export const failureOf = (error: HttpClientError.HttpClientError): Failure | undefined => {
  const { reason } = error
  if (reason._tag === "DecodeError" || reason._tag === "EmptyBodyError") {
    return { reason: reason._tag, isOutcomeUnknown: true, wait: undefined }
  }
  if (reason._tag !== "TransportError") return undefined
  const { cause } = reason
  // The limiter has waited as long as it may already.
  if (cause instanceof RateLimiter.RateLimiterError) return undefined
  if (cause instanceof CircuitBreaker.CircuitBreakerError) {
    const wait = cause.reason._tag === "CircuitOpen" ? cause.reason.retryAfter : undefined
    return { reason: cause.reason._tag, isOutcomeUnknown: false, wait }
  }
  if (Predicate.isTagged(cause, "ConnectTimeoutError")) {
    return { reason: cause._tag, isOutcomeUnknown: false, wait: undefined }
  }
  const { code, isPermanent, isUnsent } = evidenceOf(cause)
  return isPermanent ? undefined : { reason: code ?? reason._tag, isOutcomeUnknown: !isUnsent, wait: undefined }
}

const isUpload = (request: HttpClientRequest.HttpClientRequest): boolean =>
  request.method === "POST" && (request.body._tag === "FormData"
    || (request.headers["content-type"] ?? "").startsWith("multipart/form-data"))

const withResponse = (
  error: HttpClientError.HttpClientError,
  response: HttpClientResponse.HttpClientResponse
): HttpClientError.HttpClientError =>
  error.reason._tag === "StatusCodeError"
    ? new HttpClientError.HttpClientError({
      reason: new HttpClientError.StatusCodeError({
        request: error.reason.request,
        response,
        description: error.reason.description
      })
    })
    : error

/** An error's body is read this far to learn its code, in bytes, and for this long. */
const maxErrorBytes = 64 * 1024
const errorBodyTimeout = Duration.seconds(10)

/** Headers that say how a body travelled: the copy is here already, and decoded. */
const transferHeaders: ReadonlySet<string> = new Set(["content-length", "content-encoding", "transfer-encoding"])

const headersOf = (headers: Headers.Headers): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !transferHeaders.has(name)))

/** A failed answer with its body read and let go of, so that its socket is free; the copy can still be read. */
const buffered = Effect.fnUntraced(function*(response: HttpClientResponse.HttpClientResponse) {
  const bytes = yield* readBody(response, maxErrorBytes).pipe(
    Effect.timeout(errorBodyTimeout),
    Effect.match({ onFailure: () => new Uint8Array(), onSuccess: (body) => new Uint8Array(body.bytes) })
  )
  const json = parseJson(decodeText(bytes))
  const { cookies, headers, remoteAddress, request, status, url } = response
  const read = webResponse(bytes.length === 0 ? null : bytes, status, headersOf(headers))
  const copy: HttpClientResponse.HttpClientResponse = Object.create(HttpClientResponse.fromWeb(request, read), {
    cookies: { value: cookies },
    remoteAddress: { value: remoteAddress },
    url: { value: url }
  })
  return {
    copy,
    errorCode: Result.isSuccess(json) ? readEnvelope(json.success).errorCode : undefined
  }
})
