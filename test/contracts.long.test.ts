import { assert, it } from "@effect/vitest"
import { Duration, Effect, FileSystem, Layer, Random, Redacted } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import { spawn } from "node:child_process"
import { questions } from "../examples/contracts/contracts.ts"
import { platform } from "./cache/stores.ts"

/** Only a few, because the leases of a killed process make the next one wait for 30 seconds. */
const rounds = Number(process.env["KILL_ROUNDS"] ?? 2)

/** Set KILL_SEED to repeat a run's moments. */
const seed = process.env["KILL_SEED"] ?? String(Date.now())

const contracts = 12

/** Runs the application in a process of its own. Returns its exit code, or `null` if it was killed. */
const run = (manifest: string, folder: string, kill?: Duration.Duration) =>
  Effect.gen(function*() {
    const { apiKey, url } = yield* Emulator.Emulator
    const child = spawn(process.execPath, ["--no-warnings", "examples/contracts/main.ts", manifest, folder], {
      stdio: "ignore",
      env: { ...process.env, ANTHROPIC_API_KEY: Redacted.value(apiKey), ANTHROPIC_BASE_URL: url }
    })
    const exited = Effect.callback<number | null>((resume) => {
      child.once("exit", (code) => resume(Effect.succeed(code)))
    })
    if (kill !== undefined) {
      yield* Effect.forkScoped(Effect.andThen(Effect.sleep(kill), Effect.sync(() => child.kill("SIGKILL"))))
    }
    return yield* exited
  }).pipe(Effect.scoped)

it.live(
  `the application that asks about contracts, killed at any moment and run again, has every answer once (seed ${seed})`,
  () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const emulator = yield* Emulator.Emulator
      for (let round = 0; round < rounds; round++) {
        yield* emulator.reset
        yield* emulator.addFault(Fault.latency({ duration: 150, times: null, match: { operation: "upload" } }))
        const folder = yield* fs.makeTempDirectoryScoped()
        const sources = Array.from({ length: contracts }, (_, n) => `${folder}/${n}.txt`)
        for (const source of sources) yield* fs.writeFileString(source, `The rent of ${source} is due on Monday.`)
        const manifest = `${folder}/manifest.jsonl`
        yield* fs.writeFileString(
          manifest,
          sources.map((source, n) => JSON.stringify({ key: `contract ${n}`, source })).join("\n")
        )
        const moment = Duration.millis(yield* Random.nextBetween(500, 2_000))
        const where = `seed ${seed}, round ${round}, killed after ${Duration.format(moment)}`
        yield* run(manifest, `${folder}/state`, moment)
        assert.strictEqual(yield* run(manifest, `${folder}/state`), 0, where)

        const text = yield* fs.readFileString(`${folder}/state/answers.jsonl`)
        const asked = text.split("\n").flatMap((line) => {
          // A record that was torn by a kill is not an answer.
          if (!line.endsWith("}")) return []
          const { key, question } = JSON.parse(line) as { readonly key: string; readonly question: string }
          return [`${key}: ${question}`]
        })
        assert.strictEqual(new Set(asked).size, asked.length, where)
        assert.strictEqual(asked.length, contracts * questions.length, where)
        const uploads = (yield* emulator.requests).filter(({ method, path }) =>
          method === "POST" && path.endsWith("/v1/files")
        )
        assert.isAtMost(uploads.length, contracts + 4, where)
        // It deletes what it uploaded, at the end.
        assert.deepStrictEqual(yield* emulator.files, [], where)
      }
    }).pipe(
      Random.withSeed(`contracts ${seed}`),
      Effect.scoped,
      Effect.provide(Layer.mergeAll(NodeEmulator.layerServer(), platform))
    ),
  rounds * 60_000
)
