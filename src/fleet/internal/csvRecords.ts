/**
 * Records of a CSV file, each decoded separately, because effect's decoder stops at the first invalid one.
 */
import * as Effect from "effect/Effect"
import * as Csv from "effect/encoding/Csv"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type Line, linesOf, maxLineSize } from "./lines.ts"

export interface CsvRecord {
  /** The number of its first line. */
  readonly line: number
  /** `undefined` for a record that can't be read. */
  readonly cells: ReadonlyArray<string> | undefined
}

/** If a record has more lines, it is more likely that a quote is missing. */
const maxLines = 1000

/** The lines of one record. */
interface Raw {
  readonly line: number
  readonly text: string | undefined
}

interface State {
  /** The lines of a record whose quote is still open. */
  readonly open: ReadonlyArray<Line>
  readonly size: number
}

const closed: State = { open: [], size: 0 }

/**
 * Whether a line ends within a quoted cell; `undefined` if its quotes are wrong. As in RFC 4180 and in effect's decoder, a
 * quote opens a cell only at its beginning, and only the next cell may follow the one that closes it.
 */
const endsQuoted = (text: string, delimiter: string, beginsQuoted: boolean): boolean | undefined => {
  if (!beginsQuoted && !text.includes("\"")) return false
  let isQuoted = beginsQuoted
  let at = 0
  for (;;) {
    if (isQuoted) {
      const quote = text.indexOf("\"", at)
      if (quote < 0) return true
      at = quote + 2
      if (text[quote + 1] === "\"") continue
      if (quote + 1 === text.length) return false
      if (text[quote + 1] !== delimiter) return undefined
      isQuoted = false
    } else if (text[at] === "\"") {
      at++
      isQuoted = true
    } else {
      const next = text.indexOf(delimiter, at)
      if (/["\r]/.test(text.slice(at, next < 0 ? undefined : next))) return undefined
      if (next < 0) return false
      at = next + 1
    }
  }
}

/**
 * Reads lines, after the open ones. If the quotes of a record are wrong or never closed, its first line is invalid, and reading
 * goes on with the next one.
 */
const read = (
  { open, size }: State,
  further: ReadonlyArray<Line>,
  delimiter: string,
  isEnd: boolean
): readonly [State, ReadonlyArray<Raw>] => {
  const lines = [...open, ...further]
  const records: Array<Raw> = []
  let first = 0
  let at = open.length
  let length = size
  const end = (line: number, text: string | undefined, next: number) => {
    records.push({ line, text })
    first = at = next
    length = 0
  }
  for (let begin = lines[first]; begin !== undefined; begin = lines[first]) {
    const current = lines[at]
    if (current === undefined && !isEnd) break
    const text = current?.text
    const isOpen = text === undefined ? undefined : endsQuoted(text, delimiter, at > first)
    length += text?.length ?? 0
    at++
    const isTooLong = at - first > maxLines || length > maxLineSize
    if (isOpen === undefined || (isOpen && isTooLong)) end(begin.line, undefined, first + 1)
    else if (!isOpen) end(begin.line, lines.slice(first, at).map(({ text }) => text).join("\n"), at)
  }
  return [{ open: lines.slice(first), size: length }, records]
}

const decode = (text: string, delimiter: string): Effect.Effect<ReadonlyArray<string> | undefined> =>
  text.includes("\"")
    ? Stream.succeed(text).pipe(
      Stream.pipeThroughChannel(Csv.decodeString({ delimiter, maxRecordSize: Infinity })),
      Stream.runCollect,
      Effect.option,
      Effect.map((records) => Option.isSome(records) && records.value.length === 1 ? records.value[0] : undefined)
    )
    : Effect.succeed(text.split(delimiter))

export const recordsOf = <E, R>(
  content: Stream.Stream<Uint8Array, E, R>,
  delimiter: string
): Stream.Stream<CsvRecord, E, R> =>
  Stream.mapAccum(linesOf(content), () => closed, (state, line) => read(state, [line], delimiter, false), {
    onHalt: (state) => read(state, [], delimiter, true)[1]
  }).pipe(
    Stream.filter(({ text }) => text !== ""),
    Stream.mapEffect(({ line, text }) =>
      text === undefined
        ? Effect.succeed({ line, cells: undefined })
        : Effect.map(decode(text, delimiter), (cells) => ({ line, cells }))
    )
  )
