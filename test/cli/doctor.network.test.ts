import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, type Scope } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import * as fs from "node:fs"
import * as http from "node:http"
import * as https from "node:https"
import * as net from "node:net"
import process from "node:process"
import { isNamedBy } from "../../src/cli/doctor/network.ts"
import { type Ended, run } from "./run.ts"

const fixtures = `${process.cwd()}/test/node/fixtures`
const fixture = (name: string) => fs.readFileSync(`${fixtures}/${name}`, "utf8")
const identity = { cert: fixture("cert.pem"), key: fixture("key.pem") }

const live = <E>(title: string, test: () => Effect.Effect<void, E, Emulator | Scope.Scope>) =>
  it.live(title, () => Effect.provide(Effect.scoped(test()), NodeEmulator.layerServer()), 60_000)

const code = (ended: Ended, expected: number) => assert.strictEqual(ended.code, expected, ended.out + ended.err)

const listen = <S extends http.Server>(server: S): Effect.Effect<number, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<S>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))),
      (server) =>
        Effect.sync(() => {
          server.closeAllConnections()
          server.close()
        })
    ),
    (server) => (server.address() as net.AddressInfo).port
  )

/** The emulator behind TLS, with the limits that an admin key may ask for. */
const secure = Effect.gen(function*() {
  const { apiKey, url } = yield* Emulator
  const port = yield* listen(https.createServer(identity, (request, response) => {
    if (request.url === "/v1/organizations/rate_limits") {
      const isAdmin = request.headers["x-api-key"] === "sk-ant-admin-canary-4711"
      response.writeHead(isAdmin ? 200 : 403, { "content-type": "application/json" })
      return void response.end(JSON.stringify({ data: isAdmin ? [{ type: "files", requests_per_minute: 1234 }] : [] }))
    }
    const handedOn = http.request(`${url}${request.url}`, {
      method: request.method ?? "GET",
      headers: { ...request.headers, host: new URL(url).host }
    })
    handedOn.on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(response)
    })
    request.pipe(handedOn)
  }))
  return {
    url: `https://127.0.0.1:${port}`,
    env: {
      ANTHROPIC_API_KEY: Redacted.value(apiKey),
      ANTHROPIC_BASE_URL: `https://127.0.0.1:${port}`,
      NODE_EXTRA_CA_CERTS: `${fixtures}/ca.pem`,
      ANTHROPIC_FILES_RETRIES: "0"
    }
  }
})

/** A proxy for CONNECT, and what it was asked for. */
const proxy = (status?: number) =>
  Effect.gen(function*() {
    const asked: Array<string> = []
    const sockets = new Set<net.Socket>()
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const socket of sockets) socket.destroy()
      })
    )
    const server = http.createServer()
    server.on("connect", (request: http.IncomingMessage, socket: net.Socket) => {
      asked.push(request.url ?? "")
      sockets.add(socket)
      socket.on("error", () => {})
      if (status !== undefined) return void socket.end(`HTTP/1.1 ${status} No\r\n\r\n`)
      const target = net.connect(Number(request.url?.split(":")[1]), "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n")
        target.pipe(socket)
        socket.pipe(target)
      })
      target.on("error", () => socket.destroy())
      socket.once("close", () => target.destroy())
    })
    return { asked, host: `127.0.0.1:${yield* listen(server)}` }
  })

describe("doctor and https", () => {
  live("names who vouches for the certificate, and the authorities that were added", () =>
    Effect.gen(function*() {
      const { env } = yield* secure
      const ended = yield* run(["doctor"], { env: { ...env, ANTHROPIC_ADMIN_KEY: "sk-ant-admin-canary-4711" } })
      code(ended, 0)
      assert.match(
        ended.out,
        /✓ TLS +TLSv1\.3, certificate by Test authority, valid to \w+ .*, NODE_EXTRA_CA_CERTS is .*ca\.pem\n/
      )
      assert.match(ended.out, /✓ service +answers 401 to a request without a credential, as it should\n/)
      assert.match(ended.out, /✓ limits +1234 requests a minute\n/)
      assert.notInclude(ended.out + ended.err, "canary")
    }))

  live(
    "a certificate that nobody vouches for is a failure that says what to do, and is not temporary",
    () =>
      Effect.gen(function*() {
        const { env } = yield* secure
        const ended = yield* run(["doctor"], { env: { ...env, NODE_EXTRA_CA_CERTS: undefined } })
        code(ended, 7)
        assert.match(ended.out, /✗ TLS +its certificate is not trusted \(\w+\)\n +→ .*NODE_EXTRA_CA_CERTS/)
        assert.match(ended.out, /✗ service +its certificate is not trusted/)
      })
  )

  live("an address that speaks no TLS is told from one that nobody answers at", () =>
    Effect.gen(function*() {
      const { env } = yield* secure
      const { url } = yield* Emulator
      const plain = yield* run(["doctor"], {
        env: { ...env, ANTHROPIC_BASE_URL: url.replace("http:", "https:") }
      })
      assert.match(plain.out, /✗ TLS +it does not speak TLS \(\w+\)\n +→ It may be an http address\.\n/)
      const nobody = yield* run(["doctor"], { env: { ...env, ANTHROPIC_BASE_URL: "https://127.0.0.1:9" } })
      code(nobody, 5)
      assert.match(nobody.out, /✗ TLS +nothing accepts connections there \(ECONNREFUSED\)\n +→ Check the base URL\.\n/)
    }))
})

describe("doctor and a proxy", () => {
  live("names it, leaves names to it, and looks at the certificate through it", () =>
    Effect.gen(function*() {
      const { env, url } = yield* secure
      const { asked, host } = yield* proxy()
      const ended = yield* run(["doctor"], { env: { ...env, HTTPS_PROXY: `http://someone:canary-4711@${host}` } })
      code(ended, 0)
      assert.include(ended.out, `✓ proxy          http://${host}\n`)
      assert.match(ended.out, /– DNS +the proxy looks names up\n/)
      assert.match(ended.out, /✓ TLS +TLSv1\.3, certificate by Test authority/)
      assert.isAbove(asked.length, 1)
      assert.deepStrictEqual(new Set(asked), new Set([url.replace("https://", "")]))
      assert.notInclude(ended.out + ended.err, "canary")
    }))

  live("does without one for a host that NO_PROXY names", () =>
    Effect.gen(function*() {
      const { env } = yield* secure
      const { asked, host } = yield* proxy()
      const ended = yield* run(["doctor"], { env: { ...env, HTTPS_PROXY: `http://${host}`, NO_PROXY: "127.0.0.1" } })
      code(ended, 0)
      assert.match(ended.out, /✓ proxy +none, since NO_PROXY matches 127\.0\.0\.1\n/)
      assert.match(ended.out, /✓ DNS +127\.0\.0\.1 is 127\.0\.0\.1\n/)
      assert.deepStrictEqual(asked, [])
    }))

  live("tells a proxy that refuses from a service that does, without its password", () =>
    Effect.gen(function*() {
      const { env } = yield* secure
      const { host } = yield* proxy(407)
      const ended = yield* run(["doctor"], { env: { ...env, HTTPS_PROXY: `http://someone:canary-4711@${host}` } })
      assert.notStrictEqual(ended.code, 0)
      assert.match(
        ended.out,
        /✗ service +the proxy http:\/\/127\.0\.0\.1:\d+ asks for a user name and password \(407\)/
      )
      assert.notInclude(ended.out + ended.err, "canary")
      const wrong = yield* run(["doctor"], { env: { ...env, HTTPS_PROXY: "socks5://canary-4711@proxy:1080" } })
      code(wrong, 2)
      assert.match(
        wrong.out,
        /✗ proxy +HTTPS_PROXY names a socks5 proxy; only http and https proxies are supported\.\n/
      )
      assert.notInclude(wrong.out + wrong.err, "canary")
    }))

  it("matches hosts with NO_PROXY", () => {
    const is = (entry: string, url: string) => isNamedBy(entry, new URL(url))
    for (const entry of ["*", "api.example.com", "API.example.com", ".example.com", "*.example.com"]) {
      assert.isTrue(is(entry, "https://api.example.com/v1"), entry)
    }
    assert.isTrue(is("api.example.com:443", "https://api.example.com"))
    assert.isTrue(is("::1", "https://[::1]:8443"))
    for (const entry of ["", " ", "example.com", "pi.example.com", "api.example.com:80", "api.example.co"]) {
      assert.isFalse(is(entry, "https://api.example.com"), entry)
    }
  })
})
