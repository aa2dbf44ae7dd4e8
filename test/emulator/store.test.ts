import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, FileSystem, Layer, PlatformError, Result, Stream } from "effect"
import * as DirectoryStore from "effect-anthropic-files/emulator/DirectoryStore"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import * as Store from "effect-anthropic-files/emulator/Store"
import * as NodeFs from "node:fs"
import * as NodePathModule from "node:path"
import { nameOf } from "../../src/emulator/internal/store/nodeProcessProbe.ts"
import { newFile, temporaryDirectory } from "./support.ts"

const encoder = new TextEncoder()

const add = (store: Store.Store["Service"], id: string, content: string, overrides?: Partial<Store.NewFile>) =>
  Effect.scoped(Effect.gen(function*() {
    const staging = yield* store.stage
    // In two pieces, so that a failure can come between them.
    const bytes = encoder.encode(content)
    const middle = Math.floor(bytes.byteLength / 2)
    if (middle > 0) yield* staging.write(bytes.slice(0, middle))
    if (bytes.byteLength > 0) yield* staging.write(bytes.slice(middle))
    return yield* staging.commit(newFile(id, overrides))
  }))

const contentOf = (store: Store.Store["Service"], record: Store.FileRecord) =>
  store.read(record).pipe(
    Effect.flatMap(Stream.runCollect),
    Effect.map((chunks) => Buffer.concat(chunks).toString()),
    Effect.scoped
  )

/** Every file by id, with its content. */
const everything = Effect.fnUntraced(function*(store: Store.Store["Service"]) {
  const out: Record<string, string> = {}
  for (const record of yield* store.all) out[record.id] = yield* contentOf(store, record)
  return out
})

const list = (store: Store.Store["Service"], workspace = "w") =>
  Effect.map(store.page({ workspace, limit: 1000 }), (page) => page.records.map((record) => record.id))

/** The disk without waiting for it: these tests end a process, or fail an operation, and never cut the power. */
const unsynced = Layer.effect(
  FileSystem.FileSystem,
  Effect.map(FileSystem.FileSystem, (fs) =>
    FileSystem.make({
      ...fs,
      open: (path, options) => Effect.map(fs.open(path, options), (file) => withOperations(file, { sync: Effect.void }))
    }))
).pipe(Layer.provide(NodeFileSystem.layer))

const platform = Layer.mergeAll(unsynced, NodePath.layer, NodeEmulator.layerProcessProbe)

/** The same file with some operations replaced. */
const withOperations = (
  file: FileSystem.File,
  operations: Partial<Pick<FileSystem.File, "sync" | "truncate" | "writeAll">>
): FileSystem.File => ({
  [FileSystem.FileTypeId]: FileSystem.FileTypeId,
  stat: file.stat,
  seek: (offset, from) => file.seek(offset, from),
  read: (buffer, options) => file.read(buffer, options),
  readAlloc: (size, options) => file.readAlloc(size, options),
  write: (buffer) => file.write(buffer),
  sync: file.sync,
  truncate: (length) => file.truncate(length),
  writeAll: (bytes) => file.writeAll(bytes),
  ...operations
})

/** Opens, uses and closes the folder. */
const withFolder = <A, E>(
  directory: string,
  use: (store: Store.Store["Service"]) => Effect.Effect<A, E>
): Effect.Effect<A, E | Store.StoreFailed> =>
  Effect.scoped(Effect.flatMap(DirectoryStore.make(directory), use)).pipe(Effect.provide(platform))

class Found extends Context.Service<Found, ReadonlyArray<Store.FileRecord>>()("test/Found") {}

const stores: ReadonlyArray<readonly [string, Layer.Layer<Store.Store, Store.StoreFailed>]> = [
  ["memory", Store.layerMemory],
  ["folder", Layer.unwrap(Effect.map(temporaryDirectory, NodeEmulator.layerDirectory)).pipe(Layer.orDie)]
]

for (const [name, layer] of stores) {
  describe(`a store in a ${name}`, () => {
    const on = <A, E>(use: (store: Store.Store["Service"]) => Effect.Effect<A, E>) =>
      Effect.flatMap(Store.Store, use).pipe(Effect.provide(layer))

    it.effect("shows a file only once it is committed", () =>
      on((store) =>
        Effect.gen(function*() {
          yield* Effect.scoped(Effect.gen(function*() {
            const staging = yield* store.stage
            yield* staging.write(encoder.encode("abc"))
            assert.deepStrictEqual(yield* list(store), [])
            assert.strictEqual(yield* store.usedBytes, 0)
            const record = yield* staging.commit(newFile("a"))
            assert.strictEqual(record.size, 3)
            assert.deepStrictEqual(yield* list(store), ["a"])
          }))
          assert.deepStrictEqual(yield* everything(store), { a: "abc" })
          assert.strictEqual(yield* store.usedBytes, 3)
        })
      ))

    it.effect("forgets what was never committed", () =>
      on((store) =>
        Effect.gen(function*() {
          yield* Effect.scoped(Effect.gen(function*() {
            const staging = yield* store.stage
            yield* staging.write(encoder.encode("abc"))
          }))
          const refused = yield* Effect.scoped(Effect.gen(function*() {
            const staging = yield* store.stage
            yield* staging.write(encoder.encode("abc"))
            return yield* staging.commit(newFile("a"), () => Effect.fail("no"))
          })).pipe(Effect.flip)
          assert.strictEqual(refused, "no")
          assert.deepStrictEqual(yield* store.all, [])
        })
      ))

    it.effect("lists the newest first, whatever is deleted", () =>
      on((store) =>
        Effect.gen(function*() {
          for (const id of ["a", "b", "c", "d", "e"]) yield* add(store, id, id)
          yield* add(store, "other", "x", { workspace: "v" })
          assert.isTrue(yield* store.remove("c"))
          assert.isFalse(yield* store.remove("c"))
          yield* add(store, "f", "")
          assert.deepStrictEqual(yield* list(store), ["f", "e", "d", "b", "a"])
          assert.deepStrictEqual(yield* list(store, "v"), ["other"])
          assert.strictEqual(yield* store.usedBytes, 5)
          yield* store.clear
          assert.deepStrictEqual(yield* store.all, [])
          assert.strictEqual(yield* store.usedBytes, 0)
        })
      ))

    it.effect("drops contents when they expire, and their records 30 days later", () =>
      on((store) =>
        Effect.gen(function*() {
          const day = 24 * 60 * 60 * 1000
          yield* add(store, "late", "12345", { expiresAt: 2000 })
          yield* add(store, "early", "123", { expiresAt: 1000 })
          yield* add(store, "never", "1")
          yield* store.sweep(999)
          assert.strictEqual(yield* store.usedBytes, 9)
          yield* store.sweep(1000)
          assert.strictEqual(yield* store.usedBytes, 6)
          assert.isTrue((yield* store.get("early"))?.expired)
          assert.isFalse((yield* store.get("late"))?.expired)
          yield* store.sweep(2000)
          assert.strictEqual(yield* store.usedBytes, 1)
          yield* store.sweep(30 * day + 1000)
          assert.deepStrictEqual(yield* list(store), ["never", "late"])
          yield* store.sweep(60 * day)
          assert.deepStrictEqual(yield* list(store), ["never"])
        })
      ))

    it.effect("stores 64 files at once", () =>
      on((store) =>
        Effect.gen(function*() {
          const ids = Array.from({ length: 64 }, (_, i) => `f${i}`)
          yield* Effect.forEach(ids, (id) => add(store, id, id.repeat(1000)), { concurrency: "unbounded" })
          const all = yield* everything(store)
          for (const id of ids) assert.strictEqual(all[id], id.repeat(1000))
          const sequences = (yield* store.all).map((record) => record.sequence)
          assert.strictEqual(new Set(sequences).size, 64)
        })
      ))
  })
}

it.effect("two emulators in memory share nothing", () =>
  Effect.gen(function*() {
    const seed = Effect.flatMap(Emulator.Emulator, (emulator) =>
      Effect.andThen(emulator.seed({ filename: "a" }), emulator.files))
    const both = Layer.merge(
      Layer.effectDiscard(seed).pipe(Layer.provide(Emulator.layer())),
      Layer.effect(Found, seed).pipe(Layer.provide(NodeEmulator.layerServer()))
    )
    assert.strictEqual((yield* Effect.provide(Found, both)).length, 1)
  }))

const journalOf = (directory: string) => NodePathModule.join(directory, "journal.jsonl")
const blobsOf = (directory: string) => NodeFs.readdirSync(NodePathModule.join(directory, "blobs"))

const marksOf = (directory: string) => NodeFs.readdirSync(directory).filter((name) => /^lock-\d+$/.test(name))

describe("a folder", () => {
  it.effect("has everything after it is opened again, and is private", () =>
    Effect.gen(function*() {
      const directory = `${yield* temporaryDirectory}/new/folder`
      const before = yield* withFolder(directory, (store) =>
        Effect.gen(function*() {
          yield* add(store, "a", "alpha", { scope: { id: "s", type: "session" }, purpose: "p", expiresAt: 9e15 })
          yield* add(store, "b", "")
          yield* add(store, "c", "gamma")
          yield* store.remove("c")
          return { secret: store.secret, all: yield* store.all }
        }))
      const modes = [
        directory,
        `${directory}/blobs`,
        journalOf(directory),
        ...blobsOf(directory).map((name) => `${directory}/blobs/${name}`)
      ].map((path) => (NodeFs.statSync(path).mode & 0o777).toString(8))
      assert.deepStrictEqual(modes, ["700", "700", "600", "600"])
      const after = yield* withFolder(directory, (store) =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* everything(store), { a: "alpha", b: "" })
          return { secret: store.secret, all: yield* store.all }
        }))
      assert.deepStrictEqual(after, before)
    }))

  it.effect("uses no sequence number twice, even after the newest files and their lines are gone", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const last = yield* withFolder(directory, (store) =>
        Effect.gen(function*() {
          yield* add(store, "a", "a")
          const { sequence } = yield* add(store, "b", "b")
          yield* store.remove("b")
          return sequence
        }))
      yield* withFolder(directory, () => Effect.void)
      assert.strictEqual(NodeFs.readFileSync(journalOf(directory), "utf8").trim().split("\n").length, 2)
      const { sequence } = yield* withFolder(directory, (store) => add(store, "c", "c"))
      assert.isAbove(sequence, last)
    }))

  it.effect("survives a journal that ends at any byte of its last line", () =>
    Effect.gen(function*() {
      const root = yield* temporaryDirectory
      const directory = `${root}/live`
      yield* withFolder(directory, (store) =>
        Effect.gen(function*() {
          yield* add(store, "a", "alpha")
          yield* add(store, "b", "beta")
        }))
      const whole = NodeFs.readFileSync(journalOf(directory))
      const start = whole.subarray(0, -1).lastIndexOf(10) + 1
      for (let cut = start; cut < whole.length; cut += 7) {
        const copy = `${root}/${cut}`
        NodeFs.cpSync(directory, copy, { recursive: true })
        NodeFs.writeFileSync(journalOf(copy), whole.subarray(0, cut))
        yield* withFolder(copy, (store) =>
          Effect.gen(function*() {
            assert.deepStrictEqual(yield* everything(store), { a: "alpha" }, `cut at ${cut}`)
            yield* add(store, "c", "gamma")
          }))
        assert.strictEqual(blobsOf(copy).length, 2)
        assert.deepStrictEqual(yield* withFolder(copy, everything), { a: "alpha", c: "gamma" }, `cut at ${cut}`)
        NodeFs.rmSync(copy, { recursive: true })
      }
    }))

  it.effect("ignores zeros at the end of the journal", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      yield* withFolder(directory, (store) => add(store, "a", "alpha"))
      NodeFs.appendFileSync(journalOf(directory), Buffer.alloc(4096))
      assert.deepStrictEqual(yield* withFolder(directory, everything), { a: "alpha" })
      NodeFs.appendFileSync(journalOf(directory), "\n\n")
      assert.deepStrictEqual(yield* withFolder(directory, everything), { a: "alpha" })
    }))

  it.effect("fails if a line before others is damaged", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      yield* withFolder(directory, (store) => Effect.andThen(add(store, "a", "a"), add(store, "b", "b")))
      const text = NodeFs.readFileSync(journalOf(directory), "utf8")
      NodeFs.writeFileSync(journalOf(directory), text.replace("a.txt", "x.txt"))
      const error = yield* Effect.flip(withFolder(directory, () => Effect.void))
      assert.strictEqual(error.reason, "Corrupt")
      assert.include(error.message, `journal ${journalOf(directory)} is damaged: line 2 (bytes `)
      NodeFs.writeFileSync(journalOf(directory), "something else\n")
      assert.strictEqual((yield* Effect.flip(withFolder(directory, () => Effect.void))).reason, "Corrupt")
    }))

  it.effect("removes contents that no line refers to, and leaves out files whose content is gone", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      yield* withFolder(directory, (store) => Effect.andThen(add(store, "a", "a"), add(store, "b", "b")))
      const [gone = ""] = blobsOf(directory)
      NodeFs.rmSync(`${directory}/blobs/${gone}`)
      NodeFs.writeFileSync(`${directory}/blobs/content-${"s".repeat(32)}`, "stray")
      yield* withFolder(directory, (store) =>
        Effect.gen(function*() {
          assert.strictEqual((yield* store.all).length, 1)
          assert.strictEqual(blobsOf(directory).length, 1)
          assert.notInclude(blobsOf(directory), `content-${"s".repeat(32)}`)
        }))
    }))

  it.effect("leaves no content behind when a write is interrupted", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      yield* withFolder(directory, (store) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(Effect.scoped(Effect.gen(function*() {
            const staging = yield* store.stage
            while (true) yield* staging.write(new Uint8Array(100_000))
          })))
          while (blobsOf(directory).length === 0) yield* Effect.yieldNow
          yield* Fiber.interrupt(fiber)
          assert.deepStrictEqual(blobsOf(directory), [])
          assert.deepStrictEqual(yield* store.all, [])
        }))
    }))

  describe("is open in one process at a time", () => {
    it.effect("and refuses a second process", () =>
      Effect.gen(function*() {
        const directory = yield* temporaryDirectory
        yield* withFolder(directory, (store) =>
          Effect.gen(function*() {
            const error = yield* Effect.flip(withFolder(directory, () => Effect.void))
            assert.strictEqual(error.reason, "Locked")
            assert.include(error.message, directory)
            yield* add(store, "a", "a")
          }))
        assert.deepStrictEqual(yield* withFolder(directory, everything), { a: "a" })
      }))

    it.effect("and is taken over from a dead process by exactly one of many", () =>
      Effect.gen(function*() {
        const directory = yield* temporaryDirectory
        yield* withFolder(directory, (store) => add(store, "a", "a"))
        for (let round = 0; round < 10; round++) {
          for (const name of marksOf(directory)) {
            // A process number that is taken, by a process that started at another time.
            NodeFs.writeFileSync(`${directory}/${name}`, nameOf(round % 2 === 0 ? process.pid : 999_999_999, "1"))
          }
          const exits = yield* Effect.scoped(
            Effect.forEach(Array.from({ length: 16 }), () => Effect.exit(DirectoryStore.make(directory)), {
              concurrency: "unbounded"
            })
          ).pipe(Effect.provide(platform))
          const failures = exits.flatMap((exit) => Exit.isFailure(exit) ? [Cause.squash(exit.cause)] : [])
          assert.strictEqual(failures.length, 15, `round ${round}`)
          for (const failure of failures) {
            assert.instanceOf(failure, Store.StoreFailed)
            assert.strictEqual((failure as Store.StoreFailed).reason, "Locked")
          }
          assert.deepStrictEqual(yield* withFolder(directory, everything), { a: "a" })
          assert.strictEqual(marksOf(directory).length, 1)
        }
      }))
  })
})

/** The disk is full: the operation that is due fails, a write after half of its bytes; and so does everything later. */
const failing = (fs: FileSystem.FileSystem, at: number, forGood: boolean) => {
  let count = 0
  let failed = false
  const full = Effect.suspend(() =>
    Effect.fail(PlatformError.systemError({
      _tag: "Unknown",
      module: "FileSystem",
      method: "write",
      description: "ENOSPC: no space left on device"
    }))
  )
  const due = () => {
    count++
    if (count === at) failed = true
    return count === at || (forGood && count > at)
  }
  const gate = <A, E, R>(effect: Effect.Effect<A, E, R>, half: Effect.Effect<unknown, E> = Effect.void) =>
    Effect.suspend((): Effect.Effect<A, E | PlatformError.PlatformError, R> =>
      due() ? Effect.andThen(half, full) : effect
    )
  const wrap = (file: FileSystem.File) =>
    withOperations(file, {
      sync: gate(file.sync),
      truncate: (length) => gate(file.truncate(length)),
      writeAll: (bytes) => gate(file.writeAll(bytes), file.writeAll(bytes.subarray(0, bytes.byteLength >> 1)))
    })
  const service: FileSystem.FileSystem = {
    ...fs,
    open: (path, options) => Effect.map(gate(fs.open(path, options)), wrap),
    // A full disk still takes names away.
    remove: (path, options) => forGood ? fs.remove(path, options) : gate(fs.remove(path, options)),
    rename: (from, to) => forGood ? fs.rename(from, to) : gate(fs.rename(from, to)),
    link: (from, to) => gate(fs.link(from, to)),
    writeFile: (path, data, options) => gate(fs.writeFile(path, data, options))
  }
  return { service, failed: () => failed }
}

/** Calls `after` once each operation that changes the disk is done, a write also when it is half done. */
const watched = (fs: FileSystem.FileSystem, after: (operation: string) => void) => {
  const note = <A, E, R>(operation: string, effect: Effect.Effect<A, E, R>) =>
    Effect.tap(effect, () => Effect.sync(() => after(operation)))
  const wrap = (path: string) => (file: FileSystem.File) =>
    withOperations(file, {
      sync: note("sync", file.sync),
      truncate: (length) => note("truncate", file.truncate(length)),
      writeAll: (bytes) =>
        note("half a write", file.writeAll(bytes.subarray(0, bytes.byteLength >> 1))).pipe(
          Effect.andThen(note(`write ${path}`, file.writeAll(bytes.subarray(bytes.byteLength >> 1))))
        )
    })
  const service: FileSystem.FileSystem = {
    ...fs,
    open: (path, options) => Effect.map(note(`open ${path}`, fs.open(path, options)), wrap(path)),
    remove: (path, options) => note("remove", fs.remove(path, options)),
    rename: (from, to) => note("rename", fs.rename(from, to))
  }
  return service
}

describe("a folder", () => {
  it.effect("P18: has one commit point, the line in the journal", () =>
    Effect.gen(function*() {
      const root = yield* temporaryDirectory
      const directory = `${root}/live`
      const fs = yield* FileSystem.FileSystem
      yield* withFolder(directory, (store) => add(store, "old", "old"))
      const snapshots: Array<{ readonly copy: string; readonly operation: string }> = []
      let watching = false
      yield* Effect.scoped(Effect.gen(function*() {
        const store = yield* DirectoryStore.make(directory)
        watching = true
        yield* add(store, "new", "new content")
        yield* store.remove("old")
        watching = false
      })).pipe(Effect.provideService(
        FileSystem.FileSystem,
        watched(fs, (operation) => {
          if (!watching) return
          const copy = `${root}/${snapshots.length}`
          NodeFs.cpSync(directory, copy, { recursive: true })
          // The copy is what a crash at this moment leaves behind; its process is not there any more.
          for (const name of marksOf(copy)) NodeFs.writeFileSync(`${copy}/${name}`, nameOf(999_999_999, "1"))
          snapshots.push({ copy, operation })
        })
      ))
      const states: Array<readonly [operation: string, ids: string]> = []
      for (const { copy, operation } of snapshots) {
        const found = yield* withFolder(copy, everything)
        for (const [id, content] of Object.entries(found)) {
          assert.strictEqual(content, id === "new" ? "new content" : "old")
        }
        states.push([operation, Object.keys(found).sort().join()])
      }
      const changes = states.filter(([, ids], i) => ids !== (i === 0 ? "old" : states[i - 1]?.[1]))
      assert.deepStrictEqual(changes, [
        [`write ${directory}/journal.jsonl`, "new,old"],
        [`write ${directory}/journal.jsonl`, "new"]
      ])
      assert.isAbove(states.length, 10)
    }).pipe(Effect.provide(platform)))
})

describe("a folder on a disk that fills up", () => {
  for (const forGood of [false, true]) {
    it.effect(
      forGood ? "P17: for good, at any operation" : "P17: for one operation, whichever it is",
      () =>
        Effect.gen(function*() {
          const root = yield* temporaryDirectory
          const fs = yield* FileSystem.FileSystem
          let tried = 0
          for (let at = 1;; at++) {
            const directory = `${root}/${at}`
            const { failed, service } = failing(fs, at, forGood)
            const acknowledged = new Map<string, string>()
            /** Asked to be deleted: gone when that was acknowledged, and either way otherwise. */
            const doubtful = new Set<string>()
            yield* Effect.scoped(Effect.gen(function*() {
              const store = yield* DirectoryStore.make(directory)
              for (const id of ["a", "b", "c"]) {
                const content = id.repeat(1000)
                const added = yield* Effect.result(add(store, id, content))
                if (Result.isSuccess(added)) acknowledged.set(id, content)
                if (id === "b") {
                  doubtful.add("a")
                  const deleted = yield* Effect.result(store.remove("a"))
                  if (Result.isSuccess(deleted)) acknowledged.delete("a")
                }
                // What is listed while it runs is whole, too.
                for (const record of yield* store.all) {
                  const expected = record.id.repeat(1000)
                  const read = yield* Effect.result(contentOf(store, record))
                  if (Result.isSuccess(read)) assert.strictEqual(read.success, expected)
                  assert.isTrue(acknowledged.has(record.id) || doubtful.has(record.id), `${record.id} at ${at}`)
                }
              }
            })).pipe(
              Effect.provideService(FileSystem.FileSystem, service),
              // Opening may fail as well; a failed assertion is a defect and passes through.
              Effect.catchTag("StoreFailed", () => Effect.void)
            )
            // And then there is space again.
            const found = yield* withFolder(directory, everything)
            for (const [id, content] of acknowledged) {
              if (!doubtful.has(id)) assert.strictEqual(found[id], content, `${id} lost at ${at}`)
            }
            for (const [id, content] of Object.entries(found)) {
              assert.strictEqual(content, id.repeat(1000), `${id} is not whole at ${at}`)
            }
            tried = at
            if (!failed()) break
          }
          // Fewer would mean that the operations are no longer seen.
          assert.isAbove(tried, 30)
        }).pipe(Effect.provide(platform)),
      60_000
    )
  }
})
