/**
 * The one table of what may be tried again, shared by the errors' `isRetryable` and the retry policy.
 */
import type * as Headers from "effect/http/Headers"

/** Codes that make a retryable status final: no amount of waiting helps. */
const spendCaps: ReadonlySet<string> = new Set([
  "enforced_spend_limit_reached",
  "contract_spend_limit_reached",
  "linked_organization_spend_limit_reached"
])

export const isSpendCap = (errorCode: string | undefined): boolean =>
  errorCode !== undefined && spendCaps.has(errorCode)

const statuses: ReadonlySet<number> = new Set([408, 409, 429, 500, 502, 503, 504, 529])

/**
 * `x-should-retry` decides in both directions, except that a spend cap is final: else the status and `error_code`.
 */
export const isRetryable = (status: number, headers: Headers.Headers, errorCode: string | undefined): boolean => {
  if (isSpendCap(errorCode)) return false
  switch (headers["x-should-retry"]) {
    case "true":
      return true
    case "false":
      return false
  }
  return statuses.has(status) || status > 504 || errorCode === "request_body_timeout"
}
