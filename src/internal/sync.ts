/**
 * A folder and what was uploaded of it.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Glob from "effect/Glob"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type DeletedFile, FileId, type FileMetadata } from "../FileMetadata.ts"
import type { DeleteError, SourceFailed, UploadError } from "../FilesError.ts"
import * as FileSource from "../FileSource.ts"
import type { UploadOptions } from "../UploadCache.ts"
import type { UploadStoreFailed } from "../UploadStore.ts"
import { versionOf } from "./fileVersion.ts"
import type { Leases } from "./lease.ts"
import { mimeTypeOf } from "./mimeType.ts"
import { ofLines } from "./sha256.ts"

export interface Hashed {
  readonly sha256: string
  /** Bytes. */
  readonly size: number
}

/** Something to have in the workspace. */
export interface Wanted<R> extends Hashed {
  readonly filename: string
  readonly mimeType: string
  readonly source: FileSource.FileSource<R>
  readonly options: UploadOptions
  /** The folder that it belongs to. */
  readonly by?: string | undefined
}

export interface Obtained {
  readonly file: FileMetadata
  readonly uploaded: boolean
  readonly by: string | undefined
}

/**
 * A folder could not be synchronised.
 *
 * - `InvalidOption`: `option` is wrong; nothing was done;
 * - `Unreadable`: the folder, or one inside it, can't be read; nothing was sent;
 * - `Empty`: nothing is left of what was uploaded, which rather means a disk that is not mounted; nothing was deleted;
 * - `TooManyDeletions`: uploads are done, and nothing was deleted, since more is gone than `maxDeletions`;
 * - `TakenOver`: this process stood still for longer than the cache's `lease`, and another one goes on.
 */
export class SyncFailed extends Schema.TaggedError<SyncFailed>("effect-anthropic-files/SyncFailed")("SyncFailed", {
  operation: Schema.Literal("upload"),
  reason: Schema.Literals(["InvalidOption", "Unreadable", "Empty", "TooManyDeletions", "TakenOver"]),
  message: Schema.String,
  directory: Schema.String,
  isRetryable: Schema.Boolean,
  isOutcomeUnknown: Schema.Boolean,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

export interface SyncOptions {
  /**
   * Globs over the paths below the folder, with `/` on every system.
   *
   * @default ["**"]
   */
  readonly include?: ReadonlyArray<string> | undefined
  /** Globs of what is left out, for example `["**\/node_modules/**", "*.tmp"]`. */
  readonly exclude?: ReadonlyArray<string> | undefined
  /**
   * Deletes what this folder's earlier runs uploaded and no longer is in it.
   *
   * @default false
   */
  readonly delete?: boolean | undefined
  /**
   * If there is more to delete than that, nothing is.
   *
   * @default 100
   */
  readonly maxDeletions?: number | undefined
  /**
   * Files at a time.
   *
   * @default 8
   */
  readonly concurrency?: number | undefined
  /** How long the service keeps what is uploaded: see the upload's own option. */
  readonly expiresIn?: UploadOptions["expiresIn"]
  /** Where to count the bytes of uploads. */
  readonly progress?: UploadOptions["progress"]
  /**
   * What this folder is called in the store. Machines that share a store and have different folders at the same path
   * need different names.
   *
   * @default its absolute path
   */
  readonly name?: string | undefined
}

export type SyncResult =
  | {
    /**
     * Compared with the last run that this path was part of. `New` is also what an earlier run did not come to the end
     * of.
     */
    readonly _tag: "Unchanged" | "New" | "Changed"
    /** Below the folder, with `/` on every system. */
    readonly path: string
    readonly file: FileMetadata
    /** `false` where the same content was there already, under whatever path. */
    readonly uploaded: boolean
  }
  | { readonly _tag: "Failed"; readonly path: string; readonly error: UploadError | UploadStoreFailed }
  | { readonly _tag: "Deleted"; readonly path: string; readonly id: FileId }
  | {
    readonly _tag: "DeleteFailed"
    readonly path: string
    readonly id: FileId
    readonly error: DeleteError | UploadStoreFailed
  }

const Entry = Schema.Struct({
  sha256: Schema.String,
  size: Schema.Natural,
  version: Schema.optionalKey(Schema.String),
  /** Absent as long as it is only meant to be uploaded. */
  id: Schema.optionalKey(FileId),
  /** Whether it was uploaded for this folder. */
  isOwn: Schema.Boolean
})

type Entry = typeof Entry.Type

const Manifest = Schema.Struct({
  entries: Schema.Array(Schema.Tuple([Schema.String, Entry])),
  /** Files that no path has any longer, with the last one that had them. */
  stale: Schema.Array(
    Schema.Tuple([FileId, Schema.Struct({ path: Schema.String, sha256: Schema.String, size: Schema.Natural })])
  )
})

interface Found {
  readonly path: string
  readonly absolute: string
  readonly version: string | undefined
}

type Planned =
  | { readonly _tag: "Ready"; readonly file: Found; readonly hashed: Hashed; readonly version: string | undefined }
  | { readonly _tag: "Failed"; readonly file: Found; readonly error: SourceFailed | UploadStoreFailed }

/** Files that are read for their hash at a time. */
const hashedAtOnce = 4

const isSame = (a: Hashed, b: Hashed): boolean => a.sha256 === b.sha256 && a.size === b.size

/** What the cache can do, as far as a folder needs it. */
export interface Cache {
  readonly fingerprint: Effect.Effect<string>
  readonly leases: Leases
  readonly hash: (
    content: FileSource.Content,
    isKept: boolean
  ) => Effect.Effect<Hashed, SourceFailed | UploadStoreFailed>
  readonly obtain: <R>(
    wanted: Wanted<R>,
    version: string | undefined
  ) => Effect.Effect<Obtained, UploadError | UploadStoreFailed, R>
  readonly locate: (
    wanted: Hashed & { readonly filename: string; readonly mimeType: string }
  ) => Effect.Effect<
    { readonly id: FileId; readonly by: string | undefined } | undefined,
    UploadError | UploadStoreFailed
  >
  readonly drop: (
    wanted: Hashed & { readonly filename: string; readonly mimeType: string },
    id: FileId
  ) => Effect.Effect<void, UploadStoreFailed>
  readonly remove: (id: FileId) => Effect.Effect<DeletedFile, DeleteError>
}

export const make = (cache: Cache) =>
(
  directory: string,
  options: SyncOptions = {}
): Stream.Stream<SyncResult, SyncFailed | UploadStoreFailed, FileSystem.FileSystem | Path.Path> =>
  Stream.unwrap(
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const fail = (reason: SyncFailed["reason"], message: string, cause?: unknown) =>
        new SyncFailed({
          operation: "upload",
          reason,
          message,
          directory,
          isRetryable: reason === "TakenOver",
          isOutcomeUnknown: false,
          ...(cause === undefined ? undefined : { cause })
        })
      const wrong = problemOf(directory, options)
      if (wrong !== undefined) return yield* fail("InvalidOption", wrong)
      const onError = (cause: PlatformError) =>
        fail("Unreadable", `${JSON.stringify(directory)} can't be read: ${cause.message}. Nothing was sent.`, cause)

      const root = yield* Effect.mapError(fs.realPath(directory), onError)
      const found = yield* Effect.mapError(scan(fs, path, root, options), onError)

      const folder = ofLines(yield* cache.fingerprint, JSON.stringify(options.name ?? root))
      const lease = yield* cache.leases.claim(`sync-${folder}`, Manifest)
      const before = new Map(lease.value?.entries)
      const stale = new Map(lease.value?.stale)
      if (options.delete === true && found.length === 0 && before.size > 0) {
        return yield* fail(
          "Empty",
          `${JSON.stringify(directory)} holds nothing of the ${before.size} files that it had: nothing was deleted.`
        )
      }

      const plan = yield* Effect.forEach(found, (file): Effect.Effect<Planned, never, FileSystem.FileSystem> => {
        const known = before.get(file.path)
        if (known !== undefined && file.version !== undefined && known.version === file.version) {
          return Effect.succeed({ _tag: "Ready", file, hashed: known, version: file.version })
        }
        return FileSource.path(file.absolute).open.pipe(
          Effect.flatMap((content) =>
            Effect.map(cache.hash(content, false), (hashed): Planned => ({
              _tag: "Ready",
              file,
              hashed,
              version: content.version
            }))
          ),
          Effect.scoped,
          Effect.catch((error): Effect.Effect<Planned> => Effect.succeed({ _tag: "Failed", file, error }))
        )
      }, { concurrency: hashedAtOnce })

      const wantedOf = (relative: string, { sha256, size }: Hashed) => {
        const filename = relative.slice(relative.lastIndexOf("/") + 1)
        return { sha256, size, filename, mimeType: mimeTypeOf(filename) ?? "" }
      }

      const entries = new Map<string, Entry>()
      for (const planned of plan) {
        const known = before.get(planned.file.path)
        if (planned._tag === "Failed") {
          if (known !== undefined) entries.set(planned.file.path, known)
          continue
        }
        const { hashed: { sha256, size }, version } = planned
        const isKept = known !== undefined && isSame(known, planned.hashed)
        entries.set(planned.file.path, {
          sha256,
          size,
          ...(version === undefined ? undefined : { version }),
          ...(isKept && known.id !== undefined ? { id: known.id } : undefined),
          isOwn: isKept && known.isOwn
        })
      }
      for (const [relative, known] of before) {
        const now = entries.get(relative)
        if (now !== undefined && isSame(now, known)) continue
        const { isOwn, sha256, size } = known
        // An earlier run may have been broken off while this was uploaded.
        const left = known.id === undefined
          ? yield* Effect.orElseSucceed(cache.locate(wantedOf(relative, known)), () => undefined)
          : { id: known.id, by: isOwn ? folder : "" }
        if (left !== undefined && (left.by ?? folder) === folder) stale.set(left.id, { path: relative, sha256, size })
      }

      const save = Effect.suspend(() => lease.put({ entries: Array.from(entries), stale: Array.from(stale) })).pipe(
        Effect.filterOrFail((done) => done, () =>
          fail("TakenOver", `Another process took ${JSON.stringify(directory)} over: run it again.`))
      )
      // What is about to be uploaded is noted down first: whatever happens, it can be found and deleted again.
      if (
        entries.size !== before.size || Array.from(entries.values()).some((entry) =>
          entry.id === undefined
        )
      ) yield* save

      let failures = 0
      const one = (planned: Planned): Effect.Effect<SyncResult, never, FileSystem.FileSystem> => {
        const relative = planned.file.path
        if (planned._tag === "Failed") {
          failures++
          return Effect.succeed({ _tag: "Failed", path: relative, error: planned.error })
        }
        const known = before.get(relative)
        const { expiresIn, progress } = options
        return cache.obtain({
          ...wantedOf(relative, planned.hashed),
          source: FileSource.path(planned.file.absolute),
          options: { expiresIn, progress },
          by: folder
        }, planned.version).pipe(
          Effect.map(({ by, file, uploaded }): SyncResult => {
            const entry = entries.get(relative)
            if (entry !== undefined) {
              entries.set(relative, { ...entry, id: file.id, isOwn: by === folder })
            }
            return {
              _tag: known?.id === undefined ? "New" : isSame(known, planned.hashed) ? "Unchanged" : "Changed",
              path: relative,
              file,
              uploaded
            }
          }),
          Effect.catch((error): Effect.Effect<SyncResult> =>
            Effect.sync(() => {
              failures++
              return { _tag: "Failed", path: relative, error }
            })
          )
        )
      }

      const remove = ([id, { path: relative, sha256, size }]: typeof Manifest.Type["stale"][number]) =>
        // First out of the cache, so that nobody is given a file that is about to go.
        cache.drop(wantedOf(relative, { sha256, size }), id).pipe(
          Effect.andThen(Effect.asVoid(cache.remove(id))),
          Effect.catchTag("FileNotFound", () => Effect.void),
          Effect.match({
            onFailure: (error): SyncResult => ({ _tag: "DeleteFailed", path: relative, id, error }),
            onSuccess: (): SyncResult => {
              stale.delete(id)
              return { _tag: "Deleted", path: relative, id }
            }
          })
        )

      const deletions = Stream.unwrap(Effect.gen(function*() {
        const used = new Set(Array.from(entries.values(), ({ id }) => id))
        for (const id of stale.keys()) if (used.has(id)) stale.delete(id)
        if (options.delete !== true || failures > 0) return Stream.empty
        const doomed = Array.from(stale)
        const most = options.maxDeletions ?? 100
        if (doomed.length > most) {
          yield* save
          return yield* fail(
            "TooManyDeletions",
            `${doomed.length} files are gone from ${
              JSON.stringify(directory)
            }, more than the ${most} of maxDeletions: nothing was deleted.`
          )
        }
        return Stream.mapEffect(Stream.fromIterable(doomed), remove, { concurrency: options.concurrency ?? 8 })
      }))

      const saved = JSON.stringify([lease.value?.entries ?? [], lease.value?.stale ?? []])
      const finish = Effect.suspend(() =>
        JSON.stringify([Array.from(entries), Array.from(stale)]) === saved ? Effect.void : save
      )

      return Stream.fromIterable(plan).pipe(
        Stream.mapEffect(one, { concurrency: options.concurrency ?? 8, unordered: true }),
        Stream.concat(deletions),
        Stream.concat(Stream.fromEffectDrain(finish))
      )
    }).pipe(Effect.withSpan("UploadCache.sync", { attributes: { directory } }))
  )

const problemOf = (directory: string, options: SyncOptions): string | undefined => {
  const { concurrency = 8, exclude = [], include = [], maxDeletions = 100 } = options
  if (typeof directory !== "string" || directory === "") return "sync needs the path of a folder."
  if (!Number.isInteger(concurrency) || concurrency < 1) return "concurrency has to be a whole number from 1 on."
  if (!Number.isInteger(maxDeletions) || maxDeletions < 0) return "maxDeletions has to be a whole number from 0 on."
  if (![...include, ...exclude].every((glob) => typeof glob === "string" && glob !== "")) {
    return "include and exclude have to be lists of globs."
  }
  return undefined
}

/** Regular files below a folder, sorted by path. */
const scan = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  path: Path.Path,
  root: string,
  options: SyncOptions
): Effect.fn.Return<ReadonlyArray<Found>, PlatformError> {
  const include = (options.include ?? ["**"]).map((pattern) => Glob.make(pattern))
  const exclude = (options.exclude ?? []).map((pattern) => Glob.make(pattern, { dot: true }))
  const hidden = options.include?.some((pattern) => /(^|[/{,])\./.test(pattern)) ?? false
  const isExcluded = (relative: string) => exclude.some((glob) => Glob.match(glob, relative))
  const now = yield* Clock.currentTimeMillis
  const found: Array<Found> = []
  const folders = [""]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const name of yield* fs.readDirectory(path.join(root, folder))) {
      const relative = folder === "" ? name : `${folder}/${name}`
      const absolute = path.join(root, relative)
      const info = yield* fs.lstat(absolute).pipe(
        Effect.asSome,
        // Deleted since its folder was listed.
        Effect.catchIf((error) => error.reason._tag === "NotFound", () => Effect.succeedNone)
      )
      if (Option.isNone(info)) continue
      if (info.value.type === "Directory") {
        if ((hidden || !name.startsWith(".")) && !isExcluded(`${relative}/`)) folders.push(relative)
      } else if (
        info.value.type === "File" && include.some((glob) => Glob.match(glob, relative)) && !isExcluded(relative)
      ) {
        found.push({ path: relative, absolute, version: versionOf(info.value, now) })
      }
    }
  }
  return found.sort((a, b) => a.path < b.path ? -1 : 1)
})
