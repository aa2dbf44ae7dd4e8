import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import { errorOf, get, post, upload, ways } from "./support.ts"

const credentials = {
  refreshTokens: { "refresh-one": "wrkspc_one", "refresh-both": ["wrkspc_one", "wrkspc_two"] },
  federationRules: { fdrl_one: "wrkspc_one", fdrl_both: ["wrkspc_one", "wrkspc_two"] },
  tokenLifetime: "10 minutes"
} as const

interface Grant {
  readonly access_token: string
  readonly refresh_token: string
  readonly expires_in: number
  readonly token_type: string
  readonly error: string
}

const userBeta = "oauth-2025-04-20"
const federationBeta = "oauth-2025-04-20,oidc-federation-2026-04-01"

const exchange = (body: object, beta: string) =>
  Effect.map(
    post("/v1/oauth/token", body, { key: null, headers: { "anthropic-beta": beta, "anthropic-version": "" } }),
    (answer) => ({ status: answer.status, grant: JSON.parse(answer.text) as Grant })
  )

const refresh = (token: string, beta = userBeta) =>
  exchange({ grant_type: "refresh_token", refresh_token: token, client_id: "client" }, beta)

const jwt = (claims: object) =>
  ["{}", JSON.stringify(claims), "signature"].map((part) => Buffer.from(part).toString("base64url")).join(".")

const federate = Effect.fnUntraced(function*(fields: object, beta = federationBeta) {
  const emulator = yield* Emulator
  return yield* exchange({
    grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
    assertion: jwt({ sub: "workload" }),
    federation_rule_id: "fdrl_one",
    organization_id: emulator.organization,
    ...fields
  }, beta)
})

const listing = (token: string, headers: Record<string, string> = {}) =>
  get("/v1/files", { key: null, headers: { authorization: `Bearer ${token}`, ...headers } })

const unauthorized = { status: 401, type: "authentication_error" }

for (const [name, reach] of ways.filter(([name]) => name.includes("memory"))) {
  describe(`the token endpoint, ${name}`, () => {
    const on = <A, E>(effect: Effect.Effect<A, E, Effect.Services<ReturnType<typeof get>>>) =>
      effect.pipe(Effect.provide(reach({ credentials })))

    it.effect("exchanges a refresh token for an access token and the next refresh token", () =>
      on(Effect.gen(function*() {
        const { grant, status } = yield* refresh("refresh-one")
        assert.strictEqual(status, 200)
        assert.strictEqual(grant.token_type, "Bearer")
        assert.strictEqual(grant.expires_in, 600)
        const answer = yield* listing(grant.access_token)
        assert.strictEqual(answer.status, 200)
        assert.strictEqual(answer.headers["anthropic-workspace-id"], "wrkspc_one")
        // Spent: a second use of the first one loses, the new one goes on.
        const spent = yield* refresh("refresh-one")
        assert.deepStrictEqual([spent.status, spent.grant.error], [400, "invalid_grant"])
        assert.strictEqual((yield* refresh(grant.refresh_token)).status, 200)
      })))

    it.effect("of two refreshes with the same token at once, one wins", () =>
      on(Effect.gen(function*() {
        const both = yield* Effect.all([refresh("refresh-one"), refresh("refresh-one")], { concurrency: 2 })
        assert.deepStrictEqual(both.map(({ status }) => status).sort(), [200, 400])
      })))

    it.effect("exchanges the identity token of a workload for one workspace, without a refresh token", () =>
      on(Effect.gen(function*() {
        const { grant, status } = yield* federate({})
        assert.strictEqual(status, 200)
        assert.isFalse("refresh_token" in grant)
        assert.strictEqual((yield* listing(grant.access_token)).headers["anthropic-workspace-id"], "wrkspc_one")
        const unnamed = yield* federate({ federation_rule_id: "fdrl_both" })
        assert.deepStrictEqual([unnamed.status, unnamed.grant.error], [400, "invalid_request"])
        const second = yield* federate({ federation_rule_id: "fdrl_both", workspace_id: "wrkspc_two" })
        const answer = yield* listing(second.grant.access_token)
        assert.strictEqual(answer.headers["anthropic-workspace-id"], "wrkspc_two")
      })))

    it.effect("limits the lifetime to twice the rest of the identity token's, but not to less than a minute", () =>
      on(Effect.gen(function*() {
        const seconds = Math.floor((yield* (yield* Emulator).now) / 1000)
        const left = Effect.fnUntraced(function*(remaining: number) {
          return (yield* federate({ assertion: jwt({ exp: seconds + remaining }) })).grant.expires_in
        })
        assert.closeTo(yield* left(100), 200, 2)
        assert.strictEqual(yield* left(10), 60)
        assert.strictEqual(yield* left(10_000), 600)
      })))

    it.effect("refuses what the service refuses", () =>
      on(Effect.gen(function*() {
        const seconds = Math.floor((yield* (yield* Emulator).now) / 1000)
        const refused = [
          [yield* refresh("unknown"), 400, "invalid_grant"],
          [yield* refresh("refresh-one", ""), 400, "invalid_request"],
          [yield* refresh("refresh-one", federationBeta), 400, "invalid_request"],
          [
            yield* exchange({ grant_type: "refresh_token", refresh_token: "refresh-one" }, userBeta),
            400,
            "invalid_request"
          ],
          [yield* exchange({ grant_type: "password" }, userBeta), 400, "invalid_request"],
          [yield* federate({}, userBeta), 400, "invalid_request"],
          [yield* federate({ federation_rule_id: "fdrl_unknown" }), 401, "invalid_grant"],
          [yield* federate({ organization_id: "another" }), 401, "invalid_grant"],
          [yield* federate({ workspace_id: "wrkspc_two" }), 401, "invalid_grant"],
          [yield* federate({ assertion: "no.jwt" }), 401, "invalid_grant"],
          [yield* federate({ assertion: jwt({ exp: seconds - 1 }) }), 401, "invalid_grant"]
        ] as const
        for (const [{ grant, status }, expectedStatus, error] of refused) {
          assert.deepStrictEqual([status, grant.error], [expectedStatus, error], JSON.stringify(grant))
        }
        assert.deepStrictEqual(errorOf(yield* post("/v1/oauth/token", "x".repeat(100_000), { key: null })), {
          status: 413,
          type: "request_too_large"
        })
      })))

    it.effect("access tokens expire, can be expired, and can be revoked", () =>
      on(Effect.gen(function*() {
        const emulator = yield* Emulator
        const first = (yield* refresh("refresh-both")).grant
        yield* emulator.advance("9 minutes")
        assert.strictEqual((yield* listing(first.access_token)).status, 200)
        yield* emulator.advance("1 minute")
        assert.deepStrictEqual(errorOf(yield* listing(first.access_token)), unauthorized)

        const second = yield* emulator.issueToken({ lifetime: null })
        const third = yield* emulator.issueToken({ lifetime: "1 hour" })
        yield* emulator.expireTokens(second.accessToken)
        assert.include((yield* listing(second.accessToken)).text, "expired")
        assert.strictEqual((yield* listing(third.accessToken)).status, 200)
        yield* emulator.revokeTokens()
        assert.include((yield* listing(third.accessToken)).text, "revoked")
        // The refresh token is another credential, with an end of its own.
        const again = (yield* refresh(third.refreshToken ?? "")).grant
        assert.strictEqual((yield* listing(again.access_token)).status, 200)
        yield* emulator.revokeTokens(again.refresh_token)
        assert.strictEqual((yield* refresh(again.refresh_token)).status, 400)
        assert.strictEqual((yield* emulator.tokens).length, 4)
        yield* emulator.reset
        assert.deepStrictEqual(yield* emulator.tokens, [])
        assert.strictEqual((yield* refresh("refresh-one")).status, 200)
      })))

    it.effect("an access token reaches its own workspaces, and only as a bearer", () =>
      on(Effect.gen(function*() {
        const { grant } = yield* refresh("refresh-both")
        const workspace = (id: string) => listing(grant.access_token, { "anthropic-workspace-id": id })
        yield* upload({}, { key: null, headers: { authorization: `Bearer ${grant.access_token}` } })
        assert.strictEqual((yield* workspace("wrkspc_one")).json.data.length, 1)
        assert.strictEqual((yield* workspace("wrkspc_two")).json.data.length, 0)
        assert.strictEqual((yield* workspace("wrkspc_three")).status, 403)
        assert.deepStrictEqual(errorOf(yield* get("/v1/files", { key: grant.access_token })), unauthorized)
      })))

    it.effect("a refresh token that does not rotate can be used any number of times, by its own client only", () =>
      Effect.gen(function*() {
        for (let i = 0; i < 2; i++) {
          const { grant, status } = yield* refresh("refresh-one")
          assert.strictEqual(status, 200)
          assert.isFalse("refresh_token" in grant)
        }
        const other = { grant_type: "refresh_token", refresh_token: "refresh-one", client_id: "another" }
        assert.strictEqual((yield* exchange(other, userBeta)).status, 401)
      }).pipe(
        Effect.provide(reach({ credentials: { ...credentials, rotateRefreshTokens: false, clientId: "client" } }))
      ))
  })
}
