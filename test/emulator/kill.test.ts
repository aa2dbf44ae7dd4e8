import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { start } from "./child.ts"
import { killing } from "./killing.ts"
import { temporaryDirectory } from "./support.ts"

describe("an emulator that is killed", () => {
  // A few in every run; `npm run test:long` has more.
  killing(3)

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
