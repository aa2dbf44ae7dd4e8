/**
 * A batch is carried out once, whoever looks at it meanwhile.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { Emulator, layer } from "effect-anthropic-files/emulator/Emulator"
import { get, post, upload } from "./support.ts"

it.effect("a batch that many requests look at, some of them interrupted, is carried out once", () =>
  Effect.gen(function*() {
    const { id: file } = (yield* upload({ filename: "a.csv", content: "n\n1\n", type: "text/csv" })).json
    const params = {
      model: "m",
      max_tokens: 100,
      messages: [{ role: "user", content: [{ type: "container_upload", file_id: file }] }],
      tools: [{ type: "code_execution_20250825", name: "code_execution" }]
    }
    const requests = Array.from({ length: 20 }, (_, i) => ({ custom_id: `r${i}`, params }))
    const { id } = (yield* post("/v1/messages/batches", { requests })).json
    const path = `/v1/messages/batches/${id}`
    const looking = yield* Effect.forEach(Array.from({ length: 8 }), () => Effect.forkChild(get(path)))
    for (let i = 0; i < 20; i++) yield* Effect.yieldNow
    yield* Effect.forEach(looking.slice(0, 4), Fiber.interrupt)
    for (const fiber of looking.slice(4)) {
      const { json } = yield* Fiber.join(fiber)
      assert.deepStrictEqual([json.processing_status, json.request_counts["succeeded"]], ["ended", 20])
    }
    assert.lengthOf((yield* get(`${path}/results`)).text.trim().split("\n"), 20)
    // One file was uploaded, and each request made one.
    assert.lengthOf(yield* (yield* Emulator).files, 21)
  }).pipe(Effect.provide(layer())))
