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
import { type Lease, type Leases, make as makeLeases } from "./internal/lease.ts"
import { mimeTypeOf } from "./internal/mimeType.ts"
import { type Hash as Running, ofLines, Sha256 } from "./internal/sha256.ts"
import type { Hashed, Obtained, Wanted } from "./internal/sync.ts"
import * as Sync from "./internal/sync.ts"
import { printable } from "./internal/text.ts"
import type { Progress } from "./Progress.ts"
import * as Transfer from "./Transfer.ts"
import { UploadStore, type UploadStoreFailed } from "./UploadStore.ts"

export type {
  /** Why a folder could not be synchronised. */
  SyncFailed,
  /** What is to be synchronised, and how. */
  SyncOptions,
  /** What became of one path. */
  SyncResult
} from "./internal/sync.ts"

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

/** What is known of the uploads of one name and size, which can't be told apart in a listing. */
const Named = Schema.Struct({
  /** An upload that was begun. */
  intent: Schema.optionalKey(Schema.Struct({
    content: Schema.String,
    /** Epoch milliseconds. */
    since: Schema.Finite,
    expires: Schema.Boolean
  })),
  /** The newest files, and the content that each one holds. */
  known: Schema.Array(Schema.Tuple([FileId, Schema.String]))
})

type Named = typeof Named.Type

/** Files of one name and size that are remembered. */
const maxKnown = 50

/** The service's clock and this one may differ by that much, milliseconds. */
const skew = 60_000

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
const verified = <R>(source: FileSource<R>, { filename, sha256 }: Wanted<R>, version?: string): FileSource<R> => ({
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

const positive = (name: string, input: Duration.Input): Duration.Duration => {
  const duration = Duration.fromInput(input)
  if (Option.isNone(duration) || !Duration.isGreaterThan(duration.value, Duration.zero)) {
    throw new RangeError(`UploadCache: ${name} has to be a positive duration.`)
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
      const key = version === undefined ? undefined : `hash-${ofLines(version)}`
      if (version !== undefined && key !== undefined) {
        const known = hashes.get(version) ?? (store.isLocal && isKept ? yield* leases.read(key, Hash) : undefined)
        if (known !== undefined) {
          remember(version, known)
          return known
        }
      }
      const makeHash = yield* Sha256
      const running = makeHash()
      let size = 0
      const add = (chunk: Uint8Array) => {
        size += chunk.length
        running.update(chunk)
      }
      if (content.bytes !== undefined) add(content.bytes)
      else if (content.isReplayable) yield* Stream.runForEach(content.stream, (chunk) => Effect.sync(() => add(chunk)))
      else {
        return yield* new SourceFailed({
          operation: "upload",
          reason: "Consumed",
          message: `${
            printable(content.filename ?? "The source")
          } can be read only once, and an upload cache reads twice: give it as bytes, as a path, or as a stream that can be run again.`,
          isRetryable: false,
          isOutcomeUnknown: false
        })
      }
      const hashed = { sha256: running.digest(), size }
      if (version !== undefined && key !== undefined) {
        remember(version, hashed)
        if (store.isLocal && isKept) yield* leases.note(key, Hash, hashed)
      }
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

    const fingerprint = yield* Effect.cached(files.fingerprint)

    const keysOf = Effect.fnUntraced(function*(
      { filename, mimeType, sha256, size }: Hashed & { readonly filename: string; readonly mimeType: string }
    ) {
      const where = yield* fingerprint
      return {
        content: `content-${ofLines(where, sha256, String(size), mimeType)}`,
        named: `named-${ofLines(where, filename, String(size))}`
      }
    })

    /** Finds what an upload that nobody saw the end of has left, and clears its intent. */
    const settle = Effect.fnUntraced(function*(
      named: Lease<Named>,
      filename: string,
      size: number
    ): Effect.fn.Return<ReadonlyArray<readonly [FileId, string]>, Failure> {
      const known = named.value?.known ?? []
      const intent = named.value?.intent
      if (intent === undefined) return known
      const ids = new Set(known.map(([id]) => id))
      const candidates = yield* Files.list({ limit: 1000 }).pipe(
        Stream.provideService(Files.Files, files),
        // Newest first.
        Stream.takeWhile((file) => file.created_at.epochMilliseconds >= intent.since - skew),
        Stream.filter((file) =>
          file.filename === filename && file.size_bytes === size && !ids.has(file.id) && !file.downloadable
          && (file.expires_at === null || intent.expires)
        ),
        Stream.take(2),
        Stream.runCollect
      )
      const [found, another] = candidates
      if (found !== undefined && another !== undefined) {
        yield* Effect.annotateLogs(
          Effect.logWarning("An upload was broken off, and more than one file may be what it stored; none is taken"),
          { filename: printable(filename), candidates: candidates.map(({ id }) => id) }
        )
      }
      const settled = found === undefined || another !== undefined
        ? known
        : [...known, [found.id, intent.content] as const]
      yield* named.put({ known: settled })
      return settled
    })

    const obtain = <R>(wanted: Wanted<R>, version?: string): Effect.Effect<Obtained, Failure, R> =>
      Effect.flatMap(keysOf(wanted), (keys) => {
        const attempt: Effect.Effect<Obtained | Lost, Failure, R | Scope.Scope> = Effect.gen(function*() {
          const content = yield* leases.claim(keys.content, Stored)
          const kept = content.value === undefined ? undefined : yield* current(content.value)
          if (kept !== undefined) {
            if (kept !== content.value) yield* content.put(kept)
            return { file: kept.file, uploaded: false, by: kept.by }
          }
          const named = yield* leases.claim(keys.named, Named)
          const known = yield* settle(named, wanted.filename, wanted.size)

          const keep = Effect.fnUntraced(function*(file: FileMetadata, seenAt: number) {
            const { expiresIn } = wanted.options
            const asked = expiresIn === undefined
              ? null
              : seenAt + Duration.toMillis(Duration.fromInputUnsafe(expiresIn))
            return yield* content.put({
              file,
              expiresAt: file.expires_at?.epochMilliseconds ?? asked,
              seenAt,
              ...(wanted.by === undefined ? undefined : { by: wanted.by })
            })
          })

          for (const [id, holds] of known) {
            if (holds !== keys.content || id === content.value?.file.id) continue
            const found = yield* inFiles(Files.find(id))
            const now = yield* Clock.currentTimeMillis
            if (Option.isNone(found) || !isFresh(found.value.expires_at?.epochMilliseconds ?? null, now)) continue
            yield* keep(found.value, now)
            return { file: found.value, uploaded: false, by: wanted.by }
          }

          return yield* Effect.uninterruptibleMask(Effect.fnUntraced(function*(restore) {
            const since = yield* Clock.currentTimeMillis
            const intent = { content: keys.content, since, expires: wanted.options.expiresIn !== undefined }
            if (!(yield* named.put({ intent, known }))) return lost()
            const { progress, ...options } = wanted.options
            const source = verified(wanted.source, wanted, version)
            const named_ = { ...options, filename: wanted.filename }
            const file = yield* restore(inFiles(
              progress === undefined
                ? Files.upload(source, named_)
                : Transfer.upload({ source, ...named_ }, progress)
            )).pipe(
              // Whether it left a file is known, and there is nothing to settle.
              Effect.tapError((error) => error.isOutcomeUnknown ? Effect.void : Effect.ignore(named.put({ known })))
            )
            const noted = yield* named.put({ known: [...known.slice(1 - maxKnown), [file.id, keys.content]] }).pipe(
              Effect.andThen((done) => done ? keep(file, since) : Effect.succeed(false)),
              // The file is there, and the intent with which it will be found again.
              Effect.catch((error) =>
                Effect.as(Effect.logWarning(`${file.id} was uploaded but could not be noted down`, error), true)
              )
            )
            return noted ? { file, uploaded: true, by: wanted.by } : lost(file.id)
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
        // Most often it is there, and nobody has to be kept away.
        return Effect.flatMap(leases.read(keys.content, Stored), (stored) => {
          if (stored === undefined) return again
          return Effect.flatMap(current(stored), (kept) =>
            kept === undefined
              ? again
              : Effect.as(
                kept === stored ? Effect.void : leases.note(keys.content, Stored, kept),
                { file: kept.file, uploaded: false, by: kept.by }
              ))
        })
      })

    const open = <R>(source: FileSource<R>, options: UploadOptions) =>
      Effect.gen(function*() {
        const content = yield* source.open
        const filename = options.filename ?? content.filename ?? ""
        const wanted: Wanted<never> = {
          ...(yield* hash(content, true)),
          filename,
          mimeType: options.mimeType ?? content.mimeType ?? mimeTypeOf(filename) ?? content.fallbackMimeType ?? "",
          source: { ...source, open: Effect.succeed(content) },
          options
        }
        return { wanted, version: content.version }
      })

    const get = <R>(source: FileSource<R>, options: UploadOptions = {}): Effect.Effect<FileMetadata, Failure, R> =>
      open(source, options).pipe(
        Effect.flatMap(({ version, wanted }) => obtain(wanted, version)),
        Effect.tap(({ file, uploaded }) => Effect.annotateCurrentSpan({ "file.id": file.id, uploaded })),
        Effect.map(({ file }) => file),
        Effect.scoped,
        Effect.withSpan("UploadCache.get")
      )

    /** Forgets that a content is in a file, if that still is what is noted down. */
    const drop = (content: string, id: FileId): Effect.Effect<void, UploadStoreFailed> =>
      Effect.scoped(Effect.flatMap(
        leases.claim(content, Stored),
        (lease) => lease.value?.file.id === id ? lease.put(undefined) : Effect.void
      ))

    const isGone = (error: unknown): error is FileNotFound | FileExpired =>
      Predicate.isTagged(error, "FileNotFound") || Predicate.isTagged(error, "FileExpired")

    const use = <R, A, E, R2>(
      source: FileSource<R>,
      f: (file: FileMetadata) => Effect.Effect<A, E, R2>,
      options: UploadOptions = {}
    ): Effect.Effect<A, E | Failure, R | R2> =>
      Effect.flatMap(get(source, options), (file) => {
        const isThis = (error: E): boolean => isGone(error) && (error.fileId === undefined || error.fileId === file.id)
        const anew = Effect.gen(function*() {
          const { wanted } = yield* Effect.scoped(open(source, options))
          yield* drop((yield* keysOf(wanted)).content, file.id)
          return yield* Effect.flatMap(get(source, options), f)
        })
        return Effect.catchIf(f(file), isThis, (error) =>
          // An answer that does not name the file may mean another one.
          isGone(error) && error.fileId !== undefined
            ? anew
            : Effect.flatMap(isServed(file), (served) => served ? Effect.fail(error) : anew))
      })

    /** The file that holds a content, also where an upload was broken off; none is uploaded. */
    const locate = Effect.fnUntraced(function*(
      wanted: Hashed & { readonly filename: string; readonly mimeType: string }
    ): Effect.fn.Return<{ readonly id: FileId; readonly by: string | undefined } | undefined, Failure> {
      const keys = yield* keysOf(wanted)
      const stored = yield* leases.read(keys.content, Stored)
      if (stored !== undefined) return { id: stored.file.id, by: stored.by }
      return yield* Effect.scoped(Effect.gen(function*() {
        const named = yield* leases.claim(keys.named, Named)
        const known = yield* settle(named, wanted.filename, wanted.size)
        const [id] = known.findLast(([, holds]) => holds === keys.content) ?? []
        return id === undefined ? undefined : { id, by: undefined }
      }))
    })

    const sync = Sync.make({
      remove: (id) => files.delete(id),
      fingerprint,
      leases,
      hash,
      obtain,
      locate,
      drop: (wanted, id) => Effect.flatMap(keysOf(wanted), ({ content }) => drop(content, id))
    })

    return UploadCache.of({ get, use, sync })
  })
}

/**
 * {@link make} as a Layer.
 */
export const layer = (options?: Options): Layer.Layer<UploadCache, never, Files.Files | UploadStore> =>
  Layer.effect(UploadCache, Effect.suspend(() => make(options)))

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
