/**
 * Authenticates callers by keys and access tokens, and finds the workspace that they act on.
 */
import * as Effect from "effect/Effect"
import type * as Headers from "effect/http/Headers"
import { type ApiError, forbidden, invalidRequest, unauthorized } from "./apiError.ts"
import type { Tokens } from "./tokens.ts"

export interface Key {
  readonly bytes: Uint8Array
  readonly workspaces: ReadonlyArray<string>
}

const encoder = new TextEncoder()

export const key = (value: string, workspaces: string | ReadonlyArray<string>): Key => ({
  bytes: encoder.encode(value),
  workspaces: typeof workspaces === "string" ? [workspaces] : workspaces
})

/** Compares in constant time. The lengths are not secret. */
const equal = (a: Uint8Array, b: Uint8Array): boolean => {
  let difference = a.byteLength ^ b.byteLength
  for (let i = 0; i < a.byteLength; i++) difference |= (a[i] ?? 0) ^ (b[i % Math.max(1, b.byteLength)] ?? 0)
  return difference === 0
}

/** Compares with every key, so that the time does not depend on which one matches. */
const match = (keys: ReadonlyArray<Key>, given: string): Key | undefined => {
  const bytes = encoder.encode(given)
  let found: Key | undefined
  for (const candidate of keys) {
    if (equal(candidate.bytes, bytes)) found = candidate
  }
  return found
}

const bearer = (authorization: string | undefined): string | undefined =>
  authorization !== undefined && /^bearer /i.test(authorization) ? authorization.slice(7).trim() : undefined

interface Credential {
  readonly value: string
  /** Whether it came as `Authorization: Bearer`. Access tokens are accepted only there. */
  readonly isBearer: boolean
}

/** The credential of a request. If it has both headers, `x-api-key` counts. */
const credentialOf = (headers: Headers.Headers): Effect.Effect<Credential, ApiError> => {
  const apiKey = headers["x-api-key"]
  const isBearer = apiKey === undefined || apiKey === ""
  const value = isBearer ? bearer(headers.authorization) : apiKey
  return value === undefined || value === ""
    ? Effect.fail(unauthorized("x-api-key or Authorization: Bearer header is required"))
    : Effect.succeed({ value, isBearer })
}

const reach = Effect.fnUntraced(function*(
  keys: ReadonlyArray<Key>,
  tokens: Tokens,
  headers: Headers.Headers,
  now: number
): Effect.fn.Return<ReadonlyArray<string>, ApiError> {
  const { isBearer, value } = yield* credentialOf(headers)
  const key = match(keys, value)
  if (key !== undefined) return key.workspaces
  const token = isBearer ? tokens.find(value, now) : undefined
  if (token === undefined) return yield* unauthorized(isBearer ? "invalid bearer token" : "invalid x-api-key")
  return "refused" in token ? yield* unauthorized(token.refused) : token.workspaces
})

/** The workspace that a request may act on. */
export const authenticate = Effect.fnUntraced(function*(
  keys: ReadonlyArray<Key>,
  tokens: Tokens,
  headers: Headers.Headers,
  now: number
): Effect.fn.Return<string, ApiError> {
  const workspaces = yield* reach(keys, tokens, headers, now)
  if (headers["anthropic-version"] === undefined || headers["anthropic-version"].trim() === "") {
    return yield* invalidRequest("anthropic-version: header is required")
  }
  const wanted = headers["anthropic-workspace-id"]
  const workspace = wanted === undefined || wanted === "" ? workspaces[0] : wanted
  if (workspace === undefined || !workspaces.includes(workspace)) {
    return yield* forbidden("This credential cannot act on the workspace in anthropic-workspace-id")
  }
  return workspace
})

/** Accepts any key of the emulator. It needs no version, and no access token is accepted. */
export const authenticateAdmin = Effect.fnUntraced(function*(
  keys: ReadonlyArray<Key>,
  headers: Headers.Headers
): Effect.fn.Return<void, ApiError> {
  const { isBearer, value } = yield* credentialOf(headers)
  if (match(keys, value) === undefined) {
    return yield* unauthorized(isBearer ? "invalid bearer token" : "invalid x-api-key")
  }
})
