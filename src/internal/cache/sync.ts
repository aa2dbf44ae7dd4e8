/**
 * Synchronises a folder: scans it, compares it with the manifest of its last run, uploads what is new or changed, and on
 * request deletes what is gone.
 */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { FileId, FileMetadata } from "../../FileMetadata.ts"
import type { DeleteError, RequestFailed, SourceFailed, UploadError } from "../../FilesError.ts"
import * as FileSource from "../../FileSource.ts"
import { defined } from "../defined.ts"
import { causeOf } from "../disk/cause.ts"
import { invalidRequest } from "../request/errors.ts"
import { ofLines } from "../sha256.ts"
import { whole, wholeStream } from "../telemetry.ts"
import { describeValue, printable } from "../text.ts"
import { mimeTypeOf } from "../wire/mimeType.ts"
import { flag } from "../wire/schemas.ts"
import { hash, verified } from "./contents.ts"
import type { CacheContext, Prepared, UploadOptions, Wanted } from "./context.ts"
import { foresee, forget, getOrUpload, locate } from "./getOrUpload.ts"
import * as Keys from "./keys.ts"
import type { Cell, Lease } from "./lease.ts"
import { type Filter, filterOf, type LocalFile, scan, type Unreadable } from "./scan.ts"
import type { UploadStoreFailed } from "./store.ts"

/** A folder could not be synchronised; `reason` says why. */
export class SyncFailed extends Schema.TaggedError<SyncFailed>("effect-anthropic-files/SyncFailed")("SyncFailed", {
  operation: Schema.Literal("sync"),
  reason: Schema.Literals(["Unreadable", "Empty", "TooManyDeletions", "TakenOver", "AlreadyRunning"]),
  message: Schema.String,
  directory: Schema.String,
  isRetryable: flag,
  isOutcomeUnknown: flag,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/** Options of a sync. */
export interface SyncOptions {
  /**
   * Globs for paths relative to the folder, with `/` on every system.
   *
   * @default ["**"]
   */
  readonly include?: ReadonlyArray<string> | undefined
  /**
   * Globs for paths to leave out, for example `["**\/node_modules/**", "**\/*.tmp"]`: a glob without a slash means the folder
   * itself alone.
   *
   * @default []
   */
  readonly exclude?: ReadonlyArray<string> | undefined
  /**
   * Deletes files that earlier runs uploaded for this folder and that are no longer in it; with ids, those among them and
   * no others, for example what `check` found to be gone and somebody agreed to. If other machines reach the store, the
   * folder needs a `name`.
   *
   * @default false
   */
  readonly delete?: boolean | ReadonlyArray<FileId> | undefined
  /**
   * If more files than this would be deleted, none is.
   *
   * @default 100
   */
  readonly maxDeletions?: number | undefined
  /**
   * How many files are uploaded or deleted at a time.
   *
   * @default 8
   */
  readonly concurrency?: number | undefined
  /**
   * How long the service keeps the uploaded files, as with any upload.
   *
   * @default until they are deleted
   */
  readonly expiresIn?: UploadOptions["expiresIn"]
  /**
   * Files that were last confirmed longer ago are looked up, as with {@link UploadOptions.maxAge}.
   *
   * @default the cache's `maxAge`
   */
  readonly maxAge?: UploadOptions["maxAge"]
  /**
   * Reads every file for its SHA-256, even if its size, modification time and inode are unchanged since the last run.
   *
   * @default false
   */
  readonly checksum?: boolean | undefined
  /** Where to count the bytes of uploads. */
  readonly progress?: UploadOptions["progress"]
  /**
   * The folder's name in the store. Machines that share a store but have different folders at the same path must use
   * different names.
   *
   * @default its absolute path
   */
  readonly name?: string | undefined
}

/** The outcome for one path. */
export type SyncResult =
  | {
    /**
     * Compared with the last run that included this path. A path that an earlier run did not finish counts as `New`.
     */
    readonly _tag: "Unchanged" | "New" | "Changed"
    /** Relative to the folder, with `/` on every system. */
    readonly path: string
    readonly file: FileMetadata
    /** `false` if the same content was uploaded before, under any path. */
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

/** A path, compared with the last run. */
export type Difference =
  | {
    /** Compared with the last run, as in {@link SyncResult}. */
    readonly _tag: "Unchanged" | "New" | "Changed"
    readonly path: string
    /** Bytes. */
    readonly size: number
    /** The file of this path in the last run. */
    readonly id: FileId | undefined
  }
  | {
    /** A file that earlier runs uploaded for this folder and that no path refers to any more: `delete` deletes it. */
    readonly _tag: "Gone"
    /** Its last path. */
    readonly path: string
    readonly size: number
    readonly id: FileId
  }
  | { readonly _tag: "Failed"; readonly path: string; readonly error: SourceFailed | UploadStoreFailed }

/** How many files are read for their hash at a time. */
const hashedAtOnce = 4

const isSame = (a: Keys.Hashed, b: Keys.Hashed): boolean => a.sha256 === b.sha256 && a.size === b.size

/** A file of the folder with its hash. */
interface Ready {
  readonly _tag: "Ready"
  readonly file: LocalFile
  readonly hashed: Keys.Hashed
  readonly version: string | undefined
}

interface Failed {
  readonly _tag: "Failed"
  readonly path: string
  readonly error: SourceFailed | UploadStoreFailed
}

type Planned = Ready | Failed

/** One run over a folder. */
interface Run {
  readonly cache: CacheContext
  readonly options: SyncOptions
  /** A digest that identifies the folder as the owner of its uploads. */
  readonly owner: string
  readonly fail: (reason: SyncFailed["reason"], message: string, cause?: unknown) => SyncFailed
  /** The folder's path, safe to print. */
  readonly shown: string
  readonly lease: Lease<never>
  /** The manifest entries of the last run, by path. */
  readonly before: ReadonlyMap<string, Keys.ManifestEntry>
  /** The manifest entries of this run. */
  readonly entries: Map<string, Keys.ManifestEntry>
  readonly stale: Set<Keys.Stale>
  /** Writes the manifest if it has changed. */
  readonly save: Effect.Effect<void, SyncFailed | UploadStoreFailed>
  failures: number
}

const failing = (directory: string) => (reason: SyncFailed["reason"], message: string, cause?: unknown) =>
  new SyncFailed({
    operation: "sync",
    reason,
    message,
    directory,
    isRetryable: reason === "TakenOver",
    ...defined({ cause })
  })

const takenOver = ({ fail, shown }: Pick<Run, "fail" | "shown">): SyncFailed =>
  fail("TakenOver", `Another process took over the sync of ${shown}, because this one was suspended: run it again.`)

/** The name that a path is uploaded under, and the id of its content. */
const contentAt = ({ identity }: CacheContext, relative: string, hashed: Keys.Hashed) => {
  const filename = relative.slice(relative.lastIndexOf("/") + 1)
  const mimeType = mimeTypeOf(filename) ?? ""
  return { filename, mimeType, content: Keys.contentOf(identity, hashed, mimeType) }
}

/** Reads a file for its hash, unless it is unchanged since the last run. */
const plan = (
  cache: CacheContext,
  file: LocalFile,
  known: Keys.ManifestEntry | undefined,
  { checksum = false }: SyncOptions
): Effect.Effect<Planned, never, FileSystem.FileSystem> => {
  if (!checksum && known !== undefined && file.version !== undefined && known.version === file.version) {
    return Effect.succeed({ _tag: "Ready", file, hashed: known, version: file.version })
  }
  return FileSource.path(file.absolute).open.pipe(
    Effect.flatMap((content) =>
      Effect.map(hash(cache, content, false), (hashed): Planned => ({
        _tag: "Ready",
        file,
        hashed,
        version: content.version
      }))
    ),
    Effect.scoped,
    Effect.catch((error): Effect.Effect<Planned> => Effect.succeed({ _tag: "Failed", path: file.path, error }))
  )
}

/** The manifest entry of a path before it is uploaded. */
const intended = (
  { hashed: { sha256, size }, version }: Ready,
  known: Keys.ManifestEntry | undefined
): Keys.ManifestEntry => {
  const isKept = known !== undefined && isSame(known, { sha256, size })
  return {
    sha256,
    size,
    ...defined({ version }),
    ...(isKept && known.id !== undefined ? { id: known.id } : undefined),
    isOwn: isKept && known.isOwn
  }
}

/** Whether a path or a folder above it failed. */
const isBelow = (failed: ReadonlySet<string>, path: string): boolean => {
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
    if (failed.has(path.slice(0, at))) return true
  }
  return failed.has(path)
}

/** Keeps the last run's entries of paths that this run does not cover, and marks the other missing ones as stale. */
const compare = (
  run: Pick<Run, "before" | "entries" | "stale">,
  failed: ReadonlySet<string>,
  isChosen: Filter
): void => {
  for (const [path, known] of run.before) {
    const now = run.entries.get(path)
    // Nothing is known about paths that failed, or that are left out this time.
    const isUnknown = now === undefined && (isBelow(failed, path) || !isChosen(path))
    if (isUnknown) run.entries.set(path, known)
    if (isUnknown || (now !== undefined && isSame(now, known))) continue
    const { id, isOwn, sha256, size } = known
    if (id === undefined || isOwn) run.stale.add({ path, sha256, size, ...defined({ id }) })
  }
}

const tagOf = (known: Keys.ManifestEntry | undefined, hashed: Keys.Hashed): "New" | "Unchanged" | "Changed" => {
  if (known?.id === undefined) return "New"
  return isSame(known, hashed) ? "Unchanged" : "Changed"
}

/** Uploads one path if necessary. A failure is a result. */
const upload = (run: Run, planned: Planned): Effect.Effect<SyncResult, never, FileSystem.FileSystem> => {
  const { before, cache, entries, options: { expiresIn, maxAge, progress }, owner } = run
  if (planned._tag === "Failed") {
    run.failures++
    return Effect.succeed(planned)
  }
  const { file: { absolute, path }, hashed, version } = planned
  const { content, filename, mimeType } = contentAt(cache, path, hashed)
  const source = verified(FileSource.path(absolute), filename, hashed, version)
  const prepared: Prepared<FileSystem.FileSystem> = { filename, mimeType, size: hashed.size, source }
  const wanted: Wanted<FileSystem.FileSystem> = {
    content,
    prepare: Effect.succeed(prepared),
    options: { expiresIn, maxAge, progress },
    owner
  }
  return Effect.match(getOrUpload(cache, wanted), {
    onFailure: (error): SyncResult => {
      run.failures++
      return { _tag: "Failed", path, error }
    },
    onSuccess: (found): SyncResult => {
      const entry = entries.get(path)
      if (entry !== undefined) entries.set(path, { ...entry, id: found.file.id, isOwn: found.owner === owner })
      const { file, uploaded } = found
      return { _tag: tagOf(before.get(path), hashed), path, file, uploaded }
    }
  })
}

/** Deletes one file, with a result for each path that referred to it. */
const remove = (
  run: Run,
  id: FileId,
  paths: Arr.NonEmptyReadonlyArray<Keys.Stale>
): Effect.Effect<ReadonlyArray<SyncResult>, SyncFailed> => {
  const { cache, lease, stale } = run
  const { content } = contentAt(cache, paths[0].path, paths[0])
  return lease.renew.pipe(
    // A process that took over may be uploading the same content again.
    Effect.flatMap((isMine) => isMine ? Effect.void : Effect.fail(takenOver(run))),
    // Forgotten first, so that the cache does not return a file that is about to be deleted.
    Effect.andThen(forget(cache, content, id)),
    Effect.andThen(Effect.asVoid(cache.files.delete(id))),
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
}

/** The file of a stale path: the recorded one, or one that an interrupted run left for this folder. */
const fileOf = Effect.fnUntraced(function*(
  { cache, owner }: Pick<Run, "cache" | "owner">,
  one: Keys.Stale,
  used: ReadonlySet<FileId | undefined>,
  find: typeof locate
): Effect.fn.Return<Option.Option<FileId | undefined>> {
  if (one.id !== undefined) return Option.some(one.id)
  const { content, filename } = contentAt(cache, one.path, one)
  // If the search fails now, the next run repeats it.
  return Option.map(
    yield* Effect.option(find(cache, content, filename, one.size)),
    (located) => located?.owner === owner && !used.has(located.id) ? located.id : undefined
  )
})

/** Whether a content is that of a path whose file is not known: one that is to be uploaded, or whose upload was interrupted. */
const awaited = (cache: CacheContext, entries: Run["entries"]) => {
  const contents = new Set(
    Array.from(entries).flatMap(([path, entry]) =>
      entry.id === undefined ? [contentAt(cache, path, entry).content] : []
    )
  )
  return (one: Keys.Stale) => contents.has(contentAt(cache, one.path, one).content)
}

const deletes = ({ delete: wanted = false }: SyncOptions): boolean => wanted !== false

/** The files of this folder that no path refers to any more, with their last paths. */
const doomedFiles = Effect.fnUntraced(function*(run: Run) {
  const { cache, entries, options, stale } = run
  const doomed = new Map<FileId, Arr.NonEmptyArray<Keys.Stale>>()
  const used = new Set(Array.from(entries.values(), ({ id }) => id))
  for (const one of stale) if (one.id !== undefined && used.has(one.id)) stale.delete(one)
  if (!deletes(options) || run.failures > 0) return doomed
  const isAwaited = awaited(cache, entries)
  const agreed = Array.isArray(options.delete) ? new Set<FileId>(options.delete) : undefined
  for (const one of stale) {
    if (isAwaited(one)) continue
    const id = yield* fileOf(run, one, used, locate)
    if (Option.isNone(id)) continue
    if (id.value === undefined) {
      stale.delete(one)
      continue
    }
    if (agreed?.has(id.value) === false) continue
    const others = doomed.get(id.value)
    if (others === undefined) doomed.set(id.value, [one])
    else others.push(one)
  }
  return doomed
})

const deletions = (run: Run): Stream.Stream<SyncResult, SyncFailed | UploadStoreFailed> =>
  Stream.unwrap(Effect.gen(function*() {
    const { concurrency = 8, maxDeletions = 100 } = run.options
    const doomed = yield* doomedFiles(run)
    if (doomed.size === 0) return Stream.empty
    yield* run.save
    if (doomed.size > maxDeletions) {
      return yield* run.fail(
        "TooManyDeletions",
        `${doomed.size} files are gone from ${run.shown}, more than the allowed ${maxDeletions}: nothing was deleted.`
      )
    }
    return Stream.fromIterable(doomed).pipe(
      Stream.mapEffect(([id, paths]) => remove(run, id, paths), { concurrency }),
      Stream.flattenIterable
    )
  }))

const saving = (
  cell: Cell<Keys.Manifest>,
  { entries, fail, shown, stale }: Pick<Run, "entries" | "fail" | "shown" | "stale">
): Run["save"] => {
  let saved = JSON.stringify(cell.value ?? { entries: [], stale: [] })
  return Effect.suspend(() => {
    const next: Keys.Manifest = { entries: Array.from(entries), stale: Array.from(stale) }
    const text = JSON.stringify(next)
    if (text === saved) return Effect.void
    return Effect.flatMap(cell.put(next), (done) => {
      if (!done) return Effect.fail(takenOver({ fail, shown }))
      saved = text
      return Effect.void
    })
  })
}

/** The folders that this process is synchronising, each with the id of the fiber that pulls its results. */
export type Running = Map<string, number>

/** Claims a folder. A claim from within the folder's own results would wait for itself, so it is refused. */
const claimFolder = (
  { leases }: CacheContext,
  running: Running,
  owner: string,
  refusal: () => SyncFailed
): Effect.Effect<Lease<never>, SyncFailed | UploadStoreFailed, Scope.Scope> =>
  Effect.withFiber<Lease<never>, SyncFailed | UploadStoreFailed, Scope.Scope>((fiber) => {
    if (running.get(owner) === fiber.id) return Effect.fail(refusal())
    return Effect.tap(leases.claim(Keys.folderLock(owner)), () => {
      running.set(owner, fiber.id)
      return Effect.addFinalizer(() => Effect.sync(() => running.delete(owner)))
    })
  })

/** A folder as it is on disk. */
interface Folder {
  readonly owner: string
  readonly isChosen: Filter
  readonly found: ReadonlyArray<LocalFile>
  readonly unreadable: ReadonlyArray<Unreadable>
}

const scanFolder = Effect.fnUntraced(function*(
  cache: CacheContext,
  directory: string,
  options: SyncOptions
): Effect.fn.Return<Folder, SyncFailed | RequestFailed, FileSystem.FileSystem | Path.Path> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  yield* checkOptions(cache, directory, options)
  const onError = (cause: PlatformError) =>
    failing(directory)(
      "Unreadable",
      `The folder ${printable(directory)} can't be read: ${causeOf(cause)}. Nothing was sent.`,
      cause
    )
  const root = yield* Effect.mapError(fs.realPath(directory), onError)
  const isChosen = filterOf(options)
  const { found, unreadable } = yield* Effect.mapError(scan(fs, path, root, isChosen), onError)
  return { owner: ofLines(cache.identity, JSON.stringify(options.name ?? root)), isChosen, found, unreadable }
})

/** The manifest of a folder's last run. */
const readManifest = ({ leases }: CacheContext, owner: string) =>
  Effect.map(leases.read(Keys.manifest(owner)), (cell) => ({
    cell,
    before: new Map(cell.value?.entries),
    stale: new Set<Keys.Stale>(cell.value?.stale)
  }))

/** Reads the files of a folder, and makes the manifest entries of this run. */
const planFolder = Effect.fnUntraced(function*(
  cache: CacheContext,
  { found, unreadable }: Folder,
  before: ReadonlyMap<string, Keys.ManifestEntry>,
  options: SyncOptions
) {
  const planned = yield* Effect.forEach(found, (file) => plan(cache, file, before.get(file.path), options), {
    concurrency: hashedAtOnce
  })
  const entries = new Map<string, Keys.ManifestEntry>()
  const failed = new Set(unreadable.map(({ path }) => path))
  for (const one of planned) {
    if (one._tag === "Ready") entries.set(one.file.path, intended(one, before.get(one.file.path)))
    else failed.add(one.path)
  }
  return { planned, entries, failed }
})

const start = Effect.fnUntraced(function*(
  cache: CacheContext,
  running: Running,
  directory: string,
  options: SyncOptions
): Effect.fn.Return<
  Stream.Stream<SyncResult, SyncFailed | UploadStoreFailed, FileSystem.FileSystem>,
  SyncFailed | UploadStoreFailed | RequestFailed,
  FileSystem.FileSystem | Path.Path | Scope.Scope
> {
  const folder = yield* scanFolder(cache, directory, options)
  const { found, isChosen, owner, unreadable } = folder
  const fail = failing(directory)
  const shown = printable(directory)
  const lease = yield* claimFolder(cache, running, owner, () =>
    fail(
      "AlreadyRunning",
      `${shown} is being synchronised, and this call from within its results would wait for itself: start it afterwards.`
    ))
  const { before, cell, stale } = yield* readManifest(cache, owner)
  if (found.length === 0 && unreadable.length === 0 && before.size + stale.size > 0) {
    // A disk that is not mounted looks like this, so the manifest must stay as it is for later runs.
    if (!deletes(options)) return Stream.empty
    return yield* fail(
      "Empty",
      `${shown} contains none of the ${before.size} files that it had: nothing was deleted. Check that its disk is mounted.`
    )
  }

  const { entries, failed, planned } = yield* planFolder(cache, folder, before, options)
  const save = saving(cell, { entries, fail, shown, stale })
  const failures = unreadable.length
  const run: Run = { cache, options, owner, fail, shown, lease, before, entries, stale, save, failures }
  compare(run, failed, isChosen)
  // Recorded before the uploads begin, so that whatever happens their files can be found and deleted again.
  yield* save

  const uploads = Stream.mapEffect(Stream.fromIterable(planned), (one) => upload(run, one), {
    concurrency: options.concurrency ?? 8,
    unordered: true
  })
  return Stream.fromIterable(unreadable).pipe(
    Stream.map((one): SyncResult => ({ _tag: "Failed", ...one })),
    Stream.concat(uploads),
    Stream.concat(deletions(run)),
    Stream.concat(Stream.fromEffectDrain(save))
  )
})

export const sync = (
  cache: CacheContext,
  running: Running,
  directory: string,
  options: SyncOptions = {}
): Stream.Stream<SyncResult, SyncFailed | UploadStoreFailed | RequestFailed, FileSystem.FileSystem | Path.Path> =>
  wholeStream("UploadCache.sync")(Stream.unwrap(start(cache, running, directory, options)))

/**
 * Compares a folder with its last {@link sync}, without a lock or a change. A request is made only for a path that is gone
 * and whose upload was interrupted.
 */
export const check = Effect.fn("UploadCache.check")(function*(
  cache: CacheContext,
  directory: string,
  options: SyncOptions = {}
): Effect.fn.Return<
  ReadonlyArray<Difference>,
  SyncFailed | UploadStoreFailed | RequestFailed,
  FileSystem.FileSystem | Path.Path
> {
  const folder = yield* scanFolder(cache, directory, options)
  const { before, stale } = yield* readManifest(cache, folder.owner)
  const { entries, failed, planned } = yield* planFolder(cache, folder, before, options)
  compare({ before, entries, stale }, failed, folder.isChosen)
  const used = new Set(Array.from(entries.values(), ({ id }) => id))
  const isAwaited = awaited(cache, entries)
  const gone: Array<Difference> = []
  for (const one of stale) {
    if (isAwaited(one)) continue
    const id = Option.getOrUndefined(yield* fileOf({ cache, owner: folder.owner }, one, used, foresee))
    if (id !== undefined && !used.has(id)) gone.push({ _tag: "Gone", path: one.path, size: one.size, id })
  }
  return [
    ...folder.unreadable.map((one): Difference => ({ _tag: "Failed", ...one })),
    ...planned.map((one): Difference => {
      if (one._tag === "Failed") return one
      const known = before.get(one.file.path)
      return { _tag: tagOf(known, one.hashed), path: one.file.path, size: one.hashed.size, id: known?.id }
    }),
    ...gone
  ]
}, whole)

const isGlobs = (globs: unknown): boolean =>
  Array.isArray(globs) && globs.every((glob) => typeof glob === "string" && glob !== "")

const problemOf = (
  { isLocal }: CacheContext,
  directory: unknown,
  options: SyncOptions | null
): readonly [option: string, message: string] | undefined => {
  if (typeof directory !== "string" || directory === "") return ["directory", "A sync needs the path of a folder."]
  if (options === null || typeof options !== "object") return ["options", "The options of a sync have to be an object."]
  const { concurrency = 8, exclude = [], include = [], maxDeletions = 100, name } = options
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    return ["concurrency", `concurrency is ${describeValue(concurrency)}; expected a whole number of at least 1.`]
  }
  if (!Number.isInteger(maxDeletions) || maxDeletions < 0) {
    return ["maxDeletions", `maxDeletions is ${describeValue(maxDeletions)}; expected a whole number of at least 0.`]
  }
  if (name !== undefined && (typeof name !== "string" || name === "")) {
    return ["name", `name is ${describeValue(name)}; expected a string that is not empty.`]
  }
  if (!isGlobs(include)) return ["include", "include is not a list of globs; expected for example [\"**/*.pdf\"]."]
  if (!isGlobs(exclude)) return ["exclude", "exclude is not a list of globs; expected for example [\"**/*.tmp\"]."]
  if (options.delete !== undefined && typeof options.delete !== "boolean" && !Array.isArray(options.delete)) {
    return ["delete", `delete is ${describeValue(options.delete)}; expected true, false, or ids of files.`]
  }
  if (deletes(options) && name === undefined && !isLocal) {
    return [
      "name",
      "Other machines reach this upload store and may have another folder at the same path: to use delete, give this folder a name."
    ]
  }
  return undefined
}

const checkOptions = (
  cache: CacheContext,
  directory: unknown,
  options: SyncOptions
): Effect.Effect<void, RequestFailed> => {
  const problem = problemOf(cache, directory, options)
  return problem === undefined ? Effect.void : Effect.fail(invalidRequest("upload", ...problem))
}
