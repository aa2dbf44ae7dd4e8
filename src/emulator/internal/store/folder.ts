/**
 * The folder of a store: how it becomes the emulator's, and how files in it are replaced and removed.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import * as Random from "../random.ts"
import { StoreFailed } from "./records.ts"

/** The paths of a store, and what reaches them. */
export interface Folder {
  readonly fs: FileSystem.FileSystem
  readonly path: Path.Path
  readonly root: string
  /** The contents of files, each in a file with a random name. */
  readonly blobs: string
  readonly batches: string
  readonly journal: string
  /** Makes the folder the emulator's. */
  readonly marker: string
  /** Holds the key that is accepted when none is chosen. */
  readonly key: string
}

const markerText =
  "The emulator of effect-anthropic-files keeps its files in this folder, and removes what it no longer "
  + "needs.\nKeep nothing else here.\n"

/** Names that a folder may hold and still counts as empty: the root of a volume has them. */
const namesOfVolumes = new Set(["lost+found"])

export const isOwnBlob = (name: string): boolean => /^content-[1-9A-HJ-NP-Za-km-z]{32}$/.test(name)

export const isOwnBatch = (name: string): boolean => /^msgbatch_01[1-9A-HJ-NP-Za-km-z]{22}\.json$/.test(name)

const isOwnTemporary = (name: string): boolean =>
  /^(journal|key|msgbatch_01[1-9A-HJ-NP-Za-km-z]{22}\.json)-[1-9A-HJ-NP-Za-km-z]{16}\.tmp$/.test(name)

const codeOf = (cause: unknown): unknown => cause instanceof Error && "code" in cause ? cause.code : undefined

const isDiskFull = ({ reason }: PlatformError): boolean => {
  const code = codeOf(reason.cause)
  return code === "ENOSPC" || code === "EDQUOT" || /\b(ENOSPC|EDQUOT)\b/.test(reason.description ?? "")
}

const describe = (error: PlatformError): string => {
  if (isDiskFull(error)) return "the disk is full"
  const { reason } = error
  const path = "pathOrDescriptor" in reason && typeof reason.pathOrDescriptor === "string"
    ? ` (${reason.pathOrDescriptor})`
    : ""
  return `${reason.description ?? reason._tag}${path}`
}

export const ioFailed = (what: string) => (cause: PlatformError): StoreFailed =>
  new StoreFailed({ reason: "Io", message: `${what}: ${describe(cause)}.`, cause })

const refused = (message: string): StoreFailed => new StoreFailed({ reason: "Refused", message })

const encoder = new TextEncoder()

export const make = Effect.fnUntraced(function*(directory: string): Effect.fn.Return<
  Folder,
  StoreFailed,
  FileSystem.FileSystem | Path.Path
> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  if (directory.trim() === "") {
    return yield* refused("The name of the emulator's folder is empty. Name a folder, or keep files in memory.")
  }
  const root = path.resolve(directory)
  return {
    fs,
    path,
    root,
    blobs: path.join(root, "blobs"),
    batches: path.join(root, "batches"),
    journal: path.join(root, "journal.jsonl"),
    marker: path.join(root, ".effect-anthropic-files-emulator"),
    key: path.join(root, "key")
  }
})

/** A new name reaches the disk when its folder is synced. Windows can't open a folder, and needs no sync. */
export const syncDirectory = ({ fs }: Folder, directory: string): Effect.Effect<void, PlatformError> =>
  Effect.scoped(
    fs.open(directory, { flag: "r" }).pipe(
      Effect.asSome,
      Effect.catch(() => Effect.succeedNone),
      Effect.flatMap((handle) => handle._tag === "Some" ? handle.value.sync : Effect.void)
    )
  )

/** The type of a file, links not followed; `undefined` where there is none. */
export const typeOf = (
  { fs }: Folder,
  file: string
): Effect.Effect<FileSystem.File.Type | undefined, PlatformError> =>
  fs.lstat(file).pipe(
    Effect.map(({ type }) => type),
    Effect.catchIf(({ reason }) => reason._tag === "NotFound", () => Effect.undefined)
  )

/** A link could lead to files of somebody else. */
const refuseLinks = Effect.fnUntraced(function*(folder: Folder) {
  const own = [
    [folder.blobs, "Directory"],
    [folder.batches, "Directory"],
    [folder.journal, "File"],
    [folder.marker, "File"],
    [folder.key, "File"]
  ] as const
  for (const [file, expected] of own) {
    const type = yield* typeOf(folder, file)
    if (type !== undefined && type !== expected) {
      return yield* refused(`${file} is not a ${expected.toLowerCase()} of the emulator's: it is a ${type}.`)
    }
  }
})

/** Makes the folder the emulator's: it has the marker already, or it is empty and gets the marker now. */
export const claim = Effect.fnUntraced(function*(folder: Folder) {
  const { fs, marker, path, root } = folder
  yield* fs.makeDirectory(root, { recursive: true, mode: 0o700 })
  yield* syncDirectory(folder, path.dirname(root))
  const names = yield* fs.readDirectory(root)
  if (!names.includes(path.basename(marker))) {
    const [foreign] = names.filter((name) => !namesOfVolumes.has(name))
    if (foreign !== undefined) {
      return yield* refused(
        `${root} is not a folder of the emulator's and not empty: it holds ${JSON.stringify(foreign)}. `
          + "Use an empty or a new folder."
      )
    }
    yield* fs.writeFile(marker, encoder.encode(markerText), { mode: 0o600, flag: "wx" }).pipe(
      // Another process claims the same folder: the lock decides between the two.
      Effect.catchIf(({ reason }) => reason._tag === "AlreadyExists", () => Effect.void)
    )
    yield* syncDirectory(folder, root)
  }
  yield* refuseLinks(folder)
})

/** Keeps other users from a file or folder that was there before. */
export const makePrivate = ({ fs }: Folder, file: string, mode: number): Effect.Effect<void> =>
  fs.chmod(file, mode).pipe(
    Effect.catch((error) => Effect.logWarning(`Can't make ${file} private: ${describe(error)}`))
  )

/** Creates the folders of contents and batches, for this user alone. */
export const makeDirectories = Effect.fnUntraced(function*(folder: Folder) {
  yield* makePrivate(folder, folder.root, 0o700)
  for (const directory of [folder.blobs, folder.batches]) {
    yield* folder.fs.makeDirectory(directory, { recursive: true, mode: 0o700 })
    yield* makePrivate(folder, directory, 0o700)
  }
})

/** Replaces a file as a whole. If that fails, the old file stays. */
export const replaceFile = Effect.fnUntraced(function*<E, R>(
  folder: Folder,
  target: string,
  write: (file: FileSystem.File) => Effect.Effect<void, E, R>
) {
  const { fs, path } = folder
  const temporary = `${target.replace(/\.jsonl$/, "")}-${yield* Random.token(16)}.tmp`
  yield* Effect.scoped(Effect.gen(function*() {
    const file = yield* fs.open(temporary, { flag: "wx", mode: 0o600 })
    yield* write(file)
    yield* file.sync
  })).pipe(Effect.onError(() => Effect.ignore(fs.remove(temporary, { force: true }))))
  yield* fs.rename(temporary, target)
  yield* syncDirectory(folder, path.dirname(target))
})

/** The key that is accepted when none is chosen. It is made up once, and kept with the files. */
export const keptKey = Effect.fnUntraced(function*(folder: Folder) {
  const { fs, key: file } = folder
  if ((yield* typeOf(folder, file)) === undefined) {
    const made = `${Random.keyPrefix}${yield* Random.token(40)}`
    yield* replaceFile(folder, file, (file) => file.writeAll(encoder.encode(`${made}\n`)))
    return Redacted.make(made)
  }
  yield* makePrivate(folder, file, 0o600)
  const key = (yield* fs.readFileString(file)).trim()
  if (!/^[\x21-\x7e]{8,}$/.test(key)) {
    return yield* refused(`${file} does not hold a key. Remove it, and the emulator makes up a new one.`)
  }
  return Redacted.make(key)
})

/**
 * Removes what a killed process left behind. Only names of the emulator's own pattern are removed.
 *
 * @param unused names of contents that the journal does not refer to
 */
export const removeLeftovers = Effect.fnUntraced(function*(folder: Folder, unused: Iterable<string>) {
  const { batches, blobs, fs, path, root } = folder
  for (const name of unused) {
    if (isOwnBlob(name)) yield* fs.remove(path.join(blobs, name), { force: true })
  }
  for (const directory of [root, batches]) {
    for (const name of yield* fs.readDirectory(directory)) {
      if (isOwnTemporary(name)) yield* fs.remove(path.join(directory, name), { force: true })
    }
  }
})
