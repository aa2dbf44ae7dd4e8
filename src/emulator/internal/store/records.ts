/**
 * What a store keeps about a file, and how it fails.
 */
import * as Schema from "effect/Schema"
import type { FileId } from "../../../FileMetadata.ts"

/**
 * A stored file as the store keeps it. Times are milliseconds since 1970.
 */
export interface FileRecord {
  /** Grows with every file and never repeats: it orders the listing and is what a page cursor holds. */
  readonly sequence: number
  readonly id: FileId
  readonly workspace: string
  readonly filename: string
  readonly mimeType: string
  readonly size: number
  readonly createdAt: number
  readonly expiresAt: number | null
  readonly downloadable: boolean
  readonly scope: { readonly id: string; readonly type: string } | null
  readonly purpose: string | null
  /** Whether its bytes count for the quota; those of a copy in a session don't. */
  readonly countsForQuota: boolean
  /** The content is gone; the metadata is answered for 30 more days. */
  readonly expired: boolean
  /** Name of the content in the store; `null` when there is none, because it is empty or gone. */
  readonly blob: string | null
}

/** What the caller decides about a new file; the store adds the rest. */
export type NewFile = Omit<FileRecord, "sequence" | "size" | "expired" | "blob">

/** Which files a page of a listing shows. */
export interface PageQuery {
  readonly workspace: string
  /** Only files of this session. Without it only files of none. */
  readonly scopeId?: string | undefined
  readonly limit: number
  /** Only files older than this sequence number, newest first. */
  readonly olderThan?: number | undefined
  /** The files right before this sequence number in the listing, still newest first. */
  readonly newerThan?: number | undefined
}

/** One page of a listing. */
export interface Page {
  readonly records: ReadonlyArray<FileRecord>
  /** Whether there is more in the direction that was asked for. */
  readonly hasMore: boolean
}

/**
 * A store could not do its work.
 *
 * - `Refused`: the folder is not one that the emulator may use; the message says why.
 * - `Locked`: another emulator has the folder open.
 * - `Corrupt`: the journal holds what no crash can leave behind.
 * - `Io`: the disk is full, a permission is missing, or the like.
 */
export class StoreFailed
  extends Schema.TaggedError<StoreFailed>("effect-anthropic-files/emulator/StoreFailed")("StoreFailed", {
    reason: Schema.Literals(["Refused", "Locked", "Corrupt", "Io"]),
    message: Schema.String,
    cause: Schema.optionalKey(Schema.Defect())
  })
{}
