import { assert, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Redacted, type Scope } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { platform } from "./stores.ts"

const rounds = Number(process.env["KILL_ROUNDS"] ?? 20)

const worker = fileURLToPath(new URL("./worker.ts", import.meta.url))

const layer = Layer.mergeAll(NodeEmulator.layerServer(), platform)

interface Place {
  readonly store: string
  readonly directory: string
}

const place: Effect.Effect<Place, never, FileSystem.FileSystem | Scope.Scope> = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const root = yield* Effect.orDie(fs.makeTempDirectoryScoped())
  const directory = `${root}/files`
  for (let n = 0; n < 24; n++) {
    yield* Effect.orDie(fs.makeDirectory(`${directory}/${n % 4}`, { recursive: true }))
    // Six names, four of each, all of one size: nothing but the content tells them apart.
    yield* Effect.orDie(
      fs.writeFileString(`${directory}/${n % 4}/${Math.floor(n / 4)}.txt`, `content ${String(n).padStart(2, "0")}`)
    )
  }
  return { store: `${root}/store`, directory }
})

/** Runs a worker, and kills it that many milliseconds after it began. Gives its exit code. */
const run = (what: "sync" | "get", { directory, store }: Place, killAfter?: number) =>
  Effect.gen(function*() {
    const { apiKey, url } = yield* Emulator.Emulator
    return yield* Effect.callback<number | null>((resume) => {
      const child = spawn(
        process.execPath,
        ["--no-warnings", worker, what, url, Redacted.value(apiKey), store, directory],
        { stdio: ["ignore", "pipe", "inherit"] }
      )
      child.stdout.once("data", () => {
        if (killAfter !== undefined) setTimeout(() => child.kill("SIGKILL"), killAfter)
      })
      child.once("exit", (code) => resume(Effect.succeed(code)))
      return Effect.sync(() => child.kill("SIGKILL"))
    })
  })

/** How many there are of each file, by its content. */
const counts = Effect.gen(function*() {
  const emulator = yield* Emulator.Emulator
  const contents = yield* Effect.forEach(
    yield* emulator.files,
    (file) => Effect.map(emulator.content(file.id), (bytes) => new TextDecoder().decode(bytes))
  )
  const of: Record<string, number> = {}
  for (const content of contents) of[content] = (of[content] ?? 0) + 1
  return of
})

const expected = Object.fromEntries(
  Array.from({ length: 24 }, (_, n) => [`content ${String(n).padStart(2, "0")}`, 1])
)

for (const what of ["sync", "get"] as const) {
  it.live(`P10: ${what}, killed at any moment and run again, has every file once`, () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      let finished = 0
      for (let round = 0; round < rounds; round++) {
        yield* emulator.reset
        const here = yield* place
        // Some kills come before the first request, some between two, some in the middle of one, some too late.
        if (round % 2 === 0) {
          yield* emulator.addFault(Fault.latency(15, { times: null, match: { operation: "upload" } }))
        }
        const code = yield* run(what, here, Math.random() * 250)
        if (code === 0) finished++
        const before = yield* counts
        assert.isTrue(Object.values(before).every((count) => count === 1))
        assert.strictEqual(yield* run(what, here), 0)
        assert.deepStrictEqual(yield* counts, expected, `round ${round}`)
        const sent = (yield* emulator.requests).length
        assert.strictEqual(yield* run(what, here), 0)
        assert.strictEqual((yield* emulator.requests).length, sent)
      }
      assert.isBelow(finished, rounds)
    }).pipe(Effect.scoped, Effect.provide(layer)), rounds * 6_000)

  it.live(
    `P13: ${what}, killed while an upload that is stored waits for its answer, finds it again`,
    () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator.Emulator
        const here = yield* place
        yield* emulator.addFault(Fault.stall("response", 0, { times: null, match: { operation: "upload" } }))
        yield* run(what, here, 1_000)
        const stored = yield* counts
        assert.isAbove(Object.keys(stored).length, 0)
        yield* emulator.setFaults([])
        assert.strictEqual(yield* run(what, here), 0)
        assert.deepStrictEqual(yield* counts, expected)
      }).pipe(Effect.scoped, Effect.provide(layer)),
    30_000
  )
}

it.live(
  "P16: processes that ask for the same at the same time make one POST for each content",
  () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const here = yield* place
      const codes = yield* Effect.all([run("get", here), run("get", here), run("get", here), run("sync", here)], {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(codes, [0, 0, 0, 0])
      assert.deepStrictEqual(yield* counts, expected)
      const posts = (yield* emulator.requests).filter(({ method }) => method === "POST")
      assert.strictEqual(posts.length, 24)
    }).pipe(Effect.scoped, Effect.provide(layer)),
  30_000
)
