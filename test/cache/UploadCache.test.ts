import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, FileSystem, Layer, Redacted, Stream } from "effect"
import { Credentials, Files, FileSource } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as UploadCache from "effect-anthropic-files/UploadCache"
import * as UploadStore from "effect-anthropic-files/UploadStore"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { overMap } from "../../src/internal/cache/memoryStore.ts"
import { storeFailed } from "../../src/internal/cache/store.ts"
import { internalsOf } from "../../src/internal/files/internals.ts"
import { cacheSuite, deleteElsewhere, layer, posts, requests, text, upload } from "./cacheSuite.ts"
import { memory, places } from "./stores.ts"

for (const [name, place] of places) cacheSuite(name, place)

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
        of({ apiKey, workspaceId: "wrkspc_1" }),
        of({ apiKey: other, workspaceId: "wrkspc_1" })
      ])
      assert.strictEqual(new Set(all).size, all.length)
      for (const print of all) assert.match(print, /^[0-9a-f]{64}$/)
      assert.strictEqual(yield* of({ apiKey }), all[0])
      assert.strictEqual(yield* of({ apiKey, dialect: "beta" }), all[0])
      // A replaced key is the same to a cache if its credentials have the same identity.
      const named = (key: Redacted.Redacted<string>) =>
        Effect.map(Files.Files, (files) => internalsOf(files)?.identity ?? "").pipe(
          Effect.provide(Layer.provide(Files.layerCredentials(), Credentials.apiKey(key, { identity: "team" })))
        )
      assert.strictEqual(yield* named(apiKey), yield* named(other))
    }).pipe(Effect.provide(layer)))

  it.live("what a path holds is noted for other processes only where all of them are on this machine", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = `${yield* fs.makeTempDirectoryScoped()}/a.txt`
      yield* fs.writeFileString(path, "a")
      yield* fs.utimes(path, 1, 1)
      for (const isLocal of [true, false]) {
        const values = new Map<string, string>()
        const store = Layer.succeed(UploadStore.UploadStore, { ...overMap(values), isLocal })
        yield* Effect.provide(
          UploadCache.get(FileSource.path(path)),
          Layer.fresh(Layer.provide(UploadCache.layer(), store))
        )
        assert.strictEqual(Array.from(values.keys()).some((key) => key.startsWith("hash-")), isLocal)
      }
    }).pipe(Effect.scoped, Effect.provide(layer)))

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

  it.effect("a torn record counts as none: the content is uploaded again", () =>
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

  it.effect("a file that this client deletes is not returned again, even if the store could not be updated", () =>
    Effect.gen(function*() {
      const store = overMap(new Map())
      let isAway = false
      const away = Effect.fail(storeFailed("The store is away."))
      const cache = UploadCache.layer().pipe(Layer.provide(Layer.succeed(UploadStore.UploadStore, {
        ...store,
        get: (key) => Effect.suspend(() => isAway ? away : store.get(key)),
        swap: (key, current, next) => Effect.suspend(() => isAway ? away : store.swap(key, current, next))
      })))
      yield* Effect.gen(function*() {
        const first = yield* UploadCache.get(text("content"))
        isAway = true
        // The deletion succeeds even if the store fails.
        yield* Files.delete(first.id)
        isAway = false
        assert.notStrictEqual((yield* UploadCache.get(text("content"))).id, first.id)
      }).pipe(Effect.provide(cache))
    }).pipe(Effect.provide(layer)))

  it.effect("an entry from the future, after a clock was set back, is looked up", () =>
    withCache(Effect.gen(function*() {
      yield* TestClock.setTime(1_000_000_000_000)
      yield* UploadCache.get(text("content"))
      const sent = yield* requests
      yield* TestClock.setTime(1_000_000_000_000 - 3_600_000)
      yield* UploadCache.get(text("content"))
      assert.strictEqual(yield* requests, sent + 1)
    })).pipe(Effect.provide(layer)))

  it.effect("a source that can be read only once is refused, and one that changes between its reads is not stored", () =>
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
      // Once for its hash, once for the hash after the file was gone, and once for the upload.
      assert.strictEqual(fetched, 6)
    })).pipe(Effect.provide(layer)))

  describe("with a key that identifies the content", () => {
    /** A web server that counts its requests. */
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

    it.effect("a URL is read once for its upload, and not at all on a hit", () =>
      withCache(Effect.gen(function*() {
        const { layer, state } = web(() => new Response("content", { headers: { "content-length": "7" } }))
        const get = (key: string) => Effect.provide(UploadCache.get(source, { key }), layer)
        const first = yield* get("v1")
        assert.deepStrictEqual([first.filename, first.size_bytes, state.fetched], ["report.txt", 7, 1])
        assert.strictEqual((yield* get("v1")).id, first.id)
        assert.strictEqual(state.fetched, 1)
        // Another key means another content, whatever it contains.
        assert.notStrictEqual((yield* get("v2")).id, first.id)
        assert.strictEqual(state.fetched, 2)
        yield* Effect.provide(UploadCache.invalidate(source, { key: "v1" }), layer)
        assert.notStrictEqual((yield* get("v1")).id, first.id)
        assert.strictEqual(yield* posts, 3)
      })).pipe(Effect.provide(layer)))

    it.effect("a source of unknown size is read twice, because a lost upload is searched by its size", () =>
      withCache(Effect.gen(function*() {
        const { layer, state } = web(() => new Response(new Blob(["content"]).stream()))
        const file = yield* Effect.provide(UploadCache.get(source, { key: "v1" }), layer)
        assert.deepStrictEqual([file.size_bytes, state.fetched], [7, 2])
      })).pipe(Effect.provide(layer)))

    it.effect("a source that can be read only once is accepted", () =>
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

  for (
    const [option, value] of [["maxAge", -1], ["maxAge", NaN], ["expiryMargin", 0], ["lease", NaN], [
      "lease",
      Infinity
    ]] as const
  ) {
    it.effect(`a ${option} of ${value} is refused when the Layer is built`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Effect.scoped(UploadCache.make({ [option]: value })))
        assert.deepStrictEqual([error._tag, error.option], ["InvalidConfig", option])
      }).pipe(Effect.provide(Layer.merge(layer, UploadStore.layerMemory))))
  }
})
