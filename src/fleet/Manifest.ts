/**
 * The input of an ingest: a stream of items, each with a key and the source of its content. It is read from JSONL, CSV, a
 * directory or the rows of a query, or made by a program.
 *
 * A line that is not a valid item becomes a {@link Malformed} with its line number. The other lines are still read.
 *
 * @example
 * ```ts
 * import { Effect, FileSystem, Stream } from "effect"
 * import * as Ingest from "effect-anthropic-files/fleet/Ingest"
 * import * as Manifest from "effect-anthropic-files/fleet/Manifest"
 *
 * export const program = Effect.gen(function*() {
 *   const fs = yield* FileSystem.FileSystem
 *   yield* Ingest.add("corpus", Manifest.jsonl(fs.stream("corpus.jsonl"), { name: "corpus.jsonl" }))
 *   yield* Ingest.add("corpus", Stream.make({ key: "report", source: "https://example.com/report.pdf" }))
 * })
 * ```
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { SourceFailed } from "../FilesError.ts"
import { filterOf, scan } from "../internal/cache/scan.ts"
import { fromPlatformError } from "../internal/files/sourceFailed.ts"
import { parseJson } from "../internal/messages/events.ts"
import { shorten } from "../internal/text.ts"
import { type CsvRecord, recordsOf } from "./internal/csvRecords.ts"
import { linesOf } from "./internal/lines.ts"
import { type Entry, type Item, Malformed, parseItem } from "./internal/manifestItem.ts"

export {
  type Entry,
  /** Whether an entry of a manifest is a {@link Malformed}. */
  isMalformed,
  type Item,
  Malformed
} from "./internal/manifestItem.ts"

/** Options for reading a manifest. */
export interface FileOptions {
  /**
   * The name of the manifest in messages. A malformed line without a key gets the key `name:line`.
   *
   * @default "manifest"
   */
  readonly name?: string | undefined
}

const malformed = (name: string, line: number, message: string, key?: string): Malformed =>
  new Malformed({ key: key ?? `${name}:${line}`, line, message: `${name}, line ${line}: ${message}` })

const columns = ["key", "source", "filename", "mimeType", "expiresIn", "metadata"]

/** The header of a CSV file. */
interface Header {
  readonly names: ReadonlyArray<string>
  readonly isUsable: boolean
}

const headerProblem = (names: ReadonlyArray<string>): string | undefined => {
  const missing = ["key", "source"].filter((column) => !names.includes(column))
  if (missing.length > 0) {
    return `the first record has no column ${missing.join(" and ")}: ${shorten(names.join(", "))}.`
  }
  const double = columns.find((column) => names.indexOf(column) !== names.lastIndexOf(column))
  return double === undefined ? undefined : `the first record has the column ${double} twice.`
}

/** Cells are text; an empty cell counts as absent. */
const fromCells = (header: ReadonlyArray<string>, cells: ReadonlyArray<string>): Record<string, unknown> => {
  const entries = header.map((column, at) => [column, cells[at] ?? ""] as const)
  return Object.fromEntries(entries.filter(([, cell]) => cell !== ""))
}

const entryOf = (name: string, line: number, value: unknown): Entry => {
  const parsed = parseItem(value)
  return "message" in parsed ? malformed(name, line, parsed.message, parsed.key) : parsed.item
}

/**
 * Reads one JSON object per line, with the fields of an {@link Item}: `{"key": "a", "source": "a.pdf"}`. Empty lines are
 * skipped. A line may have up to 1 MiB.
 *
 * @param content the bytes of the file, `fs.stream(path)` for example
 */
export const jsonl = <E, R>(
  content: Stream.Stream<Uint8Array, E, R>,
  options: FileOptions = {}
): Stream.Stream<Entry, E, R> => {
  const { name = "manifest" } = options
  return linesOf(content).pipe(
    Stream.filter(({ text }) => text?.trim() !== ""),
    Stream.map(({ line, text }) => {
      if (text === undefined) return malformed(name, line, "the line is not UTF-8 text of at most 1 MiB.")
      const value = parseJson(text)
      return Option.isNone(value) ? malformed(name, line, "the line is not JSON.") : entryOf(name, line, value.value)
    })
  )
}

/**
 * Reads comma-separated values (RFC 4180) with a header. The columns `key` and `source` are required; `filename`, `mimeType`,
 * `expiresIn` and `metadata` (JSON) are optional. Other columns are ignored. A quote that does not stand at the beginning or
 * end of a cell, or that is never closed, makes its line malformed. Without a usable header, nothing further is read.
 *
 * @param content the bytes of the file, `fs.stream(path)` for example
 */
export const csv = <E, R>(
  content: Stream.Stream<Uint8Array, E, R>,
  options: FileOptions & {
    /** @default "," */
    readonly delimiter?: string | undefined
  } = {}
): Stream.Stream<Entry, E, R> => {
  const { delimiter = ",", name = "manifest" } = options
  const unreadable = "the quotes of the record do not match."
  const read = (header: Header | undefined, { cells, line }: CsvRecord): readonly [Header, ReadonlyArray<Entry>] => {
    if (header === undefined) {
      const names = (cells ?? []).map((column) => column.trim())
      const problem = cells === undefined ? unreadable : headerProblem(names)
      return problem === undefined
        ? [{ names, isUsable: true }, []]
        : [{ names, isUsable: false }, [malformed(name, line, `${problem} Nothing further was read.`)]]
    }
    const { names } = header
    if (cells === undefined) return [header, [malformed(name, line, unreadable)]]
    return [header, [
      cells.length === names.length
        ? entryOf(name, line, fromCells(names, cells))
        : malformed(name, line, `the record has ${cells.length} cells, and the first one ${names.length}.`)
    ]]
  }
  return recordsOf(content, delimiter).pipe(
    Stream.mapAccum(() => undefined as Header | undefined, (header, record) => {
      const [next, entries] = header?.isUsable === false ? [header, []] : read(header, record)
      return [next, [{ entries, isLast: !next.isUsable }]]
    }),
    // Without the columns, every further record would only be one more failure.
    Stream.takeUntil(({ isLast }) => isLast),
    Stream.flatMap(({ entries }) => Stream.fromIterable(entries))
  )
}

/**
 * The regular files in a directory and below it that match globs. The key is the path relative to the directory, with `/` on
 * every system; the source is the absolute path. What can't be read is malformed, a folder below the directory too. Links
 * are not followed, and names that begin with a dot are skipped unless a glob names them.
 */
export const folder = (
  directory: string,
  options: {
    /**
     * Globs that the relative paths have to match.
     *
     * @default ["**"]
     */
    readonly include?: ReadonlyArray<string> | undefined
    /**
     * Globs of paths to skip.
     *
     * @default []
     */
    readonly exclude?: ReadonlyArray<string> | undefined
  } = {}
): Stream.Stream<Entry, SourceFailed, FileSystem.FileSystem | Path.Path> =>
  Stream.unwrap(Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const root = path.resolve(directory)
    const { found, unreadable } = yield* Effect.mapError(
      scan(fs, path, root, filterOf(options)),
      fromPlatformError(directory)
    )
    const items = found.map(({ absolute, path }): Entry => checked({ key: path, source: absolute }, path))
    const failed = unreadable.map(({ error, path }) => new Malformed({ key: path, message: error.message }))
    return Stream.fromIterable([...items, ...failed])
  }))

/** A file name can contain characters that a key can't. */
const checked = (item: Item, key: string): Entry => {
  const parsed = parseItem(item)
  return "message" in parsed ? new Malformed({ key: parsed.key ?? key, message: parsed.message }) : parsed.item
}

/**
 * Reads the rows of a query, or other objects, with the fields of an {@link Item}. Null counts as absent.
 * `` Manifest.rows(sql`SELECT id AS key, url AS source FROM documents`.stream) ``
 */
export const rows = <E, R>(
  self: Stream.Stream<object, E, R>,
  options: FileOptions = {}
): Stream.Stream<Entry, E, R> => {
  const { name = "rows" } = options
  return Stream.map(
    Stream.zipWithIndex(self),
    ([row, index]) =>
      entryOf(
        name,
        index + 1,
        Object.fromEntries(Object.entries(row).filter(([, value]) => Predicate.isNotNull(value)))
      )
  )
}
