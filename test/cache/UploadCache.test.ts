import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, FileSystem, Layer, Redacted, Stream } from "effect"
import { type FileMetadata, Files, FilesError, FileSource } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as UploadCache from "effect-anthropic-files/UploadCache"
import * as UploadStore from "effect-anthropic-files/UploadStore"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { overMap } from "../../src/internal/cache/memoryStore.ts"
import { storeFailed } from "../../src/internal/cache/store.ts"
import { internalsOf } from "../../src/internal/files/internals.ts"
import { memory, places, platform } from "./stores.ts"

const files = (options: Partial<Files.Options> = {}) =>
  Layer.unwrap(
    Effect.map(Emulator.Emulator, ({ apiKey, url }) => Files.layer({ apiKey, baseUrl: url, ...options }))
  )

const layer = files().pipe(Layer.provideMerge(Emulator.layer()), Layer.provideMerge(platform))

const posts = Effect.gen(function*() {
  const emulator = yield* Emulator.Emulator
  return (yield* emulator.requests).filter((request) => request.method === "POST").length
})

const requests = Effect.gen(function*() {
  const emulator = yield* Emulator.Emulator
  return (yield* emulator.requests).length
})

/** By somebody else, so that this client's cache hears nothing of it. */
const deleteElsewhere = (id: FileMetadata.FileId) =>
  Effect.gen(function*() {
    const { apiKey, url } = yield* Emulator.Emulator
    const other = yield* Files.make({ apiKey, baseUrl: url })
    yield* other.delete(id)
  })

const text = (content: string, name = "x.txt") => FileSource.text(content, name)

const upload: Fault.Options = { match: { operation: "upload" } }

for (const [name, place] of places) {
  describe(`upload cache, ${name}`, () => {
    const test = (
      title: string,
      body: (
        /** The same store, as another process has it. */
        another: <A, E, R>(
          effect: Effect.Effect<A, E, R>,
          options?: UploadCache.Options
        ) => Effect.Effect<
          A,
          E | FilesError.InvalidConfig | UploadStore.UploadStoreFailed,
          Exclude<R, UploadCache.UploadCache> | Files.Files
        >
      ) => Effect.Effect<
        void,
        unknown,
        Files.Files | Emulator.Emulator | HttpClient.HttpClient | FileSystem.FileSystem | UploadCache.UploadCache
      >,
      run: typeof it.live = it.effect
    ) =>
      run(title, () =>
        Effect.scoped(Effect.gen(function*() {
          const store = yield* place
          const cache = (options?: UploadCache.Options) => Layer.fresh(Layer.provide(UploadCache.layer(options), store))
          yield* body((effect, options) => Effect.provide(effect, cache(options))).pipe(Effect.provide(cache()))
        })).pipe(Effect.provide(layer)))

    test("the same content is uploaded once, whatever it is called and wherever it comes from", (another) =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = `${yield* Effect.orDie(fs.makeTempDirectory())}/c.txt`
        yield* fs.writeFileString(path, "content")
        const first = yield* UploadCache.get(text("content"))
        const others = [
          yield* UploadCache.get(text("content", "other.txt")),
          yield* UploadCache.get(FileSource.path(path)),
          yield* UploadCache.get(FileSource.stream(Stream.make(new TextEncoder().encode("content")), {
            filename: "streamed.txt",
            replayable: true
          })),
          yield* another(UploadCache.get(text("content")))
        ]
        for (const other of others) assert.deepStrictEqual(other, first)
        assert.strictEqual(yield* posts, 1)
        // Another type is another file, and so is another content.
        yield* UploadCache.get(text("content"), { mimeType: "text/markdown" })
        yield* UploadCache.get(text("another"))
        assert.strictEqual(yield* posts, 3)
      }))

    test(
      "P16: however many ask at once, in one process and in several, there is one POST",
      (another) =>
        Effect.gen(function*() {
          const asked = Array.from({ length: 12 }, (_, n) => UploadCache.get(text("content", `${n}.txt`)))
          const groups = [
            Effect.all(asked, { concurrency: "unbounded" }),
            another(Effect.all(asked, { concurrency: "unbounded" })),
            another(Effect.all(asked, { concurrency: "unbounded" }))
          ]
          const found = yield* Effect.all(groups, { concurrency: "unbounded" })
          assert.strictEqual(new Set(found.flat().map((file) => file.id)).size, 1)
          assert.strictEqual(yield* posts, 1)
        }),
      it.live
    )

    test("P9, P14: a hit sends nothing, and is looked up once it is old", (another) =>
      Effect.gen(function*() {
        const contents = Array.from({ length: 30 }, (_, n) => text(`${n}`, `${n}.txt`))
        const all = Effect.forEach(contents, (source) => UploadCache.get(source), { concurrency: "unbounded" })
        const first = yield* all
        const before = yield* requests
        yield* TestClock.adjust("59 minutes")
        assert.deepStrictEqual(yield* another(all), first)
        assert.strictEqual(yield* requests, before)
        yield* TestClock.adjust("2 minutes")
        const [gone] = first
        if (gone === undefined) return assert.fail("there are files")
        yield* Files.delete(gone.id)
        const again = yield* all
        assert.deepStrictEqual(again.slice(1), first.slice(1))
        assert.notStrictEqual(again[0]?.id, gone.id)
        assert.strictEqual(yield* posts, 31)
        const after = yield* requests
        assert.isBelow(after - before, 10)
        // They have been seen just now.
        yield* another(all)
        assert.strictEqual(yield* requests, after)
      }))

    test("a file that is about to expire is not handed out", () =>
      Effect.gen(function*() {
        const first = yield* UploadCache.get(text("content"), { expiresIn: "1 hour" })
        yield* TestClock.adjust("49 minutes")
        assert.strictEqual((yield* UploadCache.get(text("content"))).id, first.id)
        yield* TestClock.adjust("2 minutes")
        const second = yield* UploadCache.get(text("content"))
        assert.notStrictEqual(second.id, first.id)
        assert.strictEqual(second.expires_at, null)
      }))

    test("what this client deletes is handed out no more, by any cache over the store", (another) =>
      Effect.gen(function*() {
        const first = yield* UploadCache.get(text("content"))
        yield* Files.delete(first.id)
        const second = yield* another(UploadCache.get(text("content")))
        assert.notStrictEqual(second.id, first.id)
        assert.strictEqual((yield* UploadCache.get(text("content"))).id, second.id)
        // Also when the service says that it is gone already.
        yield* deleteElsewhere(second.id)
        yield* Effect.flip(Files.delete(second.id))
        assert.notStrictEqual((yield* UploadCache.get(text("content"))).id, second.id)
        assert.strictEqual(yield* posts, 3)
      }))

    test("maxAge is the cache's or the call's, and 0 looks up every time", (another) =>
      Effect.gen(function*() {
        const first = yield* UploadCache.get(text("content"))
        const sent = yield* requests
        yield* UploadCache.get(text("content"))
        assert.strictEqual(yield* requests, sent)
        yield* UploadCache.get(text("content"), { maxAge: 0 })
        assert.strictEqual(yield* requests, sent + 1)
        yield* another(UploadCache.get(text("content")), { maxAge: 0 })
        assert.strictEqual(yield* requests, sent + 2)
        yield* another(UploadCache.get(text("content"), { maxAge: "1 minute" }), { maxAge: 0 })
        assert.strictEqual(yield* requests, sent + 2)
        yield* deleteElsewhere(first.id)
        assert.strictEqual((yield* UploadCache.get(text("content"))).id, first.id)
        assert.notStrictEqual((yield* UploadCache.get(text("content"), { maxAge: 0 })).id, first.id)
      }))

    test("an entry from a future, after a clock was set back, is looked up", () =>
      Effect.gen(function*() {
        yield* TestClock.setTime(1_000_000_000_000)
        yield* UploadCache.get(text("content"))
        const sent = yield* requests
        yield* TestClock.setTime(1_000_000_000_000 - 3_600_000)
        yield* UploadCache.get(text("content"))
        assert.strictEqual(yield* requests, sent + 1)
      }))

    test("invalidate forgets a file by its id or by its source, and leaves it where it is", (another) =>
      Effect.gen(function*() {
        const first = yield* UploadCache.get(text("content"))
        yield* UploadCache.invalidate(first.id)
        const second = yield* another(UploadCache.get(text("content")))
        yield* another(UploadCache.invalidate(text("content", "other.txt")))
        const third = yield* UploadCache.get(text("content"))
        assert.strictEqual(new Set([first.id, second.id, third.id]).size, 3)
        assert.strictEqual((yield* (yield* Emulator.Emulator).files).length, 3)
        // What is not known is forgotten already.
        yield* UploadCache.invalidate(text("never seen"))
        yield* UploadCache.invalidate("file_unknown" as FileMetadata.FileId)
        assert.strictEqual((yield* UploadCache.get(text("content"))).id, third.id)
      }))

    test("use runs again with a fresh upload when the file is gone", () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const run = UploadCache.use(text("content"), (file) =>
          Effect.tap(Files.metadata(file.id), (found) => Effect.sync(() => seen.push(found.id))))
        const first = yield* run
        yield* deleteElsewhere(first.id)
        const second = yield* run
        assert.notStrictEqual(second.id, first.id)
        assert.deepStrictEqual(seen, [first.id, second.id])
        assert.strictEqual(yield* posts, 2)

        const other = Effect.flip(UploadCache.use(text("content"), () =>
          Files.metadata(first.id)))
        assert.strictEqual((yield* other)._tag, "FileNotFound")
        assert.strictEqual(yield* posts, 2)

        const unnamed = new FilesError.FileExpired({
          operation: "createMessage",
          message: "A file is gone",
          isRetryable: false,
          isOutcomeUnknown: false
        })
        let runs = 0
        const failing = UploadCache.use(text("content"), () =>
          Effect.suspend(() => {
            runs++
            return Effect.fail(unnamed)
          }))
        assert.strictEqual(yield* Effect.flip(failing), unnamed)
        assert.strictEqual(runs, 1)
        yield* deleteElsewhere(second.id)
        assert.strictEqual(yield* Effect.flip(failing), unnamed)
        assert.strictEqual(runs, 3)
        assert.strictEqual(yield* posts, 3)
      }))

    test("an upload that failed is begun anew, and one whose answer was lost is found again", (another) =>
      Effect.gen(function*() {
        const emulator = yield* Emulator.Emulator
        yield* emulator.addFault(Fault.serverError(upload))
        assert.strictEqual((yield* Effect.flip(UploadCache.get(text("a"))))._tag, "RequestFailed")
        yield* UploadCache.get(text("a"))
        assert.strictEqual((yield* emulator.files).length, 1)

        yield* emulator.addFault(Fault.reset({ at: "response", after: 0, ...upload }))
        const lost = yield* Effect.flip(UploadCache.get(text("b")))
        assert.isTrue(lost.isOutcomeUnknown)
        assert.strictEqual((yield* emulator.files).length, 2)
        const sent = yield* posts
        const found = yield* another(UploadCache.get(text("b")))
        assert.strictEqual(found.id, (yield* emulator.files)[0]?.id)
        assert.strictEqual(yield* posts, sent)
        assert.strictEqual((yield* UploadCache.get(text("b"))).id, found.id)

        // The same name and size, but not the same content: that one must not be taken for it.
        yield* emulator.addFault(Fault.serverError(upload))
        yield* Effect.flip(UploadCache.get(text("c")))
        const other = yield* UploadCache.get(text("c"))
        assert.notInclude([found.id], other.id)
        assert.strictEqual((yield* emulator.files).length, 3)
      }))

    test("interruption leaves an intent, and nobody has to wait for it", (another) =>
      Effect.gen(function*() {
        const emulator = yield* Emulator.Emulator
        yield* emulator.addFault(Fault.stall({ at: "response", after: 0, ...upload }))
        const fiber = yield* Effect.forkChild(UploadCache.get(text("content")))
        while ((yield* emulator.files).length === 0) {
          yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        }
        yield* Fiber.interrupt(fiber)
        const found = yield* another(UploadCache.get(text("content")))
        assert.deepStrictEqual((yield* emulator.files).map((file) => file.id), [found.id])
        assert.strictEqual(yield* posts, 1)
      }))

    test("another key has files of its own", (another) =>
      Effect.gen(function*() {
        const { apiKey, url } = yield* Emulator.Emulator
        const first = yield* UploadCache.get(text("content"))
        const bearer = yield* Files.make({ authToken: apiKey, baseUrl: url })
        const second = yield* another(UploadCache.get(text("content"))).pipe(
          Effect.provideService(Files.Files, bearer)
        )
        assert.notStrictEqual(second.id, first.id)
        assert.strictEqual(yield* posts, 2)
      }))
  })
}

describe("upload cache", () => {
  const withCache = <A, E, R>(body: Effect.Effect<A, E, R | UploadCache.UploadCache>, options?: UploadCache.Options) =>
    Effect.scoped(
      Effect.flatMap(memory, (store) => Effect.provide(body, Layer.provide(UploadCache.layer(options), store)))
    )

  it.effect("P15: the identity of a client tells base URL, workspace and key apart, and shows none of them", () =>
    Effect.gen(function*() {
      const of = (options: Files.Options) =>
        Effect.map(Files.Files, (files) => internalsOf(files)?.identity ?? "").pipe(
          Effect.provide(Files.layer(options))
        )
      const apiKey = Redacted.make("sk-ant-canary-0123456789")
      const other = Redacted.make("sk-ant-canary-9876543210")
      const all = yield* Effect.all([
        of({ apiKey }),
        of({ apiKey, baseUrl: "https://example.com" }),
        of({ apiKey: other }),
        of({ authToken: apiKey }),
        of({ apiKey, workspaceId: "wrkspc_1" })
      ])
      assert.strictEqual(new Set(all).size, all.length)
      for (const print of all) assert.match(print, /^[0-9a-f]{64}$/)
      assert.strictEqual(yield* of({ apiKey }), all[0])
      assert.strictEqual(yield* of({ apiKey, dialect: "beta" }), all[0])
      // A workspace is the same whoever reaches it.
      assert.strictEqual(yield* of({ apiKey: other, workspaceId: "wrkspc_1" }), all[4])
    }).pipe(Effect.provide(layer)))

  it.effect("P13: the intent is in the store before anything is sent", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const real = yield* Files.Files
      const noted: Array<string> = []
      const store: UploadStore.UploadStore["Service"] = {
        isLocal: true,
        get: () => Effect.undefined,
        swap: (_, __, next) => Effect.as(Effect.sync(() => noted.push(next ?? "")), true)
      }
      const stuck = Layer.succeed(Files.Files, {
        ...real,
        upload: () => Effect.andThen(Deferred.succeed(asked, undefined), Effect.never)
      })
      const cache = UploadCache.layer().pipe(
        Layer.provide(stuck),
        Layer.provide(Layer.succeed(UploadStore.UploadStore, store))
      )
      yield* Effect.forkChild(Effect.provide(UploadCache.get(text("content")), cache))
      yield* Deferred.await(asked)
      assert.match(noted.at(-1) ?? "", /"value":\{"content":"[0-9a-f]{64}","mimeType":"text\/plain","since":/)
    }).pipe(Effect.provide(layer)))

  it.effect("a record that is torn is as good as none", () =>
    Effect.gen(function*() {
      const values = new Map<string, string>()
      const store = overMap(values)
      const cache = UploadCache.layer().pipe(Layer.provide(Layer.succeed(UploadStore.UploadStore, store)))
      const get = Effect.provide(UploadCache.get(text("content")), Layer.fresh(cache))
      yield* get
      for (const [key, value] of values) values.set(key, value.slice(0, value.length / 2))
      yield* get
      yield* get
      assert.strictEqual(yield* posts, 2)
    }).pipe(Effect.provide(layer)))

  it.effect("a store that fails is a typed error, and nothing is sent", () =>
    Effect.gen(function*() {
      const failure = Effect.fail(storeFailed("The store is away.", new Error("ECONNREFUSED")))
      const store = Layer.succeed(UploadStore.UploadStore, { isLocal: true, get: () => failure, swap: () => failure })
      const error = yield* Effect.flip(
        Effect.provide(UploadCache.get(text("content")), Layer.provide(UploadCache.layer(), store))
      )
      assert.isTrue(error._tag === "UploadStoreFailed" && error.isRetryable)
      assert.strictEqual(yield* requests, 0)
    }).pipe(Effect.provide(layer)))

  it.effect("what can be read only once is refused, and what changes is not stored", () =>
    withCache(Effect.gen(function*() {
      const bytes = new TextEncoder().encode("content")
      const once = FileSource.stream(Stream.make(bytes), { filename: "once.txt" })
      const error = yield* Effect.flip(UploadCache.get(once))
      assert.strictEqual(error._tag === "SourceFailed" && error.reason, "Consumed")
      let run = 0
      const differing = FileSource.stream(Stream.suspend(() => Stream.make(bytes, new Uint8Array([run++]))), {
        filename: "differing.txt",
        replayable: true
      })
      const changed = yield* Effect.flip(UploadCache.get(differing))
      assert.strictEqual(changed._tag === "SourceFailed" && changed.reason, "Changed")
      assert.strictEqual((yield* (yield* Emulator.Emulator).files).length, 0)
    })).pipe(Effect.provide(layer)))

  it.live("a path is read for its hash once, until it is written to", () =>
    withCache(Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      const path = `${directory}/large.bin`
      const past = Date.now() / 1000 - 60
      const write = (fill: number, at: number) =>
        Effect.andThen(fs.writeFile(path, new Uint8Array(3_000_000).fill(fill)), fs.utimes(path, at, at))
      yield* write(1, past)
      let reads = 0
      const source: FileSource.FileSource<FileSystem.FileSystem> = FileSource.tap(
        FileSource.path(path),
        () => Effect.sync(() => reads++)
      )
      const first = yield* UploadCache.get(source)
      assert.strictEqual(reads, 6)
      assert.strictEqual((yield* UploadCache.get(source)).id, first.id)
      assert.strictEqual(reads, 6)
      yield* write(1, past + 10)
      assert.strictEqual((yield* UploadCache.get(source)).id, first.id)
      assert.strictEqual(reads, 9)
      yield* write(2, past + 10.5)
      assert.notStrictEqual((yield* UploadCache.get(source)).id, first.id)
      assert.strictEqual(reads, 15)
    })).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("a URL is read once for its hash, and once more for each upload", () =>
    withCache(Effect.gen(function*() {
      const real = yield* HttpClient.HttpClient
      let fetched = 0
      const serving = HttpClient.make((request, url) => {
        if (url.hostname !== "elsewhere.localhost") return real.execute(request)
        fetched++
        return Effect.succeed(HttpClientResponse.fromWeb(request, new Response("content")))
      })
      const source = FileSource.url("http://elsewhere.localhost/report.txt")
      const run = UploadCache.use(source, (file) => Files.metadata(file.id)).pipe(
        Effect.provideService(HttpClient.HttpClient, serving)
      )
      const first = yield* run
      assert.strictEqual(fetched, 2)
      yield* run
      assert.strictEqual(fetched, 3)
      yield* deleteElsewhere(first.id)
      assert.notStrictEqual((yield* run).id, first.id)
      // To tell what it is, to tell it again after it was gone, and for the upload.
      assert.strictEqual(fetched, 6)
    })).pipe(Effect.provide(layer)))

  describe("with a key that tells the content", () => {
    /** A place on the web that counts how often it is asked. */
    const web = (body: () => Response) => {
      const state = { fetched: 0 }
      const layer = Layer.effect(
        HttpClient.HttpClient,
        Effect.map(HttpClient.HttpClient, (real) =>
          HttpClient.make((request, url) => {
            if (url.hostname !== "elsewhere.localhost") return real.execute(request)
            state.fetched++
            return Effect.succeed(HttpClientResponse.fromWeb(request, body()))
          }))
      )
      return { state, layer }
    }
    const source = FileSource.url("http://elsewhere.localhost/report.txt")

    it.effect("a URL is read once for its upload, and not at all for a hit", () =>
      withCache(Effect.gen(function*() {
        const { layer, state } = web(() => new Response("content", { headers: { "content-length": "7" } }))
        const get = (key: string) => Effect.provide(UploadCache.get(source, { key }), layer)
        const first = yield* get("v1")
        assert.deepStrictEqual([first.filename, first.size_bytes, state.fetched], ["report.txt", 7, 1])
        assert.strictEqual((yield* get("v1")).id, first.id)
        assert.strictEqual(state.fetched, 1)
        // Another key is another content, whatever is in it.
        assert.notStrictEqual((yield* get("v2")).id, first.id)
        assert.strictEqual(state.fetched, 2)
        yield* Effect.provide(UploadCache.invalidate(source, { key: "v1" }), layer)
        assert.notStrictEqual((yield* get("v1")).id, first.id)
        assert.strictEqual(yield* posts, 3)
      })).pipe(Effect.provide(layer)))

    it.effect("a source of unknown size is read twice, since a lost upload is looked for by its size", () =>
      withCache(Effect.gen(function*() {
        const { layer, state } = web(() => new Response(new Blob(["content"]).stream()))
        const file = yield* Effect.provide(UploadCache.get(source, { key: "v1" }), layer)
        assert.deepStrictEqual([file.size_bytes, state.fetched], [7, 2])
      })).pipe(Effect.provide(layer)))

    it.effect("a source that can be read only once is taken", () =>
      withCache(Effect.gen(function*() {
        const bytes = new TextEncoder().encode("content")
        const once = FileSource.stream(Stream.make(bytes), { filename: "once.txt", size: 7 })
        assert.strictEqual((yield* UploadCache.get(once, { key: "v1" })).size_bytes, 7)
      })).pipe(Effect.provide(layer)))

    it.effect("P13: an upload whose answer is lost is found again", () =>
      withCache(Effect.gen(function*() {
        const emulator = yield* Emulator.Emulator
        yield* emulator.addFault(Fault.reset({ ...upload, at: "response", after: 0 }))
        const get = UploadCache.get(text("content"), { key: "v1" })
        assert.isTrue((yield* Effect.flip(get)).isOutcomeUnknown)
        const [left] = yield* emulator.files
        assert.strictEqual((yield* get).id, left?.id)
        assert.strictEqual(yield* posts, 1)
      })).pipe(Effect.provide(layer)))

    it.effect("an empty key is refused", () =>
      withCache(Effect.gen(function*() {
        const error = yield* Effect.flip(UploadCache.get(text("content"), { key: "" }))
        assert.strictEqual(error._tag === "RequestFailed" && error.reason._tag, "InvalidRequest")
        assert.strictEqual(yield* requests, 0)
      })).pipe(Effect.provide(layer)))
  })

  for (const [option, value] of [["maxAge", -1], ["expiryMargin", 0], ["lease", NaN], ["lease", Infinity]] as const) {
    it.effect(`a ${option} of ${value} is refused when the Layer is built`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Effect.scoped(UploadCache.make({ [option]: value })))
        assert.deepStrictEqual([error._tag, error.option], ["InvalidConfig", option])
      }).pipe(Effect.provide(Layer.merge(layer, UploadStore.layerMemory))))
  }
})
