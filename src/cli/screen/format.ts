/**
 * Numbers, times and names in the form that people read. Everything here is a pure function.
 */
import * as ByteSize from "effect/ByteSize"
import { displayWidth } from "effect/cli/CliOutput"

/** `1.2 GB`, in decimal units like the service's limits. */
export const bytes = (count: number): string =>
  count < 1000
    ? `${Math.max(0, Math.round(count))} B`
    : ByteSize.format(ByteSize.bytes(Math.max(0, Math.round(count))), {
      system: "decimal",
      precision: 1,
      trailingZeros: true
    })

const grouped = new Intl.NumberFormat("en-US")

/** `1,234,567` */
export const count = (count: number): string => grouped.format(count)

const plural = (count: number, one: string, more: string): string => `${count} ${count === 1 ? one : more}`

export const files = (count: number): string => plural(count, "file", "files")

export const items = (amount: number): string => `${count(amount)} ${amount === 1 ? "item" : "items"}`

export const requests = (count: number): string => plural(count, "request", "requests")

const minute = 60
const hour = 60 * minute
const day = 24 * hour

/** `0.4 s`, `12 s`, `1 min 4 s`, `2 h 5 min`, `3 d 4 h`. */
export const duration = (seconds: number): string => {
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < minute) return `${whole} s`
  if (whole < hour) return two(whole, minute, "min", 1, "s")
  if (whole < day) return two(whole, hour, "h", minute, "min")
  return two(whole, day, "d", hour, "h")
}

const two = (seconds: number, large: number, largeName: string, small: number, smallName: string): string => {
  const whole = Math.floor(seconds / large)
  const rest = Math.floor((seconds % large) / small)
  return rest === 0 ? `${whole} ${largeName}` : `${whole} ${largeName} ${rest} ${smallName}`
}

/** An age in one unit: `5 s`, `12 min`, `3 h`, `9 d`, `14 mo`, `3 y`. */
export const age = (seconds: number): string => {
  const past = Math.max(0, seconds)
  if (past < minute) return `${Math.floor(past)} s`
  if (past < hour) return `${Math.floor(past / minute)} min`
  if (past < day) return `${Math.floor(past / hour)} h`
  if (past < 60 * day) return `${Math.floor(past / day)} d`
  if (past < 730 * day) return `${Math.floor(past / (30.44 * day))} mo`
  return `${Math.floor(past / (365.25 * day))} y`
}

/** `in 3 d`, `expired`, or nothing for what does not expire. */
export const expiry = (secondsLeft: number | undefined): string => {
  if (secondsLeft === undefined) return ""
  return secondsLeft <= 0 ? "expired" : `in ${age(secondsLeft)}`
}

const segments = new Intl.Segmenter(undefined, { granularity: "grapheme" })

/** The characters at the start that fit. */
const take = (characters: ReadonlyArray<string>, cells: number): ReadonlyArray<string> => {
  let used = 0
  const tooWide = characters.findIndex((character) => (used += displayWidth(character)) > cells)
  return tooWide < 0 ? characters : characters.slice(0, tooWide)
}

const charactersOf = (text: string): ReadonlyArray<string> =>
  Array.from(segments.segment(text), ({ segment }) => segment)

/** Cuts the middle out of a text that is wider than `cells`, since names differ at their ends. */
export const middle = (text: string, cells: number): string => {
  if (displayWidth(text) <= cells) return text
  if (cells <= 1) return "…".slice(0, Math.max(0, cells))
  const characters = charactersOf(text)
  const tail = Math.floor((cells - 1) / 2)
  const head = take(characters, cells - 1 - tail)
  return `${head.join("")}…${take(characters.toReversed(), tail).toReversed().join("")}`
}

/** Cuts the end off a text that is wider than `cells`. */
export const end = (text: string, cells: number): string => {
  if (displayWidth(text) <= cells) return text
  if (cells <= 1) return "…".slice(0, Math.max(0, cells))
  return `${take(charactersOf(text), cells - 1).join("")}…`
}

export const padEnd = (text: string, cells: number): string =>
  text + " ".repeat(Math.max(0, cells - displayWidth(text)))

export const padStart = (text: string, cells: number): string =>
  " ".repeat(Math.max(0, cells - displayWidth(text))) + text
