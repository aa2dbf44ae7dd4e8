import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Clock, DateTime, Effect, Fiber, FileSystem, Layer, Stream } from "effect"
import { FileMetadata, Files, FileSource, Policy } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpBody, HttpClient, HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import { drive, failure, layerOf, ok, outcomeOf, script, settle, wire } from "./support.ts"

const upload: Fault.Options = { match: { operation: "upload" } }

/** A client under a policy, the emulator beneath it. */
const withEmulator = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  policy: Policy.Policy = Policy.retry(),
  options: Partial<Files.Options> = {}
) =>
  Effect.provide(
    effect,
    Layer.unwrap(Effect.map(Emulator.Emulator, (emulator) =>
      Files.layer({ apiKey: emulator.apiKey, baseUrl: emulator.url, ...options }).pipe(Layer.provide(policy)))).pipe(
        Layer.provideMerge(Layer.merge(NodeFileSystem.layer, Emulator.layer()))
      )
  )

const names = Effect.flatMap(
  Emulator.Emulator,
  (emulator) => Effect.map(emulator.files, (files) => files.map((file) => file.filename))
)

const operations = Effect.flatMap(
  Emulator.Emulator,
  (emulator) => Effect.map(emulator.requests, (requests) => requests.map((request) => request.operation))
)

const hello = FileSource.text("hello", "a.txt")

/** Every way in which a file is stored and its answer lost. */
const losses: ReadonlyArray<readonly [string, Fault.Fault]> = [
  ["the connection is reset behind the body", Fault.reset({ at: "after", ...upload })],
  ["a 500 comes all the same", Fault.serverError({ at: "after", ...upload })],
  ["the answer breaks off", Fault.reset({ at: "response", after: 10, ...upload })],
  ["the answer is cut", Fault.truncate({ after: 10, ...upload })],
  ["the answer is cut and looks whole", Fault.truncate({ after: 10, keepLength: false, ...upload })],
  ["the answer is empty", Fault.emptyBody(upload)],
  ["the answer is no JSON", Fault.malformedJson(upload)],
  ["no answer comes", Fault.stall({ at: "after", ...upload })],
  ["the answer stalls", Fault.stall({ at: "response", after: 10, ...upload })]
]

/** Every way in which nothing is stored. */
const refusals: ReadonlyArray<readonly [string, Fault.Fault]> = [
  ["reset before", Fault.reset({ at: "before", ...upload })],
  ["reset during", Fault.reset({ at: "during", after: 1, ...upload })],
  ["stall during", Fault.stall({ at: "during", after: 1, ...upload })],
  ["a 500 before", Fault.serverError(upload)],
  ["a 529", Fault.overloaded(upload)],
  ["a 429", Fault.rateLimited({ retryAfter: "1 second", ...upload })],
  ["a page of a gateway", Fault.htmlPage(upload)]
]

const path = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const file = `${yield* fs.makeTempDirectoryScoped()}/a.txt`
  yield* fs.writeFileString(file, "x".repeat(3_000_000))
  return FileSource.path(file)
})

const cold = FileSource.stream(
  Stream.fromIterable(["hel", "lo"]).pipe(Stream.map((text) => new TextEncoder().encode(text))),
  { filename: "a.txt", replayable: true }
)

const sources = [["bytes", hello], ["a cold stream", cold]] as const

describe("an upload whose answer was lost", () => {
  for (const [kind, source] of sources) {
    for (const [name, fault] of losses) {
      it.effect(`${kind}, ${name}: it is found, and adopted`, () =>
        withEmulator(Effect.gen(function*() {
          const emulator = yield* Emulator.Emulator
          yield* emulator.addFault(fault)
          const file = yield* drive(Files.upload(source), 1000)
          assert.deepStrictEqual((yield* emulator.files).map((file) => file.id), [file.id])
          assert.deepStrictEqual(yield* operations, ["upload", "list"])
        })))
    }

    for (const [name, fault] of refusals) {
      it.effect(`${kind}, ${name}: it is sent again, once`, () =>
        withEmulator(Effect.gen(function*() {
          const emulator = yield* Emulator.Emulator
          yield* emulator.addFault(fault)
          const file = yield* drive(Files.upload(source), 1000)
          assert.deepStrictEqual((yield* emulator.files).map((file) => file.id), [file.id])
          assert.strictEqual((yield* operations).filter((operation) => operation === "upload").length, 2)
        })))
    }
  }

  // Reading a file takes real time.
  for (const [name, fault] of [...losses, ...refusals]) {
    it.live(`a path, ${name}: there is one file, byte for byte`, () =>
      withEmulator(
        Effect.scoped(Effect.gen(function*() {
          const emulator = yield* Emulator.Emulator
          yield* emulator.addFault(fault)
          const file = yield* Files.upload(yield* path)
          assert.deepStrictEqual((yield* emulator.files).map((file) => file.id), [file.id])
          assert.strictEqual((yield* emulator.content(file.id))?.length, 3_000_000)
        })),
        Policy.retry({ baseDelay: "10 millis" }),
        { idleTimeout: "250 millis" }
      ))
  }

  it.effect("resend: two files afterwards", () =>
    withEmulator(Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      yield* emulator.addFault(Fault.serverError({ at: "after", ...upload }))
      yield* drive(Files.upload(hello, { onUnknownOutcome: "resend" }), 1000)
      assert.deepStrictEqual(yield* operations, ["upload", "upload"])
      assert.strictEqual((yield* names).length, 2)
    })))

  it.effect("fail: the error says that the outcome is unknown, and nothing is sent", () =>
    withEmulator(Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      yield* emulator.addFault(Fault.serverError({ at: "after", ...upload }))
      const error = yield* Effect.flip(drive(Files.upload(hello, { onUnknownOutcome: "fail" }), 1000))
      assert.strictEqual(outcomeOf(error), "ServerFailed")
      assert.isTrue(error.isOutcomeUnknown)
      assert.deepStrictEqual(yield* operations, ["upload"])
      // What is known to have failed is sent again all the same.
      yield* emulator.reset
      yield* emulator.addFault(Fault.overloaded(upload))
      yield* drive(Files.upload(hello, { onUnknownOutcome: "fail" }), 1000)
      assert.deepStrictEqual(yield* operations, ["upload", "upload"])
    })))

  it.effect("is found and adopted in the beta dialect too", () =>
    withEmulator(
      Effect.gen(function*() {
        const emulator = yield* Emulator.Emulator
        yield* emulator.addFault(Fault.reset({ at: "after", ...upload }))
        const file = yield* drive(Files.upload(hello), 1000)
        assert.deepStrictEqual((yield* emulator.files).map((file) => file.id), [file.id])
      }),
      Policy.retry(),
      { dialect: "beta" }
    ))

  it.effect("is found after two losses and a lost listing", () =>
    withEmulator(Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      yield* emulator.setFaults([
        Fault.reset({ at: "before", ...upload }),
        Fault.reset({ at: "after", ...upload, skip: 1 }),
        Fault.reset({ at: "before", match: { operation: "list" } })
      ])
      const file = yield* drive(Files.upload(hello), 1000)
      assert.deepStrictEqual((yield* emulator.files).map((file) => file.id), [file.id])
    })))

  it.effect("a listing that fails permanently leaves the outcome unknown, and nothing is sent", () =>
    withEmulator(Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      yield* emulator.setFaults([
        Fault.reset({ at: "after", ...upload }),
        Fault.serverError({ match: { operation: "list" }, times: null })
      ])
      const error = yield* Effect.flip(drive(Files.upload(hello), 1000))
      // The upload's own error, not the listing's.
      assert.strictEqual(error.operation, "upload")
      assert.strictEqual(outcomeOf(error), "Unreachable")
      assert.isTrue(error.isOutcomeUnknown)
      assert.strictEqual((yield* operations).filter((operation) => operation === "upload").length, 1)
    })))

  it.effect("is found and adopted where the service lists the oldest first, on the last page", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(2_000_000_000)
      const weeksAgo = (n: number) => new Date(1_000_000_001 + n * 1001).toISOString()
      const files = Array.from(
        { length: 250 },
        (_, n) => wire({ id: `file_${n}`, filename: "other", created_at: weeksAgo(n) })
      )
      const from = HttpMock.answering((request) => {
        if (request.method === "POST") {
          const created_at = new Date(2_000_000_000).toISOString()
          files.push(wire({ id: "file_lost", filename: "a.txt", size_bytes: 5, created_at }))
          return HttpMock.broken("ECONNRESET")
        }
        const at = Number(request.query["page"] ?? 0)
        const next = at + 100
        return Response.json({ data: files.slice(at, next), next_page: next < files.length ? String(next) : null })
      })
      const file = yield* drive(Effect.provide(Files.upload(hello), layerOf(from.client, Policy.retry())), 1000)
      assert.strictEqual(file.id, "file_lost")
      assert.deepStrictEqual(from.requests().map(({ method }) => method), ["POST", "GET", "GET", "GET"])
    }))

  it.effect("is found on the first page although a file stands out of order there, and no further page is asked for", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(2_000_000_000)
      const before = (n: number) => new Date(1_900_000_001 - n * 1001).toISOString()
      const old = Array.from({ length: 99 }, (_, n) =>
        // The second was uploaded slowly, and has the time at which its upload began.
        wire({ id: `file_${n}`, filename: "other", created_at: before(n === 1 ? 50 : n) }))
      const files: Array<unknown> = []
      const from = HttpMock.answering((request, n) => {
        if (request.method === "GET") return Response.json({ data: [...files, ...old], next_page: `p${n}` })
        const created_at = new Date(2_000_000_000).toISOString()
        files.push(wire({ id: "file_lost", filename: "a.txt", size_bytes: 5, created_at }))
        return HttpMock.broken("ECONNRESET")
      })
      const file = yield* drive(Effect.provide(Files.upload(hello), layerOf(from.client, Policy.retry())), 1000)
      assert.strictEqual(file.id, "file_lost")
      assert.deepStrictEqual(from.requests().map(({ method }) => method), ["POST", "GET"])
    }))

  it.effect("more new files than can be searched leave the outcome unknown", () =>
    Effect.gen(function*() {
      const others = Array.from({ length: 100 }, (_, n) => wire({ id: `file_${n}`, filename: `${n}` }))
      const from = HttpMock.answering((request, n) =>
        request.method === "POST" ? HttpMock.broken("ECONNRESET") : Response.json({ data: others, next_page: `p${n}` })
      )
      const error = yield* Effect.flip(
        drive(Effect.provide(Files.upload(hello), layerOf(from.client, Policy.retry())), 1000)
      )
      assert.isTrue(error.isOutcomeUnknown)
      assert.strictEqual(from.requests().filter(({ method }) => method === "POST").length, 1)
      assert.strictEqual(from.requests().filter(({ method }) => method === "GET").length, 50)
    }))
})

describe("a source that can be read only once", () => {
  const once = () => FileSource.stream(Stream.make(new TextEncoder().encode("hello")), { filename: "a.txt" })

  for (const [name, fault] of losses) {
    it.effect(`is not sent twice, and the first error is the one given: ${name}`, () =>
      withEmulator(Effect.gen(function*() {
        const emulator = yield* Emulator.Emulator
        yield* emulator.addFault(fault)
        const error = yield* Effect.flip(drive(Files.upload(once()), 1000))
        assert.notStrictEqual(error._tag, "SourceFailed")
        assert.deepStrictEqual(yield* operations, ["upload"])
      })))
  }

  for (
    const [name, answer, tag] of [
      ["a 429", () => failure(429), "RateLimited"],
      ["a 529", () => failure(529), "Overloaded"],
      ["a 503", () => failure(503), "ServerFailed"],
      ["a 409", () => failure(409), "ServerFailed"],
      ["a reset", () => HttpMock.broken("ECONNRESET"), "Unreachable"]
    ] as const
  ) {
    it.effect(`is not sent twice once it was read: ${name}`, () =>
      Effect.gen(function*() {
        const from = script(answer, () => ok({ size_bytes: 5 }))
        const error = yield* Effect.flip(
          drive(Effect.provide(Files.upload(once()), layerOf(from.client, Policy.retry())), 1000)
        )
        assert.strictEqual(outcomeOf(error), tag)
        assert.deepStrictEqual(from.requests().map(({ method }) => method), ["POST"])
      }))
  }

  for (const [name, fault] of refusals.filter(([name]) => !name.startsWith("stall"))) {
    it.effect(`is sent again as long as none of it was read: ${name}`, () =>
      withEmulator(Effect.gen(function*() {
        const emulator = yield* Emulator.Emulator
        let read = 0
        const source = FileSource.stream(
          Stream.suspend(() => {
            read++
            return Stream.make(new TextEncoder().encode("hello"))
          }),
          { filename: "a.txt" }
        )
        // In process nobody takes the body of a request that is refused.
        yield* emulator.addFault(fault)
        const file = yield* drive(Files.upload(source), 100)
        assert.deepStrictEqual((yield* emulator.files).map((file) => file.id), [file.id])
        assert.strictEqual(read, 1)
      })))
  }

  it.effect("a refused connection is enough to know that nothing was stored", () =>
    Effect.gen(function*() {
      const from = script(() => HttpMock.broken("ECONNREFUSED"), () => ok({ size_bytes: 5 }))
      yield* drive(Effect.provide(Files.upload(hello), layerOf(from.client, Policy.retry())), 1000)
      assert.deepStrictEqual(from.requests().map(({ method }) => method), ["POST", "POST"])
    }))
})

describe("twins", () => {
  const seeded = (twin: Emulator.SeedFile, options?: Files.UploadOptions) =>
    withEmulator(Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      yield* TestClock.setTime(1_000_000)
      // Someone else's, stored while ours is under way; ours is lost without having been stored.
      yield* emulator.seed({ content: "hello", ...twin })
      yield* emulator.addFault(Fault.reset({ at: "before", ...upload }))
      return [
        yield* Effect.result(drive(Files.upload(hello, options), 1000)),
        yield* emulator.files,
        yield* operations
      ] as const
    }))

  const apart: ReadonlyArray<readonly [string, Emulator.SeedFile, Files.UploadOptions?]> = [
    ["an older one", { filename: "a.txt", createdAt: DateTime.makeUnsafe(1_000_000 - 30 * 86_400_000) }],
    ["another size", { filename: "a.txt", content: "hello!" }],
    ["another name", { filename: "b.txt" }],
    ["another type", { filename: "a.txt", mimeType: "text/html" }, { mimeType: "text/plain" }],
    ["an expiry", { filename: "a.txt", expiresIn: "2 hours" }],
    ["no expiry", { filename: "a.txt" }, { expiresIn: "2 hours" }],
    ["another expiry", { filename: "a.txt", expiresIn: "3 hours" }, { expiresIn: "2 hours" }],
    ["what a tool made", { filename: "a.txt", downloadable: true }]
  ]
  for (const [name, twin, options] of apart) {
    it.effect(`${name} is not adopted`, () =>
      Effect.gen(function*() {
        const [result, files, done] = yield* seeded(twin, options)
        assert(result._tag === "Success")
        assert.strictEqual(files.length, 2)
        assert.strictEqual(result.success.id, files[0]?.id)
        assert.deepStrictEqual(done, ["upload", "list", "list", "upload"])
      }))
  }

  it.effect("one that looks a minute older, by a service that does not tell its time, leaves the outcome unknown", () =>
    Effect.gen(function*() {
      const [result, files] = yield* seeded({ filename: "a.txt", createdAt: DateTime.makeUnsafe(1_000_000 - 60_000) })
      assert(result._tag === "Failure")
      assert.isTrue(result.failure.isOutcomeUnknown)
      assert.strictEqual(files.length, 1)
    }))

  it.effect("one that can't be told apart is adopted, as is documented", () =>
    Effect.gen(function*() {
      const [result, files] = yield* seeded({ filename: "a.txt" })
      assert(result._tag === "Success")
      assert.deepStrictEqual(files.map((file) => file.id), [result.success.id])
    }))

  it.effect("if two files could be the upload, none is adopted, and the outcome is unknown", () =>
    withEmulator(Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      yield* emulator.seed({ filename: "a.txt", content: "hello" })
      yield* emulator.addFault(Fault.reset({ at: "after", ...upload }))
      const error = yield* Effect.flip(drive(Files.upload(hello), 1000))
      assert.isTrue(error.isOutcomeUnknown)
      assert.strictEqual(outcomeOf(error), "Unreachable")
      assert.strictEqual((yield* emulator.files).length, 2)
    })))

  it.effect("is found below a slower one that began earlier: newest first need not mean by time", () =>
    withEmulator(Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      yield* TestClock.setTime(1_000_123)
      // Now the client knows the service's clock.
      yield* Files.upload(FileSource.text("first", "first.txt"))
      yield* TestClock.adjust("20 seconds")
      yield* emulator.addFault(Fault.reset({ at: "after", ...upload }))
      const lost = yield* Effect.forkChild(Files.upload(hello))
      while ((yield* emulator.files).length < 2) yield* settle
      const began = DateTime.makeUnsafe(1_010_123)
      yield* emulator.seed({ filename: "slow.txt", content: "slow", createdAt: began })
      const file = yield* drive(Fiber.join(lost), 1000)
      assert.deepStrictEqual((yield* emulator.files).map(({ filename }) => filename).toSorted(), [
        "a.txt",
        "first.txt",
        "slow.txt"
      ])
      assert.strictEqual(file.filename, "a.txt")
      assert.deepStrictEqual(yield* operations, ["upload", "upload", "list"])
    })))

  it.effect("a file of this client's that is accounted for is not adopted", () =>
    withEmulator(Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const first = yield* Files.upload(hello)
      yield* emulator.addFault(Fault.reset({ at: "before", ...upload }))
      const second = yield* drive(Files.upload(hello), 1000)
      assert.notStrictEqual(second.id, first.id)
      assert.strictEqual((yield* emulator.files).length, 2)
    })))

  it.effect("this client's own upload of the same name at the same time is not stolen", () =>
    withEmulator(Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      // The first stores its file and takes ten seconds to say so, the second is lost at once.
      yield* emulator.setFaults([
        Fault.drip({ bytes: 20, every: 500, ...upload }),
        Fault.reset({ at: "before", ...upload, skip: 1 })
      ])
      const both = yield* Effect.forkChild(
        Effect.all([Files.upload(hello), Files.upload(hello)], { concurrency: 2 })
      )
      const [one, other] = yield* drive(Fiber.join(both), 100)
      assert.notStrictEqual(one.id, other.id)
      assert.strictEqual((yield* emulator.files).length, 2)
    })))

  it.effect("an upload that starts during the listing is not stolen either", () =>
    Effect.gen(function*() {
      const stored: Array<Record<string, unknown>> = []
      let posts = 0
      const from = HttpMock.answering((request) => {
        if (request.method === "GET") {
          // Answered late, with what is there by then.
          return Effect.andThen(
            Effect.sleep("2 seconds"),
            Effect.sync(() => Response.json({ data: stored.slice().reverse(), next_page: null }))
          )
        }
        posts++
        if (posts === 1) return HttpMock.broken("ECONNRESET")
        const file = wire({ id: `file_${posts}`, size_bytes: 5 })
        stored.push(file)
        return Effect.as(Effect.sleep("3 seconds"), Response.json(file))
      })
      const layer = layerOf(from.client, Policy.retry())
      const result = yield* Effect.gen(function*() {
        const lost = yield* Effect.forkChild(Files.upload(hello))
        yield* settle
        // Into the listing.
        yield* TestClock.adjust("1 second")
        yield* settle
        assert.deepStrictEqual(from.requests().map(({ method }) => method), ["POST", "GET"])
        const other = yield* Effect.forkChild(Files.upload(hello))
        return yield* drive(Effect.all([Fiber.join(lost), Fiber.join(other)]), 100)
      }).pipe(Effect.provide(layer))
      assert.notStrictEqual(result[0].id, result[1].id)
      assert.strictEqual(stored.length, 2)
    }))

  it.effect("two lost at once that left a file leave both outcomes unknown", () =>
    withEmulator(Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      yield* emulator.setFaults([
        Fault.reset({ at: "after", ...upload }),
        Fault.reset({ at: "before", ...upload, skip: 1 })
      ])
      const results = yield* drive(
        Effect.all([Effect.flip(Files.upload(hello)), Effect.flip(Files.upload(hello))], { concurrency: 2 }),
        100
      )
      assert.deepStrictEqual(results.map((error) => error.isOutcomeUnknown), [true, true])
      assert.strictEqual((yield* emulator.files).length, 1)
    })))

  it.effect("a file that may be an earlier lost upload's is not adopted", () =>
    withEmulator(Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      // The first is stored, and its caller wants to know nothing more; the second is not stored.
      yield* emulator.setFaults([
        Fault.serverError({ at: "after", ...upload }),
        Fault.stall({ at: "before", ...upload, skip: 1 })
      ])
      const [first, second] = yield* drive(
        Effect.all([
          Effect.flip(Files.upload(hello, { onUnknownOutcome: "fail" })),
          Effect.flip(Files.upload(hello))
        ], { concurrency: 2 }),
        1000
      )
      assert.deepStrictEqual([first.isOutcomeUnknown, second.isOutcomeUnknown], [true, true])
      assert.strictEqual((yield* emulator.files).length, 1)
    })))

  it.effect("a file that an interrupted upload may have left is not adopted", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1_000_123)
      // The first is stored a second after its caller has gone, when the second one is under way, which is not stored.
      const created_at = new Date(1_001_223).toISOString()
      const from = HttpMock.answering((request, n) => {
        if (request.method === "GET") {
          return Response.json({ data: [wire({ id: "file_first", size_bytes: 5, created_at })], next_page: null })
        }
        return n === 1 ? HttpMock.silence : HttpMock.broken("ECONNRESET")
      })
      const error = yield* Effect.gen(function*() {
        const first = yield* Effect.forkChild(Files.upload(hello))
        yield* settle
        yield* Fiber.interrupt(first)
        yield* TestClock.adjust("1 second")
        return yield* Effect.flip(drive(Files.upload(hello), 100))
      }).pipe(Effect.provide(layerOf(from.client, Policy.retry())))
      assert.isTrue(error.isOutcomeUnknown)
      assert.strictEqual(from.requests().filter(({ method }) => method === "POST").length, 2)
    }))

  it.effect("uploads of the same name and other sizes do not wait for each other", () =>
    withEmulator(Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      yield* emulator.setFaults([
        Fault.stall({ at: "after", ...upload }),
        Fault.reset({ at: "after", ...upload, skip: 1 })
      ])
      const slow = yield* Effect.forkChild(Files.upload(FileSource.text("much longer", "a.txt")))
      yield* settle
      const file = yield* drive(Files.upload(hello), 100)
      assert.strictEqual(file.size_bytes, 5)
      assert.isUndefined(slow.pollUnsafe())
      yield* Fiber.interrupt(slow)
    })))
})

it.effect("an upload that ended without an answer is forgotten: ten minutes later it casts no doubt on another of its name", () =>
  Effect.gen(function*() {
    const stored: Array<Record<string, unknown>> = []
    const clock = yield* Clock.Clock
    const from = HttpMock.answering((request) => {
      if (request.method === "GET") return Response.json({ data: stored.slice().reverse(), next_page: null })
      if (clock.currentTimeMillisUnsafe() > 600_000) {
        const created_at = new Date(request.at).toISOString()
        stored.push(wire({ id: `file_${stored.length + 1}`, size_bytes: 5, created_at }))
      }
      return HttpMock.broken("ECONNRESET")
    })
    yield* Effect.gen(function*() {
      const first = yield* Effect.flip(drive(Files.upload(hello, { onUnknownOutcome: "fail" }), 100))
      assert.isTrue(first.isOutcomeUnknown)
      yield* TestClock.adjust("10 minutes")
      yield* TestClock.adjust("1 second")
      const file = yield* drive(Files.upload(hello), 100)
      assert.deepStrictEqual(stored.map(({ id }) => id), [file.id])
    }).pipe(Effect.provide(layerOf(from.client, Policy.retry())))
  }))

describe("clocks that differ", () => {
  const hour = 3_600_000
  /** The service's clock is that far ahead of ours. */
  const apart = (ahead: number, twinAge: number | undefined) =>
    Effect.gen(function*() {
      yield* TestClock.setTime(100 * hour)
      const stored: Array<Record<string, unknown>> = []
      const at = (millis: number) => new Date(millis + ahead).toISOString()
      if (twinAge !== undefined) {
        stored.push(wire({ id: "file_twin", size_bytes: 5, created_at: at(100 * hour - twinAge) }))
      }
      let posts = 0
      const from = HttpMock.answering((request) => {
        const date = new Date(request.at + ahead).toUTCString()
        if (request.method === "GET") {
          return Response.json({ data: stored.slice().reverse(), next_page: null }, { headers: { date } })
        }
        posts++
        if (posts === 1 && twinAge !== undefined) return HttpMock.broken("ECONNRESET")
        stored.push(wire({ id: `file_${posts}`, size_bytes: 5, created_at: at(request.at) }))
        return posts === 1 ? HttpMock.broken("ECONNRESET") : Response.json(stored.at(-1))
      })
      const result = yield* drive(
        Effect.result(Effect.provide(Files.upload(hello), layerOf(from.client, Policy.retry()))),
        1000
      )
      return [result, stored.length] as const
    })

  for (const ahead of [-hour, -20_000, 0, 20_000, hour]) {
    it.effect(`the service is ${ahead / 1000} seconds ahead: a lost upload is never stored twice`, () =>
      Effect.gen(function*() {
        const [, stored] = yield* apart(ahead, undefined)
        assert.strictEqual(stored, 1)
      }))

    it.effect(`the service is ${ahead / 1000} seconds ahead: a twin a minute older is not taken for the upload`, () =>
      Effect.gen(function*() {
        const [result] = yield* apart(ahead, 60_000)
        if (result._tag === "Success") assert.notStrictEqual(result.success.id, "file_twin")
        else assert.isTrue(result.failure.isOutcomeUnknown)
      }))
  }
})

describe("three clocks: the service's, a proxy's date header, this machine's", () => {
  const minutes = 60_000
  const days = 24 * 60 * minutes
  interface World {
    /** The clock that stamps files is so far ahead of this machine's. */
    readonly stamps: number
    /** The date header, or none. */
    readonly date: number | undefined
    /** Another program's file of the same name and size, so much older than the upload. */
    readonly stranger?: number
    /** The lost upload is stored, so long after its request. */
    readonly storedAfter?: number
    readonly rename?: (name: string) => string
    readonly before?: Effect.Effect<unknown, unknown, Files.Files>
    readonly filename?: string
  }
  const run = (world: World) =>
    Effect.gen(function*() {
      const start = 1000 * days
      yield* TestClock.setTime(start)
      const clock = yield* Clock.Clock
      const stored: Array<Record<string, unknown>> = []
      const stamp = (millis: number) => new Date(millis + world.stamps).toISOString()
      let posts = 0
      const store = (at: number) => {
        const filename = (world.rename ?? ((name: string) => name))(world.filename ?? "a.txt")
        const file = wire({ id: `file_${stored.length + 1}`, filename, size_bytes: 5, created_at: stamp(at) })
        stored.push(file)
        return file
      }
      const from = HttpMock.answering((request) => {
        const date = world.date === undefined ? undefined : new Date(request.at + world.date).toUTCString()
        const headers = date === undefined ? {} : { date }
        if (request.method === "GET") {
          const now = clock.currentTimeMillisUnsafe() + world.stamps
          const visible = stored.filter(({ created_at }) => Date.parse(String(created_at)) <= now)
          return Response.json({ data: visible.slice().reverse(), next_page: null }, { headers })
        }
        posts++
        if (posts > 1) return Response.json(store(request.at), { headers })
        if (world.storedAfter !== undefined) store(request.at + world.storedAfter)
        return HttpMock.broken("ECONNRESET")
      })
      const source = FileSource.text("hello", world.filename ?? "a.txt")
      const effect = Effect.gen(function*() {
        if (world.stranger !== undefined) {
          stored.push(wire({ id: "file_stranger", size_bytes: 5, created_at: stamp(start - world.stranger) }))
        }
        if (world.before !== undefined) yield* world.before
        return yield* Effect.result(Files.upload(source))
      })
      const result = yield* drive(Effect.provide(effect, layerOf(from.client, Policy.retry())), 100)
      return { result, stored: stored.length, posts }
    })

  for (const stamps of [0, -3 * minutes, 3 * minutes, -2 * days, 2 * days]) {
    for (const date of [undefined, 0, -5 * minutes, 5 * minutes, -3 * days, 3 * days]) {
      it.effect(`files ${stamps / minutes} min, date ${date === undefined ? "absent" : `${date / minutes} min`} ahead: one file`, () =>
        Effect.gen(function*() {
          const { posts, result, stored } = yield* run({ stamps, date, storedAfter: 300 })
          assert.strictEqual(stored, 1)
          assert.strictEqual(posts, 1)
          if (result._tag === "Failure") assert.isTrue(result.failure.isOutcomeUnknown)
        }))
    }
  }

  for (const stranger of [1, 100, 900, 1500, 4500, 30_000]) {
    for (const date of [undefined, 0, 400, 20_000]) {
      // Clocks that agree to the second are taken for the same, as is documented.
      if (date === 400 && stranger < date) continue
      it.effect(
        `a stranger's file that is ${stranger} ms older is never taken, date ${
          date === undefined ? "absent" : `${date} ms ahead`
        }`,
        () =>
          Effect.gen(function*() {
            const { result } = yield* run({ stamps: date ?? 0, date, stranger })
            if (result._tag === "Success") assert.notStrictEqual(result.success.id, "file_stranger")
            else assert.isTrue(result.failure.isOutcomeUnknown)
          })
      )
    }
  }

  it.effect("where the clocks agree, a file that was stored is taken for the answer", () =>
    Effect.gen(function*() {
      for (const date of [undefined, 0]) {
        const { posts, result, stored } = yield* run({ stamps: 0, date, storedAfter: 100 })
        assert(result._tag === "Success")
        assert.deepStrictEqual([posts, stored], [1, 1])
      }
    }))

  it.effect("a file that this client has seen before is known not to be the upload's: the file is sent again", () =>
    Effect.gen(function*() {
      for (const stamps of [0, -3 * minutes, 2 * days]) {
        const { posts, result } = yield* run({
          stamps,
          date: 5 * minutes,
          stranger: 60_000,
          before: Effect.andThen(Files.listPage(), Effect.sleep("2 seconds"))
        })
        assert(result._tag === "Success")
        assert.notStrictEqual(result.success.id, "file_stranger")
        assert.strictEqual(posts, 2)
      }
    }))

  it.effect("a file that is stored 300 ms after the first look is found by the second", () =>
    Effect.gen(function*() {
      // The first look comes half a second after the request.
      const { posts, stored } = yield* run({ stamps: 0, date: 0, storedAfter: 900 })
      assert.deepStrictEqual([posts, stored], [1, 1])
    }))

  const renames: ReadonlyArray<readonly [string, (name: string) => string]> = [
    ["NFC", (name) => name.normalize("NFC")],
    ["NFD", (name) => name.normalize("NFD")],
    ["read as Latin-1", (name) => Buffer.from(name).toString("latin1")],
    ["blanks as _", (name) => name.replaceAll(" ", "_")],
    ["blanks as -", (name) => name.replaceAll(" ", "-")],
    ["read as Latin-1 twice", (name) => Buffer.from(Buffer.from(name).toString("latin1")).toString("latin1")],
    ["percent-encoded", encodeURIComponent],
    ["with ? for what is not ASCII", (name) => name.normalize().replace(/[^\x20-\x7e]/g, "?")],
    ["without what is not ASCII", (name) => name.normalize().replace(/[^\x20-\x7e]/g, "")],
    ["without accents", (name) => name.normalize("NFD").replace(/\p{M}/gu, "")],
    ["a slug", (name) => name.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replace(/[^a-z0-9.]+/g, "-")],
    ["in quotes", (name) => `"${name}"`],
    ["a path", (name) => `uploads/${name}`],
    ["lower case", (name) => name.toLowerCase()],
    ["trimmed", (name) => name.trim()]
  ]
  for (const [how, rename] of renames) {
    it.effect(`a name that the service changes still counts, ${how}: one file`, () =>
      Effect.gen(function*() {
        const { result, stored } = yield* run({
          stamps: 0,
          date: 0,
          storedAfter: 100,
          filename: "Mein Re\u0301sume\u0301 2.txt",
          rename
        })
        assert.strictEqual(stored, 1)
        if (result._tag === "Failure") assert.isTrue(result.failure.isOutcomeUnknown)
      }))
  }
})

describe("another Effect client's multipart POST", () => {
  const bodies: ReadonlyArray<readonly [string, () => HttpBody.HttpBody]> = [
    ["FormData", () => {
      const form = new FormData()
      form.set("file", new File(["hello"], "a.txt"))
      return HttpBody.formData(form)
    }],
    ["bytes", () => HttpBody.uint8Array(new Uint8Array(5), "multipart/form-data; boundary=x")],
    ["a stream", () => HttpBody.stream(Stream.make(new Uint8Array(5)), "multipart/form-data; boundary=x")]
  ]
  const post = (from: HttpMock.Mock, body: HttpBody.HttpBody, method: "POST" | "PUT" = "POST") =>
    HttpClient.HttpClient.pipe(
      Effect.flatMap((client) => client.execute(HttpClientRequest.make(method)("http://localhost/other", { body }))),
      Effect.provide(layerOf(from.client, Policy.retry())),
      Effect.result,
      (effect) => drive(effect, 1000)
    )

  for (const [name, body] of bodies) {
    it.effect(`${name}: never again on an unknown outcome`, () =>
      Effect.gen(function*() {
        for (const status of [500, 502, 503, 504]) {
          const from = script(() => failure(status), () => ok())
          const result = yield* post(from, body())
          assert(result._tag === "Success")
          assert.strictEqual(result.success.status, status)
          assert.strictEqual(from.requests().length, 1, `${status}`)
        }
        for (const code of ["ECONNRESET", "EPIPE", "ETIMEDOUT"]) {
          const from = script(() => HttpMock.broken(code), () => ok())
          assert.strictEqual((yield* post(from, body()))._tag, "Failure")
          assert.strictEqual(from.requests().length, 1, code)
        }
      }))

    it.effect(`${name}: again where nothing can have been done`, () =>
      Effect.gen(function*() {
        for (const status of [408, 409, 429, 529]) {
          const from = script(() => failure(status), () => ok())
          assert.strictEqual((yield* post(from, body()))._tag, "Success")
          assert.strictEqual(from.requests().length, 2, `${status}`)
        }
        for (const code of ["ECONNREFUSED", "ENOTFOUND"]) {
          const from = script(() => HttpMock.broken(code), () => ok())
          assert.strictEqual((yield* post(from, body()))._tag, "Success")
          assert.strictEqual(from.requests().length, 2, code)
        }
      }))
  }

  it.effect("other requests are tried again", () =>
    Effect.gen(function*() {
      const json = script(() => failure(500), () => ok())
      yield* post(json, HttpBody.jsonUnsafe({}))
      assert.strictEqual(json.requests().length, 2)
      const put = script(() => failure(500), () => ok())
      yield* post(put, HttpBody.uint8Array(new Uint8Array(1), "multipart/form-data; boundary=x"), "PUT")
      assert.strictEqual(put.requests().length, 2)
    }))
})

it.effect("a delete whose answer was lost has deleted", () =>
  withEmulator(Effect.gen(function*() {
    const emulator = yield* Emulator.Emulator
    for (const [, fault] of losses) {
      const file = yield* emulator.seed({ filename: "a.txt" })
      yield* emulator.setFaults([{ ...fault, match: { operation: "delete" } }])
      const gone = yield* drive(Files.delete(FileMetadata.FileId.make(file.id)), 1000)
      assert.strictEqual(gone.id, file.id)
      assert.strictEqual((yield* emulator.files).length, 0)
    }
    // One that never was there is not found, whatever went wrong before.
    yield* emulator.setFaults([Fault.overloaded({ match: { operation: "delete" } })])
    const error = yield* Effect.flip(drive(Files.delete(FileMetadata.FileId.make("file_none")), 1000))
    assert.strictEqual(error._tag, "FileNotFound")
  })))

describe("what the source of an upload asks elsewhere", () => {
  const other = HttpClient.HttpClient.use((client) => client.get("http://other/document"))
  const passedOn = FileSource.stream(
    Stream.unwrap(Effect.map(
      Effect.filterOrFail(other, ({ status }) => status === 200, ({ status }) => status),
      (response) => response.stream
    )),
    { filename: "document.txt" }
  )

  it.effect("is tried again as any other request is, and passed on", () =>
    Effect.gen(function*() {
      let asked = 0
      const from = HttpMock.answering(({ method }) => {
        if (method === "POST") return ok()
        return ++asked < 3 ? failure(503) : new Response("x")
      })
      yield* drive(Effect.provide(Files.upload(passedOn), layerOf(from.client, Policy.retry())), 1000)
      assert.strictEqual(asked, 3)
    }))

  it.effect("does not open the service's circuit when it fails", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering(({ path }) => path === "/document" ? failure(503) : ok())
      const policy = Policy.circuitBreaker()
      yield* drive(
        Effect.gen(function*() {
          for (let n = 0; n < 6; n++) yield* Effect.flip(Files.upload(passedOn))
          yield* Files.metadata(FileMetadata.FileId.make("file_1"))
        }).pipe(Effect.provide(layerOf(from.client, policy))),
        1000
      )
    }))
})
