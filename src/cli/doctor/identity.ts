/**
 * Checks of `doctor` on the identity of requests: platform, credential, workspace, endpoint.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import process from "node:process"
import * as Credentials from "../../Credentials.ts"
import { printable } from "../../internal/text.ts"
import { defaultBaseUrl } from "../../internal/wire/constants.ts"
import * as NodeFiles from "../../NodeFiles.ts"
import * as Client from "../client.ts"
import { codeOf, ExitCode } from "../exitCode.ts"
import { type Platform, Settings } from "../settings.ts"
import { failed, type Finding, ok, reasonOf, variable } from "./finding.ts"

/** The variables that set up a platform. Only their names are shown. */
const variablesOf: Readonly<Record<Platform, ReadonlyArray<string>>> = {
  anthropic: [],
  aws: [
    "ANTHROPIC_AWS_API_KEY",
    "ANTHROPIC_AWS_BASE_URL",
    "ANTHROPIC_AWS_WORKSPACE_ID",
    "AWS_ACCESS_KEY_ID",
    "AWS_CONFIG_FILE",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE"
  ],
  "google-cloud": [
    "ANTHROPIC_GOOGLE_CLOUD_BASE_URL",
    "ANTHROPIC_GOOGLE_CLOUD_LOCATION",
    "ANTHROPIC_GOOGLE_CLOUD_PROJECT",
    "ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID",
    "CLOUDSDK_CONFIG",
    "GCLOUD_PROJECT",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_PROJECT"
  ],
  foundry: [
    "ANTHROPIC_FOUNDRY_API_KEY",
    "ANTHROPIC_FOUNDRY_BASE_URL",
    "ANTHROPIC_FOUNDRY_RESOURCE"
  ]
}

const isSet = (name: string): boolean => (process.env[name] ?? "").trim() !== ""

/** The platform that serves the API, and the variables that set it up. */
export const platform = Effect.map(Settings, ({ platform }): Finding => {
  if (platform === "anthropic") return ok("platform", "Anthropic's own")
  const set = variablesOf[platform].filter(isSet)
  return ok("platform", `${platform}, set up by ${set.length === 0 ? "no variable" : set.join(", ")}`)
})

/** The variables that hold a key or point to a credential, in order of precedence. */
const keysOf: Readonly<Record<Platform, ReadonlyArray<string>>> = {
  anthropic: [],
  aws: ["ANTHROPIC_AWS_API_KEY", "AWS_ACCESS_KEY_ID"],
  "google-cloud": ["GOOGLE_APPLICATION_CREDENTIALS"],
  foundry: ["ANTHROPIC_FOUNDRY_API_KEY"]
}

/** The last four characters, and no more. */
const ending = (key: string): string => key.length < 12 ? "…" : `…${printable(key.slice(-4))}`

const endsIn = (name: string) =>
  Effect.map(variable(name), (key) => key === undefined || !/KEY|TOKEN/.test(name) ? "" : ` It ends in ${ending(key)}.`)

const sentence = (text: string): string => printable(text.slice(0, 1).toUpperCase() + text.slice(1))

/** The credential in use, in a sentence. */
const credentialText = Effect.fnUntraced(function*(made: Credentials.Credentials["Service"]) {
  const { platform, profile } = yield* Settings
  if (profile !== undefined) return `${sentence(made.source)}, from --profile.`
  if (platform === "anthropic") {
    const { message, source } = yield* Credentials.explain
    return `${printable(message)}${source === undefined ? "" : yield* endsIn(source)}`
  }
  const from = keysOf[platform].find(isSet)
  return from === undefined
    ? `${sentence(made.source)}, from where the platform's package finds it.`
    : `${sentence(made.source)}, from ${from}.${yield* endsIn(from)}`
})

/** An example of a request, for credentials that sign requests. */
const anyRequest = (baseUrl: string | undefined) => HttpClientRequest.get(`${baseUrl ?? defaultBaseUrl}/v1/files`)

const withoutCredential = (error: unknown): Finding =>
  failed("credential", reasonOf(error), "Do what the message says, or use another credential.", codeOf(error))

export interface Identity {
  readonly finding: Finding
  /** The base URL that comes with the credential. */
  readonly baseUrl: string | undefined
}

/** Makes the credential, and asks it for the headers of a request. */
export const identity = Effect.gen(function*() {
  const made = yield* Client.credentials.pipe(
    Effect.flatMap((layer) => Layer.build(Layer.provide(layer, NodeFiles.layerHttpClient))),
    Effect.map((context) => Context.get(context, Credentials.Credentials)),
    Effect.result
  )
  if (Result.isFailure(made)) {
    const found: Identity = { finding: withoutCredential(made.failure), baseUrl: undefined }
    return found
  }
  const { baseUrl } = made.success
  const text = yield* credentialText(made.success)
  const finding = yield* made.success.headersFor(anyRequest(baseUrl)).pipe(
    Effect.match({ onFailure: withoutCredential, onSuccess: () => ok("credential", text) })
  )
  const found: Identity = { finding, baseUrl }
  return found
})

const workspaceVariables: Readonly<Record<Platform, string | undefined>> = {
  anthropic: "ANTHROPIC_WORKSPACE_ID",
  aws: "ANTHROPIC_AWS_WORKSPACE_ID",
  "google-cloud": "ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID",
  foundry: undefined
}

export const workspace = Effect.gen(function*() {
  const { platform, workspaceId } = yield* Settings
  if (workspaceId !== undefined) return ok("workspace", `${printable(workspaceId)}, from --workspace`)
  const name = workspaceVariables[platform]
  const fromEnvironment = name === undefined ? undefined : yield* variable(name)
  return fromEnvironment === undefined
    ? ok("workspace", "the credential's own")
    : ok("workspace", `${printable(fromEnvironment)}, from ${name}`)
})

const baseUrlVariables: Readonly<Record<Platform, string>> = {
  anthropic: "ANTHROPIC_BASE_URL",
  aws: "ANTHROPIC_AWS_BASE_URL",
  "google-cloud": "ANTHROPIC_GOOGLE_CLOUD_BASE_URL",
  foundry: "ANTHROPIC_FOUNDRY_BASE_URL"
}

export interface Endpoint {
  readonly finding: Finding
  readonly url: URL | undefined
}

/** The base URL in use, and where it comes from. */
export const endpoint = Effect.fnUntraced(function*(ofCredential: string | undefined) {
  const { baseUrl, platform } = yield* Settings
  const name = baseUrlVariables[platform]
  const fromEnvironment = yield* variable(name)
  const choose = (): readonly [url: string | undefined, source: string] => {
    if (baseUrl !== undefined) return [baseUrl, "--base-url"]
    if (fromEnvironment !== undefined) return [fromEnvironment, name]
    if (ofCredential !== undefined) return [ofCredential, platform === "anthropic" ? "the profile" : "the platform"]
    return [platform === "anthropic" ? defaultBaseUrl : undefined, "the default"]
  }
  const [text, source] = choose()
  if (text === undefined) {
    const found: Endpoint = {
      finding: failed("endpoint", "not known", "Fix the credential first.", ExitCode.usage),
      url: undefined
    }
    return found
  }
  const url = URL.parse(text)
  const found: Endpoint = url === null
    ? {
      finding: failed(
        "endpoint",
        `${source} is not a URL`,
        `Expected for example ${defaultBaseUrl}.`,
        ExitCode.usage
      ),
      url: undefined
    }
    : {
      finding: ok("endpoint", `${printable(url.origin + url.pathname.replace(/\/$/, ""))}, from ${source}`),
      url
    }
  return found
})
