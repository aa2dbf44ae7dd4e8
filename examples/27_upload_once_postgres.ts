/** Uploads each content once for all who share a Postgres: `npm install @effect/sql-pg`. Reads DATABASE_URL. */
import { NodeRuntime } from "@effect/platform-node"
import { PgClient } from "@effect/sql-pg"
import { Config, Console, Effect, Layer } from "effect"
import { Files, FileSource, Policy, UploadCache } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import * as UploadStoreSql from "effect-anthropic-files/UploadStoreSql"

// Notes survive a rollback of the program's own transaction, so they need a second connection.
const PgLive = PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL"), maxConnections: Config.succeed(4) })

const CacheLive = UploadCache.layer().pipe(
  Layer.provide(UploadStoreSql.layer()),
  Layer.provide(PgLive),
  Layer.provideMerge(NodeFiles.layerConfig({}, Policy.standard()))
)

const program = Effect.gen(function*() {
  const report = FileSource.path(`${import.meta.dirname}/assets/lighthouse.pdf`)
  const [one, other] = yield* Effect.all([UploadCache.get(report), UploadCache.get(report)], { concurrency: 2 })
  yield* Console.log(one.id === other.id ? "One upload for both." : "Two uploads.")
  yield* Files.delete(one.id)
})

NodeRuntime.runMain(program.pipe(Effect.provide(CacheLive)))
