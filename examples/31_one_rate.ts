/** Keeps many processes to one rate, which the policy counts in a Redis that they share. Reads REDIS_URL. */
import { NodeRuntime } from "@effect/platform-node"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { Config, Console, Effect, Layer, Stream } from "effect"
import { Files, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { RateLimiter } from "effect/persistence"

const RedisLive = Layer.unwrap(
  Effect.map(Config.String("REDIS_URL"), (url) => NodeRedis.layer({ url, disableOfflineQueue: true }))
)

const shared = Policy.standard().pipe(
  Policy.withStore(Layer.provide(RateLimiter.layerStoreRedis(), RedisLive))
)

const program = Effect.gen(function*() {
  const files = yield* Stream.runCount(Files.list({ limit: 1000 }))
  yield* Console.log(`${files} files`)
})

NodeRuntime.runMain(program.pipe(Effect.provide(NodeFiles.layerConfig({}, shared))))
