/**
 * Makes `CredentialsFailed` errors.
 */
import type * as Duration from "effect/Duration"
import { CredentialsFailed } from "../../FilesError.ts"
import { defined } from "../defined.ts"

export interface Details {
  readonly isRetryable?: boolean
  readonly status?: number | undefined
  readonly requestId?: string | undefined
  readonly retryAfter?: Duration.Duration | undefined
  readonly body?: string | undefined
  readonly cause?: unknown
}

/**
 * @param source where the credential should have come from
 * @param message what is wrong and what to do, as a sentence
 */
export const credentialsFailed = (source: string, message: string, details: Details = {}): CredentialsFailed => {
  const { isRetryable = false, ...rest } = details
  return new CredentialsFailed({
    source,
    message,
    isRetryable,
    ...defined(rest)
  })
}
