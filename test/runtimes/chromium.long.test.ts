/**
 * In a page: the example behind its own server, and direct requests to an emulator that lets the page's origin in.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, type Scope } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import * as esbuild from "esbuild"
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as os from "node:os"
import { fileURLToPath } from "node:url"
import { serve } from "../../examples/browser/serve.ts"
import { http as answer, type RawServer, rawServer } from "../support/rawServer.ts"
import * as Chromium from "./chromium.ts"

const file = (name: string, size: number): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const folder = fs.mkdtempSync(`${os.tmpdir()}/page-`)
        fs.writeFileSync(`${folder}/${name}`, new Uint8Array(size).fill(7))
        return folder
      }),
      (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true }))
    ),
    (folder) => `${folder}/${name}`
  )

const choose = (page: Chromium.Page, path: string) =>
  Effect.gen(function*() {
    const { root } = (yield* page.send("DOM.getDocument")) as { readonly root: { readonly nodeId: number } }
    const { nodeId } = (yield* page.send("DOM.querySelector", { nodeId: root.nodeId, selector: "input" })) as {
      readonly nodeId: number
    }
    yield* page.send("DOM.setFileInputFiles", { files: [path], nodeId })
    // Chromium takes down size and time when the page first looks at the file.
    yield* page.evaluate(`document.querySelector("input").files[0]?.size`)
  })

/** Bytes a second that leave the page. */
const throttle = (page: Chromium.Page, uploadThroughput: number) =>
  page.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput
  })

const until = (page: Chromium.Page, condition: string): Effect.Effect<void> =>
  Effect.gen(function*() {
    while ((yield* page.evaluate(condition)) !== true) yield* Effect.sleep("50 millis")
  }).pipe(Effect.timeout("20 seconds"), Effect.orDie)

const text = "document.body.innerText"

/** The page of page.ts. Gives its origin. */
const origin: Effect.Effect<string, never, Scope.Scope> = Effect.gen(function*() {
  const { outputFiles } = yield* Effect.promise(() =>
    esbuild.build({
      entryPoints: [fileURLToPath(new URL("page.ts", import.meta.url))],
      bundle: true,
      format: "esm",
      write: false
    })
  )
  const server = yield* Effect.acquireRelease(
    Effect.callback<http.Server>((resume) => {
      const server = http.createServer(({ url }, response) =>
        url === "/page.js"
          ? response.setHeader("content-type", "text/javascript").end(outputFiles[0]?.contents)
          : response.setHeader("content-type", "text/html").end(
            `<input type="file"><script type="module" src="/page.js"></script>`
          )
      ).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  )
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

interface Outcome {
  readonly value: unknown
  readonly error: {
    readonly _tag: string
    readonly message: string
    readonly reason: unknown
    readonly requestId: string
    readonly isRetryable: boolean
    readonly retryAfter: unknown
  }
}

const call = (page: Chromium.Page, name: string, ...args: ReadonlyArray<unknown>) =>
  page.evaluate(`program.${name}(${args.map((arg) => JSON.stringify(arg)).join()})`) as Effect.Effect<Outcome>

/** A page beside an emulator that lets it in. */
const beside = Effect.gen(function*() {
  const from = yield* origin
  const context = yield* Layer.build(NodeEmulator.layerServer({ allowedOrigins: [from] }))
  const emulator = yield* Effect.provide(Emulator.Emulator, context)
  const page = yield* Chromium.open(from)
  return { emulator, page, place: { baseUrl: emulator.url, apiKey: Redacted.value(emulator.apiKey) } }
})

/** A server that answers every page whatever a test says, at what a browser asks beforehand too. */
const openTo = (body: (exchange: Parameters<Parameters<typeof rawServer>[0]>[0]) => void) =>
  rawServer((exchange) => {
    const { head, socket } = exchange
    if (!head.startsWith("OPTIONS")) return body(exchange)
    socket.end(
      "HTTP/1.1 204 No Content\r\naccess-control-allow-origin: *\r\naccess-control-allow-headers: *\r\nconnection: close\r\n\r\n"
    )
  })

const redirectTo = (url: string) =>
  `HTTP/1.1 307 Temporary Redirect\r\nlocation: ${url}/v1/files\r\naccess-control-allow-origin: *\r\n`
  + "content-length: 0\r\nconnection: close\r\n\r\n"

const untilClosed = (service: RawServer) =>
  Effect.gen(function*() {
    while (service.open() > 0) yield* Effect.sleep("20 millis")
  }).pipe(Effect.timeout("5 seconds"))

describe.skipIf(!Chromium.available)("in Chromium", () => {
  it.live(
    "the page of examples/browser uploads with progress, lists, saves and deletes, and holds no key",
    () =>
      Effect.scoped(Effect.gen(function*() {
        const { emulator, url } = yield* Effect.acquireRelease(
          Effect.promise(() => serve()),
          ({ stop }) => Effect.promise(() => stop())
        )
        const page = yield* Chromium.open(url)
        yield* until(page, `${text}.includes("made.csv, 16 bytes")`)
        yield* page.evaluate(`
          globalThis.seen = []
          new MutationObserver(() => seen.push(document.querySelector("progress").value))
            .observe(document.querySelector("progress"), { attributes: true })
        `)
        yield* throttle(page, 5_000_000)
        yield* choose(page, yield* file("large.bin", 4_000_000))
        yield* until(page, `${text}.includes("large.bin, 4000000 bytes")`)
        const seen = (yield* page.evaluate("seen.filter((value) => value > 0 && value < 4_000_000)")) as Array<number>
        assert.isAtLeast(seen.length, 2)
        assert.deepStrictEqual(seen, seen.toSorted((a, b) => a - b))
        yield* page.evaluate(
          `Array.from(document.querySelectorAll("button")).find((b) => b.textContent === "Save").click()`
        )
        yield* until(page, `${text}.includes("made.csv is saved.")`)
        yield* page.evaluate(`document.querySelectorAll("li")[0].querySelector("button").click()`)
        yield* until(page, `document.querySelectorAll("li").length === 1`)
        const sources = (yield* page.evaluate(
          `fetch("/page.js").then((r) => r.text()).then((js) => js + document.documentElement.outerHTML)`
        )) as string
        assert.notInclude(sources, emulator.apiKey)
        assert.deepStrictEqual(page.errors, [])
      })),
    90_000
  )

  it.live(
    "a page with a key uploads, lists and downloads over CORS",
    () =>
      Effect.scoped(Effect.gen(function*() {
        const { emulator, page, place } = yield* beside
        const made = yield* emulator.seed({ filename: "made.csv", content: "a,b\n", downloadable: true })
        assert.deepStrictEqual((yield* call(page, "uploadSmall", place)).value, 7)
        const large = yield* call(page, "upload", place, 3_000_000)
        assert.deepNestedInclude(large, { "value.size": 3_000_000 }, JSON.stringify(large.error))
        const { seen } = large.value as { readonly seen: ReadonlyArray<number> }
        assert.deepStrictEqual(seen, seen.toSorted((a, b) => a - b))
        assert.deepStrictEqual((yield* call(page, "uploadStream", place, 2000)).value, 2_000_000)
        assert.deepStrictEqual((yield* call(page, "download", place, made.id)).value, "a,b\n")
        assert.deepStrictEqual((yield* call(page, "list", place)).value, [
          "stream.bin",
          "large.bin",
          "a.txt",
          "made.csv"
        ])
        const [sent] = yield* emulator.requests
        assert.strictEqual(sent?.headers["anthropic-dangerous-direct-browser-access"], "true")
        assert.deepStrictEqual(page.errors, [])
      })),
    90_000
  )

  it.live(
    "an error tells a page what it tells others: request id, wait and whether to try again",
    () =>
      Effect.scoped(Effect.gen(function*() {
        const { emulator, page, place } = yield* beside
        yield* emulator.addFault(
          Fault.answer({
            status: 429,
            type: "rate_limit_error",
            headers: { "retry-after-ms": "1500", "x-should-retry": "false" }
          })
        )
        const { error } = yield* call(page, "list", place)
        assert.strictEqual(error._tag, "RateLimited")
        assert.match(error.requestId, /^req_/)
        assert.isFalse(error.isRetryable)
        assert.include(JSON.stringify(error.retryAfter), "1500")
      })),
    90_000
  )

  it.live(
    "a file that changes after it was chosen is a failure of the source, whatever its size and whoever reads it",
    () =>
      Effect.scoped(Effect.gen(function*() {
        const { emulator, page, place } = yield* beside
        for (const size of [1000, 3_000_000]) {
          for (const upload of ["uploadChosen", "cacheChosen"]) {
            const path = yield* file("chosen.bin", size)
            yield* choose(page, path)
            fs.writeFileSync(path, new Uint8Array(size - 1))
            fs.utimesSync(path, 1, 1)
            const outcome = yield* call(page, upload, place)
            assert.deepNestedInclude(outcome, { "error._tag": "SourceFailed" }, JSON.stringify([upload, size, outcome]))
          }
        }
        assert.deepStrictEqual(yield* emulator.files, [])
      })),
    90_000
  )

  it.live(
    "an empty file is uploaded, and one that is too large is refused before anything is sent",
    () =>
      Effect.scoped(Effect.gen(function*() {
        const { emulator, page, place } = yield* beside
        yield* choose(page, yield* file("empty.bin", 0))
        assert.strictEqual((yield* call(page, "uploadChosen", place)).value, 0)
        const before = yield* emulator.requests
        const path = yield* file("large.bin", 0)
        fs.truncateSync(path, 600_000_000)
        yield* choose(page, path)
        assert.strictEqual((yield* call(page, "uploadChosen", place)).error._tag, "FileTooLarge")
        assert.deepStrictEqual(yield* emulator.requests, before)
      })),
    90_000
  )

  it.live(
    "a request with a key, or with a header of one's own, follows no redirect",
    () =>
      Effect.scoped(Effect.gen(function*() {
        const other = yield* openTo(({ socket }) => void socket.end(answer(200, "{}")))
        const service = yield* openTo(({ socket }) => void socket.end(redirectTo(other.url)))
        const page = yield* Chromium.open(yield* origin)
        for (const secret of [{ apiKey: "sk-ant-canary" }, { headers: { "x-tenant": "canary" } }]) {
          for (const size of [10, 3_000_000]) {
            const { error } = yield* call(page, "upload", { baseUrl: service.url, ...secret }, size)
            assert.strictEqual(error._tag, "RequestFailed")
            assert.include(error.message, "redirects")
          }
        }
        assert.deepStrictEqual(other.heads, [])
      })),
    90_000
  )

  it.live(
    "without a key the browser follows a redirect of a large upload, and that is an error all the same",
    () =>
      Effect.scoped(Effect.gen(function*() {
        const other = yield* openTo(({ socket }) =>
          void socket.end(
            answer(200, "{}", { "access-control-allow-origin": "*", "connection": "close" })
          )
        )
        const service = yield* openTo(({ socket }) => void socket.end(redirectTo(other.url)))
        const page = yield* Chromium.open(yield* origin)
        const { error } = yield* call(page, "upload", { baseUrl: service.url }, 3_000_000)
        assert.strictEqual(error._tag, "RequestFailed")
        assert.include(error.message, "redirects")
        assert.isAbove(other.heads.length, 0)
      })),
    90_000
  )

  it.live(
    "a server that does not let the page's origin in can't be told from one that is away, and the error says so",
    () =>
      Effect.scoped(Effect.gen(function*() {
        const service = yield* rawServer(({ socket }) => void socket.end(answer(200, "{}")))
        const page = yield* Chromium.open(yield* origin)
        for (const apiKey of [undefined, "sk-ant-canary"]) {
          for (const size of [10, 3_000_000]) {
            const { error } = yield* call(page, "upload", { baseUrl: service.url, apiKey }, size)
            assert.nestedInclude(error, { "_tag": "RequestFailed", "reason._tag": "Unreachable" })
            assert.include(error.message, "CORS")
          }
        }
      })),
    90_000
  )

  it.live(
    "P7: an upload that is given up in the middle of its body ends there",
    () =>
      Effect.scoped(Effect.gen(function*() {
        let received = () => 0
        const service = yield* openTo((exchange) => {
          received = exchange.received
        })
        const page = yield* Chromium.open(yield* origin)
        yield* throttle(page, 1_000_000)
        for (const apiKey of [undefined, "sk-ant-canary"]) {
          const ended = yield* call(page, "uploadAborted", { baseUrl: service.url, apiKey }, 10_000_000, 1_000)
          assert.deepNestedInclude(ended, { value: "aborted" })
          yield* untilClosed(service)
          assert.isBelow(received(), 10_000_000)
        }
      })),
    90_000
  )

  it.live(
    "a service worker uploads and lists, and so does a page whose requests go through one",
    () =>
      Effect.scoped(Effect.gen(function*() {
        const { page, place } = yield* beside
        yield* page.evaluate(`
          navigator.serviceWorker.register("/page.js", { type: "module" }).then(() => navigator.serviceWorker.ready)
            .then(({ active }) => {
              globalThis.inWorker = (...call) => new Promise((done) => {
                const { port1, port2 } = new MessageChannel()
                port1.onmessage = ({ data }) => done(data)
                active.postMessage(call, [port2])
              })
            })
        `)
        const inWorker = (name: string, ...args: ReadonlyArray<unknown>) =>
          page.evaluate(`inWorker(${[name, ...args].map((arg) => JSON.stringify(arg)).join()})`) as Effect.Effect<
            Outcome
          >
        const uploaded = yield* inWorker("upload", place, 3_000_000)
        assert.deepNestedInclude(uploaded, { "value.size": 3_000_000 }, JSON.stringify(uploaded.error))
        assert.deepStrictEqual((yield* inWorker("list", place)).value, ["large.bin"])

        yield* page.reload
        assert.isTrue(yield* page.evaluate("navigator.serviceWorker.controller !== null"))
        const through = yield* call(page, "upload", place, 3_000_000)
        assert.deepNestedInclude(through, { "value.size": 3_000_000 }, JSON.stringify(through.error))
        assert.deepStrictEqual((yield* call(page, "list", place)).value, ["large.bin", "large.bin"])
      })),
    90_000
  )

  for (const apiKey of [undefined, "sk-ant-canary"]) {
    it.live(
      `P4: ${
        apiKey === undefined ? "without" : "with"
      } a key, an upload that nobody answers ends, and so does one that is given up`,
      () =>
        Effect.scoped(Effect.gen(function*() {
          const service = yield* openTo(() => {})
          const page = yield* Chromium.open(yield* origin)
          const place = { baseUrl: service.url, apiKey }
          const { error } = yield* call(page, "upload", place, 1_100_000)
          assert.nestedInclude(error, { "reason._tag": "TimedOut" }, JSON.stringify(error))
          assert.deepNestedInclude(yield* call(page, "uploadAborted", place, 1_100_000, 300), { value: "aborted" })
          yield* untilClosed(service)
        })),
      120_000
    )
  }
})
