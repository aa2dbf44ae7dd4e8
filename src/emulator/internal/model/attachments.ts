/**
 * The documents, images and container files of a request, from the store or from the request itself.
 */
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { concat } from "../../../internal/request/body.ts"
import { type FileRecord, Store, type StoreFailed } from "../../Store.ts"
import { RequestContext } from "../context.ts"
import { type ApiError, fileExpired, fileNotFound, invalidRequest } from "../http/apiError.ts"
import { objects, string, textOf } from "./json.ts"
import * as Pdf from "./pdf.ts"
import type { Reference } from "./request.ts"

/** Something that a request gives to read. */
export interface Attachment {
  readonly kind: Reference["kind"]
  /** The file, if it is one. */
  readonly file: FileRecord | undefined
  /** Its filename, its URL, or its kind. */
  readonly name: string
  readonly mimeType: string
  /** Bytes, if they are known. */
  readonly size: number | undefined
  readonly title: string | null
  readonly isCited: boolean
  readonly documentIndex: number
  readonly isNew: boolean
  /** The text blocks of a `content` source, which are cited one by one. */
  readonly blocks: ReadonlyArray<string> | undefined
  readonly read: Effect.Effect<Uint8Array, StoreFailed, Store | Scope.Scope>
  /** An estimate: pages of PDF and images cost about what the service documents, and four characters of text are a token. */
  readonly tokens: Effect.Effect<number, StoreFailed, Store | Scope.Scope>
}

const documentTypes: ReadonlySet<string> = new Set(["application/pdf", "text/plain"])

const imageTypes: ReadonlySet<string> = new Set(["image/jpeg", "image/png", "image/gif", "image/webp"])

const accepted = {
  document: { types: documentTypes, hint: "Use application/pdf or text/plain." },
  image: { types: imageTypes, hint: "Use image/jpeg, image/png, image/gif or image/webp." }
}

/** The most bytes of a file that are read to cite it or to add it up. */
const maxReadBytes = 16 * 1024 * 1024

const readFile = Effect.fnUntraced(function*(file: FileRecord): Effect.fn.Return<
  Uint8Array,
  StoreFailed,
  Store | Scope.Scope
> {
  const store = yield* Store
  const chunks: Array<Uint8Array> = []
  let size = 0
  const content = yield* store.read(file)
  yield* content.pipe(
    Stream.takeWhile(() => size < maxReadBytes),
    Stream.runForEach((chunk) =>
      Effect.sync(() => {
        chunks.push(chunk)
        size += chunk.byteLength
      })
    )
  )
  return concat(chunks, size)
})

const tokensOf = (attachment: Omit<Attachment, "tokens">): Attachment["tokens"] => {
  if (attachment.kind === "container") return Effect.succeed(0)
  if (attachment.kind === "image") return Effect.succeed(1600)
  if (attachment.mimeType !== "application/pdf") return Effect.succeed(Math.ceil((attachment.size ?? 0) / 4))
  return attachment.read.pipe(Effect.flatMap(Pdf.pageCount), Effect.map((pages) => pages * 1500))
}

const encoder = new TextEncoder()

const bytesOf = (data: string): Uint8Array => Result.getOrElse(Base64.decode(data), () => new Uint8Array(0))

/** The parts of an attachment that is not a stored file. */
const inline = ({ kind, source }: Reference): Pick<Attachment, "name" | "mimeType" | "size" | "blocks" | "read"> => {
  const of = (name: string, mimeType: string, bytes: Uint8Array, blocks?: ReadonlyArray<string>) => ({
    name,
    mimeType,
    size: bytes.byteLength,
    blocks,
    read: Effect.succeed(bytes)
  })
  const { content, data, media_type: mediaType, type, url } = source
  if (type === "base64") return of(`inline ${kind}`, String(mediaType), bytesOf(String(data)))
  if (type === "text") return of(`inline ${kind}`, "text/plain", encoder.encode(String(data)))
  if (type === "content") {
    const blocks = Predicate.isString(content) ? [content] : objects(content).map((block) => string(block.text) ?? "")
    return of(`inline ${kind}`, "text/plain", encoder.encode(textOf(content)), blocks)
  }
  // A URL is not fetched: the emulator needs no network.
  const none = new Uint8Array(0)
  return { ...of(String(url), kind === "image" ? "image/*" : "application/pdf", none), size: undefined }
}

const find = Effect.fnUntraced(function*({ kind, source, where }: Reference): Effect.fn.Return<
  FileRecord | undefined,
  ApiError,
  RequestContext | Store
> {
  if (source.type !== "file") return undefined
  const id = String(source.file_id)
  const { workspace } = yield* RequestContext
  const file = yield* (yield* Store).get(id)
  if (file === undefined || file.workspace !== workspace) return yield* fileNotFound(id)
  if (file.expired) return yield* fileExpired(id)
  if (kind !== "container" && !accepted[kind].types.has(file.mimeType)) {
    return yield* invalidRequest(
      `${where}.source.file: The file type ${file.mimeType} of ${file.id} is not supported in a block of type ${kind}. ${
        accepted[kind].hint
      }`
    )
  }
  return file
})

/** Resolves a reference. Fails like the service for a file that is unknown, expired, or of the wrong type. */
export const resolve = Effect.fnUntraced(function*(reference: Reference): Effect.fn.Return<
  Attachment,
  ApiError,
  RequestContext | Store
> {
  const file = yield* find(reference)
  const { documentIndex, isCited, isNew, kind, title } = reference
  const attachment: Omit<Attachment, "tokens"> = {
    kind,
    documentIndex,
    isCited,
    isNew,
    title,
    file,
    ...(file === undefined ? inline(reference) : {
      name: file.filename,
      mimeType: file.mimeType,
      size: file.size,
      blocks: undefined,
      read: readFile(file)
    })
  }
  return { ...attachment, tokens: tokensOf(attachment) }
})
