import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import { counts, expected, layer, place, run, untilStored } from "./killing.ts"

// Kills at random moments are in kill.long.test.ts.

for (const what of ["sync", "get"] as const) {
  it.live(
    `P10: ${what}, killed after its third upload and run again, has every file once, and a third run sends nothing`,
    () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator.Emulator
        const here = yield* place
        yield* emulator.addFault(Fault.latency({ duration: 15, times: null, match: { operation: "upload" } }))
        assert.isNull(yield* run({ what, place: here, kill: untilStored(3) }))
        yield* emulator.setFaults([])
        assert.strictEqual(yield* run({ what, place: here }), 0)
        assert.deepStrictEqual(yield* counts, expected)
        const sent = (yield* emulator.requests).length
        assert.strictEqual(yield* run({ what, place: here }), 0)
        assert.strictEqual((yield* emulator.requests).length, sent)
      }).pipe(Effect.scoped, Effect.provide(layer)),
    60_000
  )

  it.live(
    `P13: ${what}, killed while an upload that is stored waits for its answer, finds it again`,
    () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator.Emulator
        const here = yield* place
        yield* emulator.addFault(Fault.stall({ at: "response", after: 0, times: null, match: { operation: "upload" } }))
        assert.isNull(yield* run({ what, place: here, kill: untilStored(1) }))
        assert.isAbove(Object.keys(yield* counts).length, 0)
        yield* emulator.setFaults([])
        assert.strictEqual(yield* run({ what, place: here }), 0)
        assert.deepStrictEqual(yield* counts, expected)
      }).pipe(Effect.scoped, Effect.provide(layer)),
    60_000
  )
}

it.live(
  "P16: processes that ask for the same at the same time make one POST for each content",
  () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const here = yield* place
      const lease = "30 seconds"
      const codes = yield* Effect.all([
        run({ what: "get", place: here, lease }),
        run({ what: "get", place: here, lease }),
        run({ what: "sync", place: here, lease })
      ], { concurrency: "unbounded" })
      assert.deepStrictEqual(codes, [0, 0, 0])
      assert.deepStrictEqual(yield* counts, expected)
      const posts = (yield* emulator.requests).filter(({ method }) => method === "POST")
      assert.strictEqual(posts.length, 24)
    }).pipe(Effect.scoped, Effect.provide(layer)),
  60_000
)
