import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { UploadCache } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Ingest from "effect-anthropic-files/fleet/Ingest"
import * as IngestSql from "effect-anthropic-files/fleet/IngestSql"
import * as Manifest from "effect-anthropic-files/fleet/Manifest"
import { SqlClient } from "effect/sql"
import { add, corpus, databaseLayer, ingestWith, isRun, needsPostgres, rows, server } from "./support.ts"

const here = Layer.provideMerge(ingestWith(), server)

const stateOf = (ingest: string) =>
  Effect.map(
    rows(ingest),
    (rows) => Object.fromEntries(rows.map(({ error_tag, key, state }) => [key, error_tag ?? state]))
  )

describe.runIf(isRun)(`one bad item among others${needsPostgres}`, () => {
  layer(databaseLayer, { excludeTestServices: true, timeout: 60_000 })((it) => {
    it.effect("an item whose handling dies has failed with the defect, and the others go on", () =>
      Effect.gen(function*() {
        const { items } = yield* corpus(4, (n) => `defect ${n}`)
        yield* add("defect", [...items, { key: "bad", source: "s3://bucket/bad" }])
        yield* Stream.runDrain(Ingest.run("defect", { presign: () => Effect.die(new Error("a bug in presign")) }))
        assert.deepStrictEqual(yield* stateOf("defect"), { 0: "done", 1: "done", 2: "done", 3: "done", bad: "Defect" })
        const [bad] = (yield* rows("defect")).filter(({ key }) => key === "bad")
        assert.include(bad?.error_message, "a bug in presign")
      }).pipe(Effect.scoped, Effect.provide(here)))

    it.effect("a cache that dies fails each item it dies for, and no runner", () =>
      Effect.gen(function*() {
        const { items } = yield* corpus(4, (n) => `dead cache ${n}`)
        const cache = yield* UploadCache.UploadCache
        const broken = UploadCache.UploadCache.of({
          ...cache,
          get: (source, options) =>
            options?.filename === "2.txt" ? Effect.die(new TypeError("not a function")) : cache.get(source, options)
        })
        const withBroken = Layer.fresh(IngestSql.layer({ pollInterval: "50 millis" })).pipe(
          Layer.provide(Layer.succeed(UploadCache.UploadCache, broken))
        )
        yield* Effect.gen(function*() {
          yield* Ingest.add(
            "dead",
            Stream.fromIterable(items.map((item) => ({ ...item, filename: `${item.key}.txt` })))
          )
          yield* Stream.runDrain(Ingest.run("dead"))
        }).pipe(Effect.provide(withBroken))
        assert.deepStrictEqual(yield* stateOf("dead"), { 0: "done", 1: "done", 2: "Defect", 3: "done" })
      }).pipe(Effect.scoped, Effect.provide(here)))

    it.effect("rows and messages that were edited by hand fail with their reason, or are taken up again", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const { items } = yield* corpus(8, (n) => `edited ${n}`)
        yield* add("edited", items)
        // A runner hands them to the queue, and is stopped before it begins any.
        yield* Ingest.pause("edited")
        yield* Stream.runDrain(Ingest.run("edited", { stopWhen: Effect.sleep("1 second") }))
        yield* Ingest.resume("edited")
        // What a newer version would write, what no JSON is, and what somebody lost.
        const message = (key: string) =>
          sql`(SELECT id || '/' || generation FROM ingest_items WHERE ingest = 'edited' AND key = ${key})`
        yield* sql`UPDATE ingest_queue SET element = '{"version": 2, "item": 7}' WHERE id = ${message("1")}`
        yield* sql`UPDATE ingest_queue SET element = 'no JSON' WHERE id = ${message("2")}`
        yield* sql`DELETE FROM ingest_queue WHERE id = ${message("3")}`
        yield* sql`UPDATE ingest_queue SET state = 'completed' WHERE id = ${message("4")}`
        yield* sql`UPDATE ingest_items SET expires_in = -1 WHERE ingest = 'edited' AND key = '5'`
        yield* sql`UPDATE ingest_items SET source = '' WHERE ingest = 'edited' AND key = '6'`
        yield* sql`UPDATE ingest_items SET generation = 9 WHERE ingest = 'edited' AND key = '7'`
        yield* Stream.runDrain(Ingest.run("edited"))
        assert.deepStrictEqual(yield* stateOf("edited"), {
          0: "done",
          1: "Defect",
          2: "Defect",
          3: "done",
          4: "done",
          5: "InvalidItem",
          6: "InvalidItem",
          7: "done"
        })
        // Made pending by hand, whose message the queue has finished.
        yield* sql`UPDATE ingest_items SET state = 'pending', expires_in = NULL WHERE ingest = 'edited' AND key = '5'`
        yield* Stream.runDrain(Ingest.run("edited"))
        assert.strictEqual((yield* stateOf("edited"))["5"], "done")
        const files = yield* (yield* Emulator.Emulator).files
        assert.lengthOf(files, 5)
      }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(ingestWith({ sweepInterval: "1 second" }), server))))

    it.effect("a key that the database can't store is a failed item under a shortened one, and the others are added", () =>
      Effect.gen(function*() {
        const long = `${"a".repeat(600)}/${"ä".repeat(600)}`
        const entries = [
          { key: "good", source: "/good" },
          new Manifest.Malformed({ key: long, message: "its name is too long" }),
          new Manifest.Malformed({ key: "half\ud800", message: "NUL \0" }),
          new Manifest.Malformed({ key: "", message: "no name" })
        ]
        const added = yield* Ingest.add("unstorable", Stream.fromIterable(entries))
        assert.deepStrictEqual(added, { added: 4, existing: 0, malformed: 3 })
        const found = yield* rows("unstorable")
        assert.lengthOf(found.filter(({ error_tag }) => error_tag === "InvalidItem"), 3)
        assert.isTrue(found.some(({ key }) => key === "half\\ud800"))
      }).pipe(Effect.provide(here)))

    it.effect("a malformed line that is added again changes nothing, and keeps its reason", () =>
      Effect.gen(function*() {
        const manifest = Manifest.jsonl(Stream.make(new TextEncoder().encode("not JSON\n")), { name: "m.jsonl" })
        assert.deepStrictEqual(yield* Ingest.add("bad twice", manifest), { added: 1, existing: 0, malformed: 1 })
        assert.deepStrictEqual(yield* Ingest.add("bad twice", manifest), { added: 0, existing: 1, malformed: 0 })
        const [row] = yield* rows("bad twice")
        assert.deepInclude(row, { state: "failed", error_tag: "InvalidItem" })
        assert.include(row?.error_message, "the line is not JSON")
      }).pipe(Effect.scoped, Effect.provide(here)))

    it.effect("a malformed line is a failed item with its number; the line that mends it takes its place", () =>
      Effect.gen(function*() {
        const { directory } = yield* corpus(2, (n) => `line ${n}`)
        const lines = (text: string) =>
          Manifest.jsonl(Stream.make(new TextEncoder().encode(text)), { name: "corpus.jsonl" })
        const first =
          `{"key": "a", "source": "${directory}/0.txt"}\n\nnot JSON\n{"key": "b"}\n{"key": "c", "source": 7}\n`
        assert.deepStrictEqual(yield* Ingest.add("lines", lines(first)), { added: 4, existing: 0, malformed: 3 })
        yield* Stream.runDrain(Ingest.run("lines"))
        assert.deepStrictEqual(yield* stateOf("lines"), {
          a: "done",
          b: "InvalidItem",
          c: "InvalidItem",
          "corpus.jsonl:3": "InvalidItem"
        })
        const [b] = (yield* rows("lines")).filter(({ key }) => key === "b")
        assert.strictEqual(b?.error_message, "corpus.jsonl, line 4: source is undefined; it has to be a string.")
        assert.strictEqual(yield* Ingest.retry("lines"), 0)
        yield* Ingest.add("lines", lines(`{"key": "b", "source": "${directory}/1.txt"}\n`))
        yield* Stream.runDrain(Ingest.run("lines"))
        assert.strictEqual((yield* stateOf("lines"))["b"], "done")
      }).pipe(Effect.scoped, Effect.provide(here)))
  })
})
