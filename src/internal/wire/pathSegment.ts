import * as Predicate from "effect/Predicate"

/**
 * Whether an id can be a segment of a path: printable ASCII, and not a dot segment, which would be resolved away and
 * reach another route.
 */
export const isPathSegment = (id: unknown): boolean =>
  Predicate.isString(id) && /^[\x21-\x7e]+$/.test(id) && !/^\.{1,2}$/.test(id)
