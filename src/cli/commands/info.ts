/**
 * `info`: the metadata of files.
 */
import * as Argument from "effect/cli/Argument"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { FileMetadata } from "../../FileMetadata.ts"
import { printable } from "../../internal/text.ts"
import * as Client from "../client.ts"
import { define } from "../define.ts"
import * as FileTable from "../fileTable.ts"
import { found } from "../lookUp.ts"
import { Output } from "../output.ts"
import * as Format from "../screen/format.ts"
import type { Style } from "../screen/style.ts"
import { program } from "../usage.ts"

const timeOf = (time: DateTime.Utc, text: string): string => `${DateTime.formatIso(time)} (${text})`

/** @param now epoch milliseconds */
const card = (file: FileMetadata, now: number, style: Style): string => {
  const age = (now - DateTime.toEpochMillis(file.created_at)) / 1000
  const left = file.expires_at === null ? undefined : (DateTime.toEpochMillis(file.expires_at) - now) / 1000
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["id", style.cyan(printable(file.id))],
    ["name", printable(file.filename)],
    ["type", printable(file.mime_type)],
    ["size", `${Format.bytes(file.size_bytes)} (${file.size_bytes} bytes)`],
    ["created", timeOf(file.created_at, `${Format.age(age)} ago`)],
    ["expires", file.expires_at === null ? "never" : timeOf(file.expires_at, Format.expiry(left))],
    ["downloadable", file.downloadable ? "yes" : "no"],
    ...(file.scope === null ? [] : [["scope", `${printable(file.scope.type)} ${printable(file.scope.id)}`] as const])
  ]
  return rows.map(([name, value]) => `${style.bold(Format.padEnd(name, 14))}${value}`).join("\n")
}

export const info = define({
  name: "info",
  description: "Show the metadata of files",
  examples: [{
    command: `${program} info file_011CNha8iCJcU1wXNR6q4V8w`,
    description: "Size, type and expiry of one file"
  }],
  flags: {
    ids: Argument.String("id").pipe(
      Argument.withDescription("Ids of files"),
      Argument.variadic({ min: 1 })
    )
  },
  onlyReads: true,
  run: Effect.fnUntraced(function*({ ids }) {
    const output = yield* Output
    const now = yield* Clock.currentTimeMillis
    const files = yield* found(ids)
    yield* output.items(files.map((file, i) =>
      [
        { action: "listed", id: file.id, file },
        output.isTerminal ? `${i === 0 ? "" : "\n"}${card(file, now, output.style)}` : FileTable.forScript(file)
      ] as const
    ))
  }, Effect.provide(Client.layer))
})
