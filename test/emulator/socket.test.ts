import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Redacted, Schedule, Scope } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import { HttpClient } from "effect/http"
import * as NodeFs from "node:fs"
import * as NodeHttp from "node:http"
import * as Net from "node:net"
import { boundary, call, get, socket, temporaryDirectory, upload } from "./support.ts"

/** A connection on which every byte is ours. */
const connect = Effect.fnUntraced(function*(options: { readonly allowHalfOpen?: boolean } = {}) {
  const { port } = new URL((yield* Emulator).url)
  const connection = Net.connect({ port: Number(port), host: "127.0.0.1", ...options })
  connection.on("error", () => undefined)
  yield* Effect.addFinalizer(() => Effect.sync(() => connection.destroy()))
  yield* Effect.callback<void>((resume) => {
    connection.once("connect", () => resume(Effect.void))
  })
  let received = ""
  let closed = false
  const waiting = new Set<() => void>()
  const notify = () => waiting.forEach((check) => check())
  connection.on("data", (data) => {
    received += data.toString("latin1")
    notify()
  })
  connection.on("close", () => {
    closed = true
    notify()
  })
  const until = (done: () => boolean) =>
    Effect.callback<string>((resume) => {
      const check = () => {
        if (!done()) return
        waiting.delete(check)
        resume(Effect.succeed(received))
      }
      waiting.add(check)
      check()
    })
  return {
    write: (text: string | Uint8Array) => connection.write(text),
    /** Waits until `text` has come. */
    receive: (text: string) => until(() => received.includes(text)),
    closed: until(() => closed),
    /** Reads no more of what comes. */
    pause: () => connection.pause(),
    isClosed: () => closed
  }
})

/** Comes back when another connection is taken. The peers that hold the others do nothing meanwhile. */
const thereIsRoom = get("/v1/files/file_unknown").pipe(Effect.retry({ schedule: Schedule.spaced("50 millis") }))

const bodyOf = (answer: string) =>
  JSON.parse(answer.slice(answer.indexOf("\r\n\r\n") + 4)) as {
    readonly error: { readonly type: string }
    readonly request_id: string
  }

const head = (key: string) =>
  `host: 127.0.0.1\r\nx-api-key: ${key}\r\nanthropic-version: 2023-06-01\r\n`
  + `content-type: multipart/form-data; boundary=${boundary}\r\n`

/** An upload whose body stops after its first bytes. */
const begunUpload = (key: string): string =>
  `POST /v1/files HTTP/1.1\r\n${head(key)}content-length: 100000\r\n\r\n`
  + `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nhello`

describe("on a socket", () => {
  it.effect("a request that is not HTTP, or too large, is refused with an error envelope", () =>
    Effect.gen(function*() {
      const ask = (request: string) =>
        Effect.scoped(Effect.gen(function*() {
          const connection = yield* connect()
          connection.write(request)
          return yield* connection.closed
        }))
      const garbage = yield* ask("NONSENSE\r\n\r\n")
      assert.match(garbage, /^HTTP\/1.1 400 /)
      assert.strictEqual(bodyOf(garbage).error.type, "invalid_request_error")
      assert.include(garbage, `request-id: ${bodyOf(garbage).request_id}`)
      const headers = yield* ask(`GET /v1/files HTTP/1.1\r\nhost: localhost\r\nx: ${"x".repeat(20_000)}\r\n\r\n`)
      assert.match(headers, /^HTTP\/1.1 431 /)
      assert.strictEqual(bodyOf(headers).error.type, "invalid_request_error")
      const expecting = yield* ask("POST /v1/files HTTP/1.1\r\nhost: localhost\r\nexpect: tea\r\n\r\n")
      assert.match(expecting, /^HTTP\/1.1 417 /)
      assert.strictEqual(bodyOf(expecting).error.type, "invalid_request_error")
      const tunnel = yield* ask("CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\n")
      assert.match(tunnel, /^HTTP\/1.1 405 /)
      assert.strictEqual(bodyOf(tunnel).error.type, "invalid_request_error")
      const hostless = yield* ask("GET /v1/files HTTP/1.1\r\nconnection: close\r\n\r\n")
      assert.match(hostless, /^HTTP\/1.1 400 /)
      assert.strictEqual(bodyOf(hostless).error.type, "invalid_request_error")
    }).pipe(Effect.provide(socket())))

  it.effect("headers that do not arrive time out", () =>
    Effect.gen(function*() {
      const connection = yield* connect()
      connection.write("GET /v1/files HTTP/1.1\r\nhost: localhost\r\n")
      const answer = yield* connection.closed
      assert.match(answer, /^HTTP\/1.1 408 /)
    }).pipe(Effect.scoped, Effect.provide(socket({ headersTimeout: 200 }))))

  it.effect("a file that is too large is refused while it is sent", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator
      const key = Redacted.value(emulator.apiKey)
      const announced = yield* connect()
      announced.write(`POST /v1/files HTTP/1.1\r\n${head(key)}content-length: 600000000\r\n\r\n`)
      // Not a byte of the body was sent, and the answer is here.
      const early = yield* announced.receive("request_too_large")
      assert.match(early, /^HTTP\/1.1 413 /)
      assert.include(early.toLowerCase(), "connection: close")

      const chunked = yield* connect()
      chunked.write(`POST /v1/files HTTP/1.1\r\n${head(key)}transfer-encoding: chunked\r\n\r\n`)
      const piece = (content: string) => `${content.length.toString(16)}\r\n${content}\r\n`
      chunked.write(piece(`--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n`))
      for (let i = 0; i < 11; i++) chunked.write(piece("x".repeat(100_000)))
      // The body is far from its end.
      const late = yield* chunked.receive("request_too_large")
      assert.match(late, /^HTTP\/1.1 413 /)
      assert.deepStrictEqual(yield* emulator.files, [])
    }).pipe(Effect.scoped, Effect.provide(socket({ maxFileBytes: 1_000_000 }))))

  it.effect("a client that is refused in the middle of a chunked body can go on at once", () =>
    Effect.gen(function*() {
      const { apiKey, url } = yield* Emulator
      const agent = new NodeHttp.Agent({ keepAlive: true, maxSockets: 1 })
      yield* Effect.addFinalizer(() => Effect.sync(() => agent.destroy()))
      const ask = (method: string, headers: Record<string, string>, body: string) =>
        Effect.callback<number | undefined, Error>((resume) => {
          const request = NodeHttp.request(`${url}/v1/files`, {
            method,
            agent,
            headers: { "x-api-key": Redacted.value(apiKey), "anthropic-version": "2023-06-01", ...headers }
          }, (response) => {
            response.resume().once("end", () => resume(Effect.succeed(response.statusCode)))
          })
          request.once("error", (error) => resume(Effect.fail(error)))
          // Without a content-length it is sent in chunks.
          if (body !== "") request.write(body)
          request.end()
        })
      const type = { "content-type": "multipart/form-data; boundary=b" }
      const body = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n"
        + "x".repeat(1_500_000)
      for (let i = 0; i < 3; i++) {
        assert.strictEqual(yield* ask("POST", type, body), 413)
        assert.strictEqual(yield* ask("GET", {}, ""), 200)
      }
    }).pipe(Effect.scoped, Effect.provide(socket({ maxFileBytes: 1_000_000 }))))

  it.live.each<readonly [what: string, sent: string]>([
    ["what is not HTTP", "NONSENSE\r\n\r\n"],
    ["headers that are too large", `GET / HTTP/1.1\r\nx: ${"x".repeat(20_000)}\r\n\r\n`],
    ["a CONNECT", "CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\n"]
  ])(
    "%s, sent while an answer is under way, ends the connection and adds nothing to the answer",
    ([, sent]) =>
      Effect.gen(function*() {
        const emulator = yield* Emulator
        const { id } = yield* emulator.seed({ filename: "a.txt", content: "x".repeat(100_000), downloadable: true })
        yield* emulator.setFaults([Fault.drip({ bytes: 100, every: "20 millis", times: null })])
        const connection = yield* connect()
        connection.write(`GET /v1/files/${id}/content HTTP/1.1\r\n${head(Redacted.value(emulator.apiKey))}\r\n`)
        yield* connection.receive("xxx")
        connection.write(sent)
        const received = yield* connection.closed
        assert.strictEqual(received.split("HTTP/1.1").length, 2, received.slice(-300))
      }).pipe(Effect.scoped, Effect.provide(socket()))
  )

  it.effect("an upload whose client disconnects leaves nothing behind", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator
      yield* Effect.scoped(Effect.gen(function*() {
        const connection = yield* connect()
        connection.write(begunUpload(Redacted.value(emulator.apiKey)))
        while ((yield* emulator.requests).at(-1)?.body === undefined) {
          yield* Effect.promise(() => new Promise(setImmediate))
        }
      }))
      while ((yield* emulator.requests).at(-1)?.failure === undefined) {
        yield* Effect.promise(() => new Promise(setImmediate))
      }
      assert.strictEqual((yield* emulator.requests).at(-1)?.failure, "The client went away")
      assert.deepStrictEqual(yield* emulator.files, [])
      assert.strictEqual((yield* upload()).status, 200)
    }).pipe(Effect.provide(socket())))

  it.effect("after its scope is closed, a folder can be opened again at once", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      for (let round = 0; round < 3; round++) {
        yield* Effect.gen(function*() {
          const emulator = yield* Emulator
          assert.strictEqual((yield* emulator.files).length, round)
          assert.strictEqual(NodeFs.readdirSync(`${directory}/blobs`).length, round)
          yield* emulator.seed({ filename: "whole", content: "whole" })
          const connection = yield* connect()
          connection.write(begunUpload(Redacted.value(emulator.apiKey)))
          while (NodeFs.readdirSync(`${directory}/blobs`).length < round + 2) {
            yield* Effect.promise(() => new Promise(setImmediate))
          }
        }).pipe(Effect.scoped, Effect.provide(NodeEmulator.layerServer({ directory })))
      }
      assert.strictEqual(NodeFs.readdirSync(`${directory}/blobs`).length, 3)
    }).pipe(Effect.scoped))

  it.effect("closing the scope closes every connection within 100 ms", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(NodeEmulator.layerServer(), scope)
      yield* Effect.gen(function*() {
        const emulator = yield* Emulator
        const key = Redacted.value(emulator.apiKey)
        const { id } = yield* emulator.seed({ filename: "d", content: "x".repeat(1000), downloadable: true })
        yield* emulator.addFault(
          Fault.stall({ at: "response", after: 10, match: { operation: "content" } })
        )
        const idle = yield* connect()
        idle.write(`GET /v1/files HTTP/1.1\r\n${head(key)}\r\n`)
        yield* idle.receive("next_page")
        const downloading = yield* connect()
        downloading.write(`GET /v1/files/${id}/content HTTP/1.1\r\n${head(key)}\r\n`)
        yield* downloading.receive("xxxxxxxxxx")
        const uploading = yield* connect()
        uploading.write(begunUpload(key))
        while ((yield* emulator.requests).at(-1)?.body === undefined) {
          yield* Effect.promise(() => new Promise(setImmediate))
        }
        const connections = [idle, downloading, uploading]
        assert.isTrue(connections.every((connection) => !connection.isClosed()))
        const before = performance.now()
        yield* Scope.close(scope, Exit.void)
        yield* Effect.forEach(connections, (connection) => connection.closed)
        assert.isBelow(performance.now() - before, 100)
        const refused = yield* Effect.callback<string>((resume) => {
          Net.connect(Number(new URL(emulator.url).port), "127.0.0.1").once("error", (error) => {
            resume(Effect.succeed(String(error)))
          })
        })
        assert.include(refused, "ECONNREFUSED")
      }).pipe(Effect.provideContext(context))
    }).pipe(Effect.scoped))

  const silences: ReadonlyArray<readonly [string, (key: string) => string]> = [
    ["no request at all", () => ""],
    ["half a request", () => "GET /v1/files HTTP/1.1\r\nhost: localhost\r\n"],
    [
      "a request without a key and half of its body",
      () => "POST /v1/files HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\nhalf"
    ],
    [
      "half of an upload",
      (key) => `POST /v1/files HTTP/1.1\r\n${head(key)}content-length: 100000\r\n\r\n--${boundary}\r\n`
    ],
    ["what is not HTTP", () => "NONSENSE\r\n\r\n"]
  ]
  for (const [what, text] of silences) {
    it.live(`a peer that sends ${what} and then falls silent does not keep others out`, () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator
        const key = Redacted.value(emulator.apiKey)
        const silent = yield* Effect.replicateEffect(connect({ allowHalfOpen: true }), 3)
        for (const connection of silent) {
          connection.pause()
          connection.write(text(key))
        }
        yield* thereIsRoom
      }).pipe(
        Effect.scoped,
        Effect.provide(socket({ maxConnections: 3, socketTimeout: 200, headersTimeout: 200, bodyIdleTimeout: 200 }))
      ))
  }

  it.live("a client that still sends slowly after its answer is disconnected", () =>
    Effect.gen(function*() {
      const dripping = yield* connect()
      dripping.write("POST /v1/files HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n")
      yield* dripping.receive("401")
      yield* Effect.forkScoped(Effect.repeat(Effect.sync(() => dripping.write("x")), Schedule.spaced("20 millis")))
      yield* dripping.closed
    }).pipe(Effect.scoped, Effect.provide(socket({ socketTimeout: 200 }))))

  it.live("a client that does not read its answer is disconnected; one that waits for the emulator is not", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator
      const key = Redacted.value(emulator.apiKey)
      const { id } = yield* emulator.seed({ filename: "d", content: new Uint8Array(64_000_000), downloadable: true })
      yield* emulator.addFault({ _tag: "Latency", duration: 1500, match: { operation: "list" } })
      const waiting = yield* connect()
      waiting.write(`GET /v1/files HTTP/1.1\r\n${head(key)}\r\n`)
      const deaf = yield* connect()
      deaf.pause()
      deaf.write(`GET /v1/files/${id}/content HTTP/1.1\r\n${head(key)}\r\n`)
      yield* thereIsRoom
      assert.match(yield* waiting.receive("next_page"), /^HTTP\/1.1 200 /)
    }).pipe(Effect.scoped, Effect.provide(socket({ socketTimeout: 300, maxConnections: 2 }))))

  it.effect("refuses connections beyond its limit", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator
      const request = `GET /v1/files HTTP/1.1\r\n${head(Redacted.value(emulator.apiKey))}\r\n`
      const first = yield* connect()
      const second = yield* connect()
      const third = yield* connect()
      yield* third.closed
      for (const connection of [first, second]) {
        connection.write(request)
        yield* connection.receive("next_page")
      }
    }).pipe(Effect.scoped, Effect.provide(socket({ maxConnections: 2 }))))
})

describe("who may call", () => {
  const forbidden = 403

  it.effect("only callers by names of this machine, against DNS rebinding", () =>
    Effect.gen(function*() {
      const status = (host: string) => Effect.map(get("/v1/files", { headers: { host } }), (answer) => answer.status)
      for (const host of ["127.0.0.1", "localhost:1234", "LOCALHOST", "[::1]:80", "a.localhost", "127.0.0.2"]) {
        assert.strictEqual(yield* status(host), 200, host)
      }
      for (
        const host of [
          "evil.example",
          "127.0.0.1.evil.example",
          "localhost.evil.example",
          "0.0.0.0",
          "192.168.0.1",
          "127.0.0.999",
          "127.0.0.256",
          "127.1.1.1.1",
          "127.0.0.1a",
          "[::2]",
          "localhost@evil.example"
        ]
      ) {
        assert.strictEqual(yield* status(host), forbidden, host)
      }
      const emulator = yield* Emulator
      assert.deepStrictEqual(yield* emulator.files, [])
    }).pipe(Effect.provide(socket())))

  it.effect("callers by names that were allowed", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* get("/v1/files", { headers: { host: "emulator.test:80" } })).status, 200)
      assert.strictEqual((yield* get("/v1/files", { headers: { host: "other.test" } })).status, forbidden)
    }).pipe(Effect.provide(socket({ allowedHosts: ["Emulator.test"] }))))

  it.effect("no web page, unless its origin is allowed", () =>
    Effect.gen(function*() {
      for (const origin of ["https://evil.example", "null", "http://localhost:3000"]) {
        const answer = yield* upload({}, { headers: { origin } })
        assert.strictEqual(answer.status, forbidden, origin)
        assert.isUndefined(answer.headers["access-control-allow-origin"])
      }
      const allowed = yield* get("/v1/files", { headers: { origin: "https://app.example" } })
      assert.strictEqual(allowed.status, 200)
      assert.strictEqual(allowed.headers["access-control-allow-origin"], "https://app.example")
      const emulator = yield* Emulator
      assert.deepStrictEqual(yield* emulator.files, [])
      const client = yield* HttpClient.HttpClient
      const preflight = (origin: string) => client.options(`${emulator.url}/v1/files`, { headers: { origin } })
      const welcome = yield* preflight("https://app.example")
      assert.strictEqual(welcome.status, 204)
      assert.include(welcome.headers["access-control-allow-headers"], "x-api-key")
      assert.strictEqual((yield* preflight("https://evil.example")).status, forbidden)
    }).pipe(Effect.provide(socket({ allowedOrigins: ["https://app.example"] }))))

  it.effect("nobody gets CORS headers by default", () =>
    Effect.gen(function*() {
      const answer = yield* get("/v1/files")
      assert.deepStrictEqual(Object.keys(answer.headers).filter((name) => name.startsWith("access-control")), [])
    }).pipe(Effect.provide(socket())))

  it.effect("other machines only with a chosen key", () =>
    Effect.gen(function*() {
      for (const host of ["0.0.0.0", "::", "192.0.2.1"]) {
        const error = yield* Effect.flip(Effect.scoped(Layer.build(NodeEmulator.layerServer({ host }))))
        assert.strictEqual(error._tag, "EmulatorFailed")
        assert.strictEqual(error.reason, "Refused")
      }
      yield* Effect.scoped(Layer.build(NodeEmulator.layerServer({ host: "0.0.0.0", apiKey: Redacted.make("own") })))
    }))

  it.effect("a port in use is a typed error", () =>
    Effect.gen(function*() {
      const { port } = new URL((yield* Emulator).url)
      const error = yield* Effect.flip(Effect.scoped(Layer.build(NodeEmulator.layerServer({ port: Number(port) }))))
      assert.strictEqual(error.reason, "Listen")
      assert.include(error.message, port)
    }).pipe(Effect.provide(NodeEmulator.layerServer())))
})

describe("the admin route", () => {
  it.effect("is off by default", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* get("/_emulator/faults")).status, 404)
      assert.strictEqual((yield* call("POST", "/_emulator/reset")).status, 404)
    }).pipe(Effect.provide(socket())))

  it.effect("needs a key", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* get("/_emulator/requests", { key: "wrong" })).status, 401)
      assert.strictEqual((yield* get("/_emulator/requests", { key: null })).status, 401)
      assert.strictEqual((yield* get("/_emulator/requests")).status, 200)
    }).pipe(Effect.provide(socket({ adminRoute: true }))))
})
