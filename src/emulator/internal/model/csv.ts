/**
 * Adds up the columns of a table.
 */
import * as Effect from "effect/Effect"
import * as Csv from "effect/encoding/Csv"
import * as Stream from "effect/Stream"

interface Column {
  readonly name: string
  values: number
  numeric: number
  sum: number
}

/** The summary of a table. */
export interface Summary {
  /** Rows, without the first one, which holds the names. */
  readonly rows: number
  readonly columns: ReadonlyArray<Readonly<Column>>
}

const decoder = new TextDecoder()

const delimiterOf = (firstBytes: Uint8Array): "," | ";" => {
  const [first = ""] = decoder.decode(firstBytes.subarray(0, 4096)).split(/[\r\n]/, 1)
  return first.includes(",") || !first.includes(";") ? "," : ";"
}

const isNumber = (value: string): boolean => /^[+-]?\d+(\.\d+)?$/.test(value)

/** Takes the first line as names, and adds up the numbers of every column. `undefined` if it is not CSV. */
export const summarize = (bytes: Uint8Array): Effect.Effect<Summary | undefined> =>
  Effect.suspend(() => {
    let columns: ReadonlyArray<Column> | undefined
    let rows = 0
    return Stream.succeed(bytes).pipe(
      Stream.pipeThroughChannel(
        Csv.decode({ delimiter: delimiterOf(bytes), ignoreEmptyLines: true, maxRecordSize: Infinity })
      ),
      Stream.runForEach((row) =>
        Effect.sync(() => {
          if (columns === undefined) {
            columns = row.map((name) => ({ name: name.trim(), values: 0, numeric: 0, sum: 0 }))
            return
          }
          rows++
          for (const [i, column] of columns.entries()) {
            const value = (row[i] ?? "").trim()
            if (value === "") continue
            column.values++
            if (!isNumber(value)) continue
            column.numeric++
            column.sum += Number(value)
          }
        })
      ),
      Effect.map(() => ({ rows, columns: columns ?? [] })),
      Effect.orElseSucceed(() => undefined)
    )
  })

const quote = (cell: string): string => /[",\r\n]/.test(cell) ? `"${cell.replaceAll("\"", "\"\"")}"` : cell

/** Ten decimals are kept, so that 0.1 + 0.2 reads as 0.3. */
export const number = (value: number): string => String(Number(value.toFixed(10)))

/** The summary as CSV. */
export const toCsv = (summary: Summary): string =>
  [
    "column,values,numeric,sum",
    ...summary.columns.map((column) =>
      [quote(column.name), column.values, column.numeric, column.numeric === 0 ? "" : number(column.sum)].join(",")
    )
  ].join("\n") + "\n"
