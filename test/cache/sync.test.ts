import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Layer, Path, PlatformError, Stream } from "effect"
import { FileMetadata, Files, type FilesError, FileSource } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as Progress from "effect-anthropic-files/Progress"
import * as UploadCache from "effect-anthropic-files/UploadCache"
import * as UploadStore from "effect-anthropic-files/UploadStore"
import { overMap } from "../../src/internal/cache/memoryStore.ts"
import { files } from "../support/emulated.ts"
import { makeGate } from "../support/gate.ts"
import { platform, rewrite } from "./stores.ts"

const layer = UploadCache.layer().pipe(
  Layer.provideMerge(files()),
  Layer.provideMerge(Layer.mergeAll(Emulator.layer(), UploadStore.layerMemory, platform))
)

const requests = Effect.gen(function*() {
  const emulator = yield* Emulator.Emulator
  return (yield* emulator.requests).map(({ method, url }) => `${method} ${url}`)
})

const stored = Effect.flatMap(Emulator.Emulator, (emulator) => emulator.files)

const ids = Effect.map(stored, (files) => files.map((file): string => file.id))

/** A folder with these files, written a minute ago. */
const folderOf = (contents: Readonly<Record<string, string>>) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const root = yield* fs.makeTempDirectoryScoped()
    yield* write(root, contents)
    return root
  })

let age = 60
const write = (root: string, contents: Readonly<Record<string, string>>) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    // Long ago, and a second later each time, because timestamps may be coarse.
    const at = Date.now() / 1000 - 3600 + age++
    for (const [name, content] of Object.entries(contents)) {
      const file = path.join(root, name)
      yield* fs.makeDirectory(path.dirname(file), { recursive: true })
      yield* fs.writeFileString(file, content)
      yield* fs.utimes(file, at, at)
    }
  })

const run = (root: string, options?: UploadCache.SyncOptions) => Stream.runCollect(UploadCache.sync(root, options))

const outcome = (results: ReadonlyArray<UploadCache.SyncResult>) =>
  Object.fromEntries(results.map((result) => [
    result.path,
    "uploaded" in result && result.uploaded ? `${result._tag}, uploaded` : result._tag
  ]))

/** The paths whose files were deleted. */
const deleted = (results: ReadonlyArray<UploadCache.SyncResult>) =>
  results.flatMap((result) => result._tag === "Deleted" ? [result.path] : [])

/** The option that a call was refused for. */
const optionOf = (error: FilesError.RequestFailed | UploadStore.UploadStoreFailed) =>
  error._tag === "RequestFailed" && error.reason._tag === "InvalidRequest" ? error.reason.option : error._tag

const over = (store: UploadStore.UploadStore["Service"]) =>
  Layer.fresh(Layer.provide(UploadCache.layer(), Layer.succeed(UploadStore.UploadStore, store)))

describe("sync", () => {
  it.live("uploads new and changed files, and reports every path", () =>
    Effect.gen(function*() {
      const root = yield* folderOf({ "a.txt": "a", "b.txt": "b", "deep/er/c.txt": "c", "copy of a.txt": "a" })
      const first = yield* run(root, { concurrency: 1 })
      assert.deepStrictEqual(outcome(first), {
        "a.txt": "New, uploaded",
        "b.txt": "New, uploaded",
        "deep/er/c.txt": "New, uploaded",
        "copy of a.txt": "New"
      })
      assert.strictEqual((yield* stored).length, 3)

      const before = (yield* requests).length
      assert.deepStrictEqual(outcome(yield* run(root)), {
        "a.txt": "Unchanged",
        "b.txt": "Unchanged",
        "deep/er/c.txt": "Unchanged",
        "copy of a.txt": "Unchanged"
      })
      assert.strictEqual((yield* requests).length, before)

      yield* write(root, { "b.txt": "B", "d.txt": "d", "a.txt": "a" })
      assert.deepStrictEqual(outcome(yield* run(root)), {
        // Written again with the same content.
        "a.txt": "Unchanged",
        "b.txt": "Changed, uploaded",
        "deep/er/c.txt": "Unchanged",
        "copy of a.txt": "Unchanged",
        "d.txt": "New, uploaded"
      })
      assert.strictEqual((yield* stored).length, 5)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("takes regular files by include and exclude, no links, and hidden ones when named", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const root = yield* folderOf({
        "a.md": "1",
        "b.txt": "2",
        "docs/c.md": "3",
        "docs/drafts/d.md": "4",
        "node_modules/x/e.md": "5",
        ".env": "6",
        ".git/config": "7",
        ["__proto__"]: "8"
      })
      yield* fs.symlink(`${root}/a.md`, `${root}/link.md`)
      yield* fs.symlink(`${root}/docs`, `${root}/linked`)
      const paths = (options?: UploadCache.SyncOptions) =>
        Effect.map(run(root, options), (results) => results.map(({ path }) => path).sort())
      assert.deepStrictEqual(yield* paths(), [
        "__proto__",
        "a.md",
        "b.txt",
        "docs/c.md",
        "docs/drafts/d.md",
        "node_modules/x/e.md"
      ])
      assert.deepStrictEqual(
        yield* paths({ include: ["**/*.md"], exclude: ["**/node_modules/**", "docs/drafts/"] }),
        ["a.md", "docs/c.md"]
      )
      assert.deepStrictEqual(yield* paths({ include: [".env", "*.txt"] }), [".env", "b.txt"])
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("P12: one bad file does not stop the rest, and it is retried by the next run", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const root = yield* folderOf({ "a.txt": "a", "bad:name.txt": "b", "c.txt": "c" })
      yield* emulator.addFault(Fault.overloaded({ match: { operation: "upload" } }))
      const results = yield* run(root, { concurrency: 1, delete: true })
      assert.deepStrictEqual(outcome(results), {
        "a.txt": "Failed",
        "bad:name.txt": "Failed",
        "c.txt": "New, uploaded"
      })
      assert.deepStrictEqual(
        results.flatMap((result) => result._tag === "Failed" ? [result.error._tag] : []),
        ["RequestFailed", "InvalidFilename"]
      )
      assert.deepStrictEqual(outcome(yield* run(root)), {
        "a.txt": "New, uploaded",
        "bad:name.txt": "Failed",
        "c.txt": "Unchanged"
      })
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("P11: deletes on request the uploads whose files are gone or replaced, and nothing else", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const foreign = yield* Files.upload(FileSource.text("somebody else's", "a.txt"))
      const shared = yield* UploadCache.get(FileSource.text("shared", "shared.txt"))
      const root = yield* folderOf({ "a.txt": "a", "b.txt": "b", "c.txt": "c", "d.txt": "d", "shared.txt": "shared" })
      yield* run(root)
      const before = (yield* stored).length
      yield* fs.remove(`${root}/a.txt`)
      yield* fs.remove(`${root}/shared.txt`)
      yield* write(root, { "b.txt": "B" })
      yield* fs.rename(`${root}/c.txt`, `${root}/renamed.txt`)
      // Deletions were not requested.
      yield* run(root)
      assert.strictEqual((yield* stored).length, before + 1)
      const results = yield* run(root, { delete: true })
      assert.deepStrictEqual(
        results.filter(({ _tag }) => _tag === "Unchanged").map(({ path }) => path).sort(),
        ["b.txt", "d.txt", "renamed.txt"]
      )
      assert.strictEqual((yield* stored).length, 5)
      const left = new Set((yield* stored).map((file) => file.id))
      assert.isTrue(left.has(foreign.id))
      assert.isTrue(left.has(shared.id))
      assert.deepStrictEqual(
        results.filter((result) => result._tag === "Deleted").map((result) => result.path).sort(),
        ["a.txt", "b.txt"]
      )
      // Uploaded again once it is back.
      yield* write(root, { "a.txt": "a" })
      assert.strictEqual(outcome(yield* run(root))["a.txt"], "New, uploaded")
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("P11: deletes a file once when several paths had its content, and reports each path", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const root = yield* folderOf({ "a.txt": "same", "b.txt": "same", "c.txt": "c" })
      yield* run(root)
      yield* fs.remove(`${root}/a.txt`)
      assert.deepStrictEqual(deleted(yield* run(root, { delete: true })), [])
      yield* fs.remove(`${root}/b.txt`)
      assert.deepStrictEqual(deleted(yield* run(root, { delete: true, maxDeletions: 1 })).sort(), ["b.txt"])
      yield* write(root, { "d.txt": "same", "e.txt": "same" })
      yield* run(root)
      yield* fs.remove(`${root}/d.txt`)
      yield* fs.remove(`${root}/e.txt`)
      assert.deepStrictEqual(
        deleted(yield* run(root, { delete: true, maxDeletions: 1 })).sort(),
        ["d.txt", "e.txt"]
      )
      assert.strictEqual((yield* stored).length, 1)
      const before = (yield* requests).length
      assert.deepStrictEqual(deleted(yield* run(root, { delete: true })), [])
      assert.strictEqual((yield* requests).length, before)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("P11: deletes nothing after a failure, from an empty or unreadable folder, or beyond the bound", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const emulator = yield* Emulator.Emulator
      const root = yield* folderOf({ "a.txt": "a", "b.txt": "b", "c.txt": "c", "d.txt": "d" })
      yield* run(root)
      const all = yield* stored
      const failure = (directory: string, options?: UploadCache.SyncOptions) =>
        Effect.map(
          Effect.flip(Stream.runDrain(UploadCache.sync(directory, { delete: true, ...options }))),
          (error) => error._tag === "SyncFailed" ? error.reason : optionOf(error)
        )
      yield* fs.rename(`${root}/a.txt`, `${root}/../a.txt.kept`)
      yield* write(root, { "b.txt": "B" })
      yield* emulator.addFault(Fault.overloaded({ match: { operation: "upload" } }))
      assert.strictEqual(outcome(yield* run(root, { delete: true }))["b.txt"], "Failed")
      assert.strictEqual(yield* failure(root, { maxDeletions: 1 }), "TooManyDeletions")
      assert.strictEqual(yield* failure(root, { include: ["nothing"] }), "Empty")
      assert.strictEqual(yield* failure(`${root}/missing`), "Unreadable")
      assert.strictEqual(yield* failure(`${root}/c.txt`), "Unreadable")
      assert.strictEqual(yield* failure(root, { concurrency: 0 }), "concurrency")
      assert.strictEqual(yield* failure(root, { maxDeletions: -1 }), "maxDeletions")
      assert.strictEqual(yield* failure(""), "directory")
      const left = new Set((yield* stored).map((file) => file.id))
      for (const file of all) assert.isTrue(left.has(file.id))
      yield* fs.remove(`${root}/../a.txt.kept`)
      // The refused deletions are still pending.
      assert.strictEqual((yield* run(root, { delete: true })).filter(({ _tag }) => _tag === "Deleted").length, 2)
      assert.strictEqual((yield* stored).length, 3)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live(
    "P9: a second run over many files sends nothing, and a late one fewer requests than files",
    () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator.Emulator
        const count = Number(process.env["SYNC_FILES"] ?? 1000)
        const root = yield* folderOf(
          Object.fromEntries(Array.from({ length: count }, (_, n) => [`${n % 10}/${n}.txt`, `content ${n}`]))
        )
        const progress = yield* Progress.make
        yield* run(root, { progress })
        assert.strictEqual((yield* stored).length, count)
        assert.strictEqual((yield* progress.snapshot).files.done, count)
        const before = (yield* requests).length
        yield* run(root)
        assert.strictEqual((yield* requests).length, before)
        assert.strictEqual((yield* emulator.files).length, count)
        // With another cache, for which every entry is old.
        const old = Layer.fresh(UploadCache.layer({ maxAge: 1 }))
        const results = yield* Effect.provide(run(root, { concurrency: 100 }), old)
        assert.isTrue(results.every(({ _tag }) => _tag === "Unchanged"))
        assert.isAtMost((yield* requests).length - before, 50)
      }).pipe(Effect.scoped, Effect.provide(layer)),
    30_000
  )

  it.live("a file that was deleted in the workspace is uploaded again after the next lookup", () =>
    Effect.gen(function*() {
      const root = yield* folderOf({ "a.txt": "a", "b.txt": "b" })
      yield* run(root)
      for (const file of yield* stored) yield* Files.delete(FileMetadata.FileId.make(file.id))
      const old = Layer.fresh(UploadCache.layer({ maxAge: 1 }))
      assert.deepStrictEqual(outcome(yield* Effect.provide(run(root), old)), {
        "a.txt": "Unchanged, uploaded",
        "b.txt": "Unchanged, uploaded"
      })
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("two runs over the same folder at once reach the same end state", () =>
    Effect.gen(function*() {
      const root = yield* folderOf({ "a.txt": "a", "b.txt": "b", "c.txt": "c" })
      const again = Effect.provide(run(root), Layer.fresh(UploadCache.layer()))
      yield* Effect.all([run(root), run(root), again], { concurrency: "unbounded" })
      assert.strictEqual((yield* stored).length, 3)
    }).pipe(Effect.scoped, Effect.provide(layer)))
})

describe("a folder that is synchronised while its own results are read", () => {
  it.live("is refused instead of waiting for itself", () =>
    Effect.gen(function*() {
      const root = yield* folderOf({ "a.txt": "a", "b.txt": "b" })
      const reasons: Array<string> = []
      yield* Stream.runForEach(UploadCache.sync(root, { concurrency: 1 }), () =>
        Effect.match(run(root), {
          onFailure: (error) => void reasons.push(error._tag === "SyncFailed" ? error.reason : error._tag),
          onSuccess: () => void reasons.push("done")
        }))
      assert.deepStrictEqual(reasons, ["AlreadyRunning", "AlreadyRunning"])
      // Afterwards the folder is free, even for the fiber that was refused.
      assert.strictEqual((yield* run(root)).length, 2)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("may synchronise another folder", () =>
    Effect.gen(function*() {
      const [outer, inner] = [yield* folderOf({ "a.txt": "a" }), yield* folderOf({ "b.txt": "b" })]
      yield* Stream.runForEach(UploadCache.sync(outer), () => run(inner))
      assert.strictEqual((yield* stored).length, 2)
    }).pipe(Effect.scoped, Effect.provide(layer)))
})

describe("deletions through a store that other machines reach", () => {
  const shared = (values: Map<string, string>) => over({ ...overMap(values), isLocal: false })

  it.live("need a name, since another machine may have another folder at the same path", () =>
    Effect.gen(function*() {
      const root = yield* folderOf({ "a.txt": "a" })
      const error = yield* Effect.flip(Stream.runDrain(UploadCache.sync(root, { delete: true })))
      assert.strictEqual(error._tag === "SyncFailed" ? error.reason : optionOf(error), "name")
      assert.deepStrictEqual(yield* requests, [])
      yield* run(root)
    }).pipe(Effect.provide(shared(new Map())), Effect.scoped, Effect.provide(layer)))

  it.live("leave the files of a folder of another name alone", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const root = yield* folderOf({ "a.txt": "a", "b.txt": "b" })
      yield* run(root, { name: "one" })
      // The same path on another machine.
      yield* fs.remove(`${root}/b.txt`)
      assert.deepStrictEqual(deleted(yield* run(root, { delete: true, name: "two" })), [])
      assert.strictEqual((yield* stored).length, 2)
      assert.deepStrictEqual(deleted(yield* run(root, { delete: true, name: "one" })), ["b.txt"])
    }).pipe(Effect.provide(shared(new Map())), Effect.scoped, Effect.provide(layer)))
})

describe("what sync uploads", () => {
  it.live("each path has its own content although one upload of several with the same name and size was lost", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const contents = Object.fromEntries(
        Array.from({ length: 52 }, (_, n) => [`${n}/data.json`, String(n).padStart(4, "0")])
      )
      const root = yield* folderOf(contents)
      yield* emulator.addFault(Fault.reset({ at: "before", match: { operation: "upload" }, skip: 51 }))
      assert.strictEqual((yield* run(root, { concurrency: 1 })).filter(({ _tag }) => _tag === "Failed").length, 1)
      const found: Record<string, string> = {}
      for (const result of yield* run(root)) {
        if (!("file" in result)) return assert.fail(`${result.path}: ${result._tag}`)
        found[result.path] = new TextDecoder().decode(yield* emulator.content(result.file.id))
      }
      assert.deepStrictEqual(found, contents)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("a file whose modification time lies ahead is read once", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const root = yield* folderOf({ "a.md": "a" })
      const tomorrow = Date.now() / 1000 + 86_400
      yield* fs.utimes(`${root}/a.md`, tomorrow, tomorrow)
      let opened = 0
      const counting = Layer.succeed(FileSystem.FileSystem, {
        ...fs,
        open: (path, options) => {
          opened++
          return fs.open(path, options)
        }
      })
      yield* Effect.provide(run(root), counting)
      assert.isAbove(opened, 0)
      opened = 0
      assert.deepStrictEqual(outcome(yield* Effect.provide(run(root), counting)), { "a.md": "Unchanged" })
      assert.strictEqual(opened, 0)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  const failing = (
    method: "readDirectory" | "lstat",
    name: string,
    tag: PlatformError.SystemErrorTag
  ) =>
    Layer.effect(
      FileSystem.FileSystem,
      Effect.map(FileSystem.FileSystem, (fs): FileSystem.FileSystem => {
        const refused = (path: string) =>
          path.endsWith(name)
            ? Effect.fail(
              PlatformError.systemError({ _tag: tag, module: "FileSystem", method, pathOrDescriptor: path })
            )
            : undefined
        return method === "lstat"
          ? { ...fs, lstat: (path) => refused(path) ?? fs.lstat(path) }
          : { ...fs, readDirectory: (path, options) => refused(path) ?? fs.readDirectory(path, options) }
      })
    )

  it.live("a folder that is removed while its parent is read counts as empty", () =>
    Effect.gen(function*() {
      const root = yield* folderOf({ "a.md": "a", "gone/b.md": "b" })
      const results = yield* Effect.provide(run(root), failing("readDirectory", "gone", "NotFound"))
      assert.deepStrictEqual(outcome(results), { "a.md": "New, uploaded" })
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("a file that can't be read fails, the others are uploaded, and nothing is deleted", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const root = yield* folderOf({ "a.md": "a", "b.md": "b", "c.md": "c" })
      yield* run(root)
      yield* fs.remove(`${root}/c.md`)
      yield* write(root, { "a.md": "A" })
      const results = yield* Effect.provide(run(root, { delete: true }), failing("lstat", "b.md", "Unknown"))
      assert.deepStrictEqual(outcome(results), { "a.md": "Changed, uploaded", "b.md": "Failed" })
      // The manifest is unchanged too.
      assert.deepStrictEqual(outcome(yield* run(root)), { "a.md": "Unchanged", "b.md": "Unchanged" })
      assert.strictEqual((yield* stored).length, 4)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("a folder that can't be read fails by its own path, the others are uploaded, and nothing in it counts as gone", () =>
    Effect.gen(function*() {
      const root = yield* folderOf({ "a.md": "a", "locked/b.md": "b", "locked/deep/c.md": "c", "open/d.md": "d" })
      yield* run(root)
      yield* write(root, { "a.md": "A" })
      const locked = failing("readDirectory", "locked", "PermissionDenied")
      const differences = yield* Effect.provide(UploadCache.check(root), locked)
      assert.deepStrictEqual(differences.map(({ _tag, path }) => [_tag, path]), [
        ["Failed", "locked"],
        ["Changed", "a.md"],
        ["Unchanged", "open/d.md"],
        ["Gone", "a.md"]
      ])
      const results = yield* Effect.provide(run(root, { delete: true }), locked)
      assert.deepStrictEqual(outcome(results), {
        "a.md": "Changed, uploaded",
        "locked": "Failed",
        "open/d.md": "Unchanged"
      })
      assert.match(
        results.flatMap((one) => one._tag === "Failed" ? [one.error.message] : []).join(),
        /^\/.*\/locked can't be read by this user: permission is denied\.$/
      )
      assert.deepStrictEqual(outcome(yield* run(root)), {
        "a.md": "Unchanged",
        "locked/b.md": "Unchanged",
        "locked/deep/c.md": "Unchanged",
        "open/d.md": "Unchanged"
      })
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("a file whose name is not UTF-8 fails, and the others are uploaded", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const root = yield* folderOf({ "a.md": "a" })
      // This is how it is listed; not every file system accepts such a name.
      const listing = Layer.succeed(FileSystem.FileSystem, {
        ...fs,
        readDirectory: (path, options) =>
          Effect.map(fs.readDirectory(path, options), (names) => [...names, "b\ufffd\ufffd.md"])
      })
      assert.deepStrictEqual(outcome(yield* Effect.provide(run(root), listing)), {
        "a.md": "New, uploaded",
        "b\ufffd\ufffd.md": "Failed"
      })
    }).pipe(Effect.scoped, Effect.provide(layer)))
})

describe("what check finds gone is what delete deletes", () => {
  const gone = (root: string, options?: UploadCache.SyncOptions) =>
    Effect.map(
      UploadCache.check(root, options),
      (differences) => differences.flatMap((one) => one._tag === "Gone" ? [one] : [])
    )

  const paths = (some: ReadonlyArray<{ readonly path: string }>) => some.map(({ path }) => path).toSorted()

  const removeAll = (root: string, ...names: ReadonlyArray<string>) =>
    Effect.flatMap(
      FileSystem.FileSystem,
      (fs) => Effect.forEach(names, (name) => fs.remove(`${root}/${name}`), { discard: true })
    )

  it.live("after a run that was interrupted before it was done", () =>
    Effect.gen(function*() {
      const root = yield* folderOf({ "a.txt": "1", "b.txt": "2", "c.txt": "3", "d.txt": "4" })
      yield* Stream.runDrain(Stream.take(UploadCache.sync(root, { concurrency: 1 }), 3))
      assert.lengthOf(yield* stored, 3)
      yield* removeAll(root, "a.txt", "b.txt")
      const sent = (yield* requests).length
      assert.deepStrictEqual(paths(yield* gone(root)), ["a.txt", "b.txt"])
      assert.strictEqual((yield* requests).length, sent)
      assert.deepStrictEqual(deleted(yield* run(root, { delete: true })).toSorted(), ["a.txt", "b.txt"])
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("after a run whose upload got no answer", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const root = yield* folderOf({ "a.txt": "a", "z.txt": "z" })
      yield* emulator.addFault(Fault.reset({ at: "response", after: 0, match: { operation: "upload" } }))
      yield* run(root, { concurrency: 1 })
      yield* removeAll(root, "a.txt")
      const found = yield* gone(root)
      assert.deepStrictEqual(paths(found), ["a.txt"])
      // Nothing was recorded.
      assert.deepStrictEqual(yield* gone(root), found)
      const results = yield* run(root, { delete: true })
      assert.deepStrictEqual(deleted(results), ["a.txt"])
      assert.lengthOf(yield* stored, 1)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("without the file of a path that has only got another name", () =>
    Effect.gen(function*() {
      const root = yield* folderOf({ "a.txt": "a" })
      yield* run(root)
      yield* removeAll(root, "a.txt")
      yield* write(root, { "b.txt": "a" })
      assert.deepStrictEqual(yield* gone(root), [])
      assert.deepStrictEqual(deleted(yield* run(root, { delete: true })), [])
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("without the file of a path that is left out, and whose run was interrupted", () =>
    Effect.gen(function*() {
      const root = yield* folderOf({ "a.txt": "same", "c.txt": "other", "z/b.txt": "same" })
      yield* Stream.runDrain(Stream.take(UploadCache.sync(root, { concurrency: 1 }), 1))
      yield* removeAll(root, "a.txt")
      assert.deepStrictEqual(yield* gone(root, { exclude: ["z/**"] }), [])
      assert.deepStrictEqual(deleted(yield* run(root, { exclude: ["z/**"], delete: true })), [])
      assert.lengthOf(yield* stored, 2)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("and no more than was agreed to, where the ids are given", () =>
    Effect.gen(function*() {
      const root = yield* folderOf({ "a.txt": "1", "b.txt": "2", "c.txt": "3" })
      yield* run(root)
      yield* removeAll(root, "a.txt")
      const agreed = (yield* gone(root)).map(({ id }) => id)
      // Meanwhile.
      yield* removeAll(root, "b.txt")
      assert.deepStrictEqual(deleted(yield* run(root, { delete: [] })), [])
      assert.deepStrictEqual(deleted(yield* run(root, { delete: agreed })), ["a.txt"])
      assert.deepStrictEqual(paths(yield* gone(root)), ["b.txt"])
      assert.deepStrictEqual(deleted(yield* run(root, { delete: true })), ["b.txt"])
    }).pipe(Effect.scoped, Effect.provide(layer)))
})

describe("what sync deletes", () => {
  /** A folder whose `a.txt` and `b.txt` were uploaded, and whose `b.txt` was then removed. */
  const withoutB = Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const root = yield* folderOf({ "a.txt": "a", "b.txt": "b" })
    yield* run(root)
    yield* fs.remove(`${root}/b.txt`)
    return root
  })

  it.live("nothing after a run that found the folder empty", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const root = yield* folderOf({ "a.txt": "a", "b.txt": "b" })
      yield* run(root)
      for (const name of ["a.txt", "b.txt"]) yield* fs.remove(`${root}/${name}`)
      assert.deepStrictEqual(yield* run(root), [])
      const error = yield* Effect.flip(run(root, { delete: true }))
      assert.strictEqual(error._tag === "SyncFailed" && error.reason, "Empty")
      assert.strictEqual((yield* stored).length, 2)
      // Mounted again.
      yield* write(root, { "a.txt": "a", "b.txt": "b" })
      assert.deepStrictEqual(outcome(yield* run(root, { delete: true })), {
        "a.txt": "Unchanged",
        "b.txt": "Unchanged"
      })
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("nothing that others uploaded, after a run that did not come to that file", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const shared = yield* UploadCache.get(FileSource.text("shared", "z.txt"))
      const root = yield* folderOf({ "a.txt": "a", "z.txt": "shared" })
      yield* Stream.runDrain(Stream.take(UploadCache.sync(root, { concurrency: 1 }), 1))
      yield* fs.remove(`${root}/z.txt`)
      assert.deepStrictEqual(deleted(yield* run(root, { delete: true })), [])
      assert.include(yield* ids, shared.id)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("nothing that others uploaded, after a run in which that file failed", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const emulator = yield* Emulator.Emulator
      const root = yield* folderOf({ "a.txt": "a", "z.txt": "shared" })
      yield* emulator.addFault(Fault.overloaded({ match: { operation: "upload" }, skip: 1 }))
      assert.strictEqual(outcome(yield* run(root, { concurrency: 1 }))["z.txt"], "Failed")
      const shared = yield* UploadCache.get(FileSource.text("shared", "z.txt"))
      yield* fs.remove(`${root}/z.txt`)
      assert.deepStrictEqual(deleted(yield* run(root, { delete: true })), [])
      assert.include(yield* ids, shared.id)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("nothing that others uploaded, where the record of it is torn", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const values = new Map<string, string>()
      yield* Effect.gen(function*() {
        const shared = yield* UploadCache.get(FileSource.text("shared", "z.txt"))
        rewrite(values, "content-", (record) => record.slice(0, 20))
        const root = yield* folderOf({ "a.txt": "a", "z.txt": "shared" })
        yield* run(root)
        yield* fs.remove(`${root}/z.txt`)
        yield* run(root, { delete: true })
        assert.include(yield* ids, shared.id)
      }).pipe(Effect.provide(over(overMap(values))))
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("nothing that is in the folder and left out by include or exclude", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const root = yield* folderOf({ "a.md": "a", "b.txt": "b", "drafts/c.md": "c" })
      yield* run(root)
      const narrower: ReadonlyArray<UploadCache.SyncOptions> = [
        { include: ["*.md"] },
        { include: ["*.txt"] },
        { exclude: ["drafts/"] }
      ]
      for (const options of narrower) {
        assert.deepStrictEqual(deleted(yield* run(root, { ...options, delete: true })), [])
      }
      assert.strictEqual((yield* stored).length, 3)
      // It still belongs to the folder.
      yield* fs.remove(`${root}/b.txt`)
      assert.deepStrictEqual(deleted(yield* run(root, { delete: true })), ["b.txt"])
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("nothing of each other, where two take different files of one folder in turns", () =>
    Effect.gen(function*() {
      const root = yield* folderOf({ "a.md": "a", "b.txt": "b" })
      for (let n = 0; n < 3; n++) {
        for (const include of ["*.md", "*.txt"]) {
          assert.deepStrictEqual(deleted(yield* run(root, { include: [include], delete: true })), [])
        }
      }
      assert.strictEqual((yield* requests).filter((request) => request.startsWith("POST")).length, 2)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("the file of an upload without an answer, even when the first lookup failed", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const root = yield* folderOf({ "a.txt": "old" })
      yield* emulator.addFault(Fault.reset({ at: "response", after: 0, match: { operation: "upload" } }))
      yield* run(root)
      const [old] = yield* ids
      yield* write(root, { "a.txt": "newer" })
      yield* emulator.addFault(Fault.overloaded({ match: { operation: "list" } }))
      yield* run(root, { delete: true })
      assert.include(yield* ids, old)
      assert.deepStrictEqual(deleted(yield* run(root, { delete: true })), ["a.txt"])
      assert.strictEqual((yield* stored).length, 1)
      assert.notInclude(yield* ids, old)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("never a file that was returned to someone after its deletion failed", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const root = yield* withoutB
      yield* emulator.addFault(Fault.overloaded({ match: { operation: "delete" } }))
      assert.strictEqual(outcome(yield* run(root, { delete: true }))["b.txt"], "DeleteFailed")
      const file = yield* UploadCache.get(FileSource.text("b", "b.txt"))
      assert.deepStrictEqual(deleted(yield* run(root, { delete: true })), ["b.txt"])
      assert.include(yield* ids, file.id)
      assert.strictEqual((yield* stored).length, 2)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("a file is not returned while sync deletes it", () =>
    Effect.gen(function*() {
      const store = yield* UploadStore.UploadStore
      const real = yield* Files.Files
      const root = yield* withoutB
      const gate = yield* makeGate
      const slow = Layer.succeed(Files.Files, { ...real, delete: (id) => Effect.andThen(gate.pass, real.delete(id)) })
      const fiber = yield* Effect.forkChild(
        Effect.provide(run(root, { delete: true }), Layer.provide(over(store), slow))
      )
      yield* gate.reached
      const get = UploadCache.get(FileSource.text("b", "b.txt"))
      const meanwhile = yield* get
      yield* gate.open
      assert.deepStrictEqual(deleted(yield* Fiber.join(fiber)), ["b.txt"])
      assert.strictEqual((yield* get).id, meanwhile.id)
      assert.include(yield* ids, meanwhile.id)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("a lookup that ends after the deletion does not bring the file back into the cache", () =>
    Effect.gen(function*() {
      const store = yield* UploadStore.UploadStore
      const real = yield* Files.Files
      const root = yield* withoutB
      const gate = yield* makeGate
      const slow = Layer.succeed(Files.Files, {
        ...real,
        list: (options) => Stream.concat(real.list(options), Stream.fromEffectDrain(gate.pass))
      })
      // For this cache every entry is old.
      const looking = Layer.fresh(UploadCache.layer({ maxAge: 1 })).pipe(
        Layer.provide(slow),
        Layer.provide(Layer.succeed(UploadStore.UploadStore, store))
      )
      const get = UploadCache.get(FileSource.text("b", "b.txt"))
      const fiber = yield* Effect.forkChild(Effect.provide(get, looking))
      yield* gate.reached
      assert.deepStrictEqual(deleted(yield* run(root, { delete: true })), ["b.txt"])
      yield* gate.open
      yield* Fiber.join(fiber)
      const later = yield* get
      assert.include(yield* ids, later.id)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  /** Runs a sync with deletions until the first result, does something else, and continues. */
  const pausedBy = <E, R>(root: string, meanwhile: Effect.Effect<unknown, E, R>) =>
    Effect.gen(function*() {
      let isFirst = true
      const error = yield* Effect.flip(
        Stream.runForEach(UploadCache.sync(root, { delete: true, concurrency: 1 }), () =>
          Effect.suspend(() => {
            if (!isFirst) return Effect.void
            isFirst = false
            return Effect.asVoid(meanwhile)
          }))
      )
      return typeof error === "object" && error !== null && "reason" in error ? error.reason : error
    })

  it.live("nothing after another process has taken over its lease", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const values = new Map<string, string>()
      const root = yield* folderOf({ "a.txt": "a", "b.txt": "b" })
      yield* Effect.gen(function*() {
        yield* run(root)
        yield* fs.remove(`${root}/b.txt`)
        const taken = Effect.sync(() =>
          rewrite(values, "folder-", (record) => record.replace(/"token":"[^"]*"/, "\"token\":\"another\""))
        )
        assert.strictEqual(yield* pausedBy(root, taken), "TakenOver")
        assert.strictEqual((yield* stored).length, 2)
      }).pipe(Effect.provide(over(overMap(values))))
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("nothing that another process, which took over, has found in the folder again", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const values = new Map<string, string>()
      const root = yield* folderOf({ "a.txt": "a", "b.txt": "b" })
      yield* Effect.gen(function*() {
        yield* run(root)
        yield* fs.remove(`${root}/b.txt`)
        const taken = Effect.gen(function*() {
          yield* write(root, { "b.txt": "b" })
          rewrite(values, "folder-", (record) => record.replace(/"until":\d+/, "\"until\":1"))
          const results = yield* Effect.provide(run(root), over(overMap(values)))
          assert.strictEqual(outcome(results)["b.txt"]?.includes("uploaded"), false)
        })
        assert.strictEqual(yield* pausedBy(root, taken), "TakenOver")
        assert.strictEqual((yield* stored).length, 2)
      }).pipe(Effect.provide(over(overMap(values))))
    }).pipe(Effect.scoped, Effect.provide(layer)))
})
