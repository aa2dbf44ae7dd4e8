import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Ingest from "effect-anthropic-files/fleet/Ingest"
import { add, corpus, databaseLayer, ingestWith, isRun, needsPostgres, rows, server } from "./support.ts"

/** Another process, as far as the database can tell. */
const apart = Layer.fresh(ingestWith())

describe.runIf(isRun)(`several at once${needsPostgres}`, () => {
  layer(databaseLayer, { excludeTestServices: true, timeout: 60_000 })((it) => {
    it.effect(
      "the same manifest added by four at the same time, in different orders, is there once",
      () =>
        Effect.gen(function*() {
          const items = Array.from({ length: 3_000 }, (_, n) => ({ key: `${n}`, source: `/${n}` }))
          const orders = [items, [...items].reverse(), items.slice(1500).concat(items.slice(0, 1500)), items]
          const added = yield* Effect.forEach(orders, (items) => Effect.provide(add("same", items), apart), {
            concurrency: "unbounded"
          })
          assert.strictEqual(added.reduce((total, { added }) => total + added, 0), 3_000)
          assert.strictEqual(added.reduce((total, { existing }) => total + existing, 0), 9_000)
          assert.strictEqual((yield* Effect.provide(Ingest.status("same"), apart)).counts.pending, 3_000)
        }).pipe(Effect.provide(server)),
      60_000
    )

    it.effect(
      "two manifests with keys and contents in common, run by two at once: each content is one upload",
      () =>
        Effect.gen(function*() {
          // Ten contents in thirty files.
          const { items } = yield* corpus(30, (n) => `common ${n % 10}`)
          const one = Effect.andThen(add("left", items.slice(0, 20)), Stream.runCollect(Ingest.run("left")))
          const other = Effect.andThen(add("right", items.slice(10)), Stream.runCollect(Ingest.run("right")))
          const both = [one, one, other, other].map((run) => Effect.provide(run, apart))
          yield* Effect.all(both, { concurrency: "unbounded" })
          const emulator = yield* Emulator.Emulator
          assert.lengthOf(yield* emulator.files, 10)
          assert.strictEqual((yield* emulator.requests).filter(({ method }) => method === "POST").length, 10)
          const [left, right] = yield* Effect.provide(Effect.all([rows("left"), rows("right")]), apart)
          assert.deepStrictEqual([left.length, right.length], [20, 20])
          assert.isTrue([...left, ...right].every(({ state }) => state === "done"))
          const shared = left.filter(({ key }) => Number(key) >= 10)
          assert.deepStrictEqual(
            shared.map(({ file_id, key }) => [key, file_id]),
            right.filter(({ key }) => Number(key) < 20).map(({ file_id, key }) => [key, file_id])
          )
        }).pipe(Effect.scoped, Effect.provide(server)),
      60_000
    )
  })
})
