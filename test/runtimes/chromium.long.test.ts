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
import { http as answer, rawServer } from "../support/rawServer.ts"
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
    "a file that changes after it was chosen is a failure of the source",
    () =>
      Effect.scoped(Effect.gen(function*() {
        const { emulator, page, place } = yield* beside
        const path = yield* file("chosen.bin", 3_000_000)
        yield* choose(page, path)
        fs.writeFileSync(path, new Uint8Array(2_000_000))
        fs.utimesSync(path, 1, 1)
        const { error } = yield* call(page, "uploadChosen", place)
        assert.strictEqual(error._tag, "SourceFailed")
        assert.strictEqual(error.reason, "Unreadable")
        assert.deepStrictEqual(yield* emulator.files, [])
      })),
    90_000
  )

  it.live(
    "a request with a key follows no redirect",
    () =>
      Effect.scoped(Effect.gen(function*() {
        const other = yield* openTo(({ socket }) => void socket.end(answer(200, "{}")))
        const service = yield* openTo(({ socket }) =>
          void socket.end(
            `HTTP/1.1 307 Temporary Redirect\r\nlocation: ${other.url}/v1/files\r\naccess-control-allow-origin: *\r\n`
              + "content-length: 0\r\nconnection: close\r\n\r\n"
          )
        )
        const page = yield* Chromium.open(yield* origin)
        const place = { baseUrl: service.url, apiKey: "sk-ant-canary" }
        for (const size of [10, 3_000_000]) {
          const { error } = yield* call(page, "upload", place, size)
          assert.strictEqual(error._tag, "RequestFailed")
          assert.include(error.message, "redirects")
        }
        assert.deepStrictEqual(other.heads, [])
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
          yield* Effect.gen(function*() {
            while (service.open() > 0) yield* Effect.sleep("20 millis")
          }).pipe(Effect.timeout("5 seconds"))
        })),
      120_000
    )
  }
})
