import { assert, describe, layer } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Layer, Redacted, Stream } from "effect"
import { UploadCache, UploadStore } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as Ingest from "effect-anthropic-files/fleet/Ingest"
import * as IngestSql from "effect-anthropic-files/fleet/IngestSql"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { SqlClient } from "effect/sql"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as os from "node:os"
import { staged } from "../../src/fleet/internal/staged.ts"
import { add, corpus, databaseLayer, ingestWith, isRun, needsPostgres, rows, server, sql } from "./support.ts"

const here = Layer.provideMerge(ingestWith(), server)

/** A server that answers everything with one text. Gives its URL, and what it was asked for. */
const webServer = (text: string, asked: Array<string> = []) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<http.Server>((resume) => {
        const server = http.createServer(({ url = "" }, response) => {
          asked.push(url)
          // In parts, so that nothing tells its length.
          if (url.startsWith("/parts")) response.write(text.slice(0, 10))
          response.end(url.startsWith("/parts") ? text.slice(10) : text)
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.closeAllConnections()).pipe(Effect.tap(Effect.sync(() => server.close())))
    ),
    (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  )

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

    it.effect("a run tells of every item before it ends, however long the queue takes to note that one is done", () =>
      Effect.gen(function*() {
        const { items } = yield* corpus(2, (n) => `told ${n}`)
        yield* add("told", [...items, { key: "missing", source: "/nowhere/at/all.txt" }])
        yield* Stream.runDrain(Ingest.run("told"))
        const client = yield* SqlClient.SqlClient
        yield* client`
          CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(2); RETURN NEW; END $$
        `
        yield* client`
          CREATE TRIGGER slow BEFORE UPDATE ON ingest_queue FOR EACH ROW
          WHEN (NEW.state = 'completed') EXECUTE FUNCTION slow()
        `
        assert.strictEqual(yield* Ingest.retry("told"), 1)
        yield* add("told", [{ key: "again", source: items[0]?.source ?? "" }])
        const events = yield* Stream.runCollect(Ingest.run("told"))
        yield* client`DROP TRIGGER slow ON ingest_queue`
        const told = events.map(({ _tag, key }) => `${_tag} ${key}`).toSorted()
        assert.deepStrictEqual(told, ["Done again", "Failed missing"])
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

    it.effect("cancel and resume change all items, more than one statement takes", () =>
      Effect.gen(function*() {
        const count = 11_000
        yield* add("many", Array.from({ length: count }, (_, n) => ({ key: `${n}`, source: `/${n}` })))
        yield* Ingest.cancel("many")
        assert.strictEqual((yield* Ingest.status("many")).counts.cancelled, count)
        yield* Ingest.resume("many")
        assert.strictEqual((yield* Ingest.status("many")).counts.pending, count)
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

    it.effect("keeps what another ingest has as well, and says so", () =>
      Effect.gen(function*() {
        const { items } = yield* corpus(2, (n) => `common to two ${n}`)
        yield* add("owner", items)
        yield* Stream.runDrain(Ingest.run("owner"))
        yield* add("guest", items.slice(0, 1))
        yield* Stream.runDrain(Ingest.run("guest"))
        const events = yield* Stream.runCollect(Ingest.deleteUploaded("owner"))
        assert.deepStrictEqual(events.map(({ _tag, keys }) => [_tag, keys[0]]).sort(), [["Deleted", "1"], [
          "Kept",
          "0"
        ]])
        const [guest] = yield* rows("guest")
        assert.deepStrictEqual((yield* (yield* Emulator.Emulator).files).map(({ id }) => id), [guest?.file_id])
        assert.strictEqual((yield* Ingest.status("owner")).counts.done, 1)
      }).pipe(Effect.scoped, Effect.provide(here)))

    it.effect("an item that is cancelled while it is uploaded is done, and its file can be deleted again", () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator.Emulator
        const { items } = yield* corpus(1, () => "cancelled on the way")
        yield* add("on the way", items)
        yield* emulator.addFault(Fault.latency({ duration: "2 seconds", match: { operation: "upload" } }))
        const running = yield* Effect.forkChild(Stream.runDrain(Ingest.run("on the way")))
        while ((yield* posts) === 0) yield* Effect.sleep(20)
        assert.strictEqual(yield* Ingest.cancel("on the way"), 1)
        yield* Fiber.join(running)
        assert.deepStrictEqual((yield* rows("on the way")).map(({ state }) => state), ["done"])
        yield* Stream.runDrain(Ingest.deleteUploaded("on the way"))
        assert.deepStrictEqual(yield* emulator.files, [])
      }).pipe(Effect.scoped, Effect.provide(here)))

    it.effect("of two items with one key in one manifest the first is taken", () =>
      Effect.gen(function*() {
        const items = [{ key: "a", source: "/first" }, { key: "a", source: "/second" }]
        assert.deepStrictEqual(yield* add("double", items), { added: 1, existing: 1, malformed: 0 })
        assert.deepStrictEqual((yield* rows("double")).map(({ source }) => source), ["/first"])
      }).pipe(Effect.scoped, Effect.provide(here)))

    const forbidden = (options: Fault.Options) =>
      Fault.answer({
        status: 403,
        type: "permission_error",
        message: "no",
        ...options,
        match: { operation: "upload" }
      })

    it.effect("a run whose uploads are all forbidden ends, and has given up no more than five items", () =>
      Effect.gen(function*() {
        yield* (yield* Emulator.Emulator).addFault(forbidden({ times: null }))
        const { items } = yield* corpus(20, (n) => `forbidden ${n}`)
        yield* add("forbidden", items)
        const error = yield* Effect.flip(Stream.runDrain(Ingest.run("forbidden", { concurrency: 1 })))
        assert.strictEqual(error._tag === "IngestFailed" && error.reason, "Refused")
        const { counts } = yield* Ingest.status("forbidden")
        assert.deepStrictEqual([counts.failed, counts.pending], [5, 15])
      }).pipe(Effect.scoped, Effect.provide(here)))

    it.effect("uploads that are forbidden now and then end no run", () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator.Emulator
        yield* emulator.setFaults(Array.from({ length: 8 }, (_, n) => forbidden({ skip: 2 * n })))
        const { items } = yield* corpus(16, (n) => `now and then ${n}`)
        yield* add("now and then", items)
        yield* Stream.runDrain(Ingest.run("now and then", { concurrency: 1 }))
        const { counts } = yield* Ingest.status("now and then")
        assert.deepStrictEqual([counts.done, counts.failed, counts.pending], [8, 8, 0])
      }).pipe(Effect.scoped, Effect.provide(here)))

    it.effect("a paused ingest begins no item, and goes on when it is resumed", () =>
      Effect.gen(function*() {
        const { items } = yield* corpus(3, (n) => `paused ${n}`)
        yield* add("paused", items)
        yield* Ingest.pause("paused")
        const resumed = Effect.gen(function*() {
          yield* Effect.sleep("1500 millis")
          assert.strictEqual(yield* posts, 0)
          assert.strictEqual((yield* Ingest.status("paused")).state, "paused")
          assert.strictEqual(yield* Ingest.resume("paused"), 0)
        })
        yield* Effect.all([Stream.runDrain(Ingest.run("paused")), resumed], { concurrency: "unbounded" })
        assert.strictEqual((yield* Ingest.status("paused")).counts.done, 3)
      }).pipe(Effect.scoped, Effect.provide(here)))

    it.effect("renew uploads anew what would expire, once for each content", () =>
      Effect.gen(function*() {
        const { items } = yield* corpus(4, (n) => `renewed ${n % 2}`)
        yield* Ingest.add("renewed", Stream.fromIterable(items.map((item) => ({ ...item, expiresIn: "2 hours" }))))
        yield* Stream.runDrain(Ingest.run("renewed"))
        const before = new Set((yield* rows("renewed")).map(({ file_id }) => file_id))
        assert.strictEqual(yield* Ingest.renew("renewed", "1 hour"), 0)
        assert.strictEqual(yield* Ingest.renew("renewed", "3 hours"), 4)
        yield* Stream.runDrain(Ingest.run("renewed"))
        const after = yield* rows("renewed")
        assert.isTrue(
          after.every(({ expires_at, file_id, state }) =>
            state === "done" && expires_at !== null && !before.has(file_id)
          )
        )
        assert.strictEqual(yield* posts, 4)
      }).pipe(Effect.scoped, Effect.provide(here)))

    it.effect("an item whose content is there already expires when its file does, and not when it would have been to", () =>
      Effect.gen(function*() {
        const { items: [item] } = yield* corpus(1, () => "kept for ever")
        if (item === undefined) return assert.fail("there is an item")
        yield* add("kept", [item])
        yield* Stream.runDrain(Ingest.run("kept"))
        yield* Ingest.add("kept for hours", Stream.make({ ...item, expiresIn: "2 hours" }))
        yield* Stream.runDrain(Ingest.run("kept for hours"))
        const [kept, again] = [...(yield* rows("kept")), ...(yield* rows("kept for hours"))]
        assert.strictEqual(again?.file_id, kept?.file_id)
        assert.isNull(again?.expires_at)
        assert.strictEqual(yield* posts, 1)
      }).pipe(Effect.scoped, Effect.provide(here)))

    it.effect("an item that fails again and again has failed after its tries, with what was wrong", () =>
      Effect.gen(function*() {
        yield* Ingest.add("tries", Stream.make({ key: "a", source: "s3://bucket/a" }))
        const events = yield* Stream.runCollect(Ingest.run("tries", {
          maxAttempts: 2,
          retryDelay: "1 second",
          presign: (source) => Effect.fail(`no signature for ${source}`)
        }))
        const failed = { _tag: "Failed", key: "a", error_tag: "PresignFailed" } as const
        const error_message = "no signature for s3://bucket/a"
        assert.deepStrictEqual(events, [
          { ...failed, error_message, attempts: 1, isFinal: false },
          { ...failed, error_message, attempts: 2, isFinal: true }
        ])
      }).pipe(Effect.provide(here)))

    it.effect("a source that the runner signs is fetched and uploaded", () =>
      Effect.gen(function*() {
        const bucket = yield* webServer("signed content")
        yield* Ingest.add("signed", Stream.make({ key: "a", source: "s3://bucket/a.txt" }))
        const presign = (source: string) => Effect.succeed(`${bucket}/${source.slice("s3://".length)}?signature=1`)
        const [event] = yield* Stream.runCollect(Ingest.run("signed", { presign }))
        assert.deepInclude(event, { _tag: "Done", key: "a", size_bytes: 14, uploaded: true })
        const [row] = yield* rows("signed")
        assert.deepInclude(row, { filename: "a.txt", source: "s3://bucket/a.txt", state: "done" })
      }).pipe(Effect.scoped, Effect.provide(here)))

    it.effect("a URL is fetched once, whatever its size, and nothing is left of it on the disk", () =>
      Effect.gen(function*() {
        const asked: Array<string> = []
        const before = new Set(fs.readdirSync(os.tmpdir()))
        const large = "0123456789".repeat(150_000)
        const web = yield* webServer(large, asked)
        const small = yield* webServer("small", asked)
        yield* Ingest.add(
          "fetched",
          Stream.make(
            { key: "large", source: `${web}/large.txt` },
            { key: "parts", source: `${web}/parts.txt`, filename: "other.txt" },
            { key: "small", source: `${small}/small.csv` }
          )
        )
        const events = yield* Stream.runCollect(Ingest.run("fetched"))
        assert.lengthOf(events.filter(({ _tag }) => _tag === "Done"), 3)
        assert.deepStrictEqual(asked.toSorted(), ["/large.txt", "/parts.txt", "/small.csv"])
        const found = yield* rows("fetched")
        const byKey = new Map(found.map((row) => [row.key, row]))
        assert.deepInclude(byKey.get("large"), { size_bytes: large.length, mime_type: "text/plain" })
        // The same content under another name is the same file.
        assert.strictEqual(byKey.get("parts")?.file_id, byKey.get("large")?.file_id)
        assert.deepInclude(byKey.get("small"), { filename: "small.csv", size_bytes: 5, mime_type: "text/csv" })
        const sha256 = createHash("sha256").update(large).digest("hex")
        assert.strictEqual(byKey.get("large")?.sha256, sha256)
        const left = fs.readdirSync(os.tmpdir()).filter((name) => name.startsWith("effect-anthropic-files-"))
        assert.deepStrictEqual(left.filter((name) => !before.has(name)), [])
      }).pipe(Effect.scoped, Effect.provide(here)))

    it.effect("the content of a URL is kept on the disk where it is large, or where nothing tells its length", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        let kept = 0
        const counting = Layer.succeed(FileSystem.FileSystem, {
          ...fs,
          makeTempFileScoped: (options) => Effect.tap(fs.makeTempFileScoped(options), () => Effect.sync(() => kept++))
        })
        const web = yield* webServer("x".repeat(2_000))
        for (const [path, files] of [["whole.txt", 0], ["parts.txt", 1]] as const) {
          kept = 0
          yield* staged(`${web}/${path}`)
            .pipe(Effect.provide(Layer.merge(counting, NodeFiles.layerHttpClient)))
          assert.strictEqual(kept, files, path)
        }
      }).pipe(Effect.scoped, Effect.provide(server)))

    it.effect("a source that is too large has failed before it is read, or as soon as it is", () =>
      Effect.gen(function*() {
        const { directory } = yield* corpus(1)
        fs.truncateSync(`${directory}/0.txt`, 500_000_001)
        yield* add("too large", [{ key: "path", source: `${directory}/0.txt` }])
        const began = performance.now()
        yield* Stream.runDrain(Ingest.run("too large"))
        const [row] = yield* rows("too large")
        assert.deepInclude(row, { state: "failed", error_tag: "FileTooLarge" })
        assert.isBelow(performance.now() - began, 10_000)
        assert.strictEqual(yield* posts, 0)
      }).pipe(Effect.scoped, Effect.provide(here)))

    it.effect("clean forgets what the cache knows of files that expired 30 days ago, and of nothing else", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const notes = Effect.map(
          sql<{ readonly count: number }>`SELECT count(*)::int AS count FROM effect_anthropic_files_uploads`,
          ([row]) => row?.count ?? 0
        )
        const before = yield* notes
        const { items } = yield* corpus(3, (n) => `forgotten ${n}`)
        yield* Ingest.add("forgotten", Stream.fromIterable(items.map((item) => ({ ...item, expiresIn: "2 hours" }))))
        yield* Stream.runDrain(Ingest.run("forgotten"))
        assert.strictEqual(yield* notes, before + 6)
        assert.strictEqual((yield* Ingest.clean()).notes, 0)
        yield* sql`UPDATE ingest_items SET expires_at = now() - interval '29 days' WHERE ingest = 'forgotten'`
        assert.strictEqual((yield* Ingest.clean()).notes, 0)
        yield* sql`UPDATE ingest_items SET expires_at = now() - interval '31 days' WHERE ingest = 'forgotten' AND key <> '2'`
        assert.strictEqual((yield* Ingest.clean({ dryRun: true })).notes, 2)
        assert.strictEqual(yield* notes, before + 6)
        assert.strictEqual((yield* Ingest.clean()).notes, 2)
        assert.strictEqual(yield* notes, before + 2)
        assert.strictEqual((yield* Ingest.clean()).notes, 0)
      }).pipe(Effect.scoped, Effect.provide(here)))

    it.effect("a key that is refused ends the run, and gives no item up", () =>
      Effect.gen(function*() {
        const { items } = yield* corpus(20, (n) => `refused ${n}`)
        const { url } = yield* Emulator.Emulator
        const refused = NodeFiles.layer({ apiKey: Redacted.make("sk-ant-wrong"), baseUrl: url })
        const ingest = Layer.fresh(IngestSql.layer({ pollInterval: "50 millis" })).pipe(
          Layer.provide(Layer.fresh(UploadCache.layer())),
          Layer.provide(Layer.merge(UploadStore.layerMemory, refused)),
          Layer.provide(sql)
        )
        yield* add("refused", items)
        const error = yield* Effect.flip(Stream.runDrain(Ingest.run("refused"))).pipe(Effect.provide(ingest))
        assert.strictEqual(error._tag === "IngestFailed" && error.reason, "Refused")
        const { counts } = yield* Ingest.status("refused")
        assert.strictEqual(counts.pending, 20)
        // What was taken was given back: with the right key all is done, and there is no lock to wait for.
        yield* Stream.runDrain(Ingest.run("refused"))
        assert.strictEqual((yield* Ingest.status("refused")).counts.done, 20)
      }).pipe(Effect.scoped, Effect.provide(here)))

    it.effect("what nobody added, and options that make no sense, are refused", () =>
      Effect.gen(function*() {
        for (
          const effect of [Ingest.status("no such"), Ingest.pause("no such"), Stream.runDrain(Ingest.run("no such"))]
        ) {
          const error = yield* Effect.flip<unknown, Ingest.Failure, Ingest.Ingest>(effect)
          assert.strictEqual(error._tag === "IngestFailed" && error.reason, "NoSuchIngest")
        }
        for (
          const effect of [
            Ingest.status(""),
            Ingest.renew("x", "soon" as "1 day"),
            Stream.runDrain(Ingest.run("x", { concurrency: 0 })),
            Stream.runDrain(Ingest.run("x", { maxAttempts: 1.5 }))
          ]
        ) {
          const error = yield* Effect.flip<unknown, Ingest.Failure, Ingest.Ingest>(effect)
          assert.strictEqual(error._tag === "RequestFailed" && error.reason._tag, "InvalidRequest")
        }
      }).pipe(Effect.provide(here)))
  })
})
