/**
 * Many files at once, and files on disk.
 *
 * `uploadAll`, `downloadAll` and `deleteAll` turn a `Stream` of inputs into a `Stream` of results, in the order of
 * completion. Nothing is collected: a million inputs take no more memory than a hundred. A failure is a result like any
 * other.
 *
 * @example
 * ```ts
 * import { Console, Stream } from "effect"
 * import { FileSource, Transfer } from "effect-anthropic-files"
 *
 * export const uploadAll = (paths: ReadonlyArray<string>) =>
 *   Stream.fromIterable(paths).pipe(
 *     Stream.map((path) => ({ source: FileSource.path(path), path })),
 *     (inputs) => Transfer.uploadAll(inputs, { concurrency: 4 }),
 *     Stream.runForEach((result) =>
 *       Console.log(result.input.path, result._tag === "Success" ? result.value.id : result.error.message)
 *     )
 *   )
 * ```
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { DeletedFile, FileId, FileMetadata } from "./FileMetadata.ts"
import * as Files from "./Files.ts"
import {
  type DeleteError,
  type DownloadError,
  FileNotFound,
  type MetadataError,
  type Operation,
  type RequestFailed,
  SourceFailed,
  type UploadError
} from "./FilesError.ts"
import { type Content, type FileSource, isFileSource } from "./FileSource.ts"
import { atomicWrite, type OnExisting } from "./internal/disk/atomicWrite.ts"
import { make as makeRunNames, type RunNames } from "./internal/disk/runNames.ts"
import { safeName } from "./internal/disk/safeName.ts"
import { onRefusal, onWriteFailed, SaveFailed, saveFailed } from "./internal/disk/saveFailed.ts"
import { invalidRequest } from "./internal/request/errors.ts"
import { offSpan, whole, wholeStream } from "./internal/telemetry.ts"
import { describeValue, printable } from "./internal/text.ts"
import type { Meter, Progress } from "./Progress.ts"

export { SaveFailed }

/** How a download is saved to disk. */
export interface SaveOptions {
  /**
   * What to do if a file exists at the path that was there before. Files that {@link downloadAll} saves in one run never take
   * each other's place.
   *
   * - `fail`: the download fails before a byte is fetched;
   * - `replace`: once complete, the new file replaces the old one in one step and takes over its permissions;
   * - `rename`: both are kept, the new one as `name (1).ext`.
   *
   * @default "fail"
   */
  readonly onExisting?: OnExisting | undefined
  /** Where to count the bytes. */
  readonly progress?: Progress | undefined
}

/** A saved file. */
export interface Saved {
  /** The file's path, which differs from the requested one if the file was renamed. */
  readonly path: string
  /** The file's size. */
  readonly bytes: number
}

const onExistingValues: ReadonlyArray<unknown> = ["fail", "replace", "rename"]

const checkSave = (path: unknown, { onExisting = "fail" }: SaveOptions): Effect.Effect<void, RequestFailed> => {
  if (typeof path !== "string" || path === "") {
    return Effect.fail(invalidRequest("download", "path", "A download needs a path to be saved at."))
  }
  if (!onExistingValues.includes(onExisting)) {
    return Effect.fail(
      invalidRequest(
        "download",
        "onExisting",
        `onExisting is ${describeValue(onExisting)}; expected "fail", "replace" or "rename".`
      )
    )
  }
  return Effect.void
}

/** A file that is being downloaded: its name for the progress, and its size if known. */
interface Downloading {
  readonly name: string
  readonly total: number | undefined
}

const meterOf = (progress: Progress | undefined, { name, total }: Downloading): Effect.Effect<Meter | undefined> =>
  progress === undefined ? Effect.undefined : progress.begin(name, total)

/** Counts a file that failed before a byte of it moved. */
const countFailed = (progress: Progress | undefined, name: string): Effect.Effect<void> =>
  progress === undefined
    ? Effect.void
    : Effect.map(progress.begin(name, undefined), (meter) => meter.end(false))

const save = (
  id: FileId,
  target: string,
  options: SaveOptions,
  file: Downloading,
  names?: RunNames
): Effect.Effect<Saved, DownloadError | SaveFailed, Files.Files | FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function*() {
    const path = yield* Path.Path
    const meter = yield* meterOf(options.progress, file)
    const bytes = meter === undefined ? Files.download(id) : Stream.map(Files.download(id), (chunk) => {
      meter.add(chunk.length)
      return chunk
    })
    return yield* atomicWrite(bytes, target, options.onExisting ?? "fail", names).pipe(
      Effect.onExit((exit) => Effect.sync(() => meter?.end(Exit.isSuccess(exit)))),
      Effect.catchTags({
        WriteFailed: (failure) => Effect.fail(onWriteFailed(path, target, file.total, failure)),
        Refusal: (refusal) => Effect.fail(onRefusal(refusal))
      })
    )
  })

/**
 * Downloads a file to a path, where it appears only when it is complete and synced: it is written to a temporary file
 * beside the path, readable only by its owner, and then renamed. On failure and interruption nothing is left behind, and
 * an existing file is unchanged.
 *
 * Under a retry policy, a download continues where its connection broke. The new file has mode 0600, or the mode of the
 * file that it replaces.
 */
export const downloadToFile = Effect.fn("Transfer.downloadToFile")(
  function*(
    id: FileId,
    path: string,
    options: SaveOptions = {}
  ): Effect.fn.Return<Saved, DownloadError | SaveFailed, Files.Files | FileSystem.FileSystem | Path.Path> {
    yield* checkSave(path, options)
    return yield* save(id, path, options, { name: (yield* Path.Path).basename(path), total: undefined })
  },
  whole
)

/** What to download: an id, or an entry of a listing, whose name then need not be looked up. */
export type Download = FileId | Pick<FileMetadata, "id" | "filename" | "size_bytes">

const saveInDirectory = Effect.fn("Transfer.downloadToDirectory")(
  function*(
    file: Download,
    directory: string,
    options: SaveOptions,
    names: RunNames
  ): Effect.fn.Return<
    Saved,
    DownloadError | MetadataError | SaveFailed,
    Files.Files | FileSystem.FileSystem | Path.Path
  > {
    const path = yield* Path.Path
    yield* checkSave(directory, options)
    const { filename, id, size_bytes } = yield* Effect.onError(
      described(file),
      () => countFailed(options.progress, String(idOf(file)))
    )
    const folder = path.resolve(directory)
    const name = safeName(filename, id)
    const target = path.join(folder, options.onExisting === "rename" ? name : names.takeFree(name))
    // The name is one segment by construction. This check holds even if the platform reads it differently.
    if (path.dirname(target) !== folder) {
      return yield* saveFailed(
        target,
        "Failed",
        `“${printable(filename)}” would be saved outside of ${printable(folder)}.`
      )
    }
    return yield* save(id, target, options, { name: path.basename(target), total: size_bytes }, names)
  },
  whole
)

/**
 * Downloads a file into a directory, under a safe form of its own name: the last segment, without control and
 * bidirectional characters, not hidden, not a device, at most 255 bytes. Otherwise as {@link downloadToFile}.
 */
export const downloadToDirectory = (
  file: Download,
  directory: string,
  options: SaveOptions = {}
): Effect.Effect<
  Saved,
  DownloadError | MetadataError | SaveFailed,
  Files.Files | FileSystem.FileSystem | Path.Path
> => Effect.suspend(() => saveInDirectory(file, directory, options, makeRunNames()))

/** Name and size of a file. Ids that are looked up at the same time share a request. */
const described = (
  file: Download
): Effect.Effect<Exclude<Download, FileId>, MetadataError, Files.Files> => {
  if (typeof file !== "string" && Predicate.isObject(file) && typeof file.filename === "string") {
    return Effect.succeed(file)
  }
  const id = idOf(file)
  return Effect.flatMap(
    Files.find(id),
    Option.match({
      onNone: () =>
        Effect.fail(
          new FileNotFound({
            operation: "metadata",
            message: `There is no ${id} in this workspace.`,
            fileId: id
          })
        ),
      onSome: Effect.succeed
    })
  )
}

/** An input and its outcome. */
export type Result<Input, A, E> =
  | { readonly _tag: "Success"; readonly input: Input; readonly value: A }
  | { readonly _tag: "Failure"; readonly input: Input; readonly error: E }

/** Options of transfers of many files. */
export interface BulkOptions {
  /**
   * How many inputs are processed at a time: a whole number of at least 1.
   *
   * @default 8
   */
  readonly concurrency?: number | undefined
  /**
   * Ends the stream after the first failure, and interrupts what is in progress.
   *
   * @default false
   */
  readonly stopOnError?: boolean | undefined
}

/**
 * Runs an effect for each input. If the stream is interrupted, a warning lists the finished inputs whose results were not
 * delivered, and the inputs in progress, because the results can't show them any more.
 */
const bulk = <Input, E, R, A, E2, R2>(
  inputs: Stream.Stream<Input, E, R>,
  run: (input: Input) => Effect.Effect<A, E2, R2>,
  options: BulkOptions,
  describe: {
    readonly what: string
    readonly operation: Operation
    readonly input: (input: Input) => string
    readonly value: (value: A) => string
  }
): Stream.Stream<Result<Input, A, E2>, E | RequestFailed, R | R2> => {
  const { concurrency = 8 } = options
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    return Stream.fail(
      invalidRequest(
        describe.operation,
        "concurrency",
        `concurrency is ${describeValue(concurrency)}; expected a whole number of at least 1.`
      )
    )
  }
  return Stream.suspend(() => {
    let handedOver = 0
    const underWay = new Set<Input>()
    const notHandedOver = new Set<Result<Input, A, E2>>()
    let inputFailure: Stream.Stream<never, E> = Stream.empty

    const results = inputs.pipe(
      // If the stream of inputs fails, inputs in progress are still finished.
      Stream.catchCause((cause) => {
        inputFailure = Stream.failCause(cause)
        return Stream.empty
      }),
      Stream.mapEffect((input) =>
        Effect.suspend(() => {
          underWay.add(input)
          return run(input)
        }).pipe(
          Effect.match({
            onFailure: (error): Result<Input, A, E2> => ({ _tag: "Failure", input, error }),
            onSuccess: (value): Result<Input, A, E2> => ({ _tag: "Success", input, value })
          }),
          Effect.tap((result) =>
            Effect.sync(() => {
              underWay.delete(input)
              notHandedOver.add(result)
            })
          )
        ), { concurrency, unordered: true }),
      Stream.map((result) => {
        notHandedOver.delete(result)
        handedOver++
        return result
      })
    )
    return (options.stopOnError === true
      ? Stream.takeUntil(results, (result) => result._tag === "Failure")
      : results).pipe(
        Stream.concat(Stream.suspend(() => inputFailure)),
        Stream.ensuring(Effect.suspend(() =>
          underWay.size === 0 && notHandedOver.size === 0
            ? Effect.void
            : offSpan(Effect.annotateLogs(Effect.logWarning(`${describe.what} stopped before its end`), {
              handedOver,
              doneButNotHandedOver: Array.from(notHandedOver, (result) =>
                result._tag === "Success"
                  ? describe.value(result.value)
                  : describe.input(result.input)),
              underWay: Array.from(underWay, describe.input)
            }))
        ))
      )
  }).pipe(wholeStream(`Transfer.${describe.what}`))
}

/** A source to upload, with the options of its upload. */
export interface Upload<out R = never> extends Files.UploadOptions {
  readonly source: FileSource<R>
}

type Needs<Input> = Input extends { readonly source: FileSource<infer R> } ? R : never

/** Options of {@link uploadAll}. */
export interface UploadAllOptions extends BulkOptions {
  /** Where to count the bytes. */
  readonly progress?: Progress | undefined
}

/** The same source, with its bytes counted as they are read. */
const counted = <R>(
  source: FileSource<R>,
  progress: Progress,
  filename: string | undefined,
  began: (meter: Meter) => void
): FileSource<R> => ({
  ...source,
  open: Effect.flatMap(
    source.open,
    (content) =>
      Effect.map(progress.begin(filename ?? content.filename ?? "", content.size), (meter): Content => {
        began(meter)
        return {
          ...content,
          ...(content.blob === undefined ? undefined : { blob: { ...content.blob, onSent: meter.set } }),
          stream: Stream.suspend(() => {
            meter.set(0)
            return Stream.map(content.stream, (chunk) => {
              meter.add(chunk.length)
              return chunk
            })
          })
        }
      })
  )
})

/**
 * Uploads a source, and counts its bytes if a `Progress` is given. A retry counts from 0 again.
 */
export const upload = <R = never>(
  input: Upload<R>,
  progress?: Progress
): Effect.Effect<FileMetadata, UploadError, Files.Files | R> =>
  Effect.suspend(() => {
    // JavaScript callers may pass anything. The upload refuses what is not a source.
    const { source, ...options }: Partial<Upload<R>> = input ?? {}
    if (progress === undefined) return Files.upload(source as FileSource<R>, options)
    let current: Meter | undefined
    const watched = isFileSource(source)
      ? counted(source, progress, options.filename, (meter) => void (current = meter))
      : source as FileSource<R>
    return Files.upload(watched, options).pipe(
      Effect.onExit((exit) => {
        if (current === undefined) return Exit.isSuccess(exit) ? Effect.void : countFailed(progress, nameOf(input))
        // Content that is sent from one buffer is not read as a stream.
        if (Exit.isSuccess(exit)) current.set(exit.value.size_bytes)
        return Effect.sync(() => current?.end(Exit.isSuccess(exit)))
      })
    )
  })

const nameOf = (input: Upload<unknown>): string => input?.filename ?? "a source"

const sourceDied = (name: string, cause: Cause.Cause<unknown>): SourceFailed =>
  new SourceFailed({
    operation: "upload",
    reason: "Failed",
    message: `${printable(name)} could not be read: its source died. Nothing was stored.`,
    cause: Cause.squash(cause)
  })

/**
 * Uploads all inputs. Each result holds its input itself, with any extra fields that the input has.
 *
 * On interruption, requests are aborted and their files are not stored. A file whose body was already sent completely may
 * have been stored, as with any single upload.
 */
export const uploadAll = <Input extends Upload<unknown>, E, R>(
  inputs: Stream.Stream<Input, E, R>,
  options: UploadAllOptions = {}
): Stream.Stream<Result<Input, FileMetadata, UploadError>, E | RequestFailed, R | Files.Files | Needs<Input>> =>
  bulk(
    inputs,
    (input) =>
      // The input's type says what its source needs.
      upload(input as Upload<Needs<Input>>, options.progress).pipe(
        // One source that dies does not end all uploads.
        Effect.catchCauseIf(
          (cause) => !Cause.hasFails(cause),
          (cause) => Effect.fail(sourceDied(nameOf(input), cause))
        )
      ),
    options,
    {
      what: "uploadAll",
      operation: "upload",
      input: nameOf,
      value: (file) => `${file.id} ${file.filename}`
    }
  )

/** Options of {@link downloadAll}. */
export interface DownloadAllOptions extends BulkOptions, SaveOptions {
  /** The directory to save the files in. It must exist. */
  readonly directory: string
}

/**
 * Downloads all files into a directory, as {@link downloadToDirectory} does. The names for plain ids are looked up in
 * batches.
 *
 * If two files of one run have the same name, the one that comes second is saved as `name (1).ext`, whatever `onExisting`
 * says: it is about files that were there before. Names count as the same if they differ only in case, on every system.
 */
export const downloadAll = <Input extends Download, E, R>(
  inputs: Stream.Stream<Input, E, R>,
  options: DownloadAllOptions
): Stream.Stream<
  Result<Input, Saved, DownloadError | MetadataError | SaveFailed>,
  E | RequestFailed,
  R | Files.Files | FileSystem.FileSystem | Path.Path
> =>
  Stream.suspend(() => {
    const names = makeRunNames()
    return bulk(inputs, (input) => saveInDirectory(input, options.directory, options, names), options, {
      what: "downloadAll",
      operation: "download",
      input: idOf,
      value: (saved) => saved.path
    })
  })

/**
 * Deletes all files. A file that is already gone is a failure with `FileNotFound`.
 */
export const deleteAll = <Input extends FileId | Pick<FileMetadata, "id">, E, R>(
  inputs: Stream.Stream<Input, E, R>,
  options: BulkOptions = {}
): Stream.Stream<Result<Input, DeletedFile, DeleteError>, E | RequestFailed, R | Files.Files> =>
  bulk(inputs, (input) => Files.delete(idOf(input)), options, {
    what: "deleteAll",
    operation: "delete",
    input: idOf,
    value: (file) => file.id
  })

const idOf = (file: FileId | Pick<FileMetadata, "id">): FileId => typeof file === "string" ? file : file?.id
