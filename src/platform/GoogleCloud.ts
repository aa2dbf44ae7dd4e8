/**
 * Claude on Google Cloud, as managed by Anthropic: requests are sent with a Google token.
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Files } from "effect-anthropic-files"
 * import * as GoogleCloud from "effect-anthropic-files/platform/GoogleCloud"
 * import { FetchHttpClient } from "effect/http"
 *
 * const live = Files.layerCredentials().pipe(
 *   Layer.provide(GoogleCloud.layer({ project: "my-project", workspaceId: "wrkspc_…" })),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 *
 * const program = Files.listPage({ limit: 5 }).pipe(Effect.provide(live))
 * ```
 *
 * Without a token, Google's default credentials are used through the package `google-auth-library`, an optional peer that
 * is loaded on first use; the option `token` replaces it.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { Credentials } from "../Credentials.ts"
import { type CredentialsFailed, InvalidConfig } from "../FilesError.ts"
import { fixableConfig } from "../internal/advice.ts"
import { credentialsFailed } from "../internal/credentials/failed.ts"
import { describeError, ofEffect, type Token } from "../internal/credentials/ofEffect.ts"
import { peer } from "../internal/credentials/peer.ts"
import { make, type Shape } from "../internal/credentials/service.ts"
import { firstVariable, variable } from "../internal/credentials/variables.ts"
import { isGiven, parseAddress, warnOfPlainHttp } from "../internal/request/baseUrl.ts"

/** The members of an `AuthClient` of `google-auth-library` that are used here. */
export interface AuthClient {
  /** The current token, renewed if it has expired. */
  readonly getAccessToken: () => Promise<{ readonly token?: string | null | undefined }>
  readonly credentials?: { readonly expiry_date?: number | null | undefined }
}

/** Options of {@link layer}. */
export interface Options<R = never> {
  /**
   * The project's id.
   *
   * @default `ANTHROPIC_GOOGLE_CLOUD_PROJECT`, `GOOGLE_CLOUD_PROJECT`, or the project that Google's library finds
   */
  readonly project?: string | undefined
  /**
   * @default `ANTHROPIC_GOOGLE_CLOUD_LOCATION`, else "global"
   */
  readonly location?: string | undefined
  /**
   * `wrkspc_…`, a part of the base URL.
   *
   * @default `ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID`
   */
  readonly workspaceId?: string | undefined
  /**
   * Your own base URL. Project, location and workspace are then not needed.
   *
   * @default `ANTHROPIC_GOOGLE_CLOUD_BASE_URL`, else the workspace's endpoint
   */
  readonly baseUrl?: string | URL | undefined
  /**
   * Allows plain http to hosts other than this machine.
   *
   * @default false
   */
  readonly allowPlainHttp?: boolean | undefined
  /**
   * An Effect that provides a Google token. It is run again before the token expires. {@link fromAuthClient} makes one from
   * a client of Google's library.
   *
   * @default {@link applicationDefault}
   */
  readonly token?: Effect.Effect<Token | Redacted.Redacted<string>, unknown, R> | undefined
  /**
   * Sends requests without a token, to a gateway that authorizes them. Needs `baseUrl`.
   *
   * @default false
   */
  readonly skipAuth?: boolean | undefined
  /**
   * Identifies the caller to caches, rate limits and circuit breakers. Not a secret.
   *
   * @default project, location and workspace
   */
  readonly identity?: string | undefined
}

const scope = "https://www.googleapis.com/auth/cloud-platform"

const source = "the Google Cloud token"

const invalid = (option: string, message: string) => new InvalidConfig({ option, message })

/** How long a token without a known expiry is used. Milliseconds. */
const unknownLifetime = 300_000

/**
 * A token from a client of Google's library.
 */
export const fromAuthClient = (client: AuthClient): Effect.Effect<Token, CredentialsFailed> =>
  Effect.gen(function*() {
    const { token } = yield* Effect.tryPromise({
      try: () => client.getAccessToken(),
      catch: (cause) => credentialsFailed(source, `Google issued no token: ${describeError(cause)}`, { cause })
    })
    if (!Predicate.isString(token) || token === "") {
      return yield* credentialsFailed(
        source,
        "Google issued no token: log in with gcloud auth application-default login."
      )
    }
    const expiry = client.credentials?.expiry_date
    const now = yield* Clock.currentTimeMillis
    return { token: Redacted.make(token), expiresAt: new Date(expiry ?? now + unknownLifetime) }
  })

const library = peer(source, "google-auth-library", () => import("google-auth-library"))

/**
 * A token from Google's default credentials: a key file, a login with gcloud, or the metadata server.
 */
export const applicationDefault: Effect.Effect<Token, CredentialsFailed> = Effect.gen(function*() {
  const { GoogleAuth } = yield* library
  const client = yield* Effect.tryPromise({
    // A new client each time, because it caches a token until that expires, even if the service refused it. Without a
    // project id the library first searches for one, which takes seconds; the token does not depend on it.
    try: () => new GoogleAuth({ scopes: [scope], projectId: "-" }).getClient(),
    catch: (cause) =>
      credentialsFailed(
        source,
        `There are no Google default credentials: ${
          describeError(cause)
        } Log in with gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS.`,
        { cause }
      )
  })
  return yield* fromAuthClient(client)
})

const projectOfLibrary: Effect.Effect<string, InvalidConfig> = Effect.flatMap(
  library,
  ({ GoogleAuth }) =>
    Effect.tryPromise({
      try: () => new GoogleAuth({ scopes: [scope] }).getProjectId(),
      catch: (cause) => credentialsFailed(source, describeError(cause))
    })
).pipe(
  Effect.mapError(({ message }) =>
    fixableConfig("project", `There is no Google Cloud project (Google's library: ${message.replace(/\.$/, "")})`, [
      "set ANTHROPIC_GOOGLE_CLOUD_PROJECT"
    ])
  )
)

const segment = (option: string, value: string, what = option): Effect.Effect<string, InvalidConfig> =>
  // A project id may be scoped to a domain: example.com:my-project.
  /^[A-Za-z0-9][A-Za-z0-9._:-]*$/.test(value)
    ? Effect.succeed(encodeURIComponent(value))
    : Effect.fail(invalid(option, `${JSON.stringify(value)} can't be the ${what} in an address.`))

interface Place {
  readonly baseUrl: string | URL
  readonly identity: string
}

const place = <R>(options: Options<R>): Effect.Effect<Place, InvalidConfig> =>
  Effect.gen(function*() {
    const own = isGiven(options.baseUrl) ? options.baseUrl : yield* variable("ANTHROPIC_GOOGLE_CLOUD_BASE_URL")
    if (own !== undefined) return { baseUrl: own, identity: `google ${String(own)}` }
    const workspaceId = options.workspaceId?.trim() || (yield* variable("ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID"))
    if (workspaceId === undefined) {
      return yield* fixableConfig("workspaceId", "Claude on Google Cloud needs a workspace", [
        "set ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID"
      ])
    }
    const location = options.location?.trim() || (yield* variable("ANTHROPIC_GOOGLE_CLOUD_LOCATION")) || "global"
    const project = options.project?.trim()
      || (yield* firstVariable("ANTHROPIC_GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_PROJECT"))
      || (yield* projectOfLibrary)
    const path = [
      "projects",
      yield* segment("project", project),
      "locations",
      yield* segment("location", location),
      "workspaces",
      yield* segment("workspaceId", workspaceId, "workspace"),
      "invoke"
    ].join("/")
    return {
      baseUrl: `https://claude.googleapis.com/v1/${path}`,
      identity: `google project ${project} location ${location} workspace ${workspaceId}`
    }
  })

const shape = <R>(options: Options<R>): Effect.Effect<Shape, InvalidConfig, R | Scope.Scope> =>
  Effect.gen(function*() {
    const { skipAuth, token } = options
    if (skipAuth === true && token !== undefined) {
      return yield* invalid("skipAuth", "skipAuth and token exclude each other: pass one of them.")
    }
    if (skipAuth === true && !isGiven(options.baseUrl)) {
      return yield* invalid("baseUrl", "skipAuth sends requests to a gateway: pass its baseUrl.")
    }
    const where = yield* place(options)
    const address = yield* parseAddress(where.baseUrl, options.allowPlainHttp === true, "baseUrl")
    yield* warnOfPlainHttp(address)
    const common = { baseUrl: address.baseUrl, identity: options.identity ?? where.identity }
    if (skipAuth === true) {
      return make({
        ...common,
        headersFor: () => Effect.succeed({}),
        source: "a request without a token",
        advice: "check the gateway"
      })
    }
    const context = yield* Effect.context<R>()
    return yield* ofEffect(token === undefined ? applicationDefault : Effect.provideContext(token, context), {
      ...common,
      source,
      advice: "check who is logged in, and that account's role in the project"
    })
  })

/**
 * Credentials and base URL of Claude on Google Cloud. Options take precedence over the environment.
 */
export const layer = <R = never>(options: Options<R> = {}): Layer.Layer<Credentials, InvalidConfig, R> =>
  Layer.effect(Credentials, shape(options))
