/**
 * The environment variables for credentials, read through the current `ConfigProvider`.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import { InvalidConfig } from "../../FilesError.ts"
import { excerpt } from "../text.ts"

const plain = {
  profile: "ANTHROPIC_PROFILE",
  configDir: "ANTHROPIC_CONFIG_DIR",
  baseUrl: "ANTHROPIC_BASE_URL",
  organizationId: "ANTHROPIC_ORGANIZATION_ID",
  workspaceId: "ANTHROPIC_WORKSPACE_ID",
  ruleId: "ANTHROPIC_FEDERATION_RULE_ID",
  serviceAccountId: "ANTHROPIC_SERVICE_ACCOUNT_ID",
  identityTokenFile: "ANTHROPIC_IDENTITY_TOKEN_FILE",
  xdgConfigHome: "XDG_CONFIG_HOME",
  home: "HOME",
  appData: "APPDATA",
  userProfile: "USERPROFILE"
} as const

const secret = {
  apiKey: "ANTHROPIC_API_KEY",
  authToken: "ANTHROPIC_AUTH_TOKEN",
  identityToken: "ANTHROPIC_IDENTITY_TOKEN",
  customHeaders: "ANTHROPIC_CUSTOM_HEADERS"
} as const

export const names = { ...plain, ...secret }

/**
 * Values are trimmed, and empty ones count as unset.
 */
export type Variables =
  & { readonly [K in keyof typeof plain]: string | undefined }
  & { readonly [K in keyof typeof secret]: Redacted.Redacted<string> | undefined }

const unreadable = (error: Config.ConfigError) =>
  new InvalidConfig({
    option: "environment",
    message: `The environment can't be read: ${excerpt(error.message)}`
  })

/** A variable; `undefined` if it is unset or empty. */
export const variable = (name: string): Effect.Effect<string | undefined, InvalidConfig> =>
  Effect.mapError(
    Effect.map(Config.option(Config.String(name)), (value) => {
      const text = Option.getOrElse(value, () => "").trim()
      return text === "" ? undefined : text
    }),
    unreadable
  )

/** The first of the variables that is set. */
export const firstVariable = (
  ...names: ReadonlyArray<string>
): Effect.Effect<string | undefined, InvalidConfig> =>
  Effect.map(Effect.forEach(names, variable), (values) => values.find((value) => value !== undefined))

/** A variable that holds a secret. */
export const secretVariable = (name: string): Effect.Effect<Redacted.Redacted<string> | undefined, InvalidConfig> =>
  Effect.map(variable(name), (value) => value === undefined ? undefined : Redacted.make(value))

export const variables: Effect.Effect<Variables, InvalidConfig> = Effect.map(
  Effect.all([Effect.all(Record.map(plain, variable)), Effect.all(Record.map(secret, secretVariable))]),
  ([plain, secret]) => ({ ...plain, ...secret })
)
