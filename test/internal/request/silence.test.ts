import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Duration, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { vi } from "vitest"
import {
  CurrentSilence,
  type Silence,
  type SilenceLimits,
  unlessSilent,
  unlessStalled
} from "../../../src/internal/request/silence.ts"

const guarded = <A, E>(
  make: (silence: Silence) => Effect.Effect<A, E>,
  limit: number | ((limits: SilenceLimits) => number)
) =>
  unlessSilent(make, {
    limit: typeof limit === "number" ? () => limit : limit,
    onSilence: Duration.format
  })

const endsAt = <A, E>(effect: Effect.Effect<A, E>) => Effect.andThen(Effect.exit(effect), Clock.currentTimeMillis)

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

describe("a limit on silence", () => {
  it.effect("ends each of many requests at its own time", () =>
    Effect.gen(function*() {
      const ends: Array<readonly [string, number]> = []
      for (const millis of [300, 100, 200, 100]) {
        yield* fork(
          guarded(() => Effect.never, millis).pipe(
            Effect.catch((waited) => Effect.map(Clock.currentTimeMillis, (now) => ends.push([waited, now])))
          )
        )
      }
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual(ends, [["100ms", 100], ["100ms", 100], ["200ms", 200], ["300ms", 300]])
    }))

  it.effect("of two overlapping requests still ends the second when the first has ended first", () =>
    Effect.gen(function*() {
      const first = yield* fork(endsAt(guarded(() => Effect.sleep(50), 100)))
      yield* TestClock.adjust(10)
      const second = yield* fork(endsAt(guarded(() => Effect.never, 100)))
      yield* TestClock.adjust(1000)
      assert.strictEqual(yield* Fiber.join(first), 50)
      assert.strictEqual(yield* Fiber.join(second), 110)
    }))

  it.live("lets an answer through where the clock's sleep doesn't wait", () =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      const impatient: Clock.Clock = Object.assign(Object.create(clock), { sleep: () => Effect.void })
      const answer = Effect.callback<string>((resume) => void setImmediate(() => resume(Effect.succeed("answer"))))
      const got = yield* Effect.provideService(guarded(() => answer, 60_000), Clock.Clock, impatient)
      assert.strictEqual(got, "answer")
    }))

  it.live("of a later request holds after one was abandoned under fake timers", () =>
    Effect.gen(function*() {
      yield* Effect.sync(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }))
      const abandoned = yield* Effect.ensuring(
        fork(guarded(() => Effect.never, 10)),
        Effect.sync(() => vi.useRealTimers())
      )
      assert.strictEqual(yield* Effect.flip(guarded(() => Effect.never, 20)), "20ms")
      yield* Fiber.interrupt(abandoned)
    }))

  it.effect("is not affected when the wall clock is set forward or back", () =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      for (const jump of [3_600_000, -3_600_000]) {
        let offset = 0
        const jumping: Clock.Clock = Object.assign(Object.create(clock), {
          currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + offset
        })
        const began = yield* Clock.currentTimeMillis
        const fiber = yield* fork(
          Effect.andThen(
            Effect.exit(Effect.provideService(guarded(() => Effect.never, 100), Clock.Clock, jumping)),
            Clock.currentTimeMillis
          )
        )
        yield* TestClock.adjust(50)
        offset = jump
        yield* TestClock.adjust(1000)
        assert.strictEqual((yield* Fiber.join(fiber)) - began, 100)
      }
    }))

  it.effect("starts again with each sign of progress", () =>
    Effect.gen(function*() {
      const moving = (silence: Silence) =>
        Effect.andThen(
          Effect.repeat(Effect.andThen(Effect.sleep(80), Effect.sync(silence.moved.bind(silence))), { times: 4 }),
          Effect.never
        )
      const fiber = yield* fork(endsAt(guarded(moving, 100)))
      yield* TestClock.adjust(1000)
      assert.strictEqual(yield* Fiber.join(fiber), 500)
    }))

  it.effect("does not count deliberate waits, even overlapping ones", () =>
    Effect.gen(function*() {
      const waiting = (silence: Silence) =>
        Effect.gen(function*() {
          const [one, other] = [silence.pause(), silence.pause()]
          yield* Effect.sleep(500)
          one()
          one()
          yield* Effect.sleep(500)
          other()
          return yield* Effect.never
        })
      const fiber = yield* fork(endsAt(guarded(waiting, 100)))
      yield* TestClock.adjust(5000)
      assert.strictEqual(yield* Fiber.join(fiber), 1100)
    }))

  it.effect("applies at once when it is shortened meanwhile", () =>
    Effect.gen(function*() {
      const shorter = (silence: Silence) =>
        Effect.andThen(
          Effect.sleep(50),
          Effect.andThen(Effect.sync(() => silence.limitTo({ headers: 70 })), Effect.never)
        )
      const fiber = yield* fork(endsAt(guarded(shorter, ({ headers }) => headers ?? 60_000)))
      yield* TestClock.adjust(1000)
      assert.strictEqual(yield* Fiber.join(fiber), 70)
    }))

  it.effect("fails only after the interrupted effect has cleaned up", () =>
    Effect.gen(function*() {
      const slow = Effect.ensuring(Effect.never, Effect.sleep(50))
      const fiber = yield* fork(endsAt(guarded(() => slow, 100)))
      yield* TestClock.adjust(1000)
      assert.strictEqual(yield* Fiber.join(fiber), 150)
    }))

  it.effect("is visible to the guarded effect, and an interruption waits for it", () =>
    Effect.gen(function*() {
      const Name = Context.Reference<string>("Name", { defaultValue: () => "" })
      let seen: readonly [string, boolean] | undefined
      const slow = (silence: Silence) =>
        Effect.ensuring(
          Effect.gen(function*() {
            seen = [yield* Name, (yield* CurrentSilence) === silence]
            return yield* Effect.never
          }),
          Effect.sleep(50)
        )
      const fiber = yield* fork(Effect.provideService(guarded(slow, 100), Name, "outer"))
      assert.deepStrictEqual(seen, ["outer", true])
      const interruption = yield* fork(Effect.andThen(Fiber.interrupt(fiber), Clock.currentTimeMillis))
      yield* TestClock.adjust(1000)
      assert.strictEqual(yield* Fiber.join(interruption), 50)
    }))

  it.live("leaves no timer behind", () =>
    Effect.gen(function*() {
      const set = vi.spyOn(globalThis, "setTimeout")
      const cleared = vi.spyOn(globalThis, "clearTimeout")
      yield* Effect.addFinalizer(() => Effect.sync(() => vi.restoreAllMocks()))
      // Those of this length alone: the test runner has timers of its own.
      const open = () => {
        const handles = set.mock.calls.flatMap(([, millis], i) => millis === 61_234 ? [set.mock.results[i]?.value] : [])
        return handles.filter((handle) => !cleared.mock.calls.some(([given]) => given === handle)).length
      }
      const fiber = yield* fork(guarded(() => Effect.never, 61_234))
      assert.strictEqual(open(), 1)
      yield* guarded(() => Effect.yieldNow, 61_234)
      assert.strictEqual(open(), 1)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(open(), 0)
    }))
})

describe("a stream's limit on silence", () => {
  it.effect("counts a pull that takes too long, and not the time of the consumer", () =>
    Effect.gen(function*() {
      const source = Stream.make(80, 80, 500).pipe(
        Stream.mapEffect((millis) => Effect.as(Effect.sleep(millis), millis))
      )
      const seen: Array<number> = []
      const fiber = yield* fork(
        unlessStalled(source, Duration.millis(100), () => "stalled").pipe(
          Stream.runForEach((millis) => Effect.as(Effect.sleep(1000), void seen.push(millis))),
          Effect.flip
        )
      )
      yield* TestClock.adjust(10_000)
      assert.strictEqual(yield* Fiber.join(fiber), "stalled")
      assert.deepStrictEqual(seen, [80, 80])
    }))
})
