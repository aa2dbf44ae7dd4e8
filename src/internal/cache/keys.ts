/**
 * What the cache notes down, and under which keys. A content, which is what one file holds, goes through these states:
 *
 *                  claim                   write Intent                answered: write Stored, FileRecord
 *     (nothing) ─────────▶ claimed ─────────────────────▶ uploading ──────────────────────────▶ stored
 *         ▲                 ▲   │                             │                                   │
 *         │                 │   │ the Orphan's file exists:   │ the process dies,                 │
 *         │                 │   │ write Stored, drop Orphan   │ or its answer is lost             │
 *         │                 │   ▼                             ▼                                   │
 *         │                 │ stored                      broken off                              │
 *         │                 │                                 │ the next one with this name       │
 *         │                 │                                 │ and size settles the Intent       │
 *         │                 │   one new file can be it        ▼                                   │
 *         │                 ├── write Orphan, FileRecord ── settled                               │
 *         │                 └── none, or several: nothing ────┘                                   │
 *         └──────── the file is gone, expires soon, was deleted or invalidated: drop Stored ──────┘
 *
 * `Stored` and `Orphan` are kept by content. An `Intent` is kept by name and size, since these are what a listing tells
 * of a file: at most one upload of a name and size is under way, so that what it left can be told. A `FileRecord` is
 * kept by file id for ever, so that a file is never taken for another content.
 */
import * as Schema from "effect/Schema"
import { FileId, FileMetadata } from "../../FileMetadata.ts"
import { ofLines } from "../sha256.ts"

/** A key in the store, and what may stand there. */
export interface Key<V> {
  readonly name: string
  readonly schema: Schema.Codec<V, unknown>
}

const key = <V>(kind: string, schema: Schema.Codec<V, unknown>) => (digest: string): Key<V> => ({
  name: `${kind}-${digest}`,
  schema
})

/** SHA-256 and size: what tells bytes from others. */
export const Hashed = Schema.Struct({
  sha256: Schema.String,
  /** Bytes. */
  size: Schema.Natural
})

export type Hashed = typeof Hashed.Type

/** What one file holds, for whom: a digest of all that makes it the same. */
export const ContentId = Schema.String.pipe(Schema.brand("ContentId"))

export type ContentId = typeof ContentId.Type

/** A content that was read. */
export const contentOf = (identity: string, { sha256, size }: Hashed, mimeType: string): ContentId =>
  ContentId.make(ofLines(identity, sha256, String(size), mimeType))

/** A content that the caller tells by a key. */
export const contentOfKey = (identity: string, key: string, mimeType: string): ContentId =>
  ContentId.make(ofLines(identity, "key", JSON.stringify(key), mimeType))

/** The folder that a file was uploaded for; absent for one that was asked for by itself. */
const owner = Schema.optionalKey(Schema.String)

const Stored = Schema.Struct({
  file: FileMetadata,
  /** Epoch milliseconds. The beta dialect does not tell; there it is what was asked for. */
  expiresAt: Schema.NullOr(Schema.Finite),
  /** When the service was last known to have the file, epoch milliseconds. */
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

export type Orphan = typeof Orphan.Type

/** A file that an upload without an answer left, found by somebody who did not look for this content. */
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

/** The upload of this name and size that is under way. */
export const intent = (identity: string, filename: string, size: number): Key<Intent> =>
  intentKey(ofLines(identity, filename.normalize(), String(size)))

const FileRecord = Schema.Struct({ content: ContentId, owner })

const fileKey = key("file", FileRecord)

/** What an uploaded file holds. */
export const file = (id: FileId): Key<typeof FileRecord.Type> => fileKey(ofLines(id))

const hashKey = key("hash", Hashed)

/** What the file at a path holds, by its version: for the processes of this machine. */
export const hash = (version: string): Key<Hashed> => hashKey(ofLines(version))

/** Held while a folder is synchronised. */
export const folderLock = key("folder", Schema.Never)

const ManifestEntry = Schema.Struct({
  ...Hashed.fields,
  version: Schema.optionalKey(Schema.String),
  /** Absent as long as the file is only meant to be uploaded. */
  id: Schema.optionalKey(FileId),
  /** Whether the file was uploaded for this folder. */
  isOwn: Schema.Boolean
})

export type ManifestEntry = typeof ManifestEntry.Type

/** A content that no path refers to any more, with its last path. */
const Stale = Schema.Struct({
  path: Schema.String,
  ...Hashed.fields,
  /** Absent where a run was broken off before the id was known. */
  id: Schema.optionalKey(FileId)
})

export type Stale = typeof Stale.Type

const Manifest = Schema.Struct({
  entries: Schema.Array(Schema.Tuple([Schema.String, ManifestEntry])),
  stale: Schema.Array(Stale)
})

export type Manifest = typeof Manifest.Type

/** What was uploaded of a folder. */
export const manifest = key("manifest", Manifest)
