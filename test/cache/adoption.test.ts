import { assert, describe, it } from "@effect/vitest"
import { Clock, type Duration, Effect, Fiber, FileSystem, Layer } from "effect"
import { FileMetadata, Files, FileSource } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as UploadCache from "effect-anthropic-files/UploadCache"
import * as UploadStore from "effect-anthropic-files/UploadStore"
import { TestClock } from "effect/testing"
import { overMap } from "../../src/internal/cache/memoryStore.ts"
import { files } from "../support/emulated.ts"
import { platform, rewrite } from "./stores.ts"

const layer = UploadCache.layer().pipe(
  Layer.provideMerge(files()),
  Layer.provideMerge(Layer.mergeAll(Emulator.layer(), UploadStore.layerMemory, platform))
)

const upload: Fault.Options = { match: { operation: "upload" } }

/** All files here have the same name, and contents of the same length: a listing can't tell them apart. */
const data = (content: string) => FileSource.text(content, "data.json")

const numbered = (n: number) => String(n).padStart(4, "0")

/** The next upload is interrupted before it is stored, with an unknown outcome. */
const lose = <A, E, R>(get: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    yield* (yield* Emulator.Emulator).addFault(Fault.reset({ at: "before", ...upload }))
    return yield* Effect.flip(get)
  })

const contentOf = ({ id }: { readonly id: string }) =>
  Effect.flatMap(
    Emulator.Emulator,
    (emulator) => Effect.map(emulator.content(id), (bytes) => new TextDecoder().decode(bytes))
  )

const stored = Effect.flatMap(Emulator.Emulator, (emulator) => emulator.files)

describe("a finished upload that can't be recorded because the store is away", () => {
  it.effect("is found again by the same cache", () =>
    Effect.gen(function*() {
      const values = new Map<string, string>()
      const store = overMap(values)
      let isAway = false
      let intents = 0
      const failed = new UploadStore.UploadStoreFailed({
        operation: "uploadCache",
        message: "away",
        isRetryable: true,
        isOutcomeUnknown: false
      })
      // From the moment when the intent is recorded.
      const away = Layer.succeed(UploadStore.UploadStore, {
        ...store,
        swap: (key, current, next) =>
          Effect.suspend(() => {
            if (isAway) return Effect.fail(failed)
            if (key.startsWith("intent-") && ++intents === 2) isAway = true
            return store.swap(key, current, next)
          })
      })
      const cache = Layer.fresh(Layer.provide(UploadCache.layer({ lease: "1 second" }), away))
      const source = FileSource.text("content", "a.txt")
      yield* Effect.gen(function*() {
        const first = yield* UploadCache.get(source)
        isAway = false
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual((yield* UploadCache.get(source)).id, first.id)
        assert.lengthOf(yield* stored, 1)
        // Once forgotten, it is uploaded again.
        yield* UploadCache.invalidate(first.id)
        assert.notStrictEqual((yield* UploadCache.get(source)).id, first.id)
      }).pipe(Effect.provide(cache))
    }).pipe(Effect.provide(layer)))
})

describe("an interrupted upload", () => {
  it.effect("is not found in another content, however many with its name and size were uploaded before", () =>
    Effect.gen(function*() {
      for (let n = 0; n < 51; n++) yield* UploadCache.get(data(numbered(n)))
      const error = yield* lose(UploadCache.get(data("new!")))
      assert.isTrue(error.isOutcomeUnknown)
      assert.strictEqual(yield* contentOf(yield* UploadCache.get(data("new!"))), "new!")
      assert.strictEqual((yield* stored).length, 52)
    }).pipe(Effect.provide(layer)))

  it.effect("is forgotten when the file that it left is deleted", () =>
    Effect.gen(function*() {
      const values = new Map<string, string>()
      const store = Layer.succeed(UploadStore.UploadStore, overMap(values))
      yield* Effect.gen(function*() {
        const emulator = yield* Emulator.Emulator
        yield* emulator.addFault(Fault.reset({ at: "after", ...upload }))
        yield* Effect.flip(UploadCache.get(data("lost")))
        const [left] = yield* stored
        // Another content of the same name and size settles what became of it.
        yield* UploadCache.get(data("next"))
        const orphans = () => Array.from(values).filter(([key, value]) => key.startsWith("orphan-") && value !== "{}")
        assert.lengthOf(orphans(), 1)
        yield* Files.delete(FileMetadata.FileId.make(left?.id ?? ""))
        assert.deepStrictEqual(orphans(), [])
      }).pipe(Effect.provide(Layer.fresh(Layer.provide(UploadCache.layer(), store))))
    }).pipe(Effect.provide(layer)))

  it.effect("is not found in a file of another MIME type", () =>
    Effect.gen(function*() {
      yield* Files.upload(data("v1v1"), { mimeType: "text/csv" })
      const get = UploadCache.get(data("v2v2"), { mimeType: "text/plain" })
      yield* lose(get)
      const file = yield* get
      assert.strictEqual(file.mime_type, "text/plain")
      assert.strictEqual(yield* contentOf(file), "v2v2")
    }).pipe(Effect.provide(layer)))

  it.effect("is not found among uploads that another key of the same workspace made through the same store", () =>
    Effect.gen(function*() {
      const { apiKey, url } = yield* Emulator.Emulator
      const bearer = Layer.succeed(Files.Files, yield* Files.make({ authToken: apiKey, baseUrl: url }))
      yield* lose(UploadCache.get(data("v2v2")))
      const other = yield* Effect.provide(
        UploadCache.get(data("v1v1")),
        Layer.fresh(Layer.provide(UploadCache.layer(), bearer))
      )
      const file = yield* UploadCache.get(data("v2v2"))
      assert.notStrictEqual(file.id, other.id)
      assert.strictEqual(yield* contentOf(file), "v2v2")
    }).pipe(Effect.provide(layer)))

  for (
    const [title, prefix] of [
      ["is uploaded anew when the record of it is torn", "intent-"],
      ["is not found in a file of which it can't be read any longer what it holds", "file-"]
    ] as const
  ) {
    it.effect(title, () =>
      Effect.gen(function*() {
        const values = new Map<string, string>()
        const store = Layer.succeed(UploadStore.UploadStore, overMap(values))
        yield* Effect.gen(function*() {
          yield* UploadCache.get(data("aaaa"))
          yield* lose(UploadCache.get(data("bbbb")))
          assert.isTrue(Array.from(values.keys()).some((key) => key.startsWith(prefix)))
          rewrite(values, prefix, (record) => record.slice(0, 10))
          assert.strictEqual(yield* contentOf(yield* UploadCache.get(data("bbbb"))), "bbbb")
          assert.strictEqual((yield* stored).length, 2)
        }).pipe(Effect.provide(Layer.fresh(Layer.provide(UploadCache.layer(), store))))
      }).pipe(Effect.provide(layer)))
  }

  it.effect("is found again under a name that the service returns in composed Unicode form", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const get = UploadCache.get(FileSource.text("abcd", "e\u0301.txt"))
      yield* lose(get)
      const left = yield* emulator.seed({ filename: "\u00e9.txt", content: "abcd", mimeType: "text/plain" })
      assert.strictEqual((yield* get).id, left.id)
      assert.strictEqual((yield* stored).length, 1)
    }).pipe(Effect.provide(layer)))
})

describe("an upload that ended", () => {
  const get = UploadCache.get(data("mine"))

  const interrupted = Effect.gen(function*() {
    const emulator = yield* Emulator.Emulator
    yield* emulator.addFault(Fault.stall({ at: "before", ...upload }))
    const fiber = yield* Effect.forkChild(get)
    while ((yield* emulator.requests).every(({ method }) => method !== "POST")) {
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    }
    yield* Fiber.interrupt(fiber)
  })

  const changeIntent = (values: Map<string, string>, change: (record: { readonly value: unknown }) => unknown) =>
    rewrite(values, "intent-", (record) => JSON.stringify(change(JSON.parse(record) as { readonly value: unknown })))

  const withItsProcess = (values: Map<string, string>) =>
    Effect.gen(function*() {
      yield* lose(get)
      const until = (yield* Clock.currentTimeMillis) + 30_000
      changeIntent(values, ({ value }) => ({ value, holder: { token: "dead", until, length: 30_000 } }))
    })

  const withoutItsEnd = (values: Map<string, string>) =>
    Effect.gen(function*() {
      yield* lose(get)
      changeIntent(values, ({ value }) => ({ value }))
    })

  for (
    const [how, end, early] of [
      ["by an interruption", () => interrupted, "4 seconds"],
      ["without an answer", () => lose(get), "4 seconds"],
      ["with its process", withItsProcess, "34 seconds"],
      ["at a time that nobody noted", withoutItsEnd, "4 seconds"]
    ] as const
  ) {
    const during = (wait: Duration.Input, content: string) =>
      Effect.gen(function*() {
        yield* TestClock.setTime(1_800_000_000_123)
        const values = new Map<string, string>()
        const cache = Layer.provide(UploadCache.layer(), Layer.succeed(UploadStore.UploadStore, overMap(values)))
        return yield* Effect.gen(function*() {
          yield* end(values)
          yield* TestClock.adjust(wait)
          const other = yield* (yield* Emulator.Emulator).seed({
            filename: "data.json",
            content,
            mimeType: "application/json"
          })
          yield* TestClock.adjust("1 minute")
          const file = yield* get
          assert.strictEqual(yield* contentOf(file), "mine")
          return file.id === other.id
        }).pipe(Effect.provide(Layer.fresh(cache)))
      })

    it.effect(`${how} is not found in a file that somebody else made later`, () =>
      Effect.gen(function*() {
        assert.isFalse(yield* during("75 seconds", "ours"))
        assert.lengthOf(yield* stored, 2)
      }).pipe(Effect.provide(layer)))

    it.effect(`${how} is found in the file that was stored when it can still have been under way`, () =>
      Effect.gen(function*() {
        assert.isTrue(yield* during(early, "mine"))
        assert.lengthOf(yield* stored, 1)
      }).pipe(Effect.provide(layer)))
  }
})

describe("a path", () => {
  it.live("is read again if another file took its place, inode and modification time", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = `${yield* fs.makeTempDirectoryScoped()}/package.json`
      // As archives restore it.
      const at = 499_162_500
      const write = (content: string) => Effect.andThen(fs.writeFileString(path, content), fs.utimes(path, at, at))
      yield* write("aaaa")
      yield* UploadCache.get(FileSource.path(path))
      // Many file systems reuse the inode for the next file.
      yield* fs.remove(path)
      yield* write("bbbb")
      assert.strictEqual(yield* contentOf(yield* UploadCache.get(FileSource.path(path))), "bbbb")
    }).pipe(Effect.scoped, Effect.provide(layer)))
})
