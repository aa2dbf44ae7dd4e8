/**
 * Durable ingest on Node in one Layer. It needs a Postgres, and a Redis for more than one runner.
 *
 * Needs the optional peer dependencies `@effect/platform-node` and `@effect/sql-pg`, and `redis` if there is a `redisUrl`.
 *
 * @example
 * ```ts
 * import { Effect, Redacted, Stream } from "effect"
 * import * as Ingest from "effect-anthropic-files/fleet/Ingest"
 * import * as Manifest from "effect-anthropic-files/fleet/Manifest"
 * import * as NodeIngest from "effect-anthropic-files/fleet/NodeIngest"
 * import * as NodeFiles from "effect-anthropic-files/NodeFiles"
 *
 * const IngestLive = NodeIngest.layer(
 *   {
 *     databaseUrl: Redacted.make("postgres://localhost/corpus"),
 *     redisUrl: Redacted.make("redis://localhost:6379")
 *   },
 *   (policy) => NodeFiles.layerConfig({}, policy)
 * )
 *
 * export const program = Effect.gen(function*() {
 *   yield* Ingest.add("corpus", Manifest.folder("./corpus"))
 *   yield* Stream.runDrain(Ingest.run("corpus"))
 * }).pipe(Effect.provide(IngestLive))
 * ```
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import { type InvalidConfig, PolicyFailed } from "../FilesError.ts"
import { wordsOf } from "../internal/request/evidence.ts"
import { shorten } from "../internal/text.ts"
import type * as NodeFiles from "../NodeFiles.ts"
import * as Policy from "../Policy.ts"
import * as UploadCache from "../UploadCache.ts"
import type * as UploadStore from "../UploadStore.ts"
import * as UploadStoreSql from "../UploadStoreSql.ts"
import type * as Ingest from "./Ingest.ts"
import * as IngestSql from "./IngestSql.ts"
import { type IngestFailed, unreachable } from "./internal/failed.ts"

/** Options of {@link layer}. */
export interface Options extends Omit<IngestSql.Options, "isAlone">, IngestSql.RateLimitStoreOptions {
  /** `postgres://user:password@host:5432/database` */
  readonly databaseUrl: Redacted.Redacted<string>
  /**
   * `redis://host:6379`. All runners with the same Redis share one rate limit.
   *
   * @default none: only one runner at a time
   */
  readonly redisUrl?: Redacted.Redacted<string> | undefined
  /**
   * The maximum number of database connections of this process.
   *
   * @default 10
   */
  readonly maxConnections?: number | undefined
  /**
   * The policy of the client. All runners share its rate limit.
   *
   * @default {}
   */
  readonly policy?: Policy.StandardOptions | undefined
  /**
   * How long a content that a killed runner was uploading stays locked for others.
   *
   * @default "30 seconds"
   */
  readonly lease?: Duration.Input | undefined
}

/** How long closing the connections may take. A database that is away must not delay the end of the process. */
const closeLimit = Duration.millis(500)

/** The same Layer, released within {@link closeLimit}. */
const closedSoon = <A, E, R>(self: Layer.Layer<A, E, R>): Layer.Layer<A, E, R> =>
  Layer.effectContext(Effect.gen(function*() {
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer((exit) =>
      Effect.flatMap(
        Effect.forkDetach(Scope.close(scope, exit)),
        (fiber) => Effect.interruptible(Effect.timeoutOption(Fiber.await(fiber), closeLimit))
      )
    )
    return yield* Layer.buildWithScope(self, scope)
  }))

const databaseOf = ({ databaseUrl, maxConnections = 10 }: Options): Layer.Layer<SqlClient.SqlClient, IngestFailed> =>
  PgClient.layer({
    url: databaseUrl,
    maxConnections,
    applicationName: "effect-anthropic-files",
    connectTimeout: "10 seconds",
    // Without it, a connection that was cut silently, for example by a failover, would hang forever.
    keepAlive: "15 seconds",
    // Behind a pooler such as pgbouncer, a statement that was prepared in one session is missing in the next.
    prepare: false,
    // The queue stores times without a zone. In a zone with daylight saving time they would jump.
    startupParameters: { timezone: "UTC" }
  }).pipe(
    closedSoon,
    Layer.tap((context) => Context.get(context, SqlClient.SqlClient)`SELECT 1`),
    Layer.catchTag("SqlError", (error) => Layer.effect(SqlClient.SqlClient, Effect.fail(unreachable(error))))
  )

const redisOf = (url: Redacted.Redacted<string>): Layer.Layer<Redis.Redis, PolicyFailed> =>
  // Imported here so that the package redis is needed only with a redisUrl.
  Layer.unwrap(Effect.map(
    Effect.promise(() => import("@effect/platform-node/NodeRedis")),
    // While Redis is away, commands fail instead of being queued.
    (NodeRedis) => NodeRedis.layer({ url: Redacted.value(url), disableOfflineQueue: true })
  )).pipe(
    Layer.catchTag("RedisError", (cause) =>
      Layer.effect(
        Redis.Redis,
        Effect.fail(
          new PolicyFailed({
            message: `The Redis of the rate limit can't be reached (${
              shorten(wordsOf(cause))
            }): check its address, or leave it out where there is one runner.`,
            cause
          })
        )
      ))
  )

/**
 * The service with everything that it needs.
 *
 * @param files makes the client with the given policy: `NodeFiles.layer`, `layerConfig` or `layerCredentials`
 */
export const layer = <E>(
  options: Options,
  files: (policy: Policy.Policy) => Layer.Layer<NodeFiles.Services, E>
): Layer.Layer<
  Ingest.Ingest | UploadCache.UploadCache | NodeFiles.Services,
  E | IngestFailed | InvalidConfig | PolicyFailed | UploadStore.UploadStoreFailed
> => {
  const { redisUrl } = options
  const database = databaseOf(options)
  const standard = Policy.standard(options.policy)
  const policy = redisUrl === undefined
    ? standard
    : Policy.withStore(
      standard,
      IngestSql.layerRateLimitStore(options).pipe(Layer.provide(Layer.merge(database, redisOf(redisUrl))))
    )
  return IngestSql.layer({ ...options, isAlone: redisUrl === undefined }).pipe(
    Layer.provideMerge(UploadCache.layer({ lease: options.lease })),
    Layer.provide(UploadStoreSql.layer()),
    Layer.provideMerge(files(policy)),
    Layer.provide(database)
  )
}
