/**
 * In a worker a timer belongs to the request that made it and ends with that one, and a request that its caller leaves
 * is gone in the middle of a step, without cleaning up. No other request may wait for one.
 */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Redacted } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import { http, rawServer } from "../support/rawServer.ts"
import { wire } from "../support/wire.ts"
import * as Workerd from "./workerd.ts"

const worker = Workerd.serve("test/runtimes/worker.ts")

type Query = Readonly<Record<string, string>>

const send = (url: string, query: Query, init: RequestInit = {}) =>
  Effect.promise((signal) => fetch(`${url}/?${new URLSearchParams(query)}`, { ...init, signal }))

/** What the worker says, within a bound: it must never hang. */
const ask = (url: string, query: Query, init?: RequestInit) =>
  Effect.timeout(
    Effect.flatMap(send(url, query, init), (response) => Effect.promise(() => response.text())),
    "8 seconds"
  )

/** Asks, and goes away. */
const leave = (url: string, query: Query, after: "100 millis" | "300 millis") =>
  Effect.timeoutOption(ask(url, query), after)

const together = <A, E>(...effects: ReadonlyArray<Effect.Effect<A, E>>) =>
  Effect.all(effects, { concurrency: "unbounded" })

const file = (id: string) =>
  http(
    200,
    JSON.stringify(wire({ id, size_bytes: 5, downloadable: true }))
  )

/** A worker beside an emulator. */
const beside = Effect.gen(function*() {
  const emulator = yield* Effect.provide(Emulator.Emulator, yield* Layer.build(NodeEmulator.layerServer()))
  return { emulator, url: yield* worker, at: { service: emulator.url, key: Redacted.value(emulator.apiKey) } }
})

describe("in workerd", () => {
  it.live("two requests overlap, the first ends first, and the second keeps its limit", () =>
    Effect.scoped(Effect.gen(function*() {
      const service = yield* rawServer(({ head, socket }) => {
        if (head.includes("file_slow")) setTimeout(() => socket.end(file("file_slow")), 300)
      })
      const url = yield* worker
      const at = { service: service.url, key: "sk-ant-test-key" }
      for (let round = 0; round < 3; round++) {
        const answers = yield* together(
          ask(url, { ...at, id: "file_slow" }),
          Effect.delay(ask(url, { ...at, id: "file_silent" }), "100 millis")
        )
        assert.deepStrictEqual(answers, ["file_slow", "TimedOut"])
      }
      // And so does one that comes after all others are gone.
      assert.strictEqual(yield* ask(url, { ...at, id: "file_silent" }), "TimedOut")
    })))

  it.live("a request that its caller leaves takes no other's limit along, with the standard policy or without", () =>
    Effect.scoped(Effect.gen(function*() {
      const service = yield* rawServer(() => undefined)
      const url = yield* worker
      const at = { service: service.url, key: "sk-ant-test-key" }
      for (const policy of ["none", "opensSoon"]) {
        yield* leave(url, { ...at, policy, id: "file_1" }, "100 millis")
        assert.strictEqual(yield* ask(url, { ...at, id: "file_2" }), "TimedOut")
      }
    })))

  it.live("more requests at once than the standard policy lets through for each are all answered", () =>
    Effect.scoped(Effect.gen(function*() {
      const { at, emulator, url } = yield* beside
      const { id } = yield* emulator.seed({ filename: "a.txt", content: "a" })
      const asked = Array.from({ length: 40 }, () => ask(url, { ...at, policy: "standard", id }))
      assert.deepStrictEqual(new Set(yield* together(...asked)), new Set<string>([id]))
    })))

  it.live("requests share one rate, and one that is left while it waits for its turn keeps no other from its own", () =>
    Effect.scoped(Effect.gen(function*() {
      const { at, emulator, url } = yield* beside
      const { id } = yield* emulator.seed({ filename: "a.txt", content: "a" })
      const query = { ...at, policy: "oneEachSecond", id }
      const begun = performance.now()
      assert.deepStrictEqual(yield* together(ask(url, query), ask(url, query), ask(url, query)), [id, id, id])
      assert.isAtLeast(performance.now() - begun, 1_900)
      yield* leave(url, query, "100 millis")
      assert.strictEqual(yield* ask(url, query), id)
    })))

  it.live("a 529 is tried again, and an open circuit waited for, by the request that met them", () =>
    Effect.scoped(Effect.gen(function*() {
      const { at, emulator, url } = yield* beside
      const { id } = yield* emulator.seed({ filename: "a.txt", content: "a" })
      const overloaded = (times: number) => Fault.answer({ status: 529, type: "overloaded_error", times })
      yield* emulator.addFault(overloaded(2))
      assert.strictEqual(yield* ask(url, { ...at, policy: "standard", id }), id)
      yield* emulator.addFault(overloaded(2))
      const asked = Effect.timed(ask(url, { ...at, policy: "opensSoon", id }))
      const [met, other] = yield* Effect.all([asked, Effect.delay(asked, "400 millis")], { concurrency: 2 })
      assert.deepStrictEqual([met[1], other[1]], [id, id])
      assert.isAtLeast(Duration.toMillis(met[0]), 900)
      assert.isBelow(Duration.toMillis(other[0]), 900)
    })))

  it.live("lookups of overlapping requests are answered each in its own, whoever is left", () =>
    Effect.scoped(Effect.gen(function*() {
      const { at, emulator, url } = yield* beside
      const files = yield* Effect.forEach(["a", "b", "c"], (content) => emulator.seed({ filename: content, content }))
      yield* emulator.addFault(Fault.latency({ duration: 300, times: null, match: { operation: "list" } }))
      const lookups = files.map(({ id }) => ask(url, { ...at, do: "find", id }))
      assert.deepStrictEqual(yield* together(...lookups), files.map(({ id }): string => id))
      const left = leave(url, { ...at, do: "find", id: "file_gone" }, "100 millis")
      const [, ...rest] = yield* together<unknown, unknown>(left, ...lookups)
      assert.deepStrictEqual(rest, files.map(({ id }) => id))
    })))

  it.live("P16: a content that several requests ask for at once is uploaded once, also when the first is left", () =>
    Effect.scoped(Effect.gen(function*() {
      const { at, emulator, url } = yield* beside
      yield* emulator.addFault(Fault.latency({ duration: 300, times: null, match: { operation: "upload" } }))
      const asked = ask(url, { ...at, content: "the same" })
      assert.strictEqual(new Set(yield* together(asked, asked, asked)).size, 1)
      assert.strictEqual((yield* emulator.files).length, 1)
      const [, id] = yield* together<unknown, unknown>(
        leave(url, { ...at, content: "left" }, "100 millis"),
        Effect.delay(ask(url, { ...at, content: "left" }), "150 millis")
      )
      assert.match(String(id), /^file_/)
      assert.strictEqual((yield* emulator.files).length, 2)
    })))

  it.live("a request that is left goes on to its end where the worker waits for it", () =>
    Effect.scoped(Effect.gen(function*() {
      const { at, emulator, url } = yield* beside
      yield* emulator.addFault(Fault.latency({ duration: 300, times: null, match: { operation: "upload" } }))
      const query = { ...at, content: "goes on", goesOn: "yes" }
      yield* leave(url, query, "100 millis")
      yield* Effect.sleep("400 millis")
      const begun = performance.now()
      assert.match(yield* ask(url, query), /^file_/)
      // It is in the cache: no lease has to run out first.
      assert.isBelow(performance.now() - begun, 900)
      assert.strictEqual((yield* emulator.files).length, 1)
    })))

  it.live("a body is uploaded as it comes", () =>
    Effect.scoped(Effect.gen(function*() {
      const { at, emulator, url } = yield* beside
      const size = 3_000_000
      const body = new Uint8Array(size).fill(7)
      assert.strictEqual(yield* ask(url, at, { method: "POST", body }), String(size))
      assert.strictEqual((yield* emulator.files).length, 1)
    })))

  it.live("a content comes through as it comes, and the connection ends with the caller's", () =>
    Effect.scoped(Effect.gen(function*() {
      let finish = () => {}
      const service = yield* rawServer(({ head, socket }) => {
        if (!head.includes("/content")) return void socket.end(file("file_1"))
        socket.write(
          "HTTP/1.1 200 OK\r\ncontent-length: 6\r\ncontent-type: application/octet-stream\r\nconnection: close\r\n\r\nfir"
        )
        finish = () => void socket.end("st!")
      })
      const url = yield* worker
      const at = { service: service.url, key: "sk-ant-test-key", do: "download", id: "file_1" }
      const response = yield* send(url, at)
      const reader = response.body?.getReader()
      const next = Effect.timeout(Effect.promise(async () => reader?.read()), "5 seconds")
      assert.strictEqual(new TextDecoder().decode((yield* next)?.value), "fir")
      finish()
      assert.strictEqual(new TextDecoder().decode((yield* next)?.value), "st!")

      const left = yield* send(url, at)
      yield* Effect.promise(async () => left.body?.cancel())
      yield* Effect.gen(function*() {
        while (service.open() > 0) yield* Effect.sleep("20 millis")
      }).pipe(Effect.timeout("5 seconds"))
    })))

  it.live("the worker of examples/worker uploads, lists and hands through, and tells what is wrong", () =>
    Effect.scoped(Effect.gen(function*() {
      const emulator = yield* Effect.provide(Emulator.Emulator, yield* Layer.build(NodeEmulator.layerServer()))
      const url = yield* Workerd.serve("examples/worker/worker.ts", {
        ANTHROPIC_API_KEY: Redacted.value(emulator.apiKey),
        ANTHROPIC_BASE_URL: emulator.url
      })
      const call = (path: string, init?: RequestInit) =>
        Effect.promise((signal) =>
          fetch(`${url}${path}`, { ...init, signal }).then(async (response) => ({
            status: response.status,
            text: await response.text()
          }))
        )
      const made = yield* emulator.seed({ filename: "made.csv", content: "a,b\n", downloadable: true })
      const uploaded = yield* call("/report%20one.txt", { method: "PUT", body: "What is in it." })
      assert.include(uploaded.text, "\"report one.txt\"")
      assert.include((yield* call("/")).text, made.id)
      assert.deepStrictEqual(yield* call(`/${made.id}`), { status: 200, text: "a,b\n" })
      assert.strictEqual((yield* call("/file_011CNha8iCJcU1wXNR6q4V8w")).status, 404)
      assert.strictEqual((yield* call("/", { method: "DELETE" })).status, 405)
    })))
})
