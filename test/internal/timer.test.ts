import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import { vi } from "vitest"
import { after } from "../../src/internal/timer.ts"

const withClock = <A>(use: (clock: Clock.Clock) => A) => Effect.map(Clock.Clock, use)

describe("a timer", () => {
  it.effect("keeps the time of a test's clock", () =>
    Effect.gen(function*() {
      const calls: Array<string> = []
      const cancel = yield* withClock((clock) => {
        after(clock, 100, () => void calls.push("first"))
        return after(clock, 200, () => void calls.push("second"))
      })
      yield* TestClock.adjust(99)
      assert.deepStrictEqual(calls, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(calls, ["first"])
      cancel()
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual(calls, ["first"])
    }))

  /** Runs under timers that the test advances. */
  const withFakeTimers = <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })),
      () => self,
      () => Effect.sync(() => vi.useRealTimers())
    )

  it.live("keeps the time of effect's own clock", () =>
    withFakeTimers(Effect.gen(function*() {
      const clock = yield* Clock.Clock
      const calls: Array<string> = []
      after(clock, 100, () => void calls.push("first"))
      const cancel = after(clock, 200, () => void calls.push("second"))
      vi.advanceTimersByTime(99)
      assert.deepStrictEqual(calls, [])
      vi.advanceTimersByTime(1)
      assert.deepStrictEqual(calls, ["first"])
      cancel()
      vi.advanceTimersByTime(1000)
      assert.deepStrictEqual(calls, ["first"])
    })))

  it.live("may be set for longer than setTimeout can wait, which would call at once", () =>
    withFakeTimers(Effect.gen(function*() {
      const calls: Array<string> = []
      const cancel = yield* withClock((clock) => after(clock, 2 ** 31, () => void calls.push("called")))
      vi.advanceTimersByTime(2 ** 31 - 1)
      assert.deepStrictEqual(calls, [])
      cancel()
    })))

  it.live("of a clock that doesn't wait calls after it was set, never before", () =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      const impatient: Clock.Clock = Object.assign(Object.create(clock), { sleep: () => Effect.void })
      let isSet = false
      const wasSet = yield* Effect.callback<boolean>((resume) => {
        after(impatient, 60_000, () => resume(Effect.succeed(isSet)))
        isSet = true
      })
      assert.isTrue(wasSet)
    }))
})
