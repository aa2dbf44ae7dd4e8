/**
 * An uploaded file as a block of a message: `document`, `image` or `container_upload`.
 *
 * Whether a block can hold the file is checked before anything is sent. Shapes and MIME types: the Files API guide,
 * "File types and content blocks".
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { ContentBlock, Files, FileSource, Messages } from "effect-anthropic-files"
 *
 * const summary = Effect.gen(function*() {
 *   const report = yield* Files.upload(FileSource.path("report.pdf"))
 *   const block = yield* ContentBlock.document(report, { title: "Annual report", citations: true })
 *   const answer = yield* Messages.create({
 *     model: "claude-sonnet-5-5",
 *     max_tokens: 1024,
 *     messages: [{ role: "user", content: [block, { type: "text", text: "Summarize the report." }] }]
 *   })
 *   return Messages.text(answer)
 * })
 * ```
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { FileId, type FileMetadata } from "./FileMetadata.ts"
import { type ContentBlockError, FileExpired, InvalidFileType } from "./FilesError.ts"
import { defined } from "./internal/defined.ts"
import { conversionOf, documentTypes, imageTypes } from "./internal/messages/blockTypes.ts"
import { printable } from "./internal/text.ts"
import { essence } from "./internal/wire/mimeType.ts"
import { open } from "./internal/wire/schemas.ts"

/**
 * Marks the end of a prefix that the service caches for later requests.
 */
export interface CacheControl {
  readonly type: "ephemeral"
  /**
   * How long the prefix is kept after its last use.
   *
   * @default "5m"
   */
  readonly ttl?: "5m" | "1h"
}

/** @see {@link CacheControl:interface} */
export const CacheControl: Schema.Codec<CacheControl> = open({
  type: Schema.Literal("ephemeral"),
  ttl: Schema.optionalKey(Schema.Literals(["5m", "1h"]))
})

/**
 * An uploaded file, as the source of a document or an image.
 */
export interface FileSource {
  readonly type: "file"
  readonly file_id: FileId
}

const FileSource = open({ type: Schema.Literal("file"), file_id: FileId })

const cache_control = Schema.optionalKey(Schema.NullOr(CacheControl))

/**
 * A PDF or plain text that the model reads.
 */
export interface Document {
  readonly type: "document"
  readonly source: FileSource
  readonly title?: string | null
  readonly context?: string | null
  readonly citations?: { readonly enabled?: boolean } | null
  readonly cache_control?: CacheControl | null
}

/** Keeps fields that are not described here. @see {@link Document:interface} */
export const Document: Schema.Codec<Document, unknown> = open({
  type: Schema.Literal("document"),
  source: FileSource,
  title: Schema.optionalKey(Schema.NullOr(Schema.String)),
  context: Schema.optionalKey(Schema.NullOr(Schema.String)),
  citations: Schema.optionalKey(Schema.NullOr(open({ enabled: Schema.optionalKey(Schema.Boolean) }))),
  cache_control
})

/**
 * An image that the model sees.
 */
export interface Image {
  readonly type: "image"
  readonly source: FileSource
  readonly cache_control?: CacheControl | null
}

/** Keeps fields that are not described here. @see {@link Image:interface} */
export const Image: Schema.Codec<Image, unknown> = open({
  type: Schema.Literal("image"),
  source: FileSource,
  cache_control
})

/**
 * A file of any type, put into the container of the code execution tool. Without that tool the service ignores the
 * block.
 */
export interface ContainerUpload {
  readonly type: "container_upload"
  readonly file_id: FileId
  readonly cache_control?: CacheControl | null
}

/** Keeps fields that are not described here. @see {@link ContainerUpload:interface} */
export const ContainerUpload: Schema.Codec<ContainerUpload, unknown> = open({
  type: Schema.Literal("container_upload"),
  file_id: FileId,
  cache_control
})

/**
 * A block that refers to an uploaded file.
 */
export type ContentBlock = Document | Image | ContainerUpload

/** @see {@link ContentBlock:type} */
export const ContentBlock: Schema.Codec<ContentBlock, unknown> = Schema.Union([Document, Image, ContainerUpload])

/**
 * Options of every block.
 */
export interface BlockOptions {
  /**
   * Caches the request up to and including this block.
   *
   * @default not cached
   */
  readonly cacheControl?: CacheControl | undefined
}

/**
 * Options of a document.
 */
export interface DocumentOptions extends BlockOptions {
  /**
   * Shown to the model, and returned in citations. It is not cited itself.
   *
   * @default none
   */
  readonly title?: string | undefined
  /**
   * What the model should know about the document. It is not cited.
   *
   * @default none
   */
  readonly context?: string | undefined
  /**
   * Whether the answer cites the passages it relies on. All documents of a request must have the same setting.
   *
   * @default false, the service's
   */
  readonly citations?: boolean | undefined
}

/** The type of a file that is given only by its id. */
export interface Typed {
  /** The file's `mime_type`. */
  readonly mimeType: string
}

interface Reference {
  readonly id: FileId
  /** The file's name in error messages. */
  readonly name: string
  readonly mimeType: string
}

/** The file, unless its content has expired. */
const refer = (file: FileMetadata | FileId, mimeType: string): Effect.Effect<Reference, FileExpired> => {
  if (Predicate.isString(file)) return Effect.succeed({ id: file, name: file, mimeType: essence(mimeType) })
  const { expires_at, filename, id } = file
  const reference = { id, name: `${printable(filename)} (${id})`, mimeType: essence(file.mime_type) }
  if (expires_at === null) return Effect.succeed(reference)
  return Effect.flatMap(
    DateTime.now,
    (now) =>
      DateTime.isGreaterThan(expires_at, now) ? Effect.succeed(reference) : Effect.fail(
        new FileExpired({
          operation: "contentBlock",
          message: `${reference.name} expired at ${DateTime.formatIso(expires_at)}: upload it again.`,
          fileId: id
        })
      )
  )
}

const mismatch = (file: Reference, takes: string): InvalidFileType =>
  new InvalidFileType({
    operation: "contentBlock",
    message: `${file.name} is ${file.mimeType || "of unknown type"}, and ${takes}: ${adviceFor(file.mimeType)}.`,
    mimeType: file.mimeType,
    fileId: file.id
  })

/** What to do with a file of this type instead. */
const adviceFor = (mimeType: string): string => {
  if (documentTypes.has(mimeType)) return "use ContentBlock.document"
  if (imageTypes.has(mimeType)) return "use ContentBlock.image"
  return `${conversionOf(mimeType)}, or use ContentBlock.containerUpload with the code execution tool`
}

const toDocument = (file: Reference, { cacheControl, citations, context, title }: DocumentOptions): Document => ({
  type: "document",
  source: { type: "file", file_id: file.id },
  ...defined({
    title,
    context,
    citations: citations === undefined ? undefined : { enabled: citations },
    cache_control: cacheControl
  })
})

const toImage = (file: Reference, { cacheControl }: BlockOptions): Image => ({
  type: "image",
  source: { type: "file", file_id: file.id },
  ...defined({ cache_control: cacheControl })
})

const toContainerUpload = (file: Reference, { cacheControl }: BlockOptions): ContainerUpload => ({
  type: "container_upload",
  file_id: file.id,
  ...defined({ cache_control: cacheControl })
})

/**
 * A document block: `application/pdf` or `text/plain`. Any other type fails with `InvalidFileType`, and an expired file
 * with `FileExpired`. Nothing is sent.
 */
export const document: {
  (file: FileMetadata, options?: DocumentOptions): Effect.Effect<Document, ContentBlockError>
  (id: FileId, options: DocumentOptions & Typed): Effect.Effect<Document, ContentBlockError>
} = (file: FileMetadata | FileId, options?: DocumentOptions & Partial<Typed>) =>
  Effect.flatMap(
    refer(file, options?.mimeType ?? ""),
    (reference) =>
      documentTypes.has(reference.mimeType)
        ? Effect.succeed(toDocument(reference, options ?? {}))
        : Effect.fail(mismatch(reference, "a document block takes application/pdf and text/plain"))
  )

/**
 * An image block: JPEG, PNG, GIF or WebP. Any other type fails with `InvalidFileType`, and an expired file with
 * `FileExpired`. Nothing is sent.
 */
export const image: {
  (file: FileMetadata, options?: BlockOptions): Effect.Effect<Image, ContentBlockError>
  (id: FileId, options: BlockOptions & Typed): Effect.Effect<Image, ContentBlockError>
} = (file: FileMetadata | FileId, options?: BlockOptions & Partial<Typed>) =>
  Effect.flatMap(
    refer(file, options?.mimeType ?? ""),
    (reference) =>
      imageTypes.has(reference.mimeType)
        ? Effect.succeed(toImage(reference, options ?? {}))
        : Effect.fail(mismatch(reference, "an image block takes image/jpeg, image/png, image/gif and image/webp"))
  )

/**
 * A block that puts a file of any type into the container of the code execution tool.
 */
export const containerUpload = (
  file: FileMetadata | FileId,
  options?: BlockOptions
): Effect.Effect<ContainerUpload, FileExpired> =>
  Effect.map(refer(file, ""), (reference) => toContainerUpload(reference, options ?? {}))

/**
 * The block for the file's type: `document`, `image`, or `container_upload` for everything else. Only documents use
 * `title`, `context` and `citations`; other blocks leave them out.
 */
export const forFile: {
  (file: FileMetadata, options?: DocumentOptions): Effect.Effect<ContentBlock, FileExpired>
  (id: FileId, options: DocumentOptions & Typed): Effect.Effect<ContentBlock, FileExpired>
} = (file: FileMetadata | FileId, options?: DocumentOptions & Partial<Typed>) =>
  Effect.map(refer(file, options?.mimeType ?? ""), (reference): ContentBlock => {
    if (documentTypes.has(reference.mimeType)) return toDocument(reference, options ?? {})
    if (imageTypes.has(reference.mimeType)) return toImage(reference, options ?? {})
    return toContainerUpload(reference, options ?? {})
  })
