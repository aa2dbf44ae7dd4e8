/**
 * Bodies that a browser can send from a `Blob`, without reading it into memory first. They are streams all the same: a
 * transport that does not know of this sends the stream.
 */
import type * as Context from "effect/Context"
import type { HttpBody } from "effect/http/HttpBody"

export interface BlobBody {
  /** The whole body. */
  readonly parts: ReadonlyArray<Blob | Uint8Array>
  /** Begins a try. What it gives is called with the bytes of the body that have been sent, each time there are more. */
  readonly begin: (context: Context.Context<never>) => (sent: number) => void
  /** The `Blob` can't be read: the file behind it has changed or is gone. */
  readonly unreadable: (cause: unknown) => void
}

const bodies = new WeakMap<HttpBody, BlobBody>()

/** The same body, which can be sent from a `Blob` as well. */
export const withBlob = (body: HttpBody, blob: BlobBody): HttpBody => {
  bodies.set(body, blob)
  return body
}

export const blobOf = (body: HttpBody): BlobBody | undefined => bodies.get(body)
