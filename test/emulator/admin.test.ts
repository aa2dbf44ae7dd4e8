import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import { call, errorOf, get, json, post, socket, upload } from "./support.ts"

const invalid = { status: 400, type: "invalid_request_error" }

const on = <A, E>(effect: Effect.Effect<A, E, Effect.Services<ReturnType<typeof get>>>) =>
  effect.pipe(Effect.provide(socket({ adminRoute: true, credentials: { tokenLifetime: "1 hour" } })))

/** An admin call as a script makes it: with a key, and no version. */
const admin = (method: "GET" | "POST" | "PUT" | "DELETE", path: string, body?: unknown) =>
  call(method, `/_emulator${path}`, {
    headers: { "anthropic-version": "" },
    ...(body === undefined ? {} : { body: json(body) })
  })

const of = <A>(effect: Effect.Effect<{ readonly status: number; readonly text: string }, unknown, A>) =>
  Effect.map(effect, ({ status, text }) => {
    assert.strictEqual(status, 200, text)
    return JSON.parse(text)
  })

describe("the admin route", () => {
  it.effect("seeds a file of any kind, shows it, and gives its bytes", () =>
    on(Effect.gen(function*() {
      const bytes = Buffer.from([0, 1, 2, 255])
      const made = yield* of(admin("POST", "/files", {
        filename: "made.bin",
        content_base64: bytes.toString("base64"),
        mime_type: "application/x-made",
        downloadable: true,
        expires_in_seconds: 3600,
        created_at: "1969-12-31T20:00:00Z",
        scope: { id: "sesn_1", type: "session" },
        purpose: "p",
        id: "file_made"
      }))
      assert.include(made, {
        id: "file_made",
        filename: "made.bin",
        mime_type: "application/x-made",
        downloadable: true,
        purpose: "p",
        expired: true
      })
      const plain = yield* of(admin("POST", "/files", { filename: "a.txt", content: "hello" }))
      assert.strictEqual(plain.mime_type, "text/plain")
      assert.deepStrictEqual((yield* of(admin("GET", "/files"))).data.map((file: { id: string }) => file.id), [
        plain.id,
        "file_made"
      ])
      // An upload, which the API itself would not give out.
      const { id } = (yield* upload({ content: "secret" })).json
      const content = yield* admin("GET", `/files/${id}/content`)
      assert.strictEqual(content.text, "secret")
      assert.strictEqual(content.headers["x-content-type-options"], "nosniff")
      assert.strictEqual((yield* admin("GET", "/files/file_unknown/content")).status, 404)
    })))

  it.effect("names a misspelt key, and refuses a body that is too large", () =>
    on(Effect.gen(function*() {
      const misspelt = yield* admin("POST", "/files", { filename: "a", mimetype: "text/plain" })
      assert.deepStrictEqual(errorOf(misspelt), invalid)
      assert.include(misspelt.json.error.message, "mimetype")
      for (
        const [path, body] of [
          ["/files", { content: "no name" }],
          ["/files", { filename: "a", content: "a", content_base64: "YQ==" }],
          ["/files", { filename: "a", content_base64: "&" }],
          ["/clock", { millis: 1 }],
          ["/clock", { advance: "a while" }],
          ["/tokens", { lifetime: "ever" }],
          ["/sessions/sesn_1/files", {}]
        ] as const
      ) {
        assert.deepStrictEqual(errorOf(yield* admin("POST", path, body)), invalid, JSON.stringify(body))
      }
      const large = yield* admin("POST", "/files", { filename: "a", content: "x".repeat(65 * 1024 * 1024) })
      assert.strictEqual(large.status, 413)
    })))

  it.effect("shows requests with their bodies, without its own calls and without credentials", () =>
    on(Effect.gen(function*() {
      yield* upload({ filename: "r.txt", content: "12345" })
      yield* post("/v1/messages/count_tokens", { model: "m", messages: [] })
      yield* post("/v1/oauth/token", { grant_type: "refresh_token", refresh_token: "canary", client_id: "c" })
      yield* admin("GET", "/requests")
      yield* get("/_emulator/health")
      const { data } = yield* of(admin("GET", "/requests"))
      assert.deepStrictEqual(data.map((request: { operation: string }) => request.operation), [
        "upload",
        "countTokens",
        "token"
      ])
      assert.deepStrictEqual(data[1].body, { json: { model: "m", messages: [] } })
      assert.notInclude(JSON.stringify(data), "canary")
    })))

  it.effect("counts the hits of each fault", () =>
    on(Effect.gen(function*() {
      yield* admin("PUT", "/faults", [Fault.overloaded({ times: 2 })])
      yield* admin("POST", "/faults", [Fault.latency({ duration: "1 milli", match: { method: "POST" } })])
      yield* get("/v1/files")
      assert.deepStrictEqual((yield* of(admin("GET", "/faults"))).data.map((fault: { hits: number }) => fault.hits), [
        1,
        0
      ])
      yield* admin("DELETE", "/faults")
      assert.deepStrictEqual((yield* of(admin("GET", "/faults"))).data, [])
    })))

  it.effect("moves the clock forward, by milliseconds or by a text", () =>
    on(Effect.gen(function*() {
      const at = (answer: { readonly now: string }) => Date.parse(answer.now)
      const before = at(yield* of(admin("GET", "/clock")))
      const after = at(yield* of(admin("POST", "/clock", { advance: "2 hours" })))
      assert.closeTo(after - before, 7_200_000, 60_000)
      assert.closeTo(at(yield* of(admin("POST", "/clock", { advance: 1000 }))) - after, 1000, 60_000)
    })))

  it.effect("issues, expires and revokes tokens", () =>
    on(Effect.gen(function*() {
      const token = yield* of(admin("POST", "/tokens", { workspaces: ["wrkspc_a"], lifetime: "5 minutes" }))
      const status = Effect.map(
        get("/v1/files", { key: null, headers: { authorization: `Bearer ${token.access_token}` } }),
        (answer) => answer.status
      )
      assert.strictEqual(yield* status, 200)
      yield* admin("POST", "/tokens/expire", { token: token.access_token })
      assert.strictEqual(yield* status, 401)
      // Without a body: all of them.
      yield* of(admin("POST", "/tokens/revoke"))
      assert.isTrue((yield* of(admin("GET", "/tokens"))).data[0].revoked)
      assert.strictEqual((yield* of(admin("POST", "/tokens"))).workspaces[0], "wrkspc_emulator")
      const asAdmin = { key: null, headers: { authorization: `Bearer ${token.access_token}` } }
      assert.strictEqual((yield* get("/_emulator/tokens", asAdmin)).status, 401)
    })))

  it.effect("copies files into sessions, and resets everything", () =>
    on(Effect.gen(function*() {
      const { id } = (yield* upload()).json
      const copy = yield* of(admin("POST", "/sessions/sesn_1/files", { file_id: id }))
      assert.deepStrictEqual(copy.scope, { id: "sesn_1", type: "session" })
      assert.strictEqual((yield* admin("POST", "/sessions/sesn_1/files", { file_id: "file_unknown" })).status, 404)
      yield* of(admin("POST", "/reset"))
      assert.deepStrictEqual((yield* of(admin("GET", "/files"))).data, [])
      assert.deepStrictEqual(yield* (yield* Emulator).files, [])
    })))

  it.effect("reports health without a key, for any host name", () =>
    Effect.gen(function*() {
      const answer = yield* get("/_emulator/health", { key: null, headers: { host: "10.1.2.3" } })
      assert.deepStrictEqual([answer.status, answer.text], [200, "{\"status\":\"ok\"}"])
      assert.strictEqual((yield* get("/_emulator/files")).status, 404)
    }).pipe(Effect.provide(socket())))
})
