import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import { server } from "./support/memoryServer.ts"

const many = (count: number) =>
  Effect.callback<{ readonly results: number; readonly heap: readonly [number, number] }>((resume) => {
    execFile(
      process.execPath,
      ["--expose-gc", "test/memory/many.mjs", String(count)],
      (error, stdout, stderr) =>
        resume(error === null ? Effect.succeed(JSON.parse(stdout)) : Effect.die(new Error(stderr, { cause: error })))
    )
  })

const transfer = (kind: "upload" | "download", port: string, bytes: number, path: string) =>
  Effect.callback<{ readonly transferred: number; readonly peakMegabytes: number }>((resume) => {
    execFile(
      process.execPath,
      ["--max-old-space-size=48", "test/memory/client.mjs", kind, port, String(bytes), path],
      (error, stdout, stderr) =>
        resume(error === null ? Effect.succeed(JSON.parse(stdout)) : Effect.die(new Error(stderr, { cause: error })))
    )
  })

it.live("500 MB go up and come down in a process whose heap is 48 MB", () =>
  Effect.gen(function*() {
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => fs.mkdtempSync(`${os.tmpdir()}/memory-`)),
      (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true }))
    )
    const path = `${directory}/large.bin`
    const bytes = 500_000_000
    fs.writeFileSync(path, "")
    fs.truncateSync(path, bytes)
    const port = yield* server
    for (const kind of ["upload", "download"] as const) {
      const result = yield* transfer(kind, port, bytes, path)
      console.log(`${kind} of 500 MB: at most ${result.peakMegabytes} MB resident`)
      assert.strictEqual(result.transferred, bytes)
      // Buffers are outside the heap. A whole file in memory would far exceed this.
      assert.isBelow(result.peakMegabytes, 250)
    }
  }), 120_000)

it.live("the results of many inputs are not kept", () =>
  Effect.gen(function*() {
    const { heap: [early, late], results } = yield* many(Number(process.env["MEMORY_INPUTS"] ?? 50_000))
    console.log(`deleteAll: ${early.toFixed(1)} MB after a tenth of ${results}, ${late.toFixed(1)} MB after all`)
    // Keeping a hundred bytes of each result would exceed this.
    assert.isBelow(late, early + results * 0.0001)
  }), 600_000)
