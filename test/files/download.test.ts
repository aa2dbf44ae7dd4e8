import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { Files, Policy } from "effect-anthropic-files"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { drive, id, layerOf, outcomeOf, wire } from "../policy/support.ts"

const whole = Uint8Array.from({ length: 300 }, (_, n) => n % 251)

type Content = (request: HttpMock.Received, n: number) => HttpMock.Reply

/** A service whose file has these bytes, and that answers requests for its content like this. */
const serving = (content: Content, metadata: Record<string, unknown> = {}) => {
  let n = 0
  return HttpMock.answering((request) =>
    request.path.endsWith("/content")
      ? content(request, ++n)
      : Response.json(wire({ id, size_bytes: whole.length, mime_type: "application/octet-stream", ...metadata }))
  )
}

/** A body that comes in two pieces, and then ends or breaks off. */
const body = (bytes: Uint8Array, breaks = false): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start: (controller) => {
      const middle = Math.floor(bytes.length / 2)
      for (const piece of [bytes.subarray(0, middle), bytes.subarray(middle)]) {
        if (piece.length > 0) controller.enqueue(piece)
      }
    },
    pull: (controller) => breaks ? controller.error(new Error("reset")) : controller.close()
  })

/** The first 100 bytes, and then the connection breaks. */
const broken = (headers: Record<string, string> = { "content-length": "300" }): Response =>
  new Response(body(whole.subarray(0, 100), true), { headers })

const part = (
  first: number,
  last: number,
  headers: Record<string, string> = {},
  bytes = whole.subarray(first, last + 1)
) =>
  new Response(body(bytes), {
    status: 206,
    headers: { "content-range": `bytes ${first}-${last}/300`, "content-length": String(bytes.length), ...headers }
  })

const download = (from: ReturnType<typeof serving>, policy = Policy.retry()) =>
  drive(
    Effect.result(Stream.mkUint8Array(Files.download(id))).pipe(Effect.provide(layerOf(from.client, policy))),
    1000
  )

const isWhole = (result: Effect.Success<ReturnType<typeof download>>) =>
  result._tag === "Success" && Buffer.compare(result.success, whole) === 0

const failureOf = (result: Effect.Success<ReturnType<typeof download>>) =>
  result._tag === "Failure" ? result.failure : assert.fail(`a download of ${result.success.length} bytes is a success`)

const contents = (from: ReturnType<typeof serving>) => from.requests().filter(({ path }) => path.endsWith("/content"))

describe("an HTML page instead of the content", () => {
  const page = () => new Response("<html>sign in</html>", { headers: { "content-type": "text/html; charset=utf-8" } })

  it.effect("is UnexpectedResponse, and none of it is delivered", () =>
    Effect.gen(function*() {
      const from = serving(page)
      const chunks: Array<Uint8Array> = []
      const error = yield* Files.download(id).pipe(
        Stream.runForEach((chunk) => Effect.sync(() => void chunks.push(chunk))),
        Effect.provide(layerOf(from.client, Policy.stack())),
        Effect.flip
      )
      assert.strictEqual(outcomeOf(error), "UnexpectedResponse")
      assert.include(error.message, id)
      assert.deepStrictEqual(chunks, [])
    }))

  it.effect("is requested again if the policy allows", () =>
    Effect.gen(function*() {
      const from = serving((_, n) => n === 1 ? page() : new Response(whole, { headers: { "content-length": "300" } }))
      assert.isTrue(isWhole(yield* download(from)))
    }))

  it.effect("is the content of a file that is HTML", () =>
    Effect.gen(function*() {
      const result = yield* download(serving(page, { mime_type: "text/html", size_bytes: 20 }))
      assert(result._tag === "Success")
      assert.strictEqual(new TextDecoder().decode(result.success), "<html>sign in</html>")
    }))
})

describe("a content whose length was not announced", () => {
  const unannounced = (bytes: Uint8Array, headers: Record<string, string> = {}) =>
    new Response(body(bytes), { headers })

  it.effect("is complete if it has the size in the metadata", () =>
    Effect.gen(function*() {
      assert.isTrue(isWhole(yield* download(serving(() => unannounced(whole)), Policy.stack())))
    }))

  it.effect("is an error if it ends before that, chunked or not", () =>
    Effect.gen(function*() {
      for (const headers of [{}, { "transfer-encoding": "chunked" }]) {
        const from = serving(() => unannounced(whole.subarray(0, 31), headers))
        const error = failureOf(yield* download(from, Policy.stack()))
        assert(error._tag === "TransferInterrupted")
        assert.strictEqual(error.reason, "Truncated")
        assert.deepStrictEqual([error.transferred, error.expected], [31, 300])
      }
    }))

  it.effect("is continued where it ended, under a retry policy", () =>
    Effect.gen(function*() {
      const from = serving((_, n) => n === 1 ? unannounced(whole.subarray(0, 31)) : part(31, 299))
      assert.isTrue(isWhole(yield* download(from)))
      assert.strictEqual(contents(from)[1]?.headers["range"], "bytes=31-")
    }))

  it.effect("may be longer than the metadata says, and an image may also be shorter", () =>
    Effect.gen(function*() {
      assert.isTrue(isWhole(yield* download(serving(() => unannounced(whole), { size_bytes: 299 }))))
      assert.isTrue(
        isWhole(yield* download(serving(() => unannounced(whole), { size_bytes: 301, mime_type: "image/png" })))
      )
    }))

  it.effect("is delivered if the metadata can't be looked up", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering((request) =>
        request.path.endsWith("/content") ? unannounced(whole) : new Response("", { status: 403 })
      )
      assert.isTrue(isWhole(yield* download(from, Policy.stack())))
    }))
})

describe("the rest of a content that broke off", () => {
  it.effect("may come in several parts: a part that is shorter than requested is followed by the next", () =>
    Effect.gen(function*() {
      const from = serving((_, n) =>
        n === 1 ? broken() : n === 2 ? part(100, 149) : n === 3 ? part(150, 198) : part(199, 299)
      )
      assert.isTrue(isWhole(yield* download(from)))
      assert.deepStrictEqual(contents(from).map(({ headers }) => headers["range"]), [
        undefined,
        "bytes=100-",
        "bytes=150-",
        "bytes=199-"
      ])
    }))

  it.effect("may announce the length that the beginning did not", () =>
    Effect.gen(function*() {
      const from = serving((_, n) => n === 1 ? broken({}) : n === 2 ? part(100, 149) : part(150, 299))
      assert.isTrue(isWhole(yield* download(from)))
    }))

  it.effect("is requested under the condition that the content is the same", () =>
    Effect.gen(function*() {
      for (
        const [etag, condition] of [["\"v1\"", "\"v1\""], ["W/\"v1\"", undefined], [undefined, undefined]] as const
      ) {
        const headers: Record<string, string> = etag === undefined ? {} : { etag }
        const from = serving((_, n) =>
          n === 1 ? broken({ "content-length": "300", ...headers }) : part(100, 299, headers)
        )
        assert.isTrue(isWhole(yield* download(from)))
        assert.strictEqual(contents(from)[1]?.headers["if-range"], condition)
      }
    }))

  const wrong: ReadonlyArray<readonly [string, () => Response]> = [
    ["another etag", () => part(100, 299, { etag: "\"v2\"" })],
    ["another beginning", () => part(90, 299)],
    ["another total", () => part(100, 299, { "content-range": "bytes 100-299/310" })],
    ["an end behind the total", () => part(100, 299, { "content-range": "bytes 100-309/300" })],
    ["no range", () => new Response(body(whole.subarray(100)), { status: 206 })],
    ["a whole of another length", () => new Response(body(whole), { headers: { "content-length": "310" } })],
    [
      "a whole with another etag",
      () => new Response(body(whole), { headers: { etag: "\"v2\"", "content-length": "300" } })
    ],
    [
      "a whole with other bytes",
      () =>
        new Response(body(whole.map((byte, n) => n === 50 ? byte + 1 : byte)), { headers: { "content-length": "300" } })
    ],
    ["a whole that ends before what was handed out", () => new Response(body(whole.subarray(0, 60)))],
    ["ten bytes too many", () => part(100, 299, { "content-length": "210" }, new Uint8Array(210))]
  ]
  for (const [how, answer] of wrong) {
    it.effect(`is an error if it has ${how}`, () =>
      Effect.gen(function*() {
        const from = serving((_, n) => n === 1 ? broken({ "content-length": "300", etag: "\"v1\"" }) : answer())
        const error = failureOf(yield* download(from))
        assert.include(["UnexpectedResponse", "TransferInterrupted"], outcomeOf(error))
      }))
  }

  it.effect("may break off again, even while it skips delivered bytes", () =>
    Effect.gen(function*() {
      const from = serving((_, n) => {
        if (n === 1) return broken()
        if (n === 2) return new Response(body(whole.subarray(0, 40), true), { headers: { "content-length": "300" } })
        return new Response(body(whole), { headers: { "content-length": "300" } })
      })
      assert.isTrue(isWhole(yield* download(from)))
      assert.strictEqual(contents(from)[2]?.headers["range"], "bytes=100-")
    }))

  it.effect("is not requested without a retry policy", () =>
    Effect.gen(function*() {
      const from = serving(() => broken())
      const error = failureOf(yield* download(from, Policy.stack()))
      assert(error._tag === "TransferInterrupted")
      assert.strictEqual(error.reason, "Reset")
      assert.strictEqual(contents(from).length, 1)
    }))
})
