import { assert, describe, it } from "@effect/vitest"
import { Cause, ConfigProvider, Effect, Layer, Logger, Redacted, References, type Scope } from "effect"
import { FileMetadata, Files, type FilesError, FileSource, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { HttpClient } from "effect/http"
import * as fs from "node:fs"
import * as http from "node:http"
import * as https from "node:https"
import * as net from "node:net"
import { inspect } from "node:util"
import { recordSpans } from "../support/spans.ts"
import { wire } from "../support/wire.ts"

const fixture = (name: string) => fs.readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8")

const identity = { cert: fixture("cert.pem"), key: fixture("key.pem") }
const ca = fixture("ca.pem")

const certificates = ca

const FilesLive = NodeFiles.layerConfig({
  proxy: "http://proxy.example.com:8080",
  ca: certificates
})

const id = FileMetadata.FileId.make("file_1")
const password = "pa:ss w%rd-canary"

const file = JSON.stringify(wire({ size_bytes: 5 }))

const portOf = (server: net.Server): number => (server.address() as net.AddressInfo).port

const listen = <S extends http.Server | https.Server>(server: S): Effect.Effect<S, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<S>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))),
    (server) =>
      Effect.callback<void>((resume) => {
        server.closeAllConnections()
        server.close(() => resume(Effect.void))
      })
  )

/** The service, and what it was asked. */
const service = (isTls: boolean) =>
  Effect.gen(function*() {
    const asked: Array<string> = []
    const answer: http.RequestListener = (request, response) => {
      asked.push(`${request.method} ${request.url} ${
        Object.keys(request.headers).filter((name) => name.startsWith("proxy")).join()
      }`.trim())
      request.resume().on("end", () =>
        response.writeHead(200, { "content-length": file.length }).end(file))
    }
    const server = yield* listen(isTls ? https.createServer(identity, answer) : http.createServer(answer))
    return { asked, port: portOf(server), url: `${isTls ? "https" : "http"}://127.0.0.1:${portOf(server)}` }
  })

interface ProxyOptions {
  readonly isTls?: boolean
  /** Answers every request with it. */
  readonly status?: number
  /** Answers every request with 400 and what it was sent, as itself and in parts. */
  readonly repeats?: boolean
  /** Answers none. */
  readonly isSilent?: boolean
}

/** A forward proxy, what it was asked, and with which authorization. */
const proxy = ({ isSilent = false, isTls = false, repeats = false, status }: ProxyOptions = {}) =>
  Effect.gen(function*() {
    const asked: Array<string> = []
    const authorizations = new Set<string>()
    const sockets = new Set<net.Socket>()
    const note = (request: http.IncomingMessage) => {
      asked.push(`${request.method} ${request.url}`)
      const [, encoded] = (request.headers["proxy-authorization"] ?? "").split(" ")
      authorizations.add(Buffer.from(encoded ?? "", "base64").toString())
    }
    const server = yield* listen(isTls ? https.createServer(identity) : http.createServer())
    // The server lets go of those that asked for a tunnel.
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const socket of sockets) socket.destroy()
      })
    )
    server.on("connection", (socket: net.Socket) => sockets.add(socket.once("close", () => sockets.delete(socket))))
    server.on("request", (request: http.IncomingMessage, response: http.ServerResponse) => {
      note(request)
      if (isSilent) return
      if (status !== undefined) return void response.writeHead(status).end()
      if (repeats) {
        const message = [JSON.stringify(request.headers), ...authorizations, password, encodeURIComponent(password)]
          .join()
        response.writeHead(400, { "content-type": "application/json" })
        return void response.end(JSON.stringify({ type: "error", error: { type: "invalid_request_error", message } }))
      }
      const forwarded = http.request(request.url ?? "", { method: request.method ?? "GET", headers: request.headers })
      forwarded.on("response", (answer) => {
        response.writeHead(answer.statusCode ?? 0, answer.headers)
        answer.pipe(response)
      })
      request.pipe(forwarded)
    })
    server.on("connect", (request: http.IncomingMessage, socket: net.Socket) => {
      note(request)
      socket.on("error", () => {})
      if (isSilent) return void socket.once("end", () => socket.end()).resume()
      if (status !== undefined) return void socket.end(`HTTP/1.1 ${status} X\r\n\r\n`)
      const [, port] = (request.url ?? "").split(":")
      const target = net.connect(Number(port), "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n")
        target.pipe(socket)
        socket.pipe(target)
      })
      socket.once("close", () => target.destroy())
      target.on("error", () => socket.destroy())
    })
    const address = `127.0.0.1:${portOf(server)}`
    return { asked, authorizations, sockets, address, url: `${isTls ? "https" : "http"}://${address}` }
  })

const withEnvironment = (values: Readonly<Record<string, string | undefined>>) => {
  const set = (values: Readonly<Record<string, string | undefined>>) => {
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
  const names = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"]
  return <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const before = Object.fromEntries(names.map((name) => [name, process.env[name]]))
        set(Object.fromEntries(names.map((name) => [name, values[name]])))
        return before
      }),
      () => effect,
      (before) => Effect.sync(() => set(before))
    )
}

const lookup = (baseUrl: string, options: Partial<NodeFiles.Options> = {}, policy?: Policy.Policy) =>
  Effect.provide(
    Files.metadata(id),
    NodeFiles.layer({ apiKey: Redacted.make("sk-ant-test-key"), baseUrl, ca, ...options }, policy)
  )

const failure = <A, R>(effect: Effect.Effect<A, unknown, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    const failed = error as FilesError.RequestFailed
    const all = [failed.message, JSON.stringify(failed), String(failed.stack), String(failed.cause)].join("\n")
    assert.notInclude(all, password)
    assert.notInclude(all, encodeURIComponent(password))
    return failed
  })

const withPassword = (url: string) => url.replace("//", `//some%40one:${encodeURIComponent(password)}@`)

for (const isTls of [true, false]) {
  describe(`${isTls ? "https" : "http"} around a proxy`, () => {
    const variable = isTls ? "HTTPS_PROXY" : "HTTP_PROXY"
    it.live(
      "NO_PROXY takes masks and blanks, and a mask leaves other networks to the proxy",
      () =>
        Effect.scoped(Effect.gen(function*() {
          const [api, gate] = [yield* service(isTls), yield* proxy({ isTls: false })]
          for (
            const direct of [
              "127.0.0.0/8",
              "127.0.0.1/32",
              "0.0.0.0/0",
              "example.com 127.0.0.1",
              "10.0.0.0/8 127.1.2.3/8"
            ]
          ) {
            yield* withEnvironment({ [variable]: gate.url, NO_PROXY: direct })(lookup(api.url))
          }
          assert.deepStrictEqual(gate.asked, [])
          for (const proxied of ["128.0.0.0/8", "127.0.0.2/32", "127.0.0.1/33", "127.0.0.256/8"]) {
            yield* withEnvironment({ [variable]: gate.url, NO_PROXY: proxied })(lookup(api.url))
          }
          assert.lengthOf(gate.asked, 4)
        }))
    )
  })

  for (const isTlsProxy of [true, false]) {
    describe(`${isTls ? "https" : "http"} through ${isTlsProxy ? "an https" : "an http"} proxy`, () => {
      const variable = isTls ? "HTTPS_PROXY" : "HTTP_PROXY"
      const through = (target: string) => isTls ? `CONNECT ${target}` : `GET http://${target}/v1/files/file_1`

      // The authority of a proxy's own certificate is one of the process.
      const trusting = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
        Effect.acquireUseRelease(
          Effect.sync(() => process.env["NODE_TLS_REJECT_UNAUTHORIZED"]),
          () => {
            if (isTlsProxy) process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0"
            return effect
          },
          (before) =>
            Effect.sync(() => {
              if (before === undefined) delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"]
              else process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = before
            })
        )

      for (const name of [variable, variable.toLowerCase()]) {
        it.live(`${name} is obeyed, its user name and password are given to the proxy and to nobody else`, () =>
          Effect.scoped(Effect.gen(function*() {
            const [api, gate] = [yield* service(isTls), yield* proxy({ isTls: isTlsProxy })]
            yield* trusting(withEnvironment({ [name]: withPassword(gate.url) })(lookup(api.url)))
            assert.deepStrictEqual(gate.asked, [through(`127.0.0.1:${api.port}`)])
            assert.deepStrictEqual(Array.from(gate.authorizations), [`some@one:${password}`])
            assert.lengthOf(api.asked, 1)
            if (isTls) assert.strictEqual(api.asked[0], "GET /v1/files/file_1")
          })))
      }

      it.live("its password is in no span and no log, whether it lets requests pass or not", () =>
        Effect.scoped(Effect.gen(function*() {
          const { spans, tracer } = recordSpans()
          const logged: Array<unknown> = []
          const logger = Logger.make(({ cause, message }) => void logged.push(message, Cause.pretty(cause)))
          for (const status of [undefined, 407]) {
            const [api, gate] = [
              yield* service(isTls),
              yield* proxy({ isTls: isTlsProxy, ...(status === undefined ? undefined : { status }) })
            ]
            yield* trusting(
              withEnvironment({ [variable]: withPassword(gate.url) })(
                Effect.ignoreCause(lookup(api.url, {}, Policy.standard({ retry: { times: 1, baseDelay: 1 } })))
              )
            ).pipe(
              Effect.withTracer(tracer),
              Effect.provide(Logger.layer([logger])),
              Effect.provideService(References.MinimumLogLevel, "Trace"),
              // The worst that a program can ask for.
              Effect.provideService(HttpClient.TracerDisabledWhen, () => false),
              Effect.provideService(HttpClient.TracerHeaderFilter, () => true)
            )
          }
          assert.isAbove(spans.length, 2)
          assert.isAbove(logged.length, 0)
          const all = inspect([spans, logged], { depth: 12, showHidden: true })
          assert.notInclude(all, password)
          assert.notInclude(all, encodeURIComponent(password))
          assert.notInclude(all, Buffer.from(`some@one:${password}`).toString("base64"))
        })))

      if (!isTls) {
        it.live("P6: no error shows the user name and password of a proxy that repeats them", () =>
          Effect.scoped(Effect.gen(function*() {
            const gate = yield* proxy({ isTls: isTlsProxy, repeats: true })
            for (const policy of [undefined, Policy.standard()]) {
              const error = yield* failure(trusting(
                lookup("http://127.0.0.1:1", { proxy: withPassword(gate.url) }, policy)
              ))
              assert.include(error.message, "proxy-authorization")
              assert.notInclude(error.message, Buffer.from(`some@one:${password}`).toString("base64"))
            }
          })))
      }

      it.live("an upload arrives whole, and the connection serves the next request", () =>
        Effect.scoped(Effect.gen(function*() {
          const [api, gate] = [yield* service(isTls), yield* proxy({ isTls: isTlsProxy })]
          const use = Effect.andThen(Files.upload(FileSource.text("hello", "a.txt")), Files.metadata(id))
          const layer = NodeFiles.layer({ apiKey: Redacted.make("k-0123456"), baseUrl: api.url, ca, proxy: gate.url })
          yield* trusting(withEnvironment({})(Effect.provide(use, layer)))
          assert.lengthOf(api.asked, 2)
          assert.lengthOf(gate.asked, isTls ? 1 : 2)
        })))

      // To plain http only 407 can be told from an answer of the service.
      for (const status of isTls ? [407, 403, 502, 503] : [407]) {
        it.live(`${status} from the proxy is the proxy's failure`, () =>
          Effect.scoped(Effect.gen(function*() {
            const [api, gate] = [yield* service(isTls), yield* proxy({ isTls: isTlsProxy, status })]
            const error = yield* failure(
              trusting(withEnvironment({ [variable]: withPassword(gate.url) })(lookup(api.url)))
            )
            assert.strictEqual(error.reason._tag, "Unreachable")
            assert.include(error.message, `the proxy ${gate.url} `)
            assert.include(error.message, String(status))
            assert.strictEqual(error.isOutcomeUnknown, false)
            assert.strictEqual(error.isRetryable, status >= 500)
          })))
      }

      it.live("a proxy that can't be reached is named, and nothing is unknown about an upload", () =>
        Effect.scoped(Effect.gen(function*() {
          const api = yield* service(isTls)
          const dead = yield* Effect.scoped(Effect.map(proxy({ isTls: isTlsProxy }), ({ url }) => url))
          const upload = Effect.provide(
            Files.upload(FileSource.text("hello", "a.txt")),
            NodeFiles.layer({ apiKey: Redacted.make("k-0123456"), baseUrl: api.url, ca, proxy: withPassword(dead) })
          )
          const error = yield* failure(withEnvironment({})(upload))
          assert.strictEqual(error.reason._tag, "Unreachable")
          assert.include(error.message, `the proxy ${dead} can't be reached (ECONNREFUSED)`)
          assert.strictEqual(error.isOutcomeUnknown, false)
          assert.strictEqual(error.isRetryable, true)
        })))

      it.live("P4: a proxy that is silent is given up in time, and its socket closed", () =>
        Effect.scoped(Effect.gen(function*() {
          const [api, gate] = [yield* service(isTls), yield* proxy({ isTls: isTlsProxy, isSilent: true })]
          const error = yield* failure(trusting(
            withEnvironment({})(
              lookup(api.url, { proxy: gate.url, idleTimeout: "300 millis" })
            )
          ))
          assert.strictEqual(error.reason._tag, "TimedOut")
          yield* Effect.repeat(Effect.promise(() => new Promise((resolve) => setImmediate(resolve))), {
            until: () => gate.sockets.size === 0
          })
        })))

      it.live("NO_PROXY names hosts that are asked directly", () =>
        Effect.scoped(Effect.gen(function*() {
          const [api, gate] = [yield* service(isTls), yield* proxy({ isTls: isTlsProxy })]
          yield* withEnvironment({ [variable]: gate.url, NO_PROXY: "example.com, 127.0.0.1" })(lookup(api.url))
          yield* withEnvironment({ [variable]: gate.url, no_proxy: `127.0.0.1:${api.port}` })(lookup(api.url))
          yield* withEnvironment({ NO_PROXY: "*" })(lookup(api.url, { proxy: gate.url }))
          assert.deepStrictEqual(gate.asked, [])
          assert.lengthOf(api.asked, 3)
        })))

      it.live("proxy: false asks directly, whatever the environment says", () =>
        Effect.scoped(Effect.gen(function*() {
          const [api, gate] = [yield* service(isTls), yield* proxy({ isTls: isTlsProxy })]
          yield* withEnvironment({ [variable]: gate.url })(lookup(api.url, { proxy: false }))
          assert.deepStrictEqual(gate.asked, [])
        })))
    })
  }
}

describe("the option and the variables of a proxy", () => {
  it.live("a certificate of the service that is not trusted is the service's failure, not the proxy's", () =>
    Effect.scoped(Effect.gen(function*() {
      const [api, gate] = [yield* service(true), yield* proxy()]
      const error = yield* failure(withEnvironment({})(lookup(api.url, { ca: undefined, proxy: gate.url })))
      assert.lengthOf(gate.asked, 1)
      assert.notInclude(error.message, gate.url)
      assert.strictEqual(error.isRetryable, false)
    })))

  it.live("an https proxy that is not trusted has been sent nothing, also of a request over plain http", () =>
    Effect.scoped(Effect.gen(function*() {
      const [api, gate] = [yield* service(false), yield* proxy({ isTls: true })]
      const options = { apiKey: Redacted.make("sk-ant-test-key"), baseUrl: api.url, proxy: gate.url }
      const upload = Effect.provide(Files.upload(FileSource.text("hello", "a.txt")), NodeFiles.layer(options))
      const error = yield* failure(withEnvironment({})(upload))
      assert.strictEqual(error.isOutcomeUnknown, false)
      assert.include(error.message, gate.url)
      assert.lengthOf(api.asked, 0)
    })))

  it.live("a tunnel that breaks after the request was sent leaves the outcome unknown", () =>
    Effect.scoped(Effect.gen(function*() {
      const gate = yield* proxy()
      const sent: Array<string> = []
      const api = yield* listen(https.createServer(identity, (request) => {
        sent.push(request.method ?? "")
        request.resume().on("end", () => request.socket.destroy())
      }))
      const options = { apiKey: Redacted.make("sk-ant-test-key"), ca, proxy: gate.url }
      const upload = Effect.provide(
        Files.upload(FileSource.text("hello", "a.txt")),
        NodeFiles.layer({ ...options, baseUrl: `https://127.0.0.1:${portOf(api)}` })
      )
      const error = yield* failure(withEnvironment({})(upload))
      assert.deepStrictEqual(sent, ["POST"])
      assert.strictEqual(error.isOutcomeUnknown, true)
    })))

  it.live("a limit on connecting holds for a tunnel that is not made", () =>
    Effect.scoped(Effect.gen(function*() {
      const [api, gate] = [yield* service(true), yield* proxy({ isSilent: true })]
      const error = yield* failure(
        withEnvironment({})(
          lookup(api.url, { proxy: gate.url }, Policy.timeout({ connect: "100 millis" }))
        )
      )
      assert.include(error.message, `the proxy ${gate.url} can't be reached (No connection within 100ms`)
    })))

  it.live("requests that are given up before their tunnel is open leave their places to others", () =>
    Effect.scoped(Effect.gen(function*() {
      const [api, gate] = [yield* service(true), yield* proxy({ isSilent: true })]
      const many = Effect.forEach(Array.from({ length: 150 }), () => Effect.flip(Files.metadata(id)), {
        concurrency: "unbounded"
      })
      const layer = NodeFiles.layer({
        apiKey: Redacted.make("k-0123456"),
        baseUrl: api.url,
        ca,
        proxy: gate.url,
        idleTimeout: "300 millis"
      })
      // To wait for a place is not silence: one that never got one would hang.
      const errors = yield* withEnvironment({})(Effect.provide(many, layer))
      const reasons = errors.map((error) => error._tag === "RequestFailed" ? error.reason._tag : error._tag)
      assert.deepStrictEqual(reasons, Array.from({ length: 150 }, () => "TimedOut"))
    })))

  it.live("many requests at once through a proxy that refuses all end", () =>
    Effect.scoped(Effect.gen(function*() {
      const [api, gate] = [yield* service(true), yield* proxy({ status: 502 })]
      const many = Effect.forEach(Array.from({ length: 200 }), () => Effect.result(Files.metadata(id)), {
        concurrency: "unbounded"
      })
      const layer = NodeFiles.layer({ apiKey: Redacted.make("k-0123456"), baseUrl: api.url, ca, proxy: gate.url })
      const results = yield* withEnvironment({})(Effect.provide(many, layer))
      assert.strictEqual(results.filter(({ _tag }) => _tag === "Failure").length, 200)
    })))

  it.effect("a Layer from the environment takes them as well", () =>
    Effect.scoped(Layer.build(FilesLive)).pipe(
      Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ ANTHROPIC_API_KEY: "sk-ant-test-key" })))
    ))

  it.live("a proxy without a scheme is one over plain http", () =>
    Effect.scoped(Effect.gen(function*() {
      const [api, gate] = [yield* service(true), yield* proxy()]
      yield* withEnvironment({ HTTPS_PROXY: ` ${gate.address} ` })(lookup(api.url))
      yield* withEnvironment({})(lookup(api.url, { proxy: Redacted.make(gate.address) }))
      yield* withEnvironment({})(lookup(api.url, { proxy: new URL(gate.url) }))
      assert.lengthOf(gate.asked, 3)
    })))

  it.live("an empty variable is none, and HTTP_PROXY is not one of https", () =>
    Effect.scoped(Effect.gen(function*() {
      const [api, gate] = [yield* service(true), yield* proxy()]
      yield* withEnvironment({ HTTPS_PROXY: "", HTTP_PROXY: gate.url })(lookup(api.url))
      yield* withEnvironment({})(lookup(api.url, { proxy: true }))
      assert.deepStrictEqual(gate.asked, [])
    })))

  for (const value of [`socks5://u:${password}@127.0.0.1:1080`, `http://u:${password}@:99999999`, "http://u:%zz@h"]) {
    it.live(`what is not a proxy is refused by name when the Layer is made: ${value.slice(0, 12)}…`, () =>
      Effect.scoped(Effect.gen(function*() {
        const api = yield* service(true)
        const named = yield* failure(withEnvironment({ https_proxy: value })(lookup(api.url)))
        assert.strictEqual(String(named._tag), "InvalidConfig")
        assert.include(named.message, "https_proxy")
        const given = yield* failure(withEnvironment({})(lookup(api.url, { proxy: value })))
        assert.include(given.message, "proxy ")
        assert.lengthOf(api.asked, 0)
      })))
  }
})

describe("authorities", () => {
  it.live("one that Node does not know is trusted where ca names it, as text, bytes or among several", () =>
    Effect.scoped(Effect.gen(function*() {
      const api = yield* service(true)
      for (const given of [ca, Buffer.from(ca), new Uint8Array(Buffer.from(ca)), [fixture("cert.pem"), ca]]) {
        yield* withEnvironment({})(lookup(api.url, { ca: given }))
      }
      assert.lengthOf(api.asked, 4)
    })))

  it.live("null for an authority or a proxy counts as left out, and what is neither text nor bytes is refused", () =>
    Effect.scoped(Effect.gen(function*() {
      const api = yield* service(false)
      yield* withEnvironment({})(lookup(api.url, { ca: null as never, proxy: null as never }))
      assert.lengthOf(api.asked, 1)
      const error = yield* failure(withEnvironment({})(lookup(api.url, { ca: 7 as never })))
      assert.strictEqual(String(error._tag), "InvalidConfig")
      assert.include(error.message, "ca ")
    })))

  it.live("one that is not known is a final failure", () =>
    Effect.scoped(Effect.gen(function*() {
      const api = yield* service(true)
      const error = yield* failure(withEnvironment({})(lookup(api.url, { ca: undefined })))
      assert.strictEqual(error.isRetryable, false)
    })))

  it.live("what is not a certificate is refused when the Layer is made", () =>
    Effect.gen(function*() {
      for (const given of ["", "nonsense", new Uint8Array(3), [ca, "nonsense"]]) {
        const error = yield* failure(lookup("https://127.0.0.1:9", { ca: given }))
        assert.strictEqual(String(error._tag), "InvalidConfig")
        assert.include(error.message, "ca ")
      }
    }))
})
