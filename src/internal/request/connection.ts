/**
 * One request and its answer: sent with the client's headers, bounded in time and size, never followed elsewhere, and
 * every failure classified.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { identity } from "effect/Function"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Headers from "effect/http/Headers"
import * as HttpBody from "effect/http/HttpBody"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as UrlParams from "effect/http/UrlParams"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type FilesError, type Operation, type RequestFailed, TransferInterrupted } from "../../FilesError.ts"
import { excerpt, printable } from "../text.ts"
import { Attempt, guard, type Try, type Verdict, type Watch } from "./attempt.ts"
import { decodeText, parseJson, parseLength, readText, readWhole } from "./body.ts"
import {
  changes,
  fromResponse,
  fromTransport,
  requestIdOf,
  type Sent,
  type Subject,
  timedOut,
  unexpected
} from "./errors.ts"
import type { Settings } from "./options.ts"
import { unlessStalled } from "./silence.ts"

/** A JSON answer, once decoded from the wire, is at most this long. */
const maxJsonBytes = 16 * 1024 * 1024

/** An error's body is read this far. */
const maxErrorBytes = 64 * 1024

/** Answers that take work first: a file has to be stored, a model has to write. */
const laborious: ReadonlySet<Operation> = new Set(["upload", "createMessage", "streamMessage", "createBatch"])

/** Such an answer may take this many times the idle timeout. */
const laboriousPatience = 10

export interface Connection {
  readonly settings: Settings
  readonly client: HttpClient.HttpClient
}

export interface Request {
  readonly subject: Subject
  readonly method: "GET" | "POST" | "DELETE"
  readonly path: string
  readonly urlParams?: UrlParams.Input
  readonly headers?: Headers.Input
  readonly body?: HttpBody.HttpBody
}

/**
 * The progress of a streamed upload, written by its body.
 */
export interface Progress {
  /** The source has been asked for its bytes. */
  started: boolean
  sent: Sent
  /** Why the body broke off, if it did: it takes precedence over what the transport makes of it. */
  failure: FilesError | undefined
}

/**
 * An operation's request together with what makes of its answer what the operation gives.
 */
export interface Call<A> extends Request {
  /** Reads a successful answer. It belongs to the try: a failure of it may be tried again. */
  readonly read: (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<A, FilesError>
  readonly progress?: Progress
  /** Both are asked before the request is sent again; without them a repetition changes nothing. */
  readonly canRepeat?: (isOutcomeUnknown: boolean) => boolean
  readonly verdict?: (isOutcomeUnknown: boolean, done: (value: A) => Verdict) => Effect.Effect<Verdict>
  /** Continues the budget of an operation that takes several requests. */
  readonly continues?: Attempt
  /** A part of the content (206) is asked for, and is a success. */
  readonly partial?: boolean
}

/** Of a `CurrentRedactedNames`, with this client's secrets. */
interface Redacted {
  readonly names: ReadonlyArray<string | RegExp>
  readonly all: ReadonlyArray<string | RegExp>
}

const redacted = new WeakMap<Settings, Redacted>()

const manual: RequestInit = { redirect: "manual" }

// fetch follows redirects by itself and would carry a key along. Other transports leave them alone.
// And secrets among the headers given by hand belong in no span, whatever a user lets be recorded.
const guarded = (settings: Settings, attempt: Attempt, context: Context.Context<never>): Context.Context<never> => {
  const names = Context.get(context, Headers.CurrentRedactedNames)
  let known = redacted.get(settings)
  if (known === undefined || known.names !== names) {
    known = { names, all: [...names, ...settings.secretHeaders] }
    redacted.set(settings, known)
  }
  const init = Context.getOrUndefined(context, FetchHttpClient.RequestInit)
  return context.pipe(
    Context.add(FetchHttpClient.RequestInit, init === undefined ? manual : { ...init, ...manual }),
    Context.add(Headers.CurrentRedactedNames, known.all),
    Context.add(Attempt, attempt)
  )
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

/**
 * Sends a request and reads its answer. `attempt` is handed on with the value, for an operation that may go on.
 */
export const call = <A>(
  connection: Connection,
  request: Call<A>
): Effect.Effect<{ readonly value: A; readonly attempt: Attempt }, FilesError> =>
  Effect.withFiber((fiber) => callIn(fiber, connection, request, (value, attempt) => ({ value, attempt })))

/**
 * Sends a request and gives what its answer says.
 */
export const answer = <A>(connection: Connection, request: Call<A>): Effect.Effect<A, FilesError> =>
  Effect.withFiber((fiber) => answerIn(fiber, connection, request))

/** The same where the fiber is at hand. */
export const answerIn = <A>(
  fiber: Fiber.Fiber<unknown, unknown>,
  connection: Connection,
  request: Call<A>
): Effect.Effect<A, FilesError> => callIn(fiber, connection, request, identity)

const callIn = <A, B>(
  fiber: Fiber.Fiber<unknown, unknown>,
  connection: Connection,
  request: Call<A>,
  give: (value: A, attempt: Attempt) => B
): Effect.Effect<B, FilesError> => {
  const clock = fiber.getRef(Clock.Clock)
  const { client, settings } = connection
  const { progress, subject } = request
  const isLaborious = laborious.has(subject.operation)
  const idle = Duration.toMillis(settings.idleTimeout)
  const patience = () =>
    isLaborious && (progress === undefined || progress.sent.complete) ? idle * laboriousPatience : idle
  const httpRequest = make(settings, request)
  const asTransportError = (error: FilesError) =>
    new HttpClientError.HttpClientError({
      reason: new HttpClientError.TransportError({ request: httpRequest, cause: error })
    })

  const isSuccess = ({ status }: HttpClientResponse.HttpClientResponse): boolean =>
    status === 200 || status === 201 || (status === 206 && request.partial === true)

  // What the answer said, by whichever try came through. A policy may wrap the response on its way up.
  let done: { readonly value: A } | undefined

  const read = (response: HttpClientResponse.HttpClientResponse): Try => {
    if (!isSuccess(response) || done !== undefined) return Effect.succeed(response)
    attempt.watch.movedAt = clock.currentTimeMillisUnsafe()
    return Effect.matchEffect(request.read(response), {
      onFailure: (error) => Effect.fail(asTransportError(error)),
      onSuccess: (value) => {
        done = { value }
        return Effect.succeed(response)
      }
    })
  }

  const run = (effect: Try, provide?: (context: Context.Context<never>) => Context.Context<never>): Try => {
    let outer = attempt.watch
    const watch: Watch = { pauses: 0, movedAt: 0 }
    return guard(Effect.flatMap(effect, read), {
      clock,
      watch,
      patience,
      fail: (waited) => asTransportError(silence(subject, progress, waited)),
      onStart: () => {
        outer = attempt.watch
        outer.pauses++
        attempt.watch = watch
        watch.movedAt = clock.currentTimeMillisUnsafe()
      },
      onEnd: () => {
        attempt.watch = outer
        outer.pauses--
        outer.movedAt = clock.currentTimeMillisUnsafe()
      },
      ...(provide === undefined ? undefined : { provide })
    })
  }

  const attempt: Attempt = {
    watch: { pauses: 0, movedAt: 0 },
    run: (effect) => run(effect),
    canRepeat: (isOutcomeUnknown) => request.canRepeat === undefined || request.canRepeat(isOutcomeUnknown),
    verdict: (isOutcomeUnknown) =>
      request.verdict === undefined
        ? Effect.succeed<Verdict>({ _tag: "Again" })
        : request.verdict(isOutcomeUnknown, (value) => {
          const response = HttpClientResponse.fromWeb(httpRequest, new Response(null, { status: 200 }))
          done = { value }
          return { _tag: "Done", response }
        }),
    tries: request.continues?.tries ?? 0,
    startedAt: request.continues?.startedAt,
    again: undefined
  }

  return Effect.matchEffect(run(client.execute(httpRequest), (context) => guarded(settings, attempt, context)), {
    onFailure: (error) => Effect.fail(progress?.failure ?? fromTransport(subject, error, progress?.sent)),
    onSuccess: (response) =>
      done !== undefined && isSuccess(response)
        ? Effect.succeed(give(done.value, attempt))
        : Effect.flatMap(failed(settings, subject, response), (error) => Effect.fail(progress?.failure ?? error))
  })
}

/**
 * Sends a request and gives its answer unread.
 */
export const send = (
  connection: Connection,
  request: Request
): Effect.Effect<HttpClientResponse.HttpClientResponse, FilesError> =>
  answer(connection, { ...request, read: Effect.succeed })

/** What it means that nothing moved. */
const silence = (subject: Subject, progress: Progress | undefined, waited: Duration.Duration): FilesError => {
  if (progress === undefined || progress.sent.complete) return noAnswer(subject, waited)
  const { bytes, total } = progress.sent
  return new TransferInterrupted({
    operation: subject.operation,
    reason: "Stalled",
    message: `Sending ${printable(subject.filename ?? "the file")} stopped for ${
      Duration.format(waited)
    } after ${bytes} of ${total ?? "an unknown number of"} bytes; nothing was stored.`,
    transferred: bytes,
    ...(total === undefined ? undefined : { expected: total }),
    isRetryable: true,
    isOutcomeUnknown: false
  })
}

const noAnswer = (subject: Subject, waited: Duration.Duration): RequestFailed => {
  const isOutcomeUnknown = changes(subject.operation)
  return timedOut(
    subject,
    `${subject.baseUrl} gave no answer within ${Duration.format(waited)}${
      isOutcomeUnknown ? "; the service may have done what was asked" : ""
    }.`,
    { isOutcomeUnknown }
  )
}

/** Reads an answer that is no success, as far as it goes, and says what it means. */
const failed = (
  settings: Settings,
  subject: Subject,
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<FilesError> =>
  readText(response, maxErrorBytes).pipe(
    Effect.timeoutOption(settings.idleTimeout),
    // A body that breaks or stalls says less, but the status still says enough.
    Effect.orElseSucceed(() => Option.none()),
    Effect.flatMap((read) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const body = Option.isSome(read) ? read.value.text : ""
        return fromResponse(subject, {
          status: response.status,
          headers: response.headers,
          body,
          json: Result.getOrUndefined(parseJson(body)),
          now
        })
      })
    )
  )

/**
 * Reads and decodes a JSON answer: bounded in size and in time, and anything but the documented shape is an error that
 * names the field.
 */
export const decodeJson = <S extends Schema.Constraint & { readonly DecodingServices: never }>(
  schema: S,
  /** A shorter way for what is plainly as documented; `undefined` leaves it to the Schema. */
  direct: (json: unknown) => S["Type"] | undefined = () => undefined
) => {
  const decode = Schema.decodeUnknownExit(schema)
  return (
    subject: Subject,
    response: HttpClientResponse.HttpClientResponse,
    /** What is made of it. */
    then: (value: S["Type"]) => Effect.Effect<S["Type"], FilesError> = Effect.succeed
  ): Effect.Effect<S["Type"], FilesError> =>
    Effect.matchEffect(readWhole(response, maxJsonBytes), {
      onFailure: () => Effect.fail(unexpected(subject, response, "The answer broke off before its end.", "")),
      onSuccess: (body): Effect.Effect<S["Type"], FilesError> => {
        if ("isCut" in body && body.isCut) {
          return Effect.fail(unexpected(subject, response, `The answer is longer than ${maxJsonBytes} bytes.`, ""))
        }
        const text = decodeText("isCut" in body ? body.bytes : body)
        const json = parseJson(text)
        if (Result.isFailure(json)) {
          const what = text === "" ? "The answer is empty." : "The answer is not JSON, or not all of it."
          return Effect.fail(unexpected(subject, response, what, text.slice(0, maxErrorBytes)))
        }
        const plain = direct(json.success)
        if (plain !== undefined) return then(plain)
        const decoded = decode(json.success)
        return Exit.isSuccess(decoded)
          ? then(decoded.value)
          : Effect.fail(unexpected(
            subject,
            response,
            `The answer is not what the API documents (${excerpt(subject.scrub(issueOf(decoded)))}).`,
            text.slice(0, maxErrorBytes)
          ))
      }
    })
}

const issueOf = (exit: Exit.Failure<unknown, Schema.SchemaError>): string =>
  Option.match(Exit.findErrorOption(exit), { onNone: () => "", onSome: (error) => error.message })

/** Where a body's bytes belong in the whole, when it is not the first body. */
export interface Range {
  readonly offset: number
  readonly total: number | undefined
}

/**
 * A response's bytes, counted and watched: they come to exactly the announced length, or fail. Figures in errors are
 * those of the whole content.
 */
export const content = (
  { settings }: Connection,
  subject: Subject,
  response: HttpClientResponse.HttpClientResponse,
  range: Range = { offset: 0, total: undefined }
): Stream.Stream<Uint8Array, RequestFailed | TransferInterrupted> =>
  Stream.suspend((): Stream.Stream<Uint8Array, RequestFailed | TransferInterrupted> => {
    if (isEncoded(response) && Option.isNone(HttpClientResponse.toWeb(response))) {
      const encoding = excerpt(response.headers["content-encoding"] ?? "")
      return Stream.fail(
        unexpected(subject, response, `The content came as ${encoding}, which was not asked for.`, "")
      )
    }
    const length = lengthOf(response)
    const expected = length === undefined ? range.total : range.offset + length
    const requestId = requestIdOf(subject, response.headers)
    let transferred = range.offset
    const interrupted = (reason: TransferInterrupted["reason"], what: string, cause?: unknown) =>
      new TransferInterrupted({
        operation: subject.operation,
        reason,
        message: `${what} after ${transferred} of ${expected ?? "an unknown number of"} bytes.`,
        transferred,
        ...(expected === undefined ? undefined : { expected }),
        ...(subject.fileId === undefined ? undefined : { fileId: subject.fileId }),
        ...(requestId === undefined ? undefined : { requestId }),
        status: response.status,
        isRetryable: true,
        isOutcomeUnknown: false,
        ...(cause === undefined ? undefined : { cause })
      })
    const file = subject.fileId ?? (subject.operation === "download" ? "The content" : "The answer")
    return unlessStalled(
      response.stream,
      settings.idleTimeout,
      () => interrupted("Stalled", `${file} stalled for ${Duration.format(settings.idleTimeout)}`)
    ).pipe(
      Stream.catch((error): Stream.Stream<Uint8Array, TransferInterrupted> => {
        if (error._tag === "TransferInterrupted") return Stream.fail(error)
        if (error.reason._tag === "EmptyBodyError") return Stream.empty
        const cause = "cause" in error.reason ? error.reason.cause : undefined
        return Stream.fail(interrupted("Reset", `${file} broke off`, cause))
      }),
      (bytes) =>
        Stream.transformPull(bytes, (pull) =>
          Effect.succeed(Effect.flatMap(pull, (chunks) => {
            for (const chunk of chunks) transferred += chunk.length
            return expected !== undefined && transferred > expected
              ? Effect.fail(interrupted("Overrun", `${file} went on past its end,`))
              : Effect.succeed(chunks)
          }))),
      Stream.concat(Stream.suspend(() =>
        expected !== undefined && transferred < expected
          ? Stream.fail(interrupted("Truncated", `${file} ended`))
          : Stream.empty
      ))
    )
  })

const isEncoded = (response: HttpClientResponse.HttpClientResponse): boolean => {
  const encoding = response.headers["content-encoding"]
  return encoding !== undefined && encoding.toLowerCase() !== "identity"
}

/**
 * The announced length of a body as it is handed out. fetch takes an encoding off by itself, and then the announced
 * length is not that of the bytes it gives.
 */
export const lengthOf = (response: HttpClientResponse.HttpClientResponse): number | undefined =>
  isEncoded(response) ? undefined : parseLength(response.headers["content-length"])
