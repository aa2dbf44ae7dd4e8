import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Layer, Redacted, Stream } from "effect"
import { FileMetadata, Files, FileSource, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { createServer, type Server, type Socket } from "node:net"
import { Readable } from "node:stream"
import * as zlib from "node:zlib"
import { http, rawServer } from "./support/rawServer.ts"

const apiKey = Redacted.make("sk-ant-unhappy-0123456789")

const file = (fields: object) => ({
  id: "file_1",
  filename: "a.txt",
  mime_type: "text/plain",
  size_bytes: 1,
  created_at: new Date().toISOString(),
  expires_at: null,
  ...fields
})

const over = (
  answer: (received: HttpMock.Received) => HttpMock.Reply,
  policy: Policy.Policy,
  options?: Partial<Files.Options>
) =>
  Files.layer({ apiKey, ...options }).pipe(
    Layer.provide(policy),
    Layer.provide(Layer.succeed(HttpClient.HttpClient, HttpMock.answering(answer).client)),
    Layer.orDie
  )

/** An effect that hangs fails the test with a limit of its own, and says so. */
const within = <A, E, R>(effect: Effect.Effect<A, E, R>, seconds: number) =>
  Effect.timeoutOrElse(effect, { duration: seconds * 1000, orElse: () => Effect.die(new Error("it hangs")) })

const hello = FileSource.text("x", "a.txt")

describe("an answer that comes before the file is completely sent", () => {
  it.live("is never a success, and its file is deleted", () =>
    Effect.gen(function*() {
      let handed = 0
      const server = yield* rawServer(({ head, socket }) => {
        if (head.startsWith("DELETE")) {
          socket.write(http(200, JSON.stringify({ id: "file_1" })))
          return
        }
        socket.pause()
        setTimeout(() => socket.write(http(200, JSON.stringify(file({ size_bytes: handed })))), 200)
      })
      const source = FileSource.tap(
        FileSource.stream(Stream.fromIterable(Array.from({ length: 64 }, () => new Uint8Array(1 << 20))), {
          filename: "a.bin",
          size: 64 << 20
        }),
        (chunk) => Effect.sync(() => void (handed += chunk.length))
      )
      const error = yield* Effect.flip(
        Effect.provide(Files.upload(source), Layer.orDie(NodeFiles.layer({ apiKey, baseUrl: server.url })))
      )
      assert.strictEqual(error._tag, "TransferInterrupted")
      assert.include(server.heads.join("\n"), "DELETE /v1/files/file_1")
    }))
})

describe("a clock that is set back", () => {
  /** The wall clock can be set; the monotonic clock can't. */
  const jumping = Effect.map(Clock.Clock, (real) => {
    const state = { offset: 0 }
    const clock = new Proxy(real, {
      get: (target, key) =>
        key === "currentTimeMillisUnsafe"
          ? () => target.currentTimeMillisUnsafe() + state.offset
          : key === "currentTimeMillis"
          ? Effect.sync(() => target.currentTimeMillisUnsafe() + state.offset)
          : Reflect.get(target, key)
    })
    return { clock, state }
  })

  it.live("does not make silence last longer", () =>
    Effect.gen(function*() {
      const { clock, state } = yield* jumping
      const layer = over(
        () => Effect.andThen(Effect.sync(() => void (state.offset = -3_600_000)), Effect.never),
        Policy.stack(),
        { idleTimeout: "100 millis" }
      )
      const exit = yield* within(
        Effect.exit(Effect.provideService(Effect.provide(Files.listPage(), layer), Clock.Clock, clock)),
        5
      )
      assert.isTrue(Exit.isFailure(exit))
    }))

  it.live("does not make a lost upload be stored twice", () =>
    Effect.gen(function*() {
      const { clock, state } = yield* jumping
      const stored: Array<object> = []
      const layer = over(({ method }) => {
        const headers = { date: new Date().toUTCString() }
        if (method !== "POST") return Response.json({ data: stored, next_page: null }, { headers })
        stored.unshift(file({ id: `file_${stored.length}` }))
        state.offset = -3_600_000
        return stored.length === 1
          ? new Response("{}", { status: 502, headers })
          : Response.json(stored[0], { headers })
      }, Policy.retry({ baseDelay: "10 millis" }))
      const found = yield* within(
        Effect.provideService(Effect.provide(Files.upload(hello), layer), Clock.Clock, clock),
        5
      )
      assert.strictEqual(found.id, "file_0")
      assert.strictEqual(stored.length, 1)
    }))
})

describe("a lost upload", () => {
  const lost = ({ method }: HttpMock.Received) =>
    method === "POST" ? new Response("{}", { status: 502 }) : Response.json({ data: [file({})], next_page: null })

  it.live("is searched although its own request holds the last concurrency permit", () =>
    Effect.gen(function*() {
      const policy = Policy.stack(Policy.concurrency(1), Policy.retry({ baseDelay: "10 millis" }))
      const found = yield* within(Effect.provide(Files.upload(hello), over(lost, policy)), 5)
      assert.strictEqual(found.id, "file_1")
    }))

  it.live("does not wait for another upload of the same name that is far from done", () =>
    Effect.gen(function*() {
      const slow = Stream.forever(Stream.fromEffect(Effect.as(Effect.sleep("50 millis"), new Uint8Array(1))))
      // The slow upload is never answered, because its body does not end.
      const layer = over(lost, Policy.retry({ baseDelay: "10 millis" }))
      yield* Effect.provide(
        Effect.gen(function*() {
          const files = yield* Files.Files
          const other = yield* Effect.forkChild(files.upload(FileSource.stream(slow, { filename: "a.txt" })))
          yield* Effect.sleep("100 millis")
          assert.strictEqual((yield* within(files.upload(hello), 5)).id, "file_1")
          yield* Fiber.interrupt(other)
        }),
        layer
      )
    }))
})

describe("a source that can be read only once", () => {
  const once = () => {
    const chunks = [new Uint8Array(10), new Uint8Array(20)].values()
    return Stream.fromIterable({ [Symbol.iterator]: () => chunks })
  }
  const body = () => new Blob([new Uint8Array(30)]).stream()

  const sources: ReadonlyArray<readonly [what: string, make: () => FileSource.FileSource]> = [
    ["an iterator", () => FileSource.stream(once(), { filename: "a.bin" })],
    ["an iterator, said to be replayable", () => FileSource.stream(once(), { filename: "a.bin", replayable: true })],
    ["a web stream", () => FileSource.readableStream(body(), { filename: "a.bin" })],
    ["a function that gives the same web stream", () => {
      const same = body()
      return FileSource.readableStream(() => same, { filename: "a.bin" })
    }],
    ["a Node stream", () =>
      FileSource.stream(
        Stream.fromAsyncIterable(Readable.from([Buffer.alloc(10), Buffer.alloc(20)]), (cause) => cause),
        { filename: "a.bin" }
      )],
    [
      "the body of a response",
      () => FileSource.readableStream(new Response(new Uint8Array(30)).body ?? body(), { filename: "a.bin" })
    ]
  ]

  const failures: ReadonlyArray<readonly [what: string, answer: () => Response]> = [
    ["529", () => new Response("{}", { status: 529 })],
    ["429", () => new Response("{}", { status: 429 })],
    ["500", () => new Response("{}", { status: 500 })]
  ]

  for (const [what, make] of sources) {
    it.effect.each(failures)(
      `${what}, and an answer of %s: never stored as less than it is`,
      ([, failing]) =>
        Effect.gen(function*() {
          const sent: Array<number> = []
          const layer = over(({ bytes, method }) => {
            if (method === "GET") return Response.json({ data: [], next_page: null })
            sent.push(bytes.length)
            return sent.length === 1 ? failing() : Response.json(file({ size_bytes: 0, filename: "a.bin" }))
          }, Policy.retry())
          const fiber = yield* Effect.forkChild(Effect.exit(Effect.provide(Files.upload(make()), layer)))
          yield* TestClock.adjust("1 hour")
          const exit = yield* Fiber.join(fiber)
          assert.isTrue(Exit.isFailure(exit), "an upload of nothing succeeded")
          assert.strictEqual(sent.length, 1, "it was sent to its end a second time")
        })
    )
  }

  it.effect("an upload that the program itself retries is not stored as an empty file either", () =>
    Effect.gen(function*() {
      let count = 0
      const layer = over(
        ({ bytes }) =>
          ++count === 1 ? new Response("{}", { status: 529 }) : Response.json(file({ size_bytes: bytes.length })),
        Policy.stack()
      )
      for (const [, make] of sources.filter(([what]) => !what.includes("replayable"))) {
        count = 0
        const error = yield* Effect.flip(Effect.provide(Effect.retry(Files.upload(make()), { times: 1 }), layer))
        assert.strictEqual(error._tag === "SourceFailed" && error.reason, "Consumed")
      }
    }))
})

it.live("a URL that breaks off is fetched again, and the upload is whole", () =>
  Effect.gen(function*() {
    const store = yield* rawServer(({ head, socket }, count) => {
      assert.notMatch(head, /x-api-key|authorization|anthropic-version|sk-ant/i)
      if (count > 1) {
        socket.write(http(200, "x".repeat(50), { "content-type": "text/plain" }))
        return
      }
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello")
      setImmediate(() => socket.destroy())
    })
    const service = yield* rawServer(async ({ head, socket, waitFor }) => {
      if (head.startsWith("GET")) {
        socket.write(http(200, JSON.stringify({ data: [], next_page: null })))
        return
      }
      await waitFor(Number(/content-length: (\d+)/i.exec(head)?.[1]))
      socket.write(http(200, JSON.stringify(file({ size_bytes: 50, filename: "c.txt" }))))
    })
    const stored = yield* Effect.provide(
      Files.upload(FileSource.url(`${store.url}/c.txt`)),
      Layer.orDie(NodeFiles.layer({ apiKey, baseUrl: service.url }, Policy.retry({ baseDelay: "5 millis" })))
    )
    assert.strictEqual(stored.size_bytes, 50)
    assert.strictEqual(store.heads.length, 2)
  }))

describe("a TLS handshake that does not complete", () => {
  const breaking: ReadonlyArray<readonly [what: string, hangUp: (socket: Socket) => void]> = [
    ["reset", (socket) => socket.resetAndDestroy()],
    ["closed", (socket) => socket.end()],
    ["answered in plain HTTP", (socket) => socket.end("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")]
  ]

  it.live.each(breaking)("%s: nothing was stored, and it is known", ([what, hangUp]) =>
    Effect.gen(function*() {
      let connections = 0
      const server = yield* Effect.acquireRelease(
        Effect.callback<Server>((resume) => {
          const server = createServer((socket) => {
            connections++
            socket.on("error", () => {})
            socket.once("data", () => hangUp(socket))
          })
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => void server.close())
      )
      const address = server.address()
      assert(typeof address === "object" && address !== null)
      const error = yield* Effect.flip(
        Effect.provide(
          Files.upload(hello),
          Layer.orDie(NodeFiles.layer({ apiKey, baseUrl: `https://localhost:${address.port}` }))
        )
      )
      assert.isFalse(error.isOutcomeUnknown)
      assert.strictEqual(error.isRetryable, what !== "answered in plain HTTP")
      assert.include(error.message, "Nothing was stored.")
      assert.notMatch(error.message, /openssl|routines/i)
      assert.isAtLeast(connections, 1)
    }))
})

it.live("the endless body of an error is read only in part, and its status still classifies it", () =>
  Effect.gen(function*() {
    let given = 0
    const endless = () =>
      new ReadableStream<Uint8Array>({
        pull: (controller) => {
          given += 65_536
          controller.enqueue(new Uint8Array(65_536).fill(120))
        }
      })
    const layer = over(() => new Response(endless(), { status: 403 }), Policy.stack())
    const error = yield* within(Effect.flip(Effect.provide(Files.listPage(), layer)), 10)
    assert.strictEqual(error._tag === "RequestFailed" && error.reason._tag, "PermissionDenied")
    assert.isBelow(given, 1 << 20)
    assert.isBelow(error.message.length, 1000)
  }))

describe("arguments that no type checks", () => {
  const untyped = (value: unknown) => JSON.parse(JSON.stringify(value))
  const policies: ReadonlyArray<readonly [option: string, Policy.Policy]> = [
    ["concurrency", Policy.concurrency(NaN)],
    ["concurrency", Policy.standard({ concurrency: 0 })],
    ["requestsPerMinute", Policy.rateLimit({ requestsPerMinute: NaN })],
    ["messagesPerMinute", Policy.rateLimit({ messagesPerMinute: -1 })],
    ["burst", Policy.rateLimit({ burst: 0.5 })],
    ["burst", Policy.rateLimit({ requestsPerMinute: 50, burst: 50 })],
    ["algorithm", Policy.rateLimit({ algorithm: untyped("leaky") })],
    ["maxWait", Policy.rateLimit({ maxWait: -1 })],
    ["times", Policy.retry({ times: -1 })],
    ["baseDelay", Policy.retry({ baseDelay: Number("half a second") })],
    ["maxDelay", Policy.retry({ maxDelay: NaN })],
    ["headers", Policy.timeout({ headers: NaN })],
    ["baseDelay", Policy.retry({ baseDelay: untyped("abc") })],
    ["maxDelay", Policy.retry({ maxDelay: -5 })],
    ["openDuration", Policy.circuitBreaker({ openDuration: untyped("soon") })],
    ["headers", Policy.timeout({ headers: untyped("5") })],
    ["total", Policy.timeout({ total: -5 })]
  ]
  for (const [option, policy] of policies) {
    it.effect(`a policy with a wrong ${option} fails as InvalidConfig when its Layer is built, and names it`, () =>
      Effect.gen(function*() {
        const client = Layer.succeed(HttpClient.HttpClient, HttpMock.answering(() => new Response()).client)
        const error = yield* Effect.flip(Effect.scoped(Layer.build(Layer.provide(policy, client))))
        assert(error._tag === "InvalidConfig")
        assert.strictEqual(error.option, option)
        assert.include(error.message, option)
      }))
  }

  it.effect("a wrong option of one call fails it as InvalidRequest, and nothing is sent", () =>
    Effect.gen(function*() {
      let sent = 0
      const counted = over(() => (sent++, new Response("{}")), Policy.standard())
      for (
        const overrides of [
          { retry: { times: -1 } },
          { timeout: { headers: -5 } },
          { rateLimit: { maxWait: untyped("soon") } }
        ]
      ) {
        const call = Policy.override(Files.metadata(FileMetadata.FileId.make("file_1")), overrides)
        const error = yield* Effect.flip(Effect.provide(call, counted))
        assert(error._tag === "RequestFailed" && error.reason._tag === "InvalidRequest")
        assert.isDefined(error.reason.option)
      }
      assert.strictEqual(sent, 0)
    }))

  const wrong: ReadonlyArray<readonly [string, object, RegExp]> = [
    ["a key that is a string", { apiKey: "sk-ant-plain-0123456789" }, /Redacted\.make/],
    ["a dialect there is not", { apiKey, dialect: "Beta" }, /dialect/],
    ["betas that are not a list", { apiKey, betas: "managed-agents" }, /betas/],
    ["a header that is not text", { apiKey, headers: { "x-number": 5 } }, /x-number/]
  ]
  for (const [title, options, message] of wrong) {
    it.effect(`${title} is refused by name`, () =>
      Effect.gen(function*() {
        const layer = Files.layer(options as Files.Options).pipe(
          Layer.provide(Layer.succeed(HttpClient.HttpClient, HttpMock.answering(() => new Response()).client))
        )
        const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
        assert.strictEqual(error._tag, "InvalidConfig")
        assert.match(error.message, message)
        assert.notInclude(error.message, "sk-ant-plain")
      }))
  }

  it.effect("arguments of a wrong type are typed failures", () =>
    Effect.gen(function*() {
      const text = "abc" as unknown as Uint8Array
      const files = yield* Files.Files
      const errors = [
        yield* Effect.flip(files.upload(FileSource.bytes(text, "a.bin"))),
        yield* Effect.flip(files.upload(undefined as unknown as FileSource.FileSource)),
        yield* Effect.flip(files.upload(hello, { filename: 123 as unknown as string })),
        yield* Effect.flip(files.upload(hello, { mimeType: 5 as unknown as string })),
        yield* Effect.flip(files.upload(FileSource.stream(Stream.make(text), { filename: "a.bin" }))),
        yield* Effect.flip(files.metadata(null as unknown as FileMetadata.FileId)),
        yield* Effect.flip(files.delete(undefined as unknown as FileMetadata.FileId))
      ]
      assert.deepStrictEqual(errors.map((error) => error._tag), [
        "SourceFailed",
        "SourceFailed",
        "InvalidFilename",
        "InvalidFileType",
        "SourceFailed",
        "RequestFailed",
        "RequestFailed"
      ])
    }).pipe(Effect.provide(over(() => new Response("{}"), Policy.stack()))))

  it.effect("any view of bytes is taken as its bytes", () =>
    Effect.gen(function*() {
      const { bytes } = yield* Effect.scoped(FileSource.bytes(new Uint16Array([300, 400]), "a.bin").open)
      assert.deepStrictEqual(bytes, new Uint8Array(new Uint16Array([300, 400]).buffer))
    }))
})

it.live("the compressed content of a URL is refused, not stored compressed", () =>
  Effect.gen(function*() {
    const server = yield* rawServer(({ socket }) =>
      void socket.write(http(200, zlib.gzipSync("a,b\n"), { "content-type": "text/csv", "content-encoding": "gzip" }))
    )
    const error = yield* Effect.flip(
      Effect.provide(
        Files.upload(FileSource.url(`${server.url}/t.csv`)),
        Layer.orDie(NodeFiles.layer({ apiKey, baseUrl: server.url }))
      )
    )
    assert.strictEqual(error._tag, "SourceFailed")
    assert.strictEqual(server.heads.length, 1)
  }))

it.effect("a beta client refuses a GA page instead of ending the listing", () =>
  Effect.gen(function*() {
    const layer = over(() => Response.json({ data: [file({})], next_page: "p1" }), Policy.stack(), {
      dialect: "beta"
    })
    const error = yield* Effect.flip(Effect.provide(Stream.runCollect(Files.list()), layer))
    assert.include(error.message, "dialect")
  }))

it.effect("ids from an iterator are available to each run of the stream", () =>
  Effect.gen(function*() {
    const layer = over(() => Response.json({ data: [file({})], next_page: null }), Policy.stack())
    const files = yield* Effect.provide(Files.Files, layer)
    const list = files.list({ ids: new Map([[FileMetadata.FileId.make("file_1"), 1]]).keys() })
    assert.strictEqual((yield* Stream.runCollect(list)).length, 1)
    assert.strictEqual((yield* Stream.runCollect(list)).length, 1)
  }))

it.live("a kept-alive socket that was closed in the meantime is replaced by another one", () =>
  Effect.gen(function*() {
    const seen = new Set<unknown>()
    const server = yield* rawServer(({ socket }) => {
      if (seen.has(socket)) {
        socket.resetAndDestroy()
        return
      }
      seen.add(socket)
      socket.write(http(200, JSON.stringify(file({}))))
    })
    const id = FileMetadata.FileId.make("file_1")
    // The socket goes back to the pool a moment after the answer's end.
    const twice = Files.metadata(id).pipe(Effect.andThen(Effect.sleep("20 millis")), Effect.andThen(Files.metadata(id)))
    const found = yield* Effect.provide(twice, Layer.orDie(NodeFiles.layer({ apiKey, baseUrl: server.url })))
    assert.strictEqual(found.id, id)
    assert.strictEqual(server.heads.length, 3)
  }))
