/**
 * The one place where an answer, or the lack of one, becomes an error. By `error_code`, then status, then `type`;
 * never by a message's words alone.
 */
import * as Duration from "effect/Duration"
import type * as Headers from "effect/http/Headers"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as Predicate from "effect/Predicate"
import {
  type BatchError,
  BillingBlocked,
  CircuitOpen,
  ContextWindowExceeded,
  type ErrorOf,
  FileExpired,
  FileNotDownloadable,
  FileNotFound,
  type FilesError,
  FileTooLarge,
  InvalidFileType,
  InvalidRequest,
  type MessageError,
  type Operation,
  Overloaded,
  PermissionDenied,
  RateLimited,
  type Reason,
  RequestFailed,
  ServerFailed,
  StorageLimitExceeded,
  TimedOut,
  TransferInterrupted,
  Unauthorized,
  UnexpectedResponse,
  Unreachable
} from "../../FilesError.ts"
import { excerpt, printable } from "../text.ts"
import type { Dialect } from "../wire/constants.ts"
import { retryAfter } from "../wire/retryAfter.ts"
import { isRetryable, isSpendCap } from "./retryable.ts"

/**
 * What an operation was about, for the error's fields and its sentence.
 */
export interface Subject {
  readonly operation: Operation
  readonly dialect: Dialect
  readonly baseUrl: string
  /** Replaces what must not be shown, should a server echo it. */
  readonly scrub: (text: string) => string
  readonly fileId?: string
  readonly filename?: string
  /** The files that a message refers to, and its model; looked up only for an error. */
  readonly fileIds?: (() => ReadonlyArray<string>) | undefined
  readonly model?: string | undefined
  readonly batchId?: string
  /** Bytes of the file. */
  readonly size?: number | undefined
  readonly maxFileBytes: number
  /** Requests that were made for the operation, where it was more than one. */
  readonly tries?: number
}

interface Envelope {
  readonly type: string | undefined
  readonly message: string | undefined
  readonly errorCode: string | undefined
  readonly requestId: string | undefined
}

const string = (value: unknown): string | undefined => Predicate.isString(value) && value !== "" ? value : undefined

const field = (value: unknown, name: string): unknown => Predicate.hasProperty(value, name) ? value[name] : undefined

/**
 * Reads the error envelope out of whatever came: a body that is none of the API's gives an empty one.
 */
export const readEnvelope = (json: unknown): Envelope => {
  const error = field(json, "error")
  return {
    type: string(field(error, "type")),
    message: string(field(error, "message")),
    errorCode: string(field(field(error, "details"), "error_code")),
    requestId: string(field(json, "request_id"))
  }
}

const optional = <K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } =>
  value === undefined ? {} : { [key]: value } as { readonly [P in K]: V }

const bytesOf = (bytes: number): string => `${bytes} bytes`

const megabytes = (bytes: number): string =>
  bytes >= 1_000_000 ? `${Number((bytes / 1_000_000).toFixed(1))} MB` : bytesOf(bytes)

const changing: ReadonlySet<Operation> = new Set(["upload", "delete", "createBatch", "cancelBatch", "deleteBatch"])

/** Whether a request of this operation can change what is stored. */
export const changes = (operation: Operation): boolean => changing.has(operation)

/** Whether doing it again would store a second one. */
const adds = (operation: Operation): boolean => operation === "upload" || operation === "createBatch"

/** Whether the operation sends a message, with the files that it refers to. */
const asks = (operation: Operation): boolean => operation === "createMessage" || operation === "streamMessage"

/** The file that an answer is about: the operation's own, the one that a message's error names, or the only one. */
const fileOf = (subject: Subject, said: string): string | undefined => {
  if (subject.fileId !== undefined) return subject.fileId
  const ids = subject.fileIds?.() ?? []
  const [named] = ids.filter((id) => said.includes(id)).sort((a, b) => b.length - a.length)
  return named ?? (ids.length === 1 ? ids[0] : undefined)
}

/** The service's id for the request, as it may be shown. */
export const requestIdOf = (subject: Subject, headers: Headers.Headers): string | undefined => {
  const id = string(headers["request-id"])
  return id === undefined ? undefined : excerpt(subject.scrub(id))
}

export const requestFailed = (operation: Operation, reason: Reason): RequestFailed =>
  new RequestFailed({ operation, reason })

/**
 * A request that is refused before it is sent.
 */
export const invalidRequest = (operation: Operation, option: string, message: string): RequestFailed =>
  requestFailed(operation, new InvalidRequest({ message, option, isRetryable: false, isOutcomeUnknown: false }))

export const fileTooLarge = (filename: string, size: number | undefined, limit: number): FileTooLarge => {
  // Rounded, a size just over the limit would read like the limit.
  const words = size !== undefined && megabytes(size) === megabytes(limit) ? bytesOf : megabytes
  return new FileTooLarge({
    operation: "upload",
    message: `${printable(filename)} ${size === undefined ? "is larger than" : `has ${words(size)}, more than`} the ${
      words(limit)
    } that one file may have: split or compress it.`,
    ...optional("size", size),
    limit,
    isRetryable: false,
    isOutcomeUnknown: false
  })
}

/**
 * An answer that is not a success.
 */
export const fromResponse = (subject: Subject, response: {
  readonly status: number
  readonly headers: Headers.Headers
  readonly body: string
  readonly json: unknown
  /** Epoch milliseconds. */
  readonly now: number
}): FilesError => {
  const { headers, status } = response
  const envelope = readEnvelope(response.json)
  const { errorCode } = envelope
  const requestId = string(headers["request-id"]) ?? envelope.requestId
  const said = excerpt(subject.scrub(envelope.message ?? response.body))
  const says = said === "" ? "" : ` The service says: ${said}`
  const wait = retryAfter(headers, response.now)
  const about = (sentence: string) => ({
    message: `${sentence}${says}`,
    status,
    ...optional("requestId", requestId === undefined ? undefined : excerpt(subject.scrub(requestId))),
    ...optional("errorCode", errorCode === undefined ? undefined : excerpt(subject.scrub(errorCode))),
    isRetryable: isRetryable(status, headers, errorCode),
    isOutcomeUnknown: changes(subject.operation) && status >= 500 && status !== 529
  })
  const { operation } = subject
  const flat = (sentence: string) => ({ operation, ...about(sentence) })
  const failed = (reason: Reason) => requestFailed(operation, reason)
  const fileId = fileOf(subject, envelope.message ?? "")
  const id = optional("fileId", fileId)
  const file = fileId ?? (asks(operation) ? "a file of the message" : "the file")

  switch (errorCode) {
    case "file_not_downloadable":
      return new FileNotDownloadable({
        ...flat(`${file} was uploaded, and only files that a tool or skill made can be downloaded.`),
        ...id
      })
    case "file_expired":
      return operation === "metadata" || operation === "delete"
        ? new FileNotFound({ ...flat(`${file} has expired and is gone.`), ...id })
        : new FileExpired({ ...flat(`${file} has expired: upload it again.`), ...id })
    case "storage_quota_exceeded":
      return new StorageLimitExceeded(flat("The organization's file storage is full: delete files first."))
    case "organization_on_hold":
      return failed(new BillingBlocked(about("The organization is on hold.")))
    case "claude_code_key_creator_not_member":
      return failed(new PermissionDenied(about("The key's creator is no member of the organization any more.")))
    case "cmek_key_disabled":
    case "cmek_key_network_blocked":
      return failed(new PermissionDenied(about("The organization's encryption key can't be used.")))
    case "request_body_timeout":
      return failed(new TimedOut(about("The service waited too long for the request's body; nothing was done.")))
  }
  if (isSpendCap(errorCode)) {
    return failed(new BillingBlocked(about("A spend limit has been reached: raise it, or wait for the next period.")))
  }
  switch (status) {
    case 400: {
      if (!asks(operation)) break
      // Neither has a code: status, operation and wording together tell them.
      const words = envelope.message ?? ""
      if (/prompt is too long|context (window|length|limit)/i.test(words)) {
        return new ContextWindowExceeded(
          flat(
            "The message, its files included, does not fit the model's context window: send less, or split the file."
          )
        )
      }
      if (
        subject.fileIds?.().length
        && /unsupported .*(file|document|image)|(file|mime|media|content)[ _-]?type/i.test(words)
      ) {
        return new InvalidFileType({
          ...flat(`${file} is not of a type that its block takes: ContentBlock.forFile picks the block.`),
          ...id,
          ...optional("mimeType", /\b(application|audio|image|text|video)\/[\w.+-]*\w/.exec(words)?.[0])
        })
      }
      break
    }
    case 401:
      return failed(new Unauthorized(about("The service refused the key: check ANTHROPIC_API_KEY.")))
    case 402:
      return failed(new BillingBlocked(about("The organization has no credit left.")))
    case 403:
      // The beta dialect has no code for a full storage: status, dialect, operation and wording together tell it.
      return operation === "upload" && subject.dialect === "beta" && /storage|quota/i.test(envelope.message ?? "")
        ? new StorageLimitExceeded(flat("The organization's file storage is full: delete files first."))
        : failed(new PermissionDenied(about("The key may not do this.")))
    case 404:
      if (asks(operation)) {
        const words = envelope.message ?? ""
        const ids = subject.fileIds?.() ?? []
        return ids.some((one) => words.includes(one))
            || (ids.length > 0 && envelope.type === "not_found_error"
              && (subject.model === undefined || !words.includes(subject.model)))
          ? new FileNotFound({ ...flat(`There is no ${fileId ?? "such file"} in this workspace.`), ...id })
          : failed(
            new InvalidRequest(about("The message names something that does not exist: check model and base URL."))
          )
      }
      if (subject.batchId !== undefined) {
        return failed(new InvalidRequest(about(`There is no ${subject.batchId} in this workspace.`)))
      }
      return subject.fileId === undefined
        ? failed(new InvalidRequest(about(`There is no Files API at ${subject.baseUrl}: check the base URL.`)))
        : new FileNotFound({ ...flat(`There is no ${subject.fileId} in this workspace.`), ...id })
    case 408:
    case 409:
      return failed(
        new ServerFailed({
          ...about(`The service answered ${status} and may succeed if asked again.`),
          ...optional("retryAfter", wait)
        })
      )
    case 413:
      return operation === "upload"
        ? new FileTooLarge({
          ...flat(`${printable(subject.filename ?? "The file")} is larger than the service takes.`),
          ...optional("size", subject.size),
          limit: subject.maxFileBytes
        })
        : failed(new InvalidRequest(about("The request is larger than the service takes.")))
    case 429:
      return new RateLimited({
        ...flat(
          `Too many requests${
            wait === undefined || Duration.isZero(wait) ? "" : `, wait ${Duration.format(wait)} before the next`
          }.`
        ),
        ...optional("retryAfter", wait)
      })
    case 529:
      return failed(new Overloaded({ ...about("The service is overloaded."), ...optional("retryAfter", wait) }))
  }
  if (status >= 500) {
    return failed(new ServerFailed({ ...about(`The service failed with ${status}.`), ...optional("retryAfter", wait) }))
  }
  if (status >= 400) return failed(new InvalidRequest(about(`The service refused the request with ${status}.`)))
  return failed(
    new UnexpectedResponse({
      ...about(
        status === 0 || status >= 300
          ? `${subject.baseUrl} redirects elsewhere, and a key is never sent to another address: correct the base URL.`
          : `The service answered ${status}, which this operation does not know.`
      ),
      isOutcomeUnknown: changes(operation) && status < 300 && status > 0
    })
  )
}

const statusOfType: ReadonlyMap<string | undefined, number> = new Map([
  ["invalid_request_error", 400],
  ["authentication_error", 401],
  ["billing_error", 402],
  ["permission_error", 403],
  ["not_found_error", 404],
  ["request_too_large", 413],
  ["rate_limit_error", 429],
  ["timeout_error", 504],
  ["overloaded_error", 529]
])

/**
 * An error envelope that came where the status had already been sent: it means what it would mean with the status of
 * its type, and carries that one.
 */
export const fromEnvelope = (subject: Subject, headers: Headers.Headers, json: unknown): FilesError =>
  fromResponse(subject, {
    status: statusOfType.get(readEnvelope(json).type) ?? 500,
    headers,
    body: "",
    json,
    now: 0
  })

/**
 * An answer with a success status that is not what the API documents.
 */
export const unexpected = (
  subject: Subject,
  response: {
    readonly status: number
    readonly headers: Headers.Headers
  },
  what: string,
  body: string,
  options?: { readonly isOutcomeUnknown?: boolean; readonly isRetryable?: boolean }
): RequestFailed => {
  const shown = excerpt(subject.scrub(body))
  return requestFailed(
    subject.operation,
    new UnexpectedResponse({
      message: shown === "" ? what : `${what} It begins: ${shown}`,
      status: response.status,
      ...optional("requestId", requestIdOf(subject, response.headers)),
      // Asking again changes nothing that is stored, except where a file would be stored twice.
      isRetryable: options?.isRetryable ?? !adds(subject.operation),
      isOutcomeUnknown: options?.isOutcomeUnknown ?? changes(subject.operation)
    })
  )
}

export const timedOut = (subject: Subject, message: string, options: {
  readonly status?: number | undefined
  readonly isOutcomeUnknown: boolean
}): RequestFailed =>
  requestFailed(
    subject.operation,
    new TimedOut({
      message,
      ...optional("status", options.status),
      isRetryable: true,
      isOutcomeUnknown: options.isOutcomeUnknown
    })
  )

/** Failures of a connection that was never made: no byte of the request went out. */
const neverConnected: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  "UND_ERR_CONNECT_TIMEOUT"
])

/** What is wrong with a certificate comes up before a byte of the request goes out, and will come up again. */
const certificate = /^(CERT_|ERR_TLS_CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH$)/

/** Whether a connection's failure code means that not a byte of the request went out. */
export const isUnsent = (code: string | undefined): boolean =>
  code !== undefined && (neverConnected.has(code) || certificate.test(code))

/** Whether a connection's failure code will come again: a certificate does not get better. */
export const isPermanent = (code: string | undefined): boolean => code !== undefined && certificate.test(code)

/** The first `code` along the chain of causes, as Node, undici and Bun give one. */
export const codeOf = (cause: unknown): string | undefined => {
  let current = cause
  for (let depth = 0; depth < 5 && Predicate.isObject(current); depth++) {
    const code = string(field(current, "code"))
    if (code !== undefined) return code
    current = field(current, "cause")
  }
  return undefined
}

const describe = (cause: unknown): string => {
  let current = cause
  let message = ""
  for (let depth = 0; depth < 5 && Predicate.isObject(current); depth++) {
    message = string(field(current, "message")) ?? message
    current = field(current, "cause")
  }
  return message
}

/** A cause that repeats a secret is replaced by what can be said of it. */
const scrubbed = (subject: Subject, cause: unknown): unknown => {
  let current = cause
  for (let depth = 0; depth < 5 && Predicate.isObject(current); depth++) {
    const shown = [field(current, "message"), field(current, "stack"), ...Object.values(current)]
      .filter(Predicate.isString)
    if (shown.some((text) => subject.scrub(text) !== text)) {
      const code = codeOf(cause)
      const safe = new Error(excerpt(subject.scrub(describe(cause))))
      return code === undefined ? safe : Object.assign(safe, { code })
    }
    current = field(current, "cause")
  }
  return Predicate.isString(current) ? subject.scrub(current) : cause
}

/** How far an upload's body had come. */
export interface Sent {
  readonly bytes: number
  readonly total: number | undefined
  /** All of it was handed to the transport. */
  readonly complete: boolean
}

/**
 * A policy of this package, or one of effect's own, ended the request. Recognised by tag: naming their modules here
 * would load them for everyone.
 */
const fromPolicy = (subject: Subject, cause: unknown, description: string | undefined): FilesError | undefined => {
  const { operation } = subject
  const reason = field(cause, "reason")
  const wait = field(reason, "retryAfter")
  const retryAfter = optional("retryAfter", Duration.isDuration(wait) ? wait : undefined)
  const later = Duration.isDuration(wait) ? `, ask again in ${Duration.format(wait)}` : ""
  if (Predicate.isTagged(cause, "CircuitBreakerError") && !Predicate.isTagged(reason, "CircuitBreakerStoreError")) {
    return requestFailed(
      operation,
      new CircuitOpen({
        message: `Too many requests to ${subject.baseUrl} failed of late, so this one was not sent${later}.`,
        isRetryable: true,
        isOutcomeUnknown: false,
        ...retryAfter
      })
    )
  }
  if (Predicate.isTagged(cause, "RateLimiterError") && Predicate.isTagged(reason, "RateLimitExceeded")) {
    return new RateLimited({
      operation,
      message: description === undefined
        ? `This client's own rate limit is used up for longer than it may wait, so nothing was sent${later}.`
        : `The service asked to wait (${description}) for longer than this request may, so nothing was sent${later}.`,
      isRetryable: true,
      isOutcomeUnknown: false,
      ...retryAfter
    })
  }
  if (Predicate.isTagged(cause, "ConnectTimeoutError") && cause instanceof Error) {
    return timedOut(subject, `${subject.baseUrl}: ${cause.message}`, { isOutcomeUnknown: false })
  }
  return Predicate.isTagged(cause, "TimeoutError") && cause instanceof Error
    ? timedOut(subject, cause.message, { isOutcomeUnknown: changes(operation) })
    : undefined
}

/**
 * No answer came.
 */
export const fromTransport = (
  subject: Subject,
  error: HttpClientError.HttpClientError,
  sent: Sent | undefined
): FilesError => {
  const { operation } = subject
  const cause = "cause" in error.reason ? error.reason.cause : undefined
  if (isFilesError(cause)) return cause
  const refused = fromPolicy(subject, cause, "description" in error.reason ? error.reason.description : undefined)
  if (refused !== undefined) return refused
  if (error.reason._tag === "InvalidUrlError") {
    return invalidRequest(operation, "baseUrl", `${subject.baseUrl} is no base URL.`)
  }
  const code = codeOf(cause)
  const detail = excerpt(
    subject.scrub(describe(cause) || ("description" in error.reason ? error.reason.description ?? "" : ""))
  )
  const why = detail === ""
    ? code ?? error.reason._tag
    : code === undefined || detail.includes(code)
    ? detail
    : `${code}, ${detail}`
  const unsent = isUnsent(code)
  const details = {
    isRetryable: !isPermanent(code),
    ...(cause === undefined ? undefined : { cause: scrubbed(subject, cause) })
  }
  if (sent !== undefined && !sent.complete && !unsent) {
    return new TransferInterrupted({
      operation,
      reason: "Reset",
      message: `The connection broke while ${
        printable(subject.filename ?? "the file")
      } was sent, after ${sent.bytes} of ${sent.total ?? "an unknown number of"} bytes; nothing was stored (${why}).`,
      transferred: sent.bytes,
      ...optional("expected", sent.total),
      isOutcomeUnknown: false,
      ...details
    })
  }
  const isOutcomeUnknown = changes(operation) && !unsent
  return requestFailed(
    operation,
    new Unreachable({
      message: unsent
        ? `${subject.baseUrl} can't be reached (${why}).`
        : `The connection to ${subject.baseUrl} broke before an answer came (${why})${
          isOutcomeUnknown ? "; the service may have done what was asked" : ""
        }.`,
      isOutcomeUnknown,
      ...details
    })
  )
}

export const isFilesError = (u: unknown): u is FilesError =>
  Predicate.hasProperty(u, "_tag") && Predicate.hasProperty(u, "isOutcomeUnknown") && u instanceof Error

const messageTags: ReadonlySet<MessageError["_tag"]> = new Set([
  "FileNotFound",
  "FileExpired",
  "InvalidFileType",
  "ContextWindowExceeded",
  "RateLimited",
  "RequestFailed"
])

const batchTags: ReadonlySet<BatchError["_tag"]> = new Set(["RateLimited", "RequestFailed"])

const raised: { readonly [O in Operation]: ReadonlySet<ErrorOf[O]["_tag"]> } = {
  upload: new Set([
    "InvalidFilename",
    "InvalidFileType",
    "FileTooLarge",
    "SourceFailed",
    "StorageLimitExceeded",
    "RateLimited",
    "TransferInterrupted",
    "RequestFailed"
  ]),
  list: new Set(["RateLimited", "RequestFailed"]),
  metadata: new Set(["FileNotFound", "RateLimited", "RequestFailed"]),
  download: new Set([
    "FileNotFound",
    "FileExpired",
    "FileNotDownloadable",
    "RateLimited",
    "TransferInterrupted",
    "RequestFailed"
  ]),
  delete: new Set(["FileNotFound", "RateLimited", "RequestFailed"]),
  contentBlock: new Set(["InvalidFileType", "FileExpired"]),
  createMessage: messageTags,
  streamMessage: new Set([...messageTags, "TransferInterrupted"] as const),
  createBatch: new Set(["FileExpired", "RateLimited", "RequestFailed"]),
  getBatch: batchTags,
  listBatches: batchTags,
  cancelBatch: batchTags,
  deleteBatch: batchTags,
  batchResults: new Set(["RateLimited", "TransferInterrupted", "RequestFailed"])
}

const isErrorOf = <O extends Operation>(operation: O, error: FilesError): error is ErrorOf[O] & FilesError => {
  const tags: ReadonlySet<string> = raised[operation]
  return tags.has(error._tag)
}

/**
 * Keeps an operation's error within its union: an answer that the API does not document for it is a refused request.
 */
export const narrow = <O extends Operation>(operation: O) => (error: FilesError): ErrorOf[O] | RequestFailed => {
  if (isErrorOf(operation, error)) return error
  return requestFailed(
    operation,
    new InvalidRequest({
      message: error.message,
      ...optional("status", error.status),
      ...optional("requestId", error.requestId),
      ...optional("errorCode", error.errorCode),
      isRetryable: error.isRetryable,
      isOutcomeUnknown: error.isOutcomeUnknown
    })
  )
}
