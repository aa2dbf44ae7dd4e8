/**
 * The files in a folder that match globs.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Glob from "effect/Glob"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Result from "effect/Result"
import type { SourceFailed } from "../../FilesError.ts"
import { isNotFound, namesIn } from "../disk/notFound.ts"
import { fromPlatformError } from "../files/sourceFailed.ts"
import { versionOf } from "./versions.ts"

export interface LocalFile {
  /** Relative to the folder, with `/` on every system. */
  readonly path: string
  readonly absolute: string
  readonly version: string | undefined
}

export interface Unreadable {
  readonly path: string
  readonly error: SourceFailed
}

/** Whether a path relative to the folder is chosen; a path that ends in `/` is a folder. */
export type Filter = (relative: string) => boolean

export const filterOf = (options: {
  readonly include?: ReadonlyArray<string> | undefined
  readonly exclude?: ReadonlyArray<string> | undefined
}): Filter => {
  const include = (options.include ?? ["**"]).map((pattern) => Glob.make(pattern))
  const exclude = (options.exclude ?? []).map((pattern) => Glob.make(pattern, { dot: true }))
  const takesHidden = options.include?.some((pattern) => /(^|[/{,])\./.test(pattern)) ?? false
  const isChosen = (relative: string): boolean => {
    if (exclude.some((glob) => Glob.match(glob, relative))) return false
    if (!relative.endsWith("/")) return include.some((glob) => Glob.match(glob, relative))
    const name = relative.slice(0, -1).replace(/^.*\//, "")
    return takesHidden || !name.startsWith(".")
  }
  return (relative) => {
    for (let at = relative.indexOf("/"); at >= 0 && at < relative.length - 1; at = relative.indexOf("/", at + 1)) {
      if (!isChosen(relative.slice(0, at + 1))) return false
    }
    return isChosen(relative)
  }
}

/**
 * Regular files below a folder, sorted by path, and the paths that could not be inspected, folders among them. Links are not
 * followed. Fails only if the root can't be read.
 */
export const scan = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  path: Path.Path,
  root: string,
  isChosen: Filter
): Effect.fn.Return<
  { readonly found: ReadonlyArray<LocalFile>; readonly unreadable: ReadonlyArray<Unreadable> },
  PlatformError
> {
  const now = yield* Clock.currentTimeMillis
  const found: Array<LocalFile> = []
  const unreadable: Array<Unreadable> = []
  const folders = [""]

  const lookAt = Effect.fnUntraced(function*(relative: string, name: string) {
    const [isFileChosen, isFolderChosen] = [isChosen(relative), isChosen(`${relative}/`)]
    if (!isFileChosen && !isFolderChosen) return
    const absolute = path.join(root, relative)
    const info = yield* Effect.result(fs.lstat(absolute))
    if (Result.isFailure(info)) {
      // A name that is not UTF-8 is listed with U+FFFD in it, under which it can't be found.
      if (isNotFound(info.failure) && !name.includes("\ufffd")) return
      unreadable.push({ path: relative, error: fromPlatformError(absolute)(info.failure) })
    } else if (info.success.type === "Directory") {
      if (isFolderChosen) folders.push(relative)
    } else if (info.success.type === "File" && isFileChosen) {
      found.push({ path: relative, absolute, version: versionOf(info.success, now) })
    }
  })

  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    if (folder === "") {
      for (const name of yield* fs.readDirectory(root)) yield* lookAt(name, name)
      continue
    }
    const absolute = path.join(root, folder)
    // It may have been removed after its parent was listed.
    const names = yield* Effect.result(namesIn(fs, absolute))
    if (Result.isFailure(names)) unreadable.push({ path: folder, error: fromPlatformError(absolute)(names.failure) })
    else for (const name of names.success) yield* lookAt(`${folder}/${name}`, name)
  }
  return { found: found.sort((a, b) => a.path < b.path ? -1 : 1), unreadable }
})
