/**
 * Headers that never show what is secret in them. effect takes the names of secret headers from the context in which
 * headers are printed, and a request may be printed where that is gone: with a span, with an error of a client.
 */
import * as Context from "effect/Context"
import * as Headers from "effect/http/Headers"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
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

const withHeaders = (
  { body, hash, headers, method, url, urlParams }: HttpClientRequest.HttpClientRequest,
  prototype: object,
  added: Readonly<Record<string, string>>
): HttpClientRequest.HttpClientRequest => {
  const all: Headers.Headers = Object.assign(Object.create(prototype), headers, added)
  return HttpClientRequest.makeWith(method, url, urlParams, hash, all, body)
}

/** The same request with further headers. Those of all its headers that have these names are secret. */
export const withSecrets = (
  request: HttpClientRequest.HttpClientRequest,
  added: Readonly<Record<string, string>>,
  names: ReadonlyArray<string>
): HttpClientRequest.HttpClientRequest => withHeaders(request, prototypeOf(names), added)

/** The same request with further headers. What was secret stays so, unlike with `HttpClientRequest.setHeaders`. */
export const withMore = (
  request: HttpClientRequest.HttpClientRequest,
  added: Readonly<Record<string, string>>
): HttpClientRequest.HttpClientRequest => withHeaders(request, Object.getPrototypeOf(request.headers), added)
