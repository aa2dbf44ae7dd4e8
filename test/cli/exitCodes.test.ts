import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import * as fs from "node:fs"
import { ExitCode, meanings } from "../../src/cli/exitCode.ts"
import { type Ended, environment, folder, run, start } from "./run.ts"

type Test = Effect.Effect<Ended, unknown, Emulator | Scope.Scope>

const seeded = (size: number) =>
  Effect.flatMap(
    Emulator,
    ({ seed }) => seed({ filename: "made.bin", content: "x".repeat(size), downloadable: true })
  )

const withFault = (fault: Fault.Fault, ...args: ReadonlyArray<string>): Test =>
  Effect.gen(function*() {
    const cwd = yield* folder({ "a.txt": "a" })
    yield* (yield* Emulator).addFault(fault)
    return yield* run([...args, "--retries", "0"], { env: yield* environment, cwd })
  })

const plain = (...args: ReadonlyArray<string>): Test =>
  Effect.gen(function*() {
    return yield* run(args, { env: yield* environment, cwd: yield* folder({ "a.txt": "a", "d/b.txt": "b" }) })
  })

const slow = Fault.latency({ duration: "5 minutes", times: null })

const signalled = (signal: NodeJS.Signals): Test =>
  Effect.gen(function*() {
    const { addFault, requests } = yield* Emulator
    yield* addFault(slow)
    const running = yield* start(["ls"], { env: yield* environment })
    let count = 0
    while (count === 0) count = (yield* Effect.delay(requests, "10 millis")).length
    running.kill(signal)
    return yield* running.ended
  })

/** A file that grows while it is sent. */
const changing: Test = Effect.gen(function*() {
  const cwd = yield* folder({ "log.txt": "x".repeat(30_000_000) })
  const running = yield* start(["upload", "log.txt", "--retries", "0"], { env: yield* environment, cwd })
  const grow = Effect.forever(Effect.suspend(() => {
    fs.appendFileSync(`${cwd}/log.txt`, "more")
    return Effect.sleep("1 millis")
  }))
  return yield* Effect.raceFirst(running.ended, grow)
})

const cases: Readonly<
  Record<number, ReadonlyArray<readonly [title: string, test: Test, says: RegExp]>>
> = {
  [ExitCode.done]: [["what was asked for is done", plain("upload", "a.txt"), /^Uploaded 1 file/]],
  [ExitCode.someFailed]: [["some of several failed", plain("upload", "a.txt", "missing"), /1 failed\n✗/]],
  [ExitCode.usage]: [
    ["a flag that there is not", plain("ls", "--nope"), /^There is no flag --nope\./],
    ["a time that no file may live", plain("upload", "a.txt", "--expires-in", "1s"), /^--expires-in has to be 1 hour/],
    ["a type that is none", plain("upload", "a.txt", "--mime", "nonsense"), /^“nonsense” is not a MIME type/],
    ["a name that no file may have", plain("upload", "a.txt", "--name", "a/b"), /^“a\/b” contains one of/],
    ["a question of ask that is not there", plain("ask", "a.txt"), /^The question is missing/],
    ["a choice that there is not", plain("ls", "--sort", "x"), /^--sort takes created, name, size or expires, not "x"/]
  ],
  [ExitCode.unauthorized]: [[
    "no permission",
    withFault(Fault.answer({ status: 403, type: "permission_error", message: "No", times: null }), "ls"),
    /the key may not do this/
  ]],
  [ExitCode.notFound]: [["a file that is not there", plain("info", "file_missing"), /There is no file_missing/]],
  [ExitCode.temporary]: [["overloaded", withFault(Fault.overloaded({ times: null }), "ls"), /trying again may help/]],
  [ExitCode.integrity]: [
    [
      "a download that ends early",
      Effect.gen(function*() {
        const { id } = yield* seeded(100_000)
        const cwd = yield* folder()
        yield* (yield* Emulator).addFault(
          Fault.truncate({ after: 5000, keepLength: false, match: { operation: "content" }, times: null })
        )
        const ended = yield* run(["download", id, "-o", "made.bin", "--retries", "0"], {
          env: yield* environment,
          cwd
        })
        assert.deepStrictEqual(fs.readdirSync(cwd), [])
        return ended
      }),
      /ended after 5000 of 100000 bytes|ended/
    ],
    [
      "the same through cat, to a pipe",
      Effect.gen(function*() {
        const { id } = yield* seeded(100_000)
        yield* (yield* Emulator).addFault(
          Fault.truncate({ after: 5000, keepLength: false, match: { operation: "content" }, times: null })
        )
        return yield* run(["cat", id, "--retries", "0"], { env: yield* environment })
      }),
      /✗/
    ],
    ["a file that changes while it is sent", changing, /log\.txt.* (chang|grew|grow)/]
  ],
  [ExitCode.refused]: [[
    "refused permanently",
    withFault(Fault.answer({ status: 400, type: "invalid_request_error", message: "No", times: null }), "ls"),
    /✗/
  ]],
  [ExitCode.wouldLose]: [[
    "more than may be deleted",
    Effect.andThen(seeded(1), plain("rm", "--name", "*", "--max-delete", "0", "--yes")),
    /more than the 0 of --max-delete/
  ]],
  [ExitCode.outcomeUnknown]: [[
    "stored, perhaps",
    withFault(Fault.reset({ at: "after", match: { method: "POST" }, times: null }), "upload", "a.txt"),
    /✗/
  ]],
  [ExitCode.differences]: [["check finds differences", plain("check", "d"), /^$/]],
  [ExitCode.hungUp]: [["SIGHUP", signalled("SIGHUP"), /^$/]],
  [ExitCode.interrupted]: [["SIGINT", signalled("SIGINT"), /^$/]],
  [ExitCode.terminated]: [["SIGTERM", signalled("SIGTERM"), /^$/]]
}

describe("exit codes", () => {
  for (const [code, meaning] of meanings) {
    for (const [title, test, says] of cases[code] ?? []) {
      it.live(`${code}, ${meaning}: ${title}`, () =>
        Effect.gen(function*() {
          const ended = yield* test
          assert.strictEqual(ended.code, code, ended.err)
          assert.match(ended.err, says)
          assert.notMatch(ended.err, /^\s+at /m)
        }).pipe(Effect.scoped, Effect.provide(NodeEmulator.layerServer())), 60_000)
    }
  }

  it("every code has a test", () => {
    assert.deepStrictEqual(
      Object.keys(cases).map(Number).toSorted((a, b) => a - b),
      meanings.map(([code]) => code).toSorted((a, b) => a - b)
    )
  })
})
