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
import { headersProblem, type Options } from "./options.ts"

/**
 * Options completed from `ANTHROPIC_BASE_URL`, `ANTHROPIC_WORKSPACE_ID` and `ANTHROPIC_CUSTOM_HEADERS`. An option given
 * here takes precedence. What carries a credential in the environment is left to `Credentials.fromEnvironment`.
 */
export const fromEnvironment = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Options, InvalidConfig> {
  const found = yield* variables
  const text = found.customHeaders === undefined ? "" : Redacted.value(found.customHeaders)
  const custom = Object.entries(yield* parseCustomHeaders(text))
  const headers = Object.fromEntries(custom.filter(([name]) => !credentialHeaders.has(name.toLowerCase())))
  return {
    ...options,
    baseUrl: isGiven(options.baseUrl) ? options.baseUrl : found.baseUrl,
    workspaceId: options.workspaceId ?? found.workspaceId,
    headers: headersProblem(options.headers) === undefined ? { ...headers, ...options.headers } : options.headers
  }
})
