/**
 * A store in a folder. Contents are files with random names, and a journal says which of them are stored files.
 *
 * There is one commit point: a line appended to the journal and synced. The content is synced before, so a process that
 * dies at any moment leaves either a whole file or none: at the next start, a torn last line is cut off, and contents that
 * no line refers to are removed. An append and an fsync do the work of a database.
 *
 * The folder belongs to the emulator: it is empty at first, and then has a marker. Any other folder is refused, so that
 * nothing is ever removed that the emulator did not make.
 *
 * ```ts
 * import * as NodeServices from "@effect/platform-node/NodeServices"
 * import { Layer } from "effect"
 * import * as DirectoryStore from "effect-anthropic-files/emulator/DirectoryStore"
 * import * as Emulator from "effect-anthropic-files/emulator/Emulator"
 * import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
 *
 * export const layer = Emulator.layerStore().pipe(
 *   Layer.provide(DirectoryStore.layer("./emulated-files")),
 *   Layer.provide([NodeServices.layer, NodeEmulator.layerProcessProbe])
 * )
 * ```
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Random from "./internal/random.ts"
import * as FileIndex from "./internal/store/fileIndex.ts"
import * as Folder from "./internal/store/folder.ts"
import { ioFailed } from "./internal/store/folder.ts"
import * as Journal from "./internal/store/journal.ts"
import * as JournalFile from "./internal/store/journalFile.ts"
import * as Lock from "./internal/store/lock.ts"
import { type FileRecord, type Staging, Store, StoreFailed } from "./Store.ts"

/** Tells whether the process that holds a folder is alive. `NodeEmulator` provides it. */
export class ProcessProbe extends Lock.ProcessProbe {}

const encoder = new TextEncoder()

/** Bytes that are read at once: large enough for the disk, small enough for 64 downloads at a time. */
const chunkSize = 1024 * 1024

/** The index of the journal's files. A file whose content is missing is left out. */
const indexOf = Effect.fnUntraced(function*(folder: Folder.Folder, { files, header }: Journal.Replayed) {
  const { blobs, fs, journal, root } = folder
  const unused = new Set(yield* fs.readDirectory(blobs))
  if (header === undefined && [...unused].some(Folder.isOwnBlob)) {
    return yield* new StoreFailed({
      reason: "Corrupt",
      message: `${root} holds contents, but no journal (${journal}) that says what they are. Nothing was changed. `
        + "Restore the journal from a copy, or use another folder."
    })
  }
  const index = FileIndex.make()
  let dropped = 0
  for (const file of files.values()) {
    if (file.blob === null || unused.has(file.blob)) index.add(file)
    else dropped++
    if (file.blob !== null) unused.delete(file.blob)
  }
  if (dropped > 0) yield* Effect.logWarning(`${dropped} files in ${root} have lost their content and are left out`)
  return { index, unused }
})

/** Reads the journal, removes what a killed process left, and compacts the journal if that saves lines. */
const readFolder = Effect.fnUntraced(function*(folder: Folder.Folder) {
  const { batches, fs, journal, path } = folder
  const hasJournal = (yield* Folder.typeOf(folder, journal)) !== undefined
  const replayed = yield* Journal.replay(journal, hasJournal ? fs.stream(journal, { chunkSize }) : Stream.empty)
  const { next } = replayed
  const header = replayed.header ?? { version: 1 as const, secret: yield* Random.token(32), next: 1 }
  const { index, unused } = yield* indexOf(folder, replayed)
  const key = yield* Folder.keptKey(folder)
  yield* Folder.removeLeftovers(folder, unused)
  if (replayed.lines !== index.size() + 1) {
    yield* JournalFile.write(folder, { ...header, next }, index.all())
  } else {
    yield* fs.truncate(journal, replayed.length)
    yield* Folder.makePrivate(folder, journal, 0o600)
  }
  const names = (yield* fs.readDirectory(batches)).filter(Folder.isOwnBatch)
  const texts = yield* Effect.forEach(names, (name) => fs.readFileString(path.join(batches, name)))
  return { texts, index, key, next, secret: header.secret }
})

const open = Effect.fnUntraced(function*(folder: Folder.Folder, probe: Lock.ProcessProbe["Service"]) {
  const { fs, path, root } = folder
  const broken: { because: string | undefined } = { because: undefined }
  yield* Folder.claim(folder)
  yield* Lock.acquire(
    fs,
    path,
    root,
    probe,
    Effect.sync(() => {
      broken.because = `Another emulator has taken over ${root}. Restart this one.`
    })
  )
  yield* Folder.makeDirectories(folder)
  const found = yield* readFolder(folder)
  return { ...found, journal: yield* JournalFile.open(folder, broken) }
})

const readContent = Effect.fnUntraced(function*(
  { blobs, fs, path }: Folder.Folder,
  { blob, id }: FileRecord
): Effect.fn.Return<Stream.Stream<Uint8Array, StoreFailed>, StoreFailed, Scope.Scope> {
  if (blob === null) return Stream.empty
  const failed = ioFailed(`Can't read the content of ${id}`)
  const file = yield* fs.open(path.join(blobs, blob), { flag: "r" }).pipe(Effect.mapError(failed))
  return Stream.unfold(
    0,
    (offset) =>
      file.readAlloc(chunkSize, { position: BigInt(offset) }).pipe(
        Effect.map((chunk) =>
          Option.isNone(chunk) ? undefined : [chunk.value, offset + chunk.value.byteLength] as const
        ),
        Effect.mapError(failed)
      )
  )
})

const removeBlobs = ({ blobs, fs, path }: Folder.Folder, names: ReadonlyArray<string | null>): Effect.Effect<void> =>
  Effect.forEach(
    names,
    (name) => name === null ? Effect.void : Effect.ignore(fs.remove(path.join(blobs, name))),
    { discard: true }
  )

/** A content on its way in, in a file that is removed unless it is committed. */
const makeContent = Effect.fnUntraced(function*(folder: Folder.Folder): Effect.fn.Return<
  {
    readonly write: Staging["write"]
    readonly sync: Effect.Effect<void, StoreFailed>
    readonly size: () => number
    /** The name of its file; `null` for an empty content, which has none. */
    readonly blob: () => string | null
    readonly keep: () => void
  },
  never,
  Scope.Scope
> {
  const { blobs, fs, path } = folder
  const scope = yield* Effect.scope
  const name = `content-${yield* Random.token(32)}`
  let file: FileSystem.File | undefined
  let size = 0
  let isKept = false
  const failed = (cause: PlatformError) => ioFailed(`Can't store content in ${blobs} (${size} bytes written)`)(cause)

  const openFile = Effect.gen(function*() {
    // Registered before the file is opened, hence run after it is closed.
    yield* Effect.addFinalizer(() => isKept ? Effect.void : removeBlobs(folder, [name]))
    file = yield* fs.open(path.join(blobs, name), { flag: "wx", mode: 0o600 })
    return file
  }).pipe(Scope.provide(scope))

  return {
    // A write that goes on after its file is closed could reach another file that got the same descriptor.
    write: (chunk) =>
      Effect.uninterruptible(Effect.gen(function*() {
        const target = file ?? (yield* openFile)
        yield* target.writeAll(chunk)
        size += chunk.byteLength
      })).pipe(Effect.mapError(failed)),
    sync: Effect.suspend(() =>
      file === undefined
        ? Effect.void
        : Effect.uninterruptible(Effect.andThen(file.sync, Folder.syncDirectory(folder, blobs)))
    ).pipe(Effect.mapError(failed)),
    size: () => size,
    blob: () => file === undefined ? null : name,
    keep: () => void (isKept = true)
  }
})

/** The batches of a folder, each in a file. */
const makeBatches = (folder: Folder.Folder, texts: ReadonlyArray<string>) => {
  const { batches, fs, path } = folder
  let untaken = texts
  const drop = (names: ReadonlyArray<string>) =>
    Effect.forEach(names, (name) => fs.remove(path.join(batches, name), { force: true }), { discard: true }).pipe(
      Effect.mapError(ioFailed(`Can't remove a batch in ${batches}`))
    )
  return {
    keepBatch: (id: string, text: string) =>
      Folder.replaceFile(folder, path.join(batches, `${id}.json`), (file) => file.writeAll(encoder.encode(text))).pipe(
        Effect.uninterruptible,
        Effect.mapError(ioFailed(`Can't keep a batch in ${batches}`))
      ),
    dropBatch: (id: string) => drop([`${id}.json`]),
    takeBatches: Effect.sync(() => {
      const taken = untaken
      untaken = []
      return taken
    }),
    dropAll: fs.readDirectory(batches).pipe(
      Effect.mapError(ioFailed(`Can't read ${batches}`)),
      Effect.flatMap((names) => drop(names.filter(Folder.isOwnBatch)))
    )
  }
}

/**
 * Opens a folder as a store, creating it if need be. It becomes private (0700, its files 0600). Fails with `Refused`
 * for a folder that is neither empty nor the emulator's, and with `Locked` while another process has it open.
 */
export const make = Effect.fnUntraced(function*(directory: string): Effect.fn.Return<
  Store["Service"],
  StoreFailed,
  FileSystem.FileSystem | Path.Path | Lock.ProcessProbe | Scope.Scope
> {
  const folder = yield* Folder.make(directory)
  const { index, journal, key, secret, ...opened } = yield* open(folder, yield* Lock.ProcessProbe).pipe(
    Effect.mapError((error) => error instanceof StoreFailed ? error : ioFailed(`Can't open ${folder.root}`)(error))
  )
  const { dropAll: dropAllBatches, ...batches } = makeBatches(folder, opened.texts)
  let next = opened.next

  const stage = Effect.gen(function*() {
    const content = yield* makeContent(folder)
    const staging: Staging = {
      write: content.write,
      commit: (record, admit) =>
        Effect.andThen(
          content.sync,
          journal.committing(Effect.gen(function*() {
            if (admit !== undefined) yield* admit(index.bytes())
            const stored: FileRecord = {
              ...record,
              sequence: next,
              size: content.size(),
              expired: false,
              blob: content.blob()
            }
            yield* journal.append({ op: "put", file: stored })
            content.keep()
            next++
            index.add(stored)
            return stored
          }))
        )
    }
    return staging
  })

  const sweep = (now: number): Effect.Effect<void, StoreFailed> =>
    Effect.suspend(() => {
      const due = index.due(now)
      if (due.expired.length === 0 && due.forgotten.length === 0) return Effect.void
      const blobs = due.expired.map((id) => index.get(id)?.blob ?? null)
      // In memory first: a file expires even if the disk can't record it, and the next start expires it too.
      for (const id of due.expired) index.markExpired(id)
      for (const id of due.forgotten) index.remove(id)
      return journal.committing(Effect.gen(function*() {
        if (due.expired.length > 0) yield* journal.append({ op: "expire", ids: due.expired })
        if (due.forgotten.length > 0) yield* journal.append({ op: "delete", ids: due.forgotten })
        yield* removeBlobs(folder, blobs)
      }))
    })

  const remove = (ids: ReadonlyArray<string>) =>
    journal.committing(Effect.gen(function*() {
      const files = ids.flatMap((id) => index.get(id) ?? [])
      if (files.length === 0) return false
      yield* journal.append({ op: "delete", ids: files.map((file) => file.id) })
      for (const file of files) index.remove(file.id)
      yield* removeBlobs(folder, files.map((file) => file.blob))
      return true
    }))

  return Store.of({
    secret,
    key,
    stage,
    get: (id) => Effect.sync(() => index.get(id)),
    sequenceOf: (workspace, id) => Effect.sync(() => index.sequenceOf(workspace, id)),
    page: (query) => Effect.sync(() => index.page(query)),
    all: Effect.sync(() => index.all()),
    usedBytes: Effect.sync(() => index.bytes()),
    read: (record) => readContent(folder, record),
    remove: (id) => remove([id]),
    sweep,
    ...batches,
    clear: Effect.suspend(() => remove(index.all().map((file) => file.id))).pipe(Effect.andThen(dropAllBatches))
  })
})

/** @see {@link make} */
export const layer = (
  directory: string
): Layer.Layer<Store, StoreFailed, FileSystem.FileSystem | Path.Path | Lock.ProcessProbe> =>
  Layer.effect(Store, make(directory))
