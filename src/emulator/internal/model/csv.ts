/**
 * As much of CSV as a summary needs: quotes, commas or semicolons, and line ends of any kind.
 */
const cells = (line: string, separator: string): ReadonlyArray<string> => {
  const out: Array<string> = []
  let cell = ""
  let quoted = false
  for (let i = 0; i < line.length; i++) {
    const char = line[i]
    if (quoted) {
      if (char !== "\"") cell += char
      else if (line[i + 1] === "\"") {
        cell += "\""
        i++
      } else quoted = false
    } else if (char === "\"") quoted = true
    else if (char === separator) {
      out.push(cell)
      cell = ""
    } else cell += char
  }
  out.push(cell)
  return out
}

export interface Summary {
  readonly rows: number
  readonly columns: ReadonlyArray<{
    readonly name: string
    readonly values: number
    readonly numeric: number
    readonly sum: number
  }>
}

/** Reads the first line as names, and adds up what is a number in every column. */
export const summarize = (text: string): Summary => {
  const lines = text.replace(/^\ufeff/, "").split(/\r\n|\n|\r/).filter((line) => line.trim() !== "")
  const first = lines[0] ?? ""
  const separator = first.includes(",") || !first.includes(";") ? "," : ";"
  const columns = cells(first, separator).map((name) => ({ name: name.trim(), values: 0, numeric: 0, sum: 0 }))
  for (const line of lines.slice(1)) {
    const row = cells(line, separator)
    for (const [i, column] of columns.entries()) {
      const value = (row[i] ?? "").trim()
      if (value === "") continue
      column.values++
      if (!/^[+-]?\d+(\.\d+)?$/.test(value)) continue
      column.numeric++
      column.sum += Number(value)
    }
  }
  return { rows: Math.max(0, lines.length - 1), columns }
}

const quote = (cell: string): string => /[",\r\n]/.test(cell) ? `"${cell.replaceAll("\"", "\"\"")}"` : cell

/** Ten decimals are kept, so that 0.1 + 0.2 reads as 0.3. */
export const number = (value: number): string => String(Number(value.toFixed(10)))

/** The summary as a CSV of its own. */
export const toCsv = (summary: Summary): string =>
  [
    "column,values,numeric,sum",
    ...summary.columns.map((column) =>
      [quote(column.name), column.values, column.numeric, column.numeric === 0 ? "" : number(column.sum)].join(",")
    )
  ].join("\n") + "\n"
