/**
 * Credentials from tokens that are renewed.
 */
import * as Effect from "effect/Effect"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Redacted from "effect/Redacted"
import type { CredentialsFailed } from "../../FilesError.ts"
import { type Authorization, make, type Shape } from "./service.ts"
import type { Tokens } from "./tokens.ts"

export const rotating = <A>(
  tokens: Tokens<A>,
  headersOf: (
    value: A,
    request: HttpClientRequest.HttpClientRequest
  ) => Effect.Effect<Authorization, CredentialsFailed>,
  rest: Omit<Parameters<typeof make>[0], "headersFor" | "invalidate">
): Shape => {
  const lent = new WeakMap<Authorization, A>()
  return make({
    ...rest,
    headersFor: (request) =>
      Effect.flatMap(tokens.get, (value) =>
        Effect.map(headersOf(value, request), (headers) => {
          lent.set(headers, value)
          return headers
        })),
    invalidate: (used) => {
      const value = lent.get(used)
      return value === undefined ? Effect.succeed(false) : Effect.as(tokens.invalidate(value), true)
    }
  })
}

/** The `anthropic-beta` value for tokens of the token endpoint. */
export const oauthBeta = "oauth-2025-04-20"

export const bearerOf = (
  token: Redacted.Redacted<string>,
  more: Readonly<Record<string, string>> = {}
): Authorization => ({ authorization: Redacted.make(`Bearer ${Redacted.value(token)}`), ...more })

export const isSameSecret = (a: Redacted.Redacted<string>, b: Redacted.Redacted<string>): boolean =>
  Redacted.value(a) === Redacted.value(b)
