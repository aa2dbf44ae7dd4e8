import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect, Schema, type Scope } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import * as fs from "node:fs"
import * as os from "node:os"
import { type Ended, folder, run, type Running, start } from "../cli/run.ts"

const Kept = Schema.fromJsonString(
  Schema.Struct({ access_token: Schema.String, refresh_token: Schema.String, somebody: Schema.String })
)

/** A login whose access token has expired, in a folder that real processes share. */
const login = Effect.gen(function*() {
  const emulator = yield* Emulator
  const directory = yield* folder({
    "configs/work.json": JSON.stringify({
      base_url: emulator.url,
      authentication: { type: "user_oauth", client_id: "client-1" }
    }),
    "credentials/work.json": JSON.stringify({
      version: "1.0",
      type: "oauth_token",
      access_token: "expired",
      expires_at: 1,
      refresh_token: "refresh-0",
      somebody: "else's key"
    })
  })
  const file = `${directory}/credentials/work.json`
  fs.chmodSync(file, 0o600)
  const env = { ANTHROPIC_CONFIG_DIR: directory, ANTHROPIC_FILES_PROFILE: "", HOME: "/nonexistent" }
  return {
    emulator,
    env,
    directory,
    stored: () => Schema.decodeSync(Kept)(fs.readFileSync(file, "utf8")),
    list: run(["ls", "--profile", "work"], { env }),
    mode: () => fs.statSync(file).mode & 0o777
  }
})

const live = <E>(
  title: string,
  tokenLifetime: string,
  test: () => Effect.Effect<void, E, Emulator | Scope.Scope>,
  options: NodeEmulator.ServerOptions = {}
) =>
  it.live(title, () =>
    Effect.provide(
      Effect.scoped(test()),
      NodeEmulator.layerServer({
        ...options,
        credentials: {
          refreshTokens: { "refresh-0": "wrkspc_1" },
          clientId: "client-1",
          tokenLifetime: tokenLifetime as "1 hour"
        }
      })
    ), 300_000)

const code = (ended: Ended, expected: number) => assert.strictEqual(ended.code, expected, ended.out + ended.err)

const leftovers = (directory: string) =>
  fs.readdirSync(`${directory}/credentials`).filter((name) => name !== "work.json")

/** Waits until a token has been requested from the emulator. */
const askedForToken = (emulator: Emulator["Service"]): Effect.Effect<void> =>
  Effect.flatMap(emulator.requests, (all) =>
    all.some(({ path }) => path.endsWith("/oauth/token"))
      ? Effect.void
      : Effect.andThen(Effect.sleep("10 millis"), askedForToken(emulator)))

describe("processes of one profile", () => {
  live(
    "12 at once on a token that is over exchange one, and all of them are served",
    "1 hour",
    () =>
      Effect.gen(function*() {
        const { directory, emulator, list, mode, stored } = yield* login
        yield* emulator.addFault(
          Fault.latency({ duration: "300 millis", match: { path: "/v1/oauth/token" }, times: null })
        )
        const ended = yield* Effect.all(Array.from({ length: 12 }, () => list), { concurrency: 12 })
        for (const one of ended) code(one, 0)
        const tokens = yield* emulator.tokens
        assert.lengthOf(tokens, 1)
        const { access_token, refresh_token, somebody } = stored()
        assert.deepStrictEqual([access_token, refresh_token], [tokens[0]?.accessToken, tokens[0]?.refreshToken])
        assert.strictEqual(somebody, "else's key")
        assert.strictEqual(mode(), 0o600)
        assert.deepStrictEqual(leftovers(directory), [])
      })
  )

  live(
    "whose tokens last for too short a time to be shared renew one after another, and never lose the login",
    "20 seconds",
    () =>
      Effect.gen(function*() {
        const { directory, emulator, list, stored } = yield* login
        for (let round = 0; round < 3; round++) {
          const ended = yield* Effect.all(Array.from({ length: 8 }, () => list), { concurrency: 8 })
          for (const one of ended) code(one, 0)
        }
        const tokens = yield* emulator.tokens
        assert.isAtLeast(tokens.length, 3)
        assert.strictEqual(stored().refresh_token, tokens.at(-1)?.refreshToken)
        assert.deepStrictEqual(leftovers(directory), [])
        code(yield* list, 0)
      })
  )

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    live(
      `one that is ended by ${signal} while it exchanges writes down what it gets: the next one goes on`,
      "1 hour",
      () =>
        Effect.gen(function*() {
          const { directory, emulator, env, list, stored } = yield* login
          yield* emulator.addFault(Fault.latency({ duration: "1 second", match: { path: "/v1/oauth/token" } }))
          const running = yield* start(["ls", "--profile", "work"], { env })
          yield* askedForToken(emulator)
          running.kill(signal)
          code(yield* running.ended, signal === "SIGINT" ? 130 : 143)
          const tokens = yield* emulator.tokens
          assert.lengthOf(tokens, 1)
          assert.strictEqual(stored().refresh_token, tokens[0]?.refreshToken)
          assert.deepStrictEqual(leftovers(directory), [])
          code(yield* list, 0)
          assert.lengthOf(yield* emulator.tokens, 1)
        })
    )
  }

  live(
    "one that is killed while it holds the lock keeps the others waiting no longer than an exchange may take",
    "1 hour",
    () =>
      Effect.gen(function*() {
        const { directory, emulator, env, list } = yield* login
        // It is killed before the token endpoint has read the refresh token.
        yield* emulator.addFault(Fault.stall({ at: "before", match: { path: "/v1/oauth/token" } }))
        const running = yield* start(["ls", "--profile", "work"], { env })
        yield* askedForToken(emulator)
        running.kill("SIGKILL")
        yield* running.ended
        assert.deepStrictEqual(leftovers(directory), ["work.json.lock"])
        const at = performance.now()
        const ended = yield* Effect.all([list, list, list], { concurrency: 3 })
        for (const one of ended) code(one, 0)
        assert.isBelow(performance.now() - at, 110_000)
        assert.lengthOf(yield* emulator.tokens, 1)
        assert.deepStrictEqual(leftovers(directory), [])
      })
  )
})

const megabytes = 500

/** The peak memory of a process in MB; 0 if the system does not report it. */
const peakOf = (pid: number): number => {
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]
    return Number(kilobytes ?? 0) / 1000
  } catch {
    return 0
  }
}

const peakWhile = (running: Running) =>
  Effect.gen(function*() {
    let peak = 0
    const watching = Effect.forever(Effect.suspend(() => {
      peak = Math.max(peak, peakOf(running.pid))
      return Effect.sleep("20 millis")
    }))
    const ended = yield* Effect.raceFirst(running.ended, watching)
    return { ended, peak }
  })

/** Where the emulator stores files. */
const emulated = (name: string) => fs.mkdtempSync(`${os.tmpdir()}/emulated-${name}-`)

const [kept, keptAgain] = [emulated("first"), emulated("second")]

afterAll(() => {
  for (const directory of [kept, keptAgain]) fs.rmSync(directory, { recursive: true, force: true })
})

describe(`an upload of ${megabytes} MB`, () => {
  live(
    "during which its token ends arrives; what follows takes a new token, after one refusal",
    "1 hour",
    () =>
      Effect.gen(function*() {
        const { emulator, env } = yield* login
        const cwd = yield* folder({ "a.bin": "", "b.txt": "small" })
        fs.truncateSync(`${cwd}/a.bin`, megabytes * 1_000_000)
        const running = yield* start(
          ["upload", "a.bin", "b.txt", "--profile", "work", "--concurrency", "1", "--json"],
          {
            env,
            cwd
          }
        )
        const underWay = (): Effect.Effect<void> =>
          Effect.flatMap(emulator.requests, (all) =>
            all.some(({ method, path }) =>
                method === "POST" && path === "/v1/files"
              )
              ? Effect.void
              : Effect.andThen(Effect.sleep("5 millis"), underWay()))
        yield* underWay()
        assert.lengthOf(yield* emulator.files, 0)
        yield* emulator.expireTokens()
        const { ended, peak } = yield* peakWhile(running)
        code(ended, 0)
        console.log(`upload of ${megabytes} MB with a token that ended: at most ${peak.toFixed(0)} MB resident`)
        assert.isBelow(peak, 250)
        assert.sameDeepMembers(
          (yield* emulator.files).map(({ filename, size }) => [filename, size]),
          [["a.bin", megabytes * 1_000_000], ["b.txt", 5]]
        )
        assert.lengthOf(yield* emulator.tokens, 2)
        assert.lengthOf((yield* emulator.requests).filter(({ status }) => status === 401), 1)
      }),
    { directory: kept }
  )

  live(
    "whose token is refused while the bytes go out is sent once more, with a new token, and stored once",
    "1 hour",
    () =>
      Effect.gen(function*() {
        const { emulator, env } = yield* login
        const cwd = yield* folder({ "a.bin": "" })
        fs.truncateSync(`${cwd}/a.bin`, megabytes * 1_000_000)
        yield* emulator.addFault(
          Fault.answer({
            status: 401,
            type: "authentication_error",
            message: "token expired",
            match: { operation: "upload" },
            times: 1
          })
        )
        const running = yield* start(["upload", "a.bin", "--profile", "work"], { env, cwd })
        const { ended, peak } = yield* peakWhile(running)
        code(ended, 0)
        assert.isBelow(peak, 250)
        assert.deepStrictEqual((yield* emulator.files).map(({ size }) => size), [megabytes * 1_000_000])
        assert.lengthOf(yield* emulator.tokens, 2)
      }),
    { directory: keptAgain }
  )
})
