/**
 * Upload once: pass a source, get a file. The same content in the same workspace is uploaded only once, by this process
 * and by all processes that share an `UploadStore`.
 *
 * Content is the same if base URL, identity, SHA-256, size and MIME type are the same. An upload is recorded before it is
 * sent, so an upload whose process died is found again instead of repeated.
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
import { forgetGone, isKnown, trackDeletions } from "./internal/cache/deletions.ts"
import { withDetails } from "./internal/cache/details.ts"
import { contentIn, forget, getOrUpload, isServed, storedIn } from "./internal/cache/getOrUpload.ts"
import * as Leases from "./internal/cache/lease.ts"
import { UploadStore, type UploadStoreFailed } from "./internal/cache/store.ts"
import * as Sync from "./internal/cache/sync.ts"
import { durationOf } from "./internal/duration.ts"
import { internalsOf } from "./internal/files/internals.ts"
import { ofLines } from "./internal/sha256.ts"
import { whole } from "./internal/telemetry.ts"
import { describeValue } from "./internal/text.ts"
import { token } from "./internal/token.ts"

export type {
  /** Why there is no file: the upload or the store failed. */
  Failure,
  /** Options of a single call. */
  UploadOptions
} from "./internal/cache/context.ts"
export {
  /**
   * A folder could not be synchronised.
   *
   * - `Unreadable`: the folder, or one inside it, can't be read; nothing was sent;
   * - `Empty`: deletions were requested but the folder is empty, which probably means that a disk is not mounted; nothing
   *   was deleted;
   * - `TooManyDeletions`: uploads are done, but more files than `maxDeletions` are gone, so nothing was deleted;
   * - `TakenOver`: this process was suspended for longer than the cache's `lease`, and another one took over;
   * - `AlreadyRunning`: the sync was started from within the results of the folder's own sync.
   */
  SyncFailed
} from "./internal/cache/sync.ts"
export type {
  /** A path of a folder, compared with the last sync. */
  Difference,
  /** Options of a sync. */
  SyncOptions,
  /** The outcome for one path. */
  SyncResult
} from "./internal/cache/sync.ts"

/** Options of a cache. */
export interface Options {
  /**
   * How long a file is trusted to exist after the service last confirmed it. An older entry is looked up before it is
   * used, in one request with others that are wanted at the same time. 0 looks up every entry.
   *
   * @default "1 hour"
   */
  readonly maxAge?: Duration.Input | undefined
  /**
   * A file that expires sooner than this is uploaded again.
   *
   * @default "10 minutes"
   */
  readonly expiryMargin?: Duration.Input | undefined
  /**
   * How long a process that died keeps others from uploading the same content. A live process renews its lease. The
   * clocks of all processes that share a store must agree within this time. If a process is suspended for longer, another
   * one takes over and uploads what it can't find.
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
   * The file that holds the source's content: an existing one, or a new upload. Name, expiry and purpose are those of the
   * first upload.
   *
   * The source is read to compute its SHA-256, and once more if it has to be uploaded, so it must be replayable. A path
   * is read again only if its size, modification time or inode has changed. With `key`, the source is read only for an
   * upload.
   */
  readonly get: <R>(source: FileSource<R>, options?: UploadOptions) => Effect.Effect<FileMetadata, Failure, R>
  /**
   * Runs `f` with the file, and once more with a new upload if `f` fails because the file is gone or has expired.
   */
  readonly use: <R, A, E, R2>(
    source: FileSource<R>,
    f: (file: FileMetadata) => Effect.Effect<A, E, R2>,
    options?: UploadOptions
  ) => Effect.Effect<A, E | Failure, R | R2>
  /**
   * Forgets a file, or the file that holds a source's content: the next call uploads that content again. The file itself
   * is not deleted. Files that this cache's client deletes are forgotten automatically.
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
   * Compares a folder with its last sync. See {@link check}.
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
      message: `${option} is ${describeValue(input)}; expected a finite duration ${
        isZeroAllowed ? "of at least 0" : "above 0"
      }, for example "1 hour".`,
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
  const { expiresAt, file, owner, uploaded } = yield* getOrUpload(cache, { ...wanted, owner: wantedFor })
  yield* Effect.annotateCurrentSpan("anthropic.file.id", cache.internals?.scrub(file.id) ?? file.id)
  return { file, expiresAt, owner, uploaded, content: wanted.content, sha256: wanted.hashed?.sha256 }
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
      // An error that does not name a file may be about another one.
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
    // A Files that this package did not make gets a cache of its own, because which files it reaches is not known.
    identity: internals?.identity ?? ofLines("unknown", yield* token),
    leases,
    isLocal: store.isLocal,
    maxAge,
    expiryMargin,
    isDeleted: yield* trackDeletions(leases, internals),
    hashes: new Map(),
    unrecorded: new Map()
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
    {
      getFor: (owner, source, options) => getFound(cache, source, options, owner),
      isKnown: (id) => isKnown(leases, id),
      forgetGone: (id) => forgetGone(leases, id)
    }
  )
})

/**
 * {@link make} as a Layer.
 */
export const layer = (options?: Options): Layer.Layer<UploadCache, InvalidConfig, Files.Files | UploadStore> =>
  Layer.effect(UploadCache, make(options))

/** The file that holds a source's content, from the cache in the context. */
const get_ = <R = never>(
  source: FileSource<R>,
  options?: UploadOptions
): Effect.Effect<FileMetadata, Failure, UploadCache | R> =>
  Effect.flatMap(UploadCache, (cache) => cache.get(source, options))

/** Runs an effect with the file that holds a source's content, from the cache in the context. */
const use_ = <A, E, R2, R = never>(
  source: FileSource<R>,
  f: (file: FileMetadata) => Effect.Effect<A, E, R2>,
  options?: UploadOptions
): Effect.Effect<A, E | Failure, UploadCache | R | R2> =>
  Effect.flatMap(UploadCache, (cache) => cache.use(source, f, options))

/** Makes the cache in the context forget a file, or the file that holds a source's content. */
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
 * Uploads the new and changed contents of a folder, and returns the outcome for every path in the order of completion. A
 * second run over unchanged files reads none of them and sends nothing, except lookups, a hundred ids in each, of files
 * that were last confirmed more than `maxAge` ago.
 *
 * Only regular files are uploaded; links are not followed. Names that begin with a dot are left out unless a glob names
 * them. A file that fails is a result like any other; a folder that can't be read fails the whole sync before anything is
 * sent.
 *
 * With `delete`, files that earlier runs uploaded for this folder and that have since been removed or replaced are
 * deleted at the end: only if nothing failed, never if the folder is empty, and none if they exceed `maxDeletions`. To ask
 * first, pass the ids that {@link check} found to be gone: then no others are deleted.
 *
 * A sync that is killed at any point and run again reaches the same end state, and uploads nothing twice.
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
 * Compares a folder with its last {@link sync} and changes nothing: it records nothing, and makes a request only for a path
 * that is gone and whose upload was interrupted, to find what that upload left. Files whose
 * size, modification time and inode are unchanged since the last run are read only if `checksum` is set.
 */
export const check = (
  directory: string,
  options?: Sync.SyncOptions
): Effect.Effect<
  ReadonlyArray<Sync.Difference>,
  Sync.SyncFailed | UploadStoreFailed | RequestFailed,
  UploadCache | FileSystem.FileSystem | Path.Path
> => Effect.flatMap(UploadCache, (cache) => cache.check(directory, options))
