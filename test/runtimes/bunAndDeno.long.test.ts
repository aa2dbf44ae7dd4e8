/**
 * Bun and Deno, where `node scripts/runtimes.mjs` has installed them.
 */
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as esbuild from "esbuild"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { commandOf } from "../../scripts/runtimes.mjs"
import { server } from "../support/memoryServer.ts"

const runner = fileURLToPath(new URL("runner.ts", import.meta.url))

interface Ran {
  readonly stdout: string
  readonly stderr: string
  readonly code: unknown
}

const run = (command: ReadonlyArray<string>, ...args: ReadonlyArray<string>) =>
  Effect.callback<Ran>((resume) => {
    const [program = "", ...flags] = command
    const child = execFile(
      program,
      [...flags, ...args],
      { timeout: 240_000, maxBuffer: 1 << 26 },
      (error, stdout, stderr) => resume(Effect.succeed({ stdout, stderr, code: error?.code ?? 0 }))
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** The suites of suites.ts, and at least how many tests each has. */
const suites = [
  [
    "contract",
    "the contract suite is green, in process, over NodeFiles, over fetch, over a page's client and in a folder",
    150
  ],
  ["faults", "what goes wrong on the wire is an error in time, over NodeFiles and over fetch", 35],
  ["policies", "retries, lost uploads and sockets under policies are as on Node", 300],
  ["sources", "every kind of source is read and refused as on Node", 250],
  ["transfers", "transfers to and from disk are as on Node", 70],
  ["cache", "an upload cache in a folder keeps its promises", 60]
] as const

/** The suites as one file, so that a runtime resolves nothing. */
const bundled = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const outfile = `${yield* fs.makeTempDirectoryScoped()}/suites.mjs`
  yield* Effect.promise(() =>
    esbuild.build({
      entryPoints: [fileURLToPath(new URL("suites.ts", import.meta.url))],
      outfile,
      bundle: true,
      format: "esm",
      platform: "node",
      // Suites are imported for what they do.
      ignoreAnnotations: true,
      alias: { "@effect/vitest": runner },
      banner: { js: "import { createRequire as $r } from \"node:module\"; const require = $r(import.meta.url);" }
    })
  )
  return outfile
}).pipe(Effect.provide(NodeFileSystem.layer))

const size = 300_000_000

const file = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const path = `${yield* fs.makeTempDirectoryScoped()}/large.bin`
  yield* fs.writeFile(path, new Uint8Array())
  yield* fs.truncate(path, size)
  return path
}).pipe(Effect.provide(NodeFileSystem.layer))

for (const [name, title] of [["bun", "Bun"], ["deno", "Deno"]] as const) {
  const command = commandOf(name)

  describe.skipIf(command === undefined)(`in ${title}`, () => {
    for (const [suite, title, least] of suites) {
      it.live(
        title,
        () =>
          Effect.scoped(Effect.gen(function*() {
            const { code, stderr, stdout } = yield* run(command ?? [], yield* bundled, suite)
            const results = stdout.split("\n").filter((line) => line.startsWith("{\"title\"")).map((line) =>
              JSON.parse(line)
            )
            assert.deepStrictEqual(results.filter(({ failure }) => failure !== null), [], stderr)
            assert.strictEqual(code, 0, stderr)
            assert.isAtLeast(results.length, least)
          })),
        300_000
      )
    }

    it.live(
      "P5: 300 MB go up over NodeFiles in flat memory",
      () =>
        Effect.scoped(Effect.gen(function*() {
          const port = yield* server
          const path = yield* file
          for (const kind of ["upload", "download"] as const) {
            for (const transport of ["node", "fetch"]) {
              const args = [kind, port, String(size), path, transport]
              const { stderr, stdout } = yield* run(command ?? [], "test/memory/client.mjs", ...args)
              assert.include(stdout, "{", stderr)
              const { peakMegabytes, transferred } = JSON.parse(stdout)
              console.log(`${title}, ${kind} over ${transport}: at most ${peakMegabytes} MB resident`)
              assert.strictEqual(transferred, size)
              // What comes down is let go of when the runtime thinks fit: Deno holds a few hundred megabytes, whatever the
              // size, and does so without this package as well.
              if (kind === "upload" && transport === "node") assert.isBelow(peakMegabytes, 180)
            }
          }
        })),
      300_000
    )
  })
}
