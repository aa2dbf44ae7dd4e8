/**
 * Tables that fit the width of the screen: a pure function.
 */
import * as Format from "./format.ts"
import type { Style } from "./style.ts"

export interface Column<A> {
  readonly title: string
  readonly cells: (row: A) => string
  /** @default "left" */
  readonly align?: "left" | "right" | undefined
  /** Cells. Columns without a width share what the others leave. */
  readonly width?: number | undefined
  /** The column is left out on a screen narrower than this. */
  readonly from?: number | undefined
  readonly paint?: ((style: Style) => (text: string) => string) | undefined
}

export interface Table<A> {
  readonly header: string
  readonly row: (row: A) => string
}

const gap = 2

export const table = <A>(columns: ReadonlyArray<Column<A>>, screen: number, style: Style): Table<A> => {
  const shown = columns.filter((column) => screen >= (column.from ?? 0))
  const fixed = shown.reduce((sum, { width }) => sum + (width ?? 0), 0) + gap * (shown.length - 1)
  const flexible = shown.filter(({ width }) => width === undefined).length
  const share = Math.max(8, Math.floor((screen - fixed) / Math.max(1, flexible)))
  const line = (text: (column: Column<A>) => string, paint: (column: Column<A>) => (text: string) => string) =>
    shown.map((column, i) => {
      const width = column.width ?? share
      const cell = Format.middle(text(column), width)
      if (column.align === "right") return paint(column)(Format.padStart(cell, width))
      return paint(column)(i === shown.length - 1 ? cell : Format.padEnd(cell, width))
    }).join(" ".repeat(gap)).trimEnd()
  return {
    header: line(({ title }) => title, () => style.bold),
    row: (row) => line(({ cells }) => cells(row), ({ paint }) => paint === undefined ? (text) => text : paint(style))
  }
}
