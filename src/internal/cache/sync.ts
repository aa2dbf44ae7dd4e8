/**
 * A folder and what was uploaded of it.
 */
import type * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Glob from "effect/Glob"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type DeletedFile, FileId, type FileMetadata } from "../../FileMetadata.ts"
import type { DeleteError, SourceFailed, UploadError } from "../../FilesError.ts"
import * as FileSource from "../../FileSource.ts"
import type { UploadOptions } from "../../UploadCache.ts"
import type { UploadStoreFailed } from "../../UploadStore.ts"
import { fromPlatformError } from "../files/sourceFailed.ts"
import { ofLines } from "../sha256.ts"
import { printable } from "../text.ts"
import { mimeTypeOf } from "../wire/mimeType.ts"
import type { Leases } from "./lease.ts"
import { versionOf } from "./versions.ts"

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
  /** Of the source that was hashed, where it has one. */
  readonly version: string | undefined
  readonly options: UploadOptions
  /** The folder that it belongs to. */
  readonly by?: string | undefined
}

/** What tells a content, and the name under which it is looked for. */
export type Sought = Pick<Wanted<never>, "sha256" | "size" | "filename" | "mimeType">

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
 * - `Empty`: deletions were asked for and nothing is left of what was uploaded, which rather means a disk that is not
 *   mounted; nothing was deleted;
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

/** What no path has any longer, with the last one that had it. */
const Stale = Schema.Struct({
  path: Schema.String,
  sha256: Schema.String,
  size: Schema.Natural,
  /** Absent where a run was broken off before it was known. */
  id: Schema.optionalKey(FileId)
})

type Stale = typeof Stale.Type

const Manifest = Schema.Struct({
  entries: Schema.Array(Schema.Tuple([Schema.String, Entry])),
  stale: Schema.Array(Stale)
})

interface Found {
  readonly path: string
  readonly absolute: string
  readonly version: string | undefined
}

interface Unreadable {
  readonly path: string
  readonly error: SourceFailed
}

type Planned =
  | { readonly _tag: "Ready"; readonly file: Found; readonly hashed: Hashed; readonly version: string | undefined }
  | { readonly _tag: "Failed"; readonly path: string; readonly error: SourceFailed | UploadStoreFailed }

/** Files that are read for their hash at a time. */
const hashedAtOnce = 4

const isSame = (a: Hashed, b: Hashed): boolean => a.sha256 === b.sha256 && a.size === b.size

/** What the cache can do, as far as a folder needs it. */
export interface Cache {
  readonly identity: string
  readonly leases: Leases
  readonly hash: (
    content: FileSource.Content,
    isKept: boolean
  ) => Effect.Effect<Hashed, SourceFailed | UploadStoreFailed>
  readonly obtain: <R>(wanted: Wanted<R>) => Effect.Effect<Obtained, UploadError | UploadStoreFailed, R>
  readonly locate: (sought: Sought) => Effect.Effect<
    { readonly id: FileId; readonly by: string | undefined } | undefined,
    UploadError | UploadStoreFailed
  >
  readonly drop: (sought: Sought, id: FileId) => Effect.Effect<void, UploadStoreFailed>
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
      const shown = printable(String(directory))
      const wrong = problemOf(directory, options)
      if (wrong !== undefined) return yield* fail("InvalidOption", wrong)
      const onError = (cause: PlatformError) =>
        fail("Unreadable", `${shown} can't be read: ${printable(cause.message)}. Nothing was sent.`, cause)

      const root = yield* Effect.mapError(fs.realPath(directory), onError)
      const isWanted = filterOf(options)
      const { found, unreadable } = yield* Effect.mapError(scan(fs, path, root, isWanted), onError)

      const folder = ofLines(cache.identity, JSON.stringify(options.name ?? root))
      const lease = yield* cache.leases.claim(`sync-${folder}`, Schema.Never)
      const manifest = yield* cache.leases.read(`manifest-${folder}`, Manifest)
      const before = new Map(manifest.value?.entries)
      const stale = new Set<Stale>(manifest.value?.stale)
      if (found.length === 0 && unreadable.length === 0 && before.size + stale.size > 0) {
        // A disk that is not mounted looks like this. Nothing may follow from it, not even in a later run.
        return options.delete === true
          ? yield* fail(
            "Empty",
            `${shown} holds none of the ${before.size} files that it had: nothing was deleted.`
          )
          : Stream.empty
      }

      const plan: ReadonlyArray<Planned> = yield* Effect.forEach(
        found,
        (file): Effect.Effect<Planned, never, FileSystem.FileSystem> => {
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
            Effect.catch((error): Effect.Effect<Planned> => Effect.succeed({ _tag: "Failed", path: file.path, error }))
          )
        },
        { concurrency: hashedAtOnce }
      )

      const soughtOf = (relative: string, { sha256, size }: Hashed): Sought => {
        const filename = relative.slice(relative.lastIndexOf("/") + 1)
        return { sha256, size, filename, mimeType: mimeTypeOf(filename) ?? "" }
      }

      const entries = new Map<string, Entry>()
      for (const planned of plan) {
        if (planned._tag === "Failed") continue
        const { file, hashed: { sha256, size }, version } = planned
        const known = before.get(file.path)
        const isKept = known !== undefined && isSame(known, planned.hashed)
        entries.set(file.path, {
          sha256,
          size,
          ...(version === undefined ? undefined : { version }),
          ...(isKept && known.id !== undefined ? { id: known.id } : undefined),
          isOwn: isKept && known.isOwn
        })
      }
      const failed = new Set(
        [...unreadable, ...plan.filter((planned) => planned._tag === "Failed")].map(({ path }) => path)
      )
      for (const [relative, known] of before) {
        const now = entries.get(relative)
        // Nothing is known of what failed, or is left out this time.
        if (now === undefined && (failed.has(relative) || !isWanted(relative))) entries.set(relative, known)
        else if ((now === undefined || !isSame(now, known)) && (known.id === undefined || known.isOwn)) {
          const { id, sha256, size } = known
          stale.add({ path: relative, sha256, size, ...(id === undefined ? undefined : { id }) })
        }
      }

      const saving = () => ({ entries: Array.from(entries), stale: Array.from(stale) })
      let saved = JSON.stringify(manifest.value ?? { entries: [], stale: [] })
      const takenOver = fail("TakenOver", `Another process took ${shown} over: run it again.`)
      const save = Effect.suspend(() => {
        const next = saving()
        const text = JSON.stringify(next)
        if (text === saved) return Effect.void
        return Effect.flatMap(manifest.put(next), (done) => {
          if (!done) return Effect.fail(takenOver)
          saved = text
          return Effect.void
        })
      })
      // What is about to be uploaded is noted down first: whatever happens, it can be found and deleted again.
      yield* save

      let failures = unreadable.length
      const one = (planned: Planned): Effect.Effect<SyncResult, never, FileSystem.FileSystem> => {
        if (planned._tag === "Failed") {
          failures++
          return Effect.succeed(planned)
        }
        const relative = planned.file.path
        const known = before.get(relative)
        const { expiresIn, progress } = options
        return cache.obtain({
          ...soughtOf(relative, planned.hashed),
          source: FileSource.path(planned.file.absolute),
          version: planned.version,
          options: { expiresIn, progress },
          by: folder
        }).pipe(
          Effect.map(({ by, file, uploaded }): SyncResult => {
            const entry = entries.get(relative)
            if (entry !== undefined) entries.set(relative, { ...entry, id: file.id, isOwn: by === folder })
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

      /** One file, and all the paths that had it. */
      const remove = (
        id: FileId,
        paths: Arr.NonEmptyReadonlyArray<Stale>
      ): Effect.Effect<ReadonlyArray<SyncResult>, SyncFailed> =>
        // Somebody else may be uploading the very content again.
        lease.renew.pipe(
          Effect.flatMap((isMine) => isMine ? Effect.void : Effect.fail(takenOver)),
          // First out of the cache, so that nobody is given a file that is about to go.
          Effect.andThen(cache.drop(soughtOf(paths[0].path, paths[0]), id)),
          Effect.andThen(Effect.asVoid(cache.remove(id))),
          Effect.catchTag("FileNotFound", () => Effect.void),
          Effect.map(() =>
            paths.map((one): SyncResult => {
              stale.delete(one)
              return { _tag: "Deleted", path: one.path, id }
            })
          ),
          Effect.catchIf(
            (error) => error._tag !== "SyncFailed",
            (error) => Effect.succeed(paths.map(({ path }): SyncResult => ({ _tag: "DeleteFailed", path, id, error })))
          )
        )

      const deletions = Stream.unwrap(Effect.gen(function*() {
        const used = new Set(Array.from(entries.values(), ({ id }) => id))
        for (const one of stale) if (one.id !== undefined && used.has(one.id)) stale.delete(one)
        if (options.delete !== true || failures > 0) return Stream.empty
        const doomed = new Map<FileId, Arr.NonEmptyArray<Stale>>()
        for (const one of stale) {
          let { id } = one
          if (id === undefined) {
            const located = yield* Effect.option(cache.locate(soughtOf(one.path, one)))
            if (Option.isNone(located)) continue
            if (located.value?.by === folder && !used.has(located.value.id)) id = located.value.id
          }
          const others = id === undefined ? undefined : doomed.get(id)
          if (id === undefined) stale.delete(one)
          else if (others === undefined) doomed.set(id, [one])
          else others.push(one)
        }
        yield* save
        const most = options.maxDeletions ?? 100
        if (doomed.size > most) {
          return yield* fail(
            "TooManyDeletions",
            `${doomed.size} files are gone from ${shown}, more than the ${most} of maxDeletions: nothing was deleted.`
          )
        }
        return Stream.fromIterable(doomed).pipe(
          Stream.mapEffect(([id, paths]) => remove(id, paths), { concurrency: options.concurrency ?? 8 }),
          Stream.flattenIterable
        )
      }))

      return Stream.fromIterable(unreadable.map((failure): SyncResult => ({ _tag: "Failed", ...failure }))).pipe(
        Stream.concat(Stream.mapEffect(Stream.fromIterable(plan), one, {
          concurrency: options.concurrency ?? 8,
          unordered: true
        })),
        Stream.concat(deletions),
        Stream.concat(Stream.fromEffectDrain(save))
      )
    }).pipe(Effect.withSpan("UploadCache.sync", { attributes: { directory } }))
  )

const problemOf = (directory: unknown, options: SyncOptions | null): string | undefined => {
  if (options === null || typeof options !== "object") return "sync takes its options as an object."
  const { concurrency = 8, exclude = [], include = [], maxDeletions = 100, name = "" } = options
  if (typeof directory !== "string" || directory === "") return "sync needs the path of a folder."
  if (!Number.isInteger(concurrency) || concurrency < 1) return "concurrency has to be a whole number from 1 on."
  if (!Number.isInteger(maxDeletions) || maxDeletions < 0) return "maxDeletions has to be a whole number from 0 on."
  if (typeof name !== "string") return "name has to be a string."
  const areGlobs = (globs: unknown) =>
    Array.isArray(globs) && globs.every((glob) => typeof glob === "string" && glob !== "")
  if (!areGlobs(include) || !areGlobs(exclude)) return "include and exclude have to be lists of globs."
  return undefined
}

/** Whether a path is one to be looked after; one that ends in `/` is a folder. */
const filterOf = (options: SyncOptions): (relative: string) => boolean => {
  const include = (options.include ?? ["**"]).map((pattern) => Glob.make(pattern))
  const exclude = (options.exclude ?? []).map((pattern) => Glob.make(pattern, { dot: true }))
  const takesHidden = options.include?.some((pattern) => /(^|[/{,])\./.test(pattern)) ?? false
  const isIn = (relative: string): boolean => {
    const name = relative.replace(/\/$/, "").replace(/^.*\//, "")
    if (relative.endsWith("/") && name.startsWith(".") && !takesHidden) return false
    return !exclude.some((glob) => Glob.match(glob, relative))
      && (relative.endsWith("/") || include.some((glob) => Glob.match(glob, relative)))
  }
  return (relative) => {
    for (let at = relative.indexOf("/"); at >= 0 && at < relative.length - 1; at = relative.indexOf("/", at + 1)) {
      if (!isIn(relative.slice(0, at + 1))) return false
    }
    return isIn(relative)
  }
}

const isMissing = (error: PlatformError): boolean => error.reason._tag === "NotFound"

/** Regular files below a folder, sorted by path, and what could not be looked at. */
const scan = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  path: Path.Path,
  root: string,
  isWanted: (relative: string) => boolean
): Effect.fn.Return<
  { readonly found: ReadonlyArray<Found>; readonly unreadable: ReadonlyArray<Unreadable> },
  PlatformError
> {
  const now = yield* Clock.currentTimeMillis
  const found: Array<Found> = []
  const unreadable: Array<Unreadable> = []
  const folders = [""]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const names = yield* fs.readDirectory(path.join(root, folder)).pipe(
      // A folder that went away since its parent was listed has no files; the root is there.
      Effect.catchIf((error) => folder !== "" && isMissing(error), () => Effect.succeed<Array<string>>([]))
    )
    for (const name of names) {
      const relative = folder === "" ? name : `${folder}/${name}`
      const [takesFile, takesFolder] = [isWanted(relative), isWanted(`${relative}/`)]
      if (!takesFile && !takesFolder) continue
      const absolute = path.join(root, relative)
      const info = yield* Effect.result(fs.lstat(absolute))
      if (Result.isFailure(info)) {
        // A name that is not UTF-8 comes with U+FFFD in it, and can't be asked for.
        if (isMissing(info.failure) && !name.includes("\ufffd")) continue
        unreadable.push({ path: relative, error: fromPlatformError(absolute)(info.failure) })
      } else if (info.success.type === "Directory") {
        if (takesFolder) folders.push(relative)
      } else if (info.success.type === "File" && takesFile) {
        found.push({ path: relative, absolute, version: versionOf(info.success, now) })
      }
    }
  }
  return { found: found.sort((a, b) => a.path < b.path ? -1 : 1), unreadable }
})
