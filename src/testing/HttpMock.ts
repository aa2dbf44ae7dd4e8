/**
 * A scripted `HttpClient`: the requests that are expected, and the answer to each.
 *
 * Any other request fails with the difference to the closest expectation, and no policy retries it. When the scope of the
 * Layer closes, an unmet expectation or an unexpected request fails the test.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { cut } from "../emulator/internal/cut.ts"
import { envelope } from "../emulator/internal/http/apiError.ts"
import { FileId, FileMetadata, FilePage } from "../FileMetadata.ts"
import { Message } from "../Messages.ts"
import { absent, compare, type Comparison, difference, distance } from "./internal/compare.ts"
import { refuse } from "./internal/refuse.ts"
import {
  connectionFailed,
  connectionReset,
  isSecretHeader,
  nothingRead,
  readWire,
  redacted,
  toSentRequest,
  transportError,
  withBody
} from "./internal/request.ts"
import { respond } from "./internal/response.ts"
import type { SentRequest } from "./SentRequest.ts"

/** A part of a multipart body. Fields that are left out are not compared. */
export interface ExpectedPart {
  readonly filename?: string | RegExp | undefined
  readonly contentType?: string | RegExp | undefined
  readonly content?: string | RegExp | Uint8Array | undefined
}

/**
 * An expected request. Fields that are left out are not compared, a regular expression has to match, and `null` stands for
 * something that must be absent.
 */
export interface Expected {
  readonly method?: string | undefined
  /** Without the query. */
  readonly path?: string | RegExp | undefined
  readonly query?: Readonly<Record<string, string | RegExp | ReadonlyArray<string> | null>> | undefined
  /** By name, in any case. */
  readonly headers?: Readonly<Record<string, string | RegExp | null>> | undefined
  /** Parts of a multipart body, by name. */
  readonly parts?: Readonly<Record<string, string | RegExp | Uint8Array | ExpectedPart | null>> | undefined
  /** Fields of a JSON body, at any depth; a regular expression may stand in the place of a text. */
  readonly json?: unknown
  /** The whole body. */
  readonly body?: string | RegExp | Uint8Array | undefined
}

/** Answers a request. A function of your own may look at the request and call one of the answers of this module. */
export type Answer = (
  sent: SentRequest,
  request: HttpClientRequest.HttpClientRequest
) => Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

/** A received request, and when it came. */
export interface Received extends SentRequest {
  /** Milliseconds since 1970, by the `Clock`. */
  readonly at: number
  /** The request that the client was given, with its body read. */
  readonly request: HttpClientRequest.HttpClientRequest
}

/** The result of a function that answers: an {@link Answer}, a web `Response`, or an Effect of either. */
export type Reply = Answer | Response | Effect.Effect<Answer | Response, HttpClientError.HttpClientError>

/** A request that is expected once per answer, or any number of times. */
export interface Expectation {
  readonly request: Expected
  readonly answers: readonly [Answer, ...Array<Answer>]
  readonly anyNumber: boolean
}

const expectedOf = (request: string | Expected): Expected => {
  if (!Predicate.isString(request)) return request
  const [method = "", path = ""] = request.split(" ")
  return { method, path }
}

/**
 * Expects a request once per answer; the answers are given in order:
 * `expect("POST /v1/files", HttpMock.error.overloaded(), HttpMock.file())`.
 */
export const expect = (request: string | Expected, ...answers: readonly [Answer, ...Array<Answer>]): Expectation => ({
  request: expectedOf(request),
  answers,
  anyNumber: false
})

/** Answers a request that may come any number of times, or never. */
export const stub = (request: string | Expected, answer: Answer): Expectation => ({
  request: expectedOf(request),
  answers: [answer],
  anyNumber: true
})

/**
 * The program did not follow the script.
 *
 * - `Unexpected`: no expectation is left for a request.
 * - `Unmet`: an expected request was never sent.
 */
export class MockFailed extends Schema.TaggedError<MockFailed>("effect-anthropic-files/testing/MockFailed")(
  "MockFailed",
  { reason: Schema.Literals(["Unexpected", "Unmet"]), message: Schema.String }
) {}

/** The mock in the context: the requests so far, and whether they follow the script. */
export class HttpMock extends Context.Service<HttpMock, {
  /** The requests so far, oldest first, unexpected ones included. */
  readonly requests: Effect.Effect<ReadonlyArray<Received>>
  /** Fails if a request was unexpected, or an expectation is unmet. The end of the scope does this automatically. */
  readonly verify: Effect.Effect<void, MockFailed>
}>()("effect-anthropic-files/testing/HttpMock") {}

const orAbsent = (fields: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value === null ? absent : value]))

const isExpectedPart = (part: string | RegExp | Uint8Array | ExpectedPart): part is ExpectedPart =>
  !Predicate.isString(part) && !(part instanceof RegExp) && !(part instanceof Uint8Array)

/** Compares a request with an expectation. */
const compareRequest = (expected: Expected, sent: SentRequest): Comparison => {
  const { body, headers, json, method, parts, path, query } = expected
  const want: Record<string, unknown> = {}
  const came: Record<string, unknown> = { method: sent.method, path: sent.path }
  if (method !== undefined) want["method"] = method
  if (path !== undefined) want["path"] = path
  if (query !== undefined) {
    want["query"] = orAbsent(query)
    came["query"] = sent.query
  }
  if (headers !== undefined) {
    const wanted: Record<string, unknown> = {}
    const found: Record<string, unknown> = { ...sent.headers }
    for (const [name, value] of Object.entries(headers)) {
      const key = name.toLowerCase()
      wanted[key] = value === null ? absent : value
      // Compared, but never shown: a test may have been given a real key by mistake.
      if (sent.headers[key] === undefined || !isSecretHeader(key)) continue
      if (compare(wanted[key], sent.headers[key]).met) wanted[key] = redacted
      found[key] = redacted
    }
    want["headers"] = wanted
    came["headers"] = found
  }
  if (parts !== undefined) {
    const wanted: Record<string, unknown> = {}
    const found: Record<string, unknown> = {}
    for (const [name, part] of Object.entries(parts)) {
      const actual = sent.parts.find((one) => one.name === name)
      if (part === null) {
        wanted[name] = absent
        found[name] = actual?.text
        continue
      }
      const { content, ...rest } = isExpectedPart(part) ? part : { content: part }
      wanted[name] = { ...rest, ...(content === undefined ? undefined : { content }) }
      if (actual === undefined) continue
      found[name] = {
        filename: actual.filename,
        contentType: actual.contentType,
        content: content instanceof Uint8Array ? actual.bytes : actual.text
      }
    }
    want["parts"] = wanted
    came["parts"] = found
  }
  if (json !== undefined) {
    want["json"] = json
    came["json"] = sent.json
  }
  if (body !== undefined) {
    want["body"] = body
    came["body"] = body instanceof Uint8Array ? sent.bytes : new TextDecoder().decode(sent.bytes)
  }
  return compare(want, came)
}

const textOf = (path: string | RegExp | undefined): string => path === undefined ? "any path" : String(path)

const title = ({ method, path }: Expected): string => `${method ?? "any method"} ${textOf(path)}`

interface Line {
  readonly expectation: Expectation
  used: number
}

const isLeft = ({ expectation, used }: Line): boolean => expectation.anyNumber || used < expectation.answers.length

const unmet = (lines: ReadonlyArray<Line>): ReadonlyArray<string> =>
  lines.filter((line) => !line.expectation.anyNumber && isLeft(line)).map(({ expectation, used }) => {
    const { length } = expectation.answers
    return `  ${title(expectation.request)}${length === 1 ? "" : `, ${used} of ${length} times so far`}`
  })

const unexpected = (sent: SentRequest, lines: ReadonlyArray<Line>): MockFailed => {
  const [nearest] = lines
    .map((line) => ({ line, comparison: compareRequest(line.expectation.request, sent) }))
    .map((entry) => ({ ...entry, distance: distance(entry.comparison) }))
    .sort((a, b) => a.distance - b.distance || Number(isLeft(b.line)) - Number(isLeft(a.line)))
  const what = `${sent.method} ${sent.path} was not expected`
  const left = unmet(lines)
  const explain = (): string => {
    if (nearest === undefined) return `${what}: the mock expects no request.`
    if (nearest.distance > 0) {
      return `${what}. The closest expectation differs (- expected, + sent):\n${difference(nearest.comparison)}`
    }
    const { answers, request } = nearest.line.expectation
    return `${what} again: ${title(request)} is expected ${answers.length === 1 ? "once" : `${answers.length} times`}.`
  }
  const message = explain()
  return new MockFailed({
    reason: "Unexpected",
    message: left.length === 0 ? message : `${message}\nStill expected:\n${left.join("\n")}`
  })
}

/** The client of {@link answering}, and its requests. */
export interface Mock {
  readonly client: HttpClient.HttpClient
  /** The requests so far, oldest first. The body of a request is empty while it is being read. */
  readonly requests: () => ReadonlyArray<Received>
  /** How many requests wait for an answer now, and the most that ever did at once. */
  readonly open: () => { readonly now: number; readonly most: number }
}

const isResponse = (reply: Answer | Response): reply is Response => !Predicate.isFunction(reply)

/** @param showSecrets whether the function sees the values of headers that may hold a key */
const serve = (
  answer: (received: Received, n: number) => Reply,
  showSecrets: boolean
): Mock => {
  const requests: Array<Received> = []
  let now = 0
  let most = 0
  const client = HttpClient.make((request) =>
    Effect.gen(function*() {
      const at = yield* Clock.currentTimeMillis
      most = Math.max(most, ++now)
      const position = requests.push({ ...toSentRequest(request, nothingRead(request)), at, request })
      const wire = yield* readWire(request)
      const whole = withBody(request, wire)
      requests[position - 1] = { ...toSentRequest(request, wire), at, request: whole }
      const received = { ...toSentRequest(request, wire, showSecrets), at, request: whole }
      const reply = answer(received, position)
      const given = Effect.isEffect(reply) ? yield* reply : reply
      return isResponse(given) ? HttpClientResponse.fromWeb(request, given) : yield* given(received, request)
    }).pipe(Effect.ensuring(Effect.sync(() => void now--)))
  )
  return { client, requests: () => requests.slice(), open: () => ({ now, most }) }
}

/**
 * A client whose n-th request, counted from 1, is answered by a function. It expects nothing:
 *
 * ```ts
 * import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
 *
 * export const mock = HttpMock.answering((request, n) =>
 *   request.method === "GET" && n < 3 ? HttpMock.error.overloaded() : HttpMock.file()
 * )
 * ```
 */
export const answering = (answer: (received: Received, n: number) => Reply): Mock => serve(answer, false)

const make = (expectations: ReadonlyArray<Expectation>) => {
  const lines: ReadonlyArray<Line> = expectations.map((expectation) => ({ expectation, used: 0 }))
  let complaint: MockFailed | undefined

  const { client, requests } = serve((sent) => {
    const line = lines.find((line) => isLeft(line) && compareRequest(line.expectation.request, sent).met)
    if (line === undefined) {
      const failure = unexpected(sent, lines)
      complaint ??= failure
      return Effect.fail(refuse(sent.request, failure))
    }
    const { answers } = line.expectation
    return answers[line.used++] ?? answers[0]
  }, true)

  const verify = Effect.suspend(() => {
    if (complaint !== undefined) return Effect.fail(complaint)
    const left = unmet(lines)
    return left.length === 0 ? Effect.void : Effect.fail(
      new MockFailed({ reason: "Unmet", message: `Expected requests that were never sent:\n${left.join("\n")}` })
    )
  })

  return { client, mock: HttpMock.of({ requests: Effect.sync(requests), verify }) }
}

/**
 * The scripted client. Expectations can be met in any order. A request that meets several takes the first that is not used
 * up.
 *
 * If the program did not follow the script, closing the scope dies with {@link MockFailed}, unless the program failed
 * anyway.
 */
export const layer = (
  ...expectations: ReadonlyArray<Expectation>
): Layer.Layer<HttpClient.HttpClient | HttpMock> =>
  Layer.effectContext(Effect.gen(function*() {
    const { client, mock } = make(expectations)
    yield* Effect.addFinalizer((exit) => Exit.isSuccess(exit) ? Effect.orDie(mock.verify) : Effect.void)
    return Context.make(HttpClient.HttpClient, client).pipe(Context.add(HttpMock, mock))
  }))

/** `requests` of the mock in the context. */
export const requests: Effect.Effect<ReadonlyArray<Received>, never, HttpMock> = Effect.flatMap(
  HttpMock,
  (mock) => mock.requests
)

/** `verify` of the mock in the context. */
export const verify: Effect.Effect<void, MockFailed, HttpMock> = Effect.flatMap(HttpMock, (mock) => mock.verify)

const encoder = new TextEncoder()

const requestId = "req_mock"

/** An answer with exactly this status, body and headers, besides `content-length` and `request-id`. */
export const raw = (
  status: number,
  body: string | Uint8Array = "",
  headers: Readonly<Record<string, string>> = {}
): Answer => {
  const bytes = Predicate.isString(body) ? encoder.encode(body) : body
  return (_, request) =>
    Effect.succeed(respond(request, {
      status,
      headers: { "content-length": String(bytes.length), "request-id": requestId, ...headers },
      body: bytes
    }))
}

/** No answer: the connection fails with this code of Node's. */
export const broken = (code = "ECONNRESET"): Answer => (_, request) =>
  Effect.fail(transportError(request, connectionFailed(`The connection failed (${code})`, code)))

/** No answer, ever. */
export const silence: Answer = () => Effect.never

/** An answer that comes after a delay. */
export const after = (delay: Duration.Input, answer: Answer): Answer => (sent, request) =>
  Effect.delay(answer(sent, request), delay)

const json = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Answer =>
  raw(status, JSON.stringify(body), { "content-type": "application/json", ...headers })

/** A success whose body is the encoded value of a Schema: `success(FileMetadata.FileMetadata, file)`. */
export const success = <S extends Schema.ConstraintEncoder<unknown>>(
  schema: S,
  value: S["Type"],
  options: { readonly status?: number | undefined; readonly headers?: Readonly<Record<string, string>> } = {}
): Answer => json(options.status ?? 200, Schema.encodeSync(schema)(value), options.headers)

const metadata = (sent: SentRequest, fields: Partial<FileMetadata>, now: number): FileMetadata => {
  const file = sent.parts.find((part) => part.name === "file")
  const expiry = sent.parts.find((part) => part.name === "expires_in_seconds")
  const id = sent.method === "GET" ? /\/v1\/files\/([^/]+)$/.exec(sent.path)?.[1] : undefined
  return {
    id: FileId.make(id === undefined ? "file_mock" : decodeURIComponent(id)),
    type: "file",
    filename: file?.filename ?? "mock.txt",
    mime_type: file?.contentType ?? "text/plain",
    size_bytes: file?.bytes.length ?? 0,
    created_at: DateTime.makeUnsafe(now),
    downloadable: false,
    expires_at: expiry === undefined ? null : DateTime.makeUnsafe(now + Number(expiry.text) * 1000),
    scope: null,
    ...fields
  }
}

/**
 * The metadata of a file. Fields that are left out come from the request, name and size of an upload for example, or have a
 * default.
 */
export const file = (fields: Partial<FileMetadata> = {}): Answer => (sent, request) =>
  Effect.flatMap(
    Clock.currentTimeMillis,
    (now) => success(FileMetadata, metadata(sent, fields, now))(sent, request)
  )

/** A page of a listing. */
export const page = (
  files: ReadonlyArray<Partial<FileMetadata>>,
  options: { readonly next_page?: string | undefined; readonly has_more?: boolean | undefined } = {}
): Answer =>
(sent, request) =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const data = files.map((fields) => metadata(sent, fields, now))
    const all: FilePage = {
      data,
      next_page: options.next_page ?? null,
      has_more: options.has_more ?? options.next_page !== undefined,
      first_id: data.at(0)?.id ?? null,
      last_id: data.at(-1)?.id ?? null
    }
    return success(FilePage, all)(sent, request)
  })

/** The answer to a deletion. */
export const deleted = (): Answer => (sent, request) =>
  json(200, { id: decodeURIComponent(sent.path.split("/").at(-1) ?? ""), type: "file_deleted" })(sent, request)

/** The content of a file, with its length announced. */
export const content = (body: string | Uint8Array, contentType = "application/octet-stream"): Answer =>
  raw(200, body, { "content-type": contentType })

/** A message that says `text`. Fields that are given take precedence. */
export const message = (text: string, fields: Partial<Message> = {}): Answer =>
  success(Message, {
    id: "msg_mock",
    type: "message",
    role: "assistant",
    model: "mock",
    content: [{ type: "text", text, citations: null }],
    stop_reason: "end_turn",
    stop_sequence: null,
    container: null,
    usage: { input_tokens: 0, output_tokens: 0, cache_creation_input_tokens: null, cache_read_input_tokens: null },
    ...fields
  })

/** Options of an error. */
export interface ErrorOptions {
  /** @default roughly the message of the service */
  readonly message?: string | undefined
  /** `error.details.error_code`. */
  readonly errorCode?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** Options of an error that asks the client to wait. */
export interface WaitOptions extends ErrorOptions {
  /** Sent as `retry-after`, in seconds. */
  readonly retryAfter?: Duration.Input | undefined
}

const failure = (
  status: number,
  type: string,
  message: string,
  { retryAfter, ...options }: WaitOptions = {}
): Answer =>
  json(status, envelope({ type, message: options.message ?? message, errorCode: options.errorCode }, requestId), {
    ...(retryAfter === undefined
      ? undefined
      : { "retry-after": String(Duration.toSeconds(Duration.fromInputUnsafe(retryAfter))) }),
    ...options.headers
  })

const serverErrorTypes: Readonly<Record<number, string>> = { 409: "conflict_error", 504: "timeout_error" }

/**
 * Every documented failure, by the name of the error that the client turns it into.
 */
export const error = {
  /** 404. */
  fileNotFound: (options?: ErrorOptions) => failure(404, "not_found_error", "File not found", options),
  /** 404 with a code. */
  fileExpired: (options?: ErrorOptions) =>
    failure(404, "not_found_error", "The file has expired", { errorCode: "file_expired", ...options }),
  /** 400 with a code. */
  fileNotDownloadable: (options?: ErrorOptions) =>
    failure(400, "invalid_request_error", "The file is not downloadable", {
      errorCode: "file_not_downloadable",
      ...options
    }),
  /** 400 to a message: a block that does not take the file's type. */
  invalidFileType: (options?: ErrorOptions) =>
    failure(400, "invalid_request_error", "Unsupported file type for a document block: image/png", options),
  /** 413. */
  fileTooLarge: (options?: ErrorOptions) =>
    failure(413, "request_too_large", "Request exceeds the maximum size", options),
  /** 400 with a code. In the beta dialect it is a 403: `permissionDenied({ message: "… storage limit" })`. */
  storageLimitExceeded: (options?: ErrorOptions) =>
    failure(400, "invalid_request_error", "Your organization has reached its file storage limit", {
      errorCode: "storage_quota_exceeded",
      ...options
    }),
  /** 429. */
  rateLimited: (options?: WaitOptions) =>
    failure(429, "rate_limit_error", "This request would exceed your rate limit", options),
  /** 400 to a message. */
  contextWindowExceeded: (options?: ErrorOptions) =>
    failure(400, "invalid_request_error", "prompt is too long", options),
  /** A body that breaks off after `afterBytes`, though its whole length was announced. */
  transferInterrupted: (body: string | Uint8Array, afterBytes: number): Answer => {
    const bytes = Predicate.isString(body) ? encoder.encode(body) : body
    return (_, request) =>
      Effect.succeed(respond(request, {
        status: 200,
        headers: {
          "content-type": "application/octet-stream",
          "content-length": String(bytes.length),
          "request-id": requestId
        },
        body: cut(Stream.succeed(bytes), afterBytes, Stream.fail(connectionReset("The mock broke the connection")))
      }))
  },
  /** 401. */
  unauthorized: (options?: ErrorOptions) => failure(401, "authentication_error", "invalid x-api-key", options),
  /** 403. */
  permissionDenied: (options?: ErrorOptions) =>
    failure(403, "permission_error", "Your API key may not use this resource", options),
  /** 402. A spend cap is a 429: `rateLimited({ errorCode: "enforced_spend_limit_reached" })`. */
  billingBlocked: (options?: ErrorOptions) => failure(402, "billing_error", "Your credit balance is too low", options),
  /** 400. */
  invalidRequest: (options?: ErrorOptions) => failure(400, "invalid_request_error", "The request is invalid", options),
  /** 529. */
  overloaded: (options?: WaitOptions) => failure(529, "overloaded_error", "Overloaded", options),
  /** 500, or another of 408, 409 and 5xx. */
  serverFailed: ({ status = 500, ...options }: WaitOptions & { readonly status?: number | undefined } = {}) =>
    failure(status, serverErrorTypes[status] ?? "api_error", "Internal server error", options),
  /** No answer: the connection breaks, or with a `code` such as `ECONNREFUSED` it is never made. */
  unreachable: broken,
  /** No answer in time, as `Policy.timeout` reports it. */
  timedOut: (): Answer => (_, request) =>
    Effect.fail(transportError(request, new Cause.TimeoutError("The mock gave no answer in time."))),
  /** A gateway's page where the API's JSON should be. */
  unexpectedResponse: (status = 200): Answer =>
    raw(status, "<!doctype html><html><body><h1>Gateway</h1></body></html>", { "content-type": "text/html" })
} as const
