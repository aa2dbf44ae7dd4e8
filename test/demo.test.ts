import { assert, it } from "@effect/vitest"
import { Effect, Redacted, Schedule } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import { spawn } from "node:child_process"

it.live("Ctrl-C in the middle of the main job deletes what it uploaded", () =>
  Effect.gen(function*() {
    const emulator = yield* Emulator.Emulator
    yield* emulator.addFault(
      Fault.stall({ at: "response", after: 10, match: { operation: "createMessage" } })
    )
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, ["--no-warnings", "examples/demo.ts", "--live"], {
          env: { ...process.env, ANTHROPIC_API_KEY: Redacted.value(emulator.apiKey), ANTHROPIC_BASE_URL: emulator.url }
        })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data: Buffer) => output += data.toString())
    const exit = new Promise<number | null>((resolve) => child.once("exit", resolve))
    const asked = Effect.retry(
      Effect.flatMap(emulator.requests, (requests) =>
        requests.some((request) => request.url.startsWith("/v1/messages"))
          ? Effect.void
          : Effect.fail("not yet")),
      Schedule.spaced("20 millis")
    )
    yield* Effect.raceFirst(asked, Effect.flatMap(Effect.promise(() => exit), () => Effect.die(new Error(output))))
    assert.strictEqual((yield* emulator.files).length, 3)
    child.kill("SIGINT")
    assert.strictEqual(yield* Effect.promise(() => exit), 130)
    assert.deepStrictEqual(yield* emulator.files, [])
  }).pipe(Effect.timeout("30 seconds"), Effect.scoped, Effect.provide(NodeEmulator.layerServer())), 60_000)
