import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer, Schema, type Scope } from "effect"
import * as CliEvent from "effect-anthropic-files/CliEvent"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import * as Ingest from "effect-anthropic-files/fleet/Ingest"
import * as os from "node:os"
import { Database, databaseLayer, isRun, needsPostgres } from "../fleet/support.ts"
import { type Ended, environment, folder, run, start, until } from "./run.ts"

const decodeEvent = Schema.decodeUnknownSync(Schema.fromJsonString(CliEvent.Event), { onExcessProperty: "error" })
const decodeReport = Schema.decodeUnknownSync(Schema.fromJsonString(CliEvent.Report), { onExcessProperty: "error" })
const decodeStatus = Schema.decodeUnknownSync(Ingest.Status)

const events = ({ out }: Ended) => out.trim().split("\n").map((line) => decodeEvent(line))
const lines = (text: string) => text.split("\n").filter((line) => line !== "")
const code = (ended: Ended, expected: number) => assert.strictEqual(ended.code, expected, ended.out + ended.err)

/** The command line with the database and the emulator of the context, and what it sees of the environment. */
const setUp = Effect.gen(function*() {
  const { url } = yield* Database
  const env = { ...(yield* environment), DATABASE_URL: url }
  return { env, ingest: (...args: ReadonlyArray<string>) => run(["ingest", ...args], { env }) }
})

const files = (count: number, name: string) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`${n}.txt`, `${name} ${n}`]))

const statusOf = (ended: Ended) => decodeStatus(decodeReport(ended.out).items[0]?.data)

describe.runIf(isRun)(`ingest on the command line${needsPostgres}`, () => {
  layer(databaseLayer, { excludeTestServices: true, timeout: 60_000 })((it) => {
    const live = <E>(
      title: string,
      test: Effect.Effect<void, E, Database | Emulator | Scope.Scope>
    ) =>
      it.effect(
        title,
        () => Effect.provide(Effect.scoped(test), Layer.fresh(NodeEmulator.layerServer())),
        90_000
      )

    live(
      "a folder is added, run and exported: a line a file, a summary, and a second time there is nothing to do",
      Effect.gen(function*() {
        const { ingest } = yield* setUp
        const directory = yield* folder(files(5, "folder"))
        const added = yield* ingest("add", "folder", directory)
        code(added, 0)
        assert.strictEqual(added.out, "added 5 items to folder\n")
        assert.strictEqual(
          (yield* ingest("add", "folder", directory)).out,
          "added 0 items to folder (5 were there already)\n"
        )
        const ran = yield* ingest("run", "folder")
        code(ran, 0)
        assert.deepStrictEqual(
          lines(ran.out).map((line) => line.split("\t")[1]).toSorted(),
          ["0.txt", "1.txt", "2.txt", "3.txt", "4.txt"]
        )
        assert.match(ran.err, /^Uploaded 5 files \(40 B\) in [\d.]+ s\n$/)
        assert.lengthOf(yield* (yield* Emulator).files, 5)
        const again = yield* ingest("run", "folder", "--jsonl")
        code(again, 0)
        assert.deepInclude(events(again).at(-1), { kind: "summary", command: "ingest run", items: {}, errors: 0 })
        const csv = yield* ingest("export", "folder", "--format", "csv", "--state", "done")
        assert.lengthOf(lines(csv.out), 6)
        assert.match(csv.out, /^ingest,key,state,/)
        assert.strictEqual((yield* ingest("export", "folder", "--state", "failed")).out, "")
      })
    )

    live(
      "what fails is told at once with its key and counted by its tag; retry makes it pending again",
      Effect.gen(function*() {
        const { env, ingest } = yield* setUp
        const directory = yield* folder({ "good.txt": "good" })
        const manifest = [
          JSON.stringify({ key: "good", source: `${directory}/good.txt` }),
          JSON.stringify({ key: "gone", source: "/nowhere/at/all.txt" }),
          "{\"key\":"
        ].join("\n")
        const dry = yield* run(["ingest", "add", "mixed", "-", "--dry-run"], { input: manifest })
        code(dry, 1)
        assert.strictEqual(dry.out, "would add 2 items to mixed\n")
        assert.match(dry.err, /✗ standard input, line 3: the line is not JSON/)
        const added = yield* run(["ingest", "add", "mixed", "-", "--json"], { env, input: manifest })
        code(added, 1)
        const report = decodeReport(added.out)
        assert.deepStrictEqual(report.items[0]?.data, { ingest: "mixed", added: 3, existing: 0, malformed: 1 })
        assert.deepStrictEqual(report.errors.map(({ error, key }) => [error, key]), [[
          "InvalidItem",
          undefined
        ]])
        const ran = yield* ingest("run", "mixed", "--jsonl")
        code(ran, 1)
        const told = events(ran)
        const [failure] = told.filter((event) => event.kind === "error")
        assert.deepInclude(failure, { error: "SourceFailed", key: "gone", exitCode: 7 })
        const [done] = told.filter((event) => event.kind === "item")
        assert.deepInclude(done, { action: "uploaded", key: "good", bytes: 4 })
        const status = statusOf(yield* ingest("status", "mixed", "--json"))
        assert.deepStrictEqual(status.failures, { InvalidItem: 1, SourceFailed: 1 })
        assert.strictEqual((yield* ingest("retry", "mixed", "--dry-run")).out, "would retry gone\n")
        assert.strictEqual((yield* ingest("retry", "mixed", "--tag", "RateLimited")).out, "retried 0 items of mixed\n")
        assert.strictEqual((yield* ingest("retry", "mixed")).out, "retried 1 item of mixed\n")
        const plain = yield* ingest("status", "mixed")
        assert.include(lines(plain.out), "pending\t1")
        assert.include(lines(plain.out), "failure\tInvalidItem\t1")
      })
    )

    live(
      "pause, cancel and resume, with --dry-run first",
      Effect.gen(function*() {
        const { env, ingest } = yield* setUp
        code(yield* ingest("add", "steered", yield* folder(files(3, "steered"))), 0)
        assert.strictEqual((yield* ingest("pause", "steered")).out, "paused steered\n")
        assert.include(lines((yield* ingest("status", "steered")).out), "state\tpaused")
        const paused = yield* start(["ingest", "run", "steered"], { env })
        yield* until(() => /steered is paused: the runner waits/.test(paused.err()))
        paused.kill("SIGTERM")
        code(yield* paused.ended, 0)
        assert.strictEqual((yield* ingest("resume", "steered")).out, "resumed steered\n")
        assert.lengthOf(lines((yield* ingest("run", "steered", "--dry-run")).out), 3)
        assert.lengthOf(lines((yield* ingest("cancel", "steered", "--dry-run")).out), 3)
        assert.strictEqual((yield* ingest("cancel", "steered")).out, "cancelled 3 items of steered\n")
        const cancelled = yield* ingest("run", "steered")
        code(cancelled, 0)
        assert.match(cancelled.err, /steered is cancelled: anthropic-files ingest resume steered takes it up again/)
        assert.strictEqual((yield* ingest("resume", "steered")).out, "resumed 3 items of steered\n")
        assert.deepStrictEqual(yield* (yield* Emulator).files, [])
        const all = yield* ingest("status")
        assert.include(lines(all.out), "steered\trunning\t3\t0\t0")
        const cleaned = yield* ingest("clean", "--json")
        assert.deepStrictEqual(decodeReport(cleaned.out).items[0]?.data, { messages: 0, runners: 0, notes: 0 })
      })
    )

    live(
      "--dry-run of whatever changes an ingest says what would be done, and does nothing",
      Effect.gen(function*() {
        const { ingest } = yield* setUp
        const directory = yield* folder(files(2, "planned"))
        const manifest = yield* folder({
          "items.jsonl": ["0", "1"].map((n) =>
            JSON.stringify({ key: n, source: `${directory}/${n}.txt`, expiresIn: "2 hours" })
          ).join("\n")
        })
        code(yield* ingest("add", "planned", `${manifest}/items.jsonl`), 0)
        const planned = Effect.fnUntraced(function*(expected: ReadonlyArray<string>, ...args: ReadonlyArray<string>) {
          const before = statusOf(yield* ingest("status", "planned", "--json"))
          const ended = yield* ingest(...args, "--dry-run")
          code(ended, 0)
          assert.deepStrictEqual(lines(ended.out), expected)
          const { at: _, ...after } = statusOf(yield* ingest("status", "planned", "--json"))
          assert.deepInclude(before, after)
          for (const event of events(yield* ingest(...args, "--dry-run", "--jsonl"))) {
            if (event.kind === "item") assert.strictEqual(event.action, "planned")
          }
        })
        yield* planned(["would pause planned (running)"], "pause", "planned")
        yield* planned(["would cancel 0", "would cancel 1"], "cancel", "planned")
        code(yield* ingest("cancel", "planned"), 0)
        const resumed = ["would resume planned (cancelled)", "would resume 0", "would resume 1"]
        yield* planned(resumed, "resume", "planned")
        code(yield* ingest("resume", "planned"), 0)
        code(yield* ingest("run", "planned"), 0)
        yield* planned([], "renew", "planned", "--within", "1h")
        yield* planned(["would renew 0", "would renew 1"], "renew", "planned", "--within", "3h")
        const [cleaning = ""] = lines((yield* ingest("clean", "--older-than", "1s", "--dry-run")).out)
        assert.match(cleaning, /^would remove \d+ messages of the queue, 0 runners that are gone and 0 notes/)
        assert.strictEqual(
          (yield* ingest("clean", "--older-than", "1s")).out,
          `${cleaning.replace("would remove", "removed")}\n`
        )
        for (const command of ["pause", "resume", "cancel", "retry"]) {
          code(yield* ingest(command, "nobody's", "--dry-run"), 4)
        }
      })
    )

    live(
      "a relative path counts from the folder in which it was added, wherever the runner is started",
      Effect.gen(function*() {
        const { env, ingest } = yield* setUp
        const directory = yield* folder({ "sub/a.txt": "a", "items.csv": "key,source\na,sub/a.txt\n" })
        code(yield* run(["ingest", "add", "relative", "items.csv"], { env, cwd: directory }), 0)
        code(yield* ingest("run", "relative"), 0)
        assert.lengthOf(yield* (yield* Emulator).files, 1)
      })
    )

    live(
      "run --jsonl says from time to time how far the whole ingest has come",
      Effect.gen(function*() {
        const { ingest } = yield* setUp
        const { addFault } = yield* Emulator
        yield* addFault(Fault.latency({ duration: "1 second", match: { method: "POST" }, times: null }))
        code(yield* ingest("add", "told", yield* folder(files(12, "told"))), 0)
        const ran = yield* ingest("run", "told", "--jsonl", "--concurrency", "1")
        code(ran, 0)
        const statuses = events(ran).filter((event) => event.kind === "status")
        assert.isNotEmpty(statuses)
        for (const { bytes, files } of statuses) {
          assert.strictEqual(files.total, 12)
          assert.isAtLeast(files.done, 1)
          assert.isAtLeast(bytes.done, 6)
        }
        const silent = yield* ingest("run", "told", "--jsonl", "--no-progress")
        assert.isEmpty(events(silent).filter((event) => event.kind === "status"))
      })
    )

    live(
      "what it uploaded is deleted only when somebody agrees, and never more than --max-delete",
      Effect.gen(function*() {
        const { ingest } = yield* setUp
        code(yield* ingest("add", "own", yield* folder(files(3, "own"))), 0)
        code(yield* ingest("run", "own"), 0)
        assert.lengthOf(lines((yield* ingest("delete-uploaded", "own", "--dry-run")).out), 3)
        const unasked = yield* ingest("delete-uploaded", "own")
        code(unasked, 2)
        assert.match(unasked.err, /3 files \(15 B\) will be deleted .* add --yes/)
        const tooMany = yield* ingest("delete-uploaded", "own", "--yes", "--max-delete", "2")
        code(tooMany, 8)
        assert.match(
          tooMany.err,
          /3 files to delete, more than the 2 that may be deleted: nothing was deleted\. --max-delete allows more/
        )
        assert.lengthOf(yield* (yield* Emulator).files, 3)
        const deleted = yield* ingest("delete-uploaded", "own", "--yes")
        code(deleted, 0)
        assert.match(deleted.err, /^Deleted 3 files in/)
        assert.deepStrictEqual(yield* (yield* Emulator).files, [])
      })
    )

    live(
      "SIGTERM ends a runner within five seconds with code 0 and nothing lost, a second signal at once",
      Effect.gen(function*() {
        const { env, ingest } = yield* setUp
        const { addFault } = yield* Emulator
        yield* addFault(Fault.latency({ duration: "20 seconds", match: { method: "POST" }, times: null }))
        code(yield* ingest("add", "stopped", yield* folder(files(20, "stopped"))), 0)
        const uploads = Effect.map(Emulator, ({ requests }) => requests).pipe(Effect.flatten)
        const runner = Effect.gen(function*() {
          const before = (yield* uploads).length
          const child = yield* start(["ingest", "run", "stopped"], { env })
          while ((yield* uploads).length === before) yield* Effect.sleep("20 millis")
          return child
        })
        const first = yield* runner
        const started = performance.now()
        first.kill("SIGTERM")
        const ended = yield* first.ended
        code(ended, 0)
        assert.isBelow(performance.now() - started, 5_500)
        assert.match(ended.err, /Told to stop/)
        assert.strictEqual(statusOf(yield* ingest("status", "stopped", "--json")).counts.pending, 20)

        const second = yield* runner
        second.kill("SIGTERM")
        yield* until(() => second.err().includes("Told to stop"))
        const again = performance.now()
        second.kill("SIGTERM")
        assert.strictEqual((yield* second.ended).code, 143)
        assert.isBelow(performance.now() - again, 1_500)
      })
    )

    live(
      "a wrong call says what to do: no database, no such ingest, an address of another kind; no password is shown",
      Effect.gen(function*() {
        const { env, ingest } = yield* setUp
        const none = yield* run(["ingest", "status"])
        code(none, 2)
        assert.match(none.err, /set DATABASE_URL/)
        const unknown = yield* ingest("status", "unknown")
        code(unknown, 4)
        assert.match(unknown.err, /There is no ingest unknown/)
        const wrong = yield* run(["ingest", "status", "--database-url", "mysql://root:secret@localhost/db"])
        code(wrong, 2)
        assert.match(wrong.err, /--database-url takes a URL that begins with postgres:\/\//)
        const away = yield* run(["ingest", "status"], {
          env: { ...env, ANTHROPIC_FILES_DATABASE_URL: "postgres://root:secret@127.0.0.1:1/db" }
        })
        code(away, 5)
        assert.match(away.err, /The database of the ingest can't be used: connect ECONNREFUSED 127\.0\.0\.1:1/)
        const noRedis = yield* run(["ingest", "run", "unknown"], {
          env: { ...env, ANTHROPIC_FILES_REDIS_URL: "redis://root:secret@127.0.0.1:1" }
        })
        code(noRedis, 5)
        assert.match(noRedis.err, /The Redis of the rate limit can't be reached \(connect ECONNREFUSED/)
        const noKey = yield* run(["ingest", "run", "unknown"], {
          env: { ...env, ANTHROPIC_API_KEY: undefined, HOME: os.tmpdir() }
        })
        code(noKey, 3)
        for (const { err, out } of [none, unknown, wrong, away, noRedis, noKey]) assert.notInclude(out + err, "secret")
      })
    )
  })
})
