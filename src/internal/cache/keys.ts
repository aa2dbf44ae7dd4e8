/**
 * The cache's records and their keys. A content, which is what one file holds, goes through these states:
 *
 *                  claim                   write Intent                answered: write Stored, FileRecord
 *     (nothing) ─────────▶ claimed ─────────────────────▶ uploading ──────────────────────────▶ stored
 *         ▲                 ▲   │                             │                                   │
 *         │                 │   │ the Orphan's file exists:   │ the process dies,                 │
 *         │                 │   │ write Stored, drop Orphan   │ or its answer is lost             │
 *         │                 │   ▼                             ▼                                   │
 *         │                 │ stored                      interrupted                             │
 *         │                 │                                 │ the next one with this name       │
 *         │                 │                                 │ and size settles the Intent       │
 *         │                 │   one new file can be it        ▼                                   │
 *         │                 ├── write Orphan, FileRecord ── settled                               │
 *         │                 └── none, or several: nothing ────┘                                   │
 *         └──────── the file is gone, expires soon, was deleted or invalidated: drop Stored ──────┘
 *
 * The lease of an `Intent` tells until when its upload can have been under way: no file that was created later is its own.
 *
 * `Stored` and `Orphan` are kept by content. An `Intent` is kept by name and size, because a listing shows these: at most
 * one upload of a name and size is in progress, so the file that it left can be identified. A `FileRecord` is kept by
 * file id as long as a listing may show the file, so that a file is never taken for another content.
 */
import * as Schema from "effect/Schema"
import { FileId, FileMetadata } from "../../FileMetadata.ts"
import { ofLines } from "../sha256.ts"

/** A key in the store, and the schema of its value. */
export interface Key<V> {
  readonly name: string
  readonly schema: Schema.Codec<V, unknown>
}

const key = <V>(kind: string, schema: Schema.Codec<V, unknown>) => (digest: string): Key<V> => ({
  name: `${kind}-${digest}`,
  schema
})

/** SHA-256 and size, which identify bytes. */
export const Hashed = Schema.Struct({
  sha256: Schema.String,
  /** Bytes. */
  size: Schema.Natural
})

export type Hashed = typeof Hashed.Type

/** Identifies a content: a digest of everything that makes two uploads the same. */
export const ContentId = Schema.String.pipe(Schema.brand("ContentId"))

export type ContentId = typeof ContentId.Type

/** The id of a content that was read. */
export const contentOf = (identity: string, { sha256, size }: Hashed, mimeType: string): ContentId =>
  ContentId.make(ofLines(identity, sha256, String(size), mimeType))

/** The id of a content that the caller identifies by a key. */
export const contentOfKey = (identity: string, key: string, mimeType: string): ContentId =>
  ContentId.make(ofLines(identity, "key", JSON.stringify(key), mimeType))

/** The folder that a file was uploaded for; absent if it was uploaded for none. */
const owner = Schema.optionalKey(Schema.String)

const Stored = Schema.Struct({
  file: FileMetadata,
  /** Epoch milliseconds. Computed from the requested expiry in the beta dialect, which does not report it. */
  expiresAt: Schema.NullOr(Schema.Finite),
  /** When the service last confirmed the file, epoch milliseconds. */
  seenAt: Schema.Finite,
  owner
})

export type Stored = typeof Stored.Type

/** The file that holds a content. */
export const stored = key("content", Stored)

const Orphan = Schema.Struct({
  id: FileId,
  expiresAt: Schema.NullOr(Schema.Finite),
  owner
})

/** A file that an upload without an answer left, found while another content was uploaded. */
export const orphan = key("orphan", Orphan)

const Intent = Schema.Struct({
  content: ContentId,
  mimeType: Schema.String,
  /** Epoch milliseconds. */
  since: Schema.Finite,
  /** Milliseconds. */
  expiresIn: Schema.optionalKey(Schema.Finite),
  owner
})

export type Intent = typeof Intent.Type

const intentKey = key("intent", Intent)

/** The upload of this name and size that is in progress. */
export const intent = (identity: string, filename: string, size: number): Key<Intent> =>
  intentKey(ofLines(identity, filename.normalize(), String(size)))

const FileRecord = Schema.Struct({ content: ContentId, owner })

const fileKey = key("file", FileRecord)

/** The content of an uploaded file. */
export const file = (id: FileId): Key<typeof FileRecord.Type> => fileKey(ofLines(id))

const hashKey = key("hash", Hashed)

/** The hash of a file on disk, by its version: for the processes of this machine. */
export const hash = (version: string): Key<Hashed> => hashKey(ofLines(version))

/** Held while a folder is synchronised. */
export const folderLock = key("folder", Schema.Never)

const ManifestEntry = Schema.Struct({
  ...Hashed.fields,
  version: Schema.optionalKey(Schema.String),
  /** Absent until the file has been uploaded. */
  id: Schema.optionalKey(FileId),
  /** Whether the file was uploaded for this folder. */
  isOwn: Schema.Boolean
})

export type ManifestEntry = typeof ManifestEntry.Type

/** A content that no path refers to any more, with its last path. */
const Stale = Schema.Struct({
  path: Schema.String,
  ...Hashed.fields,
  /** Absent if a run was interrupted before the id was known. */
  id: Schema.optionalKey(FileId)
})

export type Stale = typeof Stale.Type

const Manifest = Schema.Struct({
  entries: Schema.Array(Schema.Tuple([Schema.String, ManifestEntry])),
  stale: Schema.Array(Stale)
})

export type Manifest = typeof Manifest.Type

/** What was uploaded from a folder. */
export const manifest = key("manifest", Manifest)
