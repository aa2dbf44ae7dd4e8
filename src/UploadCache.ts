/**
 * Upload once: give a source, get a file. The same content in the same workspace is uploaded a single time, whoever
 * asks: in this process, and in all processes that share an `UploadStore`.
 *
 * What is the same is told by base URL, workspace, SHA-256, size and MIME type. An upload is noted down before it is
 * sent, so that one whose process died is found again instead of being repeated.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { FileId, FileMetadata } from "./FileMetadata.ts"
import * as Files from "./Files.ts"
import { type FileExpired, type FileNotFound, SourceFailed, type UploadError } from "./FilesError.ts"
import type { Content, FileSource } from "./FileSource.ts"
import { type Lease, type Leases, make as makeLeases } from "./internal/cache/lease.ts"
import type { Hashed, Obtained, Wanted } from "./internal/cache/sync.ts"
import * as Sync from "./internal/cache/sync.ts"
import { internalsOf } from "./internal/files/internals.ts"
import { invalidRequest } from "./internal/request/errors.ts"
import { type Hash as Running, ofLines, Sha256 } from "./internal/sha256.ts"
import { printable } from "./internal/text.ts"
import { token } from "./internal/token.ts"
import { mimeTypeOf } from "./internal/wire/mimeType.ts"
import type { Progress } from "./Progress.ts"
import * as Transfer from "./Transfer.ts"
import { UploadStore, type UploadStoreFailed } from "./UploadStore.ts"

export {
  /** Why a folder could not be synchronised. */
  SyncFailed
} from "./internal/cache/sync.ts"
export type {
  /** What is to be synchronised, and how. */
  SyncOptions,
  /** What became of one path. */
  SyncResult
} from "./internal/cache/sync.ts"

export interface Options {
  /**
   * An entry that was last seen longer ago is looked up before it is used, together with others that are asked for at
   * the same time.
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
   * How long a process that died keeps others from the content that it was uploading. One that lives renews its lease.
   * The clocks of those who share a store have to agree within it.
   *
   * @default "30 seconds"
   */
  readonly lease?: Duration.Input | undefined
}

export interface UploadOptions extends Files.UploadOptions {
  /** Where to count the bytes of an upload. */
  readonly progress?: Progress | undefined
}

export type Failure = UploadError | UploadStoreFailed

/**
 * Content that is uploaded once.
 */
export class UploadCache extends Context.Service<UploadCache, {
  /**
   * The file that holds the source's content: one that is there already, or a new one. Name, expiry and purpose are
   * those of the first upload.
   *
   * The source is read to tell its SHA-256, and once more if it has to be uploaded, so it has to be one that can be
   * read twice. A path is read again only when its size, time of modification or inode has changed.
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
   * Uploads what is new or changed in a folder. See {@link sync}.
   */
  readonly sync: (
    directory: string,
    options?: Sync.SyncOptions
  ) => Stream.Stream<
    Sync.SyncResult,
    Sync.SyncFailed | UploadStoreFailed,
    FileSystem.FileSystem | Path.Path
  >
}>()("effect-anthropic-files/UploadCache") {}

/** A file that holds a content. */
const Stored = Schema.Struct({
  file: FileMetadata,
  /** Epoch milliseconds. The beta dialect does not tell; then it is what was asked for. */
  expiresAt: Schema.NullOr(Schema.Finite),
  /** When the service was last known to have it, epoch milliseconds. */
  seenAt: Schema.Finite,
  /** The folder that it was uploaded for. */
  by: Schema.optionalKey(Schema.String)
})

type Stored = typeof Stored.Type

/**
 * An upload of some name and size that was begun. There is one at a time: in a listing two could not be told apart.
 */
const Intent = Schema.Struct({
  content: Schema.String,
  mimeType: Schema.String,
  /** Epoch milliseconds. */
  since: Schema.Finite,
  /** Milliseconds. */
  expiresIn: Schema.optionalKey(Schema.Finite),
  by: Schema.optionalKey(Schema.String)
})

/** What a file that was uploaded holds; never forgotten, so that it is never taken for another one. */
const Known = Schema.Struct({ content: Schema.String, by: Schema.optionalKey(Schema.String) })

/** A file that was found to hold a content which somebody else was uploading when it was broken off. */
const Left = Schema.Struct({
  id: FileId,
  expiresAt: Schema.NullOr(Schema.Finite),
  by: Schema.optionalKey(Schema.String)
})

/** Hashes of paths that are kept in memory. */
const maxHashes = 10_000

const Hash = Schema.Struct({ sha256: Schema.String, size: Schema.Natural })

/** Another one has it now; `made` is what was uploaded meanwhile. */
interface Lost {
  readonly _tag: "Lost"
  readonly made?: FileId
}

const lost = (made?: FileId): Lost => ({ _tag: "Lost", ...(made === undefined ? undefined : { made }) })

const changed = (name: string): SourceFailed =>
  new SourceFailed({
    operation: "upload",
    reason: "Changed",
    message: `${printable(name)} changed after it was read for its hash: nothing was stored, upload it again.`,
    source: name,
    isRetryable: false,
    isOutcomeUnknown: false
  })

/** The same source, which fails if it no longer is what was hashed. */
const verified = <R>({ filename, sha256, source, version }: Wanted<R>): FileSource<R> => ({
  ...source,
  open: Effect.gen(function*() {
    const content = yield* source.open
    if (version !== undefined && content.version === version) return content
    const makeHash = yield* Sha256
    if (content.bytes !== undefined) {
      return hashOf(makeHash, content.bytes) === sha256 ? content : yield* changed(filename)
    }
    return {
      ...content,
      stream: Stream.suspend(() => {
        const hash = makeHash()
        return Stream.concat(
          Stream.map(content.stream, (chunk) => {
            hash.update(chunk)
            return chunk
          }),
          // Before the request's last byte: a request that is broken off stores nothing.
          Stream.suspend(() => hash.digest() === sha256 ? Stream.empty : Stream.fail(changed(filename)))
        )
      })
    }
  })
})

const hashOf = (makeHash: () => Running, bytes: Uint8Array): string => {
  const hash = makeHash()
  hash.update(bytes)
  return hash.digest()
}

/** Reads a content to its end. */
const hashedOf = Effect.fnUntraced(function*(
  { bytes, filename, isReplayable, stream }: Content
): Effect.fn.Return<Hashed, SourceFailed> {
  const makeHash = yield* Sha256
  if (bytes !== undefined) return { sha256: hashOf(makeHash, bytes), size: bytes.length }
  if (!isReplayable) {
    return yield* new SourceFailed({
      operation: "upload",
      reason: "Consumed",
      message: `${
        printable(filename ?? "The source")
      } can be read only once, and an upload cache reads twice: give it as bytes, as a path, or as a stream that can be run again.`,
      isRetryable: false,
      isOutcomeUnknown: false
    })
  }
  const hash = makeHash()
  let size = 0
  yield* Stream.runForEach(stream, (chunk) =>
    Effect.sync(() => {
      size += chunk.length
      hash.update(chunk)
    }))
  return { sha256: hash.digest(), size }
})

/** What is no duration is refused by the upload itself. */
const expiresInMillis = ({ expiresIn }: UploadOptions): number | undefined =>
  expiresIn === undefined
    ? undefined
    : Option.getOrUndefined(Option.map(Duration.fromInput(expiresIn), Duration.toMillis))

const positive = (name: string, input: Duration.Input): Duration.Duration => {
  const duration = Duration.fromInput(input)
  if (
    Option.isNone(duration) || !Duration.isFinite(duration.value)
    || !Duration.isGreaterThan(duration.value, Duration.zero)
  ) {
    throw new RangeError(`UploadCache: ${name} has to be a positive, finite duration.`)
  }
  return duration.value
}

/**
 * A cache over the `Files` and the `UploadStore` in the context. Throws a `RangeError` for a duration that is not
 * positive.
 */
export const make = (
  options: Options = {}
): Effect.Effect<UploadCache["Service"], never, Files.Files | UploadStore | Scope.Scope> => {
  const maxAge = Duration.toMillis(positive("maxAge", options.maxAge ?? "1 hour"))
  const expiryMargin = Duration.toMillis(positive("expiryMargin", options.expiryMargin ?? "10 minutes"))
  const lease = positive("lease", options.lease ?? "30 seconds")

  return Effect.gen(function*() {
    const files = yield* Files.Files
    const store = yield* UploadStore
    const leases: Leases = yield* makeLeases(store, lease)
    const hashes = new Map<string, Hashed>()
    const inFiles = Effect.provideService(Files.Files, files)

    const remember = (version: string, hashed: Hashed) => {
      const [oldest] = hashes.keys()
      if (hashes.size >= maxHashes && oldest !== undefined) hashes.delete(oldest)
      hashes.set(version, hashed)
    }

    /**
     * SHA-256 and size of what is open; read only if it has not been before.
     *
     * @param isKept whether to keep it for other processes, where they have the same paths
     */
    const hash = Effect.fnUntraced(function*(content: Content, isKept: boolean): Effect.fn.Return<
      Hashed,
      SourceFailed | UploadStoreFailed
    > {
      const { version } = content
      const remembered = version === undefined ? undefined : hashes.get(version)
      if (remembered !== undefined) return remembered
      const cell = version !== undefined && isKept && store.isLocal
        ? yield* leases.read(`hash-${ofLines(version)}`, Hash)
        : undefined
      const hashed = cell?.value ?? (yield* hashedOf(content))
      if (version !== undefined) remember(version, hashed)
      if (cell !== undefined && cell.value === undefined) yield* cell.put(hashed)
      return hashed
    })

    const isFresh = (expiresAt: number | null, now: number): boolean =>
      expiresAt === null || expiresAt - now > expiryMargin

    /** Whether a file may be handed out; one that was not seen for long is looked up. */
    const current = Effect.fnUntraced(function*(stored: Stored): Effect.fn.Return<Stored | undefined, UploadError> {
      const now = yield* Clock.currentTimeMillis
      if (!isFresh(stored.expiresAt, now)) return undefined
      // A clock that was set back makes an entry old.
      if (stored.seenAt <= now && now - stored.seenAt < maxAge) return stored
      const found = yield* inFiles(Files.find(stored.file.id))
      if (Option.isNone(found)) return undefined
      const expiresAt = found.value.expires_at?.epochMilliseconds ?? stored.expiresAt
      return isFresh(expiresAt, now) ? { ...stored, file: found.value, expiresAt, seenAt: now } : undefined
    })

    const isServed = (file: FileMetadata): Effect.Effect<boolean, UploadError> =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.map(
          inFiles(Files.find(file.id)),
          Option.exists(({ expires_at }) => expires_at === null || expires_at.epochMilliseconds > now)
        ))

    const internals = internalsOf(files)
    // A Files of the user's own has a cache to itself: nothing tells which files it reaches.
    const identity = internals?.identity ?? ofLines("unknown", yield* token)

    const keysOf = ({ filename, mimeType, sha256, size }: Sync.Sought) => {
      const content = ofLines(identity, sha256, String(size), mimeType)
      return {
        content: `content-${content}`,
        left: `left-${content}`,
        named: `named-${ofLines(identity, filename.normalize(), String(size))}`
      }
    }

    const knownOf = (id: FileId) => leases.read(`file-${ofLines(id)}`, Known)

    /** Whether it was noted down; it is not when it was before. */
    const know = (id: FileId, content: string, by: string | undefined) =>
      Effect.flatMap(knownOf(id), (cell) => cell.put({ content, ...(by === undefined ? undefined : { by }) }))

    const expiryOf = (file: FileMetadata, expiresIn: number | undefined): number | null =>
      file.expires_at?.epochMilliseconds
        ?? (expiresIn === undefined ? null : file.created_at.epochMilliseconds + expiresIn)

    /** Finds what an upload that nobody saw the end of has left, and clears its intent. */
    const settle = Effect.fnUntraced(function*(
      named: Lease<typeof Intent.Type>,
      filename: string,
      size: number
    ): Effect.fn.Return<void, Failure> {
      const intent = named.value
      if (intent === undefined) return
      const { by, content, expiresIn, mimeType, since } = intent
      const found = internals === undefined ? Option.none() : yield* internals.findUploads({
        filename,
        size,
        since,
        ...(mimeType === "" ? undefined : { mimeType }),
        ...(expiresIn === undefined ? undefined : { expiresIn })
      })
      const candidates: Array<FileMetadata> = []
      for (const file of Option.getOrElse(found, () => [])) {
        const { isTorn, value } = yield* knownOf(file.id)
        if (value === undefined ? !isTorn : value.content === content) candidates.push(file)
      }
      const [file] = candidates
      if (file !== undefined && candidates.length === 1) {
        yield* know(file.id, content, by)
        const left = yield* leases.read(content.replace("content-", "left-"), Left)
        yield* left.put({
          id: file.id,
          expiresAt: expiryOf(file, expiresIn),
          ...(by === undefined ? undefined : { by })
        })
      } else if (file !== undefined || Option.isNone(found)) {
        yield* Effect.annotateLogs(
          Effect.logWarning("An upload was broken off, and what it may have stored can't be told from other files"),
          { filename: printable(filename), candidates: candidates.map(({ id }) => id) }
        )
      }
      yield* named.put(undefined)
    })

    const obtain = <R>(wanted: Wanted<R>): Effect.Effect<Obtained, Failure, R> =>
      Effect.suspend(() => {
        const keys = keysOf(wanted)
        const expiresIn = expiresInMillis(wanted.options)
        const by = wanted.by === undefined ? undefined : { by: wanted.by }

        const attempt: Effect.Effect<Obtained | Lost, Failure, R | Scope.Scope> = Effect.gen(function*() {
          const content = yield* leases.claim(keys.content, Stored)
          const kept = content.value === undefined ? undefined : yield* current(content.value)
          if (kept !== undefined) {
            if (kept !== content.value) yield* content.put(kept)
            return { file: kept.file, uploaded: false, by: kept.by }
          }
          const named = yield* leases.claim(keys.named, Intent)
          yield* settle(named, wanted.filename, wanted.size)

          const cell = yield* leases.read(keys.left, Left)
          const left = cell.value
          if (left !== undefined) {
            const now = yield* Clock.currentTimeMillis
            const found = left.id !== content.value?.file.id && isFresh(left.expiresAt, now)
              ? yield* inFiles(Files.find(left.id))
              : Option.none()
            if (Option.isSome(found)) {
              const { expiresAt, id: _, ...of } = left
              yield* content.put({ file: found.value, expiresAt, seenAt: now, ...of })
            }
            yield* cell.put(undefined)
            if (Option.isSome(found)) return { file: found.value, uploaded: false, by: left.by }
          }

          return yield* Effect.uninterruptibleMask(Effect.fnUntraced(function*(restore) {
            const since = yield* Clock.currentTimeMillis
            const intent = {
              content: keys.content,
              mimeType: wanted.mimeType,
              since,
              ...(expiresIn === undefined ? undefined : { expiresIn }),
              ...by
            }
            if (!(yield* named.put(intent))) return lost()
            const { progress, ...options } = wanted.options
            const input = { ...options, filename: wanted.filename, source: verified(wanted) }
            const file = yield* restore(inFiles(Transfer.upload(input, progress))).pipe(
              // Whether it left a file is known, and there is nothing to settle.
              Effect.tapError((error) => error.isOutcomeUnknown ? Effect.void : Effect.ignore(named.finish(undefined)))
            )
            const expiresAt = expiryOf(file, expiresIn)
            const isNoted = yield* know(file.id, keys.content, wanted.by).pipe(
              Effect.andThen(content.finish({ file, expiresAt, seenAt: since, ...by })),
              Effect.tap((done) => done ? named.finish(undefined) : Effect.void),
              // The file is there, and the intent with which it will be found again.
              Effect.catch((error) =>
                Effect.as(Effect.logWarning(`${file.id} was uploaded but could not be noted down`, error), true)
              )
            )
            if (isNoted) return { file, uploaded: true, by: wanted.by }
            yield* Effect.ignore(
              Effect.flatMap(leases.read(keys.left, Left), (cell) => cell.put({ id: file.id, expiresAt, ...by }))
            )
            return lost(file.id)
          }))
        })

        const again: Effect.Effect<Obtained, Failure, R> = Effect.flatMap(Effect.scoped(attempt), (obtained) => {
          if (!("_tag" in obtained)) return Effect.succeed(obtained)
          // This process stood still for so long that another one took over.
          const { made } = obtained
          return Effect.tap(
            Effect.suspend(() => again),
            ({ file }) => made === undefined || file.id === made ? Effect.void : Effect.ignore(files.delete(made))
          )
        })

        if (expiresIn !== undefined && expiresIn <= expiryMargin) {
          return Effect.fail(invalidRequest(
            "upload",
            "expiresIn",
            `A file that expires within the cache's expiryMargin of ${
              Duration.format(Duration.millis(expiryMargin))
            } would never be used again.`
          ))
        }
        // Most often it is there, and nobody has to be kept away.
        return Effect.flatMap(leases.read(keys.content, Stored), (cell) => {
          const stored = cell.value
          if (stored === undefined) return again
          return Effect.flatMap(current(stored), (kept) =>
            kept === undefined
              ? again
              : Effect.as(
                // Somebody may have found out in the meantime that it is gone.
                kept === stored ? Effect.void : cell.put(kept),
                { file: kept.file, uploaded: false, by: kept.by }
              ))
        })
      })

    /** Reads a source for its hash, and closes it again: who waits for another's upload keeps nothing open. */
    const describe = <R>(
      source: FileSource<R>,
      options: UploadOptions
    ): Effect.Effect<Wanted<R>, SourceFailed | UploadStoreFailed, R> =>
      Effect.scoped(Effect.gen(function*() {
        const content = yield* source.open
        const filename = options.filename ?? content.filename ?? ""
        return {
          ...(yield* hash(content, true)),
          filename,
          mimeType: options.mimeType ?? content.mimeType ?? mimeTypeOf(filename) ?? content.fallbackMimeType ?? "",
          source,
          version: content.version,
          options
        }
      }))

    const obtained = Effect.fn("UploadCache.get")(function*<R>(source: FileSource<R>, options: UploadOptions) {
      const wanted = yield* describe(source, options)
      const { file, uploaded } = yield* obtain(wanted)
      yield* Effect.annotateCurrentSpan({ "file.id": file.id, uploaded })
      return { file, keys: keysOf(wanted) }
    })

    const get = <R>(source: FileSource<R>, options: UploadOptions = {}): Effect.Effect<FileMetadata, Failure, R> =>
      Effect.map(obtained(source, options), ({ file }) => file)

    /** Forgets that a content is in a file, if that still is what is noted down. */
    const drop = (
      keys: { readonly content: string; readonly left: string },
      id: FileId
    ): Effect.Effect<void, UploadStoreFailed> =>
      Effect.scoped(Effect.gen(function*() {
        const lease = yield* leases.claim(keys.content, Stored)
        const left = yield* leases.read(keys.left, Left)
        if (left.value?.id === id) yield* left.put(undefined)
        if (lease.value?.file.id === id) yield* lease.finish(undefined)
      }))

    const isGone = (error: unknown): error is FileNotFound | FileExpired =>
      Predicate.isTagged(error, "FileNotFound") || Predicate.isTagged(error, "FileExpired")

    const use = <R, A, E, R2>(
      source: FileSource<R>,
      f: (file: FileMetadata) => Effect.Effect<A, E, R2>,
      options: UploadOptions = {}
    ): Effect.Effect<A, E | Failure, R | R2> =>
      Effect.flatMap(obtained(source, options), ({ file, keys }) => {
        const isThis = (error: E): boolean => isGone(error) && (error.fileId === undefined || error.fileId === file.id)
        const anew = Effect.andThen(drop(keys, file.id), Effect.flatMap(get(source, options), f))
        return Effect.catchIf(f(file), isThis, (error) =>
          // An answer that does not name the file may mean another one.
          isGone(error) && error.fileId !== undefined
            ? anew
            : Effect.flatMap(isServed(file), (served) => served ? Effect.fail(error) : anew))
      })

    /** The file that holds a content, also where an upload was broken off; none is uploaded. */
    const locate = Effect.fnUntraced(function*(
      sought: Sync.Sought
    ): Effect.fn.Return<{ readonly id: FileId; readonly by: string | undefined } | undefined, Failure> {
      const keys = keysOf(sought)
      const stored = (yield* leases.read(keys.content, Stored)).value
      if (stored !== undefined) return { id: stored.file.id, by: stored.by }
      return yield* Effect.scoped(Effect.gen(function*() {
        const named = yield* leases.claim(keys.named, Intent)
        yield* settle(named, sought.filename, sought.size)
        const left = (yield* leases.read(keys.left, Left)).value
        return left === undefined ? undefined : { id: left.id, by: left.by }
      }))
    })

    const sync = Sync.make({
      remove: (id) => files.delete(id),
      identity,
      leases,
      hash,
      obtain,
      locate,
      drop: (sought, id) => drop(keysOf(sought), id)
    })

    return UploadCache.of({ get, use, sync })
  })
}

/**
 * {@link make} as a Layer.
 */
export const layer = (options?: Options): Layer.Layer<UploadCache, never, Files.Files | UploadStore> =>
  Layer.effect(UploadCache, make(options))

/** {@link UploadCache.get} of the service in the context. */
export const get = <R = never>(
  source: FileSource<R>,
  options?: UploadOptions
): Effect.Effect<FileMetadata, Failure, UploadCache | R> =>
  Effect.flatMap(UploadCache, (cache) => cache.get(source, options))

/** {@link UploadCache.use} of the service in the context. */
export const use = <A, E, R2, R = never>(
  source: FileSource<R>,
  f: (file: FileMetadata) => Effect.Effect<A, E, R2>,
  options?: UploadOptions
): Effect.Effect<A, E | Failure, UploadCache | R | R2> =>
  Effect.flatMap(UploadCache, (cache) => cache.use(source, f, options))

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
  Sync.SyncFailed | UploadStoreFailed,
  UploadCache | FileSystem.FileSystem | Path.Path
> => Stream.unwrap(Effect.map(UploadCache, (cache) => cache.sync(directory, options)))
