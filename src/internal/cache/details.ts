/**
 * What durable ingest asks of an upload cache besides its public operations. It travels with the service itself, as the
 * internals of a client do.
 */
import type * as Effect from "effect/Effect"
import type { FileMetadata } from "../../FileMetadata.ts"
import type { FileSource } from "../../FileSource.ts"
import type { Failure, UploadOptions } from "./context.ts"

export interface Detailed {
  readonly file: FileMetadata
  /** `false` where the file was there already. */
  readonly uploaded: boolean
  /** The content's SHA-256 in hex, where the content was read to tell it. */
  readonly sha256: string | undefined
  /** Whom the file was uploaded for; `undefined` for one that was asked for by itself. */
  readonly owner: string | undefined
}

export interface Details {
  /** The file that holds a source's content, uploaded for `owner` if it has to be. */
  readonly getFor: <R>(
    owner: string,
    source: FileSource<R>,
    options: UploadOptions
  ) => Effect.Effect<Detailed, Failure, R>
}

const key = Symbol("effect-anthropic-files/internal/cache/Details")

interface Cache {
  readonly get: unknown
}

interface Kept {
  readonly get: unknown
  readonly details: Details
}

export const withDetails = <A extends Cache>(cache: A, details: Details): A =>
  Object.assign(cache, { [key]: { get: cache.get, details } satisfies Kept })

/** `undefined` for a cache that is not this package's, and for a copy of one whose `get` does something else. */
export const detailsOf = (cache: Cache): Details | undefined => {
  if (!(key in cache)) return undefined
  const { details, get } = (cache as { readonly [key]: Kept })[key]
  return get === cache.get ? details : undefined
}
