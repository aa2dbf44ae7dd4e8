import { NodeFileSystem, NodePath, NodeRedis } from "@effect/platform-node"
import { Context, Effect, FileSystem, Layer, type Scope } from "effect"
import * as UploadStore from "effect-anthropic-files/UploadStore"
import * as UploadStoreRedis from "effect-anthropic-files/UploadStoreRedis"
import * as UploadStoreSql from "effect-anthropic-files/UploadStoreSql"
import * as Redis from "../support/redis.ts"
import * as Sqlite from "../support/sqlite.ts"

export const platform = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer)

/** Makes a store once. Each build of the layer reaches it like another process. */
export type Place = Effect.Effect<
  Layer.Layer<UploadStore.UploadStore, UploadStore.UploadStoreFailed>,
  never,
  Scope.Scope
>

const folder = Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.orDie(fs.makeTempDirectoryScoped())).pipe(
  Effect.provide(NodeFileSystem.layer)
)

export const memory: Place = Effect.gen(function*() {
  const context = yield* Layer.buildWithScope(UploadStore.layerMemory, yield* Effect.scope)
  return Layer.fresh(Layer.succeed(UploadStore.UploadStore, Context.get(context, UploadStore.UploadStore)))
})

export const inDirectory: Place = Effect.map(
  folder,
  (directory) =>
    Layer.fresh(
      UploadStore.layerDirectory(`${directory}/store`).pipe(
        Layer.provide(platform),
        Layer.catchTag("InvalidConfig", (error) => Layer.effect(UploadStore.UploadStore, Effect.die(error)))
      )
    )
)

export const inSql: Place = Effect.map(
  folder,
  (directory) => Layer.fresh(Layer.provide(UploadStoreSql.layer(), Sqlite.layer(`${directory}/store.db`)))
)

export const inRedis: Place = Effect.map(
  Redis.redis,
  (path) =>
    Layer.fresh(
      Layer.provide(
        UploadStoreRedis.layer(),
        Layer.orDie(NodeRedis.layer({ socket: { path, tls: false }, disableOfflineQueue: true }))
      )
    )
)

export const places: ReadonlyArray<readonly [name: string, place: Place]> = [
  ["memory", memory],
  ["directory", inDirectory],
  ["sql", inSql],
  ...(Redis.available ? [["redis", inRedis] as const] : [])
]

/** Changes every record whose key has this prefix. */
export const rewrite = (values: Map<string, string>, prefix: string, change: (record: string) => string): void => {
  for (const [key, record] of values) if (key.startsWith(prefix)) values.set(key, change(record))
}
