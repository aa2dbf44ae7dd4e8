import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { bin, environment, folder, run, start, until } from "./run.ts"

const live = <E>(
  title: string,
  test: () => Effect.Effect<void, E, Emulator | Scope.Scope>,
  isSkipped = false
) => it.live.skipIf(isSkipped)(title, () => Effect.provide(Effect.scoped(test()), NodeEmulator.layerServer()), 60_000)

const seeded = Effect.flatMap(Emulator, ({ seed }) => seed({ filename: "a.txt", content: "a", downloadable: true }))

describe("standard output", () => {
  for (const mode of [["--json"], ["--quiet"]]) {
    live(
      `is for data: a warning goes to standard error, with ${mode.join(" ")}`,
      () =>
        Effect.gen(function*() {
          yield* seeded
          const env = yield* environment
          const expected = yield* run(["ls", ...mode], { env })
          const warned = yield* run(["ls", ...mode], { env: { ...env, ANTHROPIC_AUTH_TOKEN: "token-canary-4711" } })
          assert.strictEqual(warned.code, 0)
          const data = ({ out }: { readonly out: string }) => out.replace(/"elapsed":[\d.]+/, "")
          assert.strictEqual(data(warned), data(expected))
          if (mode[0] === "--quiet") assert.strictEqual(warned.err, "")
          else assert.match(warned.err, /^! ANTHROPIC_API_KEY is used, and ANTHROPIC_AUTH_TOKEN is not: [^\n]+\n$/)
          assert.notInclude(warned.out + warned.err, "canary")
        })
    )
  }

  const full: ReadonlyArray<readonly [args: (id: string) => ReadonlyArray<string>, stays: number]> = [
    [() => ["ls", "--json"], 1],
    [(id) => ["cat", id], 1],
    [() => ["--help"], 1],
    [() => ["upload", "b.txt"], 2]
  ]
  for (const [args, stays] of full) {
    const name = args("ID").join(" ")
    live(`on a disk that is full: ${name} says so and ends with 7`, () =>
      Effect.gen(function*() {
        const { id } = yield* seeded
        const cwd = yield* folder({ "b.txt": "b" })
        const ended = yield* run(args(id), { env: yield* environment, cwd, out: "/dev/full" })
        assert.strictEqual(ended.code, 7, ended.err)
        assert.match(ended.err, /✗ Standard output can't be written \(ENOSPC\): the output is not complete\.\n$/)
        assert.lengthOf(yield* (yield* Emulator).files, stays)
      }), !fs.existsSync("/dev/full"))
  }

  live("whose reader has gone: an upload goes on to its end, and the code is its own", () =>
    Effect.gen(function*() {
      const cwd = yield* folder(Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`${i}.txt`, "x"])))
      const running = yield* start(["upload", ".", "--concurrency", "1"], { env: yield* environment, cwd })
      yield* until(() => running.out() !== "")
      running.stopReading()
      const ended = yield* running.ended
      assert.strictEqual(ended.code, 0)
      assert.match(ended.err, /^Uploaded 8 files \(8 B\) in [\d.]+ s\n$/)
      assert.lengthOf(yield* (yield* Emulator).files, 8)
    }))
})

describe("standard streams", () => {
  live("that are closed are no error", () =>
    Effect.gen(function*() {
      yield* seeded
      const env = { ...process.env, ...(yield* environment), B: bin, N: process.execPath }
      for (const redirection of [">&-", "2>&-", "<&-", ">&- 2>&- <&-"]) {
        const { status } = spawnSync("bash", ["-c", `"$N" "$B" --version ${redirection}`], { env })
        assert.strictEqual(status, 0, redirection)
      }
    }))
})
