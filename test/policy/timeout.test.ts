import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted, Stream } from "effect"
import { Files, FileSource, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpBody, HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import * as net from "node:net"
import { http, rawServer } from "../support/rawServer.ts"
import { drive, failure, id, key, layerOf, ok, outcomeOf, script, settle, wire } from "./support.ts"

/** The client's own limit, out of the way. */
const patient = { idleTimeout: "10 hours" } as const

const under = <A, E, R>(
  effect: Effect.Effect<A, E, R | Files.Files | HttpClient.HttpClient>,
  from: HttpMock.Mock,
  policy: Policy.Policy = Policy.timeout()
) => Effect.provide(effect, layerOf(from.client, policy, patient))

/** When an effect ended, milliseconds, and how. */
const ended = <A, E extends Parameters<typeof outcomeOf>[0], R>(effect: Effect.Effect<A, E, R>, step = 100) =>
  drive(
    Effect.clockWith((clock) =>
      Effect.match(effect, {
        onFailure: (error) => [clock.currentTimeMillisUnsafe(), outcomeOf(error), error.isOutcomeUnknown] as const,
        onSuccess: () => [clock.currentTimeMillisUnsafe(), "Success", false] as const
      })
    ),
    step
  )

const after = (delay: number, answer: () => Response | HttpMock.Answer = () => ok()) =>
  HttpMock.answering(() => Effect.delay(Effect.sync(answer), delay))

const bytes = (size: number) => new Uint8Array(size)

/** A stream of chunks of 1 MB, one each so many milliseconds. */
const slow = (count: number, every: number) =>
  FileSource.stream(
    Stream.fromIterable(Array.from({ length: count }, () => bytes(1_000_000)), { chunkSize: 1 }).pipe(
      Stream.tap(() => Effect.sleep(every))
    ),
    { filename: "a.bin", size: count * 1_000_000, replayable: true }
  )

const take = (size: number, answer: () => HttpMock.Reply = () => ok({ size_bytes: size })) =>
  HttpMock.answering((request) => request.method === "POST" ? answer() : Response.json({ data: [], next_page: null }))

describe("headers", () => {
  it.effect("60 seconds for reads, the client's own limit, if the policy gives none", () =>
    Effect.gen(function*() {
      const silently = layerOf(script(() => HttpMock.silence).client, Policy.timeout())
      assert.deepStrictEqual(yield* ended(Effect.provide(Files.metadata(id), silently), 1000), [
        60_000,
        "TimedOut",
        false
      ])
    }))

  it.effect("an idleTimeout of the client stays if the policy gives none", () =>
    Effect.gen(function*() {
      const silently = layerOf(script(() => HttpMock.silence).client, Policy.standard({ retry: false }), {
        idleTimeout: "2 seconds"
      })
      assert.deepStrictEqual(yield* ended(Effect.provide(Files.metadata(id), silently)), [2000, "TimedOut", false])
    }))

  it.effect("ten times as long for an upload, whose outcome is then unknown", () =>
    Effect.gen(function*() {
      const silently = layerOf(script(() => HttpMock.silence).client, Policy.timeout())
      const seen = yield* ended(Effect.provide(Files.upload(FileSource.text("x", "x")), silently), 1000)
      assert.isAtLeast(seen[0], 600_000)
      assert.isAtMost(seen[0], 601_000)
      assert.deepStrictEqual(seen.slice(1), ["TimedOut", true])
    }))

  it.effect("an answer just in time counts", () =>
    Effect.gen(function*() {
      const policy = Policy.timeout({ headers: "60 seconds" })
      const seen = yield* ended(under(Files.metadata(id), after(59_900), policy), 100)
      assert.deepStrictEqual(seen, [59_900, "Success", false])
    }))

  it.effect("a limit applies to every request", () =>
    Effect.gen(function*() {
      const policy = Policy.timeout({ headers: "2 seconds" })
      assert.deepStrictEqual(yield* ended(under(Files.metadata(id), after(3000), policy)), [2000, "TimedOut", false])
      const from = yield* ended(under(Files.upload(FileSource.text("x", "x")), after(9000), policy))
      assert.deepStrictEqual(from.slice(1), ["TimedOut", true])
    }))

  it.effect("a slow upload that moves is not killed, however long it takes", () =>
    Effect.gen(function*() {
      const policy = Policy.timeout({ headers: "2 seconds" })
      const result = yield* ended(under(Files.upload(slow(100, 1500)), take(100_000_000), policy), 500)
      assert.deepStrictEqual(result, [150_000, "Success", false])
    }))

  it.effect("an upload that stops is ended, and its outcome is known", () =>
    Effect.gen(function*() {
      const policy = Policy.timeout({ headers: "2 seconds" })
      const stuck = FileSource.stream(
        Stream.concat(Stream.succeed(bytes(10)), Stream.fromEffect(Effect.never)),
        { filename: "a", size: 20 }
      )
      const [at, outcome] = yield* ended(under(Files.upload(stuck), take(20), policy))
      assert.strictEqual(at, 2000)
      assert.strictEqual(outcome, "TransferInterrupted")
    }))

  it.effect("after an upload of this package's client, too, the limit is longer by a second per megabyte", () =>
    Effect.gen(function*() {
      const policy = Policy.timeout({ headers: "2 seconds" })
      const sources = [FileSource.bytes(bytes(30_000_000), "a.bin"), slow(30, 0)]
      for (const source of sources) {
        const seen = yield* ended(under(Files.upload(source), script(() => HttpMock.silence), policy), 100)
        assert.isAtLeast(seen[0], 32_000)
        assert.isAtMost(seen[0], 33_000)
        assert.deepStrictEqual(seen.slice(1), ["TimedOut", true])
        yield* TestClock.setTime(0)
      }
    }))

  it.effect("after a body, the limit is longer by a second per megabyte, whatever the body", () =>
    Effect.gen(function*() {
      const policy = Policy.timeout({ headers: "2 seconds" })
      const form = new FormData()
      form.set("file", new File([bytes(30_000_000)], "a"))
      const bodies = [
        HttpBody.uint8Array(bytes(30_000_000)),
        HttpBody.stream(Stream.succeed(bytes(30_000_000)), "application/octet-stream"),
        HttpBody.formData(form)
      ]
      for (const body of bodies) {
        for (const [delay, tag] of [[31_000, "Success"], [33_000, "Failure"]] as const) {
          const result = yield* drive(
            under(
              Effect.flatMap(
                HttpClient.HttpClient,
                (client) => Effect.result(client.execute(HttpClientRequest.make("POST")("http://localhost/", { body })))
              ),
              after(delay),
              policy
            ),
            500
          )
          assert.strictEqual(result._tag, tag, `${body._tag} ${delay}`)
        }
      }
    }))
})

describe("idleBody", () => {
  /** A body whose chunks come at these times after one another, and that then says nothing more. */
  const dripping = (gaps: ReadonlyArray<number>, ends: boolean) =>
    Effect.map(Effect.context<never>(), (context) => {
      const run = Effect.runForkWith(context)
      let n = 0
      return new Response(
        new ReadableStream<Uint8Array>({
          pull: (controller) =>
            new Promise<void>((resolve) => {
              const gap = gaps[n++]
              if (gap === undefined) {
                if (!ends) return
                controller.close()
                return resolve()
              }
              run(Effect.delay(
                Effect.sync(() => {
                  controller.enqueue(new TextEncoder().encode(n === 1 ? "{" : n === gaps.length ? "}" : " "))
                  resolve()
                }),
                gap
              ))
            })
        }, { highWaterMark: 0 })
      )
    })

  const reads: ReadonlyArray<
    readonly [string, (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<unknown, unknown>]
  > = [
    ["stream", (response) => Stream.runDrain(response.stream)],
    ["json", (response) => response.json],
    ["text", (response) => response.text],
    ["arrayBuffer", (response) => response.arrayBuffer],
    ["urlParamsBody", (response) => response.urlParamsBody],
    ["formData", (response) => response.formData]
  ]

  for (const [name, read] of reads) {
    it.effect(`ends a body that stalls, read as ${name}, over another client too`, () =>
      Effect.gen(function*() {
        const from = HttpMock.answering(() => dripping([1000, 1000], false))
        const [at, result] = yield* drive(
          under(
            Effect.gen(function*() {
              const client = yield* HttpClient.HttpClient
              const response = yield* client.get("http://localhost/")
              const result = yield* Effect.result(read(response))
              return [yield* Effect.clockWith((clock) => clock.currentTimeMillis), result] as const
            }),
            from,
            Policy.timeout({ idleBody: "5 seconds" })
          ),
          100
        )
        assert.strictEqual(result._tag, "Failure")
        assert.isAtLeast(at, 7000)
        assert.isAtMost(at, 7500)
      }))
  }

  it.effect("applies from the answer's head on, although the limit until then is longer", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering(() => Effect.delay(dripping([1000], false), 1000))
      const at = yield* ended(under(Files.metadata(id), from, Policy.timeout({ idleBody: "5 seconds" })))
      assert.strictEqual(at[1], "TimedOut")
      assert.isAtMost(at[0], 6500)
    }))

  it.effect("is the client's own for the answer to an upload, not the longer time until it comes", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering(() => Effect.delay(dripping([1000], false), 1000))
      const upload = Files.upload(FileSource.text("x", "x.txt"), { onUnknownOutcome: "fail" })
      const at = yield* ended(
        Effect.provide(upload, layerOf(from.client, Policy.stack(), { idleTimeout: "5 seconds" }))
      )
      assert.strictEqual(at[1], "TimedOut")
      assert.isAtMost(at[0], 6500)
    }))

  it.effect("does not end a body that moves, nor a slow consumer", () =>
    Effect.gen(function*() {
      const policy = Policy.timeout({ idleBody: "5 seconds" })
      const result = yield* drive(
        under(
          Effect.flatMap(HttpClient.HttpClient, (client) =>
            Effect.flatMap(client.get("http://localhost/"), (response) => response.json)),
          HttpMock.answering(() =>
            dripping(Array(20).fill(4000), true)
          ),
          policy
        ),
        500
      )
      assert.deepStrictEqual(result, {})
      yield* drive(
        under(
          Effect.flatMap(HttpClient.HttpClient, (client) =>
            Effect.flatMap(client.get("http://localhost/"), (response) =>
              Stream.runForEach(response.stream, () =>
                Effect.sleep("1 minute")))),
          HttpMock.answering(() =>
            dripping([1, 1, 1], true)
          ),
          policy
        ),
        500
      )
    }))

  it.effect.each([204, 205, 304])(
    "another client's answer of %i, which has no body, is given as it is",
    (status) =>
      Effect.gen(function*() {
        const { client } = HttpMock.answering(() => new Response(null, { status }))
        const limited = Layer.provide(Policy.timeout(), Layer.succeed(HttpClient.HttpClient, client))
        const response = yield* Effect.provide(HttpClient.get("http://localhost/"), limited)
        assert.strictEqual(response.status, status)
      })
  )
})

describe("total", () => {
  it.effect("ends requests that move, too", () =>
    Effect.gen(function*() {
      const policy = Policy.timeout({ total: "10 seconds" })
      const [at, outcome] = yield* ended(under(Files.upload(slow(100, 1000)), take(100_000_000), policy), 500)
      assert.deepStrictEqual([at, outcome], [10_000, "TimedOut"])
    }))

  it.effect("around a retry policy, it leaves the outcome of an upload unknown, and that of a lookup known", () =>
    Effect.gen(function*() {
      const policy = Policy.stack(Policy.timeout({ total: "10 seconds" }), Policy.retry({ times: 100 }))
      const silent = () => script(() => HttpMock.silence)
      const upload = Files.upload(FileSource.text("x", "x"))
      assert.deepStrictEqual(yield* ended(under(upload, silent(), policy)), [10_000, "TimedOut", true])
      assert.deepStrictEqual((yield* ended(under(Files.metadata(id), silent(), policy))).slice(1), ["TimedOut", false])
    }))

  it.effect("around a retry policy, it limits all tries and waits together", () =>
    Effect.gen(function*() {
      const policy = Policy.stack(Policy.timeout({ total: "10 seconds" }), Policy.retry({ times: 100 }))
      const from = script(() => failure(500))
      const [at, outcome] = yield* ended(under(Files.metadata(id), from, policy))
      assert.deepStrictEqual([at, outcome], [10_000, "TimedOut"])
      assert.isAbove(from.requests().length, 3)
    }))
})

it.effect("beneath a retry policy, it ends one try, and the next may succeed", () =>
  Effect.gen(function*() {
    const from = script(() => HttpMock.silence, () => HttpMock.silence, () => ok())
    const policy = Policy.stack(Policy.retry(), Policy.timeout({ headers: "5 seconds" }))
    const [, outcome] = yield* ended(under(Files.metadata(id), from, policy))
    assert.strictEqual(outcome, "Success")
    assert.strictEqual(from.requests().length, 3)
    assert.strictEqual(from.open().now, 0)
  }))

it.effect("a request that ended in time leaves nothing behind", () =>
  Effect.gen(function*() {
    const from = script(() => HttpMock.silence)
    yield* Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Effect.exit(Files.metadata(id)))
      yield* settle
      assert.strictEqual(from.open().now, 1)
      yield* TestClock.adjust("61 seconds")
      yield* settle
      assert.strictEqual(from.open().now, 0)
      yield* Fiber.join(fiber)
    }).pipe(Effect.provide(layerOf(from.client, Policy.timeout({ headers: "60 seconds" }), patient)))
  }))

describe("connect", () => {
  /** Takes a connection and says nothing: no TLS comes about. */
  const deaf = Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      const sockets: Array<net.Socket> = []
      const server = net.createServer((socket) => {
        sockets.push(socket)
        socket.on("error", () => undefined)
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as net.AddressInfo
        resume(Effect.succeed({
          url: `https://127.0.0.1:${port}`,
          close: () => {
            for (const socket of sockets) socket.destroy()
            server.close()
          }
        }))
      })
    }),
    (server) => Effect.sync(server.close)
  )

  const over = (baseUrl: string, policy: Policy.Policy) =>
    Files.layer({ apiKey: Redacted.make(key), baseUrl }).pipe(
      Layer.provide(policy),
      Layer.provide(NodeFiles.layerHttpClient),
      Layer.orDie
    )

  it.live("a connection that can't be made ends the try, and nothing was sent", () =>
    Effect.gen(function*() {
      const { url } = yield* deaf
      const error = yield* Effect.flip(
        Effect.provide(Files.upload(FileSource.text("x", "x")), over(url, Policy.timeout({ connect: "50 millis" })))
      )
      assert.strictEqual(outcomeOf(error), "TimedOut")
      assert.include(error.message, "No connection within 50ms")
      assert.isTrue(error.isRetryable)
      assert.isFalse(error.isOutcomeUnknown)
    }).pipe(Effect.scoped))

  it.live("the try is repeated, even an upload that must not be sent twice", () =>
    Effect.gen(function*() {
      const { url } = yield* deaf
      let tries = 0
      const counting = Layer.effect(
        HttpClient.HttpClient,
        Effect.map(HttpClient.HttpClient, HttpClient.transform((effect) => Effect.suspend(() => (tries++, effect))))
      )
      const policy = Policy.stack(
        Policy.retry({ times: 2, baseDelay: 1 }),
        counting,
        Policy.timeout({ connect: "30 millis" })
      )
      const error = yield* Effect.flip(
        Effect.provide(Files.upload(FileSource.text("x", "x"), { onUnknownOutcome: "fail" }), over(url, policy))
      )
      assert.strictEqual(outcomeOf(error), "TimedOut")
      assert.strictEqual(tries, 3)
    }).pipe(Effect.scoped))

  it.live("does not apply once there is a connection, nor to one that is kept alive", () =>
    Effect.gen(function*() {
      const server = yield* rawServer(({ socket }, n) => {
        setTimeout(
          () => socket.write(http(200, JSON.stringify(wire()), { "content-type": "application/json" })),
          n * 80
        )
      })
      yield* Effect.provide(
        Effect.gen(function*() {
          yield* Files.metadata(id)
          yield* Files.metadata(id)
        }),
        over(server.url, Policy.timeout({ connect: "50 millis" }))
      )
      assert.strictEqual(server.heads.length, 2)
      assert.strictEqual(server.open(), 1)
    }).pipe(Effect.scoped))
})

describe("what an answer is besides its body", () => {
  const policies = {
    timeout: Policy.timeout(),
    retry: Policy.retry({ times: 0 }),
    standard: Policy.standard({ retry: { times: 0 } })
  }
  for (const [name, policy] of Object.entries(policies)) {
    for (const status of [200, 503]) {
      it.effect(`reaches another client as it came, all cookies and the URL, ${name} and ${status}`, () =>
        Effect.gen(function*() {
          const from = HttpMock.answering(() => {
            const headers = new Headers({ "content-type": "application/json" })
            headers.append("set-cookie", "session=1; Path=/")
            headers.append("set-cookie", "csrf=2; Path=/")
            return Object.defineProperty(new Response("{}", { status, headers }), "url", { value: "http://b/moved" })
          })
          const response = yield* under(HttpClient.HttpClient.use((client) => client.get("http://a/")), from, policy)
          assert.deepStrictEqual(Object.keys(response.cookies.cookies), ["session", "csrf"])
          assert.strictEqual(response.url, "http://b/moved")
          assert.strictEqual(response.status, status)
          assert.deepStrictEqual(yield* response.json, {})
        }))
    }

    it.live(`is known to a source that must not store what is encoded, ${name}`, () =>
      Effect.gen(function*() {
        const server = yield* rawServer(({ head, socket }) =>
          void socket.write(
            head.startsWith("GET /a.csv")
              ? http(200, "packed", { "content-encoding": "gzip" })
              : http(200, JSON.stringify(wire()), { "content-type": "application/json" })
          )
        )
        const upload = Files.upload(FileSource.url(`${server.url}/a.csv`))
        const error = yield* Effect.flip(
          Effect.provide(
            upload,
            NodeFiles.layer({ apiKey: Redacted.make(key), baseUrl: server.url, proxy: false }, policy)
          )
        )
        assert.strictEqual(outcomeOf(error as never), "SourceFailed")
        assert.include(error.message, "sent its content as gzip, which was not requested")
        assert.lengthOf(server.heads, 1)
      }).pipe(Effect.scoped))
  }
})
