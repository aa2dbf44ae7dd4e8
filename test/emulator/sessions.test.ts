import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import { beta, call, errorOf, get, upload, ways } from "./support.ts"

const managed = { "anthropic-beta": "managed-agents-2026-04-01" }

const ids = (answer: { readonly json: { readonly data: ReadonlyArray<{ readonly id: string }> } }) =>
  answer.json.data.map((file) => file.id)

for (const [name, reach] of ways.filter(([name]) => name.startsWith("in process"))) {
  describe(`files of sessions, ${name}`, () => {
    it.effect("are listed with their session only", () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator
        const own = yield* upload()
        const first = yield* emulator.mount(own.json.id, "sesn_1")
        const second = yield* emulator.mount(own.json.id, "sesn_2")
        assert.deepStrictEqual(ids(yield* get("/v1/files")), [own.json.id])
        assert.deepStrictEqual(ids(yield* get("/v1/files", { headers: beta })), [own.json.id])
        assert.deepStrictEqual(ids(yield* get("/v1/files?scope_id=sesn_1", { headers: managed })), [first.id])
        assert.deepStrictEqual(ids(yield* get("/v1/files?scope_id=sesn_2", { headers: managed })), [second.id])
        assert.deepStrictEqual(ids(yield* get("/v1/files?scope_id=sesn_3", { headers: managed })), [])
        // One that is named is found all the same.
        assert.deepStrictEqual(ids(yield* get(`/v1/files?ids[]=${first.id}`)), [first.id])
        assert.isFalse("scope" in own.json)
        assert.isTrue("expires_at" in own.json)
      }).pipe(Effect.provide(reach())))

    it.effect("are copies with their own id and age, not downloadable, free of quota, and outlive their upload", () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator
        const made = yield* emulator.seed({ filename: "made.csv", content: "a,b\n", downloadable: true })
        const short = yield* upload({ content: "x".repeat(96) }, { fields: { expires_in_seconds: "3600" } })
        yield* emulator.advance("10 minutes")
        const copy = yield* emulator.mount(made.id, "sesn_1")
        const copyOfShort = yield* emulator.mount(short.json.id, "sesn_1")
        assert.notStrictEqual(copy.id, made.id)
        const wire = (yield* get(`/v1/files/${copy.id}`)).json
        assert.deepStrictEqual(wire.scope, { id: "sesn_1", type: "session" })
        assert.isNull(wire.expires_at)
        assert.closeTo(copy.createdAt - made.createdAt, 600_000, 60_000)
        assert.deepStrictEqual(errorOf(yield* get(`/v1/files/${copy.id}/content`)), {
          status: 400,
          type: "invalid_request_error",
          code: "file_not_downloadable"
        })
        // The quota is full with the two files alone, and it was not the copies that filled it.
        assert.strictEqual((yield* upload({ content: "x" })).status, 400)
        yield* call("DELETE", `/v1/files/${made.id}`)
        yield* emulator.advance("1 hour")
        assert.strictEqual((yield* upload({ content: "x".repeat(100) })).status, 200)
        assert.strictEqual(new TextDecoder().decode(yield* emulator.content(copy.id)), "a,b\n")
        assert.strictEqual((yield* emulator.content(copyOfShort.id))?.byteLength, 96)
      }).pipe(Effect.provide(reach({ storageQuotaBytes: 100 }))))

    it.effect("are at most 500 per session, and only of files that exist", () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator
        const file = yield* emulator.seed({ filename: "a.txt" })
        const gone = yield* emulator.seed({ filename: "b.txt", content: "b", expiresIn: "1 hour" })
        yield* Effect.replicateEffect(emulator.mount(file.id, "sesn_1"), 500, { discard: true })
        const reason = (id: string, session: string) =>
          Effect.map(Effect.flip(emulator.mount(id, session)), (error) => "reason" in error ? error.reason : error)
        assert.strictEqual(yield* reason(file.id, "sesn_1"), "SessionFull")
        yield* emulator.mount(file.id, "sesn_2")
        assert.strictEqual(yield* reason("file_unknown", "sesn_2"), "NotFound")
        yield* emulator.advance("1 hour")
        assert.strictEqual(yield* reason(gone.id, "sesn_2"), "Expired")
      }).pipe(Effect.provide(reach())))

    it.effect("have timestamps with six digits, like all files", () =>
      Effect.gen(function*() {
        assert.match((yield* upload()).json.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
      }).pipe(Effect.provide(reach())))
  })
}
