/**
 * An `UploadStore` in a table of a SQL database, for all processes that reach it.
 *
 * @example
 * ```ts
 * import { Layer } from "effect"
 * import { UploadCache } from "effect-anthropic-files"
 * import * as UploadStoreSql from "effect-anthropic-files/UploadStoreSql"
 *
 * export const CacheLive = UploadCache.layer().pipe(Layer.provide(UploadStoreSql.layer({ table: "uploads" })))
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { UploadStore, UploadStoreFailed } from "./internal/cache/store.ts"
import { mayPass, reasonOf } from "./internal/sqlReason.ts"

const onError = (error: SqlError): UploadStoreFailed =>
  new UploadStoreFailed({
    operation: "uploadCache",
    message: `The upload store's database failed: ${reasonOf(error)}.`,
    isRetryable: mayPass(error),
    cause: error
  })

const insideTransaction = () =>
  new UploadStoreFailed({
    operation: "uploadCache",
    message:
      "SQLite allows one writer at a time, which is this program's own transaction: use the upload cache outside of sql.withTransaction."
  })

/**
 * Runs statements outside of the program's transaction, so that records stay when it is rolled back. That takes another
 * connection, which SQLite does not allow to write while the transaction is open.
 */
const outsideTransaction = (sql: SqlClient.SqlClient) => {
  const isSqlite = sql.onDialectOrElse({ sqlite: () => true, orElse: () => false })
  return <A>(statements: Effect.Effect<A, SqlError>): Effect.Effect<A, UploadStoreFailed> => {
    const run = Effect.mapError(
      Effect.updateContext(
        statements,
        (context: Context.Context<never>) => Context.omit(sql.transactionService)(context)
      ),
      onError
    )
    if (!isSqlite) return run
    return Effect.flatMap(
      Effect.serviceOption(sql.transactionService),
      (transaction) => transaction._tag === "Some" ? Effect.fail(insideTransaction()) : run
    )
  }
}

/**
 * The store in a table of the context's database, which is created if it does not exist: `id` is the key, and `value` is
 * text that is compared byte by byte.
 *
 * Tested on Postgres and SQLite. The statements for MySQL and SQL Server are not tested.
 *
 * @default table "effect_anthropic_files_uploads"
 */
export const layer = (options: {
  /** The table's name. @default "effect_anthropic_files_uploads" */
  readonly table?: string | undefined
} = {}): Layer.Layer<UploadStore, UploadStoreFailed, SqlClient.SqlClient> =>
  Layer.effect(
    UploadStore,
    Effect.gen(function*() {
      const sql = (yield* SqlClient.SqlClient).withoutTransforms()
      const apart = outsideTransaction(sql)
      const name = options.table ?? "effect_anthropic_files_uploads"
      const table = sql(name)
      const made = sql.onDialectOrElse({
        mysql: () =>
          sql`CREATE TABLE IF NOT EXISTS ${table} (
              id VARCHAR(191) PRIMARY KEY,
              value LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL
            )`,
        mssql: () =>
          sql`IF NOT EXISTS (SELECT * FROM sysobjects WHERE name=${name} AND xtype='U')
              CREATE TABLE ${table} (
                id NVARCHAR(191) PRIMARY KEY,
                value NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NOT NULL
              )`,
        orElse: () => sql`CREATE TABLE IF NOT EXISTS ${table} (id VARCHAR(191) PRIMARY KEY, value TEXT NOT NULL)`
        // Some databases fail if two clients create it at the same time.
      }).pipe(Effect.retry({ times: 1 }))
      // Read first, because a user who may use the table may lack the right to create one.
      yield* Effect.mapError(Effect.catch(sql`SELECT id FROM ${table} WHERE id = ''`, () => made), onError)
      const get = (key: string) =>
        Effect.map(
          sql<{ readonly value: string }>`SELECT value FROM ${table} WHERE id = ${key}`,
          (rows) => rows[0]?.value
        )

      type Rows = Effect.Effect<ReadonlyArray<object>, SqlError>
      interface Statements {
        readonly insert: (key: string, next: string) => Rows
        readonly update: (key: string, current: string, next: string) => Rows
        readonly delete: (key: string, current: string) => Rows
      }
      // Each returns a row if it took effect.
      const { delete: remove, insert, update } = sql.onDialectOrElse({
        mysql: (): Statements => {
          // MySQL has no RETURNING, so the value is read afterwards.
          const found = (statement: Effect.Effect<unknown, SqlError>, key: string, next: string | undefined): Rows =>
            sql.withTransaction(
              Effect.map(Effect.andThen(statement, get(key)), (value) => value === next ? [{}] : [])
            )
          return {
            insert: (key, next) =>
              found(sql`INSERT IGNORE INTO ${table} (id, value) VALUES (${key}, ${next})`, key, next),
            update: (key, current, next) =>
              found(sql`UPDATE ${table} SET value = ${next} WHERE id = ${key} AND value = ${current}`, key, next),
            delete: (key, current) =>
              found(sql`DELETE FROM ${table} WHERE id = ${key} AND value = ${current}`, key, undefined)
          }
        },
        mssql: (): Statements => ({
          insert: (key, next) =>
            sql`INSERT INTO ${table} (id, value) OUTPUT inserted.id SELECT ${key}, ${next}
              WHERE NOT EXISTS (SELECT 1 FROM ${table} WITH (UPDLOCK, HOLDLOCK) WHERE id = ${key})`,
          update: (key, current, next) =>
            sql`UPDATE ${table} SET value = ${next} OUTPUT inserted.id WHERE id = ${key} AND value = ${current}`,
          delete: (key, current) => sql`DELETE FROM ${table} OUTPUT deleted.id WHERE id = ${key} AND value = ${current}`
        }),
        orElse: (): Statements => ({
          insert: (key, next) =>
            sql`INSERT INTO ${table} (id, value) VALUES (${key}, ${next}) ON CONFLICT (id) DO NOTHING RETURNING id`,
          update: (key, current, next) =>
            sql`UPDATE ${table} SET value = ${next} WHERE id = ${key} AND value = ${current} RETURNING id`,
          delete: (key, current) => sql`DELETE FROM ${table} WHERE id = ${key} AND value = ${current} RETURNING id`
        })
      })

      const change = (key: string, current: string | undefined, next: string | undefined): Rows => {
        if (current === undefined) return insert(key, next ?? "")
        return next === undefined ? remove(key, current) : update(key, current, next)
      }

      return {
        isLocal: false,
        get: (key) => apart(get(key)),
        swap: (key, current, next) =>
          current === undefined && next === undefined
            ? Effect.map(apart(get(key)), (value) => value === undefined)
            : Effect.map(apart(change(key, current, next)), (rows) => rows.length > 0)
      }
    })
  )
