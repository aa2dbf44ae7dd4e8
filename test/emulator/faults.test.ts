import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import { HttpClient, type HttpClientError } from "effect/http"
import { TestClock } from "effect/testing"
import { call, errorOf, get, json, request, socket, upload, ways } from "./support.ts"

const seedDownload = Effect.gen(function*() {
  const emulator = yield* Emulator
  return yield* emulator.seed({ filename: "d.bin", content: "x".repeat(10_000), downloadable: true })
})

/** The status and the bytes of a download, and how it ended. */
const download = Effect.fnUntraced(function*(id: string) {
  const client = yield* HttpClient.HttpClient
  const response = yield* client.execute(yield* request("GET", `/v1/files/${id}/content`))
  let bytes = 0
  const end = yield* response.stream.pipe(
    Stream.runForEach((chunk) =>
      Effect.sync(() => {
        bytes += chunk.byteLength
      })
    ),
    Effect.result
  )
  return { status: response.status, length: response.headers["content-length"], bytes, end: end._tag }
})

const failure = <A, R>(effect: Effect.Effect<A, HttpClientError.HttpClientError, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason._tag)

/** Lets sockets do what they do, until it is done. */
const until = Effect.fnUntraced(function*<R>(done: Effect.Effect<boolean, never, R>) {
  while (!(yield* done)) yield* Effect.promise(() => new Promise(setImmediate))
})

const inject = (...faults: ReadonlyArray<Fault.Fault>) =>
  Effect.flatMap(Emulator, (emulator) => emulator.setFaults(faults))

const stored = Effect.flatMap(Emulator, (emulator) => Effect.map(emulator.files, (files) => files.length))

for (const [name, reach] of ways) {
  // What fetch makes of a broken connection is its own affair.
  if (name.endsWith("fetch")) continue
  describe(`faults, ${name}`, () => {
    it.effect("answer with any status, code and headers", () =>
      Effect.gen(function*() {
        yield* inject(
          Fault.rateLimited({ retryAfter: "7 seconds" }),
          Fault.overloaded({ skip: 0 }),
          Fault.answer({
            status: 429,
            type: "rate_limit_error",
            errorCode: "enforced_spend_limit_reached",
            headers: { "x-should-retry": "false" }
          }),
          Fault.htmlPage(),
          Fault.emptyBody(),
          Fault.malformedJson()
        )
        // All six are armed; the first one that still has a hit left answers.
        const limited = yield* get("/v1/files")
        assert.deepStrictEqual(errorOf(limited), { status: 429, type: "rate_limit_error" })
        assert.strictEqual(limited.headers["retry-after"], "7")
      }).pipe(Effect.provide(reach())))

    it.effect("answer one after the other, and then let requests pass", () =>
      Effect.gen(function*() {
        yield* inject(
          Fault.overloaded(),
          Fault.serverError(),
          Fault.htmlPage({ status: 503 }),
          Fault.emptyBody(),
          Fault.malformedJson()
        )
        assert.deepStrictEqual(errorOf(yield* get("/v1/files")), { status: 529, type: "overloaded_error" })
        assert.deepStrictEqual(errorOf(yield* get("/v1/files")), { status: 500, type: "api_error" })
        const page = yield* get("/v1/files")
        assert.strictEqual(page.status, 503)
        assert.include(page.headers["content-type"], "text/html")
        assert.include(page.text, "<h1>503</h1>")
        const empty = yield* get("/v1/files")
        assert.deepStrictEqual([empty.status, empty.text], [200, ""])
        const broken = yield* get("/v1/files")
        assert.strictEqual(broken.status, 200)
        assert.isUndefined(broken.json)
        assert.strictEqual((yield* get("/v1/files")).json.next_page, null)
      }).pipe(Effect.provide(reach())))

    it.effect("answer after the request was carried out, so the file is stored", () =>
      Effect.gen(function*() {
        yield* inject(Fault.serverError({ at: "after" }))
        assert.strictEqual((yield* upload()).status, 500)
        assert.strictEqual(yield* stored, 1)
        yield* inject(Fault.serverError())
        assert.strictEqual((yield* upload()).status, 500)
        assert.strictEqual(yield* stored, 1)
      }).pipe(Effect.provide(reach())))

    it.effect("reset before, during and after a request", () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator
        yield* inject(Fault.reset({ at: "before" }))
        assert.strictEqual(yield* failure(upload()), "TransportError")
        assert.strictEqual(yield* stored, 0)
        yield* inject(Fault.reset({ at: "during", after: 50_000 }))
        assert.strictEqual(yield* failure(upload({ content: "x".repeat(200_000) })), "TransportError")
        assert.strictEqual(yield* stored, 0)
        yield* inject(Fault.reset({ at: "after" }))
        assert.strictEqual(yield* failure(upload()), "TransportError")
        assert.strictEqual(yield* stored, 1)
        assert.deepStrictEqual((yield* emulator.requests).map((request) => request.failure), [
          "Reset before the request was read",
          "Reset while the body was sent",
          "Reset before the answer was sent"
        ])
        assert.strictEqual((yield* get("/v1/files")).status, 200)
      }).pipe(Effect.provide(reach())))

    it.effect("reset, truncate and close in the middle of an answer", () =>
      Effect.gen(function*() {
        const { id } = yield* seedDownload
        yield* inject(Fault.reset({ at: "response", after: 4000 }))
        const cut = yield* download(id)
        assert.deepStrictEqual([cut.status, cut.length, cut.end], [200, "10000", "Failure"])
        assert.isAtMost(cut.bytes, 4000)
        yield* inject(Fault.truncate({ after: 4000 }))
        const short = yield* download(id)
        assert.deepStrictEqual([short.status, short.length, short.bytes], [200, "10000", 4000])
        // A socket notices; in process it is for the client to compare.
        assert.strictEqual(short.end, name.startsWith("on a socket") ? "Failure" : "Success")
        yield* inject(Fault.truncate({ after: 4000, keepLength: false }))
        const quiet = yield* download(id)
        assert.deepStrictEqual(quiet, { status: 200, length: undefined, bytes: 4000, end: "Success" })
        assert.deepStrictEqual(yield* download(id), { status: 200, length: "10000", bytes: 10_000, end: "Success" })
      }).pipe(Effect.provide(reach())))

    it.effect("truncate JSON", () =>
      Effect.gen(function*() {
        yield* inject(Fault.truncate({ after: 10, keepLength: false }))
        assert.strictEqual((yield* get("/v1/files")).text, "{\"data\":[]")
      }).pipe(Effect.provide(reach())))

    it.effect("wait, and then let the request pass", () =>
      Effect.gen(function*() {
        yield* inject(Fault.latency({ duration: "1 second" }), Fault.latency({ duration: 500 }))
        const fiber = yield* Effect.forkChild(get("/v1/files"))
        const seen = Effect.flatMap(Emulator, (emulator) => Effect.map(emulator.requests, (all) => all.length === 1))
        yield* until(seen)
        yield* TestClock.adjust(1499)
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust(1)
        assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
      }).pipe(Effect.provide(reach())))

    it.effect("stall before, during and after a request, and in the middle of an answer", () =>
      Effect.gen(function*() {
        const { id } = yield* seedDownload
        for (
          const [fault, call] of [
            [Fault.stall({ at: "before" }), upload()],
            [Fault.stall({ at: "during", after: 0 }), upload()],
            [Fault.stall({ at: "after" }), upload()],
            [Fault.stall({ at: "response", after: 5000 }), download(id)]
          ] as const
        ) {
          yield* inject(fault)
          const before = (yield* Effect.flatMap(Emulator, (emulator) => emulator.requests)).length
          const files = yield* stored
          const fiber = yield* Effect.forkChild(call)
          yield* until(
            Effect.flatMap(Emulator, (emulator) => Effect.map(emulator.requests, (all) => all.length > before))
          )
          if (fault.at === "after") {
            yield* until(Effect.map(Effect.orDie(stored), (count) => count > files))
          }
          for (let i = 0; i < 50; i++) yield* Effect.promise(() => new Promise(setImmediate))
          assert.isUndefined(fiber.pollUnsafe(), JSON.stringify(fault))
          yield* Fiber.interrupt(fiber)
        }
        assert.strictEqual((yield* get("/v1/files")).status, 200)
      }).pipe(Effect.provide(reach())))

    it.effect("drips", () =>
      Effect.gen(function*() {
        const { id } = yield* seedDownload
        yield* inject(Fault.drip({ bytes: 1000, every: 100 }))
        const fiber = yield* Effect.forkChild(download(id))
        const seen = Effect.flatMap(Emulator, (emulator) => Effect.map(emulator.requests, (all) => all.length === 1))
        yield* until(seen)
        for (let i = 0; i < 9; i++) {
          yield* TestClock.adjust(100)
          yield* Effect.promise(() => new Promise(setImmediate))
          assert.isUndefined(fiber.pollUnsafe())
        }
        while (fiber.pollUnsafe() === undefined) {
          yield* TestClock.adjust(100)
          yield* Effect.promise(() => new Promise(setImmediate))
        }
        assert.deepStrictEqual(yield* Fiber.join(fiber), {
          status: 200,
          length: "10000",
          bytes: 10_000,
          end: "Success"
        })
      }).pipe(Effect.provide(reach())))

    it.effect("hit only requests that match", () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator
        const { id } = yield* seedDownload
        yield* inject(
          Fault.overloaded({ match: { operation: "metadata" }, times: null }),
          Fault.serverError({ match: { method: "delete" }, times: null }),
          Fault.htmlPage({ match: { path: `/v1/files/${id}/content` }, times: null })
        )
        for (let i = 0; i < 3; i++) {
          assert.strictEqual((yield* get(`/v1/files/${id}`)).status, 529)
          assert.strictEqual((yield* call("DELETE", `/v1/files/${id}`)).status, 500)
          assert.strictEqual((yield* get(`/v1/files/${id}/content?x=1`)).status, 502)
          assert.strictEqual((yield* get("/v1/files")).status, 200)
        }
        yield* emulator.setFaults([])
        assert.strictEqual((yield* get(`/v1/files/${id}`)).status, 200)
      }).pipe(Effect.provide(reach())))
  })
}

describe("faults", () => {
  const reach = ways[0]?.[1] ?? socket

  it.effect("hit by count, and by a probability that repeats with its seed", () =>
    Effect.gen(function*() {
      const statuses = Effect.fnUntraced(function*(fault: Fault.Fault, requests: number) {
        yield* inject(fault)
        const out: Array<number> = []
        for (let i = 0; i < requests; i++) out.push((yield* get("/v1/files")).status)
        return out
      })
      assert.deepStrictEqual(yield* statuses(Fault.overloaded({ skip: 2, times: 3 }), 7), [
        200,
        200,
        529,
        529,
        529,
        200,
        200
      ])
      assert.deepStrictEqual(yield* statuses(Fault.overloaded({ times: 0 }), 2), [200, 200])
      const half = (seed: number) => statuses(Fault.overloaded({ times: null, probability: 0.5, seed }), 200)
      const first = yield* half(1)
      const hits = first.filter((status) => status === 529).length
      assert.isTrue(hits > 60 && hits < 140, String(hits))
      assert.deepStrictEqual(yield* half(1), first)
      assert.notDeepEqual(yield* half(2), first)
      assert.notInclude(yield* statuses(Fault.overloaded({ times: null, probability: 0 }), 20), 529)
    }).pipe(Effect.provide(reach())))

  it.effect("can be set from the start", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* get("/v1/files")).status, 529)
    }).pipe(Effect.provide(reach({ faults: [Fault.overloaded()] }))))

  it.effect("are the same as JSON", () =>
    Effect.gen(function*() {
      const all = [
        Fault.rateLimited({ retryAfter: "1 second" }),
        Fault.overloaded({ match: { method: "GET", operation: "list", path: "/v1/files" } }),
        Fault.serverError({ at: "after", skip: 1, times: null, probability: 0.5, seed: 3 }),
        Fault.htmlPage(),
        Fault.malformedJson(),
        Fault.emptyBody(),
        Fault.reset({ at: "during", after: 10 }),
        Fault.stall({ at: "response", after: 5 }),
        Fault.truncate({ after: 3, keepLength: false }),
        Fault.latency({ duration: 10 }),
        Fault.drip({ bytes: 1, every: 2 })
      ]
      assert.deepStrictEqual(yield* Fault.decode(JSON.parse(JSON.stringify(all))), all)
      assert.deepStrictEqual(
        yield* Fault.decode([{ _tag: "Latency", duration: "2 seconds" }, { _tag: "Drip", bytes: 5, every: 10 }]),
        [Fault.latency({ duration: "2 seconds" }), Fault.drip({ bytes: 5, every: 10 })]
      )
    }))

  it.effect.each<readonly [input: unknown, message: string]>([
    [{}, "faults: Expected a list."],
    [[null], "faults[0]: Expected an object."],
    [
      [{ _tag: "Stall", at: "after", matches: { operation: "list" } }],
      "faults[0].matches is not a known key; expected one of _tag, at, after, match, skip, times, probability, seed."
    ],
    [
      [{ _tag: "Latency", duration: 1, match: { op: "list" } }],
      "faults[0].match.op is not a known key; expected one of method, operation, path."
    ],
    [
      [Fault.overloaded(), { matches: {}, status: 500 }],
      "faults[1]._tag: Expected one of Latency, Answer, Reset, Stall, Truncate, Drip; unknown keys: matches."
    ],
    [[{ _tag: "Reset", at: "never" }], "faults[0].at: Expected \"before\" | \"during\" | \"after\" | \"response\"."],
    [[{ _tag: "Truncate" }], "faults[0].after is missing."],
    [[{ _tag: "Latency", duration: "soon" }], "faults[0].duration: Expected a valid Duration string."],
    [[{ _tag: "Latency", duration: -1 }], "faults[0].duration: Expected a value greater than or equal to 0."]
  ])(
    "a list of faults that is wrong is refused with what is wrong in it: %j",
    ([input, message]) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Fault.decode(input))
        assert.strictEqual(error._tag, "InvalidConfig")
        assert.strictEqual(error.message, message)
      })
  )

  it.effect("that end a request hit one at a time: the others wait for the next request", () =>
    Effect.gen(function*() {
      yield* inject(
        Fault.overloaded(),
        Fault.latency({ duration: 0 }),
        Fault.serverError(),
        Fault.truncate({ after: 10 }),
        Fault.rateLimited({ times: 2, skip: 1 })
      )
      const statuses: Array<number> = []
      for (let i = 0; i < 6; i++) statuses.push((yield* get("/v1/files")).status)
      assert.deepStrictEqual(statuses, [529, 500, 200, 429, 429, 200])
    }).pipe(Effect.provide(reach())))

  it.effect("can be set and removed over the admin route", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator
      const put = (faults: unknown) => call("PUT", "/_emulator/faults", { body: json(faults) })
      assert.strictEqual((yield* put([Fault.overloaded({ times: null })])).status, 200)
      assert.strictEqual((yield* get("/v1/files")).status, 529)
      const listed: unknown = (yield* get("/_emulator/faults")).json.data
      assert.deepStrictEqual(listed, [{ ...Fault.overloaded({ times: null }), hits: 1 }])
      yield* call("POST", "/_emulator/faults", { body: json([Fault.latency({ duration: 0 })]) })
      assert.strictEqual((yield* emulator.faults).length, 2)
      for (const wrong of [{}, [{ _tag: "Explode" }], [{ _tag: "Reset", at: "never" }]]) {
        assert.deepStrictEqual(errorOf(yield* put(wrong)), { status: 400, type: "invalid_request_error" })
      }
      assert.strictEqual((yield* emulator.faults).length, 2)
      yield* call("DELETE", "/_emulator/faults")
      assert.strictEqual((yield* get("/v1/files")).status, 200)

      yield* upload({}, { fields: { expires_in_seconds: "3600" } })
      yield* call("POST", "/_emulator/clock", { body: json({ advance: 3_600_000 }) })
      assert.isTrue((yield* emulator.files)[0]?.expired)
      assert.isAbove((yield* get("/_emulator/requests")).text.length, 500)
      yield* call("POST", "/_emulator/reset")
      assert.deepStrictEqual(yield* emulator.files, [])
    }).pipe(Effect.provide(socket({ adminRoute: true }))))
})
