import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted, Schedule, type Scope } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("./node/signals.ts", import.meta.url))

const child = (how: string) =>
  Effect.gen(function*() {
    const { apiKey, url } = yield* Emulator.Emulator
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, ["--no-warnings", program, url, Redacted.value(apiKey), how], {
          stdio: ["ignore", "pipe", "pipe"]
        })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    let said = ""
    child.stderr.on("data", (data: Buffer) => said += data.toString())
    const exit = new Promise<number | null>((resolve) => child.once("exit", resolve))
    yield* Effect.callback<void>((resume) => {
      child.stdout.once("data", () => resume(Effect.void))
    })
    return { child, exited: Effect.promise(() => exit), said: () => said }
  })

/** A service that never answers deletions. */
const hang = Effect.flatMap(
  Emulator.Emulator,
  (emulator) => emulator.addFault(Fault.stall({ at: "response", after: 0, match: { operation: "delete" } }))
)

const asked = Effect.gen(function*() {
  const emulator = yield* Emulator.Emulator
  yield* Effect.repeat(emulator.requests, {
    until: (requests) => requests.some(({ method }) => method === "DELETE"),
    schedule: Schedule.spaced("10 millis")
  })
})

// Concurrent, because they mostly wait.
describe.concurrent("a program that receives a signal", () => {
  const test = (title: string, body: Effect.Effect<void, unknown, Emulator.Emulator | Scope.Scope>) =>
    it.live(title, () => body.pipe(Effect.scoped, Effect.provide(NodeEmulator.layerServer())), 60_000)

  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    test(
      `deletes its scoped files on ${signal}, and ends with ${code}`,
      Effect.gen(function*() {
        const emulator = yield* Emulator.Emulator
        const { child: process_, exited } = yield* child("30 seconds")
        process_.kill(signal)
        assert.strictEqual(yield* exited, code)
        assert.deepStrictEqual(yield* emulator.files, [])
      })
    )
  }

  test(
    "ends within its limit if a deletion hangs, and says so",
    Effect.gen(function*() {
      yield* hang
      const { child: process_, exited, said } = yield* child("300 millis")
      process_.kill("SIGTERM")
      yield* asked
      assert.strictEqual(yield* exited, 143)
      assert.include(said(), "did not end within 300ms")
    })
  )

  test(
    "ends at once on a second signal",
    Effect.gen(function*() {
      yield* hang
      const { child: process_, exited } = yield* child("1 hour")
      process_.kill("SIGINT")
      yield* asked
      process_.kill("SIGINT")
      const [took, code] = yield* Effect.timed(exited)
      assert.strictEqual(code, 130)
      assert.isBelow(Duration.toSeconds(took), 4)
    })
  )

  test(
    "ends within a few seconds under the platform's runMain too, because deletions are limited after an interruption",
    Effect.gen(function*() {
      yield* hang
      const { child: process_, exited } = yield* child("platform")
      process_.kill("SIGINT")
      const [took, code] = yield* Effect.timed(exited)
      assert.strictEqual(code, 130)
      assert.isBelow(Duration.toSeconds(took), 20)
    })
  )
})
