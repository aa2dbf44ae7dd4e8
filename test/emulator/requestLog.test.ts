import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import * as v8 from "node:v8"
import * as vm from "node:vm"
import { get, inProcess, post } from "./support.ts"

v8.setFlagsFromString("--expose-gc")
const collectGarbage: () => void = vm.runInNewContext("gc")

/** Bytes that are still used after a collection. */
const heapUsed = () => {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

const ask = (text: string) =>
  post("/v1/messages/count_tokens", { model: "m", messages: [{ role: "user", content: text }] })

describe("recorded requests", () => {
  it.effect("are limited in bytes: the oldest are dropped, and the newest stay complete", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator
      for (let i = 0; i < 30; i++) yield* ask(`${i} ${"x".repeat(10_000)}`)
      const requests = yield* emulator.requests
      const kept = requests.map((request) => JSON.stringify(request.body).match(/"content":"(\d+) /)?.[1])
      assert.isAtLeast(kept.length, 5)
      assert.isBelow(kept.length, 10)
      assert.deepStrictEqual(kept, Array.from(kept, (_, i) => String(30 - kept.length + i)))
    }).pipe(Effect.provide(inProcess({ maxRecordedBytes: 100_000 }))))

  it.effect("leave out a body that is larger than the limit", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator
      yield* ask("x".repeat(200_000))
      yield* ask("small")
      const [large, small] = yield* emulator.requests
      assert.strictEqual(large?.status, 200)
      assert.isUndefined(large?.body)
      assert.isDefined(small?.body)
    }).pipe(Effect.provide(inProcess({ maxRecordedBytes: 100_000 }))))

  it.effect("are limited in number, and 0 records none", () =>
    Effect.gen(function*() {
      for (const [maxRecordedRequests, expected] of [[3, 3], [0, 0]] as const) {
        const count = yield* Effect.gen(function*() {
          for (let i = 0; i < 5; i++) yield* get("/v1/files")
          return (yield* (yield* Emulator).requests).length
        }).pipe(Effect.provide(inProcess({ maxRecordedRequests })))
        assert.strictEqual(count, expected)
      }
    }))

  it.effect("free the memory of dropped requests", () =>
    Effect.gen(function*() {
      // 40 bodies of 1 MB, of which the log may hold 2.
      const before = heapUsed()
      for (let i = 0; i < 40; i++) yield* ask("x".repeat(1_000_000))
      assert.isBelow(heapUsed() - before, 15_000_000)
      assert.isAtMost((yield* (yield* Emulator).requests).length, 2)
    }).pipe(Effect.provide(inProcess({ maxRecordedBytes: 2_500_000 }))))
})
