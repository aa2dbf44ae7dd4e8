/**
 * Access tokens as `POST /v1/oauth/token` issues them: for a refresh token, and for the identity token of a workload.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Random from "../random.ts"

/** The workspaces that a credential reaches: one, or several, of which the first is the default. */
export type Workspaces = string | ReadonlyArray<string>

/** The credentials that the token endpoint exchanges. */
export interface Options {
  /** Refresh tokens, each with the workspaces that its access tokens reach. @default none */
  readonly refreshTokens?: Readonly<Record<string, Workspaces>> | undefined
  /** The only client that may refresh tokens. @default any */
  readonly clientId?: string | undefined
  /** Whether a refresh gives a new refresh token, and makes the old one invalid. @default true */
  readonly rotateRefreshTokens?: boolean | undefined
  /** Federation rules by id (`fdrl_…`), each with the workspaces that it enables. @default none */
  readonly federationRules?: Readonly<Record<string, Workspaces>> | undefined
  /** How long an access token is valid. @default 1 hour */
  readonly tokenLifetime?: Duration.Input | undefined
}

/** An issued access token. Times are milliseconds since 1970, on the emulator's clock. */
export interface IssuedToken {
  readonly accessToken: string
  /** Absent for federation, which has no refresh tokens. */
  readonly refreshToken: string | undefined
  readonly workspaces: ReadonlyArray<string>
  readonly issuedAt: number
  /** `null` for a token that never expires. */
  readonly expiresAt: number | null
  readonly revoked: boolean
}

/** A refusal, with an error code of RFC 6749. */
export interface Refusal {
  readonly _tag: "Refusal"
  readonly status: number
  readonly error: string
  readonly description: string
}

const refuse = (status: number, error: string, description: string): Effect.Effect<never, Refusal> =>
  Effect.fail({ _tag: "Refusal", status, error, description })

export const oauthBeta = "oauth-2025-04-20"
export const federationBeta = "oidc-federation-2026-04-01"

/** How many tokens are remembered; the oldest are forgotten first. */
const maxTokens = 10_000

const RefreshGrant = Schema.Struct({
  grant_type: Schema.Literal("refresh_token"),
  refresh_token: Schema.NonEmptyString,
  client_id: Schema.NonEmptyString
})

const FederationGrant = Schema.Struct({
  grant_type: Schema.Literal("urn:ietf:params:oauth:grant-type:jwt-bearer"),
  assertion: Schema.NonEmptyString,
  federation_rule_id: Schema.NonEmptyString,
  organization_id: Schema.NonEmptyString,
  service_account_id: Schema.optionalKey(Schema.NonEmptyString),
  workspace_id: Schema.optionalKey(Schema.NonEmptyString)
})

/** The body of a request to the token endpoint. */
export const Grant = Schema.Union([RefreshGrant, FederationGrant])

/** The answer of the token endpoint. */
export const TokenAnswer = Schema.Struct({
  token_type: Schema.Literal("Bearer"),
  access_token: Schema.String,
  expires_in: Schema.Natural,
  refresh_token: Schema.optionalKey(Schema.String)
})

const decodeGrant = Schema.decodeUnknownOption(Grant)

const decodeClaims = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ exp: Schema.optionalKey(Schema.Finite) }))
)

/** When an assertion expires, in milliseconds; infinite without `exp`. `undefined` if it is not a JWT. */
const expiryOf = (assertion: string): number | undefined => {
  const [, payload, signature, ...rest] = assertion.split(".")
  if (payload === undefined || signature === undefined || rest.length > 0) return undefined
  const text = Base64Url.decodeString(payload)
  if (Result.isFailure(text)) return undefined
  const claims = decodeClaims(text.success)
  if (Option.isNone(claims)) return undefined
  return claims.value.exp === undefined ? Infinity : claims.value.exp * 1000
}

const list = (workspaces: Workspaces): ReadonlyArray<string> =>
  typeof workspaces === "string" ? [workspaces] : workspaces

interface Entry {
  readonly accessToken: string
  readonly refreshToken: string | undefined
  readonly workspaces: ReadonlyArray<string>
  readonly issuedAt: number
  expiresAt: number | null
  revoked: boolean
}

export interface Tokens {
  /** The workspaces that an access token reaches, or why it is refused; `undefined` for an unknown token. */
  readonly find: (token: string, now: number) =>
    | { readonly workspaces: ReadonlyArray<string> }
    | { readonly refused: string }
    | undefined
  /** Exchanges the body of a request to the token endpoint for that of its answer. */
  readonly exchange: (
    body: unknown,
    betas: ReadonlyArray<string>,
    organization: string,
    now: number
  ) => Effect.Effect<typeof TokenAnswer.Type, Refusal>
  readonly issue: (
    now: number,
    workspaces: ReadonlyArray<string>,
    lifetimeMillis: number | null | undefined
  ) => Effect.Effect<IssuedToken>
  readonly list: () => ReadonlyArray<IssuedToken>
  /** Expires one access token, or all. */
  readonly expire: (now: number, token?: string) => void
  /** Refuses one access or refresh token from now on, or all access tokens. */
  readonly revoke: (token?: string) => void
  readonly reset: () => void
}

export const make = (options: Options): Tokens => {
  const lifetime = Duration.toMillis(Duration.fromInputUnsafe(options.tokenLifetime ?? "1 hour"))
  const rules = new Map(Object.entries(options.federationRules ?? {}).map(([id, reached]) => [id, list(reached)]))
  const access = new Map<string, Entry>()
  const refresh = new Map<string, ReadonlyArray<string>>()
  const reset = () => {
    access.clear()
    refresh.clear()
    for (const [token, reached] of Object.entries(options.refreshTokens ?? {})) refresh.set(token, list(reached))
  }
  reset()

  const issue = Effect.fnUntraced(function*(
    now: number,
    workspaces: ReadonlyArray<string>,
    lifetimeMillis: number | null,
    refreshToken: string | undefined
  ) {
    const entry: Entry = {
      accessToken: `sk-ant-oat01-${yield* Random.token(40)}`,
      refreshToken,
      workspaces,
      issuedAt: now,
      expiresAt: lifetimeMillis === null ? null : now + lifetimeMillis,
      revoked: false
    }
    access.set(entry.accessToken, entry)
    for (const oldest of access.keys()) {
      if (access.size <= maxTokens) break
      access.delete(oldest)
    }
    return entry
  })

  const newRefreshToken = (workspaces: ReadonlyArray<string>) =>
    Effect.map(Random.token(40), (random) => {
      const token = `sk-ant-ort01-${random}`
      refresh.set(token, workspaces)
      return token
    })

  const answer = (entry: Entry, lifetimeMillis: number): typeof TokenAnswer.Type => ({
    token_type: "Bearer",
    access_token: entry.accessToken,
    expires_in: Math.floor(lifetimeMillis / 1000)
  })

  const exchangeRefreshToken = Effect.fnUntraced(function*(
    grant: typeof RefreshGrant.Type,
    betas: ReadonlyArray<string>,
    now: number
  ) {
    if (!betas.includes(oauthBeta) || betas.includes(federationBeta)) {
      return yield* refuse(400, "invalid_request", `anthropic-beta: a refresh takes ${oauthBeta} only`)
    }
    if (options.clientId !== undefined && grant.client_id !== options.clientId) {
      return yield* refuse(401, "invalid_client", "client_id: unknown client")
    }
    const workspaces = refresh.get(grant.refresh_token)
    if (workspaces === undefined) {
      return yield* refuse(400, "invalid_grant", "refresh_token: unknown, revoked or already used")
    }
    if (options.rotateRefreshTokens === false) {
      return answer(yield* issue(now, workspaces, lifetime, grant.refresh_token), lifetime)
    }
    // Deleted in the step that finds it: of two requests that use it at once, one is refused.
    refresh.delete(grant.refresh_token)
    const next = yield* newRefreshToken(workspaces)
    return { ...answer(yield* issue(now, workspaces, lifetime, next), lifetime), refresh_token: next }
  })

  const exchangeAssertion = Effect.fnUntraced(function*(
    grant: typeof FederationGrant.Type,
    betas: ReadonlyArray<string>,
    organization: string,
    now: number
  ) {
    if (!betas.includes(oauthBeta) || !betas.includes(federationBeta)) {
      return yield* refuse(400, "invalid_request", `anthropic-beta: federation needs ${oauthBeta},${federationBeta}`)
    }
    const enabled = rules.get(grant.federation_rule_id)
    if (enabled === undefined || grant.organization_id !== organization) {
      return yield* refuse(401, "invalid_grant", "federation_rule_id: no such rule in this organization")
    }
    const assertionEnds = expiryOf(grant.assertion)
    if (assertionEnds === undefined) return yield* refuse(401, "invalid_grant", "assertion: not a JWT")
    if (assertionEnds <= now) return yield* refuse(401, "invalid_grant", "assertion: expired")
    if (grant.workspace_id === undefined && enabled.length > 1) {
      return yield* refuse(400, "invalid_request", "workspace_id: required, the rule enables several workspaces")
    }
    const workspace = grant.workspace_id === undefined || grant.workspace_id === "default"
      ? enabled[0]
      : enabled.find((name) => name === grant.workspace_id)
    if (workspace === undefined) {
      return yield* refuse(401, "invalid_grant", "workspace_id: not enabled by this rule")
    }
    const capped = Math.min(lifetime, Math.max(60_000, 2 * (assertionEnds - now)))
    return answer(yield* issue(now, [workspace], capped, undefined), capped)
  })

  return {
    find: (token, now) => {
      const entry = access.get(token)
      if (entry === undefined) return undefined
      if (entry.revoked) return { refused: "OAuth token has been revoked" }
      if (entry.expiresAt !== null && entry.expiresAt <= now) return { refused: "OAuth token has expired" }
      return { workspaces: entry.workspaces }
    },
    exchange: Effect.fnUntraced(function*(body, betas, organization, now) {
      const grant = decodeGrant(body)
      if (Option.isNone(grant)) {
        return yield* refuse(
          400,
          "invalid_request",
          "The body must be JSON: grant_type refresh_token with refresh_token and client_id, or grant_type "
            + "urn:ietf:params:oauth:grant-type:jwt-bearer with assertion, federation_rule_id and organization_id"
        )
      }
      return grant.value.grant_type === "refresh_token"
        ? yield* exchangeRefreshToken(grant.value, betas, now)
        : yield* exchangeAssertion(grant.value, betas, organization, now)
    }),
    issue: (now, workspaces, lifetimeMillis) =>
      Effect.flatMap(
        newRefreshToken(workspaces),
        (token) => issue(now, workspaces, lifetimeMillis === undefined ? lifetime : lifetimeMillis, token)
      ),
    list: () => Array.from(access.values(), (entry) => ({ ...entry })),
    expire: (now, token) => {
      for (const entry of access.values()) {
        if (token === undefined || entry.accessToken === token) entry.expiresAt = now
      }
    },
    revoke: (token) => {
      if (token !== undefined) refresh.delete(token)
      for (const entry of access.values()) {
        if (token === undefined || entry.accessToken === token) entry.revoked = true
      }
    },
    reset
  }
}
