/**
 * What a request of this package tells a transport of this package. A transport that does not know it sends the request
 * all the same.
 */
import * as Context from "effect/Context"

export interface OwnRequest {
  /**
   * The request is sent on a new connection. Set for a try that follows one whose connection failed or fell silent: the
   * other kept-alive sockets may be as dead as the one before.
   */
  readonly needsFreshSocket: boolean
}

/** `undefined` for what another program sends: it takes the platform's own way. */
export const CurrentOwnRequest = Context.Reference<OwnRequest | undefined>(
  "effect-anthropic-files/internal/OwnRequest",
  { defaultValue: () => undefined }
)
