import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Stream } from "effect"
import { Files, FileSource, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { FetchHttpClient, HttpClient } from "effect/http"
import { http, rawServer } from "../support/rawServer.ts"
import { id, key, outcomeOf, wire } from "./support.ts"

const json = { "content-type": "application/json" }
const good = http(200, JSON.stringify(wire()), json)

const transports = { "node:http": NodeFiles.layerHttpClient, fetch: FetchHttpClient.layer }

const over = (
  transport: keyof typeof transports,
  baseUrl: string,
  policy: Policy.Policy,
  options?: Partial<Files.Options>
) =>
  Files.layer({ apiKey: Redacted.make(key), baseUrl, ...options }).pipe(
    Layer.provideMerge(policy),
    Layer.provide(transports[transport]),
    Layer.orDie
  )

const fast = Policy.retry({ baseDelay: 1, maxDelay: 2, times: 20 })

for (const transport of ["node:http", "fetch"] as const) {
  describe(`over ${transport}`, () => {
    it.live("a short answer that is given up leaves its socket to the next try", () =>
      Effect.gen(function*() {
        const sockets = new Set<unknown>()
        const server = yield* rawServer(({ socket }, n) => {
          sockets.add(socket)
          socket.write(n % 20 === 0 ? good : http(503, JSON.stringify({ error: { message: "x".repeat(1000) } }), json))
        })
        yield* Effect.provide(Files.metadata(id), over(transport, server.url, fast))
        assert.strictEqual(server.heads.length, 20)
        assert.isAtMost(sockets.size, 2)
      }))

    it.live("one that is longer than an error may be is cut off, and its socket closed", () =>
      Effect.gen(function*() {
        const server = yield* rawServer(({ socket }, n) => {
          // Much is promised, and some of it comes.
          if (n === 3) socket.write(good)
          else socket.write(`HTTP/1.1 500 X\r\ncontent-length: 1000000000\r\n\r\n${"x".repeat(200_000)}`)
        })
        yield* Effect.provide(
          Effect.gen(function*() {
            yield* Files.metadata(id)
            yield* Effect.repeat(Effect.promise(() => new Promise(setImmediate)), { until: () => server.open() <= 1 })
          }),
          over(transport, server.url, fast)
        ).pipe(Effect.timeout("8 seconds"))
        assert.strictEqual(server.heads.length, 3)
      }))

    it.live("many at once leave no socket behind", () =>
      Effect.gen(function*() {
        const sockets = new Set<unknown>()
        const seen = new Set<string>()
        const server = yield* rawServer(({ head, socket }) => {
          sockets.add(socket)
          // Each operation fails at its first try.
          const path = head.split(" ")[1] ?? ""
          const first = !seen.has(path)
          seen.add(path)
          socket.write(first ? http(529, "{}", json) : good)
        })
        yield* Effect.provide(
          Effect.forEach(Array.from({ length: 100 }, (_, n) => n), (n) =>
            Effect.flatMap(HttpClient.HttpClient, (client) =>
              Effect.flatMap(client.get(`${server.url}/${n}`), (response) =>
                response.json)), { concurrency: 10 }),
          over(transport, server.url, fast)
        )
        assert.strictEqual(server.heads.length, 200)
        assert.isAtMost(sockets.size, 25)
      }))
  })
}

it.live("an error whose body stalls is tried again, whatever the client's own limit on silence", () =>
  Effect.gen(function*() {
    const server = yield* rawServer(({ socket }, n) => {
      // The headers of a failure, and none of its body.
      socket.write(n === 1 ? "HTTP/1.1 503 X\r\ncontent-length: 10\r\nretry-after-ms: 1\r\n\r\n" : good)
      if (n === 1) setTimeout(() => socket.write("0123456789"), 300)
    })
    const layer = over("node:http", server.url, fast, { idleTimeout: "100 millis" })
    assert.strictEqual((yield* Effect.provide(Files.metadata(id), layer)).id, id)
    assert.strictEqual(server.heads.length, 2)
  }))

it.live("an upload is answered early: it stops sending and is tried again", () =>
  Effect.gen(function*() {
    const server = yield* rawServer(async ({ head, socket, waitFor }, n) => {
      if (n === 1) return void socket.write(http(529, "{}", { ...json, connection: "close" }))
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1])
      await waitFor(length)
      socket.write(http(200, JSON.stringify(wire({ size_bytes: 5_000_000 })), json))
    })
    const source = FileSource.stream(
      Stream.fromIterable(Array.from({ length: 50 }, () => new Uint8Array(100_000)), { chunkSize: 1 }),
      { filename: "a.bin", size: 5_000_000, replayable: true }
    )
    const file = yield* Effect.provide(Files.upload(source), over("node:http", server.url, fast))
    assert.strictEqual(file.size_bytes, 5_000_000)
    assert.strictEqual(server.heads.length, 2)
  }))

it.live("a try that is interrupted closes its socket", () =>
  Effect.gen(function*() {
    const server = yield* rawServer(() => undefined)
    const layer = over(
      "node:http",
      server.url,
      Policy.stack(Policy.retry({ times: 1, baseDelay: 1 }), Policy.timeout({ headers: 50 }))
    )
    const error = yield* Effect.flip(Effect.provide(Files.metadata(id), layer))
    assert.strictEqual(outcomeOf(error), "TimedOut")
    assert.strictEqual(server.heads.length, 2)
    yield* Effect.repeat(Effect.promise(() => new Promise(setImmediate)), { until: () => server.open() === 0 })
  }))
