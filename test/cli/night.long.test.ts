import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import * as fs from "node:fs"
import * as os from "node:os"
import { type Ended, environment, folder, run, start, until } from "./run.ts"

const live = <E>(title: string, test: () => Effect.Effect<void, E, Emulator | Scope.Scope>) =>
  it.live(title, () => Effect.provide(Effect.scoped(test()), NodeEmulator.layerServer()), 300_000)

const lines = (text: string) => text.split("\n").filter((line) => line !== "")

const code = (ended: Ended, expected: number) => assert.strictEqual(ended.code, expected, ended.err)

const fast = { ANTHROPIC_FILES_RATE_LIMIT: "1000000", ANTHROPIC_FILES_CONCURRENCY: "16" }

const thousand = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`f/${i % 10}/${i}.txt`, `content ${i}`]))

/** Each of a thousand names once. */
const eachOnce = Effect.gen(function*() {
  const names = (yield* (yield* Emulator).files).map(({ filename }) => filename)
  assert.lengthOf(names, 1000)
  assert.strictEqual(new Set(names).size, 1000)
})

const temporaries = () => fs.readdirSync(os.tmpdir()).filter((name) => name.startsWith("anthropic-files")).toSorted()

describe("10,000 files", () => {
  live(
    "are listed, filtered, counted and deleted; a deletion that is interrupted and run again ends where it would have",
    () =>
      Effect.gen(function*() {
        const { files, seed } = yield* Emulator
        yield* Effect.forEach(
          Array.from({ length: 10_000 }, (_, i) => `${i % 2 === 0 ? "even" : "odd"}-${i}.txt`),
          (filename) => seed({ filename, content: `content of ${filename}` }),
          { discard: true }
        )
        const env = { ...(yield* environment), ...fast }
        const all = yield* run(["ls"], { env })
        assert.lengthOf(lines(all.out), 10_000)
        assert.isTrue(lines(all.out).every((line) => line.split("\t").length === 6))
        const odd = yield* run(["ls", "-q", "--name", "odd-*"], { env })
        assert.lengthOf(lines(odd.out), 5_000)
        const usage = yield* run(["usage"], { env })
        assert.match(usage.out, /^10000 files, /)
        code(yield* run(["rm", "--name", "*", "--yes"], { env }), 8)
        assert.lengthOf(yield* files, 10_000)
        const half = yield* run(["rm", "--name", "odd-*", "--yes", "-q", "--max-delete", "5000"], { env })
        code(half, 0)
        assert.sameMembers(lines(half.out), lines(odd.out))
        assert.lengthOf(yield* files, 5_000)
        const stopped = yield* start(["rm", "--name", "even-*", "--yes", "-q", "--max-delete", "5000"], { env })
        yield* until(() => lines(stopped.out()).length > 500)
        stopped.kill("SIGINT")
        const ended = yield* stopped.ended
        code(ended, 130)
        const left = (yield* files).length
        // What is under way when the signal comes may be done without being told.
        assert.isAtMost(5_000 - left - lines(ended.out).length, 16)
        assert.isBelow(left, 4_500)
        code(yield* run(["rm", "--name", "*", "--yes", "-q", "--max-delete", "5000"], { env }), 0)
        assert.lengthOf(yield* files, 0)
      })
  )
})

describe("1,000 files", () => {
  for (const signal of ["SIGINT", "SIGKILL"] as const) {
    live(
      `uploaded with --once, ended by ${signal} and run again: each is there once, and no temporary is left`,
      () =>
        Effect.gen(function*() {
          const cwd = yield* folder(thousand)
          const before = temporaries()
          const env = { ...(yield* environment), ...fast, ANTHROPIC_FILES_CACHE_DIR: `${cwd}/cache` }
          const first = yield* start(["upload", "f", "--once", "-q"], { env, cwd })
          yield* until(() => lines(first.out()).length > 150)
          first.kill(signal)
          const { code: ended } = yield* first.ended
          assert.strictEqual(ended, signal === "SIGINT" ? 130 : null)
          const some = (yield* (yield* Emulator).files).length
          assert.isBelow(some, 1000)
          const second = yield* run(["upload", "f", "--once", "-q"], { env, cwd })
          code(second, 0)
          assert.lengthOf(lines(second.out), 1000)
          yield* eachOnce
          assert.deepStrictEqual(temporaries(), before)
        })
    )
  }

  live(
    "synced, interrupted and run again, and once more: each is there once, and the last run sends nothing",
    () =>
      Effect.gen(function*() {
        const cwd = yield* folder(thousand)
        const env = { ...(yield* environment), ...fast, ANTHROPIC_FILES_CACHE_DIR: `${cwd}/cache` }
        const first = yield* start(["sync", "f"], { env, cwd })
        yield* until(() => lines(first.out()).length > 150)
        first.kill("SIGINT")
        code(yield* first.ended, 130)
        code(yield* run(["sync", "f"], { env, cwd }), 0)
        yield* eachOnce
        const { requests } = yield* Emulator
        const before = (yield* requests).length
        const third = yield* run(["sync", "f"], { env, cwd })
        assert.match(third.err, /^Uploaded 0 files in .*, 1000 unchanged\n$/)
        assert.strictEqual((yield* requests).length, before)
      })
  )

  live(
    "without --once and interrupted: what was told is there, and nothing else but what was under way",
    () =>
      Effect.gen(function*() {
        const cwd = yield* folder(thousand)
        const env = { ...(yield* environment), ...fast }
        const running = yield* start(["upload", "f", "-q"], { env, cwd })
        yield* until(() => lines(running.out()).length > 150)
        running.kill("SIGINT")
        const ended = yield* running.ended
        code(ended, 130)
        const there = new Set((yield* (yield* Emulator).files).map(({ id }) => String(id)))
        for (const id of lines(ended.out)) assert.isTrue(there.has(id), id)
        assert.isAtMost(there.size - lines(ended.out).length, 16)
      })
  )
})

describe("Ctrl-C", () => {
  for (
    const [title, args] of [
      ["an upload of many", ["upload", ".", "--concurrency", "4"]],
      ["a listing", ["ls"]],
      ["a question", ["ask", "0.txt", "what is it?"]]
    ] as const
  ) {
    live(`ends ${title} within 100 ms`, () =>
      Effect.gen(function*() {
        const cwd = yield* folder(Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${i}.txt`, `${i}`])))
        const { addFault, requests } = yield* Emulator
        yield* addFault(
          Fault.latency({
            duration: "5 minutes",
            match: args[0] === "ask" ? { path: "/v1/messages" } : {},
            times: null
          })
        )
        const env = yield* environment
        const times: Array<number> = []
        // A busy machine only adds to it: the least of as many as it takes.
        for (let round = 0; round < 40 && (round < 3 || Math.min(...times) > 100); round++) {
          const sent = (yield* requests).length + (args[0] === "ask" ? 2 : 1)
          const running = yield* start(args, { env, cwd })
          while ((yield* requests).length < sent) yield* Effect.sleep("10 millis")
          const at = performance.now()
          running.kill("SIGINT")
          code(yield* running.ended, 130)
          times.push(performance.now() - at)
        }
        assert.isAtMost(Math.min(...times), 100, times.map(Math.round).join())
      }))
  }
})

describe("a wait", () => {
  live(
    "of seconds is told where nothing is drawn, once for all that wait for the same; with --quiet it is not",
    () =>
      Effect.gen(function*() {
        const { addFault } = yield* Emulator
        const env = yield* environment
        yield* addFault(Fault.rateLimited({ retryAfter: "2 seconds" }))
        const told = yield* run(["ls"], { env })
        assert.match(told.err, /^429: waiting \d s, attempt 2 of 5\n$/)
        yield* addFault(Fault.rateLimited({ retryAfter: "2 seconds" }))
        const quiet = yield* run(["ls", "-q"], { env })
        assert.strictEqual(quiet.err, "")
        yield* addFault(Fault.rateLimited({ retryAfter: "2 seconds" }))
        const json = yield* run(["ls", "--json"], { env })
        assert.strictEqual(json.err, "")
        yield* addFault(Fault.rateLimited({ retryAfter: "1 second" }))
        const verbose = yield* run(["ls", "-v"], { env })
        assert.match(verbose.err, /try|retr|again/i)
      })
  )
})
