/**
 * A store in a directory. A value is written to a temporary file, synced, and then given its name, `<key>.<version>`, by
 * a hard link. The link fails if another process was first, so a process that dies leaves no lock and no partial value.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import { causeOf } from "../disk/cause.ts"
import { isNotFound, namesIn } from "../disk/notFound.ts"
import { isTemporary, syncDirectory, temporaryIn } from "../disk/temporary.ts"
import { printable } from "../text.ts"
import { storeFailed, UploadStore, type UploadStoreFailed } from "./store.ts"

/**
 * How many versions of a value are kept. A writer that is at most this many versions behind finds its name taken. One
 * that is further behind finds its name free, sees the newer versions, and removes its own again.
 */
const keptVersions = 4

/** How many times a read is repeated because a listed file was replaced by a newer version in between. */
const maxReads = 100

/** A temporary file that is older than this was left by a process that died. Milliseconds. */
const abandonedAfter = 60 * 60 * 1000

/** The name of a folder of this store: the last two characters of the keys in it. */
const folderName = /^[0-9a-f]{2}$/

interface Place {
  readonly fs: FileSystem.FileSystem
  readonly path: Path.Path
  readonly root: string
}

const folderOf = ({ path, root }: Place, key: string): string => path.join(root, key.slice(-2))

const fileOf = (place: Place, key: string, version: number): string =>
  place.path.join(folderOf(place, key), `${key}.${version}`)

/** The versions of a value, newest first. */
const versionsOf = (place: Place, key: string): Effect.Effect<ReadonlyArray<number>, PlatformError> =>
  Effect.map(namesIn(place.fs, folderOf(place, key)), (names) =>
    names
      .filter((name) => name.startsWith(`${key}.`))
      .map((name) => Number(name.slice(key.length + 1)))
      .filter(Number.isSafeInteger)
      .sort((a, b) => b - a))

const read = Effect.fnUntraced(function*(place: Place, key: string): Effect.fn.Return<
  { readonly version: number; readonly value: string | undefined },
  PlatformError
> {
  for (let reads = 0;; reads++) {
    const [version] = yield* versionsOf(place, key)
    if (version === undefined) return { version: 0, value: undefined }
    const content = yield* place.fs.readFileString(fileOf(place, key, version)).pipe(
      Effect.catchIf((error) => isNotFound(error) && reads < maxReads, () => Effect.undefined)
    )
    if (content !== undefined) return { version, value: content === "" ? undefined : content }
  }
})

const swap = Effect.fnUntraced(function*(
  place: Place,
  key: string,
  current: string | undefined,
  next: string | undefined
): Effect.fn.Return<boolean, PlatformError> {
  const { fs, path } = place
  const { value, version } = yield* read(place, key)
  if (value !== current) return false
  const folder = folderOf(place, key)
  yield* fs.makeDirectory(folder, { recursive: true, mode: 0o700 })
  const mine = version + 1
  const bytes = new TextEncoder().encode(next ?? "")
  const isLinked = yield* temporaryIn(fs, path, folder, (file) => file.writeAll(bytes)).pipe(
    Effect.flatMap(([temporary]) => fs.link(temporary, fileOf(place, key, mine))),
    Effect.as(true),
    Effect.catchIf((error) => error.reason._tag === "AlreadyExists", () => Effect.succeed(false)),
    Effect.scoped
  )
  if (!isLinked) return false
  const versions = yield* versionsOf(place, key)
  if (versions.some((version) => version >= mine + keptVersions)) {
    yield* Effect.ignore(fs.remove(fileOf(place, key, mine), { force: true }))
    return false
  }
  yield* syncDirectory(fs, folder)
  yield* Effect.forEach(
    versions.filter((version) => version <= mine - keptVersions),
    (version) => Effect.ignore(fs.remove(fileOf(place, key, version), { force: true })),
    { discard: true }
  )
  return true
})

/**
 * Removes the temporary files of processes that died: only regular files with this package's name pattern, in folders with
 * the store's name pattern, and never through a link.
 */
const removeAbandoned = Effect.fnUntraced(function*({ fs, path, root }: Place): Effect.fn.Return<void, PlatformError> {
  const now = yield* Clock.currentTimeMillis
  const isOf = (file: string, type: FileSystem.File.Type) =>
    Effect.map(fs.lstat(file), (info) => info.type === type ? info : undefined)
  const inFolder = Effect.fnUntraced(function*(folder: string): Effect.fn.Return<void, PlatformError> {
    if ((yield* isOf(folder, "Directory")) === undefined) return
    for (const name of (yield* namesIn(fs, folder)).filter(isTemporary)) {
      const file = path.join(folder, name)
      const writtenAt = Option.getOrUndefined((yield* isOf(file, "File"))?.mtime ?? Option.none())?.getTime()
      if (writtenAt !== undefined && now - writtenAt > abandonedAfter) yield* fs.remove(file, { force: true })
    }
  })
  yield* Effect.forEach(
    (yield* namesIn(fs, root)).filter((name) => folderName.test(name)),
    (name) => Effect.ignore(inFolder(path.join(root, name))),
    { concurrency: 8, discard: true }
  )
})

/** The store in `root`, which is created if needed, accessible only by its owner. */
export const make = Effect.fnUntraced(function*(
  root: string
): Effect.fn.Return<UploadStore["Service"], UploadStoreFailed, FileSystem.FileSystem | Path.Path> {
  const place: Place = { fs: yield* FileSystem.FileSystem, path: yield* Path.Path, root }
  const onError = (what: string) => (cause: PlatformError) =>
    storeFailed(
      `The upload store in ${printable(root)} can't be ${what}: ${causeOf(cause)}. Nothing is uploaded without it.`,
      cause
    )
  yield* Effect.mapError(place.fs.makeDirectory(root, { recursive: true, mode: 0o700 }), onError("created"))
  yield* Effect.ignore(removeAbandoned(place))
  return UploadStore.of({
    isLocal: true,
    get: (key) => Effect.mapError(Effect.map(read(place, key), ({ value }) => value), onError("read")),
    swap: (key, current, next) =>
      Effect.uninterruptible(Effect.mapError(swap(place, key, current, next), onError("written")))
  })
})
