/**
 * Adds a manifest to the table, a thousand rows per statement.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { printable, shorten } from "../../internal/text.ts"
import type * as Database from "./database.ts"
import { databaseFailed, type IngestFailed } from "./failed.ts"
import { type Entry, isMalformed, type Item, keyProblem, Malformed, parseItem } from "./manifestItem.ts"
import type { Added } from "./model.ts"

/** How many rows one statement inserts. */
const batchSize = 1_000

/** Items made by a program are validated like those of a file. */
const checked = (entry: Entry): Entry => {
  if (isMalformed(entry)) return storable(entry)
  const parsed = parseItem(entry, false)
  return "item" in parsed ? parsed.item : new Malformed({ key: keyOf(parsed.key), message: parsed.message })
}

/** What is malformed may have a key that the database can't store: a very long path, or half a character. */
const storable = (entry: Malformed): Malformed =>
  new Malformed({
    ...entry,
    key: keyProblem(entry.key) === undefined ? entry.key : shorten(entry.key) || keyOf(undefined),
    message: printable(entry.message)
  })

const keyOf = (key: string | undefined): string => key ?? "item without a key"

const millisOf = (entry: Entry): number | null => {
  const expiresIn = isMalformed(entry) ? undefined : (entry satisfies Item).expiresIn
  return expiresIn === undefined ? null : Math.round(Duration.toMillis(Duration.fromInputUnsafe(expiresIn)))
}

const compare = (a: string, b: string): number => {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** Keeps one entry per key, sorted by key: the first one that is not malformed. */
const distinct = (entries: ReadonlyArray<Entry>): ReadonlyArray<Entry> => {
  const byKey = new Map<string, Entry>()
  for (const entry of entries) {
    const known = byKey.get(entry.key)
    if (known === undefined || (isMalformed(known) && !isMalformed(entry))) byKey.set(entry.key, entry)
  }
  return [...byKey.values()].sort((a, b) => compare(a.key, b.key))
}

export const add = <E, R>(
  database: Database.Database,
  ingest: string,
  manifest: Stream.Stream<Entry, E, R>
): Effect.Effect<Added, E | IngestFailed, R> =>
  Effect.andThen(
    Effect.mapError(database.create(ingest), databaseFailed),
    manifest.pipe(
      Stream.map(checked),
      Stream.grouped(batchSize),
      Stream.mapEffect((entries) => {
        const rows = distinct(entries)
        return Effect.mapError(
          Effect.map(database.insert(ingest, rows, millisOf), (added): Added => ({
            ...added,
            existing: added.existing + entries.length - rows.length
          })),
          databaseFailed
        )
      }),
      Stream.runFold((): Added => ({ added: 0, existing: 0, malformed: 0 }), (total, batch) => ({
        added: total.added + batch.added,
        existing: total.existing + batch.existing,
        malformed: total.malformed + batch.malformed
      }))
    )
  )
