import type { Reason } from "../../../src/FilesError.ts"

/** The operations of the Files API. */
export type FilesOperation = "upload" | "list" | "metadata" | "download" | "delete"

/** A flat tag, or a reason of `RequestFailed`. */
export type Outcome =
  | "FileNotFound"
  | "FileExpired"
  | "FileNotDownloadable"
  | "FileTooLarge"
  | "StorageLimitExceeded"
  | "RateLimited"
  | Reason["_tag"]

export interface ErrorRow {
  readonly status: number
  readonly code: string | undefined
  readonly type: string
  readonly retry: boolean
  /** What each operation makes of it. */
  readonly outcome: { readonly [O in FilesOperation]: Outcome }
}

const all = (outcome: Outcome): ErrorRow["outcome"] => ({
  upload: outcome,
  list: outcome,
  metadata: outcome,
  download: outcome,
  delete: outcome
})

const row = (
  status: number,
  code: string | undefined,
  type: string,
  retry: boolean,
  outcome: Outcome | ErrorRow["outcome"]
): ErrorRow => ({ status, code, type, retry, outcome: typeof outcome === "string" ? all(outcome) : outcome })

/**
 * The service's error table, row by row, as a client that speaks the generally available dialect sees it. What an
 * operation is not documented to answer is a refused request.
 */
export const errorTable: ReadonlyArray<ErrorRow> = [
  row(400, undefined, "invalid_request_error", false, "InvalidRequest"),
  row(400, "file_not_downloadable", "invalid_request_error", false, {
    ...all("InvalidRequest"),
    download: "FileNotDownloadable"
  }),
  row(400, "storage_quota_exceeded", "invalid_request_error", false, {
    ...all("InvalidRequest"),
    upload: "StorageLimitExceeded"
  }),
  row(403, undefined, "permission_error", false, "PermissionDenied"),
  row(400, "cmek_key_disabled", "invalid_request_error", false, "PermissionDenied"),
  row(400, "cmek_key_network_blocked", "invalid_request_error", false, "PermissionDenied"),
  row(400, "organization_on_hold", "invalid_request_error", false, "BillingBlocked"),
  row(400, "claude_code_key_creator_not_member", "invalid_request_error", false, "PermissionDenied"),
  row(400, "request_body_timeout", "invalid_request_error", true, "TimedOut"),
  row(400, "image_dimensions_too_large", "invalid_request_error", false, "InvalidRequest"),
  row(400, "workspace_human_review_disabled", "invalid_request_error", false, "PermissionDenied"),
  row(400, "user_profile_required", "invalid_request_error", false, "InvalidRequest"),
  row(400, "user_profile_not_found", "invalid_request_error", false, "InvalidRequest"),
  row(400, "request_body_encoding_invalid", "invalid_request_error", false, "InvalidRequest"),
  row(400, "request_body_encoding_unsupported", "invalid_request_error", false, "InvalidRequest"),
  row(401, undefined, "authentication_error", false, "Unauthorized"),
  row(402, undefined, "billing_error", false, "BillingBlocked"),
  row(402, "linked_organization_billing_unavailable", "billing_error", false, "BillingBlocked"),
  row(402, "linked_organization_spend_limit_reached", "billing_error", false, "BillingBlocked"),
  row(403, "user_profile_billing_not_authorized", "permission_error", false, "PermissionDenied"),
  row(404, undefined, "not_found_error", false, {
    ...all("FileNotFound"),
    upload: "InvalidRequest",
    list: "InvalidRequest"
  }),
  row(404, "file_expired", "not_found_error", false, {
    upload: "InvalidRequest",
    list: "InvalidRequest",
    metadata: "FileNotFound",
    download: "FileExpired",
    delete: "FileNotFound"
  }),
  row(408, undefined, "conflict_error", true, "ServerFailed"),
  row(409, undefined, "conflict_error", true, "ServerFailed"),
  row(413, undefined, "request_too_large", false, { ...all("InvalidRequest"), upload: "FileTooLarge" }),
  row(413, "request_body_too_large_after_decoding", "request_too_large", false, {
    ...all("InvalidRequest"),
    upload: "FileTooLarge"
  }),
  row(429, undefined, "rate_limit_error", true, "RateLimited"),
  row(429, "enforced_spend_limit_reached", "rate_limit_error", false, "BillingBlocked"),
  row(429, "contract_spend_limit_reached", "rate_limit_error", false, "BillingBlocked"),
  row(429, "ramp_limit_exceeded", "rate_limit_error", true, "RateLimited"),
  row(500, undefined, "api_error", true, "ServerFailed"),
  row(502, undefined, "api_error", true, "ServerFailed"),
  row(503, undefined, "api_error", true, "ServerFailed"),
  row(504, undefined, "timeout_error", true, "ServerFailed"),
  row(503, "cmek_context_unavailable", "api_error", true, "ServerFailed"),
  row(503, "cmek_key_unreachable", "api_error", true, "ServerFailed"),
  row(529, undefined, "overloaded_error", true, "Overloaded")
]
