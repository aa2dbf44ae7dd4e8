import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as Ingest from "effect-anthropic-files/fleet/Ingest"
import { SqlClient } from "effect/sql"
import { add, corpus, databaseLayer, ingestWith, isRun, needsPostgres, server, sql } from "./support.ts"

describe.runIf(isRun)(`an item that takes longer than its lock lasts${needsPostgres}`, () => {
  layer(databaseLayer, { excludeTestServices: true, timeout: 60_000 })((it) => {
    it.effect("is handled once, however many runners wait for work", () =>
      Effect.gen(function*() {
        const { items } = yield* corpus(3, (n) => `long ${n}`)
        const emulator = yield* Emulator.Emulator
        yield* emulator.setFaults([
          Fault.latency({ duration: 9_000, times: null, match: { operation: "upload" } })
        ])
        const apart = Layer.fresh(ingestWith({ lockExpiration: "3 seconds" }))
        const run = Effect.andThen(add("long", items), Stream.runCollect(Ingest.run("long"))).pipe(
          Effect.provide(apart)
        )
        const events = yield* Effect.all([run, run, run], { concurrency: "unbounded" })
        assert.lengthOf(events.flat(), 3)
        const messages = yield* Effect.provide(
          Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT attempts, state FROM ingest_queue ORDER BY sequence`),
          sql
        )
        assert.deepStrictEqual(messages, items.map(() => ({ attempts: 1, state: "completed" })))
        assert.lengthOf((yield* emulator.requests).filter(({ method }) => method === "POST"), 3)
      }).pipe(Effect.scoped, Effect.provide(server)), 120_000)
  })
})

describe.runIf(isRun)(`a runner that has to be alone${needsPostgres}`, () => {
  layer(databaseLayer, { excludeTestServices: true, timeout: 60_000 })((it) => {
    it.effect("fails where another one is at work", () =>
      Effect.gen(function*() {
        const alone = Layer.fresh(ingestWith({ isAlone: true }))
        const { items } = yield* corpus(1, () => "alone")
        yield* Effect.provide(add("alone", items), alone)
        const first = Ingest.run("alone", { keepRunning: true, name: "the first" }).pipe(
          Stream.runDrain,
          Effect.provide(alone)
        )
        const second = Effect.andThen(
          Effect.sleep("2 seconds"),
          Effect.flip(Stream.runDrain(Ingest.run("alone"))).pipe(Effect.provide(alone))
        )
        const error = yield* Effect.raceFirst(second, Effect.flatMap(first, () => Effect.never))
        assert.strictEqual(error._tag === "IngestFailed" && error.reason, "AnotherRunner")
        assert.include(error.message, "the first")
      }).pipe(Effect.scoped, Effect.provide(server)), 60_000)

    it.effect("ends if it stood still and its place was taken meanwhile", () =>
      Effect.gen(function*() {
        const alone = Layer.fresh(ingestWith({ isAlone: true }))
        const { items } = yield* corpus(1, () => "stood still")
        yield* Effect.provide(add("still", items), alone)
        const runner = (name: string) =>
          Stream.runDrain(Ingest.run("still", { keepRunning: true, name })).pipe(Effect.provide(alone))
        const standStill = Effect.flatMap(
          SqlClient.SqlClient,
          (sql) => sql`UPDATE ingest_runners SET last_seen_at = now() - interval '1 minute' WHERE name = 'the first'`
        ).pipe(Effect.provide(sql))
        // A sign of life of the first may come between the two.
        const takesOver = Effect.retry(Effect.andThen(standStill, runner("the second")), { times: 100 })
        const second = Effect.andThen(Effect.sleep("2 seconds"), takesOver)
        const error = yield* Effect.raceFirst(Effect.flip(runner("the first")), Effect.andThen(second, Effect.never))
        assert.strictEqual(error._tag === "IngestFailed" && error.reason, "AnotherRunner")
        assert.include(error.message, "the second")
      }).pipe(Effect.scoped, Effect.provide(server)), 60_000)
  })
})
