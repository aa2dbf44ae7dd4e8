import { assert, it } from "@effect/vitest"
import { Duration, Effect, Random } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import { counts, expected, layer, place, run } from "./killing.ts"

/** 20 with `npm run test:long`; set KILL_ROUNDS=100 for a longer run. */
const rounds = Number(process.env["KILL_ROUNDS"] ?? 20)

/** Set KILL_SEED to repeat a run's moments. */
const seed = process.env["KILL_SEED"] ?? String(Date.now())

for (const what of ["sync", "get"] as const) {
  it.live(
    `P10: ${what}, killed at any moment and run again, has every file once (seed ${seed})`,
    () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator.Emulator
        let finished = 0
        for (let round = 0; round < rounds; round++) {
          yield* emulator.reset
          const here = yield* place
          // Some kills come before the first request, some between two, some in the middle of one, some too late.
          if (round % 2 === 0) {
            yield* emulator.addFault(Fault.latency({ duration: 15, times: null, match: { operation: "upload" } }))
          }
          const moment = Duration.millis(yield* Random.nextBetween(0, 250))
          const where = `seed ${seed}, round ${round}, killed after ${Duration.format(moment)}`
          const code = yield* run({ what, place: here, kill: Effect.sleep(moment) })
          if (code === 0) finished++
          assert.isTrue(Object.values(yield* counts).every((count) => count === 1), where)
          assert.strictEqual(yield* run({ what, place: here }), 0, where)
          assert.deepStrictEqual(yield* counts, expected, where)
          const sent = (yield* emulator.requests).length
          assert.strictEqual(yield* run({ what, place: here }), 0, where)
          assert.strictEqual((yield* emulator.requests).length, sent, where)
        }
        assert.isBelow(finished, rounds)
      }).pipe(Random.withSeed(`${what} ${seed}`), Effect.scoped, Effect.provide(layer)),
    rounds * 60_000
  )
}
