import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as Ingest from "effect-anthropic-files/fleet/Ingest"
import { everyFileOnce, server, settingsFor } from "./processes.ts"
import { add, corpus, Database, databaseLayer, ingestWith, isRun, needsPostgres } from "./support.ts"
import { start } from "./workers.ts"

const here = Layer.provideMerge(ingestWith(), server)

describe.runIf(isRun)(`runners as processes${needsPostgres}`, () => {
  layer(databaseLayer, { excludeTestServices: true, timeout: 60_000 })((it) => {
    it.effect(
      "on SIGTERM a runner stops taking, ends or gives back what it has, and exits with 0 within five seconds",
      () =>
        Effect.gen(function*() {
          const { items } = yield* corpus(20, (n) => `stopped ${n}`)
          yield* add("stopped", items)
          const emulator = yield* Emulator.Emulator
          // Four in flight: two take too long for the grace.
          yield* emulator.setFaults([
            Fault.latency({ duration: 20_000, times: 2, match: { operation: "upload" } }),
            Fault.latency({ duration: 1_000, times: null, match: { operation: "upload" } })
          ])
          const runner = yield* start(yield* settingsFor("stopped", yield* Database, { concurrency: 4 }))
          while ((yield* emulator.requests).filter(({ method }) => method === "POST").length < 4) {
            yield* Effect.sleep(20)
          }
          const began = performance.now()
          yield* runner.signal("SIGTERM")
          assert.strictEqual(yield* runner.exited, 0)
          assert.isBelow(performance.now() - began, 5_000)
          const sent = (yield* emulator.requests).filter(({ method }) => method === "POST").length
          assert.isAtMost(sent, 6)
          const { counts, runners } = yield* Ingest.status("stopped")
          assert.strictEqual(counts.done + counts.pending, 20)
          assert.isAtLeast(counts.done, 2)
          assert.deepStrictEqual(runners, [])
          // What was given back is there for the next one at once, with no lock to wait for.
          yield* emulator.setFaults([])
          const again = performance.now()
          const next = yield* start(yield* settingsFor("stopped", yield* Database, { lockExpiration: "1 hour" }))
          assert.strictEqual(yield* next.exited, 0)
          assert.isBelow(performance.now() - again, 20_000)
          yield* everyFileOnce("stopped", 20)
        }).pipe(Effect.scoped, Effect.provide(here)),
      60_000
    )

    it.effect("a second signal ends a runner at once", () =>
      Effect.gen(function*() {
        const { items } = yield* corpus(2, (n) => `twice ${n}`)
        yield* add("twice", items)
        const emulator = yield* Emulator.Emulator
        yield* emulator.setFaults([
          Fault.latency({ duration: 20_000, times: null, match: { operation: "upload" } })
        ])
        const runner = yield* start(yield* settingsFor("twice", yield* Database))
        while ((yield* emulator.requests).filter(({ method }) => method === "POST").length < 1) yield* Effect.sleep(20)
        const began = performance.now()
        yield* runner.signal("SIGTERM")
        yield* Effect.sleep(200)
        yield* runner.signal("SIGTERM")
        assert.strictEqual(yield* runner.exited, 143)
        assert.isBelow(performance.now() - began, 2_000)
      }).pipe(Effect.scoped, Effect.provide(here)), 60_000)
  })
})
