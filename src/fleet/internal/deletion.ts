/**
 * Deletes the files that an ingest uploaded, and no others.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { FileId } from "../../FileMetadata.ts"
import type { Engine } from "./engine.ts"
import { databaseFailed, type IngestFailed, tooManyDeletions } from "./failed.ts"
import type { DeleteEvent } from "./model.ts"

interface OwnFile {
  readonly file_id: FileId
  readonly keys: ReadonlyArray<string>
  readonly is_shared: boolean
}

const deleteFile = (
  { cache, database, files }: Engine,
  ingest: string,
  { file_id, is_shared, keys }: OwnFile
): Effect.Effect<DeleteEvent, IngestFailed> => {
  if (is_shared) return Effect.succeed({ _tag: "Kept", file_id, keys })
  return Effect.result(
    // First from the cache, so that it returns no file that is about to be deleted.
    Effect.andThen(
      cache.invalidate(file_id),
      Effect.catchTag(Effect.asVoid(files.delete(file_id)), "FileNotFound", () => Effect.void)
    )
  ).pipe(
    Effect.flatMap((result): Effect.Effect<DeleteEvent, IngestFailed> =>
      result._tag === "Failure"
        ? Effect.succeed({ _tag: "DeleteFailed", file_id, keys, error: result.failure })
        : Effect.as(Effect.mapError(database.setDeleted(ingest, file_id), databaseFailed), {
          _tag: "Deleted",
          file_id,
          keys
        })
    )
  )
}

export const deleteUploaded = (
  engine: Engine,
  ingest: string,
  options: { readonly maxDeletions: number; readonly concurrency: number }
): Stream.Stream<DeleteEvent, IngestFailed> =>
  Stream.unwrap(Effect.gen(function*() {
    const { database } = engine
    const count = yield* Effect.mapError(database.countOwn(ingest), databaseFailed)
    if (count > options.maxDeletions) return yield* tooManyDeletions(ingest, count, options.maxDeletions)
    return Stream.paginate("", (after) =>
      Effect.map(Effect.mapError(database.ownFiles(ingest, after), databaseFailed), (files) => {
        const last = files.at(-1)
        return [files, last === undefined ? Option.none<string>() : Option.some<string>(last.file_id)] as const
      })).pipe(
        Stream.mapEffect((file) =>
          deleteFile(engine, ingest, file), { concurrency: options.concurrency })
      )
  }))
