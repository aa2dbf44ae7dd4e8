import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Layer } from "effect"
import * as UploadStore from "effect-anthropic-files/UploadStore"
import * as UploadStoreSql from "effect-anthropic-files/UploadStoreSql"
import { SqlClient } from "effect/sql"
import * as FailingFileSystem from "../support/FailingFileSystem.ts"
import { makeGate } from "../support/gate.ts"
import * as Sqlite from "../support/sqlite.ts"
import { places, platform } from "./stores.ts"
import { key, read, storeSuite } from "./storeSuite.ts"

for (const [name, place] of places) storeSuite(name, place)

describe("the SQL store", () => {
  it.effect("fails at once inside a transaction of SQLite, which would wait for itself", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const database = Sqlite.layer(`${yield* fs.makeTempDirectoryScoped()}/store.db`)
      yield* Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const store = yield* UploadStore.UploadStore
        for (const operation of [Effect.asVoid(store.get(key)), Effect.asVoid(store.swap(key, undefined, "x"))]) {
          const error = yield* Effect.flip(sql.withTransaction(operation))
          assert.isTrue(error._tag === "UploadStoreFailed" && !error.isRetryable)
          assert.include(error.message, "outside of sql.withTransaction")
        }
        assert.isTrue(yield* store.swap(key, undefined, "x"))
      }).pipe(Effect.provide(Layer.provideMerge(UploadStoreSql.layer(), database)))
    }).pipe(Effect.scoped, Effect.provide(platform)))
})

describe("the directory store", () => {
  it.live("the directory store keeps the last four versions of a value, readable by their owner alone", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = `${yield* fs.makeTempDirectoryScoped()}/deep/store`
      yield* Effect.gen(function*() {
        const store = yield* UploadStore.UploadStore
        for (let n = 0; n < 10; n++) yield* store.swap(key, n === 0 ? undefined : String(n - 1), String(n))
        assert.deepStrictEqual(
          (yield* fs.readDirectory(`${directory}/ef`)).sort(),
          [`${key}.10`, `${key}.7`, `${key}.8`, `${key}.9`]
        )
        assert.strictEqual((yield* fs.stat(directory)).mode & 0o777, 0o700)
        assert.strictEqual((yield* fs.stat(`${directory}/ef/${key}.10`)).mode & 0o777, 0o600)
      }).pipe(Effect.provide(UploadStore.layerDirectory(directory)))
    }).pipe(Effect.scoped, Effect.provide(platform)))

  it.live("a value is on disk before swap succeeds with true", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const names: Array<string> = []
      const watched = FailingFileSystem.layer({ count: 0, failAt: 0, failed: undefined, names })
      const store = Layer.provide(UploadStore.layerDirectory(yield* fs.makeTempDirectoryScoped()), watched)
      yield* Effect.provide(
        Effect.flatMap(UploadStore.UploadStore, (store) => store.swap(key, undefined, "value")),
        store
      )
      assert.deepStrictEqual(
        names.filter((name) => ["file.writeAll", "file.sync", "link"].includes(name)),
        ["file.writeAll", "file.sync", "link", "file.sync"]
      )
    }).pipe(Effect.scoped, Effect.provide(platform)))

  it.live("whichever file operation fails, the value is the old one or the new one", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const root = yield* fs.makeTempDirectoryScoped()
      for (let n = 1;; n++) {
        const directory = `${root}/${n}`
        const plain = UploadStore.layerDirectory(directory)
        const swap = Effect.flatMap(UploadStore.UploadStore, (store) => store.swap(key, "old", "new"))
        yield* Effect.provide(
          Effect.flatMap(UploadStore.UploadStore, (store) => store.swap(key, undefined, "old")),
          plain
        )
        const failing: FailingFileSystem.Failing = { count: 0, failAt: n, failed: undefined }
        const result = yield* Effect.result(
          Effect.provide(swap, Layer.provide(Layer.fresh(plain), FailingFileSystem.layer(failing)))
        )
        const value = yield* Effect.provide(read, Layer.fresh(plain))
        if (result._tag === "Success") assert.strictEqual(value, result.success ? "new" : "old", failing.failed)
        else {
          assert.strictEqual(result.failure._tag, "UploadStoreFailed")
          assert.include(result.failure.message, "no space left on device (ENOSPC)")
          assert.include(["old", "new"], value)
        }
        if (failing.failed === undefined) {
          assert.isAbove(n, 6)
          break
        }
      }
    }).pipe(Effect.scoped, Effect.provide(platform)))

  for (const others of [1, 3, 7]) {
    it.live(`a swap that is suspended while ${others} others succeed returns false`, () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const directory = yield* fs.makeTempDirectoryScoped()
        const last = 5 + others
        const gate = yield* makeGate
        const slow = Layer.succeed(FileSystem.FileSystem, {
          ...fs,
          link: (from, to) => Effect.andThen(gate.pass, fs.link(from, to))
        })
        const swap = (current: string | undefined, next: string) =>
          Effect.flatMap(UploadStore.UploadStore, (store) => store.swap(key, current, next))
        const inFolder = Layer.fresh(UploadStore.layerDirectory(directory))
        yield* Effect.gen(function*() {
          for (let n = 0; n < 5; n++) yield* swap(n === 0 ? undefined : `v${n - 1}`, `v${n}`)
          const fiber = yield* Effect.forkChild(Effect.provide(swap("v4", "mine"), Layer.provide(inFolder, slow)))
          yield* gate.reached
          for (let n = 5; n < last; n++) assert.isTrue(yield* swap(`v${n - 1}`, `v${n}`))
          yield* gate.open
          assert.isFalse(yield* Fiber.join(fiber))
          assert.strictEqual(yield* read, `v${last - 1}`)
          assert.isTrue(yield* swap(`v${last - 1}`, "next"))
        }).pipe(Effect.provide(inFolder))
      }).pipe(Effect.scoped, Effect.provide(platform)))
  }

  describe("opening it removes the temporary files of a process that was killed", () => {
    const old = 1
    const temporary = (n: number) => `.${String(n).padStart(24, "0")}.part`
    /** A file and a folder that match the store's name patterns or not, and whether the file is removed. */
    const cases: ReadonlyArray<readonly [title: string, folder: string, name: string, at: number, goes: boolean]> = [
      ["an old temporary file", "ef", temporary(1), old, true],
      ["not one that is being written", "ef", temporary(2), Date.now() / 1000, false],
      ["not one of a process that is slow or suspended", "ef", temporary(4), Date.now() / 1000 - 50 * 60, false],
      ["not another program's .part", "ef", ".old.part", old, false],
      ["not a browser's unfinished download", "ef", "film.mkv.part", old, false],
      ["not in a folder that is not the store's", "photos", temporary(3), old, false],
      ["not a value", "ef", `${key}.1`, old, false]
    ]
    for (const [title, folder, name, at, goes] of cases) {
      it.live(title, () =>
        Effect.gen(function*() {
          const fs = yield* FileSystem.FileSystem
          const directory = yield* fs.makeTempDirectoryScoped()
          yield* fs.makeDirectory(`${directory}/${folder}`)
          yield* fs.writeFileString(`${directory}/${folder}/${name}`, "x")
          yield* fs.utimes(`${directory}/${folder}/${name}`, at, at)
          yield* Effect.provide(read, UploadStore.layerDirectory(directory))
          assert.deepStrictEqual(yield* fs.readDirectory(`${directory}/${folder}`), goes ? [] : [name])
        }).pipe(Effect.scoped, Effect.provide(platform)))
    }

    it.live("nothing behind a link is removed, and no folder", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const elsewhere = yield* fs.makeTempDirectoryScoped()
        const directory = yield* fs.makeTempDirectoryScoped()
        yield* fs.writeFileString(`${elsewhere}/${temporary(1)}`, "x")
        yield* fs.utimes(`${elsewhere}/${temporary(1)}`, old, old)
        yield* fs.symlink(elsewhere, `${directory}/ab`)
        yield* fs.makeDirectory(`${directory}/ef/${temporary(2)}`, { recursive: true })
        yield* fs.utimes(`${directory}/ef/${temporary(2)}`, old, old)
        yield* fs.symlink(`${elsewhere}/${temporary(1)}`, `${directory}/ef/${temporary(3)}`)
        yield* Effect.provide(read, UploadStore.layerDirectory(directory))
        assert.deepStrictEqual(yield* fs.readDirectory(elsewhere), [temporary(1)])
        assert.deepStrictEqual((yield* fs.readDirectory(`${directory}/ef`)).sort(), [temporary(2), temporary(3)])
      }).pipe(Effect.scoped, Effect.provide(platform)))
  })

  it.effect("an empty path is refused, whatever the working directory", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.provide(read, UploadStore.layerDirectory("")))
      assert.deepStrictEqual(error._tag === "InvalidConfig" && error.option, "directory")
    }).pipe(Effect.provide(platform)))

  it.live("a file that is listed but can never be read is a failure", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      yield* fs.makeDirectory(`${directory}/ef`)
      yield* fs.symlink(`${directory}/nowhere`, `${directory}/ef/${key}.3`)
      const error = yield* Effect.flip(Effect.provide(read, UploadStore.layerDirectory(directory)))
      assert.strictEqual(error._tag, "UploadStoreFailed")
    }).pipe(Effect.scoped, Effect.provide(platform)))
})
