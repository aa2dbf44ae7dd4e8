/**
 * Buffers that a transport lends to what it sends: it gets each one back once its bytes are on their way, so that an
 * upload of any size needs two. A transport that keeps what it is given, as `fetch` does, lends none.
 */
import * as Context from "effect/Context"

export interface Buffers {
  /** A buffer of that many bytes, or `undefined` when none is free. */
  readonly take: (size: number) => Uint8Array | undefined
}

export const Buffers = Context.Reference<Buffers | undefined>("effect-anthropic-files/internal/Buffers", {
  defaultValue: () => undefined
})
