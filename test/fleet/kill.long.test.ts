import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Redis from "../support/redis.ts"
import { everyFileOnce, faults, server, settingsFor } from "./processes.ts"
import { add, corpus, Database, databaseLayer, ingestWith, isRunWithRedis, needsRedisToo } from "./support.ts"
import { killing } from "./workers.ts"

/** `FLEET_ROUNDS=20` for many. */
const rounds = Number(process.env["FLEET_ROUNDS"] ?? 1)
const count = Number(process.env["FLEET_FILES"] ?? 2_000)

const here = Layer.provideMerge(ingestWith(), server)

/** 1 to 200 KB, each of its own. */
const content = (round: number) => (n: number) => `${round} ${n} `.padEnd(1_000 + (n * 7_919) % 199_000, "x")

describe.runIf(isRunWithRedis)(`runners that are killed${needsRedisToo}`, () => {
  layer(databaseLayer, { excludeTestServices: true, timeout: 60_000 })((it) => {
    for (let round = 1; round <= rounds; round++) {
      it.effect(
        `${count} files, three runners, one killed every two seconds, a tenth of the uploads hit by a fault: every file is there once, round ${round}`,
        () =>
          Effect.gen(function*() {
            const ingest = `killed ${round}`
            const { items } = yield* corpus(count, content(round))
            yield* add(ingest, items)
            yield* (yield* Emulator.Emulator).setFaults(faults.map((fault) => ({ ...fault, seed: round * 10 })))
            const redis = yield* Redis.server
            const settings = yield* settingsFor(ingest, yield* Database, {
              redisUrl: `unix://${redis.socket}`,
              concurrency: 8
            })
            const { codes, kills } = yield* killing(settings, 3, 2_000)
            assert.deepStrictEqual(codes, [0, 0, 0])
            yield* everyFileOnce(ingest, count)
            console.log(`round ${round}: ${count} files, ${kills} kills`)
          }).pipe(Effect.scoped, Effect.provide(here)),
        900_000
      )
    }
  })
})
