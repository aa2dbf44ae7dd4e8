import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Attempt, guard } from "../../../src/internal/request/attempt.ts"

const guarded = <A, E>(effect: Effect.Effect<A, E>, millis: number) =>
  Effect.clockWith((clock) =>
    guard(effect, {
      clock,
      watch: { pauses: 0, movedAt: clock.currentTimeMillisUnsafe() },
      patience: () => millis,
      fail: Duration.format
    })
  )

describe("guard", () => {
  it.effect("ends what does not move, in the order of patience, each at its time", () =>
    Effect.gen(function*() {
      const ends: Array<readonly [string, number]> = []
      for (const millis of [300, 100, 200, 100]) {
        yield* guarded(Effect.never, millis).pipe(
          Effect.catch((waited) => Effect.map(Clock.currentTimeMillis, (now) => ends.push([waited, now]))),
          Effect.forkChild({ startImmediately: true })
        )
      }
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual(ends, [["100ms", 100], ["100ms", 100], ["200ms", 200], ["300ms", 300]])
    }))

  it.effect("fails only when what it ended has cleaned up", () =>
    Effect.gen(function*() {
      const slow = Effect.ensuring(Effect.never, Effect.sleep(50))
      const fiber = yield* Effect.forkChild(
        Effect.flatMap(Effect.flip(guarded(slow, 100)), () => Clock.currentTimeMillis),
        { startImmediately: true }
      )
      yield* TestClock.adjust(1000)
      assert.strictEqual(yield* Fiber.join(fiber), 150)
    }))

  it.effect("an interrupted one waits for what it guards, which knows its context", () =>
    Effect.gen(function*() {
      const attempt = { tries: 1 } as Attempt
      let seen: unknown
      const slow = Effect.ensuring(
        Effect.flatMap(Attempt, (known) => {
          seen = known
          return Effect.never
        }),
        Effect.sleep(50)
      )
      const fiber = yield* Effect.forkChild(
        Effect.provideService(guarded(slow, 100), Attempt, attempt),
        { startImmediately: true }
      )
      assert.strictEqual(seen, attempt)
      const interruption = yield* Effect.forkChild(
        Effect.andThen(Fiber.interrupt(fiber), Clock.currentTimeMillis),
        { startImmediately: true }
      )
      yield* TestClock.adjust(1000)
      assert.strictEqual(yield* Fiber.join(interruption), 50)
    }))

  it.effect("one that is let go on by another's end is not ended with it", () =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      const outer = { pauses: 0, movedAt: 0 }
      const inner = guarded(Effect.never, 100).pipe(
        Effect.catch(() => {
          outer.movedAt = clock.currentTimeMillisUnsafe()
          return Effect.as(Effect.sleep(50), "done")
        })
      )
      const fiber = yield* Effect.forkChild(
        guard(inner, { clock, watch: outer, patience: () => 100, fail: () => "ended" }),
        { startImmediately: true }
      )
      yield* TestClock.adjust(1000)
      assert.strictEqual(yield* Fiber.join(fiber), "done")
    }))

  it.live("keeps no timer once nothing is guarded", () =>
    Effect.gen(function*() {
      const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length
      const before = timers()
      const fiber = yield* Effect.forkChild(guarded(Effect.never, 60_000), { startImmediately: true })
      assert.strictEqual(timers(), before + 1)
      yield* guarded(Effect.yieldNow, 60_000)
      assert.strictEqual(timers(), before + 1)
      yield* Fiber.interrupt(fiber)
      yield* Effect.promise(() => Promise.resolve())
      assert.strictEqual(timers(), before)
    }))
})
