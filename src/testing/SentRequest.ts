/**
 * A sent request with its body, for tests to look at.
 */
import type * as Headers from "effect/http/Headers"

/** A part of a multipart body. */
export interface Part {
  readonly name: string
  readonly filename: string | undefined
  readonly contentType: string | undefined
  readonly bytes: Uint8Array
  /** The bytes as UTF-8. */
  readonly text: string
}

/**
 * A sent request. The values of headers that may hold a key are `<redacted>`.
 */
export interface SentRequest {
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** A name that occurs more than once has all its values. */
  readonly query: Readonly<Record<string, string | ReadonlyArray<string>>>
  readonly headers: Headers.Headers
  /** The whole body. */
  readonly bytes: Uint8Array
  /** The parsed body, if it is JSON. */
  readonly json: unknown
  /** The parts of a multipart body, in order. */
  readonly parts: ReadonlyArray<Part>
}
