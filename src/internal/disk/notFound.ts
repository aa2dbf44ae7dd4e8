/**
 * Files and directories that may not exist.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"

/** Whether there is nothing at a path. */
export const isNotFound = (error: PlatformError): boolean => error.reason._tag === "NotFound"

/** The names in a directory; none if it does not exist. */
export const namesIn = (
  fs: FileSystem.FileSystem,
  directory: string
): Effect.Effect<Array<string>, PlatformError> =>
  Effect.catchIf(fs.readDirectory(directory), isNotFound, () => Effect.succeed<Array<string>>([]))
