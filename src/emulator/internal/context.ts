/**
 * What a handler knows about the request it serves, and about the emulator it is part of.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { Dialect } from "../../internal/wire/constants.ts"
import type { ApiError, ConnectionReset, RequestBodyFailed } from "./http/apiError.ts"

/** Why a request body can't be read to its end. */
export type BodyError = ApiError | ConnectionReset | RequestBodyFailed

/** A part of a multipart request, as the inspector shows it: a field with its value, a file with its size. */
export interface RecordedPart {
  readonly name: string
  readonly filename?: string
  readonly contentType?: string
  readonly value?: string
  readonly size?: number
}

/** What a handler notes down about a request while it reads it. */
export interface Notes {
  /** The text of a JSON body. */
  json?: string
  parts?: ReadonlyArray<RecordedPart>
}

/** `mixed` is what a managed-agents beta without the files header gets: all fields of both dialects. */
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
  /** Time for a JSON body to come, from its first byte to its last. */
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
  /** Whether the request asks for a beta, by header or by `?beta=true`. */
  readonly isBeta: boolean
  /** Where the emulator is reached, for URLs in answers. */
  readonly baseUrl: string
  /** The emulator's time, in milliseconds since 1970. */
  readonly now: number
  readonly contentType: string | undefined
  readonly body: Stream.Stream<Uint8Array, BodyError>
  readonly notes: Notes
  readonly limits: Limits
}>()("effect-anthropic-files/emulator/RequestContext") {}

/** Time as the emulator sees it: the Clock's, and what `advance` has added. */
export type Now = Effect.Effect<number>
