/**
 * The one place where an answer, or the lack of one, becomes an error. By `error_code`, then status, then `type`;
 * never by a message's words alone.
 */
import * as Duration from "effect/Duration"
import type * as Headers from "effect/http/Headers"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
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
import { excerpt, isBinary, printable } from "../text.ts"
import type { Dialect } from "../wire/constants.ts"
import { retryAfter } from "../wire/retryAfter.ts"
import { evidenceOf, explain, wordsOf } from "./evidence.ts"
import { isRetryable } from "./retryable.ts"
import { scrubCause, scrubJson } from "./scrub.ts"

/**
 * What an operation was about, for the error's fields and its sentence.
 */
export interface Subject {
  /** What the request was authorized with, as it stands in a sentence, and what to do when it is refused. */
  readonly credentials?: { readonly source: string; readonly advice: string | undefined } | undefined
  readonly operation: Operation
  readonly dialect: Dialect
  readonly baseUrl: string
  /** Replaces what must not be shown, should a server echo it. */
  readonly scrub: (text: string) => string
  readonly fileId?: string | undefined
  readonly filename?: string | undefined
  /** The files that a message refers to, and its model; looked up only for an error. */
  readonly fileIds?: (() => ReadonlyArray<string>) | undefined
  readonly model?: string | undefined
  readonly batchId?: string | undefined
  /** Where the page of a listing begins. */
  readonly cursor?: string | undefined
  /** Bytes of the file. */
  readonly size?: number | undefined
  readonly maxFileBytes: number
  /** Whether the whole body has been handed over; before that an upload can't have been stored. */
  readonly isSent?: (() => boolean) | undefined
  /** Requests made so far, this one included. */
  readonly tries?: number | undefined
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
 * Reads the error envelope out of whatever came. A body that is not the API's gives an empty one.
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

/** Whether a body that is not JSON may be the beginning of one. */
const isCutJson = (body: string): boolean => /^\s*(\{|$)/.test(body)

/** Where JSON says in words what is wrong, the wordiest first: the API's, frameworks', gateways' and OAuth's. */
const wordyFields = [
  "message",
  "Message",
  "msg",
  "error_description",
  "detail",
  "description",
  "error",
  "errors",
  "title",
  "reason"
]

/** What JSON says in words. An object without any says nothing that a reader could use. */
const saidIn = (json: unknown, depth: number): string | undefined => {
  if (!Predicate.isObjectOrArray(json) || depth === 0) return string(json)
  const parts = Array.isArray(json) ? json.slice(0, 1) : wordyFields.map((name) => field(json, name))
  for (const part of parts) {
    const said = saidIn(part, depth - 1)
    if (said !== undefined) return said
  }
  return undefined
}

/** What a body says in words, the API's or that of a gateway, whose JSON has other fields. */
const wordsIn = (json: unknown, body: string): string => {
  if (json === undefined) return isBinary(body) || isCutJson(body) ? "" : body
  return string(field(field(json, "error"), "message")) ?? saidIn(json, 4) ?? ""
}

/** A service's details beyond the code, as far as an error may carry them. */
const detailsIn = (subject: Subject, json: unknown): Readonly<Record<string, Schema.Json>> | undefined => {
  const details = scrubJson(field(field(json, "error"), "details"), subject.scrub)
  if (details === undefined) return undefined
  const kept = Object.entries(details).filter(([name]) => name !== "error_code" && name !== "__proto__")
  return kept.length === 0 ? undefined : Object.fromEntries(kept)
}

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

/** Whether words name an id, and not a longer one that begins like it. */
const names = (words: string, id: string): boolean => {
  for (let at = words.indexOf(id); at >= 0; at = words.indexOf(id, at + 1)) {
    if (!/[\w-]/.test(words.charAt(at - 1)) && !/[\w-]/.test(words.charAt(at + id.length))) return true
  }
  return false
}

/** The file that an answer is about: the operation's own, the one that a message's error names, or the only one. */
const fileOf = (subject: Subject, said: string): string | undefined => {
  if (subject.fileId !== undefined) return subject.fileId
  const ids = subject.fileIds?.() ?? []
  return ids.find((id) => names(said, id)) ?? (ids.length === 1 ? ids[0] : undefined)
}

/** Foreign text as a part of a sentence: short, on one line, without secrets. */
export const quote = (subject: Pick<Subject, "scrub">, text: string): string => excerpt(subject.scrub(text))

/** The service's id for the request, as it may be shown. */
export const requestIdOf = (subject: Subject, headers: Headers.Headers): string | undefined => {
  const id = string(headers["request-id"])
  return id === undefined ? undefined : quote(subject, id)
}

/** What the operation was doing, as the subject of a sentence. */
export const doing = (subject: Subject): string => {
  const file = subject.fileId === undefined ? "a file" : printable(subject.fileId)
  const batch = subject.batchId === undefined ? "a batch" : printable(subject.batchId)
  switch (subject.operation) {
    case "upload":
      return `Uploading ${printable(subject.filename ?? "a file")}`
    case "list":
      return "Listing files"
    case "metadata":
      return `Looking up ${file}`
    case "download":
      return `Downloading ${file}`
    case "delete":
      return `Deleting ${file}`
    case "contentBlock":
      return "Making a content block"
    case "createMessage":
      return "Creating a message"
    case "streamMessage":
      return "Streaming a message"
    case "createBatch":
      return "Creating a batch"
    case "getBatch":
      return `Looking up ${batch}`
    case "listBatches":
      return "Listing batches"
    case "cancelBatch":
      return `Cancelling ${batch}`
    case "deleteBatch":
      return `Deleting ${batch}`
    case "batchResults":
      return `Reading the results of ${batch}`
  }
}

/** What the service may have done although the request failed, and what to do then. */
export const mayHaveDone = (subject: Subject): string => {
  switch (subject.operation) {
    case "upload":
      return `${
        printable(subject.filename ?? "The file")
      } may have been stored: look for it before you upload it again.`
    case "createBatch":
      return "The batch may have been created: look for it before you create another."
    case "delete":
      return `${printable(subject.fileId ?? "The file")} may have been deleted.`
    case "cancelBatch":
      return `${printable(subject.batchId ?? "The batch")} may have been cancelled.`
    case "deleteBatch":
      return `${printable(subject.batchId ?? "The batch")} may have been deleted.`
    default:
      return ""
  }
}

/** Nothing was done, for the operations where that matters. */
const nothingDone = (operation: Operation): string => {
  if (operation === "upload") return "Nothing was stored."
  return operation === "createBatch" ? "No batch was created." : ""
}

/** A cursor that the service may not know any more, and what to do then. */
const lostCursor = (subject: Subject): string =>
  subject.cursor === undefined
    ? ""
    : `Its page was to begin at the cursor ${
      quote(subject, subject.cursor)
    }: if that is gone, list again from the start.`

/** Whether what was asked may have been done, in words. */
export const outcomeOf = (subject: Subject, isOutcomeUnknown: boolean): string =>
  isOutcomeUnknown ? mayHaveDone(subject) : nothingDone(subject.operation)

/** Sentences, one after the other; those without words are left out. */
const sentences = (...parts: ReadonlyArray<string | undefined>): string =>
  parts.filter((part) => part !== undefined && part !== "").join(" ")

const wait = (delay: Duration.Duration | undefined): string | undefined =>
  delay === undefined || Duration.isZero(delay) ? undefined : `Wait ${Duration.format(delay)} before the next request.`

export const requestFailed = (operation: Operation, reason: Reason): RequestFailed =>
  new RequestFailed({ operation, reason })

/**
 * A request that is refused before it is sent.
 */
export const invalidRequest = (operation: Operation, option: string, message: string): RequestFailed =>
  requestFailed(operation, new InvalidRequest({ message, option }))

export const fileTooLarge = (filename: string, size: number | undefined, limit: number): FileTooLarge => {
  // Rounded, a size just over the limit would read like the limit.
  const words = size !== undefined && megabytes(size) === megabytes(limit) ? bytesOf : megabytes
  return new FileTooLarge({
    operation: "upload",
    message: `${printable(filename)} ${size === undefined ? "is larger than" : `has ${words(size)}, more than`} the ${
      words(limit)
    } that one file may have: split or compress it.`,
    size,
    limit
  })
}

const tried = /^After \d+ tries: /

/** How often an operation was tried, as the beginning of its sentence. */
const withTries = (message: string, tries: number | undefined): string =>
  tries === undefined || tries < 2 ? message : `After ${tries} tries: ${message.replace(tried, "")}`

interface Finish {
  readonly scrub: (text: string) => string
  readonly tries?: number | undefined
}

const finishField = (name: string, value: unknown, scrub: Finish["scrub"]): unknown => {
  if (name === "cause") return scrubCause(value, scrub)
  if (name === "details") return scrubJson(value, scrub)
  return Predicate.isString(value) ? scrub(value) : value
}

const finishOne = <E extends Exclude<FilesError, RequestFailed> | Reason>(error: E, { scrub, tries }: Finish): E => {
  const before = Object.entries({
    ...error,
    message: error.message,
    ...("cause" in error && error.cause !== undefined ? { cause: error.cause } : undefined)
  })
  const after = before
    .map(([name, value]): [string, unknown] => [name, finishField(name, value, scrub)])
    // What is not known is not printed either.
    .filter(([, value]) => value !== undefined)
  const isCounted = tries !== undefined && tries > 1 && error.tries !== tries
  const isSame = before.length === after.length && after.every(([name, value], at) => {
    const known = before[at]
    return known !== undefined && (known[1] === value || name === "details")
  })
  if (isSame && !isCounted) return error
  const fields = Object.fromEntries(after)
  const make = error.constructor as new(fields: object) => E
  return new make(
    isCounted ? { ...fields, message: withTries(String(fields["message"]), tries), tries } : fields
  )
}

/**
 * The last thing that is done to an error before anyone sees it: no field, message or cause holds a secret, and with
 * `tries` it says how often the operation was tried. Doing it twice changes nothing.
 */
export const finish = <E extends FilesError>(error: E, options: Finish): E => {
  if (error._tag !== "RequestFailed") return finishOne<Exclude<FilesError, RequestFailed>>(error, options) as E
  const reason = finishOne<Reason>(error.reason, options)
  return reason === error.reason ? error : requestFailed(error.operation, reason) as E
}

/** What to do after a 401. A credential that is renewed knows better than anyone else. */
const refusedCredential = ({ baseUrl, credentials }: Subject): string =>
  credentials?.advice === undefined
    ? `the service refused ${
      credentials?.source ?? "the key or token"
    }. Check that it is valid, and that it belongs to ${baseUrl}.`
    : `the service refused ${credentials.source}: ${credentials.advice}.`

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
}): FilesError => finish(classify(subject, response), subject)

const reasonPhrases: ReadonlyMap<number, string> = new Map([
  [404, "not found"],
  [405, "method not allowed"],
  [406, "not acceptable"],
  [410, "gone"],
  [411, "length required"],
  [412, "precondition failed"],
  [414, "URI too long"],
  [415, "unsupported media type"],
  [416, "range not satisfiable"],
  [417, "expectation failed"],
  [418, "I'm a teapot"],
  [421, "misdirected request"],
  [422, "unprocessable content"],
  [423, "locked"],
  [424, "failed dependency"],
  [425, "too early"],
  [426, "upgrade required"],
  [428, "precondition required"],
  [431, "header fields too large"],
  [451, "unavailable for legal reasons"]
])

const phraseOf = (status: number): string => {
  const phrase = reasonPhrases.get(status)
  return phrase === undefined ? String(status) : `${status}, ${phrase}`
}

/** Statuses behind which the service may have done what was asked: it failed, or gave up waiting for itself. */
const leavesOutcomeOpen = (status: number): boolean =>
  (status >= 500 && status !== 529) || status === 408 || status === 409

const storageFull = "The organization's file storage is full: delete files first."

/** What every error of an answer carries. */
interface Facts {
  readonly message: string
  readonly status: number
  readonly requestId: string | undefined
  readonly errorType: string | undefined
  readonly errorCode: string | undefined
  readonly details: Readonly<Record<string, Schema.Json>> | undefined
  readonly isRetryable: boolean
  readonly isOutcomeUnknown: boolean
}

/** The code of what the service has been seen to say in words alone. */
const codeOfWords = (words: string): string | undefined => {
  if (/you have reached your specified [\w ]*usage limits?/i.test(words)) return "enforced_spend_limit_reached"
  return /organization has been disabled/i.test(words) ? "organization_on_hold" : undefined
}

const classify = (subject: Subject, response: Parameters<typeof fromResponse>[1]): FilesError => {
  const { headers, json, status } = response
  const { operation } = subject
  const envelope = readEnvelope(json)
  const { errorCode } = envelope
  const words = envelope.message ?? ""
  const meaning = errorCode ?? codeOfWords(words)
  const said = quote(subject, wordsIn(json, response.body))
  const delay = retryAfter(headers, response.now)
  const details = detailsIn(subject, json)
  const requestId = requestIdOf(subject, headers)
    ?? (envelope.requestId === undefined ? undefined : quote(subject, envelope.requestId))
  const isOutcomeUnknown = changes(operation) && leavesOutcomeOpen(status) && subject.isSent?.() !== false

  const about = (...parts: ReadonlyArray<string | undefined>): Facts => ({
    message: sentences(...parts, said === "" ? undefined : `The service says: ${said}`),
    status,
    requestId,
    errorType: envelope.type === undefined ? undefined : quote(subject, envelope.type),
    errorCode: errorCode === undefined ? undefined : quote(subject, errorCode),
    details,
    isRetryable: isRetryable(status, headers, meaning),
    isOutcomeUnknown
  })
  const flat = (...parts: ReadonlyArray<string | undefined>) => ({ operation, ...about(...parts) })
  const failed = (reason: Reason) => requestFailed(operation, reason)
  const failing = `${doing(subject)} failed`
  const fileId = fileOf(subject, words)
  const file = fileId ?? (asks(operation) ? "A file of the message" : "The file")

  const invalid = (...parts: ReadonlyArray<string>) => failed(new InvalidRequest(about(...parts)))
  const billing = (...parts: ReadonlyArray<string>) => failed(new BillingBlocked(about(...parts)))
  const denied = (...parts: ReadonlyArray<string>) => failed(new PermissionDenied(about(...parts)))
  const serverFailed = (what: string) =>
    failed(
      new ServerFailed({
        ...about(`${failing}: ${what}.`, outcomeOf(subject, isOutcomeUnknown), wait(delay)),
        retryAfter: delay
      })
    )
  const tooLarge = (what: string, limit?: number): FilesError =>
    operation === "upload"
      ? new FileTooLarge({
        ...flat(`${printable(subject.filename ?? "The file")} ${what}: split or compress it.`),
        size: subject.size,
        limit
      })
      : invalid(`${failing}: the request ${what}.`)

  switch (meaning) {
    case "file_not_downloadable":
      return new FileNotDownloadable({
        ...flat(`${file} was uploaded, and only files that a tool or skill made can be downloaded.`),
        fileId
      })
    case "file_expired":
      return operation === "metadata" || operation === "delete"
        ? new FileNotFound({ ...flat(`${file} has expired and is gone.`), fileId })
        : new FileExpired({ ...flat(`${file} has expired: upload it again.`), fileId })
    case "storage_quota_exceeded":
      return new StorageLimitExceeded(flat(storageFull))
    case "organization_on_hold":
      return billing(`${failing}: the organization is on hold. Its administrators know why.`)
    case "linked_organization_billing_unavailable":
      return billing(`${failing}: another organization pays for this one, and can't at the moment. Ask its owners.`)
    case "linked_organization_spend_limit_reached":
      return billing(`${failing}: the organization that pays for this one has reached its spend limit. Ask its owners.`)
    case "enforced_spend_limit_reached":
    case "contract_spend_limit_reached":
      return billing(`${failing}: a spend limit has been reached. Raise it, or wait for the next period.`)
    case "claude_code_key_creator_not_member":
      return denied(`${failing}: whoever made the key is not a member of the organization any more. Make a new key.`)
    case "cmek_key_disabled":
      return denied(`${failing}: the organization's encryption key is disabled. Enable it where it is managed.`)
    case "cmek_key_network_blocked":
      return denied(
        `${failing}: a network rule keeps the service from the organization's encryption key. Change it where the key is managed.`
      )
    case "cmek_context_unavailable":
    case "cmek_key_unreachable":
      return serverFailed("the organization's encryption key can't be reached at the moment")
    case "user_profile_billing_not_authorized":
      return denied(`${failing}: the user profile may not be billed for this.`)
    case "user_profile_required":
      return invalid(`${failing}: it needs a user profile. Give userProfileId.`)
    case "user_profile_not_found":
      return invalid(`${failing}: there is no such user profile. Check userProfileId.`)
    case "workspace_human_review_disabled":
      return denied(`${failing}: human review is disabled in this workspace, and this needs it. Enable it there.`)
    case "image_dimensions_too_large":
      return invalid(imageTooLarge(subject, failing, details))
    case "request_body_timeout":
      return failed(
        new TimedOut(about(`${failing}: the service waited too long for the request's body. Nothing was done.`))
      )
    case "request_body_encoding_invalid":
      return invalid(`${failing}: the service can't decode the request's body. Something on the way has changed it.`)
    case "request_body_encoding_unsupported":
      return invalid(
        `${failing}: the service does not take the request's content-encoding. Something on the way has added it.`
      )
    case "request_body_too_large_after_decoding":
      return tooLarge("is larger than the service takes once it is decoded")
  }
  if (/credit balance is too low/i.test(words)) {
    return billing(`${failing}: the organization's credit is used up. Buy more.`)
  }
  switch (status) {
    case 400: {
      if (!asks(operation)) break
      // Neither has a code: status, operation and wording together tell them.
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
        && !/source\.base64|source\.url/.test(words)
      ) {
        return new InvalidFileType({
          ...flat(`${file} is not of a type that its block takes: ContentBlock.forFile picks the block.`),
          fileId,
          mimeType: /\b(application|audio|image|text|video)\/[\w.+-]*\w/.exec(words)?.[0]
        })
      }
      break
    }
    case 401:
      return failed(new Unauthorized(about(`${failing}: ${refusedCredential(subject)}`)))
    case 402:
      return billing(`${failing}: the organization has no credit left. Buy more.`)
    case 403:
      // The beta dialect has no code for a full storage: status, dialect, operation and wording together tell it.
      if (operation === "upload" && subject.dialect === "beta" && /storage|quota/i.test(words)) {
        return new StorageLimitExceeded(flat(storageFull))
      }
      return denied(
        envelope.type === undefined
          ? `${failing}: a firewall or proxy before ${subject.baseUrl} seems to refuse it (403).`
          : `${failing}: the key may not do this.`
      )
    case 404: {
      // Its body may have broken off; its own header still tells the service from what is in front of it.
      const isOwn = json === undefined && isCutJson(response.body) && (headers["request-id"] ?? "").startsWith("req_")
      return notFound(subject, words, isOwn || envelope.type === "not_found_error", { flat, invalid, failing })
    }
    case 407:
      return invalid(
        `${failing}: a proxy on the way to ${subject.baseUrl} wants authorization (407). Check HTTPS_PROXY.`
      )
    case 408:
    case 409:
      return serverFailed(`the service answered ${status}`)
    case 413: {
      const { maxFileBytes, size } = subject
      const isService = envelope.type === "request_too_large"
      if (!isService) return tooLarge(`is larger than a proxy before ${subject.baseUrl} lets through`)
      // A smaller file was refused for another limit than the documented one.
      return operation !== "upload" || (size !== undefined && size <= maxFileBytes)
        ? tooLarge("is larger than the service takes")
        : tooLarge(`is larger than the ${megabytes(maxFileBytes)} that the service takes`, maxFileBytes)
    }
    case 429:
      return new RateLimited({
        ...flat(
          errorCode === "ramp_limit_exceeded"
            ? `${failing}: the rate of requests rises too fast.`
            : `${failing}: too many requests.`,
          wait(delay)
        ),
        retryAfter: delay
      })
    case 529:
      return failed(
        new Overloaded({
          ...about(`${failing}: the service is overloaded.`, nothingDone(operation), wait(delay)),
          retryAfter: delay
        })
      )
  }
  if (status >= 500) {
    const who = status >= 502 && envelope.type === undefined ? "the service, or a proxy before it," : "the service"
    return serverFailed(`${who} answered ${status}`)
  }
  if (status >= 400) {
    return invalid(
      status === 400 && envelope.type !== undefined
        ? `${failing}: the service refused the request.`
        : `${failing}: ${subject.baseUrl} answered ${phraseOf(status)}.`,
      status === 400 || status === 410 ? lostCursor(subject) : ""
    )
  }
  return failed(
    new UnexpectedResponse({
      ...about(`${failing}: ${strangeStatus(subject, status, headers)}`),
      isOutcomeUnknown: changes(operation) && status < 300 && status > 0
    })
  )
}

/** fetch says of a redirect that it was not let follow only that there was one: status 0. */
const isRedirect = (status: number): boolean => status === 0 || [301, 302, 303, 307, 308].includes(status)

const strangeStatus = (subject: Subject, status: number, headers: Headers.Headers): string => {
  if (!isRedirect(status)) {
    return sentences(
      `${subject.baseUrl} answered ${status}, which is not an answer to this request.`,
      changes(subject.operation) && status < 300 ? mayHaveDone(subject) : undefined
    )
  }
  const location = string(headers["location"])
  const where = location === undefined ? "elsewhere" : `to ${quote(subject, location.replace(/[?#].*/s, ""))}`
  return `${subject.baseUrl} redirects ${where}, and a key is never sent to another address. Correct the base URL.`
}

const imageTooLarge = (
  subject: Subject,
  failing: string,
  details: Readonly<Record<string, Schema.Json>> | undefined
): string => {
  const side = details?.["max_side_length_pixels"]
  const paths = details?.["paths"]
  const where = Array.isArray(paths) && paths.length > 0
    ? ` (${quote(subject, paths.filter(Predicate.isString).join(", "))})`
    : ""
  return `${failing}: an image${where} is larger than ${
    Predicate.isNumber(side) ? `${side} pixels on a side` : "the service takes"
  }. Scale it down.`
}

/** A file that words name although the request does not: one of a conversation before, or of a container. */
const strangeFileIn = (words: string): string | undefined => /\bfile_(?!ids?\b)\w+/.exec(words)?.[0]

/**
 * A 404 is about a file only where it says so: its words name the file, or it is the API's own answer to a request for
 * just that file. Else it may be about a container, a skill, a model, or a route that a gateway does not have.
 */
const notFound = (subject: Subject, words: string, isApi: boolean, make: {
  readonly flat: (...parts: ReadonlyArray<string>) => Facts & { readonly operation: Operation }
  readonly invalid: (...parts: ReadonlyArray<string>) => RequestFailed
  readonly failing: string
}): FilesError => {
  const { failing, flat, invalid } = make
  const there = (id: string) => `There is no ${printable(id)} in this workspace.`
  const { baseUrl, batchId, fileId } = subject
  if (fileId !== undefined && (isApi || names(words, fileId))) {
    return new FileNotFound({ ...flat(there(fileId)), fileId })
  }
  const named = subject.fileIds?.().find((id) => names(words, id)) ?? (subject.fileIds && strangeFileIn(words))
  if (named !== undefined) return new FileNotFound({ ...flat(there(named)), fileId: named })
  if (batchId !== undefined && (isApi || names(words, batchId))) {
    return subject.operation === "batchResults"
      ? invalid(`There are no results of ${printable(batchId)}: it has not ended yet, or is not in this workspace.`)
      : invalid(there(batchId))
  }
  if (subject.cursor !== undefined) {
    return invalid(`${failing}: the service does not know what was asked for.`, lostCursor(subject))
  }
  if (!isApi) return invalid(`${failing}: there is no such API at ${baseUrl} (404). Check the base URL.`)
  if (asks(subject.operation) || subject.operation === "createBatch") {
    return invalid(`${failing}: it names something that does not exist. Check the model and every id.`)
  }
  return invalid(`${failing}: the service does not know what was asked for.`)
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

/** The error of an envelope at a success status, as gateways send one; `undefined` when the JSON is not an envelope. */
export const fromMisplacedEnvelope = (
  subject: Subject,
  headers: Headers.Headers,
  json: unknown
): FilesError | undefined =>
  field(json, "type") === "error" && readEnvelope(json).type !== undefined
    ? fromEnvelope(subject, headers, json)
    : undefined

/** Where an answer that is not the service's comes from, and what it may be. */
const strangeOrigin = (subject: Subject, headers: Headers.Headers): string | undefined => {
  const encoding = string(headers["content-encoding"])
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") {
    return `It came from ${subject.baseUrl} as ${quote(subject, encoding)}.`
  }
  const type = string(headers["content-type"])
  if (type === undefined || /json|octet-stream|event-stream|binary/i.test(type)) return undefined
  const advice = /html/i.test(type) ? ": is a proxy or a login page in between?" : "."
  return `It came from ${subject.baseUrl} as ${quote(subject, type)}${advice}`
}

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
  const isOutcomeUnknown = options?.isOutcomeUnknown ?? changes(subject.operation)
  const shown = isBinary(body) ? "" : quote(subject, body)
  const error = requestFailed(
    subject.operation,
    new UnexpectedResponse({
      message: sentences(
        subject.scrub(what),
        strangeOrigin(subject, response.headers),
        isOutcomeUnknown ? mayHaveDone(subject) : undefined,
        shown === "" ? undefined : `It begins: ${shown}`
      ),
      status: response.status,
      requestId: requestIdOf(subject, response.headers),
      // Asking again changes nothing that is stored, except where a file would be stored twice.
      isRetryable: options?.isRetryable ?? !adds(subject.operation),
      isOutcomeUnknown
    })
  )
  return finish(error, subject)
}

export const timedOut = (subject: Subject, message: string, options: {
  readonly status?: number | undefined
  readonly isOutcomeUnknown: boolean
}): RequestFailed =>
  finish(
    requestFailed(
      subject.operation,
      new TimedOut({
        message,
        status: options.status,
        isRetryable: true,
        isOutcomeUnknown: options.isOutcomeUnknown
      })
    ),
    subject
  )

/** No answer came in time. */
export const noAnswer = (subject: Subject, waited: Duration.Duration): RequestFailed => {
  const isOutcomeUnknown = changes(subject.operation) && subject.isSent?.() !== false
  return timedOut(
    subject,
    sentences(
      `${doing(subject)} failed: ${subject.baseUrl} gave no answer within ${Duration.format(waited)}.`,
      outcomeOf(subject, isOutcomeUnknown)
    ),
    { isOutcomeUnknown }
  )
}

/** An answer began, and no more of it came in time. */
export const answerStalled = (subject: Subject, response: {
  readonly status: number
  readonly headers: Headers.Headers
}, waited: Duration.Duration): RequestFailed => {
  const isOutcomeUnknown = changes(subject.operation)
  return timedOut(
    subject,
    sentences(
      `${doing(subject)} failed: the answer of ${subject.baseUrl} stalled for ${Duration.format(waited)}.`,
      outcomeOf(subject, isOutcomeUnknown)
    ),
    { status: response.status, isOutcomeUnknown }
  )
}

/** How far an upload's body had come. */
export interface Sent {
  readonly bytes: number
  readonly total: number | undefined
  /** All of it was handed to the transport. */
  readonly complete: boolean
}

const progressOf = ({ bytes, total }: Sent): string => `${bytes} of ${total ?? "an unknown number of"} bytes`

/** Sending stopped before the last byte. */
export const sendingStalled = (subject: Subject, sent: Sent, waited: Duration.Duration): TransferInterrupted =>
  finish(
    new TransferInterrupted({
      operation: subject.operation,
      reason: "Stalled",
      message: sentences(
        `${doing(subject)} stalled for ${Duration.format(waited)} after ${progressOf(sent)}.`,
        nothingDone(subject.operation)
      ),
      transferred: sent.bytes,
      expected: sent.total,
      isRetryable: true
    }),
    subject
  )

/**
 * A policy of this package, or one of effect's own, ended the request. Recognised by tag: naming their modules here
 * would load them for everyone.
 */
const fromPolicy = (subject: Subject, cause: unknown, description: string | undefined): FilesError | undefined => {
  const { operation } = subject
  const reason = field(cause, "reason")
  const asked = field(reason, "retryAfter")
  const retryAfter = Duration.isDuration(asked) ? asked : undefined
  const failing = `${doing(subject)} failed`
  if (Predicate.isTagged(cause, "CircuitBreakerError") && !Predicate.isTagged(reason, "CircuitBreakerStoreError")) {
    return requestFailed(
      operation,
      new CircuitOpen({
        message: sentences(
          `${failing}: too many requests to ${subject.baseUrl} failed of late, so this one was not sent.`,
          wait(retryAfter)
        ),
        isRetryable: true,
        retryAfter
      })
    )
  }
  if (Predicate.isTagged(cause, "RateLimiterError") && Predicate.isTagged(reason, "RateLimitExceeded")) {
    const why = description === undefined
      ? "this client's own rate limit is used up for longer than it may wait"
      : `the service asked to wait (${description}) for longer than this request may`
    return new RateLimited({
      operation,
      message: sentences(`${failing}: ${why}, so nothing was sent.`, wait(retryAfter)),
      isRetryable: true,
      retryAfter
    })
  }
  if (Predicate.isTagged(cause, "ConnectTimeoutError") && cause instanceof Error) {
    return timedOut(
      subject,
      sentences(`${failing}: ${subject.baseUrl}: ${cause.message}`, nothingDone(operation)),
      { isOutcomeUnknown: false }
    )
  }
  if (Predicate.isTagged(cause, "RefusedError") && cause instanceof Error) {
    return requestFailed(operation, new InvalidRequest({ message: cause.message, cause: cause.cause }))
  }
  if (Predicate.isTagged(cause, "ProxyError") && cause instanceof Error) {
    const status = field(cause, "status")
    return requestFailed(
      operation,
      new Unreachable({
        message: sentences(`${failing}: ${excerpt(cause.message)}`, nothingDone(operation)),
        // What a proxy refuses, it refuses again.
        isRetryable: typeof status !== "number" || status >= 500,
        isOutcomeUnknown: false,
        cause
      })
    )
  }
  if (!Predicate.isTagged(cause, "TimeoutError") || !(cause instanceof Error)) return undefined
  const isOutcomeUnknown = changes(operation)
  return timedOut(subject, sentences(`${failing}: ${cause.message}`, outcomeOf(subject, isOutcomeUnknown)), {
    isOutcomeUnknown
  })
}

/**
 * No answer came.
 */
export const fromTransport = (
  subject: Subject,
  error: HttpClientError.HttpClientError,
  sent: Sent | undefined
): FilesError => {
  const cause = "cause" in error.reason ? error.reason.cause : undefined
  return finish(classifyTransport(subject, error, cause, sent), subject)
}

const classifyTransport = (
  subject: Subject,
  error: HttpClientError.HttpClientError,
  cause: unknown,
  sent: Sent | undefined
): FilesError => {
  const { operation } = subject
  const refused = fromPolicy(subject, cause, "description" in error.reason ? error.reason.description : undefined)
  if (refused !== undefined) return refused
  if (error.reason._tag === "InvalidUrlError") {
    return invalidRequest(operation, "baseUrl", `${subject.baseUrl} is not a base URL.`)
  }
  const { code, isPermanent, isUnsent } = evidenceOf(cause)
  const explained = isUnsent || code?.startsWith("HPE_") ? explain(cause) : undefined
  const said = quote(subject, wordsOf(cause) || ("description" in error.reason ? error.reason.description ?? "" : ""))
  const own = said === "" || said === code ? undefined : said
  const why = explained?.what ?? own ?? (code === undefined ? "no cause is known" : undefined)
  const evidence = why === undefined || (code !== undefined && !why.includes(code)) ? code : undefined
  const shownEvidence = why === undefined || evidence === undefined ? evidence : `(${evidence})`
  const because = [why, shownEvidence].filter(Predicate.isNotUndefined).join(" ")
  const advice = explained?.advice === undefined ? undefined : `${explained.advice}.`
  const beneath = { isRetryable: !isPermanent, ...(cause === undefined ? undefined : { cause }) }
  if (isUnsent) {
    return requestFailed(
      operation,
      new Unreachable({
        message: sentences(
          `${doing(subject)} failed: ${subject.baseUrl} can't be reached, ${because}.`,
          nothingDone(operation),
          advice
        ),
        ...beneath
      })
    )
  }
  if (sent !== undefined && !sent.complete) {
    return new TransferInterrupted({
      operation,
      reason: "Reset",
      message: sentences(
        `${doing(subject)} failed: the connection broke after ${progressOf(sent)}, ${because}.`,
        nothingDone(operation)
      ),
      transferred: sent.bytes,
      expected: sent.total,
      ...beneath
    })
  }
  const isOutcomeUnknown = changes(operation)
  return requestFailed(
    operation,
    new Unreachable({
      message: sentences(
        `${doing(subject)} failed: the connection to ${subject.baseUrl} broke before an answer came, ${because}.`,
        outcomeOf(subject, isOutcomeUnknown),
        advice
      ),
      isOutcomeUnknown,
      ...beneath
    })
  )
}

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
export const toOperationError = <O extends Operation>(operation: O) =>
(
  error: FilesError
): ErrorOf[O] | RequestFailed => {
  if (isErrorOf(operation, error)) return error
  const { details, errorCode, errorType, isOutcomeUnknown, isRetryable, message, requestId, status, tries } = error
  return requestFailed(
    operation,
    new InvalidRequest({
      message,
      status,
      requestId,
      errorType,
      errorCode,
      details,
      tries,
      isRetryable,
      isOutcomeUnknown
    })
  )
}
