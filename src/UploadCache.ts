/**
 * Upload once: give a source, get a file. The same content in the same workspace is uploaded a single time, whoever
 * asks: in this process, and in all processes that share an `UploadStore`.
 *
 * What is the same is told by base URL, workspace, SHA-256, size and MIME type. An upload is noted down before it is
 * sent, so that one whose process died is found again instead of being repeated.
 *
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { ContentBlock, FileSource, Messages, UploadCache, UploadStore } from "effect-anthropic-files"
 * import * as NodeFiles from "effect-anthropic-files/NodeFiles"
 *
 * const ask = (question: string) =>
 *   UploadCache.use(FileSource.path("report.pdf"), (file) =>
 *     Effect.flatMap(ContentBlock.document(file), (document) =>
 *       Messages.create({
 *         model: "claude-sonnet-5-5",
 *         max_tokens: 256,
 *         messages: [{ role: "user", content: [document, { type: "text", text: question }] }]
 *       })))
 *
 * const CacheLive = UploadCache.layer().pipe(
 *   Layer.provide(UploadStore.layerDirectory()),
 *   Layer.provideMerge(NodeFiles.layerConfig())
 * )
 *
 * const program = ask("What is it about?").pipe(Effect.provide(CacheLive))
 * ```
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { FileId, FileMetadata } from "./FileMetadata.ts"
import * as Files from "./Files.ts"
import { type FileExpired, type FileNotFound, InvalidConfig, type RequestFailed } from "./FilesError.ts"
import { type FileSource, isFileSource } from "./FileSource.ts"
import { wantedOf } from "./internal/cache/contents.ts"
import type { CacheContext, Failure, UploadOptions } from "./internal/cache/context.ts"
import { trackDeletions } from "./internal/cache/deletions.ts"
import { withDetails } from "./internal/cache/details.ts"
import { contentIn, forget, getOrUpload, isServed, storedIn } from "./internal/cache/getOrUpload.ts"
import * as Leases from "./internal/cache/lease.ts"
import { UploadStore, type UploadStoreFailed } from "./internal/cache/store.ts"
import * as Sync from "./internal/cache/sync.ts"
import { durationOf } from "./internal/duration.ts"
import { internalsOf } from "./internal/files/internals.ts"
import { ofLines } from "./internal/sha256.ts"
import { whole } from "./internal/telemetry.ts"
import { token } from "./internal/token.ts"

export type {
  /** Why there is no file: the upload failed, or the store. */
  Failure,
  /** What a single call may say. */
  UploadOptions
} from "./internal/cache/context.ts"
export {
  /**
   * A folder could not be synchronised.
   *
   * - `Unreadable`: the folder, or one inside it, can't be read; nothing was sent;
   * - `Empty`: deletions were asked for and nothing is left of what was uploaded, which rather means a disk that is not
   *   mounted; nothing was deleted;
   * - `TooManyDeletions`: uploads are done, and nothing was deleted, since more is gone than `maxDeletions`;
   * - `TakenOver`: this process stood still for longer than the cache's `lease`, and another one goes on;
   * - `AlreadyRunning`: the folder was to be synchronised from within the results of its own sync.
   */
  SyncFailed
} from "./internal/cache/sync.ts"
export type {
  /** What a folder and its last sync differ in. */
  Difference,
  /** What is to be synchronised, and how. */
  SyncOptions,
  /** What became of one path. */
  SyncResult
} from "./internal/cache/sync.ts"

/** What a cache is made from. */
export interface Options {
  /**
   * An entry that was last seen longer ago is looked up before it is used, together with others that are asked for at
   * the same time; 0 looks up every one.
   *
   * @default "1 hour"
   */
  readonly maxAge?: Duration.Input | undefined
  /**
   * A file that expires sooner is uploaded anew.
   *
   * @default "10 minutes"
   */
  readonly expiryMargin?: Duration.Input | undefined
  /**
   * How long a process that died keeps others from the content that it was uploading. A live one renews its lease. The
   * clocks of those who share a store have to agree within it, and no process may stand still for longer: where one
   * does, another one takes over, and uploads what it can't find.
   *
   * @default "30 seconds"
   */
  readonly lease?: Duration.Input | undefined
}

/**
 * Content that is uploaded once.
 */
export class UploadCache extends Context.Service<UploadCache, {
  /**
   * The file that holds the source's content: one that is there already, or a new one. Name, expiry and purpose are
   * those of the first upload.
   *
   * The source is read to tell its SHA-256, and once more if it has to be uploaded, so it has to be one that can be
   * read twice. A path is read again only when its size, time of modification or inode has changed. With `key` nothing
   * is read but for an upload.
   */
  readonly get: <R>(source: FileSource<R>, options?: UploadOptions) => Effect.Effect<FileMetadata, Failure, R>
  /**
   * Runs `f` with the file, and once more with a fresh upload when it fails because the file is gone or has expired.
   */
  readonly use: <R, A, E, R2>(
    source: FileSource<R>,
    f: (file: FileMetadata) => Effect.Effect<A, E, R2>,
    options?: UploadOptions
  ) => Effect.Effect<A, E | Failure, R | R2>
  /**
   * Forgets a file, or the one that holds a source's content: the next call uploads that content anew. The file itself
   * stays. What this cache's client deletes is forgotten without that.
   */
  readonly invalidate: <R = never>(
    what: FileSource<R> | FileId,
    options?: UploadOptions
  ) => Effect.Effect<void, Failure, R>
  /**
   * Uploads what is new or changed in a folder. See {@link sync}.
   */
  readonly sync: (
    directory: string,
    options?: Sync.SyncOptions
  ) => Stream.Stream<
    Sync.SyncResult,
    Sync.SyncFailed | UploadStoreFailed | RequestFailed,
    FileSystem.FileSystem | Path.Path
  >
  /**
   * What {@link sync} would find. See {@link check}.
   */
  readonly check: (
    directory: string,
    options?: Sync.SyncOptions
  ) => Effect.Effect<
    ReadonlyArray<Sync.Difference>,
    Sync.SyncFailed | UploadStoreFailed | RequestFailed,
    FileSystem.FileSystem | Path.Path
  >
}>()("effect-anthropic-files/UploadCache") {}

const durationOption = (
  option: keyof Options,
  input: Duration.Input,
  isZeroAllowed: boolean
): Effect.Effect<number, InvalidConfig> => {
  const millis = Option.map(durationOf(input), Duration.toMillis)
  if (
    Option.isSome(millis) && Number.isFinite(millis.value) && (millis.value > 0 || isZeroAllowed && millis.value === 0)
  ) {
    return Effect.succeed(millis.value)
  }
  return Effect.fail(
    new InvalidConfig({
      message: `UploadCache: ${option} has to be a finite duration${isZeroAllowed ? " from 0 on" : " above 0"}.`,
      option
    })
  )
}

const isGone = (error: unknown): error is FileNotFound | FileExpired =>
  Predicate.isTagged(error, "FileNotFound") || Predicate.isTagged(error, "FileExpired")

const get = (cache: CacheContext): UploadCache["Service"]["get"] => (source, options = {}) =>
  Effect.map(getFound(cache, source, options), ({ file }) => file)

const getFound = Effect.fn("UploadCache.get")(function*<R>(
  cache: CacheContext,
  source: FileSource<R>,
  options: UploadOptions,
  wantedFor?: string
) {
  const wanted = yield* wantedOf(cache, source, options)
  const { file, owner, uploaded } = yield* getOrUpload(cache, { ...wanted, owner: wantedFor })
  yield* Effect.annotateCurrentSpan("anthropic.file.id", file.id)
  return { file, owner, uploaded, content: wanted.content, sha256: wanted.hashed?.sha256 }
}, whole)

const use = (cache: CacheContext): UploadCache["Service"]["use"] =>
<R, A, E, R2>(
  source: FileSource<R>,
  f: (file: FileMetadata) => Effect.Effect<A, E, R2>,
  options: UploadOptions = {}
) =>
  Effect.flatMap(getFound(cache, source, options), ({ content, file }) => {
    const isThis = (error: E): boolean => isGone(error) && (error.fileId === undefined || error.fileId === file.id)
    const anew = Effect.andThen(forget(cache, content, file.id), Effect.flatMap(get(cache)(source, options), f))
    return Effect.catchIf(f(file), isThis, (error): Effect.Effect<A, E | Failure, R | R2> => {
      // An answer that does not name the file may mean another one.
      if (isGone(error) && error.fileId !== undefined) return anew
      return Effect.flatMap(isServed(cache, file), (served) => served ? Effect.fail(error) : anew)
    })
  })

const invalidate = (cache: CacheContext): UploadCache["Service"]["invalidate"] => (what, options = {}) =>
  Effect.gen(function*() {
    const content = isFileSource(what)
      ? (yield* wantedOf(cache, what, options)).content
      : yield* contentIn(cache, what)
    if (content === undefined) return
    const id = isFileSource(what) ? yield* storedIn(cache, content) : what
    if (id !== undefined) yield* forget(cache, content, id)
  })

/**
 * A cache over the `Files` and the `UploadStore` in the context.
 */
export const make = Effect.fnUntraced(function*(
  options: Options = {}
): Effect.fn.Return<UploadCache["Service"], InvalidConfig, Files.Files | UploadStore | Scope.Scope> {
  const maxAge = yield* durationOption("maxAge", options.maxAge ?? "1 hour", true)
  const expiryMargin = yield* durationOption("expiryMargin", options.expiryMargin ?? "10 minutes", false)
  const lease = yield* durationOption("lease", options.lease ?? "30 seconds", false)
  const files = yield* Files.Files
  const store = yield* UploadStore
  const leases = yield* Leases.make(store, Duration.millis(lease))
  const internals = internalsOf(files)
  const cache: CacheContext = {
    files,
    internals,
    // A Files of the user's own has a cache to itself: nothing tells which files it reaches.
    identity: internals?.identity ?? ofLines("unknown", yield* token),
    leases,
    isLocal: store.isLocal,
    maxAge,
    expiryMargin,
    isDeleted: yield* trackDeletions(leases, internals),
    hashes: new Map(),
    unnoted: new Map()
  }
  const running: Sync.Running = new Map()
  return withDetails(
    UploadCache.of({
      get: get(cache),
      use: use(cache),
      invalidate: invalidate(cache),
      sync: (directory, options) => Sync.sync(cache, running, directory, options),
      check: (directory, options) => Sync.check(cache, directory, options)
    }),
    { getFor: (owner, source, options) => getFound(cache, source, options, owner) }
  )
})

/**
 * {@link make} as a Layer.
 */
export const layer = (options?: Options): Layer.Layer<UploadCache, InvalidConfig, Files.Files | UploadStore> =>
  Layer.effect(UploadCache, make(options))

/** The file that holds a source's content, by the cache in the context. */
const get_ = <R = never>(
  source: FileSource<R>,
  options?: UploadOptions
): Effect.Effect<FileMetadata, Failure, UploadCache | R> =>
  Effect.flatMap(UploadCache, (cache) => cache.get(source, options))

/** Runs an effect with the file that holds a source's content, by the cache in the context. */
const use_ = <A, E, R2, R = never>(
  source: FileSource<R>,
  f: (file: FileMetadata) => Effect.Effect<A, E, R2>,
  options?: UploadOptions
): Effect.Effect<A, E | Failure, UploadCache | R | R2> =>
  Effect.flatMap(UploadCache, (cache) => cache.use(source, f, options))

/** Forgets a file, or the one that holds a source's content, by the cache in the context. */
const invalidate_ = <R = never>(
  what: FileSource<R> | FileId,
  options?: UploadOptions
): Effect.Effect<void, Failure, UploadCache | R> =>
  Effect.flatMap(UploadCache, (cache) => cache.invalidate(what, options))

export {
  /** {@link UploadCache.get} of the service in the context. */
  get_ as get,
  /** {@link UploadCache.invalidate} of the service in the context. */
  invalidate_ as invalidate,
  /** {@link UploadCache.use} of the service in the context. */
  use_ as use
}

/**
 * Uploads what is new or changed in a folder, by content, and tells of every path what became of it, in the order in
 * which they are done. A second run over unchanged files reads none of them and sends nothing, except to look up, a
 * hundred at a time, what was last seen longer than `maxAge` ago.
 *
 * Regular files only: links are not followed. Names that begin with a dot are left out unless a glob names them. A file
 * that fails is a result like any other; a folder that can't be read ends it all before anything is sent.
 *
 * With `delete`, files that this folder's earlier runs uploaded and that are gone from it, or were replaced, are deleted
 * at the end: only when nothing failed, never when the folder is empty, and none if they are more than `maxDeletions`.
 *
 * Killed at any point and run again, it comes to the same end, with nothing uploaded twice.
 */
export const sync = (
  directory: string,
  options?: Sync.SyncOptions
): Stream.Stream<
  Sync.SyncResult,
  Sync.SyncFailed | UploadStoreFailed | RequestFailed,
  UploadCache | FileSystem.FileSystem | Path.Path
> => Stream.unwrap(Effect.map(UploadCache, (cache) => cache.sync(directory, options)))

/**
 * Compares a folder with its last {@link sync}, and changes nothing: no request is made, nothing is noted down. Files
 * whose size, time of modification and inode are those of the last run are not read, unless `checksum` asks for it.
 */
export const check = (
  directory: string,
  options?: Sync.SyncOptions
): Effect.Effect<
  ReadonlyArray<Sync.Difference>,
  Sync.SyncFailed | UploadStoreFailed | RequestFailed,
  UploadCache | FileSystem.FileSystem | Path.Path
> => Effect.flatMap(UploadCache, (cache) => cache.check(directory, options))
