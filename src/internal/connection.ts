/**
 * One request and its answer: sent with the client's headers, bounded in time and size, never followed elsewhere, and
 * every failure classified.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Headers from "effect/http/Headers"
import type * as HttpBody from "effect/http/HttpBody"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import type * as UrlParams from "effect/http/UrlParams"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type DownloadError, type FilesError, type RequestFailed, TransferInterrupted } from "../FilesError.ts"
import { excerpt, fromResponse, fromTransport, type Sent, type Subject, timedOut, unexpected } from "./classify.ts"
import type { Settings } from "./options.ts"

/** A JSON answer, once decoded from the wire, is at most this long. */
const maxJsonBytes = 16 * 1024 * 1024

/** An error's body is read this far. */
const maxErrorBytes = 64 * 1024

/** An upload's answer may take this many times the idle timeout: the service has to store the file first. */
const uploadPatience = 10

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
  sent: Sent
  /** Epoch milliseconds of the last sign of life. */
  movedAt: number
  /** Why the body broke off, if it did: it takes precedence over what the transport makes of it. */
  failure: FilesError | undefined
}

// fetch follows redirects by itself and would carry a key along. Other transports leave them alone.
const refuseRedirects = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.updateContext(
    effect,
    (context: Context.Context<never>): Context.Context<never> =>
      Context.add(context, FetchHttpClient.RequestInit, {
        ...Context.getOrUndefined(context, FetchHttpClient.RequestInit),
        redirect: "manual"
      })
  )

const make = (settings: Settings, request: Request): HttpClientRequest.HttpClientRequest =>
  HttpClientRequest.make(request.method)(`${settings.baseUrl}${request.path}`, {
    headers: request.headers === undefined ? settings.headers : Headers.setAll(settings.headers, request.headers),
    ...(request.urlParams === undefined ? undefined : { urlParams: request.urlParams }),
    ...(request.body === undefined ? undefined : { body: request.body })
  })

/**
 * Sends a request and gives its answer if that is a success.
 */
export const send = (
  { client, settings }: Connection,
  request: Request,
  progress?: Progress
): Effect.Effect<HttpClientResponse.HttpClientResponse, FilesError> => {
  const { subject } = request
  const isUpload = subject.operation === "upload"
  const execute = client.execute(make(settings, request)).pipe(
    refuseRedirects,
    Effect.mapError((error) => progress?.failure ?? fromTransport(subject, error, progress?.sent))
  )
  const patience = isUpload ? Duration.times(settings.idleTimeout, uploadPatience) : settings.idleTimeout
  const bounded = progress === undefined
    ? Effect.timeoutOrElse(execute, {
      duration: patience,
      orElse: () => Effect.fail(noAnswer(subject, patience))
    })
    : Effect.raceFirst(execute, stalled(settings, subject, progress))
  return Effect.flatMap(bounded, (response) =>
    response.status === 200 || response.status === 201
      ? Effect.succeed(response)
      : Effect.flatMap(failed(settings, subject, response), (error) => Effect.fail(progress?.failure ?? error)))
}

const noAnswer = (subject: Subject, waited: Duration.Duration): RequestFailed => {
  const isOutcomeUnknown = subject.operation === "upload" || subject.operation === "delete"
  return timedOut(
    subject,
    `${subject.baseUrl} gave no answer within ${Duration.format(waited)}${
      isOutcomeUnknown ? "; the service may have done what was asked" : ""
    }.`,
    { isOutcomeUnknown }
  )
}

/** Ends when an upload has not moved for too long: each chunk taken by the transport starts the time anew. */
const stalled = (settings: Settings, subject: Subject, progress: Progress): Effect.Effect<never, FilesError> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    progress.movedAt = now
    return watch(settings, subject, progress)
  })

const watch = (settings: Settings, subject: Subject, progress: Progress): Effect.Effect<never, FilesError> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const { sent } = progress
    const patience = sent.complete ? Duration.times(settings.idleTimeout, uploadPatience) : settings.idleTimeout
    const left = Duration.toMillis(patience) - (now - progress.movedAt)
    if (left > 0) {
      // Looked at once an idle timeout at least, since the patience changes when the body is complete.
      return Effect.andThen(
        Effect.sleep(Math.min(left, Duration.toMillis(settings.idleTimeout))),
        Effect.suspend(() => watch(settings, subject, progress))
      )
    }
    return Effect.fail(
      sent.complete ? noAnswer(subject, patience) : new TransferInterrupted({
        operation: subject.operation,
        reason: "Stalled",
        message: `Sending ${subject.filename ?? "the file"} stopped for ${
          Duration.format(patience)
        } after ${sent.bytes} of ${sent.total ?? "an unknown number of"} bytes; nothing was stored.`,
        transferred: sent.bytes,
        ...(sent.total === undefined ? undefined : { expected: sent.total }),
        isRetryable: true,
        isOutcomeUnknown: false
      })
    )
  })

const decoder = new TextDecoder()

const overflow = Symbol("overflow")

/** At most `limit` bytes of a body; `undefined` when it is longer and `cut` is not asked for. */
const collect = (
  response: HttpClientResponse.HttpClientResponse,
  limit: number,
  cut: boolean
): Effect.Effect<Uint8Array | typeof overflow, unknown> =>
  Effect.suspend(() => {
    const chunks: Array<Uint8Array> = []
    let size = 0
    return Stream.runForEachWhile(response.stream, (chunk) =>
      Effect.sync(() => {
        chunks.push(chunk)
        size += chunk.length
        return size <= limit
      })).pipe(
        Effect.catchTag("HttpClientError", (error) =>
          error.reason._tag === "EmptyBodyError" ? Effect.void : Effect.fail(error)),
        Effect.map(() => {
          if (size > limit && !cut) {
            return overflow
          }
          const [first] = chunks
          if (chunks.length === 1 && first !== undefined) {
            return first.subarray(0, limit)
          }
          const whole = new Uint8Array(size)
          let offset = 0
          for (const chunk of chunks) {
            whole.set(chunk, offset)
            offset += chunk.length
          }
          return whole.subarray(0, limit)
        })
      )
  })

const parseJson = (text: string): Option.Option<unknown> =>
  Exit.getSuccess(Effect.runSyncExit(Effect.try({ try: (): unknown => JSON.parse(text), catch: () => undefined })))

/** Reads an answer that is no success, as far as it goes, and says what it means. */
const failed = (
  settings: Settings,
  subject: Subject,
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<FilesError> =>
  collect(response, maxErrorBytes, true).pipe(
    Effect.timeoutOption(settings.idleTimeout),
    // A body that breaks or stalls says less, but the status still says enough.
    Effect.orElseSucceed(() => Option.none()),
    Effect.flatMap((read) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const body = Option.isSome(read) && read.value !== overflow ? decoder.decode(read.value) : ""
        return fromResponse(subject, {
          status: response.status,
          headers: response.headers,
          body,
          json: Option.getOrUndefined(parseJson(body)),
          now
        })
      })
    )
  )

/**
 * Reads and decodes a JSON answer: bounded in size and in time, and anything but the documented shape is an error that
 * names the field.
 */
export const decodeJson = <S extends Schema.Constraint & { readonly DecodingServices: never }>(schema: S) => {
  const decode = Schema.decodeUnknownExit(schema)
  return (
    { settings }: Connection,
    subject: Subject,
    response: HttpClientResponse.HttpClientResponse
  ): Effect.Effect<S["Type"], FilesError> =>
    collect(response, maxJsonBytes, false).pipe(
      Effect.mapError(() => unexpected(subject, response, "The answer broke off before its end.", "")),
      Effect.timeoutOrElse({
        duration: settings.idleTimeout,
        orElse: () =>
          Effect.fail(timedOut(
            subject,
            `The answer did not end within ${Duration.format(settings.idleTimeout)}.`,
            {
              status: response.status,
              isOutcomeUnknown: subject.operation === "upload" || subject.operation === "delete"
            }
          ))
      }),
      Effect.flatMap((bytes): Effect.Effect<S["Type"], FilesError> => {
        if (bytes === overflow) {
          return Effect.fail(unexpected(subject, response, `The answer is longer than ${maxJsonBytes} bytes.`, ""))
        }
        const text = decoder.decode(bytes)
        const json = parseJson(text)
        if (Option.isNone(json)) {
          const what = text === "" ? "The answer is empty." : "The answer is not JSON, or not all of it."
          return Effect.fail(unexpected(subject, response, what, text.slice(0, 4096)))
        }
        const decoded = decode(json.value)
        return Exit.isSuccess(decoded)
          ? Effect.succeed(decoded.value)
          : Effect.fail(unexpected(
            subject,
            response,
            `The answer is not what the API documents (${excerpt(subject.scrub(issueOf(decoded)))}).`,
            text.slice(0, 4096)
          ))
      })
    )
}

const issueOf = (exit: Exit.Failure<unknown, Schema.SchemaError>): string =>
  Option.match(Exit.findErrorOption(exit), { onNone: () => "", onSome: (error) => error.message })

/**
 * A response's bytes, counted and watched: they come to exactly the announced length, or fail.
 */
export const content = (
  { settings }: Connection,
  subject: Subject,
  response: HttpClientResponse.HttpClientResponse
): Stream.Stream<Uint8Array, DownloadError> =>
  Stream.suspend((): Stream.Stream<Uint8Array, DownloadError> => {
    const encoding = response.headers["content-encoding"]
    const isEncoded = encoding !== undefined && encoding.toLowerCase() !== "identity"
    // fetch takes an encoding off by itself, and then the announced length is not that of the bytes it hands out.
    if (isEncoded && Option.isNone(HttpClientResponse.toWeb(response))) {
      return Stream.fail(
        unexpected(subject, response, `The content came as ${excerpt(encoding)}, which was not asked for.`, "")
      )
    }
    const length = Number(response.headers["content-length"] ?? NaN)
    const expected = isEncoded || !Number.isSafeInteger(length) || length < 0 ? undefined : length
    let transferred = 0
    const interrupted = (reason: TransferInterrupted["reason"], what: string, cause?: unknown) =>
      new TransferInterrupted({
        operation: subject.operation,
        reason,
        message: `${what} after ${transferred} of ${expected ?? "an unknown number of"} bytes.`,
        transferred,
        ...(expected === undefined ? undefined : { expected }),
        ...(subject.fileId === undefined ? undefined : { fileId: subject.fileId }),
        ...(response.headers["request-id"] === undefined ? undefined : { requestId: response.headers["request-id"] }),
        status: response.status,
        isRetryable: true,
        isOutcomeUnknown: false,
        ...(cause === undefined ? undefined : { cause })
      })
    const file = subject.fileId ?? "The content"
    return response.stream.pipe(
      Stream.timeoutOrElse({
        duration: settings.idleTimeout,
        orElse: () =>
          Stream.fail(interrupted("Stalled", `${file} stalled for ${Duration.format(settings.idleTimeout)}`))
      }),
      Stream.catch((error): Stream.Stream<Uint8Array, TransferInterrupted> => {
        if (error._tag === "TransferInterrupted") return Stream.fail(error)
        if (error.reason._tag === "EmptyBodyError") return Stream.empty
        const cause = "cause" in error.reason ? error.reason.cause : undefined
        return Stream.fail(interrupted("Reset", `${file} broke off`, cause))
      }),
      Stream.mapEffect((chunk) => {
        if (expected !== undefined && transferred + chunk.length > expected) {
          transferred += chunk.length
          return Effect.fail(interrupted("Overrun", `${file} went on past its end,`))
        }
        transferred += chunk.length
        return Effect.succeed(chunk)
      }),
      Stream.concat(Stream.suspend(() =>
        expected !== undefined && transferred < expected
          ? Stream.fail(interrupted("Truncated", `${file} ended`))
          : Stream.empty
      ))
    )
  })
