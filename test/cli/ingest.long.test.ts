import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import { Database, databaseLayer, isRun, needsPostgres } from "../fleet/support.ts"
import { environment, folder, run, until } from "./run.ts"
import * as Terminal from "./terminal.ts"

describe.runIf(isRun)(`ingest on a terminal${needsPostgres}`, () => {
  it.live(
    "run and status are one live screen each; Ctrl-C ends the runner with 0, and the status then by itself",
    () =>
      Effect.gen(function*() {
        const { url } = yield* Database
        const env = { ...(yield* environment), DATABASE_URL: url }
        const { addFault } = yield* Emulator.Emulator
        yield* addFault(Fault.latency({ duration: "20 seconds", match: { method: "POST" }, times: null }))
        const directory = yield* folder({ "a.txt": "a", "b.txt": "b" })
        assert.strictEqual((yield* run(["ingest", "add", "corpus", directory], { env })).code, 0)
        const runner = yield* Terminal.start(["ingest", "run", "corpus", "--runner-name", "here"], { env })
        yield* until(() => /here +2 of 8/.test(runner.screen()))
        const status = yield* Terminal.start(["ingest", "status", "corpus"], { env })
        yield* until(() => /corpus {2}running, 1 runner/.test(status.screen()))
        runner.type("\u0003")
        assert.strictEqual(yield* runner.ended, 0)
        assert.isTrue(runner.isCursorShown())
        assert.strictEqual(yield* status.ended, 0)
        assert.isTrue(status.isCursorShown())
        assert.match(status.screen(), /^corpus {2}running, no runner\n/)
        assert.match(status.screen(), /0 done \(0 B\), 2 pending/)
      }).pipe(Effect.scoped, Effect.provide(Layer.merge(databaseLayer, NodeEmulator.layerServer()))),
    60_000
  )
})
