/**
 * Claude in Microsoft Foundry: with a key of the resource, or an Entra token.
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Files } from "effect-anthropic-files"
 * import * as Foundry from "effect-anthropic-files/platform/Foundry"
 * import { FetchHttpClient } from "effect/http"
 *
 * const live = Files.layerCredentials().pipe(
 *   Layer.provide(Foundry.layer({ resource: "my-resource" })),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 *
 * const program = Files.listPage({ limit: 5 }).pipe(Effect.provide(live))
 * ```
 *
 * Without a key and a token, an Entra token is obtained through the package `@azure/identity`, an optional peer that is
 * loaded on first use; the option `token` replaces it.
 *
 * Foundry has no message batches: their operations fail before anything is sent.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { Credentials } from "../Credentials.ts"
import { type CredentialsFailed, InvalidConfig, type Operation } from "../FilesError.ts"
import { fixableConfig } from "../internal/advice.ts"
import { credentialsFailed } from "../internal/credentials/failed.ts"
import { describeError, ofEffect, type Token } from "../internal/credentials/ofEffect.ts"
import { peer } from "../internal/credentials/peer.ts"
import { type Authorization, make, type Shape } from "../internal/credentials/service.ts"
import { secretText } from "../internal/credentials/static.ts"
import { secretVariable, variable } from "../internal/credentials/variables.ts"
import { isGiven, parseAddress, warnOfPlainHttp } from "../internal/request/baseUrl.ts"

/** Options of {@link layer}. */
export interface Options<R = never> {
  /**
   * The resource's name, or its host. Excludes `baseUrl`.
   *
   * @default `ANTHROPIC_FOUNDRY_RESOURCE`
   */
  readonly resource?: string | undefined
  /**
   * @default `ANTHROPIC_FOUNDRY_BASE_URL`, else the resource's endpoint
   */
  readonly baseUrl?: string | URL | undefined
  /**
   * Allows plain http to hosts other than this machine.
   *
   * @default false
   */
  readonly allowPlainHttp?: boolean | undefined
  /**
   * A key of the resource, sent as `x-api-key`.
   *
   * @default `ANTHROPIC_FOUNDRY_API_KEY`
   */
  readonly apiKey?: Redacted.Redacted<string> | undefined
  /**
   * An Effect that provides an Entra token, sent as Bearer. It is run again before the token expires.
   *
   * @default {@link entraToken} if there is no key
   */
  readonly token?: Effect.Effect<Token | Redacted.Redacted<string>, unknown, R> | undefined
  /**
   * Identifies the caller to caches, rate limits and circuit breakers. Not a secret.
   *
   * @default derived from the base URL
   */
  readonly identity?: string | undefined
}

const scope = "https://ai.azure.com/.default"

const source = "the Entra token"

const invalid = (option: string, message: string) => new InvalidConfig({ option, message })

/**
 * A token from `@azure/identity`: from the environment, workload or managed identity, or a login on this machine.
 */
export const entraToken: Effect.Effect<Token, CredentialsFailed> = Effect.flatMap(
  peer(source, "@azure/identity", () => import("@azure/identity")),
  ({ DefaultAzureCredential }) =>
    Effect.tryPromise({
      // A new credential each time, because it caches a token until that expires, even if the service refused it.
      try: () => new DefaultAzureCredential().getToken(scope),
      catch: (cause) => credentialsFailed(source, `Entra issued no token: ${describeError(cause)}`, { cause })
    })
).pipe(
  Effect.map(({ expiresOnTimestamp, token }) => ({
    token: Redacted.make(token),
    expiresAt: new Date(expiresOnTimestamp)
  }))
)

const batches: ReadonlySet<Operation> = new Set([
  "createBatch",
  "getBatch",
  "listBatches",
  "cancelBatch",
  "deleteBatch",
  "batchResults"
])

const refusalOf = (operation: Operation): string | undefined =>
  batches.has(operation)
    ? "Microsoft Foundry has no message batches: send the messages one by one, or use another platform."
    : undefined

const endpointOf = (resource: string): Effect.Effect<string, InvalidConfig> => {
  // People often write the whole host.
  const name = resource.replace(/^https?:\/\//, "").replace(/[./].*$/, "")
  return /^[A-Za-z0-9-]+$/.test(name)
    ? Effect.succeed(`https://${name}.services.ai.azure.com/anthropic`)
    : Effect.fail(invalid(
      "resource",
      `${JSON.stringify(resource)} is not the name of a Foundry resource; expected for example my-resource.`
    ))
}

/** The base URL, from a resource or a base URL. Options take precedence over the environment. */
const place = Effect.fnUntraced(function*(
  given: { readonly resource: string | undefined; readonly baseUrl: string | URL | undefined }
): Effect.fn.Return<string | URL, InvalidConfig> {
  const hasOwn = given.resource !== undefined || given.baseUrl !== undefined
  const resource = hasOwn ? given.resource : yield* variable("ANTHROPIC_FOUNDRY_RESOURCE")
  const baseUrl = hasOwn ? given.baseUrl : yield* variable("ANTHROPIC_FOUNDRY_BASE_URL")
  if (resource !== undefined && baseUrl !== undefined) {
    return yield* invalid("baseUrl", "The resource and the base URL of Foundry exclude each other: keep one of them.")
  }
  if (baseUrl !== undefined) return baseUrl
  if (resource !== undefined) return yield* endpointOf(resource)
  return yield* fixableConfig("resource", "There is no Foundry resource", [
    "set ANTHROPIC_FOUNDRY_RESOURCE",
    "set ANTHROPIC_FOUNDRY_BASE_URL"
  ])
})

const shape = <R>(options: Options<R>): Effect.Effect<Shape, InvalidConfig, R | Scope.Scope> =>
  Effect.gen(function*() {
    const { apiKey, token } = options
    if (apiKey !== undefined && token !== undefined) {
      return yield* invalid("apiKey", "apiKey and token exclude each other: pass one of them.")
    }
    const where = yield* place({
      resource: options.resource?.trim() || undefined,
      baseUrl: isGiven(options.baseUrl) ? options.baseUrl : undefined
    })
    const address = yield* parseAddress(where, options.allowPlainHttp === true, "baseUrl")
    yield* warnOfPlainHttp(address)
    const { baseUrl } = address
    const common = { baseUrl, refusalOf, identity: options.identity ?? `foundry ${baseUrl}` }
    const key = apiKey ?? (token === undefined ? yield* secretVariable("ANTHROPIC_FOUNDRY_API_KEY") : undefined)
    if (key !== undefined) {
      const headers: Authorization = { "x-api-key": Redacted.make(yield* secretText("apiKey", key)) }
      return make({
        ...common,
        headersFor: () => Effect.succeed(headers),
        source: "the key of the Foundry resource",
        advice: "check ANTHROPIC_FOUNDRY_API_KEY"
      })
    }
    const context = yield* Effect.context<R>()
    return yield* ofEffect(token === undefined ? entraToken : Effect.provideContext(token, context), {
      ...common,
      source,
      advice: "check who is logged in, and that account's role on the resource"
    })
  })

/**
 * Credentials and base URL of Claude in Microsoft Foundry. Options take precedence over the environment.
 */
export const layer = <R = never>(options: Options<R> = {}): Layer.Layer<Credentials, InvalidConfig, R> =>
  Layer.effect(Credentials, shape(options))
