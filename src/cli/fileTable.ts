/**
 * A file as a row: cut to fit the screen for a person, complete and separated by tabs for a script.
 */
import * as DateTime from "effect/DateTime"
import type { FileMetadata } from "../FileMetadata.ts"
import { printable } from "../internal/text.ts"
import * as Format from "./screen/format.ts"
import type { Style } from "./screen/style.ts"
import { type Table, table } from "./screen/table.ts"

const seconds = (from: DateTime.Utc, to: number): number => (to - DateTime.toEpochMillis(from)) / 1000

/**
 * @param now epoch milliseconds
 * @param ids the longest id, which is never cut
 */
export const forScreen = (columns: number, ids: number, now: number, style: Style): Table<FileMetadata> =>
  table<FileMetadata>(
    [
      { title: "ID", width: ids, cells: ({ id }) => printable(id), paint: ({ cyan }) => cyan },
      { title: "SIZE", width: 8, align: "right", cells: ({ size_bytes }) => Format.bytes(size_bytes) },
      { title: "AGE", width: 6, align: "right", cells: ({ created_at }) => Format.age(seconds(created_at, now)) },
      {
        title: "EXPIRES",
        width: 9,
        from: 100,
        cells: ({ expires_at }) => Format.expiry(expires_at === null ? undefined : -seconds(expires_at, now)),
        paint: ({ yellow }) => yellow
      },
      { title: "TYPE", width: 24, from: 110, cells: ({ mime_type }) => printable(mime_type), paint: ({ dim }) => dim },
      { title: "NAME", cells: ({ filename }) => printable(filename) }
    ],
    columns,
    style
  )

/** `id size created expires type name`, separated by tabs; `-` for a file that does not expire. */
export const forScript = ({ created_at, expires_at, filename, id, mime_type, size_bytes }: FileMetadata): string =>
  [
    printable(id),
    String(size_bytes),
    DateTime.formatIso(created_at),
    expires_at === null ? "-" : DateTime.formatIso(expires_at),
    printable(mime_type),
    printable(filename)
  ].join("\t")
