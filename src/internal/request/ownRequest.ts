/**
 * What a request of this package tells policies and transports of this package. A transport that does not know it sends the
 * request all the same.
 */
import * as Context from "effect/Context"
import type { Operation } from "../../FilesError.ts"

export interface OwnRequest {
  readonly operation: Operation
  /** Without `/v1`. */
  readonly baseUrl: string
  /** The scheme, host and port of the base URL. */
  readonly origin: string
  /** As the operation made it, without the query: absolute, and encoded as it is sent. */
  readonly url: string
  /** Who is asking, whatever token stands for that at the moment. */
  readonly identity: string
  /**
   * The request is sent on a new connection. Set for a try that follows one whose connection failed or fell silent: the
   * other kept-alive sockets may be as dead as the one before.
   */
  readonly needsFreshSocket: boolean
  /** The operation retries by itself: a retry policy beneath it leaves the request alone. */
  readonly isRetriedAbove: boolean
}

/** `undefined` for what another program sends: it takes the platform's own way. */
export const CurrentOwnRequest = Context.Reference<OwnRequest | undefined>(
  "effect-anthropic-files/internal/OwnRequest",
  { defaultValue: () => undefined }
)

/**
 * Set for what the body of an upload asks for while it is sent, a download that is passed on for example. The upload
 * holds its place and its socket meanwhile: where it had to wait for another one of them, neither would ever end.
 */
export const IsWithinBody = Context.Reference<boolean>(
  "effect-anthropic-files/internal/IsWithinBody",
  { defaultValue: () => false }
)
