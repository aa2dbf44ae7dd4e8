/**
 * The file of a journal: changes are appended to it and synced, one at a time.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { type Folder, ioFailed, replaceFile } from "./folder.ts"
import * as Journal from "./journal.ts"
import { type FileRecord, StoreFailed } from "./records.ts"

const encoder = new TextEncoder()

/** Lines that are written at once when the journal is compacted. */
const linesPerWrite = 1000

/** Replaces the journal by one that holds these files only. */
export const write = (
  folder: Folder,
  header: Journal.Header,
  files: ReadonlyArray<FileRecord>
): Effect.Effect<void, PlatformError> =>
  replaceFile(
    folder,
    folder.journal,
    Effect.fnUntraced(function*(file: FileSystem.File) {
      yield* file.writeAll(encoder.encode(Journal.toLine(header)))
      for (let at = 0; at < files.length; at += linesPerWrite) {
        const lines = files.slice(at, at + linesPerWrite).map((file) => Journal.toLine({ op: "put", file }))
        yield* file.writeAll(encoder.encode(lines.join("")))
      }
    })
  )

export interface JournalFile {
  /** Runs commits one at a time, and never interrupts one between the disk and the memory. */
  readonly committing: <A, E, R>(commit: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Appends a change and syncs it. */
  readonly append: (change: Journal.Change) => Effect.Effect<void, StoreFailed>
}

/** @param broken why nothing may be written any more */
export const open = Effect.fnUntraced(function*(
  { fs, journal: path }: Folder,
  broken: { because: string | undefined }
): Effect.fn.Return<JournalFile, PlatformError, Scope.Scope> {
  const file = yield* fs.open(path, { flag: "a" })
  const commits = Semaphore.makeUnsafe(1)
  let length = Number((yield* file.stat).size)

  // A line that was not written whole is cut off, so that no later line follows half of one.
  const takeBack = Effect.suspend(() => file.truncate(length)).pipe(
    Effect.andThen(file.sync),
    Effect.catch(() =>
      Effect.sync(() => {
        broken.because = `The journal ${path} could not be repaired after a failed write. Restart the emulator.`
      })
    )
  )

  return {
    committing: (commit) => Effect.uninterruptible(commits.withPermit(commit)),
    append: (change) =>
      Effect.suspend(() => {
        if (broken.because !== undefined) return Effect.fail(new StoreFailed({ reason: "Io", message: broken.because }))
        const bytes = encoder.encode(Journal.toLine(change))
        return file.writeAll(bytes).pipe(
          Effect.andThen(file.sync),
          Effect.andThen(Effect.sync(() => {
            length += bytes.byteLength
          })),
          Effect.catch((cause) =>
            Effect.andThen(takeBack, Effect.fail(ioFailed(`Can't write the journal ${path}`)(cause)))
          )
        )
      })
  }
})
