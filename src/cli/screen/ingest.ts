/**
 * An ingest at one moment: pure functions.
 */
import * as DateTime from "effect/DateTime"
import type { Runner, Status } from "../../fleet/Ingest.ts"
import { printable } from "../../internal/text.ts"
import * as Format from "./format.ts"
import type { Size } from "./progress.ts"
import type { Style } from "./style.ts"
import { type Column, table } from "./table.ts"

/** What is no longer pending, as a share of all. */
const shareOf = ({ counts, total }: Status): number => total === 0 ? 0 : (total - counts.pending) / total

const bar = (share: number, cells: number): string => {
  const full = Math.min(cells, Math.floor(share * cells))
  return "█".repeat(full) + "░".repeat(cells - full)
}

/** As many of the parts as fit; those that matter most come first. */
const fitted = (parts: ReadonlyArray<string>, columns: number): string => {
  const shown = [...parts]
  while (shown.length > 1 && shown.join(", ").length >= columns) shown.pop()
  return Format.end(shown.join(", "), columns - 1)
}

const aliveOf = ({ runners }: Status): ReadonlyArray<Runner> => runners.filter(({ is_alive }) => is_alive)

const left = ({ counts, time_left }: Status): ReadonlyArray<string> => {
  if (counts.pending === 0) return []
  return time_left === null ? ["nothing moved within the last minute"] : [`${Format.duration(time_left / 1000)} left`]
}

const countsLine = ({ bytes, counts }: Status, columns: number): string =>
  fitted([
    `${Format.count(counts.done)} done (${Format.bytes(bytes)})`,
    `${Format.count(counts.pending)} pending`,
    `${Format.count(counts.failed)} failed`,
    ...(counts.cancelled > 0 ? [`${Format.count(counts.cancelled)} cancelled`] : []),
    ...(counts.deleted > 0 ? [`${Format.count(counts.deleted)} deleted`] : [])
  ], columns)

const runnersOf = ({ runners }: Status): string => {
  const alive = runners.filter(({ is_alive }) => is_alive).length
  if (alive === 0) return "no runner"
  return alive === 1 ? "1 runner" : `${alive} runners`
}

const head = (status: Status, { columns }: Size, style: Style): ReadonlyArray<string> => {
  const share = shareOf(status)
  const percent = ` ${Math.floor(share * 100)} %`
  const title = `${status.state}, ${runnersOf(status)}`
  const name = Format.middle(printable(status.ingest), Math.max(8, columns - title.length - 4))
  return [
    `${style.bold(name)}  ${status.state === "running" ? title : style.yellow(title)}`,
    `${style.cyan(bar(share, Math.max(8, Math.min(60, columns - 16))))}${percent}`,
    countsLine(status, columns),
    fitted([`${Format.items(status.last_minute)} within the last minute`, ...left(status)], columns)
  ]
}

const failureLines = (status: Status, columns: number, room: number, style: Style): ReadonlyArray<string> => {
  const all = Object.entries(status.failures).sort(([, a], [, b]) => b - a)
  if (all.length === 0 || room < 2) return []
  const shown = all.length < room ? all : all.slice(0, room - 2)
  const more = all.slice(shown.length).reduce((sum, [, count]) => sum + count, 0)
  const line = (name: string, count: number): string => {
    const figure = Format.padStart(Format.count(count), 12)
    return `  ${
      style.red(Format.padEnd(Format.middle(name, Math.min(30, columns - 16)), Math.min(30, columns - 16)))
    }${figure}`
  }
  return [
    style.bold("Failures"),
    ...shown.map(([tag, count]) => line(printable(tag), count)),
    ...(more > 0 ? [line("others", more)] : [])
  ]
}

const secondsSince = (status: Status, runner: Runner): number =>
  (DateTime.toEpochMillis(status.at) - DateTime.toEpochMillis(runner.last_seen_at)) / 1000

const runnerColumns = (status: Status): ReadonlyArray<Column<Runner>> => [
  { title: "  Runner", cells: ({ name }) => `  ${printable(name)}` },
  {
    title: "under way",
    cells: ({ concurrency, in_flight }) => `${in_flight} of ${concurrency}`,
    align: "right",
    width: 9
  },
  { title: "done", cells: ({ done }) => Format.count(done), align: "right", width: 9 },
  { title: "failed", cells: ({ failed }) => Format.count(failed), align: "right", width: 7, from: 70 },
  { title: "sent", cells: ({ bytes }) => Format.bytes(bytes), align: "right", width: 8, from: 100 },
  {
    title: "heard of",
    cells: (runner) =>
      runner.is_alive
        ? `${Format.age(secondsSince(status, runner))} ago`
        : `gone ${Format.age(secondsSince(status, runner))}`,
    align: "right",
    width: 11
  }
]

const runnerLines = (status: Status, columns: number, room: number, style: Style): ReadonlyArray<string> => {
  const all = [...aliveOf(status), ...status.runners.filter(({ is_alive }) => !is_alive)]
  if (all.length === 0 || room < 2) return []
  const { header, row } = table(runnerColumns(status), columns - 1, style)
  const shown = all.length < room ? all : all.slice(0, room - 2)
  const more = all.length - shown.length
  return [
    header,
    ...shown.map((runner) => runner.is_alive ? row(runner) : style.dim(row(runner))),
    ...(more > 0 ? [style.dim(`  and ${more} more`)] : [])
  ]
}

/** The screen: none of its lines is wider than it, and no more of them than it has rows. */
export const render = (status: Status, size: Size, style: Style): ReadonlyArray<string> => {
  const lines = head(status, size, style)
  const room = Math.max(0, size.rows - 1 - lines.length)
  const failures = failureLines(status, size.columns, Math.min(12, Math.floor(room / 2)), style)
  return [...lines, ...failures, ...runnerLines(status, size.columns, room - failures.length, style)]
}

/** For a script: a line for each figure, with tabs. */
export const lines = (status: Status): ReadonlyArray<string> => {
  const { bytes, counts, failures, ingest, last_minute, runners, state, time_left, total } = status
  return [
    ["ingest", printable(ingest)],
    ["state", state],
    ["total", total],
    ...Object.entries(counts),
    ["bytes", bytes],
    ["last_minute", last_minute],
    ["time_left", time_left === null ? "-" : Math.round(time_left)],
    ...Object.entries(failures).map(([tag, count]) => ["failure", printable(tag), count]),
    ...runners.map((runner) => [
      "runner",
      printable(runner.name),
      runner.is_alive ? "alive" : "gone",
      runner.in_flight,
      runner.done,
      runner.failed,
      runner.bytes,
      DateTime.formatIso(runner.last_seen_at)
    ])
  ].map((fields) => fields.join("\t"))
}

/** One of several ingests, in one line. */
export const ingests = (columns: number, style: Style) =>
  table<Status>(
    [
      { title: "INGEST", cells: ({ ingest }) => printable(ingest), paint: (style) => style.cyan },
      { title: "STATE", cells: ({ state }) => state, width: 9 },
      { title: "ITEMS", cells: ({ total }) => Format.count(total), align: "right", width: 11 },
      { title: "DONE", cells: ({ counts }) => Format.count(counts.done), align: "right", width: 11 },
      { title: "FAILED", cells: ({ counts }) => Format.count(counts.failed), align: "right", width: 9, from: 70 },
      { title: "SIZE", cells: ({ bytes }) => Format.bytes(bytes), align: "right", width: 8, from: 100 }
    ],
    columns,
    style
  )
