/**
 * `rm`: deletes files permanently, by id or by the filters of `ls`.
 */
import * as Argument from "effect/cli/Argument"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { FileMetadata } from "../../FileMetadata.ts"
import * as Files from "../../Files.ts"
import { printable } from "../../internal/text.ts"
import * as Transfer from "../../Transfer.ts"
import * as CacheLayer from "../cacheLayer.ts"
import * as Client from "../client.ts"
import * as Confirm from "../confirm.ts"
import { define } from "../define.ts"
import { UsageError, WouldLose } from "../failure.ts"
import * as Filters from "../filters.ts"
import * as Flags from "../flags.ts"
import { found } from "../lookUp.ts"
import { Output } from "../output.ts"
import * as Format from "../screen/format.ts"
import { Settings } from "../settings.ts"
import { program } from "../usage.ts"

/** Names in a question; the rest is counted. */
const namedAtOnce = 10

/** `3 files (1.2 MB) will be deleted and can't be recovered: a.pdf, b.pdf, c.pdf.` */
export const warning = (files: ReadonlyArray<Pick<FileMetadata, "filename" | "size_bytes">>): string => {
  const bytes = files.reduce((sum, { size_bytes }) => sum + size_bytes, 0)
  const names = files.slice(0, namedAtOnce).map(({ filename }) => printable(filename)).join(", ")
  const more = files.length - namedAtOnce
  return `${Format.files(files.length)} (${Format.bytes(bytes)}) will be deleted and can't be recovered: ${names}${
    more > 0 ? ` and ${more} more` : ""
  }.`
}

/** The most that one run deletes by default. */
export const maxDelete = 100

export const maxDeleteHelp = `Delete nothing if more files than this would be deleted (default: ${maxDelete})`

export const tooMany = (count: number, most: number): WouldLose =>
  new WouldLose({
    message: `${Format.files(count)} would be deleted, more than the ${most} of --max-delete: nothing was deleted. `
      + `To delete them all, add --max-delete ${count}.`
  })

export const rm = define({
  name: "rm",
  description: "Delete files permanently, by id or by the filters of ls",
  examples: [
    { command: `${program} rm file_011CNha8iCJcU1wXNR6q4V8w`, description: "One file" },
    { command: `${program} rm --older-than 90d --dry-run`, description: "Show which files would be deleted" },
    { command: `${program} rm --name 'tmp-*' --yes --max-delete 1000`, description: "Many files, without a question" }
  ],
  flags: {
    ids: Argument.String("id").pipe(Argument.withDescription("Ids of files"), Argument.variadic()),
    ...Filters.flags,
    ...CacheLayer.flags,
    maxDelete: Flags.count("max-delete", maxDeleteHelp, 0),
    ...Confirm.flags
  },
  main: "deleted",
  run: Effect.fnUntraced(function*({ cacheDir, dryRun, ids, maxDelete: limit, yes, ...filters }) {
    const output = yield* Output
    const { concurrency } = yield* Settings
    const byFilter = !Filters.isEmpty(filters)
    if ((ids.length === 0) !== byFilter) {
      return yield* new UsageError({
        message: "Name the files by their ids, or choose them with filters such as --name or --older-than."
      })
    }
    const now = yield* Clock.currentTimeMillis
    const files = byFilter
      ? yield* Stream.runCollect(Stream.filter(Files.list({ limit: 1000 }), Filters.matcher(filters, now)))
      : yield* found(ids)
    if (files.length === 0) return yield* output.note(byFilter ? "No file matches." : "There is nothing to delete.")
    if (dryRun) {
      return yield* output.items(files.map((file) =>
        [
          { action: "planned", would: "delete", id: file.id, file, bytes: file.size_bytes },
          `would delete ${printable(file.id)} ${printable(file.filename)} (${Format.bytes(file.size_bytes)})`
        ] as const
      ))
    }
    const most = Option.getOrElse(limit, () => maxDelete)
    if (files.length > most) return yield* tooMany(files.length, most)
    if (byFilter || ids.length > 1) {
      const agreed = yield* Confirm.confirm(warning(files), `Delete ${Format.files(files.length)}?`, yes)
      if (!agreed) return yield* output.note("Nothing was deleted.")
    }
    yield* output.progress.expect({ files: files.length })
    yield* output.watch(Stream.runForEach(
      Transfer.deleteAll(Stream.fromIterable(files), { concurrency }),
      (result) =>
        Effect.gen(function*() {
          const meter = yield* output.progress.begin(result.input.filename, undefined)
          meter.end(result._tag === "Success")
          const { filename, id, size_bytes } = result.input
          if (result._tag === "Failure") return yield* output.problem(result.error, { id })
          yield* output.item(
            { action: "deleted", id, file: result.input, bytes: size_bytes },
            output.isTerminal ? `${output.style.green("✓")} deleted ${printable(filename)}` : printable(id)
          )
        })
    )).pipe(Effect.provide(CacheLayer.layerForgetting(cacheDir)))
  }, Effect.provide(Client.layer))
})
