import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema, Stream } from "effect"
import { Files, Policy } from "effect-anthropic-files"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { generator } from "../../src/emulator/internal/faults.ts"
import * as Checksum from "../../src/internal/files/checksum.ts"
import { drive, failure, id, layerOf, outcomeOf } from "./support.ts"

const random = generator(42)
const content = Uint8Array.from({ length: 1000 }, () => Math.floor(random() * 256))

/** A body that gives these bytes in chunks and then ends, breaks or says nothing more. */
const body = (bytes: Uint8Array, end: "end" | "break" | "stall", size = 64): ReadableStream<Uint8Array> => {
  let at = 0
  return new ReadableStream<Uint8Array>({
    pull: (controller) => {
      if (at < bytes.length) {
        controller.enqueue(bytes.slice(at, at + size))
        at += size
        return undefined
      }
      if (end === "end") controller.close()
      else if (end === "break") controller.error(Object.assign(new Error("reset"), { code: "ECONNRESET" }))
      else return new Promise(() => undefined)
      return undefined
    }
  }, { highWaterMark: 0 })
}

interface Part {
  /** Bytes until it breaks. */
  readonly until: number
  readonly end?: "break" | "stall" | "end"
  /** Whether a range is served. */
  readonly ranges?: boolean
  readonly length?: boolean
  readonly content?: Uint8Array
}

const from = (request: HttpMock.Received): number =>
  Number(/^bytes=(\d+)-$/.exec(request.headers["range"] ?? "")?.[1] ?? 0)

/** Serves the content, breaking off as told; behind the last part it is whole. */
const serve = (parts: ReadonlyArray<Part | HttpMock.Reply>) =>
  HttpMock.answering((request, n) => {
    const part = parts[n - 1] ?? { until: Infinity, end: "end" as const }
    if (typeof part === "symbol" || !("until" in part)) return part
    const all = part.content ?? content
    const start = part.ranges === true ? from(request) : 0
    const bytes = all.slice(start, Math.max(start, part.until))
    const headers: Record<string, string> = part.length === false
      ? { "transfer-encoding": "chunked" }
      : { "content-length": String(all.length - start) }
    if (part.ranges === true && start > 0) headers["content-range"] = `bytes ${start}-${all.length - 1}/${all.length}`
    return new Response(body(bytes, part.until >= all.length ? part.end ?? "end" : part.end ?? "break"), {
      status: part.ranges === true && start > 0 ? 206 : 200,
      headers
    })
  })

const download = (server: ReturnType<typeof serve>, policy: Policy.Policy = Policy.retry()) =>
  drive(
    Effect.suspend(() => {
      const got: Array<number> = []
      return Effect.map(
        Effect.result(Stream.runForEach(Files.download(id), (chunk) => Effect.sync(() => void got.push(...chunk)))),
        (result) => [Uint8Array.from(got), result] as const
      )
    }).pipe(Effect.provide(layerOf(server.client, policy))),
    500
  )

describe("a download that breaks off", () => {
  for (const ranges of [true, false]) {
    for (const end of ["break", "stall", "end"] as const) {
      it.effect(`goes on, ${ranges ? "by a range" : "from the start"}, after it ${end}s`, () =>
        Effect.gen(function*() {
          const server = serve([
            { until: 100, end, ranges },
            { until: 101, end, ranges },
            { until: 700, end, ranges },
            { until: 1000, ranges }
          ])
          const [got, result] = yield* download(server)
          assert.strictEqual(result._tag, "Success")
          assert.deepStrictEqual(got, content)
          assert.deepStrictEqual(server.requests().map(from), [0, 100, 101, 700])
        }))
    }
  }

  it.effect("again and again, at any bytes, ranges or not: no byte twice and none missing", () =>
    Effect.gen(function*() {
      const chance = generator(7)
      for (let round = 0; round < 40; round++) {
        const parts: Array<Part> = Array.from({ length: 4 }, () => ({
          until: Math.floor(chance() * 1001),
          ranges: chance() < 0.5,
          end: chance() < 0.5 ? "break" as const : "end" as const
        }))
        const server = serve(parts)
        const [got, result] = yield* download(server)
        assert.strictEqual(result._tag, "Success")
        assert.deepStrictEqual(got, content)
      }
    }))

  it.effect("within the retry budget, which failures before the headers share", () =>
    Effect.gen(function*() {
      const server = serve([
        HttpMock.broken("ECONNRESET"),
        { until: 100, ranges: true },
        failure(503),
        { until: 200, ranges: true },
        { until: 300, ranges: true },
        { until: 1000, ranges: true }
      ])
      const [got, result] = yield* download(server)
      assert(result._tag === "Failure")
      assert.strictEqual(outcomeOf(result.failure), "TransferInterrupted")
      assert.strictEqual(server.requests().length, 5)
      assert.deepStrictEqual(got, content.slice(0, 300))
    }))

  it.effect("not at all without a retry policy, or with one switched off", () =>
    Effect.gen(function*() {
      for (const policy of [Policy.timeout(), Policy.stack()]) {
        const server = serve([{ until: 100 }])
        const [got, result] = yield* download(server, policy)
        assert(result._tag === "Failure" && result.failure._tag === "TransferInterrupted")
        assert.deepStrictEqual([result.failure.transferred, result.failure.expected], [100, 1000])
        assert.strictEqual(got.length, 100)
        assert.strictEqual(server.requests().length, 1)
      }
    }))

  it.effect("fails when the content is another one: length", () =>
    Effect.gen(function*() {
      const server = serve([{ until: 100 }, { until: 2000, content: new Uint8Array(1001) }])
      const [got, result] = yield* download(server)
      assert(result._tag === "Failure")
      assert.strictEqual(outcomeOf(result.failure), "UnexpectedResponse")
      assert.include(result.failure.message, "changed")
      assert.strictEqual(got.length, 100)
    }))

  it.effect("fails when the content is another one: the bytes already seen", () =>
    Effect.gen(function*() {
      for (const at of [0, 50, 99]) {
        const other = content.slice()
        other[at] = (other[at] ?? 0) ^ 1
        const server = serve([{ until: 100 }, { until: 1000, content: other }])
        const [got, result] = yield* download(server)
        assert(result._tag === "Failure")
        assert.include(result.failure.message, "changed")
        assert.strictEqual(got.length, 100)
      }
    }))

  it.effect("fails when the content is another one: it ends before what was already seen", () =>
    Effect.gen(function*() {
      const server = serve([
        { until: 100, length: false },
        { until: 60, length: false, content: content.slice(0, 60) }
      ])
      const [got, result] = yield* download(server)
      assert(result._tag === "Failure")
      assert.include(result.failure.message, "changed")
      assert.strictEqual(got.length, 100)
    }))

  it.effect("fails when another range is served than was asked for", () =>
    Effect.gen(function*() {
      for (const range of ["bytes 99-999/1000", "bytes 100-999/1001", "", "bytes */1000"]) {
        const server = serve([
          { until: 100 },
          new Response(content.slice(100), {
            status: 206,
            headers: { "content-length": "900", ...(range === "" ? {} : { "content-range": range }) }
          })
        ])
        const [got, result] = yield* download(server)
        assert.strictEqual(result._tag, "Failure", range)
        assert.strictEqual(got.length, 100)
      }
    }))

  it.effect("goes on from the start where the service has no range behind what was seen", () =>
    Effect.gen(function*() {
      const refused = () => new Response(null, { status: 416, headers: { "content-range": "bytes */1000" } })
      for (const until of [300, 1000]) {
        const server = serve([{ until, end: "break", length: until < 1000 }, refused()])
        const [got, result] = yield* download(server)
        assert.strictEqual(result._tag, "Success")
        assert.deepStrictEqual(got, content)
        assert.lengthOf(server.requests().filter(({ path }) => path.endsWith("/content")), 3)
      }
    }))

  it.effect("is complete if it breaks after its last byte", () =>
    Effect.gen(function*() {
      const server = serve([{ until: 1000, end: "break" }])
      const [got, result] = yield* download(server)
      assert.strictEqual(result._tag, "Success")
      assert.deepStrictEqual(got, content)
      assert.strictEqual(server.requests().length, 1)
    }))

  it.effect("is not requested again if it is gone", () =>
    Effect.gen(function*() {
      const server = serve([{ until: 100 }, failure(404, {}, "file_expired", "not_found_error")])
      const [, result] = yield* download(server)
      assert(result._tag === "Failure")
      assert.strictEqual(outcomeOf(result.failure), "FileExpired")
      assert.strictEqual(server.requests().length, 2)
    }))
})

describe("checksum", () => {
  it.effect.prop(
    "is the same however the bytes are split, and another for other bytes",
    [
      Arbitrary.schema(Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 })))),
      Arbitrary.schema(Schema.Int)
    ],
    ([bytes, seed]) =>
      Effect.sync(() => {
        const all = Uint8Array.from(bytes)
        const whole = Checksum.make()
        whole.update(all)
        const split = Checksum.make()
        const chance = generator(seed)
        for (let at = 0; at < all.length;) {
          const size = Math.floor(chance() * 7)
          // From within another buffer, at any alignment.
          split.update(all.subarray(at, at + size))
          at += size
        }
        assert.strictEqual(split.digest(), whole.digest())
        if (all.length > 0) {
          const other = all.slice()
          const at = Math.floor(chance() * all.length)
          other[at] = (other[at] ?? 0) ^ (1 << Math.floor(chance() * 8))
          const changed = Checksum.make()
          changed.update(other)
          assert.notStrictEqual(changed.digest(), whole.digest())
          const shorter = Checksum.make()
          shorter.update(all.subarray(1))
          assert.notStrictEqual(shorter.digest(), whole.digest())
        }
      })
  )
})
