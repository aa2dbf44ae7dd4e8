/** Uploads each content once for all who share a Redis: `npm install redis`. Reads REDIS_URL. */
import { NodeRuntime } from "@effect/platform-node"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { Config, Console, Effect, Layer } from "effect"
import { Files, FileSource, Policy, UploadCache } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import * as UploadStoreRedis from "effect-anthropic-files/UploadStoreRedis"

// Without disableOfflineQueue, the client waits forever for a Redis that is away.
const RedisLive = Layer.unwrap(
  Effect.map(Config.String("REDIS_URL"), (url) => NodeRedis.layer({ url, disableOfflineQueue: true }))
)

const CacheLive = UploadCache.layer().pipe(
  Layer.provide(UploadStoreRedis.layer()),
  Layer.provide(RedisLive),
  Layer.provideMerge(NodeFiles.layerConfig({}, Policy.standard()))
)

const program = Effect.gen(function*() {
  const report = FileSource.path(`${import.meta.dirname}/assets/lighthouse.pdf`)
  const [one, other] = yield* Effect.all([UploadCache.get(report), UploadCache.get(report)], { concurrency: 2 })
  yield* Console.log(one.id === other.id ? "One upload for both." : "Two uploads.")
  yield* Files.delete(one.id)
})

NodeRuntime.runMain(program.pipe(Effect.provide(CacheLive)))
