import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Redacted, Schedule, Stream } from "effect"
import { Files, FileSource, MessageBatches, Messages, Policy } from "effect-anthropic-files"
import type { FileId } from "effect-anthropic-files/FileMetadata"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { HttpClient, HttpClientRequest } from "effect/http"
import { createServer, type Server } from "node:http"
import { http, rawServer } from "../support/rawServer.ts"
import { wire } from "../support/wire.ts"

const heads = (use: Effect.Effect<unknown, unknown, NodeFiles.Services>) =>
  Effect.gen(function*() {
    const server = yield* rawServer(({ socket }) => void socket.end(http(404, "{}")))
    yield* Effect.ignore(
      Effect.provide(use, NodeFiles.layer({ apiKey: Redacted.make("sk-ant-test"), baseUrl: server.url }))
    )
    return server.heads.map((head) => head.toLowerCase().split("\r\n"))
  })

const named = (head: ReadonlyArray<string> | undefined, name: string) =>
  (head ?? []).filter((line) => line.startsWith(`${name}:`))

describe("what goes over the wire", () => {
  it.live("one host, and a length where nothing is sent", () =>
    Effect.scoped(Effect.gen(function*() {
      const [head] = yield* heads(MessageBatches.cancel("msgbatch_1"))
      assert.match(head?.[0] ?? "", /^post \/v1\/messages\/batches\/msgbatch_1\/cancel/)
      assert.lengthOf(named(head, "host"), 1)
      assert.deepStrictEqual(named(head, "content-length"), ["content-length: 0"])
      assert.deepStrictEqual(named(head, "transfer-encoding"), [])
    })))

  it.live("no length of what has none", () =>
    Effect.scoped(Effect.gen(function*() {
      const [head] = yield* heads(Files.metadata("file_1" as FileId))
      assert.lengthOf(named(head, "host"), 1)
      assert.deepStrictEqual(named(head, "content-length"), [])
      assert.deepStrictEqual(named(head, "transfer-encoding"), [])
      assert.deepStrictEqual(named(head, "connection"), ["connection: keep-alive"])
    })))

  it.live("the length of what is sent", () =>
    Effect.scoped(Effect.gen(function*() {
      const [head] = yield* heads(Files.upload(FileSource.text("abc", "a.txt")))
      assert.match(named(head, "content-length").join(), /^content-length: \d{3}$/)
      assert.deepStrictEqual(named(head, "transfer-encoding"), [])
    })))
})

describe("where a request goes", () => {
  /** The first lines of what is sent, through a client that changes requests. */
  const lines = (
    use: Effect.Effect<unknown, unknown, NodeFiles.Services>,
    change: (request: HttpClientRequest.HttpClientRequest) => HttpClientRequest.HttpClientRequest,
    path = ""
  ) =>
    Effect.gen(function*() {
      const server = yield* rawServer(({ socket }) => void socket.end(http(404, "{}")))
      const changed = Layer.effect(
        HttpClient.HttpClient,
        Effect.map(HttpClient.HttpClient, (client) => HttpClient.mapRequest(client, change))
      )
      const options = { apiKey: Redacted.make("sk-ant-test"), baseUrl: `${server.url}${path}` }
      yield* Effect.ignore(Effect.provide(use, NodeFiles.layer(options, changed)))
      return server.heads.map((head) => head.split("\r\n")[0])
    })

  const metadata = Files.metadata("file_1" as FileId)

  it.live("the path of the base URL, the operation's, and its query, encoded", () =>
    Effect.scoped(Effect.gen(function*() {
      const unchanged = (request: HttpClientRequest.HttpClientRequest) => request
      assert.deepStrictEqual(yield* lines(metadata, unchanged, "/a b/ü"), [
        "GET /a%20b/%C3%BC/v1/files/file_1 HTTP/1.1"
      ])
      assert.deepStrictEqual(yield* lines(Files.metadata("f/1?x#y" as FileId), unchanged), [
        "GET /v1/files/f%2F1%3Fx%23y HTTP/1.1"
      ])
      assert.deepStrictEqual(yield* lines(Files.listPage({ limit: 5, page: "a&b=ü" }), unchanged), [
        "GET /v1/files?limit=5&page=a%26b%3D%C3%BC HTTP/1.1"
      ])
    })))

  it.live("what a client above made of its URL, query and fragment", () =>
    Effect.scoped(Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* lines(metadata, (request) => HttpClientRequest.setUrl(request, `${request.url}/../other file?a=1`)),
        ["GET /v1/files/other%20file?a=1 HTTP/1.1"]
      )
      assert.deepStrictEqual(yield* lines(metadata, HttpClientRequest.setUrlParam("b", "x y")), [
        "GET /v1/files/file_1?b=x+y HTTP/1.1"
      ])
      assert.deepStrictEqual(yield* lines(metadata, HttpClientRequest.setHash("part")), [
        "GET /v1/files/file_1 HTTP/1.1"
      ])
    })))

  it.live("another host, where a client above names one", () =>
    Effect.scoped(Effect.gen(function*() {
      const other = yield* rawServer(({ socket }) => void socket.end(http(404, "{}")))
      const sent = yield* lines(metadata, (request) => HttpClientRequest.setUrl(request, `${other.url}/elsewhere`))
      assert.deepStrictEqual(sent, [])
      assert.match(other.heads.join(), /^GET \/elsewhere HTTP\/1.1\r\nhost: 127/i)
    })))
})

describe("requests that wait for one another", () => {
  it.live("downloads that are passed on as uploads, more of them than there are sockets in the pool", () =>
    Effect.gen(function*() {
      const metadata = { ...wire(), size_bytes: 5, downloadable: true }
      const server = yield* Effect.acquireRelease(
        Effect.callback<Server>((resume) => {
          const server: Server = createServer((request, response) => {
            const answer = () => response.end(request.url?.endsWith("/content") ? "hello" : JSON.stringify(metadata))
            request.resume().once("end", answer)
          }).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const copy = Effect.suspend(() =>
        Files.upload(FileSource.stream(Files.download("file_1" as FileId), { filename: "copy.txt" }))
      )
      const copies = Effect.all(Array.from({ length: 100 }, () => copy), { concurrency: "unbounded" }).pipe(
        Effect.provide(NodeFiles.layer({
          apiKey: Redacted.make("sk-ant-test"),
          baseUrl: `http://127.0.0.1:${port}`,
          idleTimeout: "3 seconds"
        }))
      )
      assert.lengthOf(yield* copies, 100)
    }).pipe(Effect.scoped))
})

it.live("a 408 on a kept-alive socket is the answer to an upload, which is not sent a second time", () =>
  Effect.scoped(Effect.gen(function*() {
    const server = yield* rawServer(({ socket }, count) =>
      void socket.write(count === 1 ? http(200, JSON.stringify(wire({ size_bytes: 1 }))) : http(408, "{}"))
    )
    const error = yield* Effect.andThen(
      Files.upload(FileSource.text("a", "a.txt")),
      Effect.flip(Files.upload(FileSource.text("b", "b.txt")))
    ).pipe(Effect.provide(NodeFiles.layer({ apiKey: Redacted.make("sk-ant-test"), baseUrl: server.url })))
    assert.deepStrictEqual([error.status, error.isOutcomeUnknown], [408, true])
    assert.lengthOf(server.heads, 2)
  })))

describe("downloads at the same time", () => {
  const size = 3_000_000

  /** Each file holds its own number, over and over. */
  const numbered = Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const server: Server = createServer((request, response) => {
        const number = Number(/file_(\d+)/.exec(request.url ?? "")?.[1])
        response.end(Buffer.alloc(size, number))
      }).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )

  it.live("leave chunks that were handed out before as they were", () =>
    Effect.gen(function*() {
      const server = yield* numbered
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const numbers = [1, 2, 3, 4, 5, 6, 7, 8]
      const kept = yield* Effect.forEach(
        numbers,
        (number) => Stream.runCollect(Files.download(`file_${number}` as FileId)),
        { concurrency: "unbounded" }
      ).pipe(Effect.provide(
        NodeFiles.layer({ apiKey: Redacted.make("sk-ant-test"), baseUrl: `http://127.0.0.1:${port}` })
      ))
      const wrong = kept.flatMap((chunks, at) => {
        const content = Buffer.concat(chunks)
        return content.equals(Buffer.alloc(size, numbers[at])) ? [] : [numbers[at]]
      })
      assert.deepStrictEqual(wrong, [])
    }).pipe(Effect.scoped))
})

describe("an answer that is refused for its head", () => {
  const unread = (headers: Readonly<Record<string, string>>, status = 200) =>
    http(status, "x", { "content-length": "1000000", ...headers })
  const isRest = (head: string) => /^range:/im.test(head)
  const file = () => http(200, JSON.stringify(wire()), { "content-type": "application/json" })
  const id = "file_1" as FileId
  const message: Messages.Request = { model: "m", max_tokens: 5, messages: [{ role: "user", content: "x" }] }
  const downloads = Stream.runDrain(Files.download(id))

  const cases: ReadonlyArray<
    readonly [string, Effect.Effect<unknown, unknown, NodeFiles.Services>, (head: string) => Buffer]
  > = [
    [
      "a page instead of a file",
      downloads,
      (head) => head.includes("/content") ? unread({ "content-type": "text/html" }) : file()
    ],
    ["a file in an encoding", downloads, () => unread({ "content-encoding": "odd" })],
    ["events in an encoding", Stream.runDrain(Messages.stream(message)), () => unread({ "content-encoding": "odd" })],
    [
      "results in an encoding",
      Stream.runDrain(MessageBatches.results("msgbatch_1")),
      () => unread({ "content-encoding": "odd" })
    ],
    ["the rest of another file", downloads, (head) =>
      isRest(head)
        ? unread({ etag: "\"two\"", "content-range": "bytes 1-9/10", "content-length": "9" }, 206)
        : unread({ etag: "\"one\"", "content-length": "10" })]
  ]
  for (const [what, use, answer] of cases) {
    it.live(`gives its socket back: ${what}`, () =>
      Effect.scoped(Effect.gen(function*() {
        const server = yield* rawServer(({ head, socket }) => {
          const bytes = answer(head)
          // What is to be continued breaks off.
          socket.write(bytes, () => bytes.includes("\"one\"") && socket.end())
        })
        const layer = NodeFiles.layer(
          { apiKey: Redacted.make("sk-ant-test"), baseUrl: server.url, proxy: false },
          Policy.retry({ baseDelay: 1 })
        )
        yield* Effect.gen(function*() {
          assert.isTrue(Exit.isFailure(yield* Effect.exit(use)))
          const isFree = Effect.suspend(() => server.open() <= 1 ? Effect.void : Effect.fail("open"))
          yield* Effect.retry(isFree, { schedule: Schedule.spaced("5 millis"), times: 200 })
          yield* Effect.exit(use)
          yield* Effect.retry(isFree, { schedule: Schedule.spaced("5 millis"), times: 200 })
        }).pipe(Effect.provide(layer))
      })))
  }
})
