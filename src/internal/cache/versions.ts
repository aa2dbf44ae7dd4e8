import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"

/** Of FAT, the coarsest file system, milliseconds. */
const clockResolution = 2_000

/** When a file was last written to, epoch milliseconds. */
export const modifiedAt = (info: FileSystem.File.Info): number | undefined =>
  Option.getOrUndefined(info.mtime)?.getTime()

/**
 * A text that differs once a file was written to or replaced, unless its times are put back. `undefined` for a file that
 * was written to just now: another write within the resolution of the file system's clock would not change it.
 */
export const versionOf = (info: FileSystem.File.Info, now: number): string | undefined => {
  const at = modifiedAt(info)
  const inode = Option.getOrUndefined(info.ino)
  // A file that was made anew may get the inode of the one before, and be given its time of modification.
  const born = Option.getOrUndefined(info.birthtime)?.getTime() ?? 0
  return at === undefined || inode === undefined || Math.abs(now - at) < clockResolution
    ? undefined
    : `${info.dev}:${inode}:${info.size}:${at}:${born}`
}
