/**
 * Reads JSON whose shape nobody has vouched for.
 */
import * as Predicate from "effect/Predicate"

/** An object of JSON. */
export type Json = Readonly<Record<string, unknown>>

/** The objects of a list; nothing of what is not a list. */
export const objects = (value: unknown): ReadonlyArray<Json> =>
  Array.isArray(value) ? value.filter((item): item is Json => Predicate.isObject(item)) : []

/** The object, or an empty one. */
export const object = (value: unknown): Json => Predicate.isObject(value) ? value : {}

/** The text, or nothing. */
export const string = (value: unknown): string | undefined => Predicate.isString(value) ? value : undefined

/** The texts of a content: the content itself, or its text blocks, each on a line of its own. */
export const textOf = (content: unknown): string =>
  Predicate.isString(content)
    ? content
    : objects(content).map((block) => string(block.text) ?? "").filter((text) => text !== "").join("\n")
