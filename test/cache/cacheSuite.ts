import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Layer, Stream } from "effect"
import { type FileMetadata, Files, FilesError, FileSource } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as UploadCache from "effect-anthropic-files/UploadCache"
import type * as UploadStore from "effect-anthropic-files/UploadStore"
import type { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { files } from "../support/emulated.ts"
import { type Place, platform } from "./stores.ts"

export const layer = files().pipe(Layer.provideMerge(Emulator.layer()), Layer.provideMerge(platform))

export const posts = Effect.gen(function*() {
  const emulator = yield* Emulator.Emulator
  return (yield* emulator.requests).filter((request) => request.method === "POST").length
})

export const requests = Effect.gen(function*() {
  const emulator = yield* Emulator.Emulator
  return (yield* emulator.requests).length
})

/** Deletes as another client, so that this client's cache does not notice. */
export const deleteElsewhere = (id: FileMetadata.FileId) =>
  Effect.gen(function*() {
    const { apiKey, url } = yield* Emulator.Emulator
    const other = yield* Files.make({ apiKey, baseUrl: url })
    yield* other.delete(id)
  })

export const text = (content: string, name = "x.txt") => FileSource.text(content, name)

export const upload: Fault.Options = { match: { operation: "upload" } }

/**
 * The promises of the cache over every store.
 *
 * @param lookUps how many requests it may take to look up 30 entries at the same time
 */
export const cacheSuite = (name: string, place: Place, lookUps = 10): void => {
  describe(`upload cache, ${name}`, () => {
    const test = (
      title: string,
      body: (
        /** The same store in another process. */
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

    test("the same content is uploaded once, under any name and from any source", (another) =>
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
        // Another type or another content is another file.
        yield* UploadCache.get(text("content"), { mimeType: "text/markdown" })
        yield* UploadCache.get(text("another"))
        assert.strictEqual(yield* posts, 3)
      }))

    test(
      "P16: concurrent calls, in one process and in several, make one POST",
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
        // One request for all entries that the store answers at the same time.
        assert.isBelow(after - before, lookUps)
        // They have just been confirmed.
        yield* another(all)
        assert.strictEqual(yield* requests, after)
      }))

    test("a file that is about to expire is not returned", () =>
      Effect.gen(function*() {
        const first = yield* UploadCache.get(text("content"), { expiresIn: "1 hour" })
        yield* TestClock.adjust("49 minutes")
        assert.strictEqual((yield* UploadCache.get(text("content"))).id, first.id)
        yield* TestClock.adjust("2 minutes")
        const second = yield* UploadCache.get(text("content"))
        assert.notStrictEqual(second.id, first.id)
        assert.strictEqual(second.expires_at, null)
      }))

    test("a file that this client deletes is not returned again, by any cache over the store", (another) =>
      Effect.gen(function*() {
        const first = yield* UploadCache.get(text("content"))
        yield* Files.delete(first.id)
        const second = yield* another(UploadCache.get(text("content")))
        assert.notStrictEqual(second.id, first.id)
        assert.strictEqual((yield* UploadCache.get(text("content"))).id, second.id)
        // Also if the service says that it is already gone.
        yield* deleteElsewhere(second.id)
        yield* Effect.flip(Files.delete(second.id))
        assert.notStrictEqual((yield* UploadCache.get(text("content"))).id, second.id)
        assert.strictEqual(yield* posts, 3)
      }))

    test("maxAge comes from the call, else from the cache, and 0 looks up every time", (another) =>
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

    test("invalidate forgets a file by its id or by its source, and does not delete it", (another) =>
      Effect.gen(function*() {
        const first = yield* UploadCache.get(text("content"))
        yield* UploadCache.invalidate(first.id)
        const second = yield* another(UploadCache.get(text("content")))
        yield* another(UploadCache.invalidate(text("content", "other.txt")))
        const third = yield* UploadCache.get(text("content"))
        assert.strictEqual(new Set([first.id, second.id, third.id]).size, 3)
        assert.strictEqual((yield* (yield* Emulator.Emulator).files).length, 3)
        // Forgetting an unknown file has no effect.
        yield* UploadCache.invalidate(text("never seen"))
        yield* UploadCache.invalidate("file_unknown" as FileMetadata.FileId)
        assert.strictEqual((yield* UploadCache.get(text("content"))).id, third.id)
      }))

    test("use runs again with a new upload if the file is gone", () =>
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

    test("a failed upload is repeated, and one whose answer was lost is found again", (another) =>
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

        // Another content with the same name and size, which must not be taken for it.
        yield* emulator.addFault(Fault.serverError(upload))
        yield* Effect.flip(UploadCache.get(text("c")))
        const other = yield* UploadCache.get(text("c"))
        assert.notInclude([found.id], other.id)
        assert.strictEqual((yield* emulator.files).length, 3)
      }))

    test("after an interruption the next call finds the stored file at once", (another) =>
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
