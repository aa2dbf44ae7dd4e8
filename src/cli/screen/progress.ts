/**
 * The lines at the bottom of the screen while files move: a pure function of a state.
 */
import * as Duration from "effect/Duration"
import type { FileProgress, Snapshot } from "../../Progress.ts"
import * as Format from "./format.ts"
import type { Style } from "./style.ts"

/** A request that waits before it is sent or retried. */
export interface Wait {
  /** `429`, `ECONNRESET`, `rate limit`. */
  readonly reason: string
  /** Epoch milliseconds. */
  readonly until: number
  /** The number of the next try; absent where nothing has failed. */
  readonly attempt: number | undefined
}

export interface State {
  readonly snapshot: Snapshot
  readonly waits: ReadonlyArray<Wait>
  /** The most tries that a request has. */
  readonly attempts: number
  /** Epoch milliseconds. */
  readonly now: number
}

export interface Size {
  readonly columns: number
  readonly rows: number
}

const secondsOf = (duration: Duration.Duration): number => Duration.toMillis(duration) / 1000

/** Empty once all bytes have moved: the time until the service answers can't be foreseen. */
const timeLeft = (remaining: Duration.Duration | undefined): string =>
  remaining === undefined || secondsOf(remaining) < 0.05 ? "" : Format.duration(secondsOf(remaining))

const bar = (share: number, cells: number): string => {
  const full = Math.min(cells, Math.floor(share * cells))
  return "█".repeat(full) + "░".repeat(cells - full)
}

/** Widths of the columns after the name, by the width of the screen. */
const layoutOf = (columns: number) => {
  if (columns < 70) return { bar: 8, rate: 0, left: 10 }
  return columns < 100 ? { bar: 12, rate: 11, left: 10 } : { bar: 24, rate: 11, left: 10 }
}

const rateOf = (rate: number): string => rate > 0 ? `${Format.bytes(rate)}/s` : ""

const fileLine = (file: FileProgress, columns: number, style: Style): string => {
  const layout = layoutOf(columns)
  const share = file.total === undefined || file.total === 0 ? 0 : Math.min(1, file.bytes / file.total)
  const moved = file.total === undefined
    ? Format.padStart(Format.bytes(file.bytes), layout.bar + 6)
    : `${style.cyan(bar(share, layout.bar))} ${Format.padStart(`${Math.floor(share * 100)} %`, 5)}`
  const rate = layout.rate === 0 ? "" : Format.padStart(rateOf(file.rate), layout.rate)
  const left = timeLeft(file.remaining)
  const name = Math.max(4, columns - 4 - (layout.bar + 6) - layout.rate - layout.left)
  const figures = `${rate}${Format.padStart(left, layout.left)}`.trimEnd()
  return `  ${Format.padEnd(Format.middle(file.name, name), name)} ${moved}${style.dim(figures)}`
}

/** `1.2 of 3.0 GB`: a unit that both have is written once. */
const bytesOf = (done: number, total: number): string => {
  const [from, to] = [Format.bytes(done), Format.bytes(total)]
  const unit = / \S+$/.exec(to)?.[0] ?? ""
  return `${from.endsWith(unit) ? from.slice(0, from.length - unit.length) : from} of ${to}`
}

const totalsLine = ({ snapshot }: State, columns: number): string => {
  const { bytes, files, rate, remaining, total } = snapshot
  const done = files.done + files.failed
  const parts = [
    files.total === undefined ? Format.files(done) : `${done} of ${Format.files(files.total)}`,
    ...(total === undefined ? [Format.bytes(bytes)] : [bytesOf(bytes, total)]),
    ...(files.failed > 0 ? [`${files.failed} failed`] : []),
    ...(rate > 0 ? [`${Format.bytes(rate)}/s`] : []),
    ...(rate > 0 && timeLeft(remaining) !== "" ? [`${timeLeft(remaining)} left`] : [])
  ]
  // The most important parts come first; the others are left out on a narrow screen.
  while (parts.length > 1 && parts.join(", ").length > columns - 1) parts.pop()
  return Format.end(parts.join(", "), columns - 1)
}

/** `429: waiting 12 s, attempt 2 of 5`, for requests that wait for the same reason. */
export const waitLine = (waits: readonly [Wait, ...ReadonlyArray<Wait>], now: number, attempts: number): string => {
  const { attempt, reason, until } = waits.reduce((a, b) => b.until > a.until ? b : a)
  const seconds = Math.ceil((until - now) / 1000)
  const tries = attempt === undefined ? "" : `, attempt ${attempt} of ${attempts}`
  const many = waits.length === 1 ? "" : ` (${waits.length} requests)`
  return `${reason}: waiting ${seconds} s${tries}${many}`
}

const waitLines = ({ attempts, now, waits }: State, columns: number, style: Style): ReadonlyArray<string> => {
  const byReason = new Map<string, [Wait, ...Array<Wait>]>()
  for (const wait of waits.filter(({ until }) => until > now)) {
    const others = byReason.get(wait.reason)
    if (others === undefined) byReason.set(wait.reason, [wait])
    else others.push(wait)
  }
  return Array.from(byReason.values(), (all) => style.yellow(Format.end(waitLine(all, now, attempts), columns - 1)))
    .slice(0, 3)
}

/** Whether nothing has begun, and nothing is expected. */
const isEmpty = ({ active, bytes, files }: Snapshot): boolean =>
  active.length === 0 && bytes === 0 && files.done + files.failed === 0 && (files.total ?? 0) === 0

/**
 * The lines, none wider than the screen: one for each transfer under way, as many as fit, then the totals, then the
 * waits.
 */
export const render = (state: State, { columns, rows }: Size, style: Style): ReadonlyArray<string> => {
  const waiting = waitLines(state, columns, style)
  if (isEmpty(state.snapshot)) return waiting
  const room = Math.max(1, Math.min(10, rows - 3 - waiting.length))
  const { active } = state.snapshot
  const shown = active.length > room ? active.slice(0, room - 1) : active
  const more = active.length - shown.length
  return [
    ...shown.map((file) => fileLine(file, columns, style)),
    ...(more > 0 ? [style.dim(Format.end(`  and ${more} more`, columns - 1))] : []),
    totalsLine(state, columns),
    ...waiting
  ]
}
