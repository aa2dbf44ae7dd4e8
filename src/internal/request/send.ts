/**
 * One operation's request: made, sent under the limit on silence, read, and tried again as the retry policy allows.
 * Every failure is classified once, here.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Headers from "effect/http/Headers"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as UrlParams from "effect/http/UrlParams"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { FilesError, InvalidConfig, Operation, RequestFailed } from "../../FilesError.ts"
import type { Authorization } from "../credentials/service.ts"
import { noOverrides, Overrides, overridesProblem } from "../policy/options.ts"
import { addressed, answered, moved, oneSpan, traceHeaders, unanswered } from "../telemetry.ts"
import {
  type Attempt,
  begin,
  decide,
  newAttempt,
  overridden,
  type Repetition,
  type RetryPolicy,
  retryPolicyOf,
  totalOf
} from "./attempt.ts"
import { parseJson, readText } from "./body.ts"
import {
  answerStalled,
  changes,
  finish,
  fromResponse,
  fromTransport,
  invalidRequest,
  noAnswer,
  requestFailed,
  sendingStalled,
  type Sent,
  type Subject,
  timedOut
} from "./errors.ts"
import { type Options, parse, type Settings } from "./options.ts"
import { CurrentOwnRequest } from "./ownRequest.ts"
import { withSecrets } from "./secretHeaders.ts"
import { serviceTime } from "./serviceTime.ts"
import { type Silence, type SilenceLimits, unlessSilent } from "./silence.ts"

/** An error's body is read this far, in bytes. */
const maxErrorBytes = 64 * 1024

/** Operations whose answer takes work first: a file has to be stored, a model has to write. */
const slowOperations: ReadonlySet<Operation> = new Set(["upload", "createMessage", "streamMessage", "createBatch"])

/** The answer of a slow operation may take this many times the idle timeout. */
const slowFactor = 10

/** Bytes that the service is given a millisecond more for, before it answers: it has to store them. */
const storedPerMilli = 1000

/** What the operations of a client share. */
export interface Connection {
  readonly settings: Settings
  readonly client: HttpClient.HttpClient
  readonly retry: RetryPolicy | undefined
}

export const connect = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Connection, InvalidConfig, HttpClient.HttpClient> {
  const client = yield* HttpClient.HttpClient
  return { settings: yield* parse(options), client, retry: retryPolicyOf(client) }
})

export interface Request {
  readonly subject: Subject
  readonly method: "GET" | "POST" | "DELETE"
  readonly path: string
  readonly urlParams?: UrlParams.Input
  readonly headers?: Headers.Input
  readonly body?: HttpBody.HttpBody
}

/** The progress of a streamed upload, written by its body. */
export interface Progress {
  /** The source has been asked for its bytes. */
  started: boolean
  sent: Sent
  /** Why the body broke off, if it did: it takes precedence over what the transport makes of it. */
  failure: FilesError | undefined
}

/** An answer whose body is still to be read, and how long that may be silent. */
export interface Answer {
  readonly response: HttpClientResponse.HttpClientResponse
  readonly idle: Duration.Duration
  /** When the request was sent and its answer's headers came, monotonic milliseconds. */
  readonly sentAt: number
  readonly receivedAt: number
}

/** An operation's request, with what its answer means and what is known of sending it again. */
export interface Call<A> extends Request, Repetition<A> {
  /** Reads a successful answer. It belongs to the try: a failure of it may be tried again. */
  readonly read: (answer: Answer, subject: Subject) => Effect.Effect<A, FilesError>
  readonly progress?: Progress
  /** A part of the content is asked for: a 206 is a success. */
  readonly partial?: boolean
}

const manual: RequestInit = { redirect: "manual" }

/** Names of headers that hold a secret: the client's, and those of a credential under names of its own. */
const secretNames = ({ secretHeaders }: Settings, authorization: Authorization): ReadonlyArray<string> => {
  const own: Array<string> = []
  for (const [spelled, value] of Object.entries(authorization)) {
    const name = spelled.toLowerCase()
    if (!secretHeaders.includes(name) && Redacted.isRedacted(value)) own.push(name)
  }
  return own.length === 0 ? secretHeaders : [...secretHeaders, ...own]
}

/**
 * What a request runs with. fetch follows redirects by itself and would carry a key along; other transports leave them
 * alone. Secrets among the headers belong in no span, whatever a user lets be recorded.
 */
const contextOf = (
  { retry, settings }: Connection,
  operation: Operation,
  { url }: HttpClientRequest.HttpClientRequest,
  { needsFreshSocket }: Attempt,
  secret: ReadonlyArray<string>
) =>
(context: Context.Context<never>): Context.Context<never> => {
  const init = Context.getOrUndefined(context, FetchHttpClient.RequestInit)
  const names = Context.get(context, Headers.CurrentRedactedNames)
  const added = secret.filter((name) => !names.includes(name))
  const own = oneSpan(context, settings.propagateTrace).pipe(
    Context.add(FetchHttpClient.RequestInit, init === undefined ? manual : { ...init, ...manual }),
    Context.add(CurrentOwnRequest, {
      operation,
      baseUrl: settings.baseUrl,
      origin: settings.origin,
      url,
      identity: settings.credentials.identity,
      isRetriedAbove: retry !== undefined,
      needsFreshSocket
    })
  )
  return added.length === 0 ? own : Context.add(own, Headers.CurrentRedactedNames, [...names, ...added])
}

const make = (settings: Settings, request: Request): HttpClientRequest.HttpClientRequest => {
  const headers = request.headers === undefined ? settings.headers : Headers.setAll(settings.headers, request.headers)
  const made = HttpClientRequest.makeWith(
    request.method,
    `${settings.baseUrl}${request.path}`,
    request.urlParams === undefined ? UrlParams.empty : UrlParams.fromInput(request.urlParams),
    Option.none(),
    headers,
    HttpBody.empty
  )
  return request.body === undefined ? made : HttpClientRequest.setBody(made, request.body)
}

/** A request with what authorizes it. */
const authorized = (
  { propagateTrace }: Settings,
  request: HttpClientRequest.HttpClientRequest,
  authorization: Authorization,
  secret: ReadonlyArray<string>,
  fiber: Fiber.Fiber<unknown, unknown>
): HttpClientRequest.HttpClientRequest => {
  // What signs a request has done so by now, and a header of a trace is not signed.
  const added: Record<string, string> = propagateTrace ? traceHeaders(fiber) : {}
  for (const [spelled, given] of Object.entries(authorization)) {
    const name = spelled.toLowerCase()
    const value = Redacted.isRedacted(given) ? Redacted.value(given) : given
    const own = request.headers[name]
    if (name === "anthropic-beta" && own !== undefined) {
      added[name] = Array.from(new Set([...own.split(","), ...value.split(",")])).join(",")
    } else if (name !== "anthropic-workspace-id" || own === undefined) {
      added[name] = value
    }
  }
  return withSecrets(request, added, secret)
}

/** Why an operation can't be begun with these credentials, if it can't. */
const refusal = ({ settings }: Connection, operation: Operation): RequestFailed | undefined => {
  const why = settings.credentials.refusalOf(operation)
  return why === undefined ? undefined : invalidRequest(operation, "credentials", why)
}

const isUnauthorized = (error: FilesError): boolean =>
  error._tag === "RequestFailed" && error.reason._tag === "Unauthorized"

const isWithoutCredential = (error: FilesError): boolean =>
  error._tag === "RequestFailed" && error.reason._tag === "CredentialsFailed"

/** What one operation's request was sent with, over all of its tries. */
interface Sending {
  authorization: Authorization | undefined
  isRenewed: boolean
  /** The refusal (401) that the last try had another token for. */
  refusal: FilesError | undefined
}

/**
 * Whether a request is sent once more, with another token, after the service refused the one it had (401). Once a
 * request: a second refusal is meant. It costs no try, and where there is no other token, what the service said is the
 * error.
 */
const renewed = <A>(
  { settings }: Connection,
  request: Call<A>,
  attempt: Attempt,
  sending: Sending,
  error: FilesError
): Effect.Effect<boolean> => {
  const { authorization } = sending
  if (sending.isRenewed || authorization === undefined || !isUnauthorized(error)) return Effect.succeed(false)
  sending.isRenewed = true
  return Effect.map(settings.credentials.invalidate(authorization), (isOther) => {
    if (!isOther || request.canRepeat?.(error) === false) return false
    attempt.tries--
    sending.refusal = error
    return true
  })
}

/** What a try failed with: the refusal before it, where no other credential was to be had. */
const failureOf = (sending: Sending, error: FilesError): FilesError => {
  const { refusal } = sending
  sending.refusal = undefined
  return refusal !== undefined && isWithoutCredential(error) && !error.isRetryable ? refusal : error
}

/**
 * Sends a request, reads its answer, and tries again where that may help. An operation that takes several requests
 * gives the same `attempt` to each.
 */
export const call = <A>(
  connection: Connection,
  request: Call<A>,
  attempt: Attempt = newAttempt()
): Effect.Effect<A, FilesError> =>
  Effect.withFiber((fiber) => {
    const overrides = fiber.getRef(Overrides)
    const problem = overrides === noOverrides ? undefined : overridesProblem(overrides)
    if (problem !== undefined) {
      return Effect.fail(invalidRequest(request.subject.operation, problem.option, problem.message))
    }
    const refused = refusal(connection, request.subject.operation)
    if (refused !== undefined) return Effect.fail(refused)
    addressed(fiber, request.subject.operation, connection.settings, request)
    const sending: Sending = { authorization: undefined, isRenewed: false, refusal: undefined }
    const policy = connection.retry && overridden(connection.retry, overrides)
    const clock = fiber.getRef(Clock.Clock)
    const giveUp = (error: FilesError) =>
      Effect.fail(finish(error, { scrub: request.subject.scrub, tries: attempt.tries }))
    const next = (error: FilesError): Effect.Effect<A, FilesError> => {
      if (policy === undefined) return giveUp(error)
      return Effect.flatMap(decide(policy, attempt, request, error, clock), (decision) => {
        if (decision._tag === "Retry") return send()
        return decision._tag === "Done" ? Effect.succeed(decision.value) : giveUp(error)
      })
    }
    const send = (): Effect.Effect<A, FilesError> =>
      Effect.catch(tryOnce(fiber, clock, connection, request, attempt, sending), (failed) => {
        const error = failureOf(sending, failed)
        return Effect.flatMap(
          renewed(connection, request, attempt, sending, error),
          (isRenewed) => isRenewed ? send() : next(error)
        )
      })
    const total = totalOf(connection.retry, overrides)
    if (total === undefined) return send()
    const { subject } = request
    const isOutcomeUnknown = changes(subject.operation)
    return Effect.timeoutOrElse(send(), {
      duration: total,
      orElse: () =>
        Effect.fail(
          timedOut(subject, `The request took longer than ${Duration.format(total)}.`, { isOutcomeUnknown })
        )
    })
  })

const isSuccess = <A>(
  { status }: HttpClientResponse.HttpClientResponse,
  request: Call<A>
): boolean => status === 200 || status === 201 || (status === 206 && request.partial === true)

const tryOnce = <A>(
  fiber: Fiber.Fiber<unknown, unknown>,
  clock: Clock.Clock,
  connection: Connection,
  request: Call<A>,
  attempt: Attempt,
  sending: Sending
): Effect.Effect<A, FilesError> => {
  begin(attempt, clock)
  const { settings } = connection
  const made = make(settings, request)
  // Before the limit on silence begins: a token may have to be waited for.
  return Effect.matchEffect(settings.credentials.headersFor(made), {
    onFailure: (reason) => Effect.fail<FilesError>(requestFailed(request.subject.operation, reason)),
    onSuccess: (authorization) => {
      sending.authorization = authorization
      settings.remember(authorization)
      const secret = secretNames(settings, authorization)
      const complete = authorized(settings, made, authorization, secret, fiber)
      return sendOnce(fiber, clock, connection, request, attempt, secret, complete)
    }
  })
}

const sendOnce = <A>(
  fiber: Fiber.Fiber<unknown, unknown>,
  clock: Clock.Clock,
  connection: Connection,
  request: Call<A>,
  attempt: Attempt,
  secret: ReadonlyArray<string>,
  made: HttpClientRequest.HttpClientRequest
): Effect.Effect<A, FilesError> => {
  const { client, settings } = connection
  const { progress } = request
  const subject: Subject = {
    ...request.subject,
    credentials: settings.credentials,
    tries: attempt.tries,
    isSent: progress && (() => progress.sent.complete)
  }
  const idle = Duration.toMillis(settings.idleTimeout)
  const answering = slowOperations.has(subject.operation) ? idle * slowFactor : idle
  let response: HttpClientResponse.HttpClientResponse | undefined

  const limit = (limits: SilenceLimits): number => {
    if (response !== undefined) return limits.body ?? idle
    if (progress !== undefined && !progress.sent.complete) return limits.headers ?? idle
    return (limits.headers ?? answering) + (progress?.sent.bytes ?? 0) / storedPerMilli
  }
  const refused = (received: HttpClientResponse.HttpClientResponse, body: string): FilesError =>
    progress?.failure ?? fromResponse(subject, {
      status: received.status,
      headers: received.headers,
      body,
      json: Result.getOrUndefined(parseJson(body)),
      now: serviceTime(received.headers) ?? clock.currentTimeMillisUnsafe()
    })
  const read = (
    received: HttpClientResponse.HttpClientResponse,
    silence: Silence,
    sentAt: number
  ): Effect.Effect<A, FilesError> => {
    const before = limit(silence.limits)
    response = received
    silence.moved()
    // The timer runs for the limit until now, and would come too late for a shorter one.
    if (limit(silence.limits) < before) silence.limitTo({})
    answered(fiber, subject.operation, attempt, received, subject.scrub)
    // A content that is read as a stream counts its bytes by itself.
    if (progress?.started === false) moved(fiber.context, "transmit", progress.sent.bytes)
    if (!isSuccess(received, request)) {
      return Effect.flatMap(errorBody(received), (body) => Effect.fail(refused(received, body)))
    }
    const bodyIdle = Duration.millis(silence.limits.body ?? idle)
    const answer = { response: received, idle: bodyIdle, sentAt, receivedAt: silence.movedAt }
    const value = request.read(answer, subject)
    return progress === undefined ? value : Effect.mapError(value, (error) => progress.failure ?? error)
  }
  const failed = (error: FilesError): FilesError => {
    unanswered(fiber, subject.operation, attempt, error)
    return error
  }
  const sent = (silence: Silence): Effect.Effect<A, FilesError> => {
    const sentAt = silence.movedAt
    return Effect.matchEffect(client.execute(made), {
      onFailure: (error) =>
        // A client beneath may make failures of answers that are not a success.
        error.reason._tag === "StatusCodeError"
          ? read(error.reason.response, silence, sentAt)
          : Effect.fail(failed(progress?.failure ?? fromTransport(subject, error, progress?.sent))),
      onSuccess: (received) => read(received, silence, sentAt)
    })
  }
  return unlessSilent(sent, {
    limit,
    provide: contextOf(connection, subject.operation, made, attempt, secret),
    onSilence: (waited) => {
      if (response === undefined) return failed(silent(subject, progress, waited))
      return isSuccess(response, request)
        ? answerStalled(subject, response, waited)
        : refused(response, "")
    }
  })
}

/** The body of an answer that is not a success, as far as it goes: the status says enough without it. */
const errorBody = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<string> =>
  Effect.match(readText(response, maxErrorBytes), { onFailure: () => "", onSuccess: ({ text }) => text })

/** What it means that nothing moved, and no answer had begun. */
const silent = (subject: Subject, progress: Progress | undefined, waited: Duration.Duration): FilesError =>
  progress === undefined || progress.sent.complete
    ? noAnswer(subject, waited)
    : sendingStalled(subject, progress.sent, waited)

/**
 * Sends a request, and gives its answer with its body unread.
 */
export const send = (connection: Connection, request: Request): Effect.Effect<Answer, FilesError> =>
  call(connection, { ...request, read: Effect.succeed })
