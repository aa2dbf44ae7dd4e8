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
