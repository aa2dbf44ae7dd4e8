import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import { proxyTo } from "../support/lossyProxy.ts"
import * as Redis from "../support/redis.ts"
import { everyFileOnce, server, settingsFor } from "./processes.ts"
import { add, corpus, Database, databaseLayer, ingestWith, isRunWithRedis, needsRedisToo, rows } from "./support.ts"
import type { Settings } from "./worker.ts"
import { start } from "./workers.ts"

const here = Layer.provideMerge(ingestWith(), server)

const slowly = Fault.latency({ duration: 300, times: null, match: { operation: "upload" } })

/** Two runners, and something that goes away for a while once a few files are there. */
const through = (
  ingest: string,
  more: Partial<Settings>,
  outage: (redis: Redis.Server) => Effect.Effect<void, never, Emulator.Emulator | Database>
) =>
  Effect.gen(function*() {
    const count = 120
    const { items } = yield* corpus(count, (n) => `${ingest} ${n}`)
    yield* add(ingest, items)
    const emulator = yield* Emulator.Emulator
    yield* emulator.setFaults([slowly])
    const redis = yield* Redis.server
    const settings = yield* settingsFor(ingest, yield* Database, {
      redisUrl: `unix://${redis.socket}`,
      rate: { perMinute: 100_000, minute: 60_000 },
      concurrency: 4,
      ...more
    })
    const runners = [yield* start(settings), yield* start(settings)]
    while ((yield* emulator.files).length < 20) yield* Effect.sleep(50)
    yield* outage(redis)
    const codes = yield* Effect.forEach(runners, ({ exited }) => exited, { concurrency: "unbounded" })
    assert.deepStrictEqual(codes, [0, 0])
    yield* everyFileOnce(ingest, count)
    const posts = (yield* emulator.requests).filter(({ method, status }) => method === "POST" && status === 200)
    assert.strictEqual(posts.length, count)
  })

describe.runIf(isRunWithRedis)(`what goes away in the middle${needsRedisToo}`, () => {
  layer(databaseLayer, { excludeTestServices: true, timeout: 60_000 })((it) => {
    it.effect(
      "Postgres, for 20 seconds, longer than locks last: nothing lost, nothing twice, no runner dead",
      () =>
        Effect.gen(function*() {
          const postgres = yield* Database
          yield* through(
            "postgres",
            { lockExpiration: "5 seconds" },
            () => Effect.andThen(Effect.andThen(postgres.stop, Effect.sleep("20 seconds")), postgres.start)
          )
        }).pipe(Effect.scoped, Effect.provide(here)),
      300_000
    )

    it.effect(
      "Redis, for 20 seconds: nothing lost, nothing twice, no runner dead",
      () =>
        through(
          "redis",
          {},
          (redis) => Effect.andThen(Effect.andThen(redis.stop, Effect.sleep("20 seconds")), redis.start)
        ).pipe(
          Effect.scoped,
          Effect.provide(here)
        ),
      300_000
    )

    it.effect(
      "Redis, where nothing may be sent without it: runners wait, and go on",
      () =>
        through("without redis", { onRedisLost: "fail" }, (redis) =>
          Effect.gen(function*() {
            const emulator = yield* Emulator.Emulator
            yield* redis.stop
            yield* Effect.sleep("3 seconds")
            const sent = (yield* emulator.requests).length
            yield* Effect.sleep("7 seconds")
            assert.strictEqual((yield* emulator.requests).length, sent)
            yield* redis.start
          })).pipe(Effect.scoped, Effect.provide(here)),
      300_000
    )

    it.effect(
      "the network to the API, for 30 seconds: nothing lost, nothing twice, no try counted",
      () =>
        Effect.gen(function*() {
          yield* through("network", {}, () =>
            Effect.gen(function*() {
              const emulator = yield* Emulator.Emulator
              yield* emulator.setFaults([Fault.reset({ at: "before", times: null })])
              yield* Effect.sleep("30 seconds")
              yield* emulator.setFaults([slowly])
            }))
          assert.isTrue((yield* rows("network")).every(({ attempts }) => attempts === 0))
        }).pipe(Effect.scoped, Effect.provide(here)),
      300_000
    )

    it.effect(
      "SIGTERM while the database does not answer: the runner exits with 0 within five seconds",
      () =>
        Effect.gen(function*() {
          const { items } = yield* corpus(20, (n) => `cut off ${n}`)
          yield* add("cut off", items)
          yield* (yield* Emulator.Emulator).setFaults([
            Fault.latency({ duration: 500, times: null, match: { operation: "upload" } })
          ])
          const { socket } = yield* Database
          const proxy = yield* proxyTo(socket)
          const settings = yield* settingsFor("cut off", yield* Database, {
            databaseUrl: `postgres://postgres@127.0.0.1:${proxy.port}/postgres`,
            concurrency: 4
          })
          const runner = yield* start(settings)
          // The first line says that it is ready.
          while (runner.lines.length < 4) yield* Effect.sleep(20)
          yield* proxy.freeze
          yield* Effect.sleep("1 second")
          const began = performance.now()
          yield* runner.signal("SIGTERM")
          assert.strictEqual(yield* runner.exited, 0)
          assert.isBelow(performance.now() - began, 5_000)
        }).pipe(Effect.scoped, Effect.provide(here)),
      60_000
    )
  })
})
