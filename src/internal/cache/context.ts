/**
 * What the parts of an upload cache share.
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

// What one call sets for itself would find what another one uploaded.
/** What a single call may say. */
export interface UploadOptions extends Omit<Files.UploadOptions, "workspaceId" | "headers"> {
  /**
   * The cache's own option, for this call; 0 looks the file up in any case.
   *
   * @default the cache's `maxAge`
   */
  readonly maxAge?: Duration.Input | undefined
  /**
   * What tells the content, an ETag for example: the source is then not read to tell it, but once, when it has to be
   * uploaded. What has the same key counts as the same content, whatever is in it.
   *
   * @default the content's SHA-256
   */
  readonly key?: string | undefined
  /** Where to count the bytes of an upload. */
  readonly progress?: Progress | undefined
}

/** Why there is no file: the upload failed, or the store. */
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
  /** Whether this client has deleted a file, or was told that it is gone. */
  readonly isDeleted: (id: FileId) => boolean
  /** Hashes of paths by their version. */
  readonly hashes: Map<string, Hashed>
  /**
   * Files that were uploaded while the store was away. The intents that are noted down lead others to them, but not this
   * client, for which a file of its own upload is none that it lost.
   */
  readonly unnoted: Map<ContentId, Unnoted>
}

/** An upload that could not be noted down. */
export interface Unnoted {
  readonly stored: Stored
  readonly filename: string
  /** Bytes. */
  readonly size: number
}

/** What an upload needs, once it turns out that there has to be one. */
export interface Prepared<R> {
  readonly filename: string
  readonly mimeType: string
  /** Bytes. */
  readonly size: number
  readonly source: FileSource<R>
}

/** What is asked for. */
export interface Wanted<R> {
  readonly content: ContentId
  /** Absent where a key tells the content. */
  readonly hashed?: Hashed
  readonly prepare: Effect.Effect<Prepared<R>, SourceFailed | UploadStoreFailed, R | Scope.Scope>
  readonly options: UploadOptions
  /** The folder that it is uploaded for. */
  readonly owner?: string | undefined
}

/** A file that holds what was asked for. */
export interface Found {
  readonly _tag: "Found"
  readonly file: FileMetadata
  readonly uploaded: boolean
  /** The folder that it was uploaded for. */
  readonly owner: string | undefined
}
