/**
 * Why a download can't be saved, told before anything is fetched or after it failed.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import { defined } from "../defined.ts"
import { printable } from "../text.ts"
import { flag } from "../wire/schemas.ts"
import { check, type OnExisting, type Refusal, type WriteFailed } from "./atomicWrite.ts"
import { causeOf, isDiskFull } from "./cause.ts"

/**
 * A download that can't be saved to disk.
 *
 * - `Exists`: there is already a file at the path, and `onExisting` is `fail`;
 * - `Symlink`: the path is a symbolic link, which is never written through;
 * - `NotAFile`: the path is a directory or a device;
 * - `DiskFull`: the disk or the user's quota is full;
 * - `Failed`: the file system refused for another reason, given in `cause`: no such directory, no permission.
 *
 * Nothing is left behind, and whatever was at the path is untouched.
 */
export class SaveFailed extends Schema.TaggedError<SaveFailed>("effect-anthropic-files/SaveFailed")("SaveFailed", {
  operation: Schema.Literal("download"),
  reason: Schema.Literals(["Exists", "Symlink", "NotAFile", "DiskFull", "Failed"]),
  message: Schema.String,
  path: Schema.String,
  isRetryable: flag,
  isOutcomeUnknown: flag,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

export const saveFailed = (path: string, reason: SaveFailed["reason"], message: string, cause?: unknown): SaveFailed =>
  new SaveFailed({
    operation: "download",
    reason,
    message,
    path,
    ...defined({ cause })
  })

const refusals: Record<Refusal["reason"], string> = {
  Exists: "already exists: choose another path, or set onExisting.",
  Symlink: "is a symbolic link, which a download does not follow: choose another path, or remove the link.",
  NotAFile: "is not a regular file: choose another path."
}

export const onRefusal = ({ path, reason }: Refusal): SaveFailed =>
  saveFailed(path, reason, `${printable(path)} ${refusals[reason]}`)

const units = [["MB", 1e6], ["kB", 1e3]] as const

/** `64 of 200 MB`, or `64 MB` if the total is not known. */
const amount = (bytes: number, total: number | undefined): string => {
  const [unit, size] = units.find(([, size]) => (total ?? bytes) >= size) ?? ["bytes", 1]
  const figure = (value: number) => String(Math.round(value / size))
  return total === undefined ? `${figure(bytes)} ${unit}` : `${figure(bytes)} of ${figure(total)} ${unit}`
}

export const onWriteFailed = (
  path: Path.Path,
  target: string,
  total: number | undefined,
  { cause, written }: WriteFailed
): SaveFailed => {
  const shown = printable(target)
  if (!(cause instanceof PlatformError)) {
    return saveFailed(
      target,
      "Failed",
      `${shown} can't be written: the file system failed in an unexpected way.`,
      cause
    )
  }
  if (isDiskFull(cause)) {
    const what = `${amount(written, total)} were written to ${shown} and removed again`
    return saveFailed(target, "DiskFull", `Disk full: ${what}. Make room, or choose another directory.`, cause)
  }
  if (cause.reason._tag === "NotFound") {
    if (/[\\/]$/.test(target)) {
      return saveFailed(target, "NotAFile", `${shown} is the path of a directory: add the name of a file to it.`, cause)
    }
    const directory = printable(path.dirname(target))
    return saveFailed(
      target,
      "Failed",
      `There is no directory ${directory} to save ${printable(path.basename(target))} in: create it first.`,
      cause
    )
  }
  return saveFailed(target, "Failed", `${shown} can't be written: ${causeOf(cause)}.`, cause)
}

/** Fails where a download to the path would, before a byte is fetched. */
export const checkTarget = Effect.fnUntraced(function*(
  target: string,
  onExisting: OnExisting
): Effect.fn.Return<void, SaveFailed, FileSystem.FileSystem | Path.Path> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  yield* Effect.mapError(check(fs, target, onExisting), (error) =>
    error instanceof PlatformError
      ? onWriteFailed(path, target, undefined, { _tag: "WriteFailed", cause: error, written: 0 })
      : onRefusal(error))
})

/** Fails where no file can be made in the directory of the path. */
export const checkDirectory = Effect.fnUntraced(function*(
  target: string
): Effect.fn.Return<void, SaveFailed, FileSystem.FileSystem | Path.Path> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  yield* Effect.mapError(
    fs.access(path.dirname(target), { writable: true }),
    (cause) => onWriteFailed(path, target, undefined, { _tag: "WriteFailed", cause, written: 0 })
  )
})
