/**
 * The five file operations, in both dialects.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Scope from "effect/Scope"
import { FileId } from "../../../FileMetadata.ts"
import {
  defaultPageLimit,
  forbiddenFilenameCharacters,
  maxExpiresIn,
  maxFilenameLength,
  maxIdsPerRequest,
  maxMimeTypeLength,
  minExpiresIn
} from "../../../internal/wire/constants.ts"
import { type FileRecord, Store, type StoreFailed } from "../../Store.ts"
import { RequestContext, type RequestDialect } from "../context.ts"
import {
  type ApiError,
  type ConnectionReset,
  fileExpired,
  fileNotFound,
  forbidden,
  invalidRequest,
  notFound,
  type RequestBodyFailed
} from "../http/apiError.ts"
import * as Random from "../random.ts"
import * as Cursor from "./cursor.ts"
import * as MimeType from "./mimeType.ts"
import * as UploadForm from "./uploadForm.ts"

/** How an operation can fail. */
export type Failure = ApiError | ConnectionReset | RequestBodyFailed | StoreFailed

/** RFC 3339. */
export const timestamp = (millis: number): string => DateTime.formatIso(DateTime.makeUnsafe(millis))

/** With six digits, as the service answers for files; the last three distinguish files of the same millisecond. */
const preciseTimestamp = (millis: number, sequence: number): string =>
  timestamp(millis).replace("Z", `${String(sequence % 1000).padStart(3, "0")}Z`)

/** A file on the wire. The beta dialect has no `expires_at`. */
export const toWire = (file: FileRecord, dialect: RequestDialect): Record<string, unknown> => ({
  id: file.id,
  type: "file",
  filename: file.filename,
  mime_type: file.mimeType,
  size_bytes: file.size,
  created_at: preciseTimestamp(file.createdAt, file.sequence),
  downloadable: file.downloadable,
  ...(dialect === "beta"
    ? {}
    : { expires_at: file.expiresAt === null ? null : preciseTimestamp(file.expiresAt, file.sequence) }),
  ...(file.scope === null ? {} : { scope: file.scope }),
  ...(file.purpose === null ? {} : { purpose: file.purpose })
})

const json = (body: unknown) => HttpServerResponse.jsonUnsafe(body)

/** Finds a file of this workspace; files of other workspaces do not exist for it. */
export const find = Effect.fnUntraced(function*(id: string): Effect.fn.Return<
  FileRecord,
  ApiError,
  RequestContext | Store
> {
  const context = yield* RequestContext
  const store = yield* Store
  const file = yield* store.get(id)
  if (file === undefined || file.workspace !== context.workspace) return yield* fileNotFound(id)
  return file
})

const filename = Effect.fnUntraced(function*(
  given: string | undefined,
  mimeType: string,
  dialect: RequestDialect
): Effect.fn.Return<string, ApiError> {
  // The GA dialect keeps the last component of a path; the beta documents forbid separators.
  const name = dialect === "beta" ? given ?? "" : (given ?? "").split(/[\\/]/).at(-1) ?? ""
  if (name === "") {
    if (dialect === "beta") return yield* invalidRequest("filename: String should have at least 1 character")
    return `unnamed${MimeType.extension(mimeType)}`
  }
  if (Array.from(name).length > maxFilenameLength) {
    return yield* invalidRequest(`filename: String should have at most ${maxFilenameLength} characters`)
  }
  if (forbiddenFilenameCharacters.test(name)) {
    return yield* invalidRequest(
      "filename: must not contain any of < > : \" | ? * \\ / or control characters"
    )
  }
  return name
})

/** The type that the part states; `undefined` if it has to be detected. */
const givenType = Effect.fnUntraced(function*(
  contentType: string | undefined,
  dialect: RequestDialect
): Effect.fn.Return<string | undefined, ApiError> {
  if (contentType === undefined || contentType.trim() === "") {
    if (dialect === "beta") return yield* invalidRequest("file: The content-type of the file part is required")
    return undefined
  }
  const type = MimeType.normalize(contentType)
  if (type === undefined || type.length > maxMimeTypeLength) {
    return yield* invalidRequest("file: The content-type of the file part is not a valid MIME type")
  }
  return type
})

const expiresAt = Effect.fnUntraced(function*(
  given: string | undefined,
  now: number
): Effect.fn.Return<number | null, ApiError> {
  if (given === undefined) return null
  const seconds = /^[0-9]{1,9}$/.test(given) ? Number(given) : NaN
  if (!(seconds >= minExpiresIn && seconds <= maxExpiresIn)) {
    return yield* invalidRequest(
      `expires_in_seconds: Input should be an integer between ${minExpiresIn} and ${maxExpiresIn}`
    )
  }
  return now + seconds * 1000
})

const quotaExceeded = (dialect: RequestDialect): ApiError =>
  dialect === "beta"
    ? forbidden("Your organization has reached its file storage limit. Delete files and try again.")
    : invalidRequest(
      "Your organization has reached its file storage limit. Delete files and try again.",
      "storage_quota_exceeded"
    )

/** Refuses a file that would exceed the quota. */
const admit = (context: RequestContext["Service"], size: number) => (used: number): Effect.Effect<void, ApiError> =>
  used + size > context.limits.storageQuotaBytes ? Effect.fail(quotaExceeded(context.dialect)) : Effect.void

export const upload: Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  Failure,
  RequestContext | Store | Scope.Scope
> = Effect.gen(function*() {
  const context = yield* RequestContext
  const store = yield* Store
  const staging = yield* store.stage
  const free = context.limits.storageQuotaBytes - (yield* store.usedBytes)
  let size = 0
  const form = yield* UploadForm.read(context, {
    check: Effect.fnUntraced(function*(name, contentType): Effect.fn.Return<void, ApiError> {
      yield* filename(name, (yield* givenType(contentType, context.dialect)) ?? "", context.dialect)
    }),
    write: (chunk): Effect.Effect<void, ApiError | StoreFailed> => {
      size += chunk.byteLength
      return size > free ? Effect.fail(quotaExceeded(context.dialect)) : staging.write(chunk)
    }
  })
  const file = form.file
  if (file === undefined) return yield* invalidRequest("file: Field required")
  const type = (yield* givenType(file.contentType, context.dialect)) ?? MimeType.detect(file.filename, file.head)
  const stored = yield* staging.commit({
    id: FileId.make(yield* Random.identifier("file")),
    workspace: context.workspace,
    filename: yield* filename(file.filename, type, context.dialect),
    mimeType: type,
    createdAt: context.now,
    expiresAt: yield* expiresAt(form.fields.get("expires_in_seconds"), context.now),
    downloadable: false,
    scope: null,
    countsForQuota: true,
    purpose: form.fields.get("purpose") ?? null
  }, admit(context, file.size))
  return json(toWire(stored, context.dialect))
})

export interface ListQuery {
  readonly limit?: number
  readonly page?: string
  readonly "ids[]"?: ReadonlyArray<string>
  readonly scope_id?: string
  readonly after_id?: string
  readonly before_id?: string
}

const oneOf = (query: ListQuery, names: ReadonlyArray<keyof ListQuery>): keyof ListQuery | undefined =>
  names.find((name) => query[name] !== undefined)

const place = Effect.fnUntraced(function*(name: string, id: string): Effect.fn.Return<
  number,
  ApiError,
  RequestContext | Store
> {
  const context = yield* RequestContext
  const store = yield* Store
  const sequence = yield* store.sequenceOf(context.workspace, id)
  if (sequence === undefined) return yield* notFound(`${name}: File not found: ${id}`)
  return sequence
})

const listIds = Effect.fnUntraced(function*(ids: ReadonlyArray<string>): Effect.fn.Return<
  ReadonlyArray<FileRecord>,
  ApiError,
  RequestContext | Store
> {
  const context = yield* RequestContext
  const store = yield* Store
  const distinct = new Set(ids)
  if (distinct.size > maxIdsPerRequest) {
    return yield* invalidRequest(`ids: List should have at most ${maxIdsPerRequest} items after de-duplication`)
  }
  const found: Array<FileRecord> = []
  for (const id of distinct) {
    const file = yield* store.get(id)
    if (file !== undefined && file.workspace === context.workspace) found.push(file)
  }
  return found.sort((a, b) => b.sequence - a.sequence)
})

/** Refuses the parameters of the other dialect. */
const refuseForeign = Effect.fnUntraced(function*(
  dialect: RequestDialect,
  query: ListQuery
): Effect.fn.Return<void, ApiError> {
  if (dialect === "ga") {
    const foreign = oneOf(query, ["after_id", "before_id"])
    if (foreign === undefined) return
    return yield* invalidRequest(
      `${foreign}: not supported. Use \`page\` with the \`next_page\` of the last answer.`
    )
  }
  if (dialect === "beta") {
    const foreign = oneOf(query, ["page", "ids[]"])
    if (foreign === undefined) return
    return yield* invalidRequest(
      `${foreign}: not supported with the files-api-2025-04-14 beta. Use \`after_id\` or \`before_id\`.`
    )
  }
})

export const list = Effect.fnUntraced(function*(query: ListQuery): Effect.fn.Return<
  HttpServerResponse.HttpServerResponse,
  Failure,
  RequestContext | Store
> {
  const context = yield* RequestContext
  const store = yield* Store
  const { dialect } = context
  yield* refuseForeign(dialect, query)
  if (query.after_id !== undefined && query.before_id !== undefined) {
    return yield* invalidRequest("Only one of after_id and before_id may be given")
  }

  const answer = (records: ReadonlyArray<FileRecord>, hasMore: boolean, more: boolean) => {
    const last = records.at(-1)
    return json({
      data: records.map((record) => toWire(record, dialect)),
      ...(dialect === "beta" ? {} : {
        next_page: more && last !== undefined ? Cursor.encode(store.secret, context.workspace, last.sequence) : null
      }),
      ...(dialect === "ga" ? {} : {
        has_more: hasMore,
        first_id: records[0]?.id ?? null,
        last_id: last?.id ?? null
      })
    })
  }

  const ids = query["ids[]"]
  if (ids !== undefined) {
    const clash = oneOf(query, ["page", "limit"])
    if (clash !== undefined) return yield* invalidRequest(`ids: may not be combined with ${clash}`)
    return answer(yield* listIds(ids), false, false)
  }

  const limit = query.limit ?? defaultPageLimit
  const base = { workspace: context.workspace, scopeId: query.scope_id, limit }
  if (query.before_id !== undefined) {
    const page = yield* store.page({ ...base, newerThan: yield* place("before_id", query.before_id) })
    return answer(page.records, page.hasMore, page.records.length > 0)
  }
  let olderThan: number | undefined
  if (query.after_id !== undefined) olderThan = yield* place("after_id", query.after_id)
  else if (query.page !== undefined) {
    olderThan = Cursor.decode(store.secret, context.workspace, query.page)
    if (olderThan === undefined) return yield* invalidRequest("page: Invalid page cursor")
  }
  const page = yield* store.page({ ...base, olderThan })
  return answer(page.records, page.hasMore, page.hasMore)
})

export const metadata = Effect.fnUntraced(function*(id: string): Effect.fn.Return<
  HttpServerResponse.HttpServerResponse,
  Failure,
  RequestContext | Store
> {
  const context = yield* RequestContext
  return json(toWire(yield* find(id), context.dialect))
})

/** In the encoding of RFC 8187, so that a header can hold any name. */
const disposition = (name: string): string =>
  `attachment; filename*=UTF-8''${
    encodeURIComponent(name.replace(/\p{Surrogate}/gu, "\ufffd")).replace(/['()*]/g, (char) =>
      `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
  }`

export const content = Effect.fnUntraced(function*(id: string): Effect.fn.Return<
  HttpServerResponse.HttpServerResponse,
  Failure,
  RequestContext | Store | Scope.Scope
> {
  const store = yield* Store
  const file = yield* find(id)
  if (file.expired) return yield* fileExpired(id)
  if (!file.downloadable) {
    return yield* invalidRequest(
      `File ${id} is not downloadable. Only files created by tools or skills can be downloaded.`,
      "file_not_downloadable"
    )
  }
  const stream = yield* store.read(file)
  return HttpServerResponse.stream(stream, {
    contentType: file.mimeType,
    contentLength: file.size,
    headers: {
      "content-disposition": disposition(file.filename),
      "x-content-type-options": "nosniff"
    }
  })
})

const remove = Effect.fnUntraced(function*(id: string): Effect.fn.Return<
  HttpServerResponse.HttpServerResponse,
  Failure,
  RequestContext | Store
> {
  const store = yield* Store
  yield* find(id)
  if (!(yield* store.remove(id))) return yield* fileNotFound(id)
  return json({ id, type: "file_deleted" })
})

export { remove as delete }
