import { PgClient } from "@effect/sql-pg"
import { Context, Effect, FileSystem, Layer, Stream } from "effect"
import { Policy, UploadCache } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import * as Ingest from "effect-anthropic-files/fleet/Ingest"
import * as IngestSql from "effect-anthropic-files/fleet/IngestSql"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import * as UploadStoreSql from "effect-anthropic-files/UploadStoreSql"
import { platform } from "../cache/stores.ts"
import * as Postgres from "../support/postgres.ts"
import * as Redis from "../support/redis.ts"

/** The Postgres of a test file. */
export class Database extends Context.Service<Database, Postgres.Server>()("test/fleet/Database") {}

/** One for all tests of a file: each has an ingest of its own. */
export const databaseLayer = Layer.effect(Database, Postgres.server)

/** What is said of tests that are left out. In CI they are not: there they fail. */
export const needsPostgres = Postgres.available ? "" : ", which needs Postgres: apt-get install postgresql"

export const isRun = Postgres.available || process.env["CI"] === "true"

export const needsRedisToo = Postgres.available && Redis.available
  ? ""
  : ", which needs Postgres and Redis: apt-get install postgresql redis-server"

export const isRunWithRedis = (Postgres.available && Redis.available) || process.env["CI"] === "true"

export const sql = Layer.unwrap(
  Effect.map(
    Database,
    ({ socket }) =>
      Layer.orDie(PgClient.layer({ path: socket, username: "postgres", database: "postgres", maxConnections: 8 }))
  )
)

/** An ingest against the emulator, quick to look for work. */
export const ingestWith = (
  options: IngestSql.Options = {},
  policy: Policy.Policy = Policy.standard({ retry: { times: 2, baseDelay: "20 millis" }, rateLimit: false })
) =>
  Layer.unwrap(Effect.gen(function*() {
    const { apiKey, url } = yield* Emulator.Emulator
    return IngestSql.layer({ pollInterval: "50 millis", lockExpiration: "10 seconds", ...options }).pipe(
      Layer.provideMerge(UploadCache.layer()),
      Layer.provide(UploadStoreSql.layer()),
      Layer.provideMerge(NodeFiles.layer({ apiKey, baseUrl: url }, policy)),
      Layer.provideMerge(sql)
    )
  }))

export const server = Layer.mergeAll(NodeEmulator.layerServer(), platform)

/** Files `0.txt` to `n-1.txt` with contents of their own, and items for them. */
export const corpus = (count: number, content: (n: number) => string = (n) => `content ${n}`) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectoryScoped()
    const items = Array.from({ length: count }, (_, n) => ({ key: `${n}`, source: `${directory}/${n}.txt` }))
    yield* Effect.forEach(items, ({ source }, n) => fs.writeFileString(source, content(n)), { concurrency: 16 })
    return { directory, items }
  })

export const add = (ingest: string, items: Iterable<{ readonly key: string; readonly source: string }>) =>
  Ingest.add(ingest, Stream.fromIterable(items))

export const rows = (ingest: string) => Stream.runCollect(Ingest.items(ingest))
