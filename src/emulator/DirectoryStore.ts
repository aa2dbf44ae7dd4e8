/**
 * A store in a folder. Contents are files with random names; a journal says which of them count.
 *
 * There is one commit point: a line appended to the journal and synced. Before it the content is already synced, so a
 * process that dies at any moment leaves either a whole file or none: a torn last line is cut off at the next start,
 * and contents that no line names are removed. This does the work of a database with an append and an fsync.
 *
 * The folder is the emulator's own: it is empty at first, and then bears a marker. Any other folder is refused, so that
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
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as Random from "./internal/random.ts"
import * as FileIndex from "./internal/store/fileIndex.ts"
import * as Journal from "./internal/store/journal.ts"
import * as Lock from "./internal/store/lock.ts"
import { type FileRecord, type Staging, Store, StoreFailed } from "./Store.ts"

/** Tells whether the process that holds a folder is alive. `NodeEmulator` brings it. */
export class ProcessProbe extends Lock.ProcessProbe {}

/** The file that makes a folder the emulator's. */
const marker = ".effect-anthropic-files-emulator"

const markerText =
  "The emulator of effect-anthropic-files keeps its files in this folder, and removes what it no longer "
  + "needs.\nKeep nothing else here.\n"

/** What may stand in a folder that counts as empty: the root of a volume of its own has it. */
const belongsToTheVolume = new Set(["lost+found"])

const isOwnBlob = (name: string): boolean => /^content-[1-9A-HJ-NP-Za-km-z]{32}$/.test(name)

const isOwnBatch = (name: string): boolean => /^msgbatch_01[1-9A-HJ-NP-Za-km-z]{22}\.json$/.test(name)

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

const ioFailed = (what: string) => (cause: PlatformError): StoreFailed =>
  new StoreFailed({ reason: "Io", message: `${what}: ${describe(cause)}.`, cause })

const refused = (message: string): StoreFailed => new StoreFailed({ reason: "Refused", message })

const encoder = new TextEncoder()

/** Reads of a content: large enough for the disk, small enough for 64 downloads at once. */
const chunkSize = 1024 * 1024

/** Lines of a compacted journal that are written at a time. */
const linesPerWrite = 1000

/**
 * Opens a folder as a store, creating it if need be. It becomes private (0700, its files 0600). Fails with `Refused`
 * for a folder that is neither empty nor the emulator's, and with `Locked` while another process has it open.
 */
export const make = Effect.fnUntraced(function*(directory: string): Effect.fn.Return<
  Store["Service"],
  StoreFailed,
  FileSystem.FileSystem | Path.Path | Lock.ProcessProbe | Scope.Scope
> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const probe = yield* Lock.ProcessProbe
  if (directory.trim() === "") {
    return yield* refused("The folder for the emulator's files is an empty name. Name one, or keep files in memory.")
  }
  const root = path.resolve(directory)
  const blobs = path.join(root, "blobs")
  const journalPath = path.join(root, "journal.jsonl")
  const markerPath = path.join(root, marker)
  const batches = path.join(root, "batches")
  const batchPath = (id: string) => path.join(batches, `${id}.json`)
  const keyPath = path.join(root, "key")
  const blobPath = (name: string) => path.join(blobs, name)

  // A new name lives in its folder, and reaches the disk with it. Windows can't open a folder, and needs not.
  const syncDirectory = (folder: string) =>
    Effect.scoped(
      fs.open(folder, { flag: "r" }).pipe(
        Effect.asSome,
        Effect.catch(() => Effect.succeedNone),
        Effect.flatMap((handle) => handle._tag === "Some" ? handle.value.sync : Effect.void)
      )
    )

  const typeOf = (file: string) =>
    fs.lstat(file).pipe(
      Effect.map(({ type }) => type),
      Effect.catchIf(({ reason }) => reason._tag === "NotFound", () => Effect.undefined)
    )

  /** A link could lead to files of somebody else. */
  const refuseLinks = Effect.fnUntraced(function*() {
    const own = [
      [blobs, "Directory"],
      [batches, "Directory"],
      [journalPath, "File"],
      [markerPath, "File"],
      [keyPath, "File"]
    ] as const
    for (const [file, expected] of own) {
      const type = yield* typeOf(file)
      if (type !== undefined && type !== expected) {
        return yield* refused(`${file} is not a ${expected.toLowerCase()} of the emulator's: it is a ${type}.`)
      }
    }
  })

  /** Takes the folder as the emulator's: it bears the marker already, or it is empty and gets it now. */
  const claim = Effect.gen(function*() {
    yield* fs.makeDirectory(root, { recursive: true, mode: 0o700 })
    yield* syncDirectory(path.dirname(root))
    const names = yield* fs.readDirectory(root)
    if (!names.includes(marker)) {
      const [foreign] = names.filter((name) => !belongsToTheVolume.has(name))
      if (foreign !== undefined) {
        return yield* refused(
          `${root} is not a folder of the emulator's and not empty: it holds ${JSON.stringify(foreign)}. `
            + "Use an empty or a new folder."
        )
      }
      yield* fs.writeFile(markerPath, encoder.encode(markerText), { mode: 0o600, flag: "wx" }).pipe(
        // Another process begins with the same folder: the lock decides between the two.
        Effect.catchIf(({ reason }) => reason._tag === "AlreadyExists", () => Effect.void)
      )
      yield* syncDirectory(root)
    }
    yield* refuseLinks()
  })

  /** Lets nobody else read a folder that was there before. */
  const tighten = (file: string, mode: number) =>
    fs.chmod(file, mode).pipe(
      Effect.catch((error) => Effect.logWarning(`Can't make ${file} private: ${describe(error)}`))
    )

  /** Puts a whole file in its place, or leaves what was there. */
  const replaceFile = Effect.fnUntraced(function*<E, R>(
    target: string,
    write: (file: FileSystem.File) => Effect.Effect<void, E, R>
  ) {
    const temporary = `${target.replace(/\.jsonl$/, "")}-${yield* Random.token(16)}.tmp`
    yield* Effect.scoped(Effect.gen(function*() {
      const file = yield* fs.open(temporary, { flag: "wx", mode: 0o600 })
      yield* write(file)
      yield* file.sync
    })).pipe(Effect.onError(() => Effect.ignore(fs.remove(temporary, { force: true }))))
    yield* fs.rename(temporary, target)
    yield* syncDirectory(path.dirname(target))
  })

  /** The key that is accepted when none is chosen: made up once, and kept beside the data for those who use it. */
  const keptKey = Effect.gen(function*() {
    if ((yield* typeOf(keyPath)) === undefined) {
      const made = `${Random.keyPrefix}${yield* Random.token(40)}`
      yield* replaceFile(keyPath, (file) => file.writeAll(encoder.encode(`${made}\n`)))
      return Redacted.make(made)
    }
    yield* tighten(keyPath, 0o600)
    const key = (yield* fs.readFileString(keyPath)).trim()
    if (!/^[\x21-\x7e]{8,}$/.test(key)) {
      return yield* refused(`${keyPath} does not hold a key. Remove it, and the emulator makes up a new one.`)
    }
    return Redacted.make(key)
  })

  const writeJournal = Effect.fnUntraced(function*(header: Journal.Header, files: ReadonlyArray<FileRecord>) {
    yield* replaceFile(
      journalPath,
      Effect.fnUntraced(function*(file) {
        yield* file.writeAll(encoder.encode(Journal.toLine(header)))
        for (let at = 0; at < files.length; at += linesPerWrite) {
          const lines = files.slice(at, at + linesPerWrite).map((file) => Journal.toLine({ op: "put", file }))
          yield* file.writeAll(encoder.encode(lines.join("")))
        }
      })
    )
  })

  /** Removes what a killed process left: names of the emulator's own pattern that nothing refers to. */
  const removeLeftovers = Effect.fnUntraced(function*(unnamed: Iterable<string>) {
    for (const name of unnamed) {
      if (isOwnBlob(name)) yield* fs.remove(blobPath(name), { force: true })
    }
    for (const folder of [root, batches]) {
      for (const name of yield* fs.readDirectory(folder)) {
        if (isOwnTemporary(name)) yield* fs.remove(path.join(folder, name), { force: true })
      }
    }
  })

  let broken: string | undefined

  const opening = Effect.gen(function*() {
    yield* claim
    yield* Lock.acquire(
      fs,
      path,
      root,
      probe,
      Effect.sync(() => {
        broken = `Another emulator has taken over ${root}. Restart this one.`
      })
    )
    yield* fs.makeDirectory(blobs, { recursive: true, mode: 0o700 })
    yield* tighten(root, 0o700)
    yield* fs.makeDirectory(batches, { recursive: true, mode: 0o700 })
    yield* tighten(blobs, 0o700)
    yield* tighten(batches, 0o700)

    const hasJournal = (yield* typeOf(journalPath)) !== undefined
    const replayed = yield* Journal.replay(
      journalPath,
      hasJournal ? fs.stream(journalPath, { chunkSize }) : Stream.empty
    )
    const header = replayed.header ?? { version: 1 as const, secret: yield* Random.token(32), next: 1 }
    const present = new Set(yield* fs.readDirectory(blobs))
    if (replayed.header === undefined && [...present].some(isOwnBlob)) {
      return yield* new StoreFailed({
        reason: "Corrupt",
        message: `${root} holds contents and no journal (${journalPath}) that says what they are. Nothing was changed. `
          + "Restore the journal from a copy, or use another folder."
      })
    }

    const key = yield* keptKey

    const index = FileIndex.make()
    let dropped = 0
    for (const file of replayed.files.values()) {
      if (file.blob === null || present.has(file.blob)) index.add(file)
      else dropped++
      if (file.blob !== null) present.delete(file.blob)
    }
    if (dropped > 0) yield* Effect.logWarning(`${dropped} files in ${root} have lost their content and are left out`)
    yield* removeLeftovers(present)

    if (replayed.lines !== index.size() + 1) {
      yield* writeJournal({ ...header, next: replayed.next }, index.all())
    } else {
      yield* fs.truncate(journalPath, replayed.length)
      yield* tighten(journalPath, 0o600)
    }
    const kept = (yield* fs.readDirectory(batches)).filter(isOwnBatch)
    const texts = yield* Effect.forEach(kept, (name) => fs.readFileString(path.join(batches, name)))
    const journal = yield* fs.open(journalPath, { flag: "a" })
    const { size } = yield* journal.stat
    return { texts, index, journal, key, length: Number(size), next: replayed.next, secret: header.secret }
  })

  const { index, journal, key, secret, ...opened } = yield* opening.pipe(
    Effect.mapError((error) => error instanceof StoreFailed ? error : ioFailed(`Can't open ${root}`)(error))
  )
  let texts = opened.texts
  let length = opened.length
  let next = opened.next
  const commits = Semaphore.makeUnsafe(1)

  /** Appends and syncs. What could not be written whole is taken back, so that a later line never follows half a one. */
  const append = (change: Journal.Change): Effect.Effect<void, StoreFailed> =>
    Effect.suspend(() => {
      if (broken !== undefined) return Effect.fail(new StoreFailed({ reason: "Io", message: broken }))
      const bytes = encoder.encode(Journal.toLine(change))
      const takeBack = journal.truncate(length).pipe(
        Effect.andThen(journal.sync),
        Effect.catch(() =>
          Effect.sync(() => {
            broken = `The journal ${journalPath} could not be repaired after a failed write. Restart the emulator.`
          })
        )
      )
      return journal.writeAll(bytes).pipe(
        Effect.andThen(journal.sync),
        Effect.andThen(Effect.sync(() => {
          length += bytes.byteLength
        })),
        Effect.catch((cause) =>
          Effect.andThen(takeBack, Effect.fail(ioFailed(`Can't write the journal ${journalPath}`)(cause)))
        )
      )
    })

  /** One at a time, and never interrupted between the disk and the memory. */
  const committing = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.uninterruptible(commits.withPermit(effect))

  const removeBlobs = (names: ReadonlyArray<string | null>) =>
    Effect.forEach(names, (name) => name === null ? Effect.void : Effect.ignore(fs.remove(blobPath(name))), {
      discard: true
    })

  const stage = Effect.gen(function*() {
    const scope = yield* Effect.scope
    const name = `content-${yield* Random.token(32)}`
    let file: FileSystem.File | undefined
    let size = 0
    let keep = false
    const failed = (cause: PlatformError) =>
      ioFailed(`Can't store a content of ${size} bytes so far in ${blobs}`)(cause)
    const open = Effect.gen(function*() {
      // Registered before the file is opened, hence run after it is closed.
      yield* Effect.addFinalizer(() => keep ? Effect.void : removeBlobs([name]))
      file = yield* fs.open(blobPath(name), { flag: "wx", mode: 0o600 })
      return file
    }).pipe(Scope.provide(scope))

    const staging: Staging = {
      // A write that runs on after its file is closed could land in another one that got the same descriptor.
      write: (chunk) =>
        Effect.uninterruptible(Effect.gen(function*() {
          const target = file ?? (yield* open)
          yield* target.writeAll(chunk)
          size += chunk.byteLength
        })).pipe(Effect.mapError(failed)),
      commit: (record, admit) => {
        const written = file
        return Effect.gen(function*() {
          if (written !== undefined) {
            yield* Effect.uninterruptible(written.sync.pipe(Effect.andThen(syncDirectory(blobs)))).pipe(
              Effect.mapError(failed)
            )
          }
          return yield* committing(Effect.gen(function*() {
            if (admit !== undefined) yield* admit(index.bytes())
            const stored: FileRecord = {
              ...record,
              sequence: next,
              size,
              expired: false,
              blob: written === undefined ? null : name
            }
            yield* append({ op: "put", file: stored })
            keep = true
            next++
            index.add(stored)
            return stored
          }))
        })
      }
    }
    return staging
  })

  const read = Effect.fnUntraced(function*(record: FileRecord): Effect.fn.Return<
    Stream.Stream<Uint8Array, StoreFailed>,
    StoreFailed,
    Scope.Scope
  > {
    if (record.blob === null) return Stream.empty
    const failed = ioFailed(`Can't read the content of ${record.id}`)
    const file = yield* fs.open(blobPath(record.blob), { flag: "r" }).pipe(Effect.mapError(failed))
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

  const dropBatches = (names: ReadonlyArray<string>) =>
    Effect.forEach(names, (name) => fs.remove(path.join(batches, name), { force: true }), { discard: true }).pipe(
      Effect.mapError(ioFailed(`Can't remove a batch in ${batches}`))
    )

  const dropAllBatches = fs.readDirectory(batches).pipe(
    Effect.mapError(ioFailed(`Can't read ${batches}`)),
    Effect.flatMap((names) => dropBatches(names.filter(isOwnBatch)))
  )

  const sweep = (now: number): Effect.Effect<void, StoreFailed> =>
    Effect.suspend(() => {
      const due = index.due(now)
      if (due.expired.length === 0 && due.forgotten.length === 0) return Effect.void
      const blobsOf = due.expired.map((id) => index.get(id)?.blob ?? null)
      // In memory first: time has run out whether or not the disk takes note of it, and the next start sees the same.
      for (const id of due.expired) index.markExpired(id)
      for (const id of due.forgotten) index.remove(id)
      return committing(Effect.gen(function*() {
        if (due.expired.length > 0) yield* append({ op: "expire", ids: due.expired })
        if (due.forgotten.length > 0) yield* append({ op: "delete", ids: due.forgotten })
        yield* removeBlobs(blobsOf)
      }))
    })

  const remove = (ids: ReadonlyArray<string>) =>
    committing(Effect.gen(function*() {
      const files = ids.flatMap((id) => index.get(id) ?? [])
      if (files.length === 0) return false
      yield* append({ op: "delete", ids: files.map((file) => file.id) })
      for (const file of files) index.remove(file.id)
      yield* removeBlobs(files.map((file) => file.blob))
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
    read,
    remove: (id) => remove([id]),
    sweep,
    keepBatch: (id, text) =>
      replaceFile(batchPath(id), (file) => file.writeAll(encoder.encode(text))).pipe(
        Effect.uninterruptible,
        Effect.mapError(ioFailed(`Can't keep a batch in ${batches}`))
      ),
    dropBatch: (id) => dropBatches([`${id}.json`]),
    takeBatches: Effect.sync(() => {
      const taken = texts
      texts = []
      return taken
    }),
    clear: Effect.suspend(() => remove(index.all().map((file) => file.id))).pipe(Effect.andThen(dropAllBatches))
  })
})

/** @see {@link make} */
export const layer = (
  directory: string
): Layer.Layer<Store, StoreFailed, FileSystem.FileSystem | Path.Path | Lock.ProcessProbe> =>
  Layer.effect(Store, make(directory))
