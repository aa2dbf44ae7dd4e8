import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { TestClock } from "effect/testing"
import { IsWithinBody } from "../../src/internal/request/ownRequest.ts"
import { CurrentSilence, type Silence } from "../../src/internal/request/silence.ts"
import { Pool } from "../../src/node/pool.ts"

/** A pool, and which of its requests have started. */
const poolOf = (size: number) =>
  Effect.map(Effect.context(), (context) => {
    const pool = new Pool(size)
    const started: Array<string> = []
    const enter = (name: string, isNeeded = false) =>
      pool.enter(Context.add(context, IsWithinBody, isNeeded), () => void started.push(name))
    return { pool, started, enter }
  })

describe("places for requests to one origin", () => {
  it.effect("are given in order, as they become free", () =>
    Effect.gen(function*() {
      const { enter, pool, started } = yield* poolOf(2)
      for (const name of ["a", "b", "c", "d"]) enter(name)
      assert.deepStrictEqual(started, ["a", "b"])
      pool.leave()
      assert.deepStrictEqual(started, ["a", "b", "c"])
      pool.leave()
      assert.deepStrictEqual(started, ["a", "b", "c", "d"])
    }))

  it.effect("P4: one more is let in where none has ended for five seconds, since all may wait for it", () =>
    Effect.gen(function*() {
      const { enter, pool, started } = yield* poolOf(2)
      for (const name of ["a", "b", "c", "d"]) enter(name)
      yield* TestClock.adjust("4900 millis")
      assert.lengthOf(started, 2)
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(started, ["a", "b", "c"])
      // Its place is passed on: what stood still goes on at the pace of its requests.
      pool.leave()
      assert.deepStrictEqual(started, ["a", "b", "c", "d"])
      // Nobody waits any more, and the pool has its size again.
      pool.leave()
      enter("e")
      assert.lengthOf(started, 4)
    }))

  it.effect("stay as many as they are while requests end", () =>
    Effect.gen(function*() {
      const { enter, pool, started } = yield* poolOf(1)
      for (let n = 0; n < 10; n++) enter(String(n))
      for (let n = 1; n < 9; n++) {
        yield* TestClock.adjust("4 seconds")
        pool.leave()
        assert.lengthOf(started, n + 1)
      }
    }))

  it.effect("are not given to one that has left", () =>
    Effect.gen(function*() {
      const { enter, pool, started } = yield* poolOf(1)
      enter("a")
      enter("b")()
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(started, ["a"])
      pool.leave()
      enter("c")
      assert.deepStrictEqual(started, ["a", "c"])
    }))

  it.effect("are waited for without silence, until they are given or given up", () =>
    Effect.gen(function*() {
      let pauses = 0
      const silence: Silence = {
        moved: () => {},
        pause: () => {
          pauses++
          return () => void pauses--
        },
        limitTo: () => {},
        limits: {},
        movedAt: 0
      }
      const { enter, pool } = yield* Effect.provideService(poolOf(1), CurrentSilence, silence)
      enter("a")
      assert.strictEqual(pauses, 0)
      enter("b")
      const leave = enter("c")
      assert.strictEqual(pauses, 2)
      pool.leave()
      assert.strictEqual(pauses, 1)
      leave()
      assert.strictEqual(pauses, 0)
    }))

  it.effect("are not waited for by one that another waits for", () =>
    Effect.gen(function*() {
      const { enter, pool, started } = yield* poolOf(1)
      enter("a")
      enter("b")
      enter("needed", true)
      assert.deepStrictEqual(started, ["a", "needed"])
      pool.leave()
      assert.lengthOf(started, 2)
      pool.leave()
      assert.deepStrictEqual(started, ["a", "needed", "b"])
    }))
})
