import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import { mostIn } from "../policy/support.ts"
import * as Redis from "../support/redis.ts"
import { everyFileOnce, server, settingsFor } from "./processes.ts"
import { add, corpus, Database, databaseLayer, ingestWith, isRunWithRedis, needsRedisToo } from "./support.ts"
import { start } from "./workers.ts"

const here = Layer.provideMerge(ingestWith(), server)

const perMinute = 60
const minute = 6_000

/** Four runners at once, and when the emulator was asked. */
const race = (ingest: string, count: number, meanwhile: (redis: Redis.Server) => Effect.Effect<void>) =>
  Effect.gen(function*() {
    const { items } = yield* corpus(count, (n) => `${ingest} ${n}`)
    yield* add(ingest, items)
    const redis = yield* Redis.server
    const settings = yield* settingsFor(ingest, yield* Database, {
      redisUrl: `unix://${redis.socket}`,
      rate: { perMinute, minute }
    })
    const runners = yield* Effect.forEach([1, 2, 3, 4], () => start(settings))
    yield* Effect.forEach(runners, ({ ready }) => ready)
    yield* meanwhile(redis)
    const codes = yield* Effect.forEach(runners, ({ exited }) => exited, { concurrency: "unbounded" })
    assert.deepStrictEqual(codes, [0, 0, 0, 0])
    yield* everyFileOnce(ingest, count)
    const requests = yield* (yield* Emulator.Emulator).requests
    return requests.map(({ at }) => at)
  })

describe.runIf(isRunWithRedis)(`four runners at one rate limit${needsRedisToo}`, () => {
  layer(databaseLayer, { excludeTestServices: true, timeout: 60_000 })((it) => {
    it.effect("in no minute, of six seconds here, do they together exceed it", () =>
      Effect.gen(function*() {
        const times = yield* race("limited", 200, () => Effect.void)
        assert.isAtMost(mostIn(times, minute), perMinute)
        assert.isAtLeast(mostIn(times, minute), perMinute * 0.6)
      }).pipe(Effect.scoped, Effect.provide(here)), 180_000)

    it.effect("nor while Redis is away, for which each keeps to its share", () =>
      Effect.gen(function*() {
        const times = yield* race("shared", 250, (redis) =>
          Effect.gen(function*() {
            yield* Effect.sleep("6 seconds")
            yield* redis.stop
            yield* Effect.sleep("12 seconds")
            yield* redis.start
          }))
        // Redis comes back with nothing in it: what it was asked right before is not known to it.
        const burst = perMinute / 10
        assert.isAtMost(mostIn(times, minute), perMinute + burst)
      }).pipe(Effect.scoped, Effect.provide(here)), 180_000)
  })
})
