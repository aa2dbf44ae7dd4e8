/**
 * Keys, and the workspaces they reach.
 */
import * as Effect from "effect/Effect"
import type * as Headers from "effect/http/Headers"
import { type ApiError, forbidden, invalidRequest, unauthorized } from "./apiError.ts"

export interface Key {
  readonly bytes: Uint8Array
  readonly workspaces: ReadonlyArray<string>
}

const encoder = new TextEncoder()

export const key = (value: string, workspaces: string | ReadonlyArray<string>): Key => ({
  bytes: encoder.encode(value),
  workspaces: typeof workspaces === "string" ? [workspaces] : workspaces
})

/** Takes the same time wherever the two differ. Their lengths are no secret. */
const equal = (a: Uint8Array, b: Uint8Array): boolean => {
  let difference = a.byteLength ^ b.byteLength
  for (let i = 0; i < a.byteLength; i++) difference |= (a[i] ?? 0) ^ (b[i % Math.max(1, b.byteLength)] ?? 0)
  return difference === 0
}

/** Every key is compared, so that the time does not tell which one was close. */
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

/** The workspace that a request may act on. */
export const authenticate = Effect.fnUntraced(function*(
  keys: ReadonlyArray<Key>,
  headers: Headers.Headers
): Effect.fn.Return<string, ApiError> {
  const apiKey = headers["x-api-key"]
  const given = apiKey === undefined || apiKey === "" ? bearer(headers.authorization) : apiKey
  if (given === undefined || given === "") {
    return yield* unauthorized("x-api-key or Authorization: Bearer header is required")
  }
  const found = match(keys, given)
  if (found === undefined) return yield* unauthorized("invalid x-api-key")
  if (headers["anthropic-version"] === undefined || headers["anthropic-version"].trim() === "") {
    return yield* invalidRequest("anthropic-version: header is required")
  }
  const wanted = headers["anthropic-workspace-id"]
  const workspace = wanted === undefined || wanted === "" ? found.workspaces[0] : wanted
  if (workspace === undefined || !found.workspaces.includes(workspace)) {
    return yield* forbidden("This key cannot act on the workspace in anthropic-workspace-id")
  }
  return workspace
})
