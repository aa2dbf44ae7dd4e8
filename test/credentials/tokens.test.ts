import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import type { CredentialsFailed } from "../../src/FilesError.ts"
import { credentialsFailed } from "../../src/internal/credentials/failed.ts"
import * as Tokens from "../../src/internal/credentials/tokens.ts"

interface Source {
  /** Lifetime of the next token in seconds; `undefined` if it doesn't expire. */
  lifetime: number | undefined
  /** Set while the source fails. */
  failure: CredentialsFailed | undefined
  /** How long obtaining a token takes. */
  delay: Duration.Input
  readonly asked: Array<number | undefined>
}

const make = (lifetime: number | undefined) =>
  Effect.gen(function*() {
    const source: Source = { lifetime, failure: undefined, delay: 0, asked: [] }
    const tokens = yield* Tokens.make<number>(
      (instead) =>
        Effect.gen(function*() {
          source.asked.push(instead)
          const value = source.asked.length
          yield* Effect.sleep(source.delay)
          if (source.failure !== undefined) return yield* source.failure
          const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
          return { value, expiresAt: source.lifetime === undefined ? undefined : now + source.lifetime * 1000 }
        }),
      (a, b) => a === b
    )
    return { source, tokens }
  })

const failure = credentialsFailed("the token", "No.", { isRetryable: true })

/** The token after this many seconds, with time for renewals in the background. */
const after = (tokens: Tokens.Tokens<number>, seconds: number) =>
  Effect.gen(function*() {
    yield* TestClock.adjust(Duration.seconds(seconds))
    const value = yield* tokens.get
    yield* TestClock.adjust(0)
    return value
  })

describe("a token", () => {
  it.effect("is obtained when it is first needed, and only once", () =>
    Effect.gen(function*() {
      const { source, tokens } = yield* make(undefined)
      assert.deepStrictEqual(source.asked, [])
      assert.strictEqual(yield* tokens.get, 1)
      yield* TestClock.adjust("1000 days")
      assert.strictEqual(yield* tokens.get, 1)
      assert.deepStrictEqual(source.asked, [undefined])
    }))

  it.effect("with an hour's lifetime is renewed in the background in its last two minutes, and before requests in its last 30 s", () =>
    Effect.gen(function*() {
      const { source, tokens } = yield* make(3600)
      assert.strictEqual(yield* tokens.get, 1)
      assert.strictEqual(yield* after(tokens, 3600 - 121), 1)
      assert.strictEqual(source.asked.length, 1)
      assert.strictEqual(yield* after(tokens, 2), 1)
      assert.deepStrictEqual(source.asked, [undefined, 1])
      assert.strictEqual(yield* tokens.get, 2)
      assert.strictEqual(yield* after(tokens, 3600 - 29), 3)
    }))

  it.effect("with a minute's lifetime has proportional margins, so it is not renewed at each request", () =>
    Effect.gen(function*() {
      const { source, tokens } = yield* make(60)
      for (let second = 0; second < 600; second++) yield* after(tokens, 1)
      assert.isAtMost(source.asked.length, 14)
      assert.isAtLeast(source.asked.length, 10)
    }))

  it.effect("is used once if it has already expired when it is obtained, and not obtained in a loop", () =>
    Effect.gen(function*() {
      const { source, tokens } = yield* make(0)
      assert.strictEqual(yield* tokens.get, 1)
      assert.strictEqual(yield* tokens.get, 2)
      assert.strictEqual(source.asked.length, 2)
    }))

  it.effect("is obtained once for 64 concurrent fibers, even if the first is interrupted", () =>
    Effect.gen(function*() {
      const { source, tokens } = yield* make(3600)
      yield* tokens.get
      yield* TestClock.adjust("2 hours")
      source.delay = "2 seconds"
      const first = yield* Effect.forkChild(tokens.get, { startImmediately: true })
      const others = yield* Effect.forEach(
        Array.from({ length: 63 }),
        () => Effect.forkChild(tokens.get, { startImmediately: true })
      )
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("2 seconds")
      const values = yield* Effect.forEach(others, Fiber.join)
      assert.deepStrictEqual(new Set(values), new Set([2]))
      assert.strictEqual(source.asked.length, 2)
    }))

  it.effect("fails for all waiting fibers if it can't be obtained, and the next caller tries again", () =>
    Effect.gen(function*() {
      const { source, tokens } = yield* make(3600)
      source.failure = failure
      const errors = yield* Effect.forEach(
        Array.from({ length: 8 }),
        () => Effect.flip(tokens.get),
        { concurrency: "unbounded" }
      )
      assert.isTrue(errors.every((error) => error === failure))
      assert.strictEqual(source.asked.length, 1)
      source.failure = undefined
      assert.strictEqual(yield* tokens.get, 2)
    }))

  it.effect("is renewed in the background at most every 5 seconds while that fails", () =>
    Effect.gen(function*() {
      const { source, tokens } = yield* make(3600)
      yield* tokens.get
      source.failure = failure
      yield* TestClock.adjust(Duration.seconds(3600 - 100))
      for (let request = 0; request < 40; request++) assert.strictEqual(yield* after(tokens, 1), 1)
      assert.isAtMost(source.asked.length, 10)
      assert.isAtLeast(source.asked.length, 8)
      source.failure = undefined
      yield* after(tokens, 6)
      assert.isAbove(yield* tokens.get, 1)
    }))
})

describe("a token that is refused", () => {
  it.effect("is obtained again, and acquire receives the one that no longer serves", () =>
    Effect.gen(function*() {
      const { source, tokens } = yield* make(3600)
      const value = yield* tokens.get
      yield* tokens.invalidate(value)
      assert.strictEqual(yield* tokens.get, 2)
      assert.deepStrictEqual(source.asked, [undefined, 1])
      assert.strictEqual(yield* tokens.get, 2)
    }))

  it.effect("is not dropped by late refusals of an older token", () =>
    Effect.gen(function*() {
      const { source, tokens } = yield* make(3600)
      const old = yield* tokens.get
      yield* tokens.invalidate(old)
      yield* tokens.get
      for (let late = 0; late < 3; late++) {
        yield* tokens.invalidate(old)
        assert.strictEqual(yield* tokens.get, 2)
      }
      assert.strictEqual(source.asked.length, 2)
    }))

  it.effect("is renewed once if many requests are refused at once", () =>
    Effect.gen(function*() {
      const { source, tokens } = yield* make(3600)
      const value = yield* tokens.get
      source.delay = "1 second"
      const fibers = yield* Effect.forEach(
        Array.from({ length: 64 }),
        () => Effect.forkChild(Effect.andThen(tokens.invalidate(value), tokens.get), { startImmediately: true })
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(new Set(yield* Effect.forEach(fibers, Fiber.join)), new Set([2]))
      assert.strictEqual(source.asked.length, 2)
    }))
})

describe("a clock", () => {
  it.effect("that is set back by an hour prolongs no token: it is renewed in the background by the next request", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("10 hours")
      const { source, tokens } = yield* make(3600)
      yield* tokens.get
      yield* TestClock.setTime(Duration.toMillis("9 hours"))
      assert.strictEqual(yield* after(tokens, 0), 1)
      assert.strictEqual(yield* tokens.get, 2)
      assert.strictEqual(yield* after(tokens, 60), 2)
      assert.strictEqual(source.asked.length, 2)
    }))

  it.effect("that is set back while renewals fail does not stop them", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("10 hours")
      const { source, tokens } = yield* make(3600)
      yield* tokens.get
      source.failure = failure
      yield* TestClock.setTime(Duration.toMillis("9 hours"))
      yield* after(tokens, 0)
      yield* TestClock.setTime(Duration.toMillis("8 hours"))
      source.failure = undefined
      yield* after(tokens, 0)
      assert.strictEqual(yield* tokens.get, 3)
    }))
})

it.effect("when the layer is closed nobody waits for ever, and renewals stop", () =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    let isInterrupted = false
    const begun = yield* Deferred.make<void>()
    const tokens = yield* Scope.provide(
      Tokens.make<number>(
        () =>
          Effect.onInterrupt(Effect.andThen(Deferred.succeed(begun, undefined), Effect.never), () =>
            Effect.sync(() => {
              isInterrupted = true
            })),
        (a, b) => a === b
      ),
      scope
    )
    const waiting = yield* Effect.forkChild(tokens.get, { startImmediately: true })
    yield* Deferred.await(begun)
    yield* Scope.close(scope, Exit.void)
    assert.isTrue(isInterrupted)
    assert.isTrue(Exit.isFailure(yield* Fiber.await(waiting)))
    assert.isTrue(Exit.isFailure(yield* Effect.exit(tokens.get)))
  }))
