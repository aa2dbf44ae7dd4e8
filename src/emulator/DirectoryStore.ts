/**
 * A store in a folder. Contents are files with random names; a journal says which of them count.
 *
 * There is one commit point: a line appended to the journal and synced. Before it the content is already synced, so a
 * process that dies at any moment leaves either a whole file or none: a torn last line is cut off at the next start,
 * and contents that no line names are removed. This does the work of a database with an append and an fsync.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { FileId } from "../FileMetadata.ts"
import * as Cursor from "./internal/files/cursor.ts"
import * as Random from "./internal/random.ts"
import * as FileIndex from "./internal/store/fileIndex.ts"
import { type FileRecord, type Staging, Store, StoreError } from "./Store.ts"

/**
 * Tells a process that is alive from one that is not, so that a lock left behind by a killed one can be taken over.
 * `NodeEmulator` brings it.
 */
export class ProcessProbe extends Context.Service<ProcessProbe, {
  /** Names this process, and no other one that had or will have its number. */
  readonly self: string
  readonly isAlive: (process: string) => Effect.Effect<boolean>
}>()("effect-anthropic-files/emulator/DirectoryStore/ProcessProbe") {}

const Header = Schema.Struct({
  version: Schema.Literal(1),
  secret: Schema.String,
  /** The next sequence number: it must not go back when a compaction drops the newest files. */
  next: Schema.Natural
})

const Put = Schema.Struct({
  op: Schema.Literal("put"),
  file: Schema.Struct({
    sequence: Schema.Natural,
    id: FileId,
    workspace: Schema.String,
    filename: Schema.String,
    mimeType: Schema.String,
    size: Schema.Natural,
    createdAt: Schema.Finite,
    expiresAt: Schema.NullOr(Schema.Finite),
    downloadable: Schema.Boolean,
    scope: Schema.NullOr(Schema.Struct({ id: Schema.String, type: Schema.String })),
    purpose: Schema.NullOr(Schema.String),
    expired: Schema.Boolean,
    blob: Schema.NullOr(Schema.String)
  })
})

const Entry = Schema.Union([
  Put,
  Schema.Struct({ op: Schema.Literal("delete"), ids: Schema.Array(Schema.String) }),
  Schema.Struct({ op: Schema.Literal("expire"), ids: Schema.Array(Schema.String) })
])

type Entry = typeof Entry.Type

const decodeHeader = Schema.decodeUnknownOption(Header)
const decodeEntry = Schema.decodeUnknownOption(Entry)

/** A line with its checksum in front: half a line, or a block of zeros, is not mistaken for one. */
const line = (value: typeof Header.Type | Entry): string => {
  const text = JSON.stringify(value)
  return `${Cursor.checksum(text)} ${text}\n`
}

const parseLine = (text: string): unknown => {
  if (text[11] !== " " || Cursor.checksum(text.slice(12)) !== text.slice(0, 11)) return undefined
  return JSON.parse(text.slice(12))
}

const ioError = (message: string) => (cause: PlatformError): StoreError =>
  new StoreError({ reason: "Io", message: `${message}: ${cause.message}`, cause })

const encoder = new TextEncoder()

/** Reads of a content: large enough for the disk, small enough for 64 downloads at once. */
const chunkSize = 1024 * 1024

/**
 * Takes the folder for this process, until the scope closes.
 *
 * Lock files are numbered and the highest number rules, so that taking over from a dead process needs no deletion: of
 * two that try, one links the next number and the other finds it taken. A number is never used twice, since a lock that
 * is given back stays where it is, marked free, until the next one is in place.
 */
const lock = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  path: Path.Path,
  directory: string,
  probe: ProcessProbe["Service"]
): Effect.fn.Return<void, StoreError | PlatformError, Scope.Scope> {
  const fileOf = (number: number) => path.join(directory, `lock-${number}`)
  const numbers = Effect.map(fs.readDirectory(directory), (names) =>
    names.flatMap((name) => {
      const number = /^lock-([0-9]+)$/.exec(name)?.[1]
      return number === undefined ? [] : [Number(number)]
    }).sort((a, b) => b - a))
  const locked = new StoreError({
    reason: "Locked",
    message: `Another emulator has ${directory} open. Stop it first, or use another folder.`
  })
  const remove = (file: string) => Effect.ignore(fs.remove(file, { force: true }))
  /** A finished file to be linked or renamed into place: nobody ever sees half of one. */
  const prepare = Effect.fnUntraced(function*(content: string) {
    const file = path.join(directory, `lock-${yield* Random.token(16)}.tmp`)
    yield* fs.writeFile(file, encoder.encode(content), { mode: 0o600 })
    return file
  })
  const free = "free"

  interface Held {
    readonly number: number
    /** What marks the lock free. It is written beforehand, as there may be no space left when it is needed. */
    readonly mark: string
  }

  const attempt: Effect.Effect<Held | undefined, StoreError | PlatformError> = Effect.gen(function*() {
    const [highest] = yield* numbers
    if (highest !== undefined) {
      const holder = yield* fs.readFileString(fileOf(highest)).pipe(Effect.orElseSucceed(() => undefined))
      // Gone: somebody else is taking over this very moment.
      if (holder === undefined) return undefined
      if (holder !== free && (yield* probe.isAlive(holder))) return yield* locked
    }
    const mine = (highest ?? 0) + 1
    const mark = yield* prepare(free)
    const linked = yield* prepare(probe.self).pipe(
      Effect.flatMap((file) => fs.link(file, fileOf(mine)).pipe(Effect.ensuring(remove(file)))),
      Effect.as(true),
      Effect.catchIf((error) => error.reason._tag === "AlreadyExists", () => Effect.succeed(false)),
      Effect.onError(() => remove(mark))
    )
    const after = yield* numbers
    if (linked && after[0] === mine) {
      for (const old of after.slice(1)) yield* remove(fileOf(old))
      return { number: mine, mark }
    }
    // Based on a look that was out of date: somebody else was faster.
    yield* remove(mark)
    if (linked) yield* fs.remove(fileOf(mine), { force: true })
    return undefined
  })

  yield* Effect.acquireRelease(
    attempt.pipe(
      Effect.repeat({ until: (held) => held !== undefined, times: 100 }),
      Effect.filterOrFail((held) => held !== undefined, () => locked)
    ),
    ({ mark, number }) =>
      fs.rename(mark, fileOf(number)).pipe(
        Effect.catch(() => fs.remove(fileOf(number))),
        Effect.ignore
      )
  )
})

interface Replayed {
  readonly secret: string
  readonly next: number
  readonly files: ReadonlyMap<string, FileRecord>
  /** Lines that say something: the more of them are about files that are gone, the more a compaction saves. */
  readonly lines: number
  /** Bytes of the journal up to the end of its last whole line. */
  readonly length: number
}

const apply = (files: Map<string, FileRecord>, entry: Entry) => {
  switch (entry.op) {
    case "put":
      files.set(entry.file.id, entry.file)
      break
    case "delete":
      for (const id of entry.ids) files.delete(id)
      break
    case "expire":
      for (const id of entry.ids) {
        const file = files.get(id)
        if (file !== undefined) files.set(id, { ...file, expired: true, blob: null })
      }
  }
}

/** Reads a journal. A bad line at the very end is what a crash leaves; a bad line before others is not. */
const replay = Effect.fnUntraced(function*(bytes: Uint8Array): Effect.fn.Return<Replayed | undefined, StoreError> {
  const decoder = new TextDecoder()
  const files = new Map<string, FileRecord>()
  let header: typeof Header.Type | undefined
  let next = 1
  let lines = 0
  let start = 0
  let bad: number | undefined
  let length = 0
  while (true) {
    const end = bytes.indexOf(10, start)
    if (end === -1) break
    const value = parseLine(decoder.decode(bytes.subarray(start, end)))
    start = end + 1
    const good = header === undefined ? decodeHeader(value) : decodeEntry(value)
    if (good._tag === "None") {
      bad ??= lines + 1
      continue
    }
    if (bad !== undefined) {
      return yield* new StoreError({
        reason: "Corrupt",
        message: `Line ${bad} of the journal is damaged, and whole lines follow it. Restore the folder from a copy.`
      })
    }
    lines++
    length = start
    if ("version" in good.value) {
      header = good.value
      next = header.next
    } else {
      apply(files, good.value)
      if (good.value.op === "put") next = Math.max(next, good.value.file.sequence + 1)
    }
  }
  if (header === undefined) {
    if (bytes.byteLength === 0) return undefined
    return yield* new StoreError({ reason: "Corrupt", message: "The journal does not start with its header." })
  }
  return { secret: header.secret, next, files, lines, length }
})

/**
 * Opens a folder as a store, creating it if need be (0700, its files 0600). Fails with `Locked` while another process
 * has it open.
 */
export const make = Effect.fnUntraced(function*(directory: string): Effect.fn.Return<
  Store["Service"],
  StoreError,
  FileSystem.FileSystem | Path.Path | ProcessProbe | Scope.Scope
> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const probe = yield* ProcessProbe
  const root = path.resolve(directory)
  const blobs = path.join(root, "blobs")
  const journalPath = path.join(root, "journal.jsonl")
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

  const opening = Effect.gen(function*() {
    yield* fs.makeDirectory(root, { recursive: true, mode: 0o700 })
    yield* syncDirectory(path.dirname(root))
    yield* lock(fs, path, root, probe)
    yield* fs.makeDirectory(blobs, { recursive: true, mode: 0o700 })

    const bytes = (yield* fs.exists(journalPath)) ? yield* fs.readFile(journalPath) : new Uint8Array(0)
    const replayed = (yield* replay(bytes))
      ?? { secret: yield* Random.token(32), next: 1, files: new Map<string, FileRecord>(), lines: 0, length: 0 }

    const present = new Set(yield* fs.readDirectory(blobs))
    const index = FileIndex.make()
    let dropped = 0
    for (const file of [...replayed.files.values()].sort((a, b) => a.sequence - b.sequence)) {
      if (file.blob === null || present.has(file.blob)) index.add(file)
      else dropped++
      if (file.blob !== null) present.delete(file.blob)
    }
    if (dropped > 0) yield* Effect.logWarning(`${dropped} files in ${root} have lost their content and are left out`)
    // What no line names was never acknowledged.
    yield* Effect.forEach(present, (name) => fs.remove(blobPath(name), { force: true }), { discard: true })

    if (replayed.lines !== index.size() + 1) {
      const temporary = `${journalPath}.tmp`
      const text = [
        line({ version: 1, secret: replayed.secret, next: replayed.next }),
        ...index.all().map((file) => line({ op: "put", file }))
      ].join("")
      yield* Effect.scoped(Effect.gen(function*() {
        const file = yield* fs.open(temporary, { flag: "w", mode: 0o600 })
        yield* file.writeAll(encoder.encode(text))
        yield* file.sync
      }))
      yield* fs.rename(temporary, journalPath)
      yield* syncDirectory(root)
    } else if (replayed.length < bytes.byteLength) {
      yield* fs.truncate(journalPath, replayed.length)
    }
    const journal = yield* fs.open(journalPath, { flag: "a" })
    const { size } = yield* journal.stat
    return { index, journal, length: Number(size), next: replayed.next, secret: replayed.secret }
  })

  const { index, journal, secret, ...opened } = yield* opening.pipe(
    Effect.mapError((error) => error instanceof StoreError ? error : ioError(`Can't open ${root}`)(error))
  )
  let length = opened.length
  let next = opened.next
  let broken = false
  const commits = Semaphore.makeUnsafe(1)

  /** Appends and syncs. What could not be written whole is taken back, so that a later line never follows half a one. */
  const append = (entry: Entry): Effect.Effect<void, StoreError> =>
    Effect.suspend(() => {
      if (broken) {
        return Effect.fail(
          new StoreError({ reason: "Io", message: "The journal could not be repaired after a failed write. Restart." })
        )
      }
      const bytes = encoder.encode(line(entry))
      return journal.writeAll(bytes).pipe(
        Effect.andThen(journal.sync),
        Effect.andThen(Effect.sync(() => {
          length += bytes.byteLength
        })),
        Effect.catch((cause) =>
          journal.truncate(length).pipe(
            Effect.andThen(journal.sync),
            Effect.catch(() =>
              Effect.sync(() => {
                broken = true
              })
            ),
            Effect.andThen(Effect.fail(ioError("Can't write the journal")(cause)))
          )
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
    const name = yield* Random.token(32)
    let file: FileSystem.File | undefined
    let size = 0
    let keep = false
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
        })).pipe(Effect.mapError(ioError("Can't store the content"))),
      commit: (record, admit) => {
        const written = file
        return Effect.gen(function*() {
          if (written !== undefined) {
            yield* Effect.uninterruptible(written.sync.pipe(Effect.andThen(syncDirectory(blobs)))).pipe(
              Effect.mapError(ioError("Can't store the content"))
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
    Stream.Stream<Uint8Array, StoreError>,
    StoreError,
    Scope.Scope
  > {
    if (record.blob === null) return Stream.empty
    const failed = ioError(`Can't read the content of ${record.id}`)
    const file = yield* fs.open(blobPath(record.blob), { flag: "r" }).pipe(Effect.mapError(failed))
    return Stream.unfold(
      0,
      (offset) =>
        file.readAlloc(chunkSize, { position: BigInt(offset) }).pipe(
          Effect.map((chunk) =>
            chunk._tag === "None" ? undefined : [chunk.value, offset + chunk.value.byteLength] as const
          ),
          Effect.mapError(failed)
        )
    )
  })

  const sweep = (now: number): Effect.Effect<void, StoreError> =>
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
    stage,
    get: (id) => Effect.sync(() => index.get(id)),
    sequenceOf: (workspace, id) => Effect.sync(() => index.sequenceOf(workspace, id)),
    page: (query) => Effect.sync(() => index.page(query)),
    all: Effect.sync(() => index.all()),
    usedBytes: Effect.sync(() => index.bytes()),
    read,
    remove: (id) => remove([id]),
    sweep,
    clear: Effect.suspend(() => Effect.asVoid(remove(index.all().map((file) => file.id))))
  })
})

/** @see {@link make} */
export const layer = (
  directory: string
): Layer.Layer<Store, StoreError, FileSystem.FileSystem | Path.Path | ProcessProbe> =>
  Layer.effect(Store, make(directory))
