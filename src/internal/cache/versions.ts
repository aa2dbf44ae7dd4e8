import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"

/** The resolution of timestamps on FAT, which is the coarsest. Milliseconds. */
const clockResolution = 2_000

/** When a file was last written to, epoch milliseconds. */
export const modifiedAt = (info: FileSystem.File.Info): number | undefined =>
  Option.getOrUndefined(info.mtime)?.getTime()

/**
 * A string that changes when a file is written to or replaced, unless its times are reset. `undefined` for a file that was
 * written to just now, because another write within the resolution of the file system's clock would not change it.
 */
export const versionOf = (info: FileSystem.File.Info, now: number): string | undefined => {
  const at = modifiedAt(info)
  const inode = Option.getOrUndefined(info.ino)
  // A file that was created anew may reuse the old inode, and its modification time may be copied.
  const born = Option.getOrUndefined(info.birthtime)?.getTime() ?? 0
  return at === undefined || inode === undefined || Math.abs(now - at) < clockResolution
    ? undefined
    : `${info.dev}:${inode}:${info.size}:${at}:${born}`
}
