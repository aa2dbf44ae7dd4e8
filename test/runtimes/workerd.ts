/**
 * workerd with one worker in it.
 */
import { NodeFileSystem } from "@effect/platform-node"
import { Effect, FileSystem, type Scope } from "effect"
import * as esbuild from "esbuild"
import { spawn } from "node:child_process"
import { createRequire } from "node:module"
import type { Readable } from "node:stream"
import { fileURLToPath } from "node:url"

/** The path of the binary. */
const workerd: string = createRequire(import.meta.url)("workerd").default

const configOf = (bindings: Readonly<Record<string, string>>) =>
  `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker), (name = "network", network = (allow = ["private"]))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.mjs")],
  bindings = [${
    Object.entries(bindings).map(([name, text]) => `(name = "${name}", text = ${JSON.stringify(text)})`).join()
  }],
  compatibilityDate = "2026-01-01",
  globalOutbound = "network"
);
`

/** Starts workerd with a worker of this repository, and gives its URL. */
export const serve = (
  worker: string,
  bindings: Readonly<Record<string, string>> = {}
): Effect.Effect<string, unknown, Scope.Scope> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped()
    yield* Effect.promise(() =>
      esbuild.build({
        entryPoints: [fileURLToPath(new URL(`../../${worker}`, import.meta.url))],
        outfile: `${folder}/worker.mjs`,
        bundle: true,
        format: "esm",
        conditions: ["workerd", "worker"]
      })
    )
    yield* fs.writeFileString(`${folder}/config.capnp`, configOf(bindings))
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(workerd, ["serve", `${folder}/config.capnp`, "--control-fd=3"], {
          stdio: ["ignore", "inherit", "inherit", "pipe"]
        })
      ),
      (child) =>
        Effect.callback<void>((resume) => {
          if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
          // SIGTERM waits for requests under way, and one that hangs is what a test may be about.
          child.once("exit", () => resume(Effect.void)).kill("SIGKILL")
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
