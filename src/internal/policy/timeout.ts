/**
 * Limits on time. The client's own guard keeps those on silence: this policy sets them. Beneath another client it has a
 * guard of its own.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpBody from "effect/http/HttpBody"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Stream from "effect/Stream"
import { retryPolicyOf, withRetryPolicy } from "../request/attempt.ts"
import { ConnectTimeout } from "../request/connectTimeout.ts"
import { CurrentOwnRequest } from "../request/ownRequest.ts"
import { CurrentSilence, type Silence, type SilenceLimits, unlessSilent, unlessStalled } from "../request/silence.ts"
import { millisOr, type TimeoutOptions, timeoutProblem, withDefined } from "./options.ts"
import { type Policy, policyOf, type Send, through, webResponse } from "./through.ts"

/**
 * Ends a request that does not move. Beneath a retry policy it ends one try, and the next may do better; around one,
 * `total` limits all tries together.
 */
export const timeout = (options: TimeoutOptions = {}): Policy =>
  policyOf(timeoutProblem(options), (client) => Effect.succeed(withTimeout(client, options)))

type Request = HttpClientRequest.HttpClientRequest

const withTimeout = (client: HttpClient.HttpClient, own: TimeoutOptions): HttpClient.HttpClient => {
  const retries = retryPolicyOf(client)
  const made = through(client, (request, send, { fiber, overrides }) => {
    if (overrides.timeout === false) return send(request)
    const options = overrides.timeout === undefined ? own : withDefined(own, overrides.timeout)
    const connect = shorter(fiber.getRef(ConnectTimeout), options.connect) ?? defaultConnect
    const limits: SilenceLimits = {
      headers: options.headers === undefined ? undefined : millisOr(options.headers, 0),
      body: options.idleBody === undefined ? undefined : millisOr(options.idleBody, 0)
    }
    const silence = fiber.getRef(CurrentSilence)
    if (silence !== undefined) silence.limitTo(limits)
    const limited = silence === undefined ? guarded(request, send, limits) : send(request)
    const answered = Effect.provideService(limited, ConnectTimeout, connect)
    // The client's operation keeps a limit on all of its tries by itself.
    const isKeptAbove = retries !== undefined && fiber.getRef(CurrentOwnRequest)?.isRetriedAbove === true
    if (options.total === undefined || isKeptAbove) return answered
    const total = Duration.fromInputUnsafe(options.total)
    return Effect.timeoutOrElse(answered, {
      duration: total,
      orElse: () => Effect.fail(timedOut(request, `The request took longer than ${Duration.format(total)}.`))
    })
  })
  return retries === undefined
    ? made
    : withRetryPolicy(made, { ...retries, timeout: { total: shorter(retries.timeout?.total, own.total) } })
}

const defaultConnect = Duration.seconds(10)

/** Of two policies' limits both hold. */
const shorter = (
  one: Duration.Duration | undefined,
  other: Duration.Input | undefined
): Duration.Duration | undefined => {
  const parsed = other === undefined ? undefined : Duration.fromInputUnsafe(other)
  return one === undefined || parsed === undefined ? one ?? parsed : Duration.min(one, parsed)
}

const timedOut = (request: Request, message: string) =>
  new HttpClientError.HttpClientError({
    reason: new HttpClientError.TransportError({
      request,
      description: message,
      cause: new Cause.TimeoutError(message)
    })
  })

/** Beneath another client, milliseconds. */
const reading = 60_000
const posting = 600_000

/** Bytes that the service is given a millisecond more for: it has to store them. */
const storedPerMilli = 1000

/** Another client's request under a guard of this policy's own. */
const guarded = (request: Request, send: Send, limits: SilenceLimits): ReturnType<Send> =>
  Effect.suspend(() => {
    const progress = { sent: sizeOf(request.body), isSending: request.body._tag === "Stream" }
    const headers = limits.headers ?? (request.method === "POST" ? posting : reading)
    const idle = Duration.millis(limits.body ?? reading)
    const answered = unlessSilent((silence) => send(watched(request, silence, progress)), {
      limit: () => progress.isSending ? headers : headers + progress.sent / storedPerMilli,
      onSilence: (waited) =>
        timedOut(
          request,
          progress.isSending
            ? `Sending stopped for ${Duration.format(waited)} after ${progress.sent} bytes.`
            : `No answer came within ${Duration.format(waited)}.`
        )
    })
    return Effect.flatMap(answered, (response) => withGuardedBody(request, response, idle))
  })

const sizeOf = (body: HttpBody.HttpBody): number => {
  if (body._tag === "Uint8Array" || body._tag === "Raw") return body.contentLength ?? 0
  if (body._tag !== "FormData") return 0
  let size = 0
  for (const [, value] of body.formData) size += typeof value === "string" ? value.length : value.size
  return size
}

interface Progress {
  sent: number
  isSending: boolean
}

/** The request with a body that says how far it has come. */
const watched = (request: Request, silence: Silence, progress: Progress): Request => {
  const { body } = request
  if (body._tag !== "Stream") return request
  const stream = Stream.suspend(() => {
    progress.sent = 0
    progress.isSending = true
    return Stream.ensuring(
      Stream.map(body.stream, (chunk) => {
        progress.sent += chunk.length
        silence.moved()
        return chunk
      }),
      Effect.sync(() => {
        progress.isSending = false
        silence.moved()
      })
    )
  })
  return HttpClientRequest.setBody(request, HttpBody.stream(stream, body.contentType, body.contentLength))
}

/** Statuses of answers that have no body, and those that `Response` does not take. */
const isBodiless = (status: number): boolean => status < 200 || status === 204 || status === 205 || status === 304

/** The same answer, as its client knows it, with a limit on silence in whatever way its body is read. */
const withGuardedBody = (
  request: Request,
  response: HttpClientResponse.HttpClientResponse,
  idle: Duration.Duration
): Effect.Effect<HttpClientResponse.HttpClientResponse> => {
  const { headers, status } = response
  if (isBodiless(status)) return Effect.succeed(response)
  const body = unlessStalled(
    response.stream,
    idle,
    () => timedOut(request, `The answer stalled for ${Duration.format(idle)}.`)
  ).pipe(Stream.catchReason("HttpClientError", "EmptyBodyError", () => Stream.empty))
  return Effect.map(Stream.toReadableStreamEffect(body), (readable) => {
    const guarded = HttpClientResponse.fromWeb(request, webResponse(readable, status, headers))
    return Object.create(response, {
      stream: { get: () => guarded.stream },
      arrayBuffer: { get: () => guarded.arrayBuffer },
      text: { get: () => guarded.text },
      json: { get: () => guarded.json },
      urlParamsBody: { get: () => guarded.urlParamsBody },
      formData: { get: () => guarded.formData }
    })
  })
}
