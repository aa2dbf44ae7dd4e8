import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Path, Stream } from "effect"
import { FileMetadata, Files, FileSource } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as Progress from "effect-anthropic-files/Progress"
import * as UploadCache from "effect-anthropic-files/UploadCache"
import * as UploadStore from "effect-anthropic-files/UploadStore"
import { platform } from "./stores.ts"

const files = Layer.unwrap(
  Effect.map(Emulator.Emulator, ({ apiKey, url }) => Files.layer({ apiKey, baseUrl: url }))
)

const layer = UploadCache.layer().pipe(
  Layer.provideMerge(files),
  Layer.provideMerge(Layer.mergeAll(Emulator.layer(), UploadStore.layerMemory, platform))
)

const requests = Effect.gen(function*() {
  const emulator = yield* Emulator.Emulator
  return (yield* emulator.requests).map(({ method, url }) => `${method} ${url}`)
})

const stored = Effect.flatMap(Emulator.Emulator, (emulator) => emulator.files)

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
    // Each time a second later, and long ago: a file's clock is not looked at that closely.
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

describe("sync", () => {
  it.live("uploads what is new or changed, and says what became of every path", () =>
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
        // Written anew, with the same content.
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

  it.live("P12: one bad file does not stop the rest, and it is tried again the next time", () =>
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

  it.live("P11: deletes on request what it uploaded and is gone or replaced, and nothing else", () =>
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
      // Nobody asked for it.
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
      // Uploaded again when it is back.
      yield* write(root, { "a.txt": "a" })
      assert.strictEqual(outcome(yield* run(root))["a.txt"], "New, uploaded")
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
          (error) => error._tag === "SyncFailed" ? error.reason : error._tag
        )
      yield* fs.rename(`${root}/a.txt`, `${root}/../a.txt.kept`)
      yield* write(root, { "b.txt": "B" })
      yield* emulator.addFault(Fault.overloaded({ match: { operation: "upload" } }))
      assert.strictEqual(outcome(yield* run(root, { delete: true }))["b.txt"], "Failed")
      assert.strictEqual(yield* failure(root, { maxDeletions: 1 }), "TooManyDeletions")
      assert.strictEqual(yield* failure(root, { include: ["nothing"] }), "Empty")
      assert.strictEqual(yield* failure(`${root}/missing`), "Unreadable")
      assert.strictEqual(yield* failure(`${root}/c.txt`), "Unreadable")
      assert.strictEqual(yield* failure(root, { concurrency: 0 }), "InvalidOption")
      assert.strictEqual(yield* failure(root, { maxDeletions: -1 }), "InvalidOption")
      assert.strictEqual(yield* failure(""), "InvalidOption")
      const left = new Set((yield* stored).map((file) => file.id))
      for (const file of all) assert.isTrue(left.has(file.id))
      yield* fs.remove(`${root}/../a.txt.kept`)
      // What was refused is still to be done.
      assert.strictEqual((yield* run(root, { delete: true })).filter(({ _tag }) => _tag === "Deleted").length, 2)
      assert.strictEqual((yield* stored).length, 3)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live(
    "P9: a second run over many files sends nothing, and a late one no request for each",
    () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator.Emulator
        const count = 1000
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
        // With another cache, to which all is old.
        const old = Layer.fresh(UploadCache.layer({ maxAge: 1 }))
        const results = yield* Effect.provide(run(root, { concurrency: 100 }), old)
        assert.isTrue(results.every(({ _tag }) => _tag === "Unchanged"))
        assert.isAtMost((yield* requests).length - before, 50)
      }).pipe(Effect.scoped, Effect.provide(layer)),
    30_000
  )

  it.live("what is gone on the other side is uploaded again once it was looked up", () =>
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

  it.live("two runs over the same folder at once come to the same end", () =>
    Effect.gen(function*() {
      const root = yield* folderOf({ "a.txt": "a", "b.txt": "b", "c.txt": "c" })
      const again = Effect.provide(run(root), Layer.fresh(UploadCache.layer()))
      yield* Effect.all([run(root), run(root), again], { concurrency: "unbounded" })
      assert.strictEqual((yield* stored).length, 3)
    }).pipe(Effect.scoped, Effect.provide(layer)))
})
