/**
 * An uploaded file as a block of a message: `document`, `image` or `container_upload`.
 *
 * What a block takes is checked before anything is sent. Shapes and MIME types: the Files API guide, "File types and
 * content blocks".
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { FileId, type FileMetadata } from "./FileMetadata.ts"
import { type ContentBlockError, FileExpired, InvalidFileType } from "./FilesError.ts"
import { open } from "./internal/wire/schemas.ts"

/**
 * Marks the end of a prefix that the service keeps for the next request.
 */
export const CacheControl = open({
  type: Schema.Literal("ephemeral"),
  /** How long it is kept after its last use; the service's default is `5m`. */
  ttl: Schema.optionalKey(Schema.Literals(["5m", "1h"]))
})

/** @see {@link CacheControl:var} */
export type CacheControl = typeof CacheControl.Type

const FileSource = open({ type: Schema.Literal("file"), file_id: FileId })

const cache_control = Schema.optionalKey(Schema.NullOr(CacheControl))

/**
 * A PDF or a plain text that the model reads.
 */
export const Document = open({
  type: Schema.Literal("document"),
  source: FileSource,
  title: Schema.optionalKey(Schema.NullOr(Schema.String)),
  context: Schema.optionalKey(Schema.NullOr(Schema.String)),
  citations: Schema.optionalKey(Schema.NullOr(open({ enabled: Schema.optionalKey(Schema.Boolean) }))),
  cache_control
})

/** @see {@link Document:var} */
export type Document = typeof Document.Type

/**
 * An image that the model sees.
 */
export const Image = open({ type: Schema.Literal("image"), source: FileSource, cache_control })

/** @see {@link Image:var} */
export type Image = typeof Image.Type

/**
 * Any file, put into the container of the code execution tool. Without that tool the service ignores the block.
 */
export const ContainerUpload = open({ type: Schema.Literal("container_upload"), file_id: FileId, cache_control })

/** @see {@link ContainerUpload:var} */
export type ContainerUpload = typeof ContainerUpload.Type

/**
 * A block that refers to an uploaded file.
 */
export const ContentBlock = Schema.Union([Document, Image, ContainerUpload])

/** @see {@link ContentBlock:var} */
export type ContentBlock = typeof ContentBlock.Type

export interface BlockOptions {
  readonly cacheControl?: CacheControl | undefined
}

export interface DocumentOptions extends BlockOptions {
  /** Shown to the model and given back in citations; never cited itself. */
  readonly title?: string | undefined
  /** What the model should know about the document; never cited. */
  readonly context?: string | undefined
  /** Whether answers point to the places they rest on. All documents of a request have to agree. */
  readonly citations?: boolean | undefined
}

/** What a bare id does not tell. */
export interface Typed {
  readonly mimeType: string
}

const documentTypes: ReadonlySet<string> = new Set(["application/pdf", "text/plain"])

const imageTypes: ReadonlySet<string> = new Set(["image/jpeg", "image/png", "image/gif", "image/webp"])

/** Types that are text by another name: the service reads them once they are uploaded as `text/plain`. */
const isText = (mimeType: string): boolean =>
  mimeType.startsWith("text/") || /^application\/((.+\+)?(json|xml|yaml)|x-ndjson|javascript|sql|toml)$/.test(mimeType)

/** `Text/Plain; charset=utf-8` is `text/plain`. */
const essence = (mimeType: string): string => (mimeType.split(";")[0] ?? "").trim().toLowerCase()

interface Reference {
  readonly id: FileId
  readonly name: string
  readonly mimeType: string
}

/** The file, unless its content is no longer served. */
const refer = (file: FileMetadata | FileId, mimeType: string): Effect.Effect<Reference, FileExpired> => {
  if (Predicate.isString(file)) return Effect.succeed({ id: file, name: file, mimeType: essence(mimeType) })
  const { expires_at, filename, id } = file
  const reference = { id, name: `${filename} (${id})`, mimeType: essence(file.mime_type) }
  if (expires_at === null) return Effect.succeed(reference)
  return Effect.flatMap(
    DateTime.now,
    (now) =>
      DateTime.isGreaterThan(expires_at, now) ? Effect.succeed(reference) : Effect.fail(
        new FileExpired({
          operation: "contentBlock",
          message: `${reference.name} expired at ${DateTime.formatIso(expires_at)}: upload it again.`,
          fileId: id,
          isRetryable: false,
          isOutcomeUnknown: false
        })
      )
  )
}

const mismatch = (file: Reference, takes: string, instead: string): InvalidFileType =>
  new InvalidFileType({
    operation: "contentBlock",
    message: `${file.name} is ${file.mimeType || "of no stated type"}, and ${takes}: ${instead}.`,
    mimeType: file.mimeType,
    fileId: file.id,
    isRetryable: false,
    isOutcomeUnknown: false
  })

const withCodeExecution = "use ContentBlock.containerUpload with the code execution tool"

const instead = (file: Reference): string =>
  documentTypes.has(file.mimeType)
    ? "use ContentBlock.document"
    : imageTypes.has(file.mimeType)
    ? "use ContentBlock.image"
    : isText(file.mimeType)
    ? `upload it as text/plain for a document block, or ${withCodeExecution}`
    : file.mimeType === "image/jpg"
    ? `upload it as image/jpeg for an image block, or ${withCodeExecution}`
    : file.mimeType.startsWith("image/")
    ? `convert it to PNG or JPEG for an image block, or ${withCodeExecution}`
    : file.mimeType === "application/octet-stream" || file.mimeType === ""
    ? `upload it with its real type as mimeType, or ${withCodeExecution}`
    : `convert it to PDF or plain text for a document block, or ${withCodeExecution}`

const toDocument = (file: Reference, options: DocumentOptions): Document => ({
  type: "document",
  source: { type: "file", file_id: file.id },
  ...(options.title === undefined ? undefined : { title: options.title }),
  ...(options.context === undefined ? undefined : { context: options.context }),
  ...(options.citations === undefined ? undefined : { citations: { enabled: options.citations } }),
  ...cached(options)
})

const toImage = (file: Reference, options: BlockOptions): Image => ({
  type: "image",
  source: { type: "file", file_id: file.id },
  ...cached(options)
})

const toContainerUpload = (file: Reference, options: BlockOptions): ContainerUpload => ({
  type: "container_upload",
  file_id: file.id,
  ...cached(options)
})

const cached = (options: BlockOptions) =>
  options.cacheControl === undefined ? undefined : { cache_control: options.cacheControl }

/**
 * A document block: `application/pdf` or `text/plain`. Any other type fails with `InvalidFileType` and an expired file
 * with `FileExpired`, before anything is sent.
 */
export const document: {
  (file: FileMetadata, options?: DocumentOptions): Effect.Effect<Document, ContentBlockError>
  (id: FileId, options: DocumentOptions & Typed): Effect.Effect<Document, ContentBlockError>
} = (file: FileMetadata | FileId, options: DocumentOptions & Partial<Typed> = {}) =>
  Effect.flatMap(
    refer(file, options.mimeType ?? ""),
    (reference) =>
      documentTypes.has(reference.mimeType) ? Effect.succeed(toDocument(reference, options)) : Effect.fail(
        mismatch(reference, "a document block takes application/pdf and text/plain", instead(reference))
      )
  )

/**
 * An image block: JPEG, PNG, GIF or WebP. Any other type fails with `InvalidFileType` and an expired file with
 * `FileExpired`, before anything is sent.
 */
export const image: {
  (file: FileMetadata, options?: BlockOptions): Effect.Effect<Image, ContentBlockError>
  (id: FileId, options: BlockOptions & Typed): Effect.Effect<Image, ContentBlockError>
} = (file: FileMetadata | FileId, options: BlockOptions & Partial<Typed> = {}) =>
  Effect.flatMap(
    refer(file, options.mimeType ?? ""),
    (reference) =>
      imageTypes.has(reference.mimeType) ? Effect.succeed(toImage(reference, options)) : Effect.fail(
        mismatch(
          reference,
          "an image block takes image/jpeg, image/png, image/gif and image/webp",
          instead(reference)
        )
      )
  )

/**
 * A block that puts the file into the code execution container. It takes every type.
 */
export const containerUpload = (
  file: FileMetadata | FileId,
  options: BlockOptions = {}
): Effect.Effect<ContainerUpload, FileExpired> =>
  Effect.map(refer(file, ""), (reference) => toContainerUpload(reference, options))

/**
 * The block that takes the file's type: `document`, `image`, or `container_upload` for everything else. A title, a
 * context and citations are for documents, other blocks leave them out.
 */
export const forFile: {
  (file: FileMetadata, options?: DocumentOptions): Effect.Effect<ContentBlock, FileExpired>
  (id: FileId, options: DocumentOptions & Typed): Effect.Effect<ContentBlock, FileExpired>
} = (file: FileMetadata | FileId, options: DocumentOptions & Partial<Typed> = {}) =>
  Effect.map(refer(file, options.mimeType ?? ""), (reference): ContentBlock =>
    documentTypes.has(reference.mimeType)
      ? toDocument(reference, options)
      : imageTypes.has(reference.mimeType)
      ? toImage(reference, options)
      : toContainerUpload(reference, options))
