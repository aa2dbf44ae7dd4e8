/**
 * An `UploadStore` in a table of a SQL database, for all who reach it.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { failed, UploadStore, type UploadStoreFailed } from "./UploadStore.ts"

const onError = (error: SqlError) => failed("The upload cache's database refused.", error)

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
        }),
        onError
      )
      const insert = sql.onDialectOrElse({
        mysql: () => (key: string, value: string) =>
          sql`INSERT IGNORE INTO ${table} (id, value) VALUES (${key}, ${value})`,
        mssql: () => (key: string, value: string) =>
          sql`INSERT INTO ${table} (id, value) SELECT ${key}, ${value}
            WHERE NOT EXISTS (SELECT 1 FROM ${table} WITH (UPDLOCK, HOLDLOCK) WHERE id = ${key})`,
        orElse: () => (key: string, value: string) =>
          sql`INSERT INTO ${table} (id, value) VALUES (${key}, ${value}) ON CONFLICT (id) DO NOTHING`
      })
      const get = (key: string) =>
        Effect.map(
          sql<{ readonly value: string }>`SELECT value FROM ${table} WHERE id = ${key}`,
          (rows) => rows[0]?.value
        )
      return {
        isLocal: false,
        get: (key) => Effect.mapError(get(key), onError),
        swap: (key, current, next) => {
          const statement: Effect.Effect<unknown, SqlError> = current === undefined
            ? next === undefined ? Effect.void : insert(key, next)
            : next === undefined
            ? sql`DELETE FROM ${table} WHERE id = ${key} AND value = ${current}`
            : sql`UPDATE ${table} SET value = ${next} WHERE id = ${key} AND value = ${current}`
          // How many rows a statement touched is told by each driver in a way of its own; what is there then, by all.
          return sql.withTransaction(Effect.andThen(statement, get(key))).pipe(
            Effect.map((value) => value === next),
            Effect.mapError(onError)
          )
        }
      }
    })
  )
