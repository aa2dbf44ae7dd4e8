/**
 * The environment that users of the API already have, read through the current `ConfigProvider`.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { InvalidConfig } from "../../FilesError.ts"
import { credentialHeaders } from "../credentials/static.ts"
import { variables } from "../credentials/variables.ts"
import { isGiven } from "./baseUrl.ts"
import { parseCustomHeaders } from "./customHeaders.ts"
import { givenCredentials, type Options } from "./options.ts"

/**
 * Options completed from `ANTHROPIC_API_KEY`, `ANTHROPIC_AUTH_TOKEN`, `ANTHROPIC_BASE_URL`, `ANTHROPIC_WORKSPACE_ID`
 * and `ANTHROPIC_CUSTOM_HEADERS`. An option given here takes precedence, and a credential given here hides all of the
 * environment's.
 */
export const fromEnvironment = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Options, InvalidConfig> {
  const found = yield* variables
  const text = found.customHeaders === undefined ? "" : Redacted.value(found.customHeaders)
  const custom = Object.entries(yield* parseCustomHeaders(text))
  const hasOwn = givenCredentials(options).length > 0
  const headers = Object.fromEntries(
    hasOwn ? custom.filter(([name]) => !credentialHeaders.has(name.toLowerCase())) : custom
  )
  const isHidden = hasOwn || givenCredentials({ headers }).length > 0
  return {
    ...options,
    apiKey: isHidden ? options.apiKey : found.apiKey,
    authToken: isHidden || found.apiKey !== undefined ? options.authToken : found.authToken,
    baseUrl: isGiven(options.baseUrl) ? options.baseUrl : found.baseUrl,
    workspaceId: options.workspaceId ?? found.workspaceId,
    headers: { ...headers, ...options.headers }
  }
})
