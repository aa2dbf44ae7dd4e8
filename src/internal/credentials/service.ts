/**
 * The `Credentials` service, which every kind of credential implements.
 */
import * as Effect from "effect/Effect"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as Redacted from "effect/Redacted"
import type { CredentialsFailed, Operation } from "../../FilesError.ts"

/**
 * The headers that authorize one request, by lower-case name. Secret values are `Redacted`.
 */
export type Authorization = Readonly<Record<string, string | Redacted.Redacted<string>>>

/**
 * The members of the service `Credentials`.
 */
export interface Shape {
  /**
   * The headers that authorize a request; called before each try. `anthropic-beta` values are added to the request's,
   * `anthropic-workspace-id` is used only if the request has none, and any other header replaces the request's.
   *
   * The request is complete except for these headers, so that it can be signed.
   */
  readonly headersFor: (
    request: HttpClientRequest.HttpClientRequest
  ) => Effect.Effect<Authorization, CredentialsFailed>
  /**
   * Reports that the service refused (401) the headers of a request. Succeeds with `true` if the next `headersFor` may
   * return others, so that the request may be sent once more.
   */
  readonly invalidate: (used: Authorization) => Effect.Effect<boolean>
  /**
   * Identifies the caller: the same in every process and after every renewal, and not a secret. Rate limits, circuit
   * breakers and caches are kept by it.
   */
  readonly identity: string
  /** The credential, worded for a sentence: `the profile work`. */
  readonly source: string
  /** What to do if the service refuses it, as the end of a sentence: `log in again`. */
  readonly advice: string | undefined
  /** The base URL that belongs to the credential, for clients without one of their own. */
  readonly baseUrl: string | undefined
  /** Why the platform does not support an operation, as a sentence; `undefined` if it does. */
  readonly refusalOf: (operation: Operation) => string | undefined
}

/** By default there is nothing to renew, no base URL, and every operation is supported. */
export const make = (
  credentials: Pick<Shape, "headersFor" | "identity"> & Partial<Shape>
): Shape => ({
  invalidate: () => Effect.succeed(false),
  source: "the credential",
  advice: undefined,
  baseUrl: undefined,
  refusalOf: () => undefined,
  ...credentials
})
