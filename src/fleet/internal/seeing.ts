/**
 * Reads the status and the items of an ingest.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import { ingestItems } from "../../internal/telemetry.ts"
import type * as Database from "./database.ts"
import { databaseFailed, type IngestFailed, noSuchIngest } from "./failed.ts"
import { ItemRow, type Selection, Status, Summary } from "./model.ts"

const minute = 60_000

const decodeStatus = Schema.decodeUnknownEffect(Status)

const decodeRows = Schema.decodeUnknownEffect(Schema.Array(ItemRow))

const decodeSummaries = Schema.decodeUnknownEffect(Schema.Array(Summary))

const byKey = <A>(rows: ReadonlyArray<A>, entry: (row: A) => readonly [string, number]): Record<string, number> =>
  Object.fromEntries(rows.map(entry))

const readStatus = Effect.fnUntraced(function*(
  database: Database.Database,
  ingest: string
): Effect.fn.Return<Status, SqlError | IngestFailed> {
  const state = yield* database.stateOf(ingest)
  if (Option.isNone(state)) return yield* noSuchIngest(ingest)
  const byState = yield* database.counts(ingest)
  const failures = yield* database.failures(ingest)
  const [recent] = yield* database.lastMinute(ingest)
  const runners = yield* database.runners(ingest)
  const counts = {
    pending: 0,
    done: 0,
    failed: 0,
    cancelled: 0,
    deleted: 0,
    ...byKey(byState, ({ count, state }) => [state, count])
  }
  yield* ingestItems(ingest, counts)
  const lastMinute = recent?.count ?? 0
  return yield* Effect.orDie(decodeStatus({
    ingest,
    state: state.value,
    counts,
    total: byState.reduce((total, { count }) => total + count, 0),
    failures: byKey(failures, ({ count, tag }) => [tag, count]),
    bytes: byState.find(({ state }) => state === "done")?.bytes ?? 0,
    last_minute: lastMinute,
    time_left: lastMinute === 0 ? null : counts.pending / lastMinute * minute,
    runners,
    at: recent?.at
  }))
})

export const status = (database: Database.Database, ingest: string): Effect.Effect<Status, IngestFailed> =>
  Effect.catchTag(readStatus(database, ingest), "SqlError", (error) => Effect.fail(databaseFailed(error)))

export const list = (database: Database.Database): Effect.Effect<ReadonlyArray<Summary>, IngestFailed> =>
  Effect.flatMap(Effect.mapError(database.ingests, databaseFailed), (rows) => Effect.orDie(decodeSummaries(rows)))

/** Reads page by page, so that no transaction stays open. */
export const items = (
  database: Database.Database,
  ingest: string,
  { states }: Selection
): Stream.Stream<ItemRow, IngestFailed> =>
  Stream.paginate(
    null as string | null,
    (after) =>
      Effect.flatMap(Effect.mapError(database.page(ingest, after, states), databaseFailed), (rows) =>
        Effect.map(Effect.orDie(decodeRows(rows)), (items) => {
          const last = rows.at(-1)
          return [items, last === undefined ? Option.none<string>() : Option.some(last.key)] as const
        }))
  )
