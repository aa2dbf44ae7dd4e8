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
  readonly quotes: number
  readonly size: number
}

const closed: State = { open: [], quotes: 0, size: 0 }

const quotesIn = (text: string): number => text.split("\"").length - 1

const take = (state: State, next: Line): readonly [State, ReadonlyArray<Raw>] => {
  const { text } = next
  if (text === undefined) return [closed, [...giveUp(state.open), next]]
  const open = [...state.open, next]
  const quotes = state.quotes + quotesIn(text)
  const size = state.size + text.length
  if (quotes % 2 === 0) {
    return [closed, [{ line: open[0]?.line ?? next.line, text: open.map(({ text }) => text).join("\n") }]]
  }
  return open.length > maxLines || size > maxLineSize ? [closed, giveUp(open)] : [{ open, quotes, size }, []]
}

/** If a quote is never closed, the first line is invalid, and each following line is a record. */
const giveUp = (open: ReadonlyArray<Line>): ReadonlyArray<Raw> => {
  const [first, ...others] = open
  if (first === undefined) return []
  return [
    { line: first.line, text: undefined },
    ...others.map(({ line, text }) => ({
      line,
      text: quotesIn(text ?? "") % 2 === 0 ? text : undefined
    }))
  ]
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
  Stream.mapAccum(linesOf(content), () => closed, take, { onHalt: ({ open }) => giveUp(open) }).pipe(
    Stream.filter(({ text }) => text !== ""),
    Stream.mapEffect(({ line, text }) =>
      text === undefined
        ? Effect.succeed({ line, cells: undefined })
        : Effect.map(decode(text, delimiter), (cells) => ({ line, cells }))
    )
  )
