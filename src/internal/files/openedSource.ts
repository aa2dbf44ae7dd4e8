import type * as Stream from "effect/Stream"
import type { SourceFailed } from "../../FilesError.ts"

/**
 * An opened source, for the duration of one upload.
 */
export interface Content {
  /** The name that the source suggests. */
  readonly filename: string | undefined
  /** The MIME type that the source states; `undefined` leaves it to be inferred from the name. */
  readonly mimeType: string | undefined
  /** The MIME type where the name tells none. */
  readonly fallbackMimeType?: string
  /** Bytes, where it can be known before the first one is read. */
  readonly size: number | undefined
  /** The whole content, where it is at hand in one buffer. */
  readonly bytes: Uint8Array | undefined
  /**
   * Two openings with the same version have the same content; absent where that can't be told without reading it. A
   * path has one unless it was written to within the last seconds: its device, inode, size and time of modification.
   */
  readonly version?: string
  /** Whether `stream` can be run a second time. */
  readonly isReplayable: boolean
  /** The `Blob` that the stream reads, where it is one. A browser sends it from where it is. */
  readonly blob?: {
    readonly content: Blob
    /** Told of bytes that have left, where whoever sends it can tell. */
    readonly onSent?: (bytes: number) => void
  }
  /** The content. */
  readonly stream: Stream.Stream<Uint8Array, SourceFailed>
}
