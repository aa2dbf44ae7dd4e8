import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as Ingest from "effect-anthropic-files/fleet/Ingest"
import { SqlClient } from "effect/sql"
import { everyFileOnce, server, settingsFor } from "./processes.ts"
import { corpus, Database, databaseLayer, ingestWith, isRun, needsPostgres } from "./support.ts"
import { start, type Worker } from "./workers.ts"

/** `FLEET_ITEMS=100000` takes ten minutes; with less than 20,000 a runner is not warm yet. */
const count = Number(process.env["FLEET_ITEMS"] ?? 20_000)
const early = Math.min(10_000, count / 2)

const here = Layer.provideMerge(ingestWith(), server)

const megabyte = 1 << 20

/** What a runner has in memory besides garbage. Bytes. */
const memoryOf = (runner: Worker) =>
  Effect.gen(function*() {
    const asked = runner.lines.length
    yield* runner.signal("SIGUSR2")
    for (;;) {
      const answer = runner.lines.slice(asked).find((line) => line.startsWith("{\"memory\""))
      if (answer !== undefined) return Number(JSON.parse(answer).memory)
      yield* Effect.sleep(20)
    }
  })

/** Rows and size of a table. The queue has one once a runner has begun. */
const sizeOf = (table: "ingest_items" | "ingest_queue") =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const [size] = yield* sql<{ readonly rows: number; readonly bytes: number }>`
      SELECT count(*)::int AS rows, pg_total_relation_size(${table})::float8 AS bytes FROM ${sql(table)}`
    return `${table} ${size?.rows} rows, ${((size?.bytes ?? 0) / megabyte).toFixed(1)} MB`
  })

describe.runIf(isRun)(`${count} items${needsPostgres}`, () => {
  layer(databaseLayer, { excludeTestServices: true, timeout: 60_000 })((it) => {
    it.effect("adding takes memory for none of them", () =>
      Effect.gen(function*() {
        const items = (from: number, to: number) =>
          Stream.map(Stream.range(from, to - 1), (n) => ({
            key: `documents/2026/${String(n).padStart(9, "0")}.pdf`,
            source: `s3://corpus/documents/2026/${n}.pdf`,
            metadata: { page: n }
          }))
        yield* Ingest.add("warm", items(0, early))
        const before = process.memoryUsage().rss
        const began = performance.now()
        const { added } = yield* Ingest.add("added", items(0, count))
        const seconds = (performance.now() - began) / 1000
        const grown = (process.memoryUsage().rss - before) / megabyte
        assert.strictEqual(added, count)
        console.log(
          `${Math.round(count / seconds)} items a second; memory ${grown.toFixed(1)} MB more; ${yield* sizeOf(
            "ingest_items"
          )}`
        )
        assert.isBelow(grown, 60)
      }).pipe(Effect.scoped, Effect.provide(here)), 600_000)

    it.effect(
      "a runner has at the end within 20 MB what it had after 10,000; the queue is left small",
      () =>
        Effect.gen(function*() {
          const { items } = yield* corpus(count, (n) => `${n}`)
          yield* Ingest.add("run", Stream.fromIterable(items))
          const settings = yield* settingsFor("run", yield* Database, {
            concurrency: 32,
            keepRunning: true
          })
          // It says when it begins, and what it has in memory, on lines of their own.
          // V8 lets a heap grow as long as there is room, whatever a program keeps.
          const runner = yield* start(settings, ["--max-old-space-size=96", "--max-semi-space-size=4"])
          const began = performance.now()
          let after = 0
          while (runner.lines.length < count + 2) {
            if (after === 0 && runner.lines.length >= early) after = yield* memoryOf(runner)
            yield* Effect.sleep(50)
          }
          const seconds = (performance.now() - began) / 1000
          const end = yield* memoryOf(runner)
          yield* runner.signal("SIGTERM")
          assert.strictEqual(yield* runner.exited, 0)
          yield* everyFileOnce("run", count)
          const rate = `${Math.round(count / seconds)} items a second`
          const memory = `${(after / megabyte).toFixed(1)} MB after ${early}, ${
            (end / megabyte).toFixed(1)
          } MB at the end`
          console.log(`${rate}; ${memory}; ${yield* sizeOf("ingest_items")}; ${yield* sizeOf("ingest_queue")}`)
          yield* Ingest.clean({ olderThan: 0 })
          const sql = yield* SqlClient.SqlClient
          const left = yield* sql`SELECT 1 FROM ingest_queue WHERE queue_name = 'run'`
          assert.lengthOf(left, 0)
          assert.isBelow(end - after, 20 * megabyte)
        }).pipe(Effect.scoped, Effect.provide(here)),
      3_600_000
    )
  })
})
