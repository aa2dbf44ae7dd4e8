import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Redacted } from "effect"
import { Credentials } from "effect-anthropic-files"
import { inspect } from "node:util"
import { disk, endpoint, environment, Folder, folder, headersOf } from "./support.ts"

const secrets = {
  ANTHROPIC_API_KEY: "sk-ant-canary-key",
  ANTHROPIC_AUTH_TOKEN: "canary-token",
  ANTHROPIC_IDENTITY_TOKEN: "canary-assertion",
  ANTHROPIC_CUSTOM_HEADERS: "X-Team: files\nAuthorization: Bearer canary-header"
}

const profile = { authentication: { type: "user_oauth", client_id: "c" }, organization_id: "org_p" }

const federation = {
  ANTHROPIC_FEDERATION_RULE_ID: "fdrl_1",
  ANTHROPIC_ORGANIZATION_ID: "org_f",
  ANTHROPIC_IDENTITY_TOKEN: secrets.ANTHROPIC_IDENTITY_TOKEN
}

type Env = Record<string, string>

const open = (env: Env, options?: Credentials.EndpointOptions) =>
  Effect.gen(function*() {
    const server = endpoint()
    const context = yield* Layer.build(
      Layer.fresh(Credentials.fromEnvironment(options)).pipe(
        Layer.provide(server.layer),
        Layer.provide(environment(env))
      )
    )
    return { server, credentials: yield* Effect.provideContext(Credentials.Credentials, context) }
  })

const explain = (env: Env) => Effect.provide(Credentials.explain, environment(env))

/** Two profiles, one of which is active. */
const profiles = Effect.gen(function*() {
  const { path, writeConfig, writeToken } = yield* Folder
  for (const name of ["default", "named"]) {
    yield* writeConfig(name, { ...profile, organization_id: name })
    yield* writeToken(name, { access_token: `canary-of-${name}` })
  }
  return { ANTHROPIC_CONFIG_DIR: path }
})

describe("the first of several credentials in the environment is used", () => {
  const all = { ...secrets, ...federation, ANTHROPIC_PROFILE: "named" }
  const order: ReadonlyArray<readonly [removed: string | undefined, header: string, value: string]> = [
    [undefined, "authorization", "Bearer canary-header"],
    ["ANTHROPIC_CUSTOM_HEADERS", "x-api-key", "sk-ant-canary-key"],
    ["ANTHROPIC_API_KEY", "authorization", "Bearer canary-token"],
    ["ANTHROPIC_AUTH_TOKEN", "authorization", "Bearer canary-of-named"],
    ["ANTHROPIC_PROFILE", "authorization", "Bearer token-1"],
    ["ANTHROPIC_FEDERATION_RULE_ID", "authorization", "Bearer canary-of-default"]
  ]

  it.effect("a header, a key, a token, a named profile, workload identity, the active profile", () =>
    Effect.gen(function*() {
      const env: Env = { ...all, ...(yield* profiles) }
      for (const [removed, header, value] of order) {
        if (removed !== undefined) delete env[removed]
        const { credentials } = yield* open(env)
        const headers = yield* headersOf(credentials)
        assert.strictEqual(headers[header], value)
        const sent = ["authorization", "x-api-key", "api-key"].filter((name) => name in headers)
        assert.deepStrictEqual(sent, [header])
        const explained = yield* explain(env)
        assert.strictEqual(explained.source, credentials.source === "the key" ? "ANTHROPIC_API_KEY" : explained.source)
        assert.deepStrictEqual(explained.steps.filter(({ state }) => state === "used").length, 1)
        assert.notInclude(inspect(explained, { depth: 9 }), "canary")
      }
    }).pipe(Effect.provide(folder)))

  it.effect("one warning names the credentials that are not used", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => {
        lines.push(String(message))
      })
      const env = { ANTHROPIC_API_KEY: "sk-ant-canary-key", ANTHROPIC_AUTH_TOKEN: "canary-token" }
      for (let client = 0; client < 3; client++) {
        yield* Effect.provide(open(env), Logger.layer([logger]))
      }
      assert.isAtMost(lines.length, 1)
      for (const line of lines) {
        assert.include(line, "ANTHROPIC_AUTH_TOKEN")
        assert.notInclude(line, "canary")
      }
    }))
})

describe("the environment", () => {
  it.effect("says in one sentence what to do if it has no credential", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(open({}))
      assert.include(error.message, "ANTHROPIC_API_KEY")
      const explained = yield* explain({})
      assert.isUndefined(explained.source)
      assert.strictEqual(explained.message, error.message)
    }))

  it.effect("fails if its named profile is missing, and nothing below it is tried", () =>
    Effect.gen(function*() {
      const env = { ...federation, ...(yield* profiles), ANTHROPIC_PROFILE: "other" }
      const error = yield* Effect.flip(open(env))
      assert.include(error.message, "other.json")
      assert.include(error.message, "ANTHROPIC_PROFILE")
      const explained = yield* explain(env)
      assert.isUndefined(explained.source)
      assert.strictEqual(explained.message, error.message)
      assert.deepStrictEqual(explained.steps.map(({ state }) => state), [
        "absent",
        "absent",
        "absent",
        "invalid",
        "hidden",
        "hidden"
      ])
    }).pipe(Effect.provide(folder)))

  it.effect("provides workload identity even without a home", () =>
    Effect.gen(function*() {
      const { credentials } = yield* Effect.provide(open(federation), disk)
      assert.strictEqual((yield* headersOf(credentials)).authorization, "Bearer token-1")
      assert.strictEqual(credentials.identity, "organization org_f workspace default")
    }))

  it.effect("provides credentials that need no files on a runtime without files, and explains the rest", () =>
    Effect.gen(function*() {
      const { credentials } = yield* open(federation)
      assert.strictEqual((yield* headersOf(credentials)).authorization, "Bearer token-1")
      assert.include((yield* Effect.flip(open({ HOME: "/home/me", ANTHROPIC_PROFILE: "work" }))).message, "FileSystem")
      const file = { ...federation, ANTHROPIC_IDENTITY_TOKEN_FILE: "/token" }
      assert.include((yield* Effect.flip(open(file))).message, "FileSystem")
    }))

  it.effect("asks for an identity token if it has only a rule", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(open({ ...federation, ANTHROPIC_IDENTITY_TOKEN: " " }))
      assert.strictEqual(error.option, "ANTHROPIC_IDENTITY_TOKEN_FILE")
    }))

  it.effect("trims its values, and an empty one counts as unset", () =>
    Effect.gen(function*() {
      const { credentials } = yield* open({ ANTHROPIC_API_KEY: " \n", ANTHROPIC_AUTH_TOKEN: " canary-token\n" })
      assert.deepStrictEqual(yield* headersOf(credentials), { authorization: "Bearer canary-token" })
    }))

  it.effect("sets where tokens are exchanged, unless an option does", () =>
    Effect.gen(function*() {
      const env = { ...federation, ANTHROPIC_BASE_URL: "https://environment.example/x/v1/" }
      const first = yield* open(env)
      yield* headersOf(first.credentials)
      assert.strictEqual(first.server.state.exchanges[0]?.url, "https://environment.example/x/v1/oauth/token")
      const second = yield* open(env, { baseUrl: "https://code.example" })
      yield* headersOf(second.credentials)
      assert.strictEqual(second.server.state.exchanges[0]?.url, "https://code.example/v1/oauth/token")
    }))
})

describe("an identity", () => {
  it.effect("is a digest of a key, the same in every client, that reveals nothing of it", () =>
    Effect.gen(function*() {
      const of = (key: string) =>
        Effect.map(
          Effect.provide(Credentials.Credentials, Layer.fresh(Credentials.apiKey(Redacted.make(key)))),
          ({ identity }) => identity
        )
      assert.strictEqual(yield* of("sk-ant-canary"), yield* of(" sk-ant-canary "))
      assert.notStrictEqual(yield* of("sk-ant-canary"), yield* of("sk-ant-other"))
      assert.notInclude(yield* of("sk-ant-canary"), "canary")
    }))

  it.effect("is taken from the option", () =>
    Effect.gen(function*() {
      const identity = "team files"
      const layers = [
        Credentials.apiKey(Redacted.make("k"), { identity }),
        Credentials.authToken(Redacted.make("t"), { identity }),
        Credentials.fromEffect(Effect.succeed(Redacted.make("t")), { identity })
      ]
      for (const layer of layers) {
        assert.strictEqual((yield* Effect.provide(Credentials.Credentials, layer)).identity, identity)
      }
      assert.strictEqual((yield* open(federation, { identity })).credentials.identity, identity)
    }))
})
