/**
 * Deletes a file when its scope closes.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import type { FileId, FileMetadata } from "../../FileMetadata.ts"
import type { DeleteError } from "../../FilesError.ts"
import { offSpan } from "../telemetry.ts"
import { printable } from "../text.ts"

/** The clean-up must not take long, especially if a signal ends the program. */
const limitOf = (exit: Exit.Exit<unknown, unknown>): Duration.Duration =>
  Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause) ? Duration.seconds(5) : Duration.seconds(30)

const schedule = Schedule.exponential("200 millis").pipe(Schedule.upTo({ times: 5 }))

/**
 * Deletes the file, with retries for at most 30 seconds, or 5 seconds after an interruption. A failure is logged as a
 * warning with the file's id. A file that is already gone is not a failure.
 */
export const deleteAtEnd = (
  files: { readonly delete: (id: FileId) => Effect.Effect<unknown, DeleteError> },
  file: FileMetadata,
  exit: Exit.Exit<unknown, unknown>
): Effect.Effect<void> =>
  files.delete(file.id).pipe(
    Effect.retry({ schedule, while: (error) => error.isRetryable }),
    Effect.timeout(limitOf(exit)),
    Effect.catchTag("FileNotFound", () => Effect.void),
    Effect.catchCause((cause) =>
      offSpan(Effect.annotateLogs(Effect.logWarning("An uploaded file could not be deleted", cause), {
        file_id: file.id,
        filename: printable(file.filename)
      }))
    ),
    Effect.asVoid
  )
