/**
 * The environment that users of the API already have, read through the current `ConfigProvider`.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { InvalidConfig } from "../../FilesError.ts"
import { excerpt } from "../text.ts"
import { type Options, parseCustomHeaders } from "./options.ts"

const environment = Config.all({
  apiKey: Config.option(Config.Redacted("ANTHROPIC_API_KEY")),
  authToken: Config.option(Config.Redacted("ANTHROPIC_AUTH_TOKEN")),
  baseUrl: Config.option(Config.String("ANTHROPIC_BASE_URL")),
  workspaceId: Config.option(Config.String("ANTHROPIC_WORKSPACE_ID")),
  headers: Config.option(Config.String("ANTHROPIC_CUSTOM_HEADERS"))
})

const set = (value: Option.Option<string>) =>
  Option.getOrUndefined(Option.filter(Option.map(value, (text) => text.trim()), (text) => text !== ""))

/**
 * Options completed from `ANTHROPIC_API_KEY`, `ANTHROPIC_AUTH_TOKEN`, `ANTHROPIC_BASE_URL`, `ANTHROPIC_WORKSPACE_ID`
 * and `ANTHROPIC_CUSTOM_HEADERS`. An option given here takes precedence.
 */
export const fromEnvironment = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Options, InvalidConfig> {
  const found = yield* Effect.mapError(environment, (error) =>
    new InvalidConfig({
      option: "environment",
      message: `The environment can't be read: ${excerpt(error.message)}`
    }))
  const headers = set(found.headers)
  return {
    ...options,
    apiKey: options.apiKey ?? Option.getOrUndefined(found.apiKey),
    authToken: options.authToken ?? Option.getOrUndefined(found.authToken),
    baseUrl: options.baseUrl ?? set(found.baseUrl),
    workspaceId: options.workspaceId ?? set(found.workspaceId),
    headers: {
      ...(headers === undefined ? undefined : yield* parseCustomHeaders(headers)),
      ...options.headers
    }
  }
})
