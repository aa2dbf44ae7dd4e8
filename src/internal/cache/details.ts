/**
 * What durable ingest needs from an upload cache beyond its public operations. It is attached to the service itself, like
 * the internals of a client.
 */
import type * as Effect from "effect/Effect"
import type { FileId, FileMetadata } from "../../FileMetadata.ts"
import type { FileSource } from "../../FileSource.ts"
import type { Failure, UploadOptions } from "./context.ts"
import type { UploadStoreFailed } from "./store.ts"

export interface Detailed {
  readonly file: FileMetadata
  /** When it expires, epoch milliseconds; `null` if it does not. Known also in the beta dialect, which never says. */
  readonly expiresAt: number | null
  /** `false` if the file existed already. */
  readonly uploaded: boolean
  /** The content's SHA-256 in hex; `undefined` if a key identifies the content. */
  readonly sha256: string | undefined
  /** The owner that the file was uploaded for; `undefined` if it was uploaded for none. */
  readonly owner: string | undefined
}

export interface Details {
  /** The file that holds a source's content; uploaded for `owner` if there is none. */
  readonly getFor: <R>(
    owner: string,
    source: FileSource<R>,
    options: UploadOptions
  ) => Effect.Effect<Detailed, Failure, R>
  /** Whether there is a record of a file. */
  readonly isKnown: (id: FileId) => Effect.Effect<boolean, UploadStoreFailed>
  /** Removes all records of a file that the service no longer has. */
  readonly forgetGone: (id: FileId) => Effect.Effect<void, UploadStoreFailed>
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

/** `undefined` for a cache that this package did not make, and for a copy whose `get` was replaced. */
export const detailsOf = (cache: Cache): Details | undefined => {
  if (!(key in cache)) return undefined
  const { details, get } = (cache as { readonly [key]: Kept })[key]
  return get === cache.get ? details : undefined
}
