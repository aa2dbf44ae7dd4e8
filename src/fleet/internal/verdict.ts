/**
 * What a failed upload means for its item, and for the others.
 */
import type { FilesError } from "../../FilesError.ts"
import type { Failure } from "../../internal/cache/context.ts"
import { shorten } from "../../internal/text.ts"

/**
 * - `Final`: trying again would not help;
 * - `Again`: the item's own failure, which may pass;
 * - `Suspect`: the item's own, unless the API is away;
 * - `Away`: of no item: the API, the network, the rate or the database;
 * - `Refused`: of no item, and it does not pass by itself: the key, the account, the storage;
 * - `Forbidden`: one or the other, as what comes next tells.
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
      // With an unknown outcome the cache has a note, by which it looks for the file before it sends another one.
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
      // A file that is written to now may be at rest later.
      return error.isRetryable || error.reason === "Changed" ? "Again" : "Final"
    default:
      return error.isRetryable || error.isOutcomeUnknown ? "Suspect" : "Final"
  }
}

/** Whether a failure rather means that the API is away. */
export const isAway = (error: Failure | { readonly _tag: "FileNotFound" }): boolean => {
  if (error._tag === "FileNotFound") return false
  const verdict = verdictOf(error)
  return verdict === "Away" || verdict === "Suspect"
}

/** A failure as it stands in the table. */
export interface Shown {
  readonly error_tag: string
  readonly error_message: string
  readonly request_id: string | null
}

const longest = 1_000

/** Postgres can't store a NUL, and a very long message is cut. */
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
