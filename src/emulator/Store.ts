/**
 * The store of an emulator's files: an interface with two implementations, in memory (here) and in a folder
 * (`DirectoryStore`).
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
 * A file that is being stored. Nothing of it is visible before `commit` succeeds. Closing its scope discards what was not
 * committed.
 */
export interface Staging {
  /** Takes over the chunk: the caller must not change it afterwards. */
  readonly write: (chunk: Uint8Array) => Effect.Effect<void, StoreFailed>
  /** The commit point. `admit` runs first, with no other commit in between, and may refuse. */
  readonly commit: <E = never>(
    file: NewFile,
    admit?: (usedBytes: number) => Effect.Effect<void, E>
  ) => Effect.Effect<FileRecord, StoreFailed | E>
}

/**
 * Stored files. A store has no clock: files expire when `sweep` is called.
 */
export class Store extends Context.Service<Store, {
  /** Makes the page cursors of one store invalid in another. It lasts as long as the files. */
  readonly secret: string
  /** The key that the emulator accepts when none is chosen. It lasts as long as the files. */
  readonly key: Redacted.Redacted<string>
  readonly stage: Effect.Effect<Staging, StoreFailed, Scope.Scope>
  /** A file by its id, expired ones included. */
  readonly get: (id: string) => Effect.Effect<FileRecord | undefined>
  /** The place of a file in the listing, also of one that was deleted recently. */
  readonly sequenceOf: (workspace: string, id: string) => Effect.Effect<number | undefined>
  /** A page of the listing, newest first. */
  readonly page: (query: PageQuery) => Effect.Effect<Page>
  readonly all: Effect.Effect<ReadonlyArray<FileRecord>>
  readonly usedBytes: Effect.Effect<number>
  /** Opens the content first, so that a missing one fails here and not in the middle of a body. */
  readonly read: (record: FileRecord) => Effect.Effect<Stream.Stream<Uint8Array, StoreFailed>, StoreFailed, Scope.Scope>
  /** Deletes a file; `false` if there is none. */
  readonly remove: (id: string) => Effect.Effect<boolean, StoreFailed>
  /** Stores the state of a batch. It lasts as long as the files. */
  readonly keepBatch: (id: string, text: string) => Effect.Effect<void, StoreFailed>
  /** Forgets a batch. */
  readonly dropBatch: (id: string) => Effect.Effect<void, StoreFailed>
  /** The batches that existed when the store was opened. Gives them once. */
  readonly takeBatches: Effect.Effect<ReadonlyArray<string>>
  /** Drops the contents of files that have expired by `now`, and the records of those that expired 30 days before. */
  readonly sweep: (now: number) => Effect.Effect<void, StoreFailed>
  readonly clear: Effect.Effect<void, StoreFailed>
}>()("effect-anthropic-files/emulator/Store") {}

/** Smaller contents are copied into one buffer of their size, so that they don't keep larger buffers alive. */
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
          return Effect.fail(new StoreFailed({ reason: "Io", message: `The content of ${record.id} is gone.` }))
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
    // Batches in memory end with the store anyway.
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
 * A store in memory. The Layer is fresh, so that each emulator gets a store of its own.
 *
 * @see {@link makeMemory}
 */
export const layerMemory: Layer.Layer<Store> = Layer.fresh(Layer.effect(Store, makeMemory))
