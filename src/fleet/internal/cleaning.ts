/**
 * Removes what is no longer needed of finished items.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import type { FileId } from "../../FileMetadata.ts"
import type { UploadStoreFailed } from "../../internal/cache/store.ts"
import type { Engine } from "./engine.ts"
import type { Cleaned } from "./model.ts"

/** How many records are read at the same time. */
const concurrency = 8

const goneFiles = ({ database }: Engine): Stream.Stream<FileId, SqlError> =>
  Stream.paginate("", (after) =>
    Effect.map(database.goneFiles(after), (rows) => {
      const last = rows.at(-1)
      return [
        rows.map(({ file_id }) => file_id),
        last === undefined ? Option.none<string>() : Option.some<string>(last.file_id)
      ] as const
    }))

/** Removes the cache's records of files that are gone. Returns the number of files. */
const cleanNotes = (engine: Engine, dryRun: boolean): Effect.Effect<number, SqlError | UploadStoreFailed> => {
  const { details } = engine
  if (details === undefined) return Effect.succeed(0)
  return goneFiles(engine).pipe(
    Stream.mapEffect(
      (id) => Effect.tap(details.isKnown(id), (isKnown) => isKnown && !dryRun ? details.forgetGone(id) : Effect.void),
      {
        concurrency
      }
    ),
    Stream.filter((isKnown) => isKnown),
    Stream.runCount
  )
}

export const clean = (
  engine: Engine,
  olderThan: number,
  dryRun: boolean
): Effect.Effect<Cleaned, SqlError | UploadStoreFailed> => {
  const { database } = engine
  return Effect.all({
    messages: dryRun ? database.countMessages(olderThan) : database.removeMessages(olderThan),
    runners: dryRun ? database.countRunners(olderThan) : database.removeRunners(olderThan),
    notes: cleanNotes(engine, dryRun)
  })
}
