import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Ingest from "effect-anthropic-files/fleet/Ingest"
import { add, corpus, databaseLayer, ingestWith, isRun, needsPostgres, rows, server } from "./support.ts"

const here = Layer.provideMerge(ingestWith(), server)

const posts = Effect.gen(function*() {
  const emulator = yield* Emulator.Emulator
  return (yield* emulator.requests).filter(({ method }) => method === "POST").length
})

describe.runIf(isRun)(`durable ingest${needsPostgres}`, () => {
  layer(databaseLayer, { excludeTestServices: true, timeout: 60_000 })((it) => {
    it.effect("uploads what was added, each content once, and says of each item what became of it", () =>
      Effect.gen(function*() {
        const { items } = yield* corpus(20, (n) => `content ${n % 10}`)
        assert.deepStrictEqual(yield* add("first", items), { added: 20, existing: 0, malformed: 0 })
        const events = yield* Stream.runCollect(Ingest.run("first"))
        assert.lengthOf(events, 20)
        assert.strictEqual(events.filter((event) => event._tag === "Done" && event.uploaded).length, 10)
        assert.strictEqual(yield* posts, 10)
        const found = yield* rows("first")
        assert.strictEqual(new Set(found.map(({ file_id }) => file_id)).size, 10)
        assert.isTrue(
          found.every(({ sha256, size_bytes, state, uploaded }) =>
            state === "done" && uploaded && size_bytes === 9 && sha256?.length === 64
          )
        )
        const status = yield* Ingest.status("first")
        assert.deepStrictEqual(status.counts, { pending: 0, done: 20, failed: 0, cancelled: 0, deleted: 0 })
        assert.strictEqual(status.bytes, 180)
        assert.deepStrictEqual(status.runners, [])
      }).pipe(Effect.scoped, Effect.provide(here)))

    it.effect("adding the same again changes nothing, and a second run sends nothing", () =>
      Effect.gen(function*() {
        const { items } = yield* corpus(5, (n) => `again ${n}`)
        yield* add("again", items)
        yield* Stream.runDrain(Ingest.run("again"))
        assert.deepStrictEqual(yield* add("again", items), { added: 0, existing: 5, malformed: 0 })
        assert.deepStrictEqual(yield* Stream.runCollect(Ingest.run("again")), [])
        assert.strictEqual(yield* posts, 5)
      }).pipe(Effect.scoped, Effect.provide(here)))

    it.effect("what is gone fails at once with its tag; retry tries it again", () =>
      Effect.gen(function*() {
        const { items } = yield* corpus(3, (n) => `gone ${n}`)
        yield* add("gone", [...items, { key: "missing", source: "/nowhere/at/all.txt" }])
        yield* Stream.runDrain(Ingest.run("gone"))
        const [missing] = (yield* rows("gone")).filter(({ state }) => state === "failed")
        assert.strictEqual(missing?.key, "missing")
        assert.strictEqual(missing?.error_tag, "SourceFailed")
        assert.deepStrictEqual((yield* Ingest.status("gone")).failures, { SourceFailed: 1 })
        assert.strictEqual(yield* Ingest.retry("gone", { tag: "RateLimited" }), 0)
        assert.strictEqual(yield* Ingest.retry("gone"), 1)
        const events = yield* Stream.runCollect(Ingest.run("gone"))
        assert.deepStrictEqual(events.map(({ _tag, key }) => [_tag, key]), [["Failed", "missing"]])
      }).pipe(Effect.scoped, Effect.provide(here)))

    it.effect("cancel gives up what is pending, and resume takes it up again", () =>
      Effect.gen(function*() {
        const { items } = yield* corpus(4, (n) => `cancelled ${n}`)
        yield* add("cancelled", items)
        assert.strictEqual(yield* Ingest.cancel("cancelled"), 4)
        assert.deepStrictEqual(yield* Stream.runCollect(Ingest.run("cancelled")), [])
        assert.strictEqual((yield* Ingest.status("cancelled")).counts.cancelled, 4)
        assert.strictEqual(yield* Ingest.resume("cancelled"), 4)
        yield* Stream.runDrain(Ingest.run("cancelled"))
        assert.strictEqual((yield* Ingest.status("cancelled")).counts.done, 4)
      }).pipe(Effect.scoped, Effect.provide(here)))

    it.effect("export writes JSONL and CSV that tell of each item the same", () =>
      Effect.gen(function*() {
        yield* Ingest.add("exported", Stream.make({ key: "a,\"b\"", source: "/nowhere", metadata: { page: 1 } }))
        const jsonl = yield* Stream.mkString(Ingest.export("exported"))
        assert.deepInclude(JSON.parse(jsonl), { key: "a,\"b\"", state: "pending", metadata: { page: 1 } })
        const csv = yield* Stream.mkString(Ingest.export("exported", { format: "csv" }))
        assert.include(csv, "exported,\"a,\"\"b\"\"\",pending,/nowhere,,,\"{\"\"page\"\":1}\"")
      }).pipe(Effect.scoped, Effect.provide(here)))

    it.effect("deletes what it uploaded, and not what was there before", () =>
      Effect.gen(function*() {
        const { items } = yield* corpus(3, (n) => `deleted ${n}`)
        yield* add("before", items.slice(0, 1))
        yield* Stream.runDrain(Ingest.run("before"))
        yield* add("deleted", items)
        yield* Stream.runDrain(Ingest.run("deleted"))
        const tooMany = yield* Effect.flip(Stream.runDrain(Ingest.deleteUploaded("deleted", { maxDeletions: 1 })))
        assert.strictEqual(tooMany._tag === "IngestFailed" && tooMany.reason, "TooManyDeletions")
        const events = yield* Stream.runCollect(Ingest.deleteUploaded("deleted"))
        assert.deepStrictEqual(events.map(({ _tag, keys }) => [_tag, keys[0]]).sort(), [["Deleted", "1"], [
          "Deleted",
          "2"
        ]])
        assert.lengthOf(yield* (yield* Emulator.Emulator).files, 1)
        assert.strictEqual((yield* Ingest.status("deleted")).counts.deleted, 2)
      }).pipe(Effect.scoped, Effect.provide(here)))
  })
})
