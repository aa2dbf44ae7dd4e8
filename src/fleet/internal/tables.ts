/**
 * The tables of ingests in Postgres, and their migrations. A released migration must not be changed.
 */
import * as Effect from "effect/Effect"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { databaseFailed, type IngestFailed, madeByNewer, migrationFailed } from "./failed.ts"
import { maxKeySize } from "./manifestItem.ts"

/** The table of the queue, created by effect. */
export const queueTable = "ingest_queue"

const tables = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE ingests (
    name text COLLATE "C" PRIMARY KEY,
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'paused', 'cancelled')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
  )`
  yield* sql`CREATE TABLE ingest_items (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ingest text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL CHECK (octet_length(key) <= ${sql.literal(String(maxKeySize))}),
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'failed', 'cancelled', 'deleted')),
    source text,
    filename text,
    mime_type text,
    expires_in bigint,
    metadata jsonb,
    line integer,
    file_id text,
    sha256 text,
    size_bytes bigint,
    uploaded boolean NOT NULL DEFAULT false,
    attempts integer NOT NULL DEFAULT 0,
    error_tag text,
    error_message text,
    request_id text,
    generation integer NOT NULL DEFAULT 0,
    is_offered boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    UNIQUE (ingest, key)
  ) WITH (autovacuum_vacuum_scale_factor = 0.05)`
  yield* sql`COMMENT ON COLUMN ingest_items.expires_in IS 'milliseconds'`
  yield* sql`COMMENT ON COLUMN ingest_items.generation IS
    'which message of the queue stands for the item: id/generation'`
  // Each covers few rows of a large table, or what the status reads every two seconds.
  yield* sql`CREATE INDEX ingest_items_waiting ON ingest_items (ingest, id) WHERE state = 'pending' AND NOT is_offered`
  yield* sql`CREATE INDEX ingest_items_offered ON ingest_items (ingest, id) WHERE state = 'pending' AND is_offered`
  yield* sql`CREATE INDEX ingest_items_state ON ingest_items (ingest, state) INCLUDE (size_bytes)`
  yield* sql`CREATE INDEX ingest_items_ended ON ingest_items (ingest, updated_at) WHERE state IN ('done', 'failed')`
  yield* sql`CREATE INDEX ingest_items_failed ON ingest_items (ingest, error_tag) WHERE state = 'failed'`
  yield* sql`CREATE INDEX ingest_items_expiring ON ingest_items (ingest, expires_at)
    WHERE state = 'done' AND expires_at IS NOT NULL`
  yield* sql`CREATE INDEX ingest_items_file ON ingest_items (file_id) WHERE file_id IS NOT NULL`
  yield* sql`CREATE TABLE ingest_runners (
    id text PRIMARY KEY,
    ingest text COLLATE "C" NOT NULL,
    name text NOT NULL,
    concurrency integer NOT NULL,
    is_alone boolean NOT NULL,
    in_flight integer NOT NULL DEFAULT 0,
    done integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now()
  )`
})

/**
 * Each item leaves two dead rows in the queue, so its table has to be vacuumed often. Its sequence is an integer that ends at
 * 2^31, although the column is a bigint.
 */
export const tuneQueue = (sql: SqlClient.SqlClient) =>
  Effect.gen(function*() {
    const untuned = yield* sql`SELECT 1 FROM pg_class WHERE oid = ${queueTable}::regclass AND reloptions IS NULL`
    if (untuned.length === 0) return
    yield* sql`ALTER SEQUENCE ${sql(`${queueTable}_sequence_seq`)} AS bigint`
    yield* sql`ALTER TABLE ${sql(queueTable)} SET (autovacuum_vacuum_scale_factor = 0.02, fillfactor = 80)`
  })

const migrations = { "0001_tables": tables }

/** The latest version that this package knows. */
const known = Object.keys(migrations).length

const migrationsTable = "ingest_migrations"

const versionOf = (sql: SqlClient.SqlClient): Effect.Effect<number, SqlError> =>
  Effect.gen(function*() {
    const [table] = yield* sql<
      { readonly exists: boolean }
    >`SELECT to_regclass(${migrationsTable}) IS NOT NULL AS exists`
    if (table?.exists !== true) return 0
    const [latest] = yield* sql<{ readonly version: number }>`
      SELECT COALESCE(max(migration_id), 0)::int AS version FROM ${sql(migrationsTable)}`
    return latest?.version ?? 0
  })

/**
 * Migrates the tables. If several processes start at the same time, one migrates and the others wait. Up-to-date tables are
 * not locked, so that a user with read access can look at them, even during a backup.
 */
export const migrate = (sql: SqlClient.SqlClient): Effect.Effect<void, IngestFailed> =>
  Effect.gen(function*() {
    const version = yield* versionOf(sql)
    if (version === known) return
    if (version > known) return yield* madeByNewer(version, known)
    yield* Effect.provideService(
      Migrator.make({})({ loader: Migrator.fromRecord(migrations), table: migrationsTable }),
      SqlClient.SqlClient,
      sql
    )
  }).pipe(
    Effect.catchTags({
      SqlError: (error) => Effect.fail(databaseFailed(error)),
      MigrationError: (error) => Effect.fail(migrationFailed(error))
    })
  )
