/**
 * Takes secrets out of what an error carries: a service or a proxy may echo a key anywhere.
 */
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import { excerpt } from "../text.ts"
import { codeOf, wordsOf } from "./evidence.ts"

type Scrub = (text: string) => string

/** More than this of a foreign value is not looked through, and not kept. */
const maxNodes = 2_000
const maxDepth = 10
const maxText = 65_536

const decoder = new TextDecoder("latin1")

/** Its properties, those that are not enumerable included: a message, a stack, a cause. */
const valuesOf = (value: object): ReadonlyArray<unknown> => {
  if (value instanceof Map) return Array.from(value).flat()
  if (value instanceof Set) return Array.from(value)
  const own = Object.getOwnPropertyNames(value).flatMap((name) => {
    const property = Object.getOwnPropertyDescriptor(value, name)
    return property !== undefined && "value" in property ? [name, property.value] : [name]
  })
  // A stack is a value in some engines and a getter in others.
  return value instanceof Error ? [...own, value.stack] : own
}

/** Whether a secret stands anywhere in a value. One that is too large or too deep to tell counts as holding one. */
const holdsSecret = (value: unknown, scrub: Scrub): boolean => {
  const seen = new Set<object>()
  const look = (current: unknown, depth: number): boolean => {
    if (Predicate.isString(current)) return current.length > maxText || scrub(current) !== current
    if (!Predicate.isObjectOrArray(current) || seen.has(current)) return false
    if (depth > maxDepth || seen.size >= maxNodes) return true
    seen.add(current)
    if (ArrayBuffer.isView(current)) {
      const bytes = new Uint8Array(current.buffer, current.byteOffset, Math.min(current.byteLength, maxText))
      return current.byteLength > maxText || look(decoder.decode(bytes), depth)
    }
    return valuesOf(current).some((inner) => look(inner, depth + 1))
  }
  return look(value, 0)
}

/** A cause that holds a secret is replaced by what can be said of it. */
export const scrubCause = (cause: unknown, scrub: Scrub): unknown => {
  if (Predicate.isString(cause)) return scrub(cause)
  if (!holdsSecret(cause, scrub)) return cause
  const code = codeOf(cause)
  const safe = new Error(excerpt(scrub(wordsOf(cause))))
  return code === undefined ? safe : Object.assign(safe, { code: scrub(code) })
}

const maxJson = 16_384

const scrubbed = Option.liftThrowable((value: object, scrub: Scrub): unknown => {
  const json = JSON.stringify(value)
  if (json === undefined || json.length > maxJson) return undefined
  return JSON.parse(json, (_, inner: unknown) => {
    if (Predicate.isString(inner)) return scrub(inner)
    if (!Predicate.isObject(inner)) return inner
    return Object.fromEntries(Object.entries(inner).map(([name, field]) => [scrub(name), field]))
  })
})

/**
 * A JSON object with the secrets in its names and texts replaced; `undefined` for anything else, and for one that is too
 * large, or nested deeper than the stack takes.
 */
export const scrubJson = (value: unknown, scrub: Scrub): Readonly<Record<string, Schema.Json>> | undefined =>
  Predicate.isObject(value)
    ? Option.getOrUndefined(scrubbed(value, scrub)) as Readonly<Record<string, Schema.Json>> | undefined
    : undefined
