import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import * as NodeFs from "node:fs"
import { call, get, post, temporaryDirectory } from "./support.ts"

const requests = [1, 2].map((n) => ({
  custom_id: `question-${n}`,
  params: { model: "m", max_tokens: 100, messages: [{ role: "user", content: `question ${n}` }] }
}))

describe("message batches in a folder", () => {
  const restarted = <A, E>(directory: string, effect: Effect.Effect<A, E, Effect.Services<ReturnType<typeof get>>>) =>
    effect.pipe(Effect.provide(NodeEmulator.layer({ directory, batchDelay: "1 hour" })))

  it.effect("survive a restart: in progress, ended with the same results, canceled, deleted", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const create = Effect.map(post("/v1/messages/batches", { requests }), (answer) => answer.json.id)
      const before = yield* restarted(
        directory,
        Effect.gen(function*() {
          const emulator = yield* Emulator
          const ended = yield* create
          yield* emulator.advance("1 hour")
          assert.strictEqual((yield* get(`/v1/messages/batches/${ended}`)).json.processing_status, "ended")
          const results = (yield* get(`/v1/messages/batches/${ended}/results`)).text
          assert.strictEqual(results.trim().split("\n").length, 2)
          const canceled = yield* create
          yield* call("POST", `/v1/messages/batches/${canceled}/cancel`)
          const deleted = yield* create
          yield* call("POST", `/v1/messages/batches/${deleted}/cancel`)
          yield* get(`/v1/messages/batches/${deleted}`)
          assert.strictEqual((yield* call("DELETE", `/v1/messages/batches/${deleted}`)).status, 200)
          return { ended, results, canceled, deleted, running: yield* create }
        })
      )
      yield* restarted(
        directory,
        Effect.gen(function*() {
          const status = (id: string) => Effect.map(get(`/v1/messages/batches/${id}`), (answer) => answer.json)
          assert.strictEqual((yield* status(before.ended)).processing_status, "ended")
          assert.strictEqual((yield* get(`/v1/messages/batches/${before.ended}/results`)).text, before.results)
          assert.strictEqual((yield* status(before.canceled)).request_counts.canceled, 2)
          assert.strictEqual((yield* status(before.running)).processing_status, "in_progress")
          assert.strictEqual((yield* get(`/v1/messages/batches/${before.deleted}`)).status, 404)
          // The clock that was moved on went back with the restart.
          yield* (yield* Emulator).advance("2 hours")
          assert.strictEqual((yield* status(before.running)).request_counts.succeeded, 2)
          yield* (yield* Emulator).reset
        })
      )
      assert.deepStrictEqual(NodeFs.readdirSync(`${directory}/batches`), [])
    }))

  it.effect("that can't be read are left out, and stay in the folder", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      yield* restarted(directory, post("/v1/messages/batches", { requests }))
      const [name = ""] = NodeFs.readdirSync(`${directory}/batches`)
      const broken = name.replace(/.{6}\.json$/, "111111.json")
      NodeFs.writeFileSync(`${directory}/batches/${broken}`, "{")
      NodeFs.writeFileSync(`${directory}/batches/notes.json`, "mine")
      NodeFs.writeFileSync(`${directory}/batches/${name}-${"a".repeat(16)}.tmp`, "{")
      const { json } = yield* restarted(directory, get("/v1/messages/batches"))
      assert.strictEqual(json.data.length, 1)
      assert.deepStrictEqual(NodeFs.readdirSync(`${directory}/batches`).sort(), [broken, name, "notes.json"].sort())
    }))
})
