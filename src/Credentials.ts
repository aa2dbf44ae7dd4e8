/**
 * What authorizes requests: a key, a token, a profile on this machine, workload identity, or whatever the environment
 * provides.
 *
 * `Files.layer({ apiKey })` and `Files.layerConfig()` don't need this module. A client with other credentials is made
 * with `layerCredentials`:
 *
 * ```ts
 * import { NodeFileSystem, NodePath } from "@effect/platform-node"
 * import { Effect, Layer } from "effect"
 * import { Credentials, Files } from "effect-anthropic-files"
 * import { FetchHttpClient } from "effect/http"
 *
 * const live = Files.layerCredentials().pipe(
 *   Layer.provide(Credentials.profile({ name: "work" })),
 *   Layer.provide([FetchHttpClient.layer, NodeFileSystem.layer, NodePath.layer])
 * )
 *
 * const program = Files.listPage({ limit: 5 }).pipe(Effect.provide(live))
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import * as Predicate from "effect/Predicate"
import type * as Redacted from "effect/Redacted"
import { InvalidConfig } from "./FilesError.ts"
import * as Chain from "./internal/credentials/chain.ts"
import { credentialsFailed } from "./internal/credentials/failed.ts"
import { assertionFile } from "./internal/credentials/federation.ts"
import { configFolder, type Disk, disk, diskIfAny } from "./internal/credentials/files.ts"
import { describeError, ofEffect, type Token } from "./internal/credentials/ofEffect.ts"
import { activeProfile } from "./internal/credentials/profile.ts"
import { oauthBeta } from "./internal/credentials/rotating.ts"
import { type Authorization, make as makeShape, type Shape } from "./internal/credentials/service.ts"
import { ofFederation, ofProfile } from "./internal/credentials/sources.ts"
import * as Static from "./internal/credentials/static.ts"
import { names, variables } from "./internal/credentials/variables.ts"
import { printable } from "./internal/text.ts"

export type {
  /** The headers that authorize one request, by lower-case name. Secret values are `Redacted`. */
  Authorization,
  /** A token and when it expires. */
  Token
}

/**
 * Authorizes the requests of a client. Files, Messages and MessageBatches clients that are made from the same
 * `Credentials` share its tokens.
 */
export class Credentials extends Context.Service<Credentials, Shape>()("effect-anthropic-files/Credentials") {}

/**
 * Credentials of your own kind. By default there is nothing to renew, no base URL, and every operation is supported.
 */
export const make: (
  credentials: Pick<Credentials["Service"], "headersFor" | "identity"> & Partial<Credentials["Service"]>
) => Credentials["Service"] = makeShape

/** Whom a credential identifies. */
export interface IdentityOptions {
  /**
   * Identifies the caller to caches, rate limits and circuit breakers; the same in every process. Not a secret.
   *
   * @default derived from the credential: organization and workspace, or a digest of the key
   */
  readonly identity?: string | undefined
}

/** Where tokens are requested. */
export interface EndpointOptions extends IdentityOptions {
  /**
   * The base URL of the token endpoint, unless a profile or `ANTHROPIC_BASE_URL` sets it.
   *
   * @default "https://api.anthropic.com"
   */
  readonly baseUrl?: string | URL | undefined
  /**
   * Allows plain http to hosts other than this machine.
   *
   * @default false
   */
  readonly allowPlainHttp?: boolean | undefined
}

/**
 * A key, sent as `x-api-key`.
 */
export const apiKey = (
  key: Redacted.Redacted<string>,
  options: IdentityOptions = {}
): Layer.Layer<Credentials, InvalidConfig> =>
  Layer.effect(Credentials, Static.apiKey(key, { option: "apiKey", identity: options.identity }))

/**
 * A fixed token, sent as `authorization: Bearer …`.
 */
export const authToken = (
  token: Redacted.Redacted<string>,
  options: IdentityOptions = {}
): Layer.Layer<Credentials, InvalidConfig> =>
  Layer.effect(Credentials, Static.bearer(token, { option: "authToken", identity: options.identity }))

/**
 * No credential, for a gateway that authorizes requests itself, or a client whose `headers` do.
 */
export const none: Layer.Layer<Credentials> = Layer.sync(Credentials, () => Static.none())

/** How the token of {@link fromEffect} is sent and described. */
export interface FromEffectOptions extends IdentityOptions {
  /**
   * Sent with each request as `anthropic-beta`.
   *
   * @default ["oauth-2025-04-20"]
   */
  readonly betas?: ReadonlyArray<string> | undefined
  /**
   * A description of the token for error messages.
   *
   * @default "the token"
   */
  readonly source?: string | undefined
}

/**
 * A token from an Effect, sent as Bearer. The Effect runs when the first request needs the token, again before the token
 * expires, and again when the service refuses it. One fiber runs it, however many wait.
 *
 * Without an `identity`, caches and rate limits treat each layer as a different caller.
 */
export const fromEffect = <E, R>(
  token: Effect.Effect<Token | Redacted.Redacted<string>, E, R>,
  options: FromEffectOptions = {}
): Layer.Layer<Credentials, never, R> =>
  Layer.effect(
    Credentials,
    Effect.flatMap(Effect.context<R>(), (context) => {
      const { betas = [oauthBeta], identity, source = "the token" } = options
      return ofEffect(Effect.provideContext(token, context), {
        source,
        identity,
        advice: "check the Effect that provides it",
        headers: betas.length === 0 ? {} : { "anthropic-beta": betas.join(",") }
      })
    })
  )

/** Which profile is read, and from where. */
export interface ProfileOptions extends EndpointOptions {
  /**
   * @default `ANTHROPIC_PROFILE`, else the active profile
   */
  readonly name?: string | undefined
  /**
   * The folder that contains `configs` and `credentials`.
   *
   * @default `ANTHROPIC_CONFIG_DIR`, else the user's config folder
   */
  readonly configDir?: string | undefined
}

/**
 * A profile on this machine: a login or workload identity, in the files of the official clients and their command line.
 * Its tokens are renewed before they expire, and shared with other processes through the profile's files.
 */
export const profile = (
  options: ProfileOptions = {}
): Layer.Layer<Credentials, InvalidConfig, HttpClient.HttpClient | FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    Credentials,
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      const files = yield* disk
      const found = yield* variables
      const folder = options.configDir ?? configFolder(files, found)
      const fallback = () => folder === undefined ? Effect.succeed("default") : activeProfile(files, folder)
      const given = options.name?.trim() || undefined
      const name = given ?? found.profile ?? (yield* fallback())
      const option = given === undefined && found.profile !== undefined ? names.profile : "profile"
      const { profile } = yield* Chain.namedProfile({ variables: found, disk: files }, name, option, folder)
      return yield* ofProfile(client, files, profile, found, options)
    })
  )

/** Options of {@link federation}. */
export interface FederationOptions<R = never> extends EndpointOptions {
  /** `fdrl_…` */
  readonly ruleId: string
  readonly organizationId: string
  /** `svac_…` */
  readonly serviceAccountId?: string | undefined
  /** `wrkspc_…` or `default`; needed if the rule has several workspaces. */
  readonly workspaceId?: string | undefined
  /** The other issuer's token (a JWT), obtained for each exchange: from an Effect, or from a file that is read each time. */
  readonly identityToken: Effect.Effect<Redacted.Redacted<string>, unknown, R> | { readonly file: string }
}

const diskForTokenFile: Effect.Effect<Disk, InvalidConfig> = Effect.filterOrFail(
  diskIfAny,
  Predicate.isNotUndefined,
  () =>
    new InvalidConfig({
      option: "identityToken",
      message: "The identity token is in a file: provide a FileSystem and a Path to the layer."
    })
)

/**
 * Workload identity: exchanges another issuer's token for an access token of the API, and renews that before it expires.
 * Nothing is written to disk.
 */
export const federation = <R = never>(
  options: FederationOptions<R>
): Layer.Layer<Credentials, InvalidConfig, HttpClient.HttpClient | R> =>
  Layer.effect(
    Credentials,
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      const context = yield* Effect.context<R>()
      const source = "the federation"
      const { identityToken, organizationId, ruleId, serviceAccountId, workspaceId } = options
      for (const [option, value] of Object.entries({ ruleId, organizationId })) {
        if (!Predicate.isString(value) || value.trim() === "") {
          return yield* new InvalidConfig({ option, message: `${option} is missing: federation needs it.` })
        }
      }
      const assertion = "file" in identityToken
        ? assertionFile(yield* diskForTokenFile, source, identityToken.file)
        : Effect.mapError(Effect.provideContext(identityToken, context), (cause) =>
          credentialsFailed(source, `There is no identity token, since its Effect failed: ${describeError(cause)}`, {
            cause
          }))
      const parts = { source, ruleId, organizationId, serviceAccountId, workspaceId, assertion }
      return yield* ofFederation(client, parts, yield* variables, options)
    })
  )

const place = Effect.gen(function*() {
  return { variables: yield* variables, disk: yield* diskIfAny }
})

const environment = (
  options: EndpointOptions
): Layer.Layer<Credentials, InvalidConfig, HttpClient.HttpClient> =>
  Layer.effect(
    Credentials,
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      const { found } = yield* Chain.choose(yield* place)
      return found === undefined ? Static.none() : yield* found(client, options)
    })
  )

// Layers are shared by reference, so services that use the plain environment share one token.
const plainEnvironment = environment({})

/**
 * The first credential that the environment has, of `ANTHROPIC_API_KEY`, `ANTHROPIC_AUTH_TOKEN`, the profile that
 * `ANTHROPIC_PROFILE` names, workload identity from variables, and the active profile. A credential header in
 * `ANTHROPIC_CUSTOM_HEADERS` comes before all of them.
 *
 * Profiles and token files are read only if a `FileSystem` and a `Path` are in the context.
 */
export const fromEnvironment = (
  options?: EndpointOptions
): Layer.Layer<Credentials, InvalidConfig, HttpClient.HttpClient> =>
  options === undefined || Object.values(options).every((value) => value === undefined)
    ? plainEnvironment
    : environment(options)

/** A place where a credential may be. */
export interface Step {
  /** The place: a variable or a profile. */
  readonly source: string
  /**
   * - `used`: this credential is used;
   * - `hidden`: there is a credential here, but an earlier one is used;
   * - `absent`: there is no credential here;
   * - `invalid`: the credential is invalid. Nothing after it is tried, unless an earlier one is used.
   */
  readonly state: "used" | "hidden" | "absent" | "invalid"
  /** The reason for the state, as part of a sentence. */
  readonly detail: string
}

/** Which credential is used, and why. Holds no secret. */
export interface Explanation {
  /** The place of the credential that is used; `undefined` if none can be. */
  readonly source: string | undefined
  /** One sentence. */
  readonly message: string
  /** All places, in the order in which they are tried. */
  readonly steps: ReadonlyArray<Step>
}

/**
 * Which credential {@link fromEnvironment} uses and why, without using it. Never fails, and holds no secret.
 */
export const explain: Effect.Effect<Explanation> = Effect.gen(function*() {
  const where = yield* place
  const steps: Array<Step> = []
  let used: string | undefined
  let stopped = false
  let why = Chain.nothing(where).message
  for (const [name, looked] of Chain.candidates(where)) {
    const candidate = yield* Effect.catch(looked, (error) => Effect.succeed(error))
    if (candidate instanceof InvalidConfig) {
      steps.push({ source: name, state: "invalid", detail: candidate.message })
      if (used === undefined && !stopped) {
        stopped = true
        why = candidate.message
      }
      continue
    }
    const { detail, found, source } = candidate
    if (found === undefined) {
      steps.push({ source, state: "absent", detail })
      continue
    }
    if (used === undefined && !stopped) {
      used = source
      why = `${source} is used: ${detail}, and nothing takes precedence over it.`
      steps.push({ source, state: "used", detail })
      continue
    }
    steps.push({ source, state: "hidden", detail: used === undefined ? detail : `${printable(used)} takes precedence` })
  }
  return { source: used, message: why, steps }
}).pipe(
  Effect.catch((error) => Effect.succeed<Explanation>({ source: undefined, message: error.message, steps: [] }))
)
