import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Layer, Stream } from "effect"
import { Files, FileSource, MessageBatches, Messages, Policy } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import { expectFailure } from "effect-anthropic-files/testing/Expect"
import * as FilesTest from "effect-anthropic-files/testing/FilesTest"
import { TestClock } from "effect/testing"

const read = (id: FilesTest.StoredFile["id"]) => Stream.mkString(Stream.decodeText(Files.download(id)))

const byName = (name: string) =>
  Effect.flatMap(FilesTest.stored, (files) => {
    const file = files.find((file) => file.filename === name)
    return file === undefined ? Effect.die(new Error(`no ${name}`)) : Effect.succeed(file)
  })

describe("seeded files", () => {
  it.effect("lists seeded files newest first by their age, and an expired one keeps its age", () =>
    Effect.gen(function*() {
      const files = yield* Stream.runCollect(Files.list())
      assert.deepStrictEqual(files.map(({ filename }) => filename), ["now.txt", "new.txt", "old.txt", "expired.txt"])
      const [now, , , expired] = files.map(({ created_at }) => created_at.epochMilliseconds)
      assert.strictEqual(Math.round(((now ?? 0) - (expired ?? 0)) / 86_400_000), 149)
    }).pipe(Effect.provide(FilesTest.layer({
      files: [
        FilesTest.uploaded("new.txt", "x", { age: "1 day" }),
        FilesTest.uploaded("old.txt", "x", { age: "100 days" }),
        FilesTest.expired(FilesTest.uploaded("expired.txt", "x", { age: "149 days" })),
        FilesTest.uploaded("now.txt", "x")
      ]
    }))))

  it.effect("an upload can be listed, but not downloaded", () =>
    Effect.gen(function*() {
      const [listed] = yield* Stream.runCollect(Files.list())
      if (listed === undefined) return assert.fail("it is listed")
      const { bytes: _, expired, text, ...metadata } = yield* byName("report.pdf")
      assert.deepStrictEqual(listed, metadata)
      assert.strictEqual(text, "%PDF-1.4")
      assert.isFalse(expired)
      assert.strictEqual(metadata.mime_type, "application/pdf")
      yield* expectFailure(read(listed.id), "FileNotDownloadable")
    }).pipe(Effect.provide(FilesTest.layer({ files: [FilesTest.uploaded("report.pdf", "%PDF-1.4")] }))))

  it.effect("a generated file can be downloaded by the id it was given", () =>
    Effect.gen(function*() {
      const file = yield* byName("out.csv")
      assert.strictEqual(file.id, "file_out")
      assert.strictEqual(yield* read(file.id), "a,b\n")
    }).pipe(
      Effect.provide(FilesTest.layer({ files: [FilesTest.generated("out.csv", "a,b\n", { id: "file_out" })] }))
    ))

  it.effect("an expiring file expires at its time, not before", () =>
    Effect.gen(function*() {
      const { id } = yield* byName("out.csv")
      yield* TestClock.adjust("119 minutes")
      assert.strictEqual(yield* read(id), "a,b\n")
      yield* TestClock.adjust("1 minute")
      const error = yield* expectFailure(read(id), "FileExpired")
      assert.strictEqual(error.fileId, id)
      assert.isTrue((yield* byName("out.csv")).expired)
    }).pipe(
      Effect.provide(FilesTest.layer({
        files: [FilesTest.expiring(FilesTest.generated("out.csv", "a,b\n", { age: "5 days" }), "2 hours")]
      }))
    ))

  it.effect("an expired file has metadata, but no content", () =>
    Effect.gen(function*() {
      const file = yield* byName("out.csv")
      assert.strictEqual((yield* Files.metadata(file.id)).size_bytes, 4)
      yield* expectFailure(read(file.id), "FileExpired")
      assert.strictEqual(file.text, "")
    }).pipe(Effect.provide(FilesTest.layer({ files: [FilesTest.expired(FilesTest.generated("out.csv", "a,b\n"))] }))))

  it.effect("the last one is the newest, and more can be added", () =>
    Effect.gen(function*() {
      const third = yield* FilesTest.seed(FilesTest.generated("c.txt", "c"))
      assert.deepStrictEqual((yield* FilesTest.stored).map((file) => file.filename), ["c.txt", "b.txt", "a.txt"])
      assert.strictEqual(yield* read(third.id), "c")
    }).pipe(
      Effect.provide(FilesTest.layer({ files: [FilesTest.uploaded("a.txt"), FilesTest.uploaded("b.txt")] }))
    ))
})

describe("the inspector", () => {
  const chunks = ["one ", "two ", "three"].map((text) => new TextEncoder().encode(text))

  it.effect("shows stored files, byte for byte", () =>
    Effect.gen(function*() {
      const bytes = Uint8Array.from({ length: 3000 }, (_, n) => n)
      yield* Files.upload(FileSource.bytes(bytes, "a.bin"), { expiresIn: "1 day", purpose: "batch" })
      const file = yield* byName("a.bin")
      assert.deepStrictEqual(file.bytes, bytes)
      assert.strictEqual(file.expires_at?.epochMilliseconds, 86_400_000)
      assert.strictEqual(file.purpose, "batch")
    }).pipe(Effect.provide(FilesTest.layer())))

  it.effect("shows each request with its parts, JSON, query and status", () =>
    Effect.gen(function*() {
      const file = yield* Files.upload(FileSource.text("hello", "a.txt"), { expiresIn: "1 hour" })
      yield* Files.listPage({ limit: 7 })
      yield* Stream.runDrain(Files.list({ ids: [file.id, "file_other" as typeof file.id] }))
      yield* Messages.create({ model: "m", max_tokens: 9, messages: [{ role: "user", content: "hi" }] })
      yield* Effect.flip(Stream.runDrain(Files.download(file.id)))
      const requests = yield* FilesTest.requests
      assert.deepStrictEqual(
        requests.map(({ method, operation, path, query, status }) => ({ method, operation, path, query, status })),
        [
          { method: "POST", operation: "upload", path: "/v1/files", query: {}, status: 200 },
          { method: "GET", operation: "list", path: "/v1/files", query: { limit: "7" }, status: 200 },
          {
            method: "GET",
            operation: "list",
            path: "/v1/files",
            query: { "ids[]": [file.id, "file_other"] },
            status: 200
          },
          { method: "POST", operation: "createMessage", path: "/v1/messages", query: {}, status: 200 },
          { method: "GET", operation: "content", path: `/v1/files/${file.id}/content`, query: {}, status: 400 }
        ]
      )
      assert.deepStrictEqual(
        requests[0]?.parts.map(({ contentType, filename, name, text }) => ({ contentType, filename, name, text })),
        [
          { contentType: undefined, filename: undefined, name: "expires_in_seconds", text: "3600" },
          { contentType: "text/plain", filename: "a.txt", name: "file", text: "hello" }
        ]
      )
      assert.deepStrictEqual(requests[3]?.json, {
        model: "m",
        max_tokens: 9,
        messages: [{ role: "user", content: "hi" }]
      })
      assert.deepStrictEqual(requests.map((request) => request.headers["x-api-key"]), Array(5).fill("<redacted>"))
    }).pipe(Effect.provide(FilesTest.layer())))

  it.effect("has the bytes of a stream that reuses its buffer", () =>
    Effect.gen(function*() {
      const buffer = new Uint8Array(5)
      const reused = Stream.map(Stream.fromIterable(chunks, { chunkSize: 1 }), (chunk) => {
        buffer.set(chunk)
        return buffer.subarray(0, chunk.length)
      })
      yield* Files.upload(FileSource.stream(reused, { filename: "a.txt", size: 13 }))
      const [request] = yield* FilesTest.requests
      assert.strictEqual(request?.parts[0]?.text, "one two three")
      assert.strictEqual((yield* byName("a.txt")).text, "one two three")
    }).pipe(Effect.provide(FilesTest.layer())))

  it.effect("shows requests without an answer, and every try of a policy", () =>
    Effect.gen(function*() {
      yield* FilesTest.fastForward(Files.upload(FileSource.text("x", "x.txt")))
      const requests = yield* FilesTest.requests
      assert.deepStrictEqual(
        requests.map(({ operation, status }) => [operation, status]),
        [["upload", undefined], ["list", 200]],
        "lost, and found by looking for it"
      )
      assert.strictEqual((yield* FilesTest.stored).length, 1)
    }).pipe(
      Effect.provide(FilesTest.layer(
        { faults: [Fault.reset({ at: "after", match: { operation: "upload" } })] },
        Policy.retry()
      ))
    ))
})

describe("the layer", () => {
  it.effect("has messages and batches too", () =>
    Effect.gen(function*() {
      const batch = yield* MessageBatches.create([{
        custom_id: "a",
        params: { model: "m", max_tokens: 9, messages: [{ role: "user", content: "hi" }] }
      }])
      yield* MessageBatches.wait(batch.id)
      const results = yield* Stream.runCollect(MessageBatches.results(batch.id))
      assert.deepStrictEqual(results.map((result) => result.custom_id), ["a"])
    }).pipe(Effect.provide(FilesTest.layer())))

  it.effect("uses the beta dialect if the client does", () =>
    Effect.gen(function*() {
      const page = yield* Files.listPage()
      assert.strictEqual(page.last_id, page.data[0]?.id)
      assert.isString(page.last_id)
    }).pipe(
      Effect.provide(FilesTest.layer({ client: { dialect: "beta" }, files: [FilesTest.uploaded("a.txt")] }))
    ))

  it.effect("applies faults, from the start or from now on", () =>
    Effect.gen(function*() {
      yield* expectFailure(Files.listPage(), "RequestFailed", "Overloaded")
      yield* Files.listPage()
      yield* FilesTest.fault(Fault.rateLimited({ retryAfter: "7 seconds" }))
      const error = yield* expectFailure(Files.listPage(), "RateLimited")
      assert.deepStrictEqual(error.retryAfter, Duration.seconds(7))
    }).pipe(Effect.provide(FilesTest.layer({ faults: [Fault.overloaded()] }))))

  it.effect("two of them share nothing", () =>
    Effect.gen(function*() {
      const one = yield* Layer.build(FilesTest.layer())
      const other = yield* Layer.build(FilesTest.layer())
      yield* Effect.provideContext(Files.upload(FileSource.text("x", "x.txt")), one)
      assert.strictEqual((yield* Effect.provideContext(FilesTest.stored, one)).length, 1)
      assert.deepStrictEqual(yield* Effect.provideContext(FilesTest.stored, other), [])
      assert.deepStrictEqual(yield* Effect.provideContext(FilesTest.requests, other), [])
    }))

  it.effect("gives access to the emulator", () =>
    Effect.gen(function*() {
      yield* (yield* Emulator.Emulator).advance("3 hours")
      const file = yield* Files.upload(FileSource.text("x", "x.txt"))
      assert.strictEqual(file.created_at.epochMilliseconds, 3 * 3_600_000)
    }).pipe(Effect.provide(FilesTest.layer())))

  it.effect("stores a thousand uploads", () =>
    Effect.gen(function*() {
      yield* Effect.forEach(
        Array.from({ length: 1000 }, (_, n) => n),
        (n) => Files.upload(FileSource.text(`${n}`, `${n}.txt`)),
        { concurrency: 16 }
      )
      const files = yield* FilesTest.stored
      assert.strictEqual(files.length, 1000)
      assert.strictEqual(new Set(files.map((file) => file.text)).size, 1000)
    }).pipe(Effect.provide(FilesTest.layer())))
})

describe("fastForward", () => {
  it.effect("runs everything in order of time", () =>
    Effect.gen(function*() {
      const times = yield* FilesTest.fastForward(Effect.gen(function*() {
        const times: Array<number> = []
        for (const wait of [100, 2500, 60_000]) {
          yield* Effect.sleep(wait)
          times.push(yield* Clock.currentTimeMillis)
        }
        return times
      }))
      assert.deepStrictEqual(times, [100, 2600, 62_600])
    }))

  it.live("says under the real clock what it needs", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(FilesTest.fastForward(Effect.void))
      assert.include(String(exit), "needs effect's TestClock")
    }))

  it.effect("passes a failure on", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(FilesTest.fastForward(Effect.delay(Effect.fail("late"), "3 hours"), "1 hour"))
      assert.strictEqual(error, "late")
    }))
})
