/**
 * The service's description of a stored file, with the API's own field names.
 *
 * Field names and bounds: the Files API reference, "File metadata".
 *
 * @example
 * ```ts
 * import { DateTime, Effect } from "effect"
 * import { FileMetadata, Files } from "effect-anthropic-files"
 *
 * // Turns an id that was stored as a string back into a FileId.
 * const expiry = Effect.gen(function*() {
 *   const { expires_at, filename } = yield* Files.metadata(FileMetadata.FileId.make("file_011CNha8iCJcU1wXNR6q4V8w"))
 *   return `${filename} expires ${expires_at === null ? "never" : DateTime.formatIso(expires_at)}`
 * })
 * ```
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { nullByDefault, type TypeOf } from "./internal/wire/schemas.ts"

/**
 * Identifier of a stored file, `file_…`. Its length and format may change: compare it and send it, but don't parse it.
 */
export const FileId = Schema.String.check(Schema.isNonEmpty()).pipe(Schema.brand("FileId"))

/** @see {@link FileId:var} */
export type FileId = typeof FileId.Type

/**
 * The managed-agents session that a file belongs to.
 */
export const FileScope = Schema.Struct({
  id: Schema.String,
  type: Schema.String
})

/** @see {@link FileScope:var} */
export interface FileScope extends TypeOf<typeof FileScope> {}

/**
 * A stored file. Both dialects decode to this type. Fields that this client does not know are dropped.
 */
export const FileMetadata = Schema.Struct({
  id: FileId,
  type: Schema.Literal("file").pipe(Schema.withDecodingDefaultKey(Effect.succeed("file" as const))),
  /** 1 to 500 characters. */
  filename: Schema.String,
  /** 1 to 255 characters. */
  mime_type: Schema.String,
  /** Bytes, an integer ≥ 0. */
  size_bytes: Schema.Natural,
  /** RFC 3339 on the wire. */
  created_at: Schema.DateTimeUtcFromString,
  /** `true` only for files that a tool or a skill made: a user's own upload can't be downloaded. */
  downloadable: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false))),
  /** When the content stops being served. `null` if never, and always in the beta dialect, which does not say. */
  expires_at: nullByDefault(Schema.DateTimeUtcFromString),
  /** The session that made the file, if one did. */
  scope: nullByDefault(FileScope),
  /** Present only if a server sends it; the service does not document this field. */
  purpose: Schema.optionalKey(Schema.NullOr(Schema.String))
})

/** @see {@link FileMetadata:var} */
export interface FileMetadata extends TypeOf<typeof FileMetadata> {}

/**
 * One page of a listing, newest first. `next_page` is the GA dialect's cursor; `has_more`, `first_id` and `last_id`
 * are the beta dialect's. A server may send all four.
 */
export const FilePage = Schema.Struct({
  data: Schema.Array(FileMetadata),
  next_page: nullByDefault(Schema.String),
  has_more: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false))),
  first_id: nullByDefault(FileId),
  last_id: nullByDefault(FileId)
})

/** @see {@link FilePage:var} */
export interface FilePage extends TypeOf<typeof FilePage> {}

/**
 * The answer to a deletion.
 */
export const DeletedFile = Schema.Struct({
  id: FileId,
  type: Schema.Literal("file_deleted").pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("file_deleted" as const))
  )
})

/** @see {@link DeletedFile:var} */
export interface DeletedFile extends TypeOf<typeof DeletedFile> {}
