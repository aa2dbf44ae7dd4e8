/**
 * `download`: files to disk, each complete or not at all.
 */
import * as Argument from "effect/cli/Argument"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { FileMetadata } from "../../FileMetadata.ts"
import * as Files from "../../Files.ts"
import { printable } from "../../internal/text.ts"
import * as Transfer from "../../Transfer.ts"
import * as Client from "../client.ts"
import * as Confirm from "../confirm.ts"
import { define } from "../define.ts"
import { UsageError, WouldLose } from "../failure.ts"
import * as Flags from "../flags.ts"
import { found } from "../lookUp.ts"
import { Output } from "../output.ts"
import * as Format from "../screen/format.ts"
import { Settings } from "../settings.ts"
import { program } from "../usage.ts"
import { content } from "./cat.ts"

const exists = (error: unknown): error is Transfer.SaveFailed =>
  error instanceof Transfer.SaveFailed && error.reason === "Exists"

/** The library's own advice names its options; here it is the flags'. */
const explained = (error: unknown): unknown =>
  exists(error)
    ? new WouldLose({
      message: `${printable(error.path)} exists already: add --force to replace it, or --skip-existing to keep it.`
    })
    : error

export const download = define({
  name: "download",
  description: "Download files that tools and skills made",
  examples: [
    { command: `${program} download file_011CNha8iCJcU1wXNR6q4V8w -o chart.png`, description: "One, to a path" },
    { command: `${program} download --all-generated -d results --skip-existing`, description: "All that are new" }
  ],
  flags: {
    ids: Argument.String("id").pipe(Argument.withDescription("Ids of files"), Argument.variadic()),
    output: Flags.text("output", "PATH", "Where a single file goes; - is standard output", "o"),
    directory: Flags.text("directory", "DIR", "The folder for all of them, made if need be; . unless given", "d"),
    force: Flags.toggle("force", "Replace files that are there"),
    skipExisting: Flags.toggle("skip-existing", "Leave out files that are there"),
    allGenerated: Flags.toggle("all-generated", "All files that can be downloaded"),
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
    const files = allGenerated
      ? yield* Stream.runCollect(Stream.filter(Files.list({ limit: 1000 }), ({ downloadable }) => downloadable))
      : yield* found(ids)
    if (Option.contains(path, "-")) {
      return yield* Effect.forEach(files, ({ id }) => content(id), { discard: true })
    }
    const folder = Option.getOrElse(directory, () => ".")
    if (files.length === 0 && allGenerated) return yield* output.note("There is no file that can be downloaded.")
    if (dryRun) {
      return yield* output.items(files.map((file) =>
        [
          { action: "planned", would: "download", id: file.id, file, bytes: file.size_bytes },
          `would download ${printable(file.id)} ${printable(file.filename)} (${Format.bytes(file.size_bytes)})`
        ] as const
      ))
    }
    if (Option.isSome(directory)) yield* fs.makeDirectory(folder, { recursive: true })
    yield* output.progress.expect({
      files: files.length,
      bytes: files.reduce((sum, { size_bytes }) => sum + size_bytes, 0)
    })

    const one = (file: FileMetadata) => {
      const options = { onExisting: force ? "replace" as const : "fail" as const, progress: output.progress }
      const saved = Option.isSome(path)
        ? Transfer.downloadToFile(file.id, path.value, options)
        : Transfer.downloadToDirectory(file, folder, options)
      return Effect.matchEffect(saved, {
        onFailure: (error) =>
          skipExisting && exists(error)
            ? output.item({ action: "skipped", path: error.path, id: file.id, file }, line(file, error.path, true))
            : output.problem(explained(error), { id: file.id }),
        onSuccess: ({ bytes, path }) =>
          output.item({ action: "downloaded", path, id: file.id, bytes, file }, line(file, path, false))
      })
    }

    const line = (file: FileMetadata, path: string, isSkipped: boolean): string => {
      const shown = printable(path)
      if (!output.isTerminal) return `${printable(file.id)}\t${shown}`
      const mark = isSkipped ? output.style.dim("–") : output.style.green("✓")
      return `${mark} ${Format.padStart(Format.bytes(file.size_bytes), 8)}  ${
        Format.middle(isSkipped ? `${shown} (there already)` : shown, Math.max(8, output.columns - 13))
      }`
    }
    yield* output.watch(Stream.runDrain(
      Stream.mapEffect(Stream.fromIterable(files), one, { concurrency, unordered: true })
    ))
  }, Effect.provide(Client.layer))
})
