/**
 * A request as it went out, with its body read: what tests look at.
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
 * A request as it went out. Headers that may hold a key read `<redacted>`.
 */
export interface SentRequest {
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** A name that comes more than once has all its values. */
  readonly query: Readonly<Record<string, string | ReadonlyArray<string>>>
  readonly headers: Headers.Headers
  /** The whole body. */
  readonly bytes: Uint8Array
  /** The parsed body, where it is JSON. */
  readonly json: unknown
  /** The parts of a multipart body, in order. */
  readonly parts: ReadonlyArray<Part>
}
