/**
 * Durable ingest on Node, in one Layer: give it a Postgres, and a Redis as soon as there are several runners.
 *
 * Needs `@effect/platform-node`, `@effect/sql-pg` and `redis`: optional peers of this package.
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

/** What the Layer is made from. */
export interface Options extends Omit<IngestSql.Options, "isAlone">, IngestSql.RateLimitStoreOptions {
  /** `postgres://user:password@host:5432/database` */
  readonly databaseUrl: Redacted.Redacted<string>
  /**
   * `redis://host:6379`. Through it all runners keep to one rate limit.
   *
   * @default none: then one runner at a time
   */
  readonly redisUrl?: Redacted.Redacted<string> | undefined
  /**
   * Connections to the database of this process.
   *
   * @default 10
   */
  readonly maxConnections?: number | undefined
  /**
   * What the client does to every request. Its rate limit is the one that all runners share.
   *
   * @default {}
   */
  readonly policy?: Policy.StandardOptions | undefined
  /**
   * How long the process of a runner that died keeps others from the content that it was uploading.
   *
   * @default "30 seconds"
   */
  readonly lease?: Duration.Input | undefined
}

/** Connections that wait for a database that is away are left behind. */
const closeLimit = Duration.millis(500)

/** A Layer whose release takes no longer than {@link closeLimit}. */
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
    // A connection that was cut without a word, by a failover for example, would be waited for without end.
    keepAlive: "15 seconds",
    // A pooler such as pgbouncer gives each transaction another session, which knows no statement of an earlier one.
    prepare: false,
    // The queue keeps times without a zone, which jump where the session's zone has a summer time.
    startupParameters: { timezone: "UTC" }
  }).pipe(
    closedSoon,
    Layer.tap((context) => Context.get(context, SqlClient.SqlClient)`SELECT 1`),
    Layer.catchTag("SqlError", (error) => Layer.effect(SqlClient.SqlClient, Effect.fail(unreachable(error))))
  )

const redisOf = (url: Redacted.Redacted<string>): Layer.Layer<Redis.Redis, PolicyFailed> =>
  // Only here is the package redis needed.
  Layer.unwrap(Effect.map(
    Effect.promise(() => import("@effect/platform-node/NodeRedis")),
    // Commands fail while it is away, instead of being kept for later.
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
 * The service with all that it needs.
 *
 * @param files the client: `NodeFiles.layer`, `layerConfig` or `layerCredentials` with the policy that it is given
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
