/**
 * Ways in which a command fails.
 */
import * as Data from "effect/Data"
import * as Runtime from "effect/Runtime"

/** The command line is wrong; the message says what to do instead. */
export class UsageError extends Data.TaggedError("UsageError")<{ readonly message: string }> {}

/** What was asked for would overwrite a file, or delete more than allowed. */
export class WouldLose extends Data.TaggedError("WouldLose")<{ readonly message: string }> {}

/** The failure of an item of an ingest, as its row records it. */
export const itemFailed = (tag: string, message: string): Error => Object.assign(new Error(message), { _tag: tag })

/** Ends the process with a code, when everything has been reported. */
export class Stopped extends Data.TaggedError("Stopped")<{ readonly code: number }> {
  override readonly [Runtime.errorExitCode] = this.code
  override readonly [Runtime.errorReported] = false
}
