import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { start } from "./child.ts"
import { killing } from "./killing.ts"
import { temporaryDirectory } from "./support.ts"

describe("an emulator that is killed", () => {
  // KILL_ROUNDS=200 for a long look, KILL_SEED to repeat a run's moments.
  killing(Number(process.env["KILL_ROUNDS"] ?? 20))

  it.live("leaves a lock that the next process takes over; the lock of a live process is respected", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      yield* Effect.scoped(Effect.gen(function*() {
        const first = yield* start({ directory })
        const second = yield* start({ directory })
        assert.strictEqual((second.error as { reason: string }).reason, "Locked")
        yield* first.kill
        const third = yield* start({ directory })
        assert.isUndefined(third.error)
      }))
    }))
})
