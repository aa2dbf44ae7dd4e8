/**
 * What a failed upload means for its item and for the other items.
 */
import type { FilesError } from "../../FilesError.ts"
import type { Failure } from "../../internal/cache/context.ts"
import { shorten } from "../../internal/text.ts"

/**
 * - `Final`: another attempt would not help;
 * - `Again`: the item failed, and another attempt may help;
 * - `Suspect`: the item failed, unless the API is away;
 * - `Away`: not the item's fault: the API, the network, the rate limit or the database;
 * - `Refused`: not the item's fault, and permanent: the key, the account or the storage;
 * - `Forbidden`: unclear whose fault it is until the next items are tried.
 */
export type Verdict = "Final" | "Again" | "Suspect" | "Away" | "Refused" | "Forbidden"

const ofReason = (error: Extract<FilesError, { _tag: "RequestFailed" }>): Verdict => {
  switch (error.reason._tag) {
    case "CircuitOpen":
      return "Away"
    case "Unauthorized":
    case "BillingBlocked":
      return "Refused"
    case "CredentialsFailed":
      return error.isRetryable ? "Away" : "Refused"
    case "PermissionDenied":
      return "Forbidden"
    default:
      // If the outcome is unknown, the cache has recorded the upload, and looks for the file before it sends another one.
      return error.isRetryable || error.isOutcomeUnknown ? "Suspect" : "Final"
  }
}

export const verdictOf = (error: Failure): Verdict => {
  switch (error._tag) {
    case "UploadStoreFailed":
      return error.isRetryable ? "Away" : "Again"
    case "RateLimited":
      return "Away"
    case "StorageLimitExceeded":
      return "Refused"
    case "RequestFailed":
      return ofReason(error)
    case "SourceFailed":
      // The file may have stopped changing by the next attempt.
      return error.isRetryable || error.reason === "Changed" ? "Again" : "Final"
    default:
      return error.isRetryable || error.isOutcomeUnknown ? "Suspect" : "Final"
  }
}

/** Whether a failure suggests that the API is away. */
export const isAway = (error: Failure | { readonly _tag: "FileNotFound" }): boolean => {
  if (error._tag === "FileNotFound") return false
  const verdict = verdictOf(error)
  return verdict === "Away" || verdict === "Suspect"
}

/** A failure as it is stored in the table. */
export interface Shown {
  readonly error_tag: string
  readonly error_message: string
  readonly request_id: string | null
}

const longest = 1_000

/** Escapes what Postgres can't store, and shortens a very long message. */
export const shown = (tag: string, message: string, requestId?: string): Shown => ({
  error_tag: tag,
  error_message: message.length > longest ? shorten(message) : printableLines(message),
  request_id: requestId ?? null
})

const printableLines = (message: string): string => message.split("\n").map(shorten).join("\n")

export const shownError = (error: Failure): Shown =>
  shown(
    error._tag === "RequestFailed" ? error.reason._tag : error._tag,
    error.message,
    "requestId" in error ? error.requestId : undefined
  )
