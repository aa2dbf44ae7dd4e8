/**
 * What authorizes a client's requests, whatever its kind.
 */
import * as Effect from "effect/Effect"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as Redacted from "effect/Redacted"
import type { CredentialsFailed, Operation } from "../../FilesError.ts"

/**
 * The headers that authorize one request, by lower-case name. A value that is secret is `Redacted`.
 */
export type Authorization = Readonly<Record<string, string | Redacted.Redacted<string>>>

/**
 * What the service `Credentials` can do.
 */
export interface Shape {
  /**
   * What authorizes this request, asked for before each try. `anthropic-beta` values are added to the request's own,
   * `anthropic-workspace-id` gives way to one that the request has, any other header replaces one of its name.
   *
   * The request is complete but for these headers, so that it can be signed.
   */
  readonly headersFor: (
    request: HttpClientRequest.HttpClientRequest
  ) => Effect.Effect<Authorization, CredentialsFailed>
  /**
   * Tells that the service refused (401) what a request carried. `true` if the next `headersFor` may give something
   * else, so that the request may be sent once more.
   */
  readonly invalidate: (used: Authorization) => Effect.Effect<boolean>
  /**
   * Who is asking: the same in every process and after every renewal, and nothing secret can be read from it. Rate
   * limits, circuit breakers and caches are kept by it.
   */
  readonly identity: string
  /** What this is, as it stands in a sentence: `the profile work`. */
  readonly source: string
  /** What to do when the service refuses it, as the end of a sentence: `log in again`. */
  readonly advice: string | undefined
  /** The address that goes with it, where the client is given none. */
  readonly baseUrl: string | undefined
  /** Why the platform has no such operation, as a sentence, where it hasn't. */
  readonly refusalOf: (operation: Operation) => string | undefined
}

/** Nothing to renew, no address, every operation. */
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
