/**
 * Where the emulator keeps its files. One interface, two homes: memory, here, and a folder, in `DirectoryStore`.
 */
import * as Bytes from "effect/Bytes"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as Random from "./internal/random.ts"
import * as FileIndex from "./internal/store/fileIndex.ts"
import { type FileRecord, type NewFile, type Page, type PageQuery, StoreFailed } from "./internal/store/records.ts"

export { type FileRecord, type NewFile, type Page, type PageQuery, StoreFailed } from "./internal/store/records.ts"

/**
 * A file on its way in. Nothing of it is visible before `commit` succeeds; closing the scope it was opened in discards
 * what was not committed.
 */
export interface Staging {
  /** Takes the chunk over: the caller must not write to it afterwards. */
  readonly write: (chunk: Uint8Array) => Effect.Effect<void, StoreFailed>
  /** The commit point. `admit` is asked first, with nothing else committing in between, and may refuse. */
  readonly commit: <E = never>(
    file: NewFile,
    admit?: (usedBytes: number) => Effect.Effect<void, E>
  ) => Effect.Effect<FileRecord, StoreFailed | E>
}

/**
 * Stored files. Expiry is driven from outside through `sweep`, so that a store knows no clock.
 */
export class Store extends Context.Service<Store, {
  /** Makes page cursors of one store useless in another; lives as long as the files do. */
  readonly secret: string
  /** The key that the emulator accepts when none is chosen; lives as long as the files do. */
  readonly key: Redacted.Redacted<string>
  readonly stage: Effect.Effect<Staging, StoreFailed, Scope.Scope>
  /** A file by its id, expired ones included. */
  readonly get: (id: string) => Effect.Effect<FileRecord | undefined>
  /** The place of a file in the listing, of the last ones deleted too. */
  readonly sequenceOf: (workspace: string, id: string) => Effect.Effect<number | undefined>
  /** A page of the listing, newest first. */
  readonly page: (query: PageQuery) => Effect.Effect<Page>
  readonly all: Effect.Effect<ReadonlyArray<FileRecord>>
  readonly usedBytes: Effect.Effect<number>
  /** Opens the content before it answers, so that a missing one fails here and not in the middle of a body. */
  readonly read: (record: FileRecord) => Effect.Effect<Stream.Stream<Uint8Array, StoreFailed>, StoreFailed, Scope.Scope>
  /** Deletes a file; false where there is none. */
  readonly remove: (id: string) => Effect.Effect<boolean, StoreFailed>
  /** Keeps a batch, or what has become of it, as long as the files. */
  readonly keepBatch: (id: string, text: string) => Effect.Effect<void, StoreFailed>
  /** Forgets a batch. */
  readonly dropBatch: (id: string) => Effect.Effect<void, StoreFailed>
  /** The batches that were there when the store was opened. Gives them once. */
  readonly takeBatches: Effect.Effect<ReadonlyArray<string>>
  /** Drops contents that have expired by `now`, and records whose 30 days are over. */
  readonly sweep: (now: number) => Effect.Effect<void, StoreFailed>
  readonly clear: Effect.Effect<void, StoreFailed>
}>()("effect-anthropic-files/emulator/Store") {}

/** Contents below this size are stored as one piece of exactly their size, not as slices of larger buffers. */
const compactBelow = 64 * 1024

/**
 * A store in memory, gone with its scope.
 */
export const makeMemory: Effect.Effect<Store["Service"]> = Effect.gen(function*() {
  const secret = yield* Random.token(32)
  const key = Redacted.make(`${Random.keyPrefix}${yield* Random.token(40)}`)
  const index = FileIndex.make()
  const blobs = new Map<string, ReadonlyArray<Uint8Array>>()
  const commits = Semaphore.makeUnsafe(1)
  let next = 1

  const discard = (record: FileRecord | undefined) => {
    if (record !== undefined && record.blob !== null) blobs.delete(record.blob)
  }

  return Store.of({
    secret,
    key,
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
            if (blob !== null) blobs.set(blob, size < compactBelow ? [Bytes.concat(chunks)] : chunks)
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
          return Effect.fail(new StoreFailed({ reason: "Io", message: `The content of ${record.id} is gone` }))
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
    // Gone with the store, as the batches themselves are.
    keepBatch: () => Effect.void,
    dropBatch: () => Effect.void,
    takeBatches: Effect.succeed([]),
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
