/**
 * Reads JSON of unknown shape.
 */
import * as Predicate from "effect/Predicate"

/** An object of JSON. */
export type Json = Readonly<Record<string, unknown>>

/** The objects of a list; none if it is not a list. */
export const objects = (value: unknown): ReadonlyArray<Json> =>
  Array.isArray(value) ? value.filter((item): item is Json => Predicate.isObject(item)) : []

/** The object; an empty one for another value. */
export const object = (value: unknown): Json => Predicate.isObject(value) ? value : {}

/** The text; `undefined` for another value. */
export const string = (value: unknown): string | undefined => Predicate.isString(value) ? value : undefined

/** The text of a content: the content itself, or its text blocks, each on its own line. */
export const textOf = (content: unknown): string =>
  Predicate.isString(content)
    ? content
    : objects(content).map((block) => string(block.text) ?? "").filter((text) => text !== "").join("\n")
