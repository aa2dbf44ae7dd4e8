/**
 * Many files at once, and files on disk.
 *
 * `uploadAll`, `downloadAll` and `deleteAll` take a `Stream` of inputs and give a `Stream` of results in the order in
 * which they are done. A million inputs cost no more memory than a hundred: nothing is collected. One that fails is a
 * result like any other.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as PlatformError from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { DeletedFile, FileId, FileMetadata } from "./FileMetadata.ts"
import * as Files from "./Files.ts"
import type { DeleteError, DownloadError, MetadataError, UploadError } from "./FilesError.ts"
import { FileNotFound } from "./FilesError.ts"
import type { Content, FileSource } from "./FileSource.ts"
import * as Save from "./internal/disk/atomicWrite.ts"
import { safeName } from "./internal/disk/safeName.ts"
import { printable } from "./internal/text.ts"
import type { Meter, Progress } from "./Progress.ts"

/**
 * A download that can't be put on disk.
 *
 * - `Exists`: there is a file at the path, and `onExisting` is `fail`;
 * - `Symlink`: the path is a symbolic link, which is never written through;
 * - `NotAFile`: the path is a directory or a device;
 * - `Failed`: the file system refused, for a reason that `cause` gives: no such folder, no permission, disk full;
 * - `InvalidOption`: there is no path, or `onExisting` is none of its values.
 *
 * Nothing is left behind, and what was at the path is untouched.
 */
export class SaveFailed extends Schema.TaggedError<SaveFailed>("effect-anthropic-files/SaveFailed")("SaveFailed", {
  operation: Schema.Literal("download"),
  reason: Schema.Literals(["Exists", "Symlink", "NotAFile", "Failed", "InvalidOption"]),
  message: Schema.String,
  path: Schema.String,
  isRetryable: Schema.Boolean,
  isOutcomeUnknown: Schema.Boolean,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

const refused = (path: string, reason: SaveFailed["reason"], message: string, cause?: unknown): SaveFailed =>
  new SaveFailed({
    operation: "download",
    reason,
    message,
    path,
    isRetryable: false,
    isOutcomeUnknown: false,
    ...(cause === undefined ? undefined : { cause })
  })

const refusals: Record<Save.Refusal["reason"], string> = {
  Exists: "exists already: choose another path, or onExisting.",
  Symlink: "is a symbolic link, which is not followed.",
  NotAFile: "is not a regular file."
}

const onRefusal = (target: string) => <E>(error: E | Save.Refusal | PlatformError.PlatformError): E | SaveFailed =>
  error instanceof PlatformError.PlatformError
    ? refused(target, "Failed", `${printable(target)} can't be written: ${printable(error.message)}`, error)
    : isRefusal(error)
    ? refused(error.path, error.reason, `${printable(error.path)} ${refusals[error.reason]}`)
    : error

const isRefusal = (error: unknown): error is Save.Refusal => Predicate.isTagged(error, "Refusal")

export interface SaveOptions {
  /**
   * What to do where there is a file already.
   *
   * - `fail`: refuse, before a byte is fetched;
   * - `replace`: put the new file in its place in one step, with its permissions, once it is complete;
   * - `rename`: keep both, the new one as `name (1).ext`.
   *
   * @default "fail"
   */
  readonly onExisting?: Save.OnExisting | undefined
  /** Where to count the bytes. */
  readonly progress?: Progress | undefined
}

/** A file that was put on disk. */
export interface Saved {
  /** Where it is: another path than asked for when it was renamed. */
  readonly path: string
  readonly bytes: number
}

const policies: ReadonlyArray<unknown> = ["fail", "replace", "rename"]

const checkPath = (path: unknown): Effect.Effect<void, SaveFailed> =>
  typeof path === "string" && path !== ""
    ? Effect.void
    : Effect.fail(refused(String(path), "InvalidOption", "A download needs a path to go to."))

const saveAs = (
  id: FileId,
  target: string,
  options: SaveOptions,
  shown: { readonly name: string; readonly total: number | undefined }
): Effect.Effect<Saved, DownloadError | SaveFailed, Files.Files | FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function*() {
    if (!policies.includes(options.onExisting ?? "fail")) {
      return yield* refused(target, "InvalidOption", "onExisting has to be \"fail\", \"replace\" or \"rename\".")
    }
    const meter = yield* Effect.transposeOption(
      Option.map(Option.fromUndefinedOr(options.progress), (progress) => progress.begin(shown.name, shown.total))
    )
    const bytes = Option.isNone(meter) ? Files.download(id) : Stream.map(Files.download(id), (chunk) => {
      meter.value.add(chunk.length)
      return chunk
    })
    return yield* Save.save(bytes, target, options.onExisting ?? "fail").pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => {
          if (Option.isSome(meter)) meter.value.end(Exit.isSuccess(exit))
        })
      )
    )
  }).pipe(Effect.mapError(onRefusal(target)))

/**
 * Downloads a file to a path, which it reaches only complete and synced: first a temporary file beside it (readable by
 * its owner alone), then a rename. On failure and interruption nothing is left, and an existing file is as it was.
 *
 * A connection that breaks is taken up again where it broke, under a retry policy. The new file has mode 0600, or the
 * mode of the file it replaces.
 */
export const downloadToFile = Effect.fn("Transfer.downloadToFile")(
  function*(
    id: FileId,
    path: string,
    options: SaveOptions = {}
  ): Effect.fn.Return<Saved, DownloadError | SaveFailed, Files.Files | FileSystem.FileSystem | Path.Path> {
    yield* checkPath(path)
    return yield* saveAs(id, path, options, { name: (yield* Path.Path).basename(path), total: undefined })
  }
)

/** What is to be downloaded: an id, or what a listing gives, which saves asking for the name. */
export type Download = FileId | Pick<FileMetadata, "id" | "filename" | "size_bytes">

/**
 * Downloads a file into a folder, under its own name as far as that is safe: its last segment, without control and
 * bidirectional characters, not hidden, no device, at most 255 bytes. Otherwise as {@link downloadToFile}.
 */
export const downloadToDirectory = Effect.fn("Transfer.downloadToDirectory")(
  function*(
    file: Download,
    directory: string,
    options: SaveOptions = {}
  ): Effect.fn.Return<
    Saved,
    DownloadError | MetadataError | SaveFailed,
    Files.Files | FileSystem.FileSystem | Path.Path
  > {
    const path = yield* Path.Path
    yield* checkPath(directory)
    const known = typeof file === "string" ? yield* described(file) : file
    const folder = path.resolve(directory)
    const target = path.join(folder, safeName(known.filename, known.id))
    // The name is one segment by construction; this holds whatever the platform makes of it.
    if (path.dirname(target) !== folder) {
      return yield* refused(target, "Failed", `“${printable(known.filename)}” would leave ${printable(folder)}.`)
    }
    return yield* saveAs(known.id, target, options, { name: path.basename(target), total: known.size_bytes })
  }
)

/** Looked up together with others that are looked up at the same time. */
const described = (id: FileId): Effect.Effect<FileMetadata, MetadataError, Files.Files> =>
  Effect.flatMap(
    Files.find(id),
    Option.match({
      onNone: () =>
        Effect.fail(
          new FileNotFound({
            operation: "metadata",
            message: `There is no file ${id} in this workspace.`,
            fileId: id,
            isRetryable: false,
            isOutcomeUnknown: false
          })
        ),
      onSome: Effect.succeed
    })
  )

/** An input that was dealt with, and what came of it. */
export type Result<Input, A, E> =
  | { readonly _tag: "Success"; readonly input: Input; readonly value: A }
  | { readonly _tag: "Failure"; readonly input: Input; readonly error: E }

export interface BulkOptions {
  /**
   * How many at a time. Anything but a whole number from 1 on throws a `RangeError` at once.
   *
   * @default 8
   */
  readonly concurrency?: number | undefined
  /**
   * Ends the stream after the first failure; what is under way is interrupted.
   *
   * @default false
   */
  readonly stopOnError?: boolean | undefined
}

/**
 * Runs inputs through an effect. When it is interrupted, a warning names what was done but not handed over and what was
 * under way, since the results that were handed over no longer tell it all.
 */
const bulk = <Input, E, R, A, E2, R2>(
  inputs: Stream.Stream<Input, E, R>,
  run: (input: Input) => Effect.Effect<A, E2, R2>,
  options: BulkOptions,
  describe: {
    readonly what: string
    readonly input: (input: Input) => string
    readonly value: (value: A) => string
  }
): Stream.Stream<Result<Input, A, E2>, E, R | R2> => {
  const { concurrency = 8 } = options
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new RangeError(`Transfer.${describe.what}: concurrency has to be a whole number from 1 on.`)
  }
  return Stream.suspend(() => {
    let handedOver = 0
    const underWay = new Set<Input>()
    const notHandedOver = new Set<Result<Input, A, E2>>()
    let inputFailure: Stream.Stream<never, E> = Stream.empty

    const results = inputs.pipe(
      // Inputs that end in a failure must not interrupt what was begun before.
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
            : Effect.annotateLogs(Effect.logWarning(`${describe.what} stopped before its end`), {
              handedOver,
              doneButNotHandedOver: Array.from(notHandedOver, (result) =>
                result._tag === "Success"
                  ? describe.value(result.value)
                  : describe.input(result.input)),
              underWay: Array.from(underWay, describe.input)
            })
        ))
      )
  })
}

/** A source to upload, with the options of its upload. */
export interface Upload<out R = never> extends Files.UploadOptions {
  readonly source: FileSource<R>
}

type Needs<Input> = Input extends { readonly source: FileSource<infer R> } ? R : never

export interface UploadAllOptions extends BulkOptions {
  /** Where to count the bytes. */
  readonly progress?: Progress | undefined
}

/** The same source, counted as it is read. */
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
 * Uploads a source and counts its bytes, if asked to. A retry counts from 0 again.
 */
export const upload = <R = never>(
  { source, ...options }: Upload<R>,
  progress?: Progress
): Effect.Effect<FileMetadata, UploadError, Files.Files | R> =>
  progress === undefined ? Files.upload(source, options) : Effect.suspend(() => {
    let current: Meter | undefined
    return Files.upload(counted(source, progress, options.filename, (meter) => void (current = meter)), options).pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => {
          // A content that is sent from one buffer is not read as a stream.
          if (Exit.isSuccess(exit)) current?.set(exit.value.size_bytes)
          current?.end(Exit.isSuccess(exit))
        })
      )
    )
  })

/**
 * Uploads all inputs. Each gives a result that holds the very input, whatever else that carries.
 *
 * When it is interrupted, requests are broken off, and what they carried is not stored; one whose body had been sent to
 * its end may have been, as with any single upload.
 */
export const uploadAll = <Input extends Upload<unknown>, E, R>(
  inputs: Stream.Stream<Input, E, R>,
  options: UploadAllOptions = {}
): Stream.Stream<Result<Input, FileMetadata, UploadError>, E, R | Files.Files | Needs<Input>> =>
  bulk(
    inputs,
    // The input's own type tells what its source needs.
    (input) => upload(input as Upload<Needs<Input>>, options.progress),
    options,
    {
      what: "uploadAll",
      input: (input) => input.filename ?? "a source",
      value: (file) => `${file.id} ${file.filename}`
    }
  )

export interface DownloadAllOptions extends BulkOptions, SaveOptions {
  /** The folder to put files in; it has to exist. */
  readonly directory: string
}

/**
 * Downloads all files into a folder, as {@link downloadToDirectory} does. Names of plain ids are looked up in batches.
 */
export const downloadAll = <Input extends Download, E, R>(
  inputs: Stream.Stream<Input, E, R>,
  options: DownloadAllOptions
): Stream.Stream<
  Result<Input, Saved, DownloadError | MetadataError | SaveFailed>,
  E,
  R | Files.Files | FileSystem.FileSystem | Path.Path
> =>
  bulk(inputs, (input) => downloadToDirectory(input, options.directory, options), options, {
    what: "downloadAll",
    input: idOf,
    value: (saved) => saved.path
  })

/**
 * Deletes all files. One that is gone already is a failure with `FileNotFound`.
 */
export const deleteAll = <Input extends FileId | Pick<FileMetadata, "id">, E, R>(
  inputs: Stream.Stream<Input, E, R>,
  options: BulkOptions = {}
): Stream.Stream<Result<Input, DeletedFile, DeleteError>, E, R | Files.Files> =>
  bulk(inputs, (input) => Files.delete(idOf(input)), options, {
    what: "deleteAll",
    input: idOf,
    value: (file) => file.id
  })

const idOf = (file: FileId | Pick<FileMetadata, "id">): FileId => typeof file === "string" ? file : file.id
