/**
 * Where the emulator keeps its files. One interface, two homes: memory, here, and a folder, in `DirectoryStore`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { FileId } from "../FileMetadata.ts"
import * as Random from "./internal/random.ts"
import * as FileIndex from "./internal/store/fileIndex.ts"

/**
 * A stored file as the store keeps it. Times are milliseconds since 1970.
 */
export interface FileRecord {
  /** Grows with every file and never repeats: it orders the listing and is what a page cursor holds. */
  readonly sequence: number
  readonly id: FileId
  readonly workspace: string
  readonly filename: string
  readonly mimeType: string
  readonly size: number
  readonly createdAt: number
  readonly expiresAt: number | null
  readonly downloadable: boolean
  readonly scope: { readonly id: string; readonly type: string } | null
  readonly purpose: string | null
  /** The content is gone; the metadata is answered for 30 more days. */
  readonly expired: boolean
  /** Name of the content in the store; `null` when there is none, because it is empty or gone. */
  readonly blob: string | null
}

/** What the caller decides about a new file; the store adds the rest. */
export type NewFile = Omit<FileRecord, "sequence" | "size" | "expired" | "blob">

/**
 * Why the store could not do its work.
 *
 * - `Locked`: another emulator has the folder open.
 * - `Corrupt`: the journal holds a damaged line before its end, which no crash can leave behind.
 * - `Io`: the disk is full, a permission is missing, or the like.
 */
export class StoreError extends Schema.TaggedError<StoreError>()("StoreError", {
  reason: Schema.Literals(["Locked", "Corrupt", "Io"]),
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/**
 * A file on its way in. Nothing of it is visible before `commit` succeeds; closing the scope it was opened in discards
 * what was not committed.
 */
export interface Staging {
  /** Takes the chunk over: the caller must not write to it afterwards. */
  readonly write: (chunk: Uint8Array) => Effect.Effect<void, StoreError>
  /** The commit point. `admit` is asked first, with nothing else committing in between, and may refuse. */
  readonly commit: <E = never>(
    file: NewFile,
    admit?: (usedBytes: number) => Effect.Effect<void, E>
  ) => Effect.Effect<FileRecord, StoreError | E>
}

/**
 * Stored files. Expiry is driven from outside through `sweep`, so that a store knows no clock.
 */
export class Store extends Context.Service<Store, {
  /** Makes page cursors of one store useless in another; lives as long as the files do. */
  readonly secret: string
  readonly stage: Effect.Effect<Staging, StoreError, Scope.Scope>
  readonly get: (id: string) => Effect.Effect<FileRecord | undefined>
  readonly sequenceOf: (workspace: string, id: string) => Effect.Effect<number | undefined>
  readonly page: (query: FileIndex.PageQuery) => Effect.Effect<FileIndex.Page>
  readonly all: Effect.Effect<ReadonlyArray<FileRecord>>
  readonly usedBytes: Effect.Effect<number>
  /** Opens the content before it answers, so that a missing one fails here and not in the middle of a body. */
  readonly read: (record: FileRecord) => Effect.Effect<Stream.Stream<Uint8Array, StoreError>, StoreError, Scope.Scope>
  readonly remove: (id: string) => Effect.Effect<boolean, StoreError>
  /** Drops contents that have expired by `now`, and records whose 30 days are over. */
  readonly sweep: (now: number) => Effect.Effect<void, StoreError>
  readonly clear: Effect.Effect<void, StoreError>
}>()("effect-anthropic-files/emulator/Store") {}

/** Contents below this size are stored as one piece of exactly their size, not as slices of larger buffers. */
const compactBelow = 64 * 1024

const concat = (chunks: ReadonlyArray<Uint8Array>, size: number): Uint8Array => {
  const out = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    out.set(chunk, offset)
    offset += chunk.byteLength
  }
  return out
}

/**
 * A store in memory, gone with its scope.
 */
export const makeMemory: Effect.Effect<Store["Service"]> = Effect.gen(function*() {
  const secret = yield* Random.token(32)
  const index = FileIndex.make()
  const blobs = new Map<string, ReadonlyArray<Uint8Array>>()
  const commits = Semaphore.makeUnsafe(1)
  let next = 1

  const discard = (record: FileRecord | undefined) => {
    if (record !== undefined && record.blob !== null) blobs.delete(record.blob)
  }

  return Store.of({
    secret,
    stage: Effect.sync((): Staging => {
      const chunks: Array<Uint8Array> = []
      let size = 0
      return {
        write: (chunk) =>
          Effect.sync(() => {
            chunks.push(chunk)
            size += chunk.byteLength
          }),
        commit: (file, admit) =>
          commits.withPermit(Effect.gen(function*() {
            if (admit !== undefined) yield* admit(index.bytes())
            const blob = size === 0 ? null : file.id
            if (blob !== null) blobs.set(blob, size < compactBelow ? [concat(chunks, size)] : chunks)
            const record: FileRecord = { ...file, sequence: next++, size, expired: false, blob }
            index.add(record)
            return record
          }))
      }
    }),
    get: (id) => Effect.sync(() => index.get(id)),
    sequenceOf: (workspace, id) => Effect.sync(() => index.sequenceOf(workspace, id)),
    page: (query) => Effect.sync(() => index.page(query)),
    all: Effect.sync(() => index.all()),
    usedBytes: Effect.sync(() => index.bytes()),
    read: (record) =>
      Effect.suspend(() => {
        if (record.blob === null) return Effect.succeed(Stream.empty)
        const chunks = blobs.get(record.blob)
        if (chunks === undefined) {
          return Effect.fail(new StoreError({ reason: "Io", message: `The content of ${record.id} is gone` }))
        }
        // One chunk at a time: a consumer that joins what it pulls must not hold the whole file twice.
        return Effect.succeed(Stream.fromIterable(chunks, { chunkSize: 1 }))
      }),
    remove: (id) =>
      Effect.sync(() => {
        const record = index.remove(id)
        discard(record)
        return record !== undefined
      }),
    sweep: (now) =>
      Effect.sync(() => {
        const due = index.due(now)
        for (const id of due.expired) {
          discard(index.get(id))
          index.markExpired(id)
        }
        for (const id of due.forgotten) discard(index.remove(id))
      }),
    clear: Effect.sync(() => {
      for (const record of index.all()) discard(index.remove(record.id))
    })
  })
})

/**
 * A store in memory. Fresh, since a layer is otherwise built once and shared by all who name it.
 *
 * @see {@link makeMemory}
 */
export const layerMemory: Layer.Layer<Store> = Layer.fresh(Layer.effect(Store, makeMemory))
