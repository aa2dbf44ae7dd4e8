/**
 * Types that the parts of an upload cache share.
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { FileId, FileMetadata } from "../../FileMetadata.ts"
import type * as Files from "../../Files.ts"
import type { SourceFailed, UploadError } from "../../FilesError.ts"
import type { FileSource } from "../../FileSource.ts"
import type { Progress } from "../../Progress.ts"
import type { Internals } from "../files/internals.ts"
import type { ContentId, Hashed, Stored } from "./keys.ts"
import type { Leases } from "./lease.ts"
import type { UploadStoreFailed } from "./store.ts"

// Without the options of single calls: the cache would return a file that was uploaded with others.
/** Options of a single call. */
export interface UploadOptions extends Omit<Files.UploadOptions, "workspaceId" | "headers"> {
  /**
   * Replaces the cache's `maxAge` for this call; 0 always looks the file up.
   *
   * @default the cache's `maxAge`
   */
  readonly maxAge?: Duration.Input | undefined
  /**
   * Identifies the content, for example an ETag. The source is then read only if it has to be uploaded. Sources with the
   * same key count as the same content, whatever they contain.
   *
   * @default the content's SHA-256
   */
  readonly key?: string | undefined
  /** Where to count the bytes of an upload. */
  readonly progress?: Progress | undefined
}

/** Why there is no file: the upload or the store failed. */
export type Failure = UploadError | UploadStoreFailed

export interface CacheContext {
  readonly files: Files.Files["Service"]
  /** `undefined` for a `Files` that is not this package's client. */
  readonly internals: Internals | undefined
  /** Which files the client reaches. */
  readonly identity: string
  readonly leases: Leases
  /** Whether only this machine reaches the store. */
  readonly isLocal: boolean
  /** Milliseconds. */
  readonly maxAge: number
  /** Milliseconds. */
  readonly expiryMargin: number
  /** Whether this client has deleted a file, or found it gone when it tried to. */
  readonly isDeleted: (id: FileId) => boolean
  /** Hashes by the version of a path. */
  readonly hashes: Map<string, Hashed>
  /**
   * Files that were uploaded while the store could not be reached. Other clients find them through their recorded
   * intents. This client doesn't, because it never takes a file of its own upload for a lost one.
   */
  readonly unrecorded: Map<ContentId, Unrecorded>
}

/** An upload that could not be recorded. */
export interface Unrecorded {
  readonly stored: Stored
  readonly filename: string
  /** Bytes. */
  readonly size: number
}

/** What an upload needs, once it is known to be necessary. */
export interface Prepared<R> {
  readonly filename: string
  readonly mimeType: string
  /** Bytes. */
  readonly size: number
  readonly source: FileSource<R>
}

/** A request for the file with a content. */
export interface Wanted<R> {
  readonly content: ContentId
  /** Absent if a key identifies the content. */
  readonly hashed?: Hashed
  readonly prepare: Effect.Effect<Prepared<R>, SourceFailed | UploadStoreFailed, R | Scope.Scope>
  readonly options: UploadOptions
  /** The folder that the file is uploaded for. */
  readonly owner?: string | undefined
}

/** A file that holds the wanted content. */
export interface Found {
  readonly _tag: "Found"
  readonly file: FileMetadata
  /** Epoch milliseconds; `null` if it does not expire. */
  readonly expiresAt: number | null
  readonly uploaded: boolean
  /** The folder that the file was uploaded for. */
  readonly owner: string | undefined
}
