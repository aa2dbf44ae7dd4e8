import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import * as Redis from "effect/persistence/Redis"
import { TestClock } from "effect/testing"
import * as SharedRate from "../../src/fleet/internal/sharedRate.ts"

/** It accepts connections and never answers. */
const silent = Redis.make({
  send: () => Effect.never,
  subscribe: () => Effect.never,
  connect: Effect.never
})

describe("the rate that runners share", () => {
  it.effect("can be used a second after the start, although Redis does not answer", () =>
    Effect.gen(function*() {
      const redis = yield* silent
      const starting = yield* Effect.forkChild(
        Effect.provideService(SharedRate.make(Effect.succeed(2), "share"), Redis.Redis, redis)
      )
      yield* TestClock.adjust("1 second")
      const exit = starting.pollUnsafe()
      assert.isTrue(exit !== undefined && Exit.isSuccess(exit))
    }).pipe(Effect.scoped))
})
