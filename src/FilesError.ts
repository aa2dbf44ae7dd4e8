/**
 * Every way an operation can fail, as tagged errors that survive a round trip through JSON.
 *
 * What concerns your file or your quota has a flat tag; a request that could not be carried out is a
 * {@link RequestFailed} whose `reason` says why (`Effect.catchReason`, `Effect.unwrapReason`). Each operation has its
 * own union, so `Effect.catchTag` of an error that an operation can't raise does not compile.
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
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * The client's operations, as they stand in errors, spans and metrics.
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

/** A flag that is false unless it is said to be true. */
const flag = Schema.Boolean.pipe(Schema.withConstructorDefault(Effect.succeed(false)))

const response = {
  /** HTTP status; absent when no answer came or none was asked for. */
  status: Schema.optional(Schema.Int),
  /** The `request-id` header, or the body's `request_id`: what support asks for. */
  requestId: Schema.optional(Schema.String),
  /** `error.type` of the answer, where it has one: `rate_limit_error` for example. */
  errorType: Schema.optional(Schema.String),
  /** `error.details.error_code`, where the service gives one. */
  errorCode: Schema.optional(Schema.String),
  /**
   * `error.details` as the service sent it, where it has more than the code: `max_side_length_pixels` and `paths` of
   * images that are too large, for example.
   */
  details: Schema.optional(Schema.Record(Schema.String, Schema.Json)),
  /** Requests that were made for the operation, where it was more than one. */
  tries: Schema.optional(Schema.Natural),
  /** Whether the same call may succeed later, `x-should-retry` taken into account. */
  isRetryable: flag,
  /** Whether the service may have carried the request out although it failed here. */
  isOutcomeUnknown: flag,
  /** What lies beneath, for a log. Never holds a key. */
  cause: Schema.optionalKey(Schema.Defect())
}

const details = { message: Schema.String, ...response }

const failure = { operation: Operation, ...details }

/**
 * No such file, or one of another workspace's (404).
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
 * A user's own upload was asked for its content; only what tools and skills make can be downloaded
 * (400 `file_not_downloadable`).
 */
export class FileNotDownloadable
  extends Schema.TaggedError<FileNotDownloadable>("effect-anthropic-files/FileNotDownloadable")(
    "FileNotDownloadable",
    { ...failure, fileId: Schema.optional(Schema.String) }
  )
{}

/**
 * The MIME type is malformed, or is one that the place where the file is used does not take.
 */
export class InvalidFileType extends Schema.TaggedError<InvalidFileType>("effect-anthropic-files/InvalidFileType")(
  "InvalidFileType",
  { ...failure, mimeType: Schema.optional(Schema.String), fileId: Schema.optional(Schema.String) }
) {}

/**
 * The name is empty, longer than 255 characters, or holds one of `< > : " | ? * \ /` or a control character.
 */
export class InvalidFilename extends Schema.TaggedError<InvalidFilename>("effect-anthropic-files/InvalidFilename")(
  "InvalidFilename",
  { ...failure, filename: Schema.String }
) {}

/**
 * The file is larger than the 500 MB that the service takes, or than a proxy in front of it lets through (413). Where
 * the size is known, a file over the service's limit is refused before a byte is sent.
 */
export class FileTooLarge extends Schema.TaggedError<FileTooLarge>("effect-anthropic-files/FileTooLarge")(
  "FileTooLarge",
  {
    ...failure,
    /** Bytes; absent when the size is not known. */
    size: Schema.optional(Schema.Natural),
    /** Bytes; absent when something in front of the service refused the file and named no limit. */
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
 * Too many requests (429). A reached spend cap is `RequestFailed` with the reason `BillingBlocked` instead, since
 * waiting does not help there.
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
 * Bytes stopped flowing, or their count is not what was announced.
 *
 * - `Truncated`: the body ended before its announced length;
 * - `Overrun`: it went on past it;
 * - `Stalled`: no byte moved for the client's `idleTimeout`;
 * - `Reset`: the connection broke;
 * - `SizeMismatch`: the service stored another number of bytes than was sent. That file is deleted again.
 */
export class TransferInterrupted
  extends Schema.TaggedError<TransferInterrupted>("effect-anthropic-files/TransferInterrupted")(
    "TransferInterrupted",
    {
      ...failure,
      reason: Schema.Literals(["Truncated", "Overrun", "Stalled", "Reset", "SizeMismatch"]),
      /** Bytes that came through: handed to the transport for an upload, received for a download. */
      transferred: Schema.Natural,
      /** Bytes that were announced; absent when no length was. */
      expected: Schema.optional(Schema.Natural),
      fileId: Schema.optional(Schema.String)
    }
  )
{}

/**
 * What was to be uploaded can't be read to its end.
 *
 * - `NotFound`, `NotAFile`, `PermissionDenied`, `Unreadable`: the path, before any request;
 * - `Changed`: the file was written to while it was read;
 * - `SizeMismatch`: the source gave another number of bytes than it declared;
 * - `Consumed`: the source can be read only once, and was;
 * - `Failed`: the source's own failure, in `cause`.
 *
 * No file is stored: the request is broken off before its last byte.
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
    /** The path or URL, where the source has one. */
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

/** The request itself is wrong: refused here before it was sent, or by the service (400 and other 4xx). */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>("effect-anthropic-files/InvalidRequest")(
  "InvalidRequest",
  {
    ...details,
    /** The option that is wrong, where it was found before sending. */
    option: Schema.optional(Schema.String)
  }
) {}

/** The service has more work than it can take (529). */
export class Overloaded extends Schema.TaggedError<Overloaded>("effect-anthropic-files/Overloaded")(
  "Overloaded",
  { ...details, ...retryAfter }
) {}

/** The service, or something in front of it, failed (5xx, 408, 409). */
export class ServerFailed extends Schema.TaggedError<ServerFailed>("effect-anthropic-files/ServerFailed")(
  "ServerFailed",
  { ...details, ...retryAfter }
) {}

/** No connection, or it broke before an answer: name resolution, refusal, TLS, reset. */
export class Unreachable extends Schema.TaggedError<Unreachable>("effect-anthropic-files/Unreachable")(
  "Unreachable",
  details
) {}

/** No answer, or no end of it, within the client's limits. */
export class TimedOut extends Schema.TaggedError<TimedOut>("effect-anthropic-files/TimedOut")(
  "TimedOut",
  details
) {}

/** A circuit breaker kept the request from being sent. */
export class CircuitOpen extends Schema.TaggedError<CircuitOpen>("effect-anthropic-files/CircuitOpen")(
  "CircuitOpen",
  { ...details, ...retryAfter }
) {}

/** An answer that is not the API's: HTML, a redirect, wrong types, a cursor that repeats. */
export class UnexpectedResponse
  extends Schema.TaggedError<UnexpectedResponse>("effect-anthropic-files/UnexpectedResponse")(
    "UnexpectedResponse",
    details
  )
{}

/**
 * No credential could be had for the request, so it was not sent: a token has expired and can't be renewed, the token
 * endpoint refuses or can't be reached, a credentials file can't be read.
 */
export class CredentialsFailed
  extends Schema.TaggedError<CredentialsFailed>("effect-anthropic-files/CredentialsFailed")(
    "CredentialsFailed",
    {
      ...details,
      ...retryAfter,
      /** Where the credential was to come from: `the profile work` for example. */
      source: Schema.String,
      /** What the token endpoint answered, without anything that could be secret. */
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
 * The request could not be carried out; `reason` says why. The reason's fields can be read here as well.
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

/** The source, the name, the size, the storage, the transfer, or the request. */
export type UploadError =
  | InvalidFilename
  | InvalidFileType
  | FileTooLarge
  | SourceFailed
  | StorageLimitExceeded
  | RateLimited
  | TransferInterrupted
  | RequestFailed

/** No file is missing from a listing: what does not exist is left out of it. */
export type ListError = RateLimited | RequestFailed

/** The file is not there, or the request failed. */
export type MetadataError = FileNotFound | RateLimited | RequestFailed

/** The file is not there, its content is not served, or the transfer or the request failed. */
export type DownloadError =
  | FileNotFound
  | FileExpired
  | FileNotDownloadable
  | RateLimited
  | TransferInterrupted
  | RequestFailed

/** The file is not there, or the request failed. */
export type DeleteError = FileNotFound | RateLimited | RequestFailed

/** A block that can't hold the file; nothing was sent. */
export type ContentBlockError = InvalidFileType | FileExpired

/** A file that the message refers to, the message itself, or the request. */
export type MessageError =
  | FileNotFound
  | FileExpired
  | InvalidFileType
  | ContextWindowExceeded
  | RateLimited
  | RequestFailed

/** The same, and a stream of events that broke off. */
export type StreamMessageError = MessageError | TransferInterrupted

/** The request failed; a batch that does not exist is an `InvalidRequest`. */
export type BatchError = RateLimited | RequestFailed

/** `FileExpired`: a file's content would be gone before the batch's 24 hours are over. */
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
 * The client was given something it can't work with: no key, a key that can't be a header value, a base URL it refuses.
 * Raised when the layer is built, before any request.
 */
export class InvalidConfig extends Schema.TaggedError<InvalidConfig>("effect-anthropic-files/InvalidConfig")(
  "InvalidConfig",
  {
    message: Schema.String,
    /** The option or environment variable. */
    option: Schema.String,
    /**
     * The parts of the message where an option would mend the problem, for a program whose users don't write that option: a
     * command line names its flag instead.
     */
    advice: Schema.optional(Schema.Struct({
      /** What is wrong, without its full stop. */
      problem: Schema.String,
      /** What mends it besides the option: `set AWS_REGION` for example. */
      remedies: Schema.Array(Schema.String),
      /** The option that mends it. */
      option: Schema.String
    }))
  }
) {}

/**
 * A policy could not be set up when its Layer was built: the store that it shares with other processes is away.
 */
export class PolicyFailed extends Schema.TaggedError<PolicyFailed>("effect-anthropic-files/PolicyFailed")(
  "PolicyFailed",
  {
    message: Schema.String,
    /** What the store said. */
    cause: Schema.optionalKey(Schema.Defect())
  }
) {}
