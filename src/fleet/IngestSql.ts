/**
 * Durable ingest on Postgres. The tables are created and migrated when the Layer is built:
 *
 * - `ingest_items`: one row for each item, the source of truth, which you may query;
 * - `ingests` and `ingest_runners`: the ingests and their runners;
 * - `ingest_queue`: effect's `PersistedQueue`, with a message for each item that comes next. A runner creates it.
 *
 * An item's `state`:
 *
 *     added ──▶ pending ──▶ done ──▶ deleted
 *                 │  ▲ ▲      └──▶ pending, to be renewed
 *                 │  │ └── failed, retried
 *                 │  └──── cancelled, resumed
 *                 └─────▶ failed | cancelled
 *
 * A `pending` item may not be in the queue yet, be in the queue, or be in progress. The id of its message is
 * `id/generation`. Each return to `pending` increments the generation, because the queue never delivers a finished id
 * again.
 *
 * @example
 * ```ts
 * import { PgClient } from "@effect/sql-pg"
 * import { Layer, Redacted } from "effect"
 * import { Policy, UploadCache } from "effect-anthropic-files"
 * import * as IngestSql from "effect-anthropic-files/fleet/IngestSql"
 * import * as NodeFiles from "effect-anthropic-files/NodeFiles"
 * import * as UploadStoreSql from "effect-anthropic-files/UploadStoreSql"
 *
 * const Database = PgClient.layer({ url: Redacted.make("postgres://localhost/corpus") })
 *
 * export const IngestLive = IngestSql.layer({ isAlone: true }).pipe(
 *   Layer.provide(UploadCache.layer()),
 *   Layer.provide(UploadStoreSql.layer()),
 *   Layer.provide(NodeFiles.layerConfig({}, Policy.standard())),
 *   Layer.provide(Database)
 * )
 * ```
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type * as Redis from "effect/persistence/Redis"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import * as Files from "../Files.ts"
import { InvalidConfig } from "../FilesError.ts"
import { detailsOf } from "../internal/cache/details.ts"
import * as UploadCache from "../UploadCache.ts"
import * as Ingest from "./Ingest.ts"
import * as Cleaning from "./internal/cleaning.ts"
import * as Database from "./internal/database.ts"
import * as Deletion from "./internal/deletion.ts"
import type { Engine } from "./internal/engine.ts"
import { databaseFailed, noSuchIngest, storeFailed } from "./internal/failed.ts"
import * as Insertion from "./internal/insertion.ts"
import type { Entry } from "./internal/manifestItem.ts"
import type { RunOptions } from "./internal/model.ts"
import { checkCount, checkDuration, checkName, settingsOf } from "./internal/options.ts"
import * as Runner from "./internal/runner.ts"
import * as Seeing from "./internal/seeing.ts"
import * as SharedRate from "./internal/sharedRate.ts"
import { migrate, queueTable, tuneQueue } from "./internal/tables.ts"

/** Options of the service. */
export interface Options {
  /**
   * Whether only one runner may run in this database, because the rate limit is not shared through Redis. A second
   * runner then fails with `AnotherRunner`.
   *
   * @default false
   */
  readonly isAlone?: boolean | undefined
  /**
   * How long the database may be away before an item in progress is delivered to another runner as well. The item of a
   * killed runner is delivered again after that time.
   *
   * @default "2 minutes"
   */
  readonly lockExpiration?: Duration.Input | undefined
  /**
   * The maximum number of items in the queue ahead of the runners.
   *
   * @default 10000
   */
  readonly window?: number | undefined
  /**
   * How often an idle runner looks for work.
   *
   * @default "1 second"
   */
  readonly pollInterval?: Duration.Input | undefined
  /**
   * How often a runner repairs differences between table and queue.
   *
   * @default "1 minute"
   */
  readonly sweepInterval?: Duration.Input | undefined
}

/** Options of {@link layerRateLimitStore}. */
export interface RateLimitStoreOptions {
  /**
   * What happens while Redis is away. With `share`, each runner keeps to the limit divided by the number of live runners.
   * With `fail`, requests fail with `RateLimited`, and runners wait.
   *
   * @default "share"
   */
  readonly onRedisLost?: "share" | "fail" | undefined
}

const invalidConfig = (option: string, message: string) =>
  Effect.fail(new InvalidConfig({ option, message: `IngestSql: ${message}` }))

const durationOption = (
  option: keyof Options,
  input: Duration.Input
): Effect.Effect<Duration.Duration, InvalidConfig> => {
  const duration = durationOf(input)
  return duration === undefined
    ? invalidConfig(option, `${option} has to be a finite duration above 0, for example "1 minute".`)
    : Effect.succeed(duration)
}

/** `undefined` unless it is a finite duration above 0. */
const durationOf = (input: Duration.Input): Duration.Duration | undefined =>
  Option.getOrUndefined(
    Option.filter(Duration.fromInput(input), (duration) => Duration.isFinite(duration) && Duration.isPositive(duration))
  )

/** Makes the service from the database, the cache and the client in the context. */
export const make = Effect.fnUntraced(function*(
  options: Options = {}
): Effect.fn.Return<
  Ingest.Ingest["Service"],
  InvalidConfig | Ingest.IngestFailed,
  | SqlClient.SqlClient
  | UploadCache.UploadCache
  | Files.Files
  | FileSystem.FileSystem
  | HttpClient.HttpClient
  | Scope.Scope
> {
  const lockExpiration = yield* durationOption("lockExpiration", options.lockExpiration ?? "2 minutes")
  const pollInterval = yield* durationOption("pollInterval", options.pollInterval ?? "1 second")
  const sweepInterval = yield* durationOption("sweepInterval", options.sweepInterval ?? "1 minute")
  const { isAlone = false, window = 10_000 } = options
  if (!Number.isSafeInteger(window) || window < 1) {
    return yield* invalidConfig("window", `window is ${window}; it has to be a whole number of at least 1.`)
  }
  const sql = (yield* SqlClient.SqlClient).withoutTransforms()
  const isPostgres = sql.onDialectOrElse({ pg: () => true, orElse: () => false })
  if (!isPostgres) return yield* invalidConfig("SqlClient", "the database has to be Postgres: use @effect/sql-pg.")

  const makeStore = PersistedQueue.makeStoreSql({
    tableName: queueTable,
    pollInterval,
    lockExpiration,
    lockRefreshInterval: Duration.times(lockExpiration, 1 / 4)
  }).pipe(
    Effect.provideService(SqlClient.SqlClient, sql),
    // Its migrations die if the database is away.
    Effect.catchDefect((defect): Effect.Effect<never, SqlError> =>
      isSqlError(defect) ? Effect.fail(defect) : Effect.die(defect)
    ),
    Effect.tap(() => tuneQueue(sql))
  )
  const database = Database.make(sql)
  const files = yield* Files.Files
  const cache = yield* UploadCache.UploadCache
  const sources = yield* Effect.context<FileSystem.FileSystem | HttpClient.HttpClient>()
  yield* migrate(sql)
  const engine: Engine = {
    database,
    files,
    cache,
    details: detailsOf(cache),
    sources,
    makeStore,
    lockExpiration,
    window,
    sweepInterval,
    isAlone
  }
  return serviceOf(engine)
})

/**
 * A store of the rate limit for `Policy.withStore`, in Redis and shared by all runners. While Redis is away, each runner keeps
 * to its share of the limit or sends nothing, depending on the option. It never sends without a limit.
 *
 * ```ts
 * import { NodeRedis } from "@effect/platform-node"
 * import type { PgClient } from "@effect/sql-pg"
 * import { Policy } from "effect-anthropic-files"
 * import * as IngestSql from "effect-anthropic-files/fleet/IngestSql"
 * import { Layer } from "effect"
 * import type { SqlClient } from "effect/sql"
 *
 * export const policy = (
 *   database: Layer.Layer<SqlClient.SqlClient | PgClient.PgClient>,
 *   redis: Layer.Layer<NodeRedis.NodeRedis>
 * ) => Policy.withStore(Policy.standard(), IngestSql.layerRateLimitStore().pipe(Layer.provide([database, redis])))
 * ```
 */
export const layerRateLimitStore = (
  options: RateLimitStoreOptions = {}
): Layer.Layer<RateLimiter.RateLimiterStore, never, SqlClient.SqlClient | Redis.Redis> =>
  Layer.effect(
    RateLimiter.RateLimiterStore,
    Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => SharedRate.make(Database.make(sql.withoutTransforms()).countAlive, options.onRedisLost ?? "share")
    )
  )

/**
 * {@link make} as a Layer.
 */
export const layer = (
  options?: Options
): Layer.Layer<
  Ingest.Ingest,
  InvalidConfig | Ingest.IngestFailed,
  SqlClient.SqlClient | UploadCache.UploadCache | Files.Files | FileSystem.FileSystem | HttpClient.HttpClient
> => Layer.effect(Ingest.Ingest, make(options))

const serviceOf = (engine: Engine): Ingest.Ingest["Service"] => {
  const { database } = engine

  const onIngest = <A>(
    ingest: string,
    statement: Effect.Effect<A, SqlError>
  ): Effect.Effect<A, Ingest.Failure> =>
    Effect.andThen(
      checkName(ingest),
      Effect.mapError(database.stateOf(ingest), databaseFailed).pipe(
        Effect.flatMap((state) => Option.isNone(state) ? Effect.fail(noSuchIngest(ingest)) : Effect.void),
        Effect.andThen(Effect.mapError(statement, databaseFailed))
      )
    )

  return Ingest.Ingest.of({
    add: Effect.fn("Ingest.add")(function*<E, R>(ingest: string, manifest: Stream.Stream<Entry, E, R>) {
      yield* checkName(ingest)
      return yield* Insertion.add(database, ingest, manifest)
    }),
    run: <E = never, R = never>(ingest: string, options: RunOptions<E, R> = {}) =>
      Stream.callback<Ingest.RunEvent, Ingest.Failure, R>(
        (events) =>
          Effect.gen(function*() {
            yield* checkName(ingest)
            yield* Runner.run(engine, ingest, yield* settingsOf(options), events)
            yield* Queue.end(events)
          }),
        { bufferSize: 256 }
      ),
    status: (ingest) => Effect.andThen(checkName(ingest), Seeing.status(database, ingest)),
    items: (ingest, selection = {}) =>
      Stream.unwrap(Effect.as(onIngest(ingest, Effect.void), Seeing.items(database, ingest, selection))),
    list: Seeing.list(database),
    pause: (ingest) => Effect.asVoid(onIngest(ingest, database.setState(ingest, "paused"))),
    resume: (ingest) =>
      // The items first: while the ingest is cancelled, no runner starts one.
      onIngest(ingest, Effect.tap(database.revive(ingest), () => database.setState(ingest, "running"))),
    cancel: (ingest) =>
      onIngest(ingest, Effect.andThen(database.setState(ingest, "cancelled"), database.cancel(ingest))),
    retry: (ingest, { key, tag } = {}) => onIngest(ingest, database.retry(ingest, tag ?? null, key ?? null)),
    renew: (ingest, within) =>
      Effect.flatMap(
        checkDuration("within", within),
        (within) => onIngest(ingest, database.renew(ingest, Duration.toMillis(within)))
      ),
    deleteUploaded: (ingest, options = {}) =>
      Stream.unwrap(Effect.gen(function*() {
        yield* onIngest(ingest, Effect.void)
        const maxDeletions = yield* checkCount("maxDeletions", options.maxDeletions ?? 100, 0)
        const concurrency = yield* checkCount("concurrency", options.concurrency ?? 8, 1)
        return Deletion.deleteUploaded(engine, ingest, { maxDeletions, concurrency })
      })),
    clean: (options = {}) =>
      Effect.gen(function*() {
        const { dryRun = false } = options
        const olderThan = yield* checkDuration("olderThan", options.olderThan ?? "1 hour", true)
        return yield* Effect.mapError(
          Cleaning.clean(engine, Duration.toSeconds(olderThan), dryRun),
          (error) => error._tag === "SqlError" ? databaseFailed(error) : storeFailed(error)
        )
      })
  })
}
