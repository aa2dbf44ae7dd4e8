/**
 * Headers that never show what is secret in them. effect takes the names of secret headers from the context in which
 * headers are printed, and a request may be printed where that is gone: with a span, with an error of a client.
 */
import * as Context from "effect/Context"
import * as Headers from "effect/http/Headers"
import * as Redactable from "effect/Redactable"

const effects: object = Object.getPrototypeOf(Headers.empty)

/** By the names: those of a client are one list. */
const prototypes = new WeakMap<ReadonlyArray<string>, object>()

const prototypeOf = (names: ReadonlyArray<string>): object => {
  const known = prototypes.get(names)
  if (known !== undefined) return known
  const made: object = Object.create(effects, {
    [Redactable.symbolRedactable]: {
      value(this: Headers.Headers, context: Context.Context<never>) {
        return Headers.redact(this, [...Context.get(context, Headers.CurrentRedactedNames), ...names])
      }
    }
  })
  prototypes.set(names, made)
  return made
}

const merged = (
  prototype: object,
  headers: Headers.Headers,
  added: Readonly<Record<string, string>>
): Headers.Headers => Object.assign(Object.create(prototype), headers, added)

/** The same headers and further ones, of which those with these names are secret. */
export const withSecrets = (
  headers: Headers.Headers,
  added: Readonly<Record<string, string>>,
  names: ReadonlyArray<string>
): Headers.Headers => merged(prototypeOf(names), headers, added)

/** The same headers and further ones, of which none is secret. What was secret stays so, unlike with `Headers.setAll`. */
export const withMore = (
  headers: Headers.Headers,
  added: Readonly<Record<string, string>>
): Headers.Headers => merged(Object.getPrototypeOf(headers), headers, added)
