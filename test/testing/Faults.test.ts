import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Layer, Random, Stream } from "effect"
import { FileMetadata, Files, FileSource, Policy } from "effect-anthropic-files"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import { expectFailure } from "effect-anthropic-files/testing/Expect"
import * as Faults from "effect-anthropic-files/testing/Faults"
import * as FilesTest from "effect-anthropic-files/testing/FilesTest"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { TestClock } from "effect/testing"

const id = FileMetadata.FileId.make("file_chart")

const bytes = Uint8Array.from({ length: 1000 }, (_, n) => n)

const files = [FilesTest.generated("chart.png", bytes, { id })]

/** Faults above the emulator, which does its part without any of its own. */
const faulty = (...faults: ReadonlyArray<Fault.Fault>) => FilesTest.layer({ files }, Faults.layer(...faults))

const download = Stream.mkUint8Array(Files.download(id))

const upload = Files.upload(FileSource.text("hello", "a.txt"))

const streamed = Stream.fromIterable(Array.from({ length: 10 }, () => new Uint8Array(100)), { chunkSize: 1 })

const names = Effect.map(FilesTest.stored, (files) => files.map((file) => file.filename))

const sent = Effect.map(FilesTest.requests, (requests) => requests.map((request) => request.operation))

describe("each fault over any client", () => {
  it.effect("latency, by the clock", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Files.metadata(id))
      yield* TestClock.adjust("4999 millis")
      assert.deepStrictEqual(yield* sent, [])
      yield* TestClock.adjust("1 milli")
      yield* Fiber.join(fiber)
      assert.strictEqual(yield* Clock.currentTimeMillis, 5000)
    }).pipe(Effect.provide(faulty(Fault.latency({ duration: "2 seconds" }), Fault.latency({ duration: "3 seconds" })))))

  it.effect("a storm of 429 that ends", () =>
    Effect.gen(function*() {
      for (let n = 0; n < 20; n++) {
        const error = yield* expectFailure(Files.metadata(id), "RateLimited")
        assert.strictEqual(error.status, 429)
      }
      yield* Files.metadata(id)
      assert.deepStrictEqual(yield* sent, ["metadata"])
    }).pipe(Effect.provide(faulty(Fault.rateLimited({ retryAfter: "1 second", times: 20 })))))

  it.effect("an answer before or after the request is carried out", () =>
    Effect.gen(function*() {
      yield* expectFailure(upload, "RequestFailed", "Overloaded")
      assert.deepStrictEqual(yield* names, ["chart.png"])
      const error = yield* expectFailure(upload, "RequestFailed", "ServerFailed")
      assert.isTrue(error.isOutcomeUnknown)
      assert.deepStrictEqual(yield* names, ["a.txt", "chart.png"])
      yield* expectFailure(upload, "RequestFailed", "UnexpectedResponse")
      yield* expectFailure(upload, "RequestFailed", "UnexpectedResponse")
    }).pipe(Effect.provide(faulty(
      Fault.overloaded(),
      Fault.serverError({ at: "after", skip: 1 }),
      Fault.htmlPage({ status: 200, skip: 2 }),
      Fault.malformedJson({ skip: 3 })
    ))))

  it.effect("a reset before, in the middle of, and after a request", () =>
    Effect.gen(function*() {
      const before = yield* expectFailure(upload, "RequestFailed", "Unreachable")
      assert.include(before.message, "ECONNRESET")
      const source = FileSource.stream(streamed, { filename: "b.bin", size: 1000 })
      const during = yield* expectFailure(Files.upload(source), "TransferInterrupted")
      assert.strictEqual(during.reason, "Reset")
      assert.strictEqual(during.transferred, 400)
      assert.deepStrictEqual(yield* names, ["chart.png"])
      const after = yield* expectFailure(upload, "RequestFailed", "Unreachable")
      assert.isTrue(after.isOutcomeUnknown)
      assert.deepStrictEqual(yield* names, ["a.txt", "chart.png"])
    }).pipe(Effect.provide(faulty(
      Fault.reset({ at: "before" }),
      // The head of the multipart body counts too.
      Fault.reset({ at: "during", after: 500, skip: 1 }),
      Fault.reset({ at: "after", skip: 2 })
    ))))

  it.effect("a reset in the middle of an answer", () =>
    Effect.gen(function*() {
      const error = yield* expectFailure(download, "TransferInterrupted")
      assert.deepStrictEqual([error.reason, error.transferred, error.expected], ["Reset", 400, 1000])
    }).pipe(Effect.provide(faulty(Fault.reset({ at: "response", after: 400 })))))

  it.effect("a body that ends early, its length announced or not", () =>
    Effect.gen(function*() {
      const error = yield* expectFailure(download, "TransferInterrupted")
      assert.deepStrictEqual([error.reason, error.transferred, error.expected], ["Truncated", 400, 1000])
      assert.strictEqual((yield* download).length, 300, "no length, so the end looks like a good one")
    }).pipe(Effect.provide(faulty(
      Fault.truncate({ after: 400 }),
      Fault.truncate({ after: 300, keepLength: false, skip: 1 })
    ))))

  for (const when of ["before", "during", "after"] as const) {
    it.effect(`silence ${when} the request, until the client gives up`, () =>
      Effect.gen(function*() {
        const source = FileSource.stream(streamed, { filename: "b.bin", size: 1000 })
        const error = yield* Effect.flip(FilesTest.fastForward(Files.upload(source)))
        assert.isTrue(error.isRetryable)
        assert.isAtLeast(yield* Clock.currentTimeMillis, 60_000)
        assert.strictEqual((yield* names).includes("b.bin"), when === "after")
      }).pipe(Effect.provide(faulty(Fault.stall({ at: when, after: 500 })))))
  }

  it.effect("silence in the middle of an answer", () =>
    Effect.gen(function*() {
      const error = yield* FilesTest.fastForward(expectFailure(download, "TransferInterrupted"))
      assert.deepStrictEqual([error.reason, error.transferred], ["Stalled", 250])
    }).pipe(Effect.provide(faulty(Fault.stall({ at: "response", after: 250 })))))

  it.effect("a slow body, by the clock", () =>
    Effect.gen(function*() {
      const got = yield* FilesTest.fastForward(download)
      assert.deepStrictEqual(got, bytes)
      assert.isAtLeast(yield* Clock.currentTimeMillis, 10_000)
    }).pipe(Effect.provide(faulty(Fault.drip({ bytes: 100, every: "1 second" })))))

  it.effect("only matching requests", () =>
    Effect.gen(function*() {
      yield* Files.metadata(id)
      yield* upload
      yield* expectFailure(download, "RateLimited")
      assert.deepStrictEqual(yield* sent, ["metadata", "upload"])
    }).pipe(Effect.provide(faulty(Fault.rateLimited({ retryAfter: "1 second", match: { operation: "content" } })))))

  it.effect("match below a base URL with a path", () =>
    expectFailure(download, "RateLimited").pipe(Effect.provide(
      FilesTest.layerClient({ baseUrl: "http://localhost/gateway" }).pipe(
        Layer.provide(Faults.layer(Fault.rateLimited({ retryAfter: "1 second", match: { operation: "content" } }))),
        Layer.provide(HttpMock.layer())
      )
    )))
})

describe("with policies above", () => {
  it.effect("a storm of 429 is survived", () =>
    Effect.gen(function*() {
      const file = yield* FilesTest.fastForward(upload)
      assert.deepStrictEqual(yield* names, [file.filename, "chart.png"])
      const now = yield* Clock.currentTimeMillis
      assert.isAtLeast(now, 9000)
      assert.isAtMost(now, 13_000)
    }).pipe(
      Effect.provide(
        FilesTest.layer(
          { files },
          Policy.stack(Policy.retry(), Faults.layer(Fault.rateLimited({ retryAfter: "3 seconds", times: 3 })))
        )
      )
    ))

  it.effect("a broken download is continued", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* FilesTest.fastForward(download), bytes)
      assert.isAtLeast((yield* sent).length, 2)
    }).pipe(Effect.provide(FilesTest.layer(
      { files },
      Policy.stack(
        Policy.retry(),
        Faults.layer(Fault.truncate({ after: 400, match: { operation: "content" } }))
      )
    ))))

  it.effect("an upload whose answer is lost is stored once", () =>
    Effect.gen(function*() {
      yield* FilesTest.fastForward(upload)
      assert.deepStrictEqual(yield* names, ["a.txt", "chart.png"])
    }).pipe(Effect.provide(FilesTest.layer(
      { files },
      Policy.stack(
        Policy.retry(),
        Faults.layer(Fault.reset({ at: "after", match: { operation: "upload" } }))
      )
    ))))
})

describe("chance", () => {
  const hits = (seed: string, fault: Fault.Fault = Fault.overloaded({ times: null, probability: 0.5 })) =>
    Effect.forEach(Array.from({ length: 40 }), () => Effect.map(Effect.exit(Files.metadata(id)), Exit.isFailure)).pipe(
      Effect.provide(faulty(fault)),
      Random.withSeed(seed)
    )

  it.effect("repeats with its seed", () =>
    Effect.gen(function*() {
      const first = yield* hits("a")
      assert.deepStrictEqual(yield* hits("a"), first)
      assert.notDeepEqual(yield* hits("b"), first)
      const share = first.filter(Boolean).length
      assert.isTrue(share > 8 && share < 32, `${share} of 40`)
    }))

  it.effect("of a fault with its own seed depends on nothing else", () =>
    Effect.gen(function*() {
      const fault = Fault.overloaded({ times: null, probability: 0.5, seed: 7 })
      assert.deepStrictEqual(yield* hits("a", fault), yield* hits("b", fault))
    }))
})
