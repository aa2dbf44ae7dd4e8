/**
 * The options of an emulator, with their defaults.
 */
import * as Duration from "effect/Duration"
import type * as Redacted from "effect/Redacted"
import { maxFileBytes } from "../../../internal/wire/constants.ts"
import type { Fault } from "../../Fault.ts"
import type { Rule } from "../../Rule.ts"
import type { Limits } from "../context.ts"
import type * as Tokens from "./tokens.ts"

export interface Options {
  /**
   * The keys, each with the workspaces that it reaches. The first one becomes `Emulator.apiKey`.
   *
   * @default one key from a secure random source, for one workspace
   */
  readonly apiKeys?: Readonly<Record<string, string | ReadonlyArray<string>>> | undefined
  /** Like `apiKeys`, for a single key and a single workspace. */
  readonly apiKey?: Redacted.Redacted<string> | undefined
  /** Bytes of one file. @default 500_000_000 */
  readonly maxFileBytes?: number | undefined
  /** Bytes of all files together. @default 1_000_000_000_000 */
  readonly storageQuotaBytes?: number | undefined
  /** Bytes of a JSON request. @default 32 MiB */
  readonly maxJsonBytes?: number | undefined
  /** Bytes of a request that creates a batch. @default 256 MiB */
  readonly maxBatchBytes?: number | undefined
  /** Tokens of one message request, by the emulator's own count. @default 1_000_000 */
  readonly contextWindow?: number | undefined
  /** Requests per minute, for all keys together. @default no limit */
  readonly requestsPerMinute?: number | undefined
  /** Tokens of messages per minute, for all keys together, by the emulator's own count. @default no limit */
  readonly tokensPerMinute?: number | undefined
  /** A request whose body brings no byte for this long is answered with `request_body_timeout`. @default 30 seconds */
  readonly bodyIdleTimeout?: Duration.Input | undefined
  /**
   * A request whose JSON body is not complete after this time is answered with `request_body_timeout`, even if bytes still
   * come.
   *
   * @default 2 minutes
   */
  readonly jsonTimeout?: Duration.Input | undefined
  /** How long a message batch takes. @default 0 */
  readonly batchDelay?: Duration.Input | undefined
  /** The credentials that `POST /v1/oauth/token` exchanges for access tokens. @default none */
  readonly credentials?: Tokens.Options | undefined
  /** The faults at the start. @default none */
  readonly faults?: ReadonlyArray<Fault> | undefined
  /** Rules that answer message requests, instead of the emulator. @default none */
  readonly rules?: ReadonlyArray<Rule> | undefined
  /** The known models; requests for others are refused. @default any name is accepted */
  readonly models?: ReadonlyArray<string> | undefined
  /** How many requests are recorded; older ones are dropped. 0 records none. @default 10_000 */
  readonly maxRecordedRequests?: number | undefined
  /** Approximate bytes of recorded requests; a single larger body is not recorded. @default 64 MiB */
  readonly maxRecordedBytes?: number | undefined
}

export const limits = (options: Options): Limits => ({
  maxFileBytes: options.maxFileBytes ?? maxFileBytes,
  storageQuotaBytes: options.storageQuotaBytes ?? 1_000_000_000_000,
  maxJsonBytes: options.maxJsonBytes ?? 32 * 1024 * 1024,
  maxBatchBytes: options.maxBatchBytes ?? 256 * 1024 * 1024,
  jsonTimeout: Duration.fromInputUnsafe(options.jsonTimeout ?? "2 minutes"),
  maxParts: 100,
  maxFieldBytes: 64 * 1024,
  contextWindow: options.contextWindow ?? 1_000_000
})
