/**
 * Every way an operation can fail, as tagged errors that survive a round trip through JSON.
 *
 * Errors about your file or your quota have a tag each; a request that could not be carried out is a
 * {@link RequestFailed} whose `reason` says why (`Effect.catchReason`, `Effect.unwrapReason`). Each operation has its
 * own union, so catching an error that an operation can't raise does not compile.
 *
 * Source of the statuses and codes: the API reference, "Errors".
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Files, FileSource } from "effect-anthropic-files"
 *
 * const program = Files.upload(FileSource.path("report.pdf")).pipe(
 *   Effect.asSome,
 *   Effect.catchTag("FileTooLarge", (error) => Effect.as(Effect.logWarning(error.message), undefined)),
 *   Effect.catchReason("RequestFailed", "Unauthorized", () => Effect.die("The key is wrong"))
 * )
 * ```
 */
import type * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { flag } from "./internal/wire/schemas.ts"

/**
 * The client's operations, as errors, spans and metrics name them.
 */
export const Operation = Schema.Literals([
  "upload",
  "list",
  "metadata",
  "download",
  "delete",
  "contentBlock",
  "createMessage",
  "streamMessage",
  "createBatch",
  "getBatch",
  "listBatches",
  "cancelBatch",
  "deleteBatch",
  "batchResults"
])

/** @see {@link Operation:var} */
export type Operation = typeof Operation.Type

const response = {
  /** HTTP status; absent if no answer came or nothing was sent. */
  status: Schema.optional(Schema.Int),
  /** The `request-id` header, else the body's `request_id`. Support asks for it. */
  requestId: Schema.optional(Schema.String),
  /** `error.type` of the answer, if it has one: for example `rate_limit_error`. */
  errorType: Schema.optional(Schema.String),
  /** `error.details.error_code`, if the service sent one. */
  errorCode: Schema.optional(Schema.String),
  /**
   * `error.details` as the service sent it, if it holds more than the code: for example `max_side_length_pixels` and
   * `paths` of images that are too large.
   */
  details: Schema.optional(Schema.Record(Schema.String, Schema.Json)),
  /** How many requests the operation took, if more than one. */
  tries: Schema.optional(Schema.Natural),
  /** Whether the same call may succeed later. Takes `x-should-retry` into account. */
  isRetryable: flag,
  /** Whether the service may have carried out the request although it failed here. */
  isOutcomeUnknown: flag,
  /** The underlying error, for logs. Never holds a key. */
  cause: Schema.optionalKey(Schema.Defect())
}

const details = { message: Schema.String, ...response }

const failure = { operation: Operation, ...details }

/**
 * The file does not exist, or belongs to another workspace (404).
 */
export class FileNotFound extends Schema.TaggedError<FileNotFound>("effect-anthropic-files/FileNotFound")(
  "FileNotFound",
  { ...failure, fileId: Schema.optional(Schema.String) }
) {}

/**
 * The content is no longer served: `expires_at` has passed (404 `file_expired`).
 */
export class FileExpired extends Schema.TaggedError<FileExpired>("effect-anthropic-files/FileExpired")(
  "FileExpired",
  { ...failure, fileId: Schema.optional(Schema.String) }
) {}

/**
 * The file is a user's own upload; only files that tools and skills make can be downloaded
 * (400 `file_not_downloadable`).
 */
export class FileNotDownloadable
  extends Schema.TaggedError<FileNotDownloadable>("effect-anthropic-files/FileNotDownloadable")(
    "FileNotDownloadable",
    { ...failure, fileId: Schema.optional(Schema.String) }
  )
{}

/**
 * The MIME type is malformed, or is not accepted where the file is used.
 */
export class InvalidFileType extends Schema.TaggedError<InvalidFileType>("effect-anthropic-files/InvalidFileType")(
  "InvalidFileType",
  { ...failure, mimeType: Schema.optional(Schema.String), fileId: Schema.optional(Schema.String) }
) {}

/**
 * The name is empty, longer than 255 characters, or contains one of `< > : " | ? * \ /` or a control character.
 */
export class InvalidFilename extends Schema.TaggedError<InvalidFilename>("effect-anthropic-files/InvalidFilename")(
  "InvalidFilename",
  { ...failure, filename: Schema.String }
) {}

/**
 * The file is larger than the 500 MB that the service accepts, or than a proxy in front of it lets through (413). If the
 * size is known, a file over the service's limit is refused before a byte is sent.
 */
export class FileTooLarge extends Schema.TaggedError<FileTooLarge>("effect-anthropic-files/FileTooLarge")(
  "FileTooLarge",
  {
    ...failure,
    /** Bytes; absent if the size is not known. */
    size: Schema.optional(Schema.Natural),
    /** Bytes; absent if something in front of the service refused the file without naming a limit. */
    limit: Schema.optional(Schema.Natural)
  }
) {}

/**
 * The organization's file storage is full (400 `storage_quota_exceeded`; 403 in the beta dialect).
 */
export class StorageLimitExceeded
  extends Schema.TaggedError<StorageLimitExceeded>("effect-anthropic-files/StorageLimitExceeded")(
    "StorageLimitExceeded",
    failure
  )
{}

/**
 * Too many requests (429). Reaching a spend cap is a `RequestFailed` with the reason `BillingBlocked` instead, because
 * waiting does not help then.
 */
export class RateLimited extends Schema.TaggedError<RateLimited>("effect-anthropic-files/RateLimited")(
  "RateLimited",
  {
    ...failure,
    /** How long the service asked to wait (`retry-after-ms`, else `retry-after`). */
    retryAfter: Schema.optional(Schema.DurationFromMillis)
  }
) {}

/**
 * The file does not fit the model's context window (400, "prompt is too long").
 */
export class ContextWindowExceeded
  extends Schema.TaggedError<ContextWindowExceeded>("effect-anthropic-files/ContextWindowExceeded")(
    "ContextWindowExceeded",
    failure
  )
{}

/**
 * Bytes stopped flowing, or their count differs from the announced one.
 *
 * - `Truncated`: the body ended before its announced length;
 * - `Overrun`: the body continued past its announced length;
 * - `Stalled`: no byte moved for the client's `idleTimeout`;
 * - `Reset`: the connection broke;
 * - `SizeMismatch`: the service stored a different number of bytes than was sent. That file is deleted again.
 */
export class TransferInterrupted
  extends Schema.TaggedError<TransferInterrupted>("effect-anthropic-files/TransferInterrupted")(
    "TransferInterrupted",
    {
      ...failure,
      reason: Schema.Literals(["Truncated", "Overrun", "Stalled", "Reset", "SizeMismatch"]),
      /** Bytes transferred: handed to the transport for an upload, received for a download. */
      transferred: Schema.Natural,
      /** Bytes announced; absent if no length was announced. */
      expected: Schema.optional(Schema.Natural),
      fileId: Schema.optional(Schema.String)
    }
  )
{}

/**
 * The source of an upload can't be read to the end.
 *
 * - `NotFound`, `NotAFile`, `PermissionDenied`, `Unreadable`: the path, before any request;
 * - `Changed`: the file was written to while it was read;
 * - `SizeMismatch`: the source gave a different number of bytes than it declared;
 * - `Consumed`: the source can be read only once, and was;
 * - `Failed`: the source's own failure, in `cause`.
 *
 * No file is stored: the request is aborted before its last byte.
 */
export class SourceFailed extends Schema.TaggedError<SourceFailed>("effect-anthropic-files/SourceFailed")(
  "SourceFailed",
  {
    ...failure,
    reason: Schema.Literals([
      "NotFound",
      "NotAFile",
      "PermissionDenied",
      "Unreadable",
      "Changed",
      "SizeMismatch",
      "Consumed",
      "Failed"
    ]),
    /** The path or URL, if the source has one. */
    source: Schema.optional(Schema.String)
  }
) {}

const retryAfter = { retryAfter: Schema.optional(Schema.DurationFromMillis) }

/** The key is missing, wrong or revoked (401). */
export class Unauthorized extends Schema.TaggedError<Unauthorized>("effect-anthropic-files/Unauthorized")(
  "Unauthorized",
  details
) {}

/** The key may not do this (403). */
export class PermissionDenied extends Schema.TaggedError<PermissionDenied>("effect-anthropic-files/PermissionDenied")(
  "PermissionDenied",
  details
) {}

/** No credit (402), a spend cap (429 with a spend limit code), or an organization on hold. */
export class BillingBlocked extends Schema.TaggedError<BillingBlocked>("effect-anthropic-files/BillingBlocked")(
  "BillingBlocked",
  details
) {}

/** The request is invalid: refused by this client before sending, or by the service (400 and other 4xx). */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>("effect-anthropic-files/InvalidRequest")(
  "InvalidRequest",
  {
    ...details,
    /** The invalid option, if it was found before sending. */
    option: Schema.optional(Schema.String)
  }
) {}

/** The service is overloaded (529). */
export class Overloaded extends Schema.TaggedError<Overloaded>("effect-anthropic-files/Overloaded")(
  "Overloaded",
  { ...details, ...retryAfter }
) {}

/** The service, or something in front of it, failed (5xx, 408, 409). */
export class ServerFailed extends Schema.TaggedError<ServerFailed>("effect-anthropic-files/ServerFailed")(
  "ServerFailed",
  { ...details, ...retryAfter }
) {}

/** There was no connection, or it broke before an answer: name resolution, refusal, TLS, reset. */
export class Unreachable extends Schema.TaggedError<Unreachable>("effect-anthropic-files/Unreachable")(
  "Unreachable",
  details
) {}

/** The answer did not arrive, or did not end, within the client's limits. */
export class TimedOut extends Schema.TaggedError<TimedOut>("effect-anthropic-files/TimedOut")(
  "TimedOut",
  details
) {}

/** An open circuit breaker kept the request from being sent. */
export class CircuitOpen extends Schema.TaggedError<CircuitOpen>("effect-anthropic-files/CircuitOpen")(
  "CircuitOpen",
  { ...details, ...retryAfter }
) {}

/** The answer is not one that the API documents: HTML, a redirect, wrong types, a cursor that repeats. */
export class UnexpectedResponse
  extends Schema.TaggedError<UnexpectedResponse>("effect-anthropic-files/UnexpectedResponse")(
    "UnexpectedResponse",
    details
  )
{}

/**
 * The request was not sent, because its credential could not be obtained: a token has expired and can't be renewed, the
 * token endpoint refuses or can't be reached, or a credentials file can't be read.
 */
export class CredentialsFailed
  extends Schema.TaggedError<CredentialsFailed>("effect-anthropic-files/CredentialsFailed")(
    "CredentialsFailed",
    {
      ...details,
      ...retryAfter,
      /** Where the credential should have come from: for example `the profile work`. */
      source: Schema.String,
      /** The token endpoint's answer, without anything that could be secret. */
      body: Schema.optionalKey(Schema.String)
    }
  )
{}

/**
 * Why a request could not be carried out.
 */
export const Reason = Schema.Union([
  Unauthorized,
  PermissionDenied,
  BillingBlocked,
  InvalidRequest,
  Overloaded,
  ServerFailed,
  Unreachable,
  TimedOut,
  CircuitOpen,
  CredentialsFailed,
  UnexpectedResponse
])

/** @see {@link Reason:var} */
export type Reason = typeof Reason.Type

/**
 * The request could not be carried out; `reason` says why. The reason's fields are available here as well.
 */
export class RequestFailed extends Schema.TaggedError<RequestFailed>("effect-anthropic-files/RequestFailed")(
  "RequestFailed",
  { operation: Operation, reason: Reason }
) {
  override get message(): string {
    return this.reason.message
  }
  get status(): number | undefined {
    return this.reason.status
  }
  get requestId(): string | undefined {
    return this.reason.requestId
  }
  get errorType(): string | undefined {
    return this.reason.errorType
  }
  get errorCode(): string | undefined {
    return this.reason.errorCode
  }
  get details(): Readonly<Record<string, Schema.Json>> | undefined {
    return this.reason.details
  }
  get tries(): number | undefined {
    return this.reason.tries
  }
  get isRetryable(): boolean {
    return this.reason.isRetryable
  }
  get isOutcomeUnknown(): boolean {
    return this.reason.isOutcomeUnknown
  }
  get retryAfter(): Duration.Duration | undefined {
    return "retryAfter" in this.reason ? this.reason.retryAfter : undefined
  }
  override get cause(): unknown {
    return this.reason.cause
  }
}

/**
 * Every failure of the client, as a Schema.
 */
export const FilesError = Schema.Union([
  FileNotFound,
  FileExpired,
  FileNotDownloadable,
  InvalidFileType,
  InvalidFilename,
  FileTooLarge,
  StorageLimitExceeded,
  RateLimited,
  ContextWindowExceeded,
  TransferInterrupted,
  SourceFailed,
  RequestFailed
])

/** @see {@link FilesError:var} */
export type FilesError = typeof FilesError.Type

/** The source, the name, the type, the size, the storage, the transfer, or the request. */
export type UploadError =
  | InvalidFilename
  | InvalidFileType
  | FileTooLarge
  | SourceFailed
  | StorageLimitExceeded
  | RateLimited
  | TransferInterrupted
  | RequestFailed

/** The request failed. A listing never fails with `FileNotFound`: files that don't exist are left out. */
export type ListError = RateLimited | RequestFailed

/** The file does not exist, or the request failed. */
export type MetadataError = FileNotFound | RateLimited | RequestFailed

/** The file does not exist, its content is not served, or the transfer or the request failed. */
export type DownloadError =
  | FileNotFound
  | FileExpired
  | FileNotDownloadable
  | RateLimited
  | TransferInterrupted
  | RequestFailed

/** The file does not exist, or the request failed. */
export type DeleteError = FileNotFound | RateLimited | RequestFailed

/** The block can't hold the file. Nothing was sent. */
export type ContentBlockError = InvalidFileType | FileExpired

/** A file that the message refers to, the message itself, or the request failed. */
export type MessageError =
  | FileNotFound
  | FileExpired
  | InvalidFileType
  | ContextWindowExceeded
  | RateLimited
  | RequestFailed

/** As {@link MessageError}, or the stream of events broke off. */
export type StreamMessageError = MessageError | TransferInterrupted

/** The request failed; a batch that does not exist is an `InvalidRequest`. */
export type BatchError = RateLimited | RequestFailed

/** `FileExpired`: a file's content would expire within the batch's 24 hours. */
export type CreateBatchError = FileExpired | BatchError

/** The request failed, or the results broke off. */
export type BatchResultsError = BatchError | TransferInterrupted

/**
 * What each operation can raise.
 */
export interface ErrorOf {
  readonly upload: UploadError
  readonly list: ListError
  readonly metadata: MetadataError
  readonly download: DownloadError
  readonly delete: DeleteError
  readonly contentBlock: ContentBlockError
  readonly createMessage: MessageError
  readonly streamMessage: StreamMessageError
  readonly createBatch: CreateBatchError
  readonly getBatch: BatchError
  readonly listBatches: BatchError
  readonly cancelBatch: BatchError
  readonly deleteBatch: BatchError
  readonly batchResults: BatchResultsError
}

/**
 * An option or environment variable is invalid or missing: no key, a key that can't be a header value, a base URL that
 * is refused. Raised when the layer is built, before any request.
 */
export class InvalidConfig extends Schema.TaggedError<InvalidConfig>("effect-anthropic-files/InvalidConfig")(
  "InvalidConfig",
  {
    message: Schema.String,
    /** The option or environment variable. */
    option: Schema.String,
    /**
     * The parts of the message, if an option would fix the problem, for programs whose users can't set that option: a
     * command line names its flag instead.
     */
    advice: Schema.optional(Schema.Struct({
      /** What is wrong, without a full stop. */
      problem: Schema.String,
      /** Other ways to fix it, for example `set AWS_REGION`. */
      remedies: Schema.Array(Schema.String),
      /** The option that fixes it. */
      option: Schema.String
    }))
  }
) {}

/**
 * A policy could not be set up when its Layer was built, because the store that it shares with other processes can't be
 * reached.
 */
export class PolicyFailed extends Schema.TaggedError<PolicyFailed>("effect-anthropic-files/PolicyFailed")(
  "PolicyFailed",
  {
    message: Schema.String,
    /** The store's own failure. */
    cause: Schema.optionalKey(Schema.Defect())
  }
) {}
