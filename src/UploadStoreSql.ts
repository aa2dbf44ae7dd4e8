/**
 * An `UploadStore` in a table of a SQL database, for all who reach it.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { storeFailed, UploadStore, type UploadStoreFailed } from "./internal/cache/store.ts"

const onError = (error: SqlError) => storeFailed("The upload cache's database refused.", error)

/**
 * The table is made where there is none: `id`, the key, and `value`, text that is compared byte by byte.
 *
 * @default table "effect_anthropic_files_uploads"
 */
export const layer = (options: { readonly table?: string | undefined } = {}): Layer.Layer<
  UploadStore,
  UploadStoreFailed,
  SqlClient.SqlClient
> =>
  Layer.effect(
    UploadStore,
    Effect.gen(function*() {
      const sql = (yield* SqlClient.SqlClient).withoutTransforms()
      /** Not in a transaction that the program is in: what is noted down has to stay when that is rolled back. */
      const apart = <A>(effect: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> =>
        Effect.updateContext(effect, (context: Context.Context<never>) => Context.omit(sql.transactionService)(context))
      const name = options.table ?? "effect_anthropic_files_uploads"
      const table = sql(name)
      yield* Effect.mapError(
        sql.onDialectOrElse({
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
          // Some databases fail when two make it at the same time.
        }).pipe(Effect.retry({ times: 1 })),
        onError
      )
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
      // Each gives a row where it took effect.
      const { delete: remove, insert, update } = sql.onDialectOrElse({
        mysql: (): Statements => {
          // Which has no word for that; what is there then tells.
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

      return {
        isLocal: false,
        get: (key) => Effect.mapError(apart(get(key)), onError),
        swap: (key, current, next) =>
          Effect.mapError(
            current === undefined && next === undefined
              ? Effect.map(apart(get(key)), (value) => value === undefined)
              : Effect.map(
                apart(
                  current === undefined
                    ? insert(key, next ?? "")
                    : next === undefined
                    ? remove(key, current)
                    : update(key, current, next)
                ),
                (rows) => rows.length > 0
              ),
            onError
          )
      }
    })
  )
