/**
 * `ls`: lists files, newest first.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import * as Stream from "effect/Stream"
import type { FileMetadata } from "../../FileMetadata.ts"
import * as Files from "../../Files.ts"
import * as Client from "../client.ts"
import { define } from "../define.ts"
import * as FileTable from "../fileTable.ts"
import * as Filters from "../filters.ts"
import * as Flags from "../flags.ts"
import { type NewItem, Output } from "../output.ts"
import { program } from "../usage.ts"

const byExpiry = ({ expires_at }: FileMetadata): number =>
  expires_at === null ? Number.POSITIVE_INFINITY : DateTime.toEpochMillis(expires_at)

/** What people most likely look for comes first: newest, largest, soonest to expire. */
const orders = {
  created: Order.flip(
    Order.mapInput(Order.Number, ({ created_at }: FileMetadata) => DateTime.toEpochMillis(created_at))
  ),
  size: Order.flip(Order.mapInput(Order.Number, ({ size_bytes }: FileMetadata) => size_bytes)),
  name: Order.mapInput(Order.String, ({ filename }: FileMetadata) => filename),
  expires: Order.mapInput(Order.Number, byExpiry)
}

const listed = (file: FileMetadata): NewItem => ({ action: "listed", id: file.id, file })

/** The most that a page can have. */
const pageSize = 1000

export const ls = define({
  name: "ls",
  description: "List files, newest first",
  examples: [
    { command: `${program} ls --name '*.pdf' --older-than 30d`, description: "Old PDFs" },
    { command: `${program} ls --sort size --limit 10`, description: "The ten largest files" },
    { command: `${program} ls -q --expiring-within 1d`, description: "Only ids, for a script" }
  ],
  flags: {
    ...Filters.flags,
    sort: Flags.choice("sort", ["created", "name", "size", "expires"], "Sort order (default: created)"),
    limit: Flags.count("limit", "Maximum number of files", 1)
  },
  onlyReads: true,
  run: Effect.fnUntraced(function*({ limit, sort, ...filters }) {
    const output = yield* Output
    const now = yield* Clock.currentTimeMillis
    const most = Option.getOrElse(limit, () => Number.POSITIVE_INFINITY)
    const order = Option.getOrElse(sort, () => "created" as const)
    const isWhole = Filters.isEmpty(filters) && order === "created"
    const found = Files.list({ limit: isWhole ? Math.min(most, pageSize) : pageSize }).pipe(
      Stream.filter(Filters.matcher(filters, now))
    )
    const sorted = order === "created"
      ? Stream.take(found, most)
      : Stream.unwrap(Effect.map(
        Stream.runCollect(found),
        (files) => Stream.fromIterable(Array.from(files).sort(orders[order]).slice(0, most))
      ))

    let table: ReturnType<typeof FileTable.forScreen> | undefined
    const rows = (files: ReadonlyArray<FileMetadata>) => {
      if (!output.isTerminal) return files.map((file) => [listed(file), FileTable.forScript(file)] as const)
      const ids = files.reduce((widest, { id }) => Math.max(widest, id.length), 8)
      const shown = table ??= FileTable.forScreen(output.columns, ids, now, output.style)
      return files.map((file) => [listed(file), shown.row(file)] as const)
    }
    yield* sorted.pipe(
      Stream.runForEachArray((files) =>
        Effect.gen(function*() {
          const isFirst = table === undefined
          const printed = rows(files)
          if (isFirst && table !== undefined) yield* output.heading(table.header)
          yield* output.items(printed)
        })
      )
    )
  }, Effect.provide(Client.layer))
})
