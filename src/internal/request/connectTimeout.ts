/**
 * A limit on making a connection, which only a transport can keep: it alone knows when a connection is there.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"

/** Name resolution, TCP and TLS together, for a connection that this request has to wait for. */
export const ConnectTimeout = Context.Reference<Duration.Duration | undefined>(
  "effect-anthropic-files/internal/ConnectTimeout",
  { defaultValue: () => undefined }
)

/** No connection came about in time, so not a byte of the request went out. */
export class ConnectTimeoutError extends Error {
  readonly _tag = "ConnectTimeoutError"
  constructor(limit: Duration.Duration) {
    super(`No connection within ${Duration.format(limit)}.`)
    this.name = "ConnectTimeoutError"
  }
}
