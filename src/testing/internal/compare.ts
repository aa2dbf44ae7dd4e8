/**
 * Compares a value with what was expected, and shows where they differ.
 */
import * as Bytes from "effect/Bytes"
import * as Formatter from "effect/Formatter"
import * as Predicate from "effect/Predicate"
import * as TextDiff from "effect/TextDiff"
import { decodeText } from "../../internal/request/body.ts"

/** Stands for something that must be absent. */
export const absent: unique symbol = Symbol("absent")

/**
 * Both sides, reduced to what the expectation compares, so that they are equal as text where it is met.
 */
export interface Comparison {
  readonly met: boolean
  readonly expected: unknown
  readonly actual: unknown
}

const same = (actual: unknown): Comparison => ({ met: true, expected: actual, actual })

const isRecord = (u: unknown): u is Readonly<Record<string, unknown>> =>
  Predicate.isObject(u) && !Array.isArray(u) && !(u instanceof Uint8Array) && !(u instanceof RegExp)

const maxShown = 200

/** A value as a difference shows it: shortened, and bytes as their number and text. */
const show = (value: unknown): unknown => {
  if (value === absent || value === undefined) return undefined
  if (value instanceof RegExp) return String(value)
  if (value instanceof Uint8Array) return `${value.length} bytes: ${show(decodeText(value.subarray(0, maxShown + 1)))}`
  if (Predicate.isString(value)) return value.length > maxShown ? `${value.slice(0, maxShown)}…` : value
  if (Array.isArray(value)) return value.map(show)
  return isRecord(value) ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, show(inner)])) : value
}

const different = (expected: unknown, actual: unknown): Comparison => ({
  met: false,
  expected: show(expected),
  actual: show(actual)
})

/**
 * A regular expression is met by a text that it matches, an object by one that has all its fields, {@link absent} by
 * `undefined`, anything else by an equal value.
 *
 * @param exact an object is met only by one that has no further fields
 */
export const compare = (expected: unknown, actual: unknown, exact = false): Comparison => {
  if (expected === absent) return actual === undefined ? same(undefined) : different(expected, actual)
  if (expected instanceof RegExp) {
    // With the flags g or y it would continue from its last match.
    return Predicate.isString(actual) && new RegExp(expected.source, expected.flags.replace(/[gy]/g, "")).test(actual)
      ? same(show(actual))
      : different(expected, actual)
  }
  if (expected instanceof Uint8Array) {
    return actual instanceof Uint8Array && Bytes.Equivalence(expected, actual)
      ? same(show(actual))
      : different(expected, actual)
  }
  if (Array.isArray(expected) && Array.isArray(actual) && expected.length === actual.length) {
    const items = expected.map((item, index) => compare(item, actual[index], exact))
    return {
      met: items.every((item) => item.met),
      expected: items.map((item) => item.expected),
      actual: items.map((item) => item.actual)
    }
  }
  if (isRecord(expected) && isRecord(actual)) {
    const sides = { expected: {} as Record<string, unknown>, actual: {} as Record<string, unknown> }
    let met = true
    for (const name of Object.keys(expected)) {
      const field = compare(expected[name], Object.hasOwn(actual, name) ? actual[name] : undefined, exact)
      met &&= field.met
      sides.expected[name] = field.expected
      sides.actual[name] = field.actual
    }
    for (const name of exact ? Object.keys(actual) : []) {
      if (Object.hasOwn(expected, name)) continue
      met = false
      sides.actual[name] = show(actual[name])
    }
    return { met, ...sides }
  }
  return Object.is(expected, actual) ? same(show(actual)) : different(expected, actual)
}

const lines = (value: unknown): string => `${Formatter.formatJson(value, { space: 2 })}\n`

const edits = ({ actual, expected }: Comparison) => TextDiff.lines(lines(expected), lines(actual))

/** By how many lines the two sides differ. */
export const distance = (comparison: Comparison): number =>
  edits(comparison).reduce((count, edit) => edit._tag === "Equal" ? count : count + edit.items.length, 0)

const marks = { Equal: "  ", Delete: "- ", Insert: "+ " } as const

/** Both sides line by line: `-` was expected, `+` came instead. */
export const difference = (comparison: Comparison): string =>
  edits(comparison).flatMap((edit) => edit.items.map((line) => `${marks[edit._tag]}${line.replace(/\n$/, "")}`)).join(
    "\n"
  )
