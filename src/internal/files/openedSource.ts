import type * as Stream from "effect/Stream"
import type { SourceFailed } from "../../FilesError.ts"

/** Bytes that are read and sent at a time. Smaller chunks are slower: with 64 KiB an upload takes three times as long. */
export const chunkSize = 1 << 20

/**
 * An opened source, for the duration of one upload.
 */
export interface Content {
  /** The name that the source suggests. */
  readonly filename: string | undefined
  /** The MIME type that the source states; `undefined` to infer it from the name. */
  readonly mimeType: string | undefined
  /** The MIME type if the name implies none. */
  readonly fallbackMimeType?: string
  /** Bytes, if known before the first one is read. */
  readonly size: number | undefined
  /** The whole content, if it is available in one buffer. */
  readonly bytes: Uint8Array | undefined
  /**
   * Two openings with the same version have the same content; absent if that can't be known without reading it. The
   * version of a path consists of its device, inode, size and modification time, unless it was written to within the last
   * seconds.
   */
  readonly version?: string
  /** Whether `stream` can be run a second time. */
  readonly isReplayable: boolean
  /** The `Blob` that the stream reads, if it does. A browser sends it without reading it into memory. */
  readonly blob?: {
    readonly content: Blob
    /** Called with the total of bytes sent so far, if the transport reports it. */
    readonly onSent?: (bytes: number) => void
  }
  /** The content. */
  readonly stream: Stream.Stream<Uint8Array, SourceFailed>
}
