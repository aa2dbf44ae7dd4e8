import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Duration, Effect, Exit, Fiber, FileSystem, Layer, Path, Scope } from "effect"
import { Credentials, type FilesError } from "effect-anthropic-files"
import { TestClock } from "effect/testing"
import { driven, endpoint, environment, Folder, folder, headersOf, writeLogin } from "./support.ts"

const oauth = {
  version: "1.0",
  authentication: { type: "user_oauth", client_id: "client-1" },
  workspace_id: "wrkspc_1",
  organization_id: "org_1"
}

const stored = (more: object = {}) => ({
  version: "1.0",
  type: "oauth_token",
  access_token: "token-0",
  expires_at: 3600,
  refresh_token: "refresh-0",
  ...more
})

/** A login in the profile `work`. */
const login = (token: object = stored(), mode?: number) => writeLogin(oauth, token, mode)

/** A login whose token has expired. */
const expiredLogin = login(stored({ expires_at: -1 }))

/** The credentials of a profile, over a token endpoint. */
const open = (
  server: ReturnType<typeof endpoint>,
  options: Credentials.ProfileOptions = {},
  env: Record<string, string> = {}
) =>
  Effect.gen(function*() {
    const { path } = yield* Folder
    const context = yield* Layer.build(
      Credentials.profile({ name: "work", ...options }).pipe(
        Layer.provide(server.layer),
        Layer.provide(environment({ ANTHROPIC_CONFIG_DIR: path, ...env })),
        Layer.fresh
      )
    )
    return yield* Effect.provideContext(Credentials.Credentials, context)
  })

const seconds = (amount: number) => TestClock.adjust(Duration.seconds(amount))

const failureOf = <A>(effect: Effect.Effect<A, FilesError.CredentialsFailed>) => Effect.flip(effect)

describe("the token of a profile", () => {
  it.effect("is sent as Bearer with the beta and the workspace, and is not exchanged while it is valid", () =>
    Effect.gen(function*() {
      yield* login()
      const server = endpoint()
      const credentials = yield* open(server)
      const expected = {
        authorization: "Bearer token-0",
        "anthropic-beta": "oauth-2025-04-20",
        "anthropic-workspace-id": "wrkspc_1"
      }
      assert.deepStrictEqual(yield* headersOf(credentials), expected)
      yield* seconds(3400)
      assert.deepStrictEqual(yield* headersOf(credentials), expected)
      assert.strictEqual(credentials.identity, "organization org_1 workspace wrkspc_1")
      assert.deepStrictEqual(server.state.exchanges, [])
    }).pipe(Effect.provide(folder)))

  it.effect("is renewed before it expires and saved for the next process, and the identity stays", () =>
    Effect.gen(function*() {
      const { files, readToken } = yield* Folder
      const token = stored({ account_email: "a@b.example", some_key: [1] })
      yield* writeLogin({ ...oauth, base_url: "https://home.example/" }, token)
      const server = endpoint()
      const credentials = yield* open(server)
      const { identity } = credentials
      yield* headersOf(credentials)
      yield* seconds(3590)
      assert.strictEqual((yield* driven(headersOf(credentials))).authorization, "Bearer token-1")
      assert.strictEqual(credentials.identity, identity)
      const [exchange] = server.state.exchanges
      assert.strictEqual(exchange?.url, "https://home.example/v1/oauth/token")
      assert.deepStrictEqual(exchange?.body, {
        grant_type: "refresh_token",
        refresh_token: "refresh-0",
        client_id: "client-1"
      })
      assert.strictEqual(exchange?.headers["anthropic-beta"], "oauth-2025-04-20")
      assert.isUndefined(exchange?.headers["anthropic-version"])
      assert.isUndefined(exchange?.headers["authorization"])
      assert.match(exchange?.headers["user-agent"] ?? "", /^effect-anthropic-files\//)
      const { expires_at, ...rest } = yield* readToken("work")
      // The clock advances while the file is read and written.
      const now = (yield* Clock.currentTimeMillis) / 1000
      assert.isAtLeast(Number(expires_at), 3590 + 3600)
      assert.isAtMost(Number(expires_at), now + 3600)
      assert.deepStrictEqual(rest, {
        version: "1.0",
        type: "oauth_token",
        access_token: "token-1",
        refresh_token: "refresh-1",
        account_email: "a@b.example",
        some_key: [1]
      })
      const fs = yield* FileSystem.FileSystem
      const { path } = yield* Folder
      assert.strictEqual((yield* fs.stat(`${path}/credentials/work.json`)).mode & 0o777, 0o600)
      assert.deepStrictEqual(yield* files, [
        "configs",
        "configs/work.json",
        "credentials",
        "credentials/work.json"
      ])
    }).pipe(Effect.provide(folder)))

  it.effect("is taken from the file if another process has renewed it", () =>
    Effect.gen(function*() {
      const { writeToken } = yield* Folder
      yield* login()
      const server = endpoint()
      const credentials = yield* open(server)
      yield* headersOf(credentials)
      yield* seconds(3580)
      yield* writeToken("work", stored({ access_token: "token-theirs", expires_at: 7200 }))
      assert.strictEqual((yield* driven(headersOf(credentials))).authorization, "Bearer token-theirs")
      assert.deepStrictEqual(server.state.exchanges, [])
    }).pipe(Effect.provide(folder)))

  it.effect("is renewed if the service refuses it before it expires", () =>
    Effect.gen(function*() {
      yield* login()
      const server = endpoint()
      const credentials = yield* open(server)
      const used = yield* credentials.headersFor({} as never)
      assert.isTrue(yield* credentials.invalidate(used))
      assert.strictEqual((yield* driven(headersOf(credentials))).authorization, "Bearer token-1")
      assert.isTrue(yield* credentials.invalidate(used))
      assert.strictEqual((yield* headersOf(credentials)).authorization, "Bearer token-1")
      assert.strictEqual(server.state.exchanges.length, 1)
    }).pipe(Effect.provide(folder)))

  it.effect("is renewed once by 64 fibers of 4 clients of one profile", () =>
    Effect.gen(function*() {
      yield* expiredLogin
      const server = endpoint()
      const clients = yield* Effect.forEach(Array.from({ length: 4 }), () => open(server))
      const all = yield* driven(Effect.forEach(
        clients.flatMap((credentials) => Array.from({ length: 16 }, () => credentials)),
        (credentials) => headersOf(credentials),
        { concurrency: "unbounded" }
      ))
      assert.deepStrictEqual(new Set(all.map((headers) => headers.authorization)), new Set(["Bearer token-1"]))
      assert.strictEqual(server.state.exchanges.length, 1)
    }).pipe(Effect.provide(folder)))

  it.effect("is read again before the login fails if another program has spent the refresh token", () =>
    Effect.gen(function*() {
      const { writeToken } = yield* Folder
      yield* expiredLogin
      const server = endpoint()
      server.state.answer = () =>
        Effect.gen(function*() {
          // The other program, which takes no lock, writes a moment later.
          yield* Effect.forkDetach(
            Effect.delay(writeToken("work", stored({ access_token: "token-theirs", expires_at: 7200 })), "300 millis")
          )
          return Response.json({ error: "invalid_grant" }, { status: 400 })
        })
      const credentials = yield* open(server)
      assert.strictEqual((yield* driven(headersOf(credentials))).authorization, "Bearer token-theirs")
      assert.strictEqual(server.state.exchanges.length, 1)
    }).pipe(Effect.provide(folder)))

  it.effect("is kept in memory with its refresh token if the file can't be written", () =>
    Effect.gen(function*() {
      const { path, readToken } = yield* Folder
      const fs = yield* FileSystem.FileSystem
      yield* expiredLogin
      const server = endpoint()
      const broken = { ...fs, rename: () => fs.rename("/nowhere/a", "/nowhere/b") }
      const credentials = yield* Effect.provideService(open(server), FileSystem.FileSystem, broken)
      assert.strictEqual((yield* driven(headersOf(credentials))).authorization, "Bearer token-1")
      assert.strictEqual((yield* readToken("work")).refresh_token, "refresh-0")
      yield* seconds(3600)
      assert.strictEqual((yield* driven(headersOf(credentials))).authorization, "Bearer token-2")
      assert.strictEqual(server.state.exchanges[1]?.body.refresh_token, "refresh-1")
      broken.rename = fs.rename as never
      yield* seconds(3600)
      assert.strictEqual((yield* driven(headersOf(credentials))).authorization, "Bearer token-3")
      assert.strictEqual(server.state.exchanges[2]?.body.refresh_token, "refresh-2")
      assert.strictEqual((yield* readToken("work")).refresh_token, "refresh-3")
      assert.deepStrictEqual(
        (yield* fs.readDirectory(`${path}/credentials`)).filter((name) => name !== "work.json"),
        []
      )
    }).pipe(Effect.provide(folder)))

  it.effect("is saved even if its caller was interrupted and the layer is closed", () =>
    Effect.gen(function*() {
      const { readToken } = yield* Folder
      yield* expiredLogin
      const server = endpoint()
      const scope = yield* Scope.make()
      const asked = yield* Deferred.make<void>()
      server.state.answer = () =>
        Effect.gen(function*() {
          yield* Deferred.succeed(asked, undefined)
          yield* Effect.sleep("5 seconds")
          return Response.json({ access_token: "token-9", expires_in: 3600, refresh_token: "refresh-9" })
        })
      const credentials = yield* Scope.provide(open(server), scope)
      const fiber = yield* Effect.forkChild(headersOf(credentials), { startImmediately: true })
      yield* driven(Deferred.await(asked), 1)
      yield* driven(Effect.andThen(Fiber.interrupt(fiber), Scope.close(scope, Exit.void)))
      assert.strictEqual((yield* readToken("work")).refresh_token, "refresh-9")
    }).pipe(Effect.provide(folder)))

  it.effect("is renewed despite the lock of a dead process, which is removed", () =>
    Effect.gen(function*() {
      const { files, write } = yield* Folder
      yield* expiredLogin
      yield* write("credentials/work.json.lock", "effect-anthropic-files 0123456789")
      const credentials = yield* open(endpoint())
      assert.strictEqual((yield* driven(headersOf(credentials), 2000)).authorization, "Bearer token-1")
      assert.notInclude((yield* files).join(), "lock")
    }).pipe(Effect.provide(folder)))

  it.effect("is renewed although a foreign file has the lock's name, and that file is kept", () =>
    Effect.gen(function*() {
      const { files, write } = yield* Folder
      yield* expiredLogin
      yield* write("credentials/work.json.lock", "somebody else's")
      const credentials = yield* open(endpoint())
      assert.strictEqual((yield* driven(headersOf(credentials), 2000)).authorization, "Bearer token-1")
      assert.include((yield* files).join(), "credentials/work.json.lock")
    }).pipe(Effect.provide(folder)))

  it.effect("is written to the target of a symbolic link, and the link stays", () =>
    Effect.gen(function*() {
      const { path, write, writeConfig } = yield* Folder
      const fs = yield* FileSystem.FileSystem
      yield* writeConfig("work", oauth)
      const real = yield* write("elsewhere.json", JSON.stringify(stored({ expires_at: -1 })))
      yield* fs.symlink(real, `${path}/credentials/work.json`)
      const credentials = yield* open(endpoint())
      yield* driven(headersOf(credentials))
      assert.include(yield* fs.readFileString(real), "refresh-1")
      assert.strictEqual(yield* fs.readLink(`${path}/credentials/work.json`), real)
    }).pipe(Effect.provide(folder)))

  it.effect.each([0o644, 0o640, 0o620, 0o602, 0o666])(
    "is refused in a file with mode %o, with the chmod to run",
    (mode) =>
      Effect.gen(function*() {
        const { path } = yield* Folder
        yield* login(stored(), mode)
        const error = yield* failureOf(headersOf(yield* open(endpoint())))
        assert.include(error.message, mode.toString(8))
        assert.include(error.message, `chmod 600 ${path}/credentials/work.json`)
        assert.isFalse(error.isRetryable)
      }).pipe(Effect.provide(folder))
  )

  it.effect("is used while it is valid, and says so when it has expired and can't be renewed", () =>
    Effect.gen(function*() {
      yield* writeLogin({ authentication: { type: "user_oauth" } }, { access_token: "token-0", expires_at: 100 })
      const server = endpoint()
      const credentials = yield* open(server)
      yield* seconds(90)
      assert.strictEqual((yield* headersOf(credentials)).authorization, "Bearer token-0")
      yield* seconds(20)
      const error = yield* failureOf(headersOf(credentials))
      assert.strictEqual(error._tag, "CredentialsFailed")
      assert.include(error.message, "the profile work")
      assert.include(error.message, "log in again")
      assert.deepStrictEqual(server.state.exchanges, [])
    }).pipe(Effect.provide(folder)))

  it.effect.each<readonly [what: string, json: unknown]>([
    ["no access_token", { refresh_token: "refresh-canary" }],
    ["an access_token of no header", { access_token: "canary canary" }],
    ["a time that is none", { access_token: "token-canary", expires_at: "soon" }],
    ["a list", ["token-canary"]]
  ])("is an error that repeats nothing of the file if that has %s", ([, json]) =>
    Effect.gen(function*() {
      yield* login(json as object)
      const error = yield* failureOf(headersOf(yield* open(endpoint())))
      assert.include(error.message, "work.json")
      assert.notInclude(JSON.stringify(error), "canary")
    }).pipe(Effect.provide(folder)))

  it.effect("asks to log in if there is no credentials file", () =>
    Effect.gen(function*() {
      const { writeConfig } = yield* Folder
      yield* writeConfig("work", oauth)
      assert.include((yield* failureOf(headersOf(yield* open(endpoint())))).message, "log in")
    }).pipe(Effect.provide(folder)))
})

describe("a profile's file", () => {
  const refusal = (options: Credentials.ProfileOptions, env: Record<string, string> = {}) =>
    Effect.map(Effect.flip(open(endpoint(), options, env)), (error) => {
      assert.strictEqual(error._tag, "InvalidConfig")
      return error
    })

  it.effect("is an error with its path if it does not exist", () =>
    Effect.gen(function*() {
      const { path } = yield* Folder
      assert.include((yield* refusal({ name: "other" })).message, `${path}/configs/other.json`)
    }).pipe(Effect.provide(folder)))

  it.effect.each(["..", ".", "a/b", "a\\b", "", " ", "ä", "a\nb"])(
    "is not searched under the name %j",
    (name) =>
      Effect.gen(function*() {
        const { message } = yield* refusal({ name })
        assert.match(message, /not the name of a profile|no profile default/)
      }).pipe(Effect.provide(folder))
  )

  it.effect.each<readonly [what: string, text: string, word: string]>([
    ["is not JSON", "{", "configs/work.json"],
    ["has no authentication", "{}", "authentication"],
    ["is of a type that is not known", "{\"authentication\":{\"type\":\"magic\"}}", "type"],
    ["has a number for an address", "{\"base_url\":1,\"authentication\":{\"type\":\"user_oauth\"}}", "base_url"]
  ])("is an error that says where if it %s", ([, text, word]) =>
    Effect.gen(function*() {
      const { write } = yield* Folder
      yield* write("configs/work.json", text)
      assert.include((yield* refusal({})).message, word)
    }).pipe(Effect.provide(folder)))

  it.effect("names the variables that can fill its gaps", () =>
    Effect.gen(function*() {
      const { writeConfig } = yield* Folder
      yield* writeConfig("work", { authentication: { type: "oidc_federation" } })
      assert.include((yield* refusal({})).message, "ANTHROPIC_FEDERATION_RULE_ID")
      const rule = { ANTHROPIC_FEDERATION_RULE_ID: "fdrl_1" }
      assert.include((yield* refusal({}, rule)).message, "ANTHROPIC_ORGANIZATION_ID")
      const organization = { ...rule, ANTHROPIC_ORGANIZATION_ID: "org_1" }
      assert.include((yield* refusal({}, organization)).message, "ANTHROPIC_IDENTITY_TOKEN_FILE")
    }).pipe(Effect.provide(folder)))

  it.effect("is refused before a token is sent if its address is plain http", () =>
    Effect.gen(function*() {
      const { writeConfig } = yield* Folder
      yield* writeConfig("work", { ...oauth, base_url: "http://home.example" })
      assert.include((yield* refusal({})).message, "plain http")
    }).pipe(Effect.provide(folder)))

  it.effect("is named by ANTHROPIC_PROFILE, else the active one, else default", () =>
    Effect.gen(function*() {
      const { write, writeConfig } = yield* Folder
      for (const name of ["default", "active", "named"]) yield* writeConfig(name, { ...oauth, organization_id: name })
      const identity = (env: Record<string, string>) =>
        Effect.map(open(endpoint(), { name: undefined }, env), (credentials) => credentials.identity)
      assert.include(yield* identity({}), "organization default")
      yield* write("active_config", " active\n")
      assert.include(yield* identity({}), "organization active")
      assert.include(yield* identity({ ANTHROPIC_PROFILE: "named" }), "organization named")
      yield* write("active_config", "")
      assert.include(yield* identity({}), "organization default")
    }).pipe(Effect.provide(folder)))

  it.effect("is found below XDG_CONFIG_HOME, else below HOME", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { path } = yield* Folder
      for (const place of ["xdg/anthropic", "home/.config/anthropic"]) {
        yield* fs.makeDirectory(`${path}/${place}/configs`, { recursive: true })
        yield* fs.writeFileString(
          `${path}/${place}/configs/work.json`,
          JSON.stringify({ ...oauth, organization_id: place })
        )
      }
      const at = (env: Record<string, string>) =>
        Effect.map(open(endpoint(), {}, { ANTHROPIC_CONFIG_DIR: "", ...env }), (credentials) => credentials.identity)
      const HOME = `${path}/home`
      assert.include(yield* at({ HOME }), "home/.config/anthropic")
      assert.include(yield* at({ HOME, XDG_CONFIG_HOME: `${path}/xdg` }), "xdg/anthropic")
      assert.include((yield* Effect.flip(at({}))).message, "HOME")
    }).pipe(Effect.provide(folder)))

  it.effect("is found below APPDATA on Windows", () =>
    Effect.gen(function*() {
      const { path } = yield* Folder
      const posix = yield* Path.Path
      const windows = { ...posix, sep: "\\", join: (...parts: ReadonlyArray<string>) => parts.join("\\") }
      const at = (env: Record<string, string>) =>
        Effect.flip(open(endpoint(), {}, { ANTHROPIC_CONFIG_DIR: "", HOME: path, ...env })).pipe(
          Effect.provideService(Path.Path, windows as Path.Path),
          Effect.map((error) => error.message)
        )
      assert.include(yield* at({ APPDATA: "C:\\Roaming" }), "C:\\Roaming\\Anthropic\\configs\\work.json")
      const roaming = "C:\\U\\AppData\\Roaming\\Anthropic\\configs\\work.json"
      assert.include(yield* at({ USERPROFILE: "C:\\U" }), roaming)
    }).pipe(Effect.provide(folder)))
})

describe("workload identity in a profile", () => {
  const federation = (file: string) => ({
    organization_id: "org_1",
    workspace_id: "wrkspc_1",
    authentication: {
      type: "oidc_federation",
      federation_rule_id: "fdrl_1",
      service_account_id: "svac_1",
      identity_token: { source: "file", path: file }
    }
  })

  it.effect("exchanges the token in the file, caches the result, and sends no workspace", () =>
    Effect.gen(function*() {
      const { readToken, write, writeConfig } = yield* Folder
      yield* writeConfig("work", federation(yield* write("identity", " assertion-1\n")))
      const server = endpoint()
      const credentials = yield* open(server)
      assert.deepStrictEqual(yield* driven(headersOf(credentials)), {
        authorization: "Bearer token-1",
        "anthropic-beta": "oauth-2025-04-20"
      })
      assert.deepStrictEqual(server.state.exchanges[0]?.body, {
        grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
        assertion: "assertion-1",
        federation_rule_id: "fdrl_1",
        organization_id: "org_1",
        service_account_id: "svac_1",
        workspace_id: "wrkspc_1"
      })
      assert.strictEqual(
        server.state.exchanges[0]?.headers["anthropic-beta"],
        "oauth-2025-04-20,oidc-federation-2026-04-01"
      )
      assert.strictEqual((yield* readToken("work")).access_token, "token-1")
      // The next process finds it.
      const next = endpoint()
      assert.strictEqual((yield* headersOf(yield* open(next))).authorization, "Bearer token-1")
      assert.deepStrictEqual(next.state.exchanges, [])
    }).pipe(Effect.provide(folder)))

  it.effect("does not use a cached token of another rule or workspace", () =>
    Effect.gen(function*() {
      const { write, writeConfig } = yield* Folder
      const config = federation(yield* write("identity", "assertion-1"))
      yield* writeConfig("work", config)
      yield* driven(headersOf(yield* open(endpoint())))
      yield* writeConfig("work", { ...config, workspace_id: "wrkspc_2" })
      const server = endpoint()
      yield* driven(headersOf(yield* open(server)))
      assert.strictEqual(server.state.exchanges[0]?.body.workspace_id, "wrkspc_2")
    }).pipe(Effect.provide(folder)))

  it.effect("reads a token file again after it was replaced, and waits while it is briefly empty", () =>
    Effect.gen(function*() {
      const { write, writeConfig } = yield* Folder
      const fs = yield* FileSystem.FileSystem
      const identity = yield* write("identity", "assertion-1")
      yield* writeConfig("work", federation(identity))
      const server = endpoint()
      let isBeingReplaced = false
      const replaced: FileSystem.FileSystem = {
        ...fs,
        readFileString: (file, encoding) =>
          Effect.suspend(() => {
            if (file !== identity || !isBeingReplaced) return fs.readFileString(file, encoding)
            isBeingReplaced = false
            return Effect.succeed("")
          })
      }
      const credentials = yield* Effect.provideService(open(server), FileSystem.FileSystem, replaced)
      yield* driven(headersOf(credentials))
      yield* seconds(3600)
      isBeingReplaced = true
      yield* write("identity", "assertion-2")
      assert.strictEqual((yield* driven(headersOf(credentials))).authorization, "Bearer token-2")
      assert.isFalse(isBeingReplaced)
      assert.strictEqual(server.state.exchanges[1]?.body.assertion, "assertion-2")
    }).pipe(Effect.provide(folder)))

  it.effect("works if its token can't be cached", () =>
    Effect.gen(function*() {
      const { path, write, writeConfig } = yield* Folder
      const fs = yield* FileSystem.FileSystem
      yield* writeConfig("work", federation(yield* write("identity", "assertion-1")))
      yield* fs.remove(`${path}/credentials`, { recursive: true })
      yield* fs.writeFileString(`${path}/credentials`, "a file")
      assert.strictEqual((yield* driven(headersOf(yield* open(endpoint())))).authorization, "Bearer token-1")
    }).pipe(Effect.provide(folder)))

  it.effect.each<readonly [what: string, text: string | undefined, word: string]>([
    ["missing", undefined, "does not exist"],
    ["empty", " \n", "is empty"],
    ["too long", "x".repeat(16_385), "16385"]
  ])("says what is wrong with a token file that is %s", ([, text, word]) =>
    Effect.gen(function*() {
      const { path, write, writeConfig } = yield* Folder
      if (text !== undefined) yield* write("identity", text)
      yield* writeConfig("work", federation(`${path}/identity`))
      const error = yield* Effect.flip(driven(headersOf(yield* open(endpoint()))))
      assert.include(error.message, word)
    }).pipe(Effect.provide(folder)))
})
