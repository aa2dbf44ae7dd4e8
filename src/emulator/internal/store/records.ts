/**
 * The records of a store, and its failure.
 */
import * as Schema from "effect/Schema"
import type { FileId } from "../../../FileMetadata.ts"

/**
 * The record of a stored file. Times are milliseconds since 1970.
 */
export interface FileRecord {
  /** Grows with every file and never repeats. It orders the listing, and a page cursor holds it. */
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
  /** Whether its bytes count towards the quota; those of a copy in a session don't. */
  readonly countsForQuota: boolean
  /** The content is gone; the metadata stays for 30 more days. */
  readonly expired: boolean
  /** Name of the content in the store; `null` if it is empty or gone. */
  readonly blob: string | null
}

/** The fields of a new file that the caller chooses; the store adds the others. */
export type NewFile = Omit<FileRecord, "sequence" | "size" | "expired" | "blob">

/** The files that a page of a listing shows. */
export interface PageQuery {
  readonly workspace: string
  /** Only files of this session. Without it, only files of no session. */
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
  /** Whether there are more files in the requested direction. */
  readonly hasMore: boolean
}

/**
 * A store failed.
 *
 * - `Refused`: the folder is not one that the emulator may use; the message says why.
 * - `Locked`: another emulator has the folder open.
 * - `Corrupt`: the journal is damaged in a way that no crash explains.
 * - `Io`: the file system failed; the disk is full, or a permission is missing, for example.
 */
export class StoreFailed
  extends Schema.TaggedError<StoreFailed>("effect-anthropic-files/emulator/StoreFailed")("StoreFailed", {
    reason: Schema.Literals(["Refused", "Locked", "Corrupt", "Io"]),
    message: Schema.String,
    cause: Schema.optionalKey(Schema.Defect())
  })
{}
