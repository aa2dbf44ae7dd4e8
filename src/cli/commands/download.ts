/**
 * `download`: saves files, each completely or not at all.
 */
import * as Argument from "effect/cli/Argument"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import type { FileMetadata } from "../../FileMetadata.ts"
import * as Files from "../../Files.ts"
import { FileNotDownloadable } from "../../FilesError.ts"
import { make as makeRunNames } from "../../internal/disk/runNames.ts"
import { safeName } from "../../internal/disk/safeName.ts"
import { checkDirectory, checkTarget } from "../../internal/disk/saveFailed.ts"
import { printable } from "../../internal/text.ts"
import * as Transfer from "../../Transfer.ts"
import * as Client from "../client.ts"
import * as Confirm from "../confirm.ts"
import { define } from "../define.ts"
import { UsageError } from "../failure.ts"
import * as Flags from "../flags.ts"
import { found } from "../lookUp.ts"
import { Output } from "../output.ts"
import * as Format from "../screen/format.ts"
import { Settings } from "../settings.ts"
import { program } from "../usage.ts"
import { checkMode, content } from "./cat.ts"

const exists = (error: unknown): error is Transfer.SaveFailed =>
  error instanceof Transfer.SaveFailed && error.reason === "Exists"

/** As the service says it. */
const notDownloadable = ({ id }: FileMetadata) =>
  new FileNotDownloadable({
    operation: "download",
    message: `${printable(id)} was uploaded, and only files that a tool or skill made can be downloaded.`,
    fileId: id
  })

export const download = define({
  name: "download",
  description: "Download files created by tools and skills",
  examples: [
    { command: `${program} download file_011CNha8iCJcU1wXNR6q4V8w -o chart.png`, description: "One file, to a path" },
    {
      command: `${program} download --all-generated -d results --skip-existing`,
      description: "All files that are not there yet"
    }
  ],
  flags: {
    ids: Argument.String("id").pipe(Argument.withDescription("Ids of files"), Argument.variadic()),
    output: Flags.text("output", "PATH", "Path for a single file; - is standard output", "o"),
    directory: Flags.text(
      "directory",
      "DIR",
      "Folder for the files, created if missing (default: .); of two files with one name, the second gets a number",
      "d"
    ),
    force: Flags.toggle("force", "Overwrite files that were there before"),
    skipExisting: Flags.toggle("skip-existing", "Skip files that were there before"),
    allGenerated: Flags.toggle("all-generated", "Download every file that can be downloaded"),
    dryRun: Confirm.flags.dryRun
  },
  main: "downloaded",
  run: Effect.fnUntraced(function*({ allGenerated, directory, dryRun, force, ids, output: path, skipExisting }) {
    const output = yield* Output
    const fs = yield* FileSystem.FileSystem
    const { concurrency } = yield* Settings
    if ((ids.length === 0) !== allGenerated) {
      return yield* new UsageError({ message: "Name the files by their ids, or give --all-generated for all." })
    }
    if (Option.isSome(path) && (ids.length !== 1 || Option.isSome(directory))) {
      return yield* new UsageError({ message: "--output is for a single file; several go to a --directory." })
    }
    if (force && skipExisting) {
      return yield* new UsageError({ message: "--force and --skip-existing exclude each other." })
    }
    // Oldest first: files of one name then get the same numbers in the next run, whatever was added to them.
    const files = allGenerated
      ? (yield* Stream.runCollect(Stream.filter(Files.list({ limit: 1000 }), ({ downloadable }) => downloadable)))
        .toReversed()
      : yield* found(ids)
    const toStdout = Option.contains(path, "-")
    if (toStdout && !dryRun) return yield* Effect.forEach(files, ({ id }) => content(id), { discard: true })
    if (toStdout) yield* checkMode
    const folder = Option.getOrElse(directory, () => ".")
    if (files.length === 0 && allGenerated) return yield* output.note("There is no file that can be downloaded.")
    const onExisting = force ? "replace" : "fail"
    const names = makeRunNames()
    const nameOf = (file: FileMetadata) => names.takeFree(safeName(file.filename, file.id))

    const line = (file: FileMetadata, path: string, isSkipped: boolean): string => {
      const shown = printable(path)
      if (!output.isTerminal) return `${printable(file.id)}\t${shown}`
      const mark = isSkipped ? output.style.dim("–") : output.style.green("✓")
      return `${mark} ${Format.padStart(Format.bytes(file.size_bytes), 8)}  ${
        Format.middle(isSkipped ? `${shown} (there already)` : shown, Math.max(8, output.columns - 13))
      }`
    }
    const onFailure = (file: FileMetadata) => (error: unknown) =>
      skipExisting && exists(error)
        ? output.item({ action: "skipped", path: error.path, id: file.id, file }, line(file, error.path, true))
        : output.problem(error, { id: file.id })

    if (dryRun) {
      const directoryPath = (yield* Path.Path).resolve(folder)
      const planned = Effect.fnUntraced(function*(file: FileMetadata) {
        const isFile = Option.isSome(path) && !toStdout
        const target = isFile ? path.value : (yield* Path.Path).join(directoryPath, nameOf(file))
        if (!toStdout) yield* checkTarget(target, onExisting)
        if (isFile) yield* checkDirectory(target)
        if (!file.downloadable) return yield* notDownloadable(file)
        yield* output.item(
          { action: "planned", would: "download", id: file.id, file, bytes: file.size_bytes },
          `would download ${printable(file.id)} ${printable(file.filename)} (${Format.bytes(file.size_bytes)})`
        )
      })
      return yield* Effect.forEach(files, (file) => Effect.catch(planned(file), onFailure(file)), { discard: true })
    }
    if (Option.isSome(directory)) yield* fs.makeDirectory(folder, { recursive: true })
    yield* output.progress.expect({
      files: files.length,
      bytes: files.reduce((sum, { size_bytes }) => sum + size_bytes, 0)
    })

    const one = (file: FileMetadata) => {
      const options = { onExisting, progress: output.progress } as const
      const saved = Option.isSome(path)
        ? Transfer.downloadToFile(file.id, path.value, options)
        : Transfer.downloadToDirectory({ ...file, filename: nameOf(file) }, folder, options)
      return Effect.matchEffect(saved, {
        onFailure: onFailure(file),
        onSuccess: ({ bytes, path }) =>
          output.item({ action: "downloaded", path, id: file.id, bytes, file }, line(file, path, false))
      })
    }
    yield* output.watch(Stream.runDrain(
      Stream.mapEffect(Stream.fromIterable(files), one, { concurrency, unordered: true })
    ))
  }, Effect.provide(Client.layer))
})
