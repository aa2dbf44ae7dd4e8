import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Schema, type Scope } from "effect"
import * as CliEvent from "effect-anthropic-files/CliEvent"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import * as fs from "node:fs"
import { client, type Ended, environment, folder, run, start, until } from "./run.ts"

const reportOf = ({ out }: Ended) =>
  Schema.decodeSync(Schema.fromJsonString(CliEvent.Report), { onExcessProperty: "error" })(out)

const live = <E>(title: string, test: () => Effect.Effect<void, E, Emulator | Scope.Scope>) =>
  it.live(title, () => Effect.provide(Effect.scoped(test()), NodeEmulator.layerServer()), 60_000)

const code = (ended: Ended, expected: number) => assert.strictEqual(ended.code, expected, ended.out + ended.err)

const synced = Effect.gen(function*() {
  const cwd = yield* folder({ "docs/a.txt": "a", "docs/b/c.txt": "c", "docs/d.tmp": "d" })
  const env = { ...(yield* environment), ANTHROPIC_FILES_CACHE_DIR: `${cwd}/cache` }
  const command = (name: string, ...args: ReadonlyArray<string>) =>
    run([name, ...args, ...(name === "rm" ? [] : ["--exclude", "*.tmp"])], { env, cwd })
  const first = yield* command("sync", "docs")
  code(first, 0)
  assert.match(first.err, /^Uploaded 2 files \(2 B\)/)
  return { cwd, command }
})

describe("sync and check", () => {
  live("P9 a second run sends nothing, and check finds no difference", () =>
    Effect.gen(function*() {
      const { command } = yield* synced
      const { requests } = yield* Emulator
      const before = (yield* requests).length
      const second = yield* command("sync", "docs")
      code(second, 0)
      assert.match(second.err, /^Uploaded 0 files in [\d.]+ s, 2 unchanged\n$/)
      assert.strictEqual(second.out, "")
      const checked = yield* command("check", "docs")
      code(checked, 0)
      assert.strictEqual(checked.err, "No differences.\n")
      assert.strictEqual((yield* requests).length, before)
    }))

  live(
    "check tells differences with code 10 and changes nothing; --checksum finds what size and time hide",
    () =>
      Effect.gen(function*() {
        const { command, cwd } = yield* synced
        const { requests } = yield* Emulator
        const before = (yield* requests).length
        fs.writeFileSync(`${cwd}/docs/new.md`, "new")
        fs.writeFileSync(`${cwd}/docs/a.txt`, "changed")
        fs.rmSync(`${cwd}/docs/b/c.txt`)
        for (let times = 0; times < 2; times++) {
          const checked = yield* command("check", "docs")
          code(checked, 10)
          assert.deepStrictEqual(checked.out.trim().split("\n").toSorted(), [
            "+ new.md (3 B)",
            "- a.txt (1 B)",
            "- b/c.txt (1 B)",
            "~ a.txt (7 B)"
          ])
        }
        assert.strictEqual((yield* requests).length, before)
      })
  )

  live(
    "--delete asks first, --dry-run and refusals delete nothing, --yes deletes what earlier runs uploaded",
    () =>
      Effect.gen(function*() {
        const { command, cwd } = yield* synced
        const { files, seed } = yield* Emulator
        yield* seed({ filename: "somebody else's.txt", content: "x" })
        fs.rmSync(`${cwd}/docs/b/c.txt`)
        const asked = yield* command("sync", "docs", "--delete")
        code(asked, 2)
        assert.match(asked.err, /1 file \(1 B\) will be deleted and can't be recovered: b\/c\.txt\./)
        const dry = yield* command("sync", "docs", "--delete", "--dry-run", "--json")
        assert.deepStrictEqual(reportOf(dry).items.map(({ path, would }) => [path, would]), [["b/c.txt", "delete"]])
        code(yield* command("sync", "docs", "--delete", "--yes", "--max-delete", "0"), 8)
        assert.strictEqual((yield* files).length, 3)
        const done = yield* command("sync", "docs", "--delete", "--yes", "--json")
        code(done, 0)
        assert.deepStrictEqual(reportOf(done).summary.items, { unchanged: 1, deleted: 1 })
        assert.deepStrictEqual((yield* files).map(({ filename }) => filename), ["somebody else's.txt", "a.txt"])
      })
  )

  live(
    "after an interrupted run, check, --dry-run and the question of --delete name the files that it then deletes",
    () =>
      Effect.gen(function*() {
        const names = ["1", "2", "3", "4"]
        const cwd = yield* folder(Object.fromEntries(names.map((name) => [`docs/${name}.txt`, name])))
        const env = { ...(yield* environment), ANTHROPIC_FILES_CACHE_DIR: `${cwd}/cache` }
        const { addFault, files, setFaults } = yield* Emulator
        yield* addFault(Fault.stall({ at: "before", skip: 3, times: null, match: { operation: "upload" } }))
        const interrupted = yield* start(["sync", "docs", "--concurrency", "1", "--quiet"], { env, cwd })
        yield* until(() => interrupted.out().split("\n").length > 3)
        interrupted.kill("SIGINT")
        code(yield* interrupted.ended, 130)
        yield* setFaults([])
        const stored = (yield* files).map(({ filename }) => filename).toSorted()
        assert.lengthOf(stored, 3)
        const gone = stored.slice(0, 2)
        for (const name of gone) fs.rmSync(`${cwd}/docs/${name}`)

        const checked = yield* run(["check", "docs", "--json"], { env, cwd })
        assert.deepStrictEqual(
          reportOf(checked).items.flatMap(({ action, path }) => action === "gone" ? [path] : []).toSorted(),
          gone
        )
        const dry = yield* run(["sync", "docs", "--delete", "--dry-run", "--json"], { env, cwd })
        assert.deepStrictEqual(
          reportOf(dry).items.flatMap(({ path, would }) => would === "delete" ? [path] : []).toSorted(),
          gone
        )
        const asked = yield* run(["sync", "docs", "--delete"], { env, cwd })
        code(asked, 2)
        assert.match(asked.err, /2 files \(2 B\) will be deleted and can't be recovered/)
        assert.lengthOf(yield* files, 3)
        code(yield* run(["sync", "docs", "--delete", "--yes"], { env, cwd }), 0)
        assert.lengthOf(yield* files, 2)
      })
  )

  live(
    "a glob that begins with / or ./ is for the folder itself, one without for any depth",
    () =>
      Effect.gen(function*() {
        const cwd = yield* folder({ "docs/a.tmp": "a", "docs/b/c.tmp": "c" })
        const env = { ...(yield* environment), ANTHROPIC_FILES_CACHE_DIR: `${cwd}/cache` }
        for (const [glob, paths] of [["/*.tmp", ["b/c.tmp"]], ["./*.tmp", ["b/c.tmp"]], ["*.tmp", []]] as const) {
          const planned = yield* run(["sync", "docs", "--exclude", glob, "--dry-run", "--json"], { env, cwd })
          assert.deepStrictEqual<unknown>(reportOf(planned).items.map(({ path }) => path), paths, glob)
        }
      })
  )

  live("an empty folder deletes nothing", () =>
    Effect.gen(function*() {
      const { command, cwd } = yield* synced
      fs.rmSync(`${cwd}/docs`, { recursive: true })
      fs.mkdirSync(`${cwd}/docs`)
      code(yield* command("sync", "docs", "--delete", "--yes"), 8)
      assert.strictEqual((yield* (yield* Emulator).files).length, 2)
      code(yield* command("sync", "missing"), 4)
    }))
})

describe("rm", () => {
  const uploadOnce = (env: Readonly<Record<string, string | undefined>>, cwd: string, ...args: ReadonlyArray<string>) =>
    Effect.map(run(["upload", "--once", "a.txt", "--json", ...args], { env, cwd }), (ended) => {
      code(ended, 0)
      const [item] = reportOf(ended).items
      return { action: item?.action, id: item?.id ?? "" }
    })

  for (
    const [where, place, args] of [
      ["in the user's cache folder", { XDG_CACHE_HOME: "home" }, []],
      ["in the folder that the environment names", { ANTHROPIC_FILES_CACHE_DIR: "cache" }, []],
      ["in the folder of --cache-dir", {}, ["--cache-dir", "cache"]]
    ] as const
  ) {
    live(`makes the upload cache forget what it deletes, ${where}`, () =>
      Effect.gen(function*() {
        const cwd = yield* folder({ "a.txt": "a" })
        const inside = Object.fromEntries(Object.entries(place).map(([name, path]) => [name, `${cwd}/${path}`]))
        const env = { ...(yield* environment), ...inside }
        const first = yield* uploadOnce(env, cwd, ...args)
        code(yield* run(["rm", first.id, ...args], { env, cwd }), 0)
        const second = yield* uploadOnce(env, cwd, ...args)
        assert.strictEqual(second.action, "uploaded")
        assert.notStrictEqual(second.id, first.id)
        assert.deepStrictEqual((yield* (yield* Emulator).files).map(({ id }): string => id), [second.id])
      }))
  }

  live("lets a later sync upload again what it deleted by a filter", () =>
    Effect.gen(function*() {
      const { command } = yield* synced
      const removed = yield* command("rm", "--name", "*", "--yes")
      code(removed, 0)
      const again = yield* command("sync", "docs")
      code(again, 0)
      assert.match(again.err, /^Uploaded 2 files \(2 B\)/)
      assert.lengthOf(yield* (yield* Emulator).files, 2)
    }))

  for (
    const [title, place] of [
      ["no upload cache, and makes none", { XDG_CACHE_HOME: "none" }],
      ["an upload cache that is no folder", { ANTHROPIC_FILES_CACHE_DIR: "a.txt" }],
      ["no home", { HOME: undefined, XDG_CACHE_HOME: undefined }]
    ] as const
  ) {
    live(`deletes without a word where there is ${title}`, () =>
      Effect.gen(function*() {
        const cwd = yield* folder({ "a.txt": "a" })
        const inside = Object.fromEntries(
          Object.entries(place).map(([name, path]) => [name, path === undefined ? undefined : `${cwd}/${path}`])
        )
        const env = { ...(yield* environment), ...inside }
        const { files, seed } = yield* Emulator
        const { id } = yield* seed({ filename: "a.txt", content: "a" })
        const removed = yield* run(["rm", id], { env, cwd })
        code(removed, 0)
        assert.match(removed.err, /^Deleted 1 file [^\n]*\n$/)
        assert.lengthOf(yield* files, 0)
        assert.deepStrictEqual(fs.readdirSync(cwd), ["a.txt"])
      }))
  }
})

describe("usage", () => {
  live("counts files and bytes by type, age and expiry, and the share of the storage", () =>
    Effect.gen(function*() {
      const { seed } = yield* Emulator
      const createdAt = DateTime.subtract(yield* DateTime.now, { days: 10 })
      yield* seed({ filename: "old.pdf", content: "x".repeat(3000), createdAt })
      yield* seed({ filename: "new.txt", content: "xx", expiresIn: "2 hours" })
      const text = yield* client("usage", "--quota", "30kB")
      code(text, 0)
      assert.match(text.out, /^2 files, 3\.0 kB: 10\.0 % of 30\.0 kB\n/)
      assert.match(text.out, /application\/pdf +1 file +3\.0 kB\n/)
      const data = reportOf(yield* client("usage", "--json")).items[0]?.data
      assert.deepInclude(data, { files: 2, bytes: 3002, quota: 1e12, expiringWithinADay: { files: 1, bytes: 2 } })
    }))
})
