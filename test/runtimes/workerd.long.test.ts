/**
 * In a worker a timer belongs to the request that made it and ends with that one. No other request's limit may hang on
 * it.
 */
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, type Scope } from "effect"
import * as esbuild from "esbuild"
import { spawn } from "node:child_process"
import { createRequire } from "node:module"
import type { Readable } from "node:stream"
import { fileURLToPath } from "node:url"
import { http, rawServer } from "../support/rawServer.ts"
import { wire } from "../support/wire.ts"

/** The path of the binary. */
const workerd: string = createRequire(import.meta.url)("workerd").default

const config = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker), (name = "network", network = (allow = ["private"]))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.mjs")],
  compatibilityDate = "2026-01-01",
  globalOutbound = "network"
);
`

/** Starts workerd with the worker, and gives its URL. */
const worker: Effect.Effect<string, unknown, Scope.Scope> = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped()
  yield* Effect.promise(() =>
    esbuild.build({
      entryPoints: [fileURLToPath(new URL("worker.ts", import.meta.url))],
      outfile: `${folder}/worker.mjs`,
      bundle: true,
      format: "esm",
      conditions: ["workerd", "worker"]
    })
  )
  yield* fs.writeFileString(`${folder}/config.capnp`, config)
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(workerd, ["serve", `${folder}/config.capnp`, "--control-fd=3"], {
        stdio: ["ignore", "inherit", "inherit", "pipe"]
      })
    ),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void)).kill()
      })
  )
  const control = child.stdio[3] as Readable
  return yield* Effect.callback<string>((resume) => {
    control.on("data", (line) => {
      const { event, port } = JSON.parse(String(line)) as { readonly event: string; readonly port: number }
      if (event === "listen") resume(Effect.succeed(`http://127.0.0.1:${port}`))
    })
    child.once("exit", (code) => resume(Effect.die(new Error(`workerd ended with ${code}`))))
  })
}).pipe(Effect.provide(NodeFileSystem.layer))

const ask = (url: string, service: string, id: string) =>
  Effect.promise((signal) =>
    fetch(`${url}/?${new URLSearchParams({ service, id })}`, { signal }).then((response) => response.text())
  )

const file = (id: string) =>
  http(
    200,
    JSON.stringify(wire({ id, size_bytes: 5, downloadable: true }))
  )

describe("in workerd", () => {
  it.live("two requests overlap, the first ends first, and the second keeps its limit", () =>
    Effect.scoped(Effect.gen(function*() {
      const service = yield* rawServer(({ head, socket }) => {
        if (head.includes("file_slow")) setTimeout(() => socket.end(file("file_slow")), 300)
      })
      const url = yield* worker
      for (let round = 0; round < 3; round++) {
        const answers = yield* Effect.all([
          ask(url, service.url, "file_slow"),
          Effect.andThen(Effect.sleep("100 millis"), ask(url, service.url, "file_silent"))
        ], { concurrency: "unbounded" }).pipe(Effect.timeout("5 seconds"))
        assert.deepStrictEqual(answers, ["file_slow", "TimedOut"])
      }
      // And so does one that comes after all others are gone.
      assert.strictEqual(yield* Effect.timeout(ask(url, service.url, "file_silent"), "5 seconds"), "TimedOut")
    })))

  it.live("a request that its caller gives up takes no other's limit along", () =>
    Effect.scoped(Effect.gen(function*() {
      const service = yield* rawServer(() => undefined)
      const url = yield* worker
      yield* Effect.timeoutOption(ask(url, service.url, "file_1"), "100 millis")
      assert.strictEqual(yield* Effect.timeout(ask(url, service.url, "file_2"), "5 seconds"), "TimedOut")
    })))
})
