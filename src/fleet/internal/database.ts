/**
 * All statements on the tables of ingests. All times are times of the database.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type * as Statement from "effect/sql/Statement"
import type { FileId } from "../../FileMetadata.ts"
import { type Entry, isMalformed } from "./manifestItem.ts"
import type { Added, State } from "./model.ts"
import { queueTable } from "./tables.ts"

/** How many rows one statement changes, so that transactions stay short. */
const batchSize = 5_000

/** A runner counts as dead after so many seconds without a heartbeat. */
export const aliveFor = 15

/** The fields of an item that a runner needs. */
export const Task = Schema.Struct({
  id: Schema.String,
  ingest: Schema.NonEmptyString,
  key: Schema.String,
  state: Schema.String,
  ingest_state: Schema.String,
  generation: Schema.Int,
  source: Schema.NonEmptyString,
  filename: Schema.NullOr(Schema.NonEmptyString),
  mime_type: Schema.NullOr(Schema.NonEmptyString),
  /** Milliseconds. */
  expires_in: Schema.NullOr(Schema.Finite.check(Schema.isGreaterThan(0))),
  file_id: Schema.NullOr(Schema.String),
  attempts: Schema.Int
})

export type Task = typeof Task.Type

/** The content of a message: an item and its generation. */
export interface Ticket {
  readonly id: string
  readonly generation: number
}

export const ticketId = ({ generation, id }: Ticket): string => `${id}/${generation}`

export interface Uploaded {
  readonly file_id: FileId
  readonly filename: string
  readonly mime_type: string
  readonly size_bytes: number
  readonly sha256: string | null
  /** Whether this upload created the file. */
  readonly isNew: boolean
  /** Whether this ingest uploaded the file, now or earlier. */
  readonly uploaded: boolean
  /** Epoch milliseconds. */
  readonly expires_at: number | null
}

export interface Failed {
  readonly error_tag: string
  readonly error_message: string
  readonly request_id: string | null
  readonly attempts: number
}

export interface RunnerRow {
  readonly id: string
  readonly ingest: string
  readonly name: string
  readonly concurrency: number
  readonly isAlone: boolean
  readonly inFlight: number
  readonly done: number
  readonly failed: number
  readonly bytes: number
}

/** A runner that keeps another one from starting. */
export interface OtherRunner {
  readonly id: string
  readonly name: string
  /** The time of its last heartbeat. */
  readonly seen: string
}

interface Count {
  readonly count: number
}

/** The columns of an entry. */
const columnsOf = (entry: Entry, millisOf: (item: Entry) => number | null) =>
  isMalformed(entry)
    ? { key: entry.key, line: entry.line ?? null, error_message: entry.message }
    : {
      key: entry.key,
      source: entry.source,
      filename: entry.filename ?? null,
      mime_type: entry.mimeType ?? null,
      expires_in: millisOf(entry),
      metadata: entry.metadata ?? null
    }

export type Database = ReturnType<typeof make>

export const make = (sql: SqlClient.SqlClient) => {
  const queue = sql(queueTable)

  const iso = (column: string) =>
    sql.literal(`to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS ${column}`)

  const rowColumns = sql`ingest, key, state, source, filename, mime_type, metadata, file_id, sha256,
    size_bytes::float8 AS size_bytes, uploaded, attempts, error_tag, error_message, request_id,
    ${iso("created_at")}, ${iso("updated_at")}, ${iso("expires_at")}`

  const limit = sql.literal(String(batchSize))

  const counted = (statement: Effect.Effect<ReadonlyArray<Count>, SqlError>): Effect.Effect<number, SqlError> =>
    Effect.map(statement, ([row]) => row?.count ?? 0)

  /** Runs a statement on a few thousand rows at a time, until it finds no more. Returns their number. */
  const inBatches = (statement: Effect.Effect<ReadonlyArray<Count>, SqlError>): Effect.Effect<number, SqlError> =>
    Effect.gen(function*() {
      let total = 0
      for (;;) {
        const count = yield* counted(statement)
        total += count
        if (count < batchSize) return total
      }
    })

  /** Changes the items that match `where`. Returns their number. */
  const change = (set: Statement.Fragment, where: Statement.Fragment): Effect.Effect<number, SqlError> =>
    inBatches(sql<Count>`WITH changed AS (
      UPDATE ingest_items SET ${set}, updated_at = now() WHERE id IN (
        SELECT id FROM ingest_items WHERE ${where} LIMIT ${limit} FOR UPDATE
      ) RETURNING 1
    ) SELECT count(*)::int AS count FROM changed`)

  /** There is no queue before the first runner has started. */
  const hasQueue = Effect.map(
    sql`SELECT 1 WHERE to_regclass(${queueTable}) IS NOT NULL`,
    (rows) => rows.length > 0
  )

  const endedFor = (seconds: number) =>
    sql`state <> 'pending' AND updated_at <= now() - ${seconds}::float8 * interval '1 second'`

  const notHeardOfFor = (seconds: number) =>
    sql`last_seen_at <= now() - ${Math.max(seconds, aliveFor)}::float8 * interval '1 second'`

  /** Pending, and to be offered again as a new message. */
  const anew = sql`state = 'pending', generation = generation + 1, is_offered = false`

  const noteFailure = ({ generation, id }: Ticket, state: "pending" | "failed", failed: Failed) =>
    sql`UPDATE ingest_items SET state = ${state}, attempts = ${failed.attempts}, error_tag = ${failed.error_tag},
        error_message = ${failed.error_message}, request_id = ${failed.request_id}, updated_at = now()
      WHERE id = ${id}::bigint AND generation = ${generation} AND state = 'pending'`

  return {
    /** A transaction that the database ends if this process stalls in it. */
    inTransaction: <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
      sql.withTransaction(Effect.andThen(sql`SET LOCAL idle_in_transaction_session_timeout = '30s'`, effect)),

    create: (ingest: string) =>
      sql`INSERT INTO ingests (name) VALUES (${ingest})
        ON CONFLICT (name) DO UPDATE SET state = 'running', updated_at = now() WHERE ingests.state = 'cancelled'`,

    stateOf: (ingest: string) =>
      Effect.map(
        sql<{ readonly state: string }>`SELECT state FROM ingests WHERE name = ${ingest}`,
        ([row]) => Option.fromUndefinedOr(row?.state)
      ),

    setState: (ingest: string, state: "running" | "paused" | "cancelled") =>
      Effect.map(
        sql`UPDATE ingests SET state = ${state}, updated_at = now() WHERE name = ${ingest} RETURNING name`,
        (rows) => rows.length > 0
      ),

    ingests: sql<Record<string, unknown>>`SELECT name, state, ${iso("created_at")} FROM ingests ORDER BY name`,

    /** Inserts entries with distinct keys, sorted by key so that concurrent inserts don't deadlock. */
    insert: (ingest: string, entries: ReadonlyArray<Entry>, millisOf: (item: Entry) => number | null) =>
      Effect.map(
        sql<{ readonly source: string | null }>`
          INSERT INTO ingest_items (ingest, key, state, source, filename, mime_type, expires_in, metadata, line,
            error_tag, error_message)
          SELECT ${ingest}, key, CASE WHEN source IS NULL THEN 'failed' ELSE 'pending' END, source, filename, mime_type,
            expires_in, metadata, line, CASE WHEN source IS NULL THEN 'InvalidItem' END, error_message
          FROM json_to_recordset(${
          JSON.stringify(entries.map((entry) => columnsOf(entry, millisOf)))
        }::json) AS entries (
            key text, source text, filename text, mime_type text, expires_in bigint, metadata jsonb, line integer,
            error_message text
          )
          ON CONFLICT (ingest, key) DO UPDATE SET
            state = EXCLUDED.state, source = EXCLUDED.source, filename = EXCLUDED.filename,
            mime_type = EXCLUDED.mime_type, expires_in = EXCLUDED.expires_in, metadata = EXCLUDED.metadata,
            line = NULL, error_tag = NULL, error_message = NULL, updated_at = now()
          WHERE ingest_items.source IS NULL AND EXCLUDED.source IS NOT NULL
          RETURNING source
        `,
        (rows): Added => ({
          added: rows.length,
          existing: entries.length - rows.length,
          malformed: rows.filter(({ source }) => source === null).length
        })
      ),

    /** Counts unfinished items that are in the queue, up to `window`. */
    countOffered: (ingest: string, window: number) =>
      Effect.map(
        sql<{ readonly count: number }>`SELECT count(*)::int AS count FROM (
          SELECT 1 FROM ingest_items WHERE ingest = ${ingest} AND state = 'pending' AND is_offered LIMIT ${window}
        ) AS offered`,
        ([row]) => row?.count ?? 0
      ),

    /** Marks items as offered. Call it in the transaction that offers them to the queue. */
    takeWaiting: (ingest: string, count: number) =>
      sql<Ticket>`
        UPDATE ingest_items SET is_offered = true WHERE id IN (
          SELECT id FROM ingest_items WHERE ingest = ${ingest} AND state = 'pending' AND NOT is_offered
          ORDER BY id LIMIT ${count} FOR UPDATE SKIP LOCKED
        ) RETURNING id::text AS id, generation
      `,

    /** Finds pending items whose message is missing from the queue or finished. */
    findLost: (ingest: string) =>
      sql<Ticket & { readonly state: string | null; readonly last_failure: string | null }>`
        SELECT items.id::text AS id, items.generation, messages.state, messages.last_failure
        FROM ingest_items AS items
        LEFT JOIN ${queue} AS messages
          ON messages.queue_name = items.ingest AND messages.id = items.id || '/' || items.generation
        WHERE items.ingest = ${ingest} AND items.state = 'pending' AND items.is_offered
          AND (messages.id IS NULL OR messages.state <> 'pending')
        LIMIT ${limit}
      `,

    /** Makes an item be offered again as a new message. */
    offerAnew: ({ generation, id }: Ticket) =>
      sql`UPDATE ingest_items SET is_offered = false, generation = generation + 1
        WHERE id = ${id}::bigint AND generation = ${generation} AND state = 'pending'`,

    task: (id: string) =>
      sql<Record<string, unknown>>`
        SELECT items.id::text AS id, items.ingest, items.key, items.state, ingests.state AS ingest_state,
          items.generation, items.source, items.filename, items.mime_type, items.expires_in::float8 AS expires_in,
          items.file_id, items.attempts
        FROM ingest_items AS items JOIN ingests ON ingests.name = items.ingest
        WHERE items.id = ${id}::bigint
      `,

    setDone: ({ generation, id }: Ticket, file: Uploaded) =>
      sql`UPDATE ingest_items SET state = 'done', file_id = ${file.file_id}, filename = COALESCE(filename, ${file.filename}),
          mime_type = COALESCE(mime_type, ${file.mime_type}), size_bytes = ${file.size_bytes}, sha256 = ${file.sha256},
          uploaded = ${file.uploaded} OR (uploaded AND file_id = ${file.file_id}),
          expires_at = to_timestamp(${file.expires_at}::float8 / 1000), error_tag = NULL, error_message = NULL,
          request_id = NULL, updated_at = now()
        WHERE id = ${id}::bigint AND generation = ${generation} AND state IN ('pending', 'cancelled')`,

    setFailed: (ticket: Ticket, failed: Failed) => noteFailure(ticket, "failed", failed),

    /** Records a failed attempt. The message is delivered again. */
    setTried: (ticket: Ticket, failed: Failed) => noteFailure(ticket, "pending", failed),

    setCancelled: ({ generation, id }: Ticket) =>
      sql`UPDATE ingest_items SET state = 'cancelled', updated_at = now()
        WHERE id = ${id}::bigint AND generation = ${generation} AND state = 'pending'`,

    hasPending: (ingest: string) =>
      Effect.map(
        sql`SELECT 1 FROM ingest_items WHERE ingest = ${ingest} AND state = 'pending' LIMIT 1`,
        (rows) => rows.length > 0
      ),

    cancel: (ingest: string) => change(sql`state = 'cancelled'`, sql`ingest = ${ingest} AND state = 'pending'`),

    revive: (ingest: string) => change(anew, sql`ingest = ${ingest} AND state = 'cancelled'`),

    retry: (ingest: string, tag: string | null, key: string | null) =>
      change(
        sql`${anew}, attempts = 0`,
        sql`ingest = ${ingest} AND state = 'failed' AND source IS NOT NULL
          AND (${tag}::text IS NULL OR error_tag = ${tag}) AND (${key}::text IS NULL OR key = ${key})`
      ),

    renew: (ingest: string, within: number) =>
      change(
        sql`${anew}, attempts = 0`,
        sql`ingest = ${ingest} AND state = 'done'
          AND expires_at < now() + ${within}::float8 * interval '1 millisecond'`
      ),

    page: (ingest: string, after: string | null, states: ReadonlyArray<State> | undefined) =>
      sql<Record<string, unknown> & { readonly key: string }>`
        SELECT ${rowColumns} FROM ingest_items WHERE ingest = ${ingest}
          AND (${after}::text IS NULL OR key > ${after})
          AND (${states === undefined} OR state = ANY(string_to_array(${(states ?? []).join(",")}, ',')))
        ORDER BY key LIMIT 1000
      `,

    counts: (ingest: string) =>
      sql<{ readonly state: string; readonly count: number; readonly bytes: number }>`
        SELECT state, count(*)::int AS count, COALESCE(sum(size_bytes), 0)::float8 AS bytes
        FROM ingest_items WHERE ingest = ${ingest} GROUP BY state
      `,

    failures: (ingest: string) =>
      sql<{ readonly tag: string; readonly count: number }>`
        SELECT COALESCE(error_tag, '') AS tag, count(*)::int AS count
        FROM ingest_items WHERE ingest = ${ingest} AND state = 'failed' GROUP BY 1
      `,

    lastMinute: (ingest: string) =>
      sql<{ readonly count: number; readonly at: string }>`
        SELECT count(*)::int AS count, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at
        FROM ingest_items WHERE ingest = ${ingest} AND state IN ('done', 'failed')
          AND updated_at > now() - interval '1 minute'
      `,

    runners: (ingest: string) =>
      sql<Record<string, unknown>>`
        SELECT id, ingest, name, concurrency, in_flight, done, failed, bytes::float8 AS bytes, ${iso("started_at")},
          ${iso("last_seen_at")}, last_seen_at > now() - ${aliveFor} * interval '1 second' AS is_alive
        FROM ingest_runners AS runners WHERE ingest = ${ingest} ORDER BY runners.started_at
      `,

    /**
     * Registers a runner, unless another one is alive and one of the two must be alone; then it returns that one. Uses
     * `clock_timestamp()` because the transaction may have waited a long time for the lock.
     */
    register: (runner: RunnerRow) =>
      sql.withTransaction(Effect.gen(function*() {
        yield* sql`SELECT pg_advisory_xact_lock(hashtext('ingest_runners'))`
        const [other] = yield* sql<OtherRunner>`
          SELECT id, name, last_seen_at::text AS seen FROM ingest_runners
          WHERE last_seen_at > clock_timestamp() - ${aliveFor} * interval '1 second' AND (is_alone OR ${runner.isAlone})
            AND id <> ${runner.id}
          LIMIT 1
        `
        if (other !== undefined) return Option.some(other)
        yield* sql`
          INSERT INTO ingest_runners (id, ingest, name, concurrency, is_alone, last_seen_at)
          VALUES (${runner.id}, ${runner.ingest}, ${runner.name}, ${runner.concurrency}, ${runner.isAlone},
            clock_timestamp())
          ON CONFLICT (id) DO UPDATE SET last_seen_at = clock_timestamp()
        `
        return Option.none<OtherRunner>()
      })),

    /** `false` if the runner was considered dead and removed. */
    beat: (runner: RunnerRow) =>
      Effect.map(
        sql`UPDATE ingest_runners SET last_seen_at = clock_timestamp(), in_flight = ${runner.inFlight},
            done = ${runner.done}, failed = ${runner.failed}, bytes = ${runner.bytes}
          WHERE id = ${runner.id} RETURNING id`,
        (rows) => rows.length > 0
      ),

    leave: (id: string) => sql`DELETE FROM ingest_runners WHERE id = ${id}`,

    countAlive: Effect.map(
      sql<{ readonly count: number }>`SELECT count(*)::int AS count FROM ingest_runners
        WHERE last_seen_at > now() - ${aliveFor} * interval '1 second'`,
      ([row]) => row?.count ?? 0
    ),

    countOwn: (ingest: string) =>
      Effect.map(
        sql<{ readonly count: number }>`SELECT count(DISTINCT file_id)::int AS count FROM ingest_items
          WHERE ingest = ${ingest} AND state = 'done' AND uploaded`,
        ([row]) => row?.count ?? 0
      ),

    /** The files that an ingest uploaded, each with the keys of its items. */
    ownFiles: (ingest: string, after: string) =>
      sql<{ readonly file_id: FileId; readonly keys: ReadonlyArray<string>; readonly is_shared: boolean }>`
        WITH own AS (
          SELECT DISTINCT file_id FROM ingest_items
          WHERE ingest = ${ingest} AND state = 'done' AND uploaded AND file_id > ${after}
          ORDER BY file_id LIMIT 200
        )
        SELECT own.file_id, array_agg(items.key ORDER BY items.key) FILTER (WHERE items.ingest = ${ingest}) AS keys,
          bool_or(items.ingest <> ${ingest}) AS is_shared
        FROM own JOIN ingest_items AS items ON items.file_id = own.file_id AND items.state IN ('done', 'pending')
        GROUP BY own.file_id ORDER BY own.file_id
      `,

    setDeleted: (ingest: string, fileId: FileId) =>
      sql`UPDATE ingest_items SET state = 'deleted', updated_at = now()
        WHERE ingest = ${ingest} AND file_id = ${fileId} AND state = 'done'`,

    countMessages: (seconds: number): Effect.Effect<number, SqlError> =>
      Effect.flatMap(hasQueue, (has) =>
        has
          ? counted(sql<Count>`SELECT count(*)::int AS count FROM ${queue} WHERE ${endedFor(seconds)}`)
          : Effect.succeed(0)),

    /** Removes finished messages. */
    removeMessages: (seconds: number): Effect.Effect<number, SqlError> =>
      Effect.flatMap(hasQueue, (has) =>
        has
          ? inBatches(sql<Count>`WITH removed AS (
              DELETE FROM ${queue} WHERE sequence IN (
                SELECT sequence FROM ${queue} WHERE ${endedFor(seconds)} LIMIT ${limit}
              ) RETURNING 1
            ) SELECT count(*)::int AS count FROM removed`)
          : Effect.succeed(0)),

    /**
     * Files that the service no longer lists. It lists expired files for 30 days, and may list deleted ones for a moment.
     */
    goneFiles: (after: string) =>
      sql<{ readonly file_id: FileId }>`
        SELECT DISTINCT file_id FROM ingest_items
        WHERE file_id > ${after} AND (state = 'done' AND expires_at < now() - interval '30 days'
          OR state = 'deleted' AND updated_at < now() - interval '1 day')
        ORDER BY file_id LIMIT 1000
      `,

    countRunners: (seconds: number) =>
      counted(sql<Count>`SELECT count(*)::int AS count FROM ingest_runners WHERE ${notHeardOfFor(seconds)}`),

    removeRunners: (seconds: number) =>
      Effect.map(
        sql`DELETE FROM ingest_runners WHERE ${notHeardOfFor(seconds)} RETURNING id`,
        (rows) => rows.length
      )
  }
}
