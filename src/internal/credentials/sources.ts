/**
 * Credentials that need files or the token endpoint.
 */
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { InvalidConfig } from "../../FilesError.ts"
import { isGiven, parseAddress, warnOfPlainHttp } from "../request/baseUrl.ts"
import { TransportSecrets } from "../request/transportSecrets.ts"
import { defaultBaseUrl } from "../wire/constants.ts"
import type { Endpoint } from "./exchange.ts"
import { federate, type Federation } from "./federation.ts"
import type { Disk } from "./files.ts"
import { acquireOf, loginAdvice, type Profile } from "./profile.ts"
import { bearerOf, isSameSecret, oauthBeta, rotating } from "./rotating.ts"
import type { Shape } from "./service.ts"
import * as Tokens from "./tokens.ts"
import type { Variables } from "./variables.ts"

export interface EndpointOptions {
  readonly baseUrl?: string | URL | undefined
  readonly allowPlainHttp?: boolean | undefined
  readonly identity?: string | undefined
}

const endpointOf = Effect.fnUntraced(function*(
  client: HttpClient.HttpClient,
  options: EndpointOptions,
  ...addresses: ReadonlyArray<string | URL | undefined>
): Effect.fn.Return<Endpoint, InvalidConfig> {
  const given = addresses.find(isGiven) ?? defaultBaseUrl
  const address = yield* parseAddress(given, options.allowPlainHttp === true, "baseUrl")
  yield* warnOfPlainHttp(address)
  return { baseUrl: address.baseUrl, client, secrets: yield* TransportSecrets }
})

const identityOf = (organization: string, workspace: string | undefined): string =>
  `organization ${organization} workspace ${workspace ?? "default"}`

export const ofProfile = Effect.fnUntraced(function*(
  client: HttpClient.HttpClient,
  disk: Disk,
  profile: Profile,
  variables: Variables,
  options: EndpointOptions
): Effect.fn.Return<Shape, InvalidConfig, Scope.Scope> {
  // The profile's own base URL comes first: an address in code must not divert its exchange.
  const endpoint = yield* endpointOf(client, options, profile.baseUrl, variables.baseUrl, options.baseUrl)
  const tokens = yield* Tokens.make(acquireOf(disk, endpoint, profile), isSameSecret)
  const { authentication, name, organizationId, source, workspaceId } = profile
  const more: Record<string, string> = { "anthropic-beta": oauthBeta }
  // A federated token is bound to its workspace.
  if (authentication._tag === "UserOAuth" && workspaceId !== undefined) more["anthropic-workspace-id"] = workspaceId
  return rotating(tokens, (token) => Effect.succeed(bearerOf(token, more)), {
    identity: options.identity ?? identityOf(organizationId ?? `of the profile ${name}`, workspaceId),
    source,
    advice: authentication._tag === "UserOAuth"
      ? loginAdvice
      : `check what the rule ${authentication.federation.ruleId} allows`,
    baseUrl: profile.baseUrl
  })
})

export const ofFederation = Effect.fnUntraced(function*(
  client: HttpClient.HttpClient,
  federation: Federation,
  variables: Pick<Variables, "baseUrl">,
  options: EndpointOptions
): Effect.fn.Return<Shape, InvalidConfig, Scope.Scope> {
  const endpoint = yield* endpointOf(client, options, options.baseUrl, variables.baseUrl)
  const tokens = yield* Tokens.make(
    () =>
      Effect.map(
        federate(endpoint, federation),
        ({ accessToken, expiresAt }): Tokens.Lent<Redacted.Redacted<string>> => ({ value: accessToken, expiresAt })
      ),
    isSameSecret
  )
  const { organizationId, ruleId, source, workspaceId } = federation
  return rotating(tokens, (token) => Effect.succeed(bearerOf(token, { "anthropic-beta": oauthBeta })), {
    identity: options.identity ?? identityOf(organizationId, workspaceId),
    source,
    advice: `check what the rule ${ruleId} allows`
  })
})
