/**
 * The request that a handler serves, and the limits of the emulator.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Stream from "effect/Stream"
import type { Dialect } from "../../internal/wire/constants.ts"
import type { ApiError, ConnectionReset, RequestBodyFailed } from "./http/apiError.ts"

/** Why a request body can't be read completely. */
export type BodyError = ApiError | ConnectionReset | RequestBodyFailed

/** A part of a recorded multipart request: a field with its value, or a file with its size. */
export interface RecordedPart {
  readonly name: string
  readonly filename?: string
  readonly contentType?: string
  readonly value?: string
  readonly size?: number
}

/** What a handler notes about a request while it reads it, for the record. */
export interface Notes {
  /** The text of a JSON body. */
  json?: string
  parts?: ReadonlyArray<RecordedPart>
}

/** `mixed` has all fields of both dialects: a managed-agents beta without the files header gets it. */
export type RequestDialect = Dialect | "mixed"

export interface Limits {
  /** Bytes of one file. */
  readonly maxFileBytes: number
  /** Bytes of all files together. */
  readonly storageQuotaBytes: number
  /** Bytes of a JSON request. */
  readonly maxJsonBytes: number
  /** Bytes of a request that creates a batch. */
  readonly maxBatchBytes: number
  /** The most time that a JSON body may take, from its first byte to its last. */
  readonly jsonTimeout: Duration.Duration
  /** Parts of a multipart request. */
  readonly maxParts: number
  /** Bytes of a multipart field that is not a file. */
  readonly maxFieldBytes: number
  /** Tokens of one message request, by the emulator's own count. */
  readonly contextWindow: number
}

/** The current request. */
export class RequestContext extends Context.Service<RequestContext, {
  readonly requestId: string
  readonly workspace: string
  readonly dialect: RequestDialect
  /** The entries of `anthropic-beta`. */
  readonly betas: ReadonlyArray<string>
  /** Whether the request names a beta, by header or by `?beta=true`. */
  readonly isBeta: boolean
  /** The URL by which the client reaches the emulator, for URLs in answers. */
  readonly baseUrl: string
  /** The emulator's time, in milliseconds since 1970. */
  readonly now: number
  readonly contentType: string | undefined
  readonly body: Stream.Stream<Uint8Array, BodyError>
  readonly notes: Notes
  readonly limits: Limits
}>()("effect-anthropic-files/emulator/RequestContext") {}
