/**
 * The Files API as a service over `HttpClient`: upload, list, metadata, download, delete.
 *
 * Paths, bounds and shapes: the Files API reference. Both dialects, generally available and beta, give the same types.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Headers from "effect/http/Headers"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Request from "effect/Request"
import * as RequestResolver from "effect/RequestResolver"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { DeletedFile, type FileId, FileMetadata, FilePage } from "./FileMetadata.ts"
import {
  type DeleteError,
  type DownloadError,
  type FilesError,
  type FileTooLarge,
  type InvalidConfig,
  InvalidFilename,
  InvalidFileType,
  type ListError,
  type MetadataError,
  type Operation,
  type RequestFailed,
  SourceFailed,
  TransferInterrupted,
  type UploadError
} from "./FilesError.ts"
import { type Content, type FileSource, isFileSource } from "./FileSource.ts"
import * as Checksum from "./internal/files/checksum.ts"
import { type Internals, type SoughtUpload, withInternals } from "./internal/files/internals.ts"
import * as Uploads from "./internal/files/lostUploads.ts"
import { Attempt, type Verdict } from "./internal/request/attempt.ts"
import {
  answer,
  answerIn,
  type Call,
  call,
  type Connection,
  content,
  decodeJson,
  lengthOf,
  type Progress
} from "./internal/request/connection.ts"
import { fromEnvironment } from "./internal/request/environment.ts"
import { fileTooLarge, invalidRequest, narrow, type Sent, type Subject, unexpected } from "./internal/request/errors.ts"
import { type Options, parse } from "./internal/request/options.ts"
import { ofLines } from "./internal/sha256.ts"
import { annotate, report } from "./internal/telemetry.ts"
import { excerpt, loneSurrogate, printable } from "./internal/text.ts"
import * as Wire from "./internal/wire/constants.ts"
import { mimeTypeOf } from "./internal/wire/mimeType.ts"
import * as Multipart from "./internal/wire/multipart.ts"
import * as Rows from "./internal/wire/rows.ts"

export type {
  /** What a client is made from. */
  Options
}

export interface UploadOptions {
  /**
   * 1 to 255 characters without `< > : " | ? * \ /` and control characters.
   *
   * @default the source's own name
   */
  readonly filename?: string | undefined
  /**
   * @default what the source states, else what the name's extension says. Where that says nothing the GA service
   * detects it, and the beta one gets `application/octet-stream`
   */
  readonly mimeType?: string | undefined
  /** How long the content is kept: 1 hour to 90 days, whole seconds. Without it, until it is deleted. */
  readonly expiresIn?: Duration.Input | undefined
  /** Sent only when given; the service documents no such field, some gateways do. */
  readonly purpose?: string | undefined
  /**
   * What a retry policy does with an upload whose answer was lost, so that the service may have stored it: the API
   * knows no idempotency key.
   *
   * - `adopt`: look among the newest files for one of this name, size, type and expiry, made since the upload began
   *   and not known to be another upload's. One is taken for the answer; none, and it is sent again; if several could
   *   be it, the upload fails with `isOutcomeUnknown`.
   * - `resend`: send it again. There may be two files afterwards.
   * - `fail`: fail with `isOutcomeUnknown`.
   *
   * Another program's upload of the same name, size, type and expiry within the same seconds can't be told apart, nor
   * can a file that the service stores only after it was looked for.
   *
   * @default "adopt"
   */
  readonly onUnknownOutcome?: "adopt" | "resend" | "fail" | undefined
}

export interface ListOptions {
  /**
   * Files a page, 1 to 1000.
   *
   * @default 20, the service's
   */
  readonly limit?: number | undefined
  /**
   * Just these files: any number, duplicates count once, none gives none, and ids that don't exist are left out. Goes
   * with no other option but `scopeId`.
   */
  readonly ids?: Iterable<FileId> | undefined
  /** Only files of this scope; needs a managed-agents beta. */
  readonly scopeId?: string | undefined
  /** Beta dialect: from the file after this one on, towards older ones. */
  readonly afterId?: FileId | undefined
  /** Beta dialect: from the page before this file on, towards newer ones. Each page stays newest first. */
  readonly beforeId?: FileId | undefined
}

export interface ListPageOptions extends ListOptions {
  /** GA dialect: the `next_page` of the page before. */
  readonly page?: string | undefined
}

/**
 * The Files API.
 */
export class Files extends Context.Service<Files, {
  /**
   * Uploads a source and gives the stored file's metadata, whose size is what was sent. Everything that can be checked
   * is checked before a byte is sent.
   */
  readonly upload: <R>(
    source: FileSource<R>,
    options?: UploadOptions
  ) => Effect.Effect<FileMetadata, UploadError, R>
  /**
   * All files, newest first. A page is fetched only when the stream's consumer comes to it.
   */
  readonly list: (options?: ListOptions) => Stream.Stream<FileMetadata, ListError>
  /**
   * One page. In the GA dialect the next one is asked for with `page: next_page`, in the beta dialect with
   * `afterId: last_id`.
   */
  readonly listPage: (options?: ListPageOptions) => Effect.Effect<FilePage, ListError>
  readonly metadata: (id: FileId) => Effect.Effect<FileMetadata, MetadataError>
  /**
   * The content of a file that a tool or skill made. It comes to its end complete or fails; ending the stream early
   * closes the connection.
   */
  readonly download: (id: FileId) => Stream.Stream<Uint8Array, DownloadError>
  readonly delete: (id: FileId) => Effect.Effect<DeletedFile, DeleteError>
}>()("effect-anthropic-files/Files") {}

const decodeMetadata = decodeJson(FileMetadata, Rows.decodeRow)
const decodePage = decodeJson(FilePage, Rows.decodePage)
const decodeDeleted = decodeJson(DeletedFile)

/**
 * A client over the `HttpClient` in the context.
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Files["Service"], InvalidConfig, HttpClient.HttpClient> {
  const settings = yield* parse(options)
  const connection: Connection = { settings, client: yield* HttpClient.HttpClient }
  const { dialect } = settings

  const subjectOf = (operation: Operation, more?: Partial<Subject>): Subject => ({
    operation,
    dialect,
    baseUrl: settings.baseUrl,
    scrub: settings.scrub,
    maxFileBytes: settings.maxFileBytes,
    ...more
  })

  const pathOf = (operation: Operation, id: FileId): Effect.Effect<string, RequestFailed> =>
    isId(id) ? Effect.succeed(pathTo(id)) : Effect.fail(notAnId(operation, "id", id))

  const metadata = Effect.fn("Files.metadata")(
    (id: FileId): Effect.Effect<FileMetadata, FilesError> =>
      Effect.withFiber((fiber) => {
        annotate(fiber, "file.id", id)
        if (!isId(id)) return Effect.fail(notAnId("metadata", "id", id))
        const subject = subjectOf("metadata", { fileId: id })
        const read = (response: HttpClientResponse.HttpClientResponse) => decodeMetadata(subject, response)
        return answerIn(fiber, connection, { subject, method: "GET", path: pathTo(id), read })
      }),
    Effect.mapError(narrow("metadata"))
  )

  const deletionListeners: Internals["deletionListeners"] = new Set()

  const tellDeleted = (id: FileId) => Effect.forEach(deletionListeners, (listener) => listener(id), { discard: true })

  const remove = Effect.fn("Files.delete")(
    function*(id: FileId): Effect.fn.Return<DeletedFile, FilesError> {
      yield* Effect.annotateCurrentSpan("file.id", id)
      const subject = subjectOf("delete", { fileId: id })
      const path = yield* pathOf("delete", id)
      let lost = false
      return yield* answer(connection, {
        subject,
        method: "DELETE",
        path,
        read: (response) => decodeDeleted(subject, response),
        verdict: (isOutcomeUnknown) =>
          Effect.sync(() => {
            lost ||= isOutcomeUnknown
            return again
          })
      }).pipe(
        // Gone, as was asked: the answer that said so never came.
        Effect.catchTag(
          "FileNotFound",
          (error): Effect.Effect<DeletedFile, FilesError> =>
            lost ? Effect.succeed({ id, type: "file_deleted" }) : Effect.fail(error)
        ),
        Effect.onExit((exit) => isGone(exit) ? tellDeleted(id) : Effect.void)
      )
    },
    Effect.mapError(narrow("delete"))
  )

  const fetchPage = Effect.fn("Files.listPage")(
    (
      urlParams: ReadonlyArray<readonly [string, string]>,
      onAnswer?: (headers: Headers.Headers) => void
    ): Effect.Effect<FilePage, FilesError> => {
      const subject = subjectOf("list")
      const read = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<FilePage, FilesError> => {
        onAnswer?.(response.headers)
        return decodePage(subject, response, (page) => {
          const isForeign = dialect === "ga"
            ? page.next_page === null && page.has_more
            : page.next_page !== null && !page.has_more
          return isForeign
            ? Effect.fail(unexpected(
              subject,
              response,
              dialect === "ga"
                ? "The answer is in the beta dialect, whose pages this client would not ask for: set dialect to \"beta\"."
                : "The answer is in the GA dialect, whose pages this client would not ask for: set dialect to \"ga\".",
              ""
            ))
            : Effect.succeed(page)
        })
      }
      return Effect.withFiber((fiber) =>
        Effect.map(
          answerIn(fiber, connection, { subject, method: "GET", path: "/v1/files", urlParams, read }),
          (page) => {
            annotate(fiber, "files.count", page.data.length)
            return page
          }
        )
      )
    },
    Effect.mapError(narrow("list"))
  )

  const listPage = (options: ListPageOptions = {}): Effect.Effect<FilePage, ListError> =>
    Effect.gen(function*() {
      yield* checkList(dialect, options)
      if (options.ids === undefined) return yield* fetchPage(pageParams(options))
      const ids = Array.from(new Set(options.ids))
      yield* checkIds(ids)
      if (ids.length > Wire.maxIdsPerRequest) {
        return yield* invalidRequest(
          "list",
          "ids",
          `One page takes at most ${Wire.maxIdsPerRequest} ids, not ${ids.length}: list() splits them.`
        )
      }
      return ids.length === 0 ? emptyPage : dialect === "ga"
        ? yield* fetchPage(idParams(ids, options))
        : { ...emptyPage, data: yield* Stream.runCollect(lookUp(ids)) }
    })

  const lookUps = Semaphore.makeUnsafe(lookUpsAtOnce)

  /** The beta dialect has no `ids[]`: one lookup each, and what does not exist is left out alike. */
  const lookUp = (ids: ReadonlyArray<FileId>): Stream.Stream<FileMetadata, ListError> =>
    Stream.fromIterable(ids).pipe(
      Stream.mapEffect((id) =>
        metadata(id).pipe(
          Effect.asSome,
          Effect.catchTag("FileNotFound", () => Effect.succeed(Option.none<FileMetadata>())),
          lookUps.withPermit
        ), { concurrency: lookUpsAtOnce }),
      Stream.filter(Option.isSome),
      Stream.map((found) => found.value)
    )

  const list = (options: ListOptions = {}): Stream.Stream<FileMetadata, ListError> =>
    // Read now: an iterator gives its ids only once, and a stream may be run again.
    listOf(options, options.ids === undefined ? undefined : Array.from(new Set(options.ids)))

  const listOf = (
    options: ListOptions,
    ids: ReadonlyArray<FileId> | undefined
  ): Stream.Stream<FileMetadata, ListError> =>
    Stream.unwrap(Effect.map(Effect.andThen(checkList(dialect, options), checkIds(ids)), () => {
      if (ids === undefined) return pages(options)
      return dialect === "beta" ? lookUp(ids) : Stream.paginate(0, (from) => {
        if (from >= ids.length) return Effect.succeed([[], Option.none<number>()] as const)
        const until = from + Wire.maxIdsPerRequest
        return Effect.map(
          fetchPage(idParams(ids.slice(from, until), options)),
          (page) => [page.data, until < ids.length ? Option.some(until) : Option.none<number>()] as const
        )
      })
    }))

  const pages = (options: ListOptions): Stream.Stream<FileMetadata, ListError> => {
    const backwards = options.beforeId !== undefined
    return Stream.suspend(() => {
      const seen = new Set<string>()
      return Stream.paginate<ListPageOptions, FileMetadata, ListError>(
        options,
        (current) =>
          Effect.flatMap(fetchPage(pageParams(current)), (page) => {
            const cursor = dialect === "ga"
              ? page.next_page
              : !page.has_more
              ? null
              : backwards
              ? page.first_id ?? page.data.at(0)?.id
              : page.last_id ?? page.data.at(-1)?.id
            if (cursor === null) return Effect.succeed([page.data, Option.none<ListPageOptions>()] as const)
            if (cursor === undefined || seen.has(cursor)) {
              return Effect.fail(unexpected(
                subjectOf("list"),
                { status: 200, headers: Headers.empty },
                cursor === undefined
                  ? "The service says there are more files, but not where they begin."
                  : `The service gave the cursor ${excerpt(cursor)} a second time: the listing would never end.`,
                ""
              ))
            }
            seen.add(cursor)
            const next: ListPageOptions = dialect === "ga"
              ? { ...options, page: cursor }
              : backwards
              ? { ...options, beforeId: cursor as FileId }
              : { ...options, afterId: cursor as FileId }
            return Effect.succeed([page.data, Option.some(next)] as const)
          })
      )
    })
  }

  const download = (id: FileId): Stream.Stream<Uint8Array, DownloadError> =>
    Stream.unwrap(
      Effect.gen(function*() {
        const subject = subjectOf("download", { fileId: id })
        const request: Call<HttpClientResponse.HttpClientResponse> = {
          subject,
          method: "GET",
          path: `${yield* pathOf("download", id)}/content`,
          headers: { accept: "application/binary", "accept-encoding": "identity" },
          read: Effect.succeed
        }
        const { attempt, value: response } = yield* call(connection, request)
        const bytes = attempt.again === undefined
          ? content(connection, subject, response)
          : resumable(request, response, attempt)
        // Nothing announced a length, so an early end can't be told from the end by the bytes alone.
        return lengthOf(response) !== undefined || response.headers["transfer-encoding"] !== undefined
          ? bytes
          : compareWithMetadata(id, bytes)
      }).pipe(Effect.mapError(narrow("download")))
    ).pipe(
      Stream.mapError(narrow("download")),
      Stream.withSpan("Files.download", { attributes: { "file.id": id } })
    )

  /**
   * The content, and where it breaks off, the rest of it: by a range where the service serves one, else from the start
   * with what was handed out already passed over, if it is the same.
   */
  const resumable = (
    request: Call<HttpClientResponse.HttpClientResponse>,
    first: HttpClientResponse.HttpClientResponse,
    attempt: Attempt
  ): Stream.Stream<Uint8Array, FilesError> =>
    Stream.suspend(() => {
      const { subject } = request
      const total = lengthOf(first)
      const checksum = Checksum.make()
      let offset = 0

      const handOut = (
        response: HttpClientResponse.HttpClientResponse,
        current: Attempt,
        body: Stream.Stream<Uint8Array, FilesError>
      ): Stream.Stream<Uint8Array, FilesError> =>
        Stream.map(body, (chunk) => {
          offset += chunk.length
          checksum.update(chunk)
          return chunk
        }).pipe(Stream.catch((error) => {
          const { again } = current
          // Anything else is another content, or none that was asked for.
          if (error._tag !== "TransferInterrupted" || error.reason === "Overrun") return Stream.fail(error)
          // Broken off behind its last byte.
          if (offset === total) return Stream.empty
          return again === undefined
            ? Stream.fail(error)
            : Stream.unwrap(Effect.map(again(error), (granted) => granted ? rest(current) : Stream.fail(error)))
        }))

      const rest = (current: Attempt): Stream.Stream<Uint8Array, FilesError> =>
        Stream.unwrap(Effect.gen(function*() {
          const from = offset
          const { attempt: next, value: response } = yield* call(connection, {
            ...request,
            headers: { ...request.headers, ...(from === 0 ? undefined : { range: `bytes=${from}-` }) },
            continues: current,
            partial: from > 0
          })
          yield* report("resumed", `${subject.fileId} goes on after ${from} bytes`, {
            offset: from,
            ranged: response.status === 206
          })
          if (response.status === 206) {
            const served = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers["content-range"] ?? "")
            const whole = served?.[2] === "*" ? undefined : Number(served?.[2])
            if (Number(served?.[1]) !== from || (total !== undefined && whole !== undefined && whole !== total)) {
              return Stream.fail(unexpected(subject, response, `The service sent another part than was asked for.`, ""))
            }
            return handOut(response, next, content(connection, subject, response, { offset: from, total }))
          }
          const changed = unexpected(subject, response, `${subject.fileId} changed while it was downloaded.`, "")
          if (total !== undefined && lengthOf(response) !== undefined && lengthOf(response) !== total) {
            return Stream.fail(changed)
          }
          return handOut(response, next, skip(content(connection, subject, response), from, checksum.digest(), changed))
        }))

      return handOut(first, attempt, content(connection, subject, first))
    })

  const compareWithMetadata = (id: FileId, bytes: Stream.Stream<Uint8Array, FilesError>) =>
    Stream.suspend(() => {
      let received = 0
      return Stream.concat(
        Stream.map(bytes, (chunk) => {
          received += chunk.length
          return chunk
        }),
        Stream.fromEffectDrain(
          Effect.ignore(Effect.flatMap(metadata(id), (file) =>
            file.size_bytes === received ? Effect.void : Effect.logWarning(
              `${id} came without a length and ended after ${received} bytes; its metadata says ${file.size_bytes}.`
            )))
        )
      )
    })

  const upload = Effect.fn("Files.upload")(
    <R>(
      source: FileSource<R>,
      options: UploadOptions = {}
    ): Effect.Effect<FileMetadata, FilesError, R> =>
      Effect.withFiber((fiber) =>
        Effect.scoped(Effect.gen(function*() {
          if (!isFileSource(source)) return yield* noSource()
          const fields = yield* uploadFields(options)
          const opened = yield* source.open
          const filename = yield* checkFilename(options.filename ?? opened.filename)
          const mimeType = yield* checkMimeType(
            options.mimeType ?? opened.mimeType ?? mimeTypeOf(filename) ?? opened.fallbackMimeType
              ?? (dialect === "ga" ? undefined : "application/octet-stream")
          )
          const { size } = opened
          if (size !== undefined && !(Number.isSafeInteger(size) && size >= 0)) {
            return yield* invalidRequest("upload", "size", `The source's size is ${size}, not a whole number of bytes.`)
          }
          if (size !== undefined && size > settings.maxFileBytes) {
            return yield* fileTooLarge(filename, size, settings.maxFileBytes)
          }
          annotate(fiber, "file.name", filename)
          if (size !== undefined) annotate(fiber, "file.size", size)
          const subject = subjectOf("upload", { filename, size })
          const frame = Multipart.frame({ boundary: Multipart.makeBoundary(), fields, filename, mimeType })
          const progress: Progress = {
            started: false,
            sent: { bytes: 0, total: size, complete: false },
            failure: undefined
          }
          if (opened.bytes !== undefined) progress.sent = { bytes: opened.bytes.length, total: size, complete: true }
          const body = opened.bytes !== undefined
            ? HttpBody.uint8Array(Multipart.toBytes(frame, opened.bytes), frame.contentType)
            : HttpBody.stream(
              Multipart.toStream(frame, watched(opened, filename, progress)),
              frame.contentType,
              size === undefined ? undefined : frame.head.length + size + frame.tail.length
            )
          return yield* uploads.track(
            {
              filename,
              size,
              mimeType: options.mimeType,
              expiresIn: expirySeconds(fields),
              isSent: () => progress.sent.complete
            },
            (own) =>
              answerIn(fiber, connection, {
                subject,
                method: "POST",
                path: "/v1/files",
                body,
                progress,
                read: (response) =>
                  decodeMetadata(subject, response, (file) => checkStored(subject, file, progress.sent)),
                canRepeat: (isOutcomeUnknown) =>
                  progress.failure === undefined && (opened.isReplayable || !progress.started)
                  && !(isOutcomeUnknown && progress.sent.complete && options.onUnknownOutcome === "fail"),
                verdict: (isOutcomeUnknown, done) =>
                  !isOutcomeUnknown || !progress.sent.complete || options.onUnknownOutcome === "resend"
                    ? Effect.succeed(again)
                    : Effect.map(
                      own.find(progress.sent.bytes),
                      (found): Verdict =>
                        found._tag === "None" ? again : found._tag === "One" ? done(found.file) : never
                    )
              })
          )
        }))
      ),
    Effect.mapError(narrow("upload"))
  )

  /** Counts what the transport takes and breaks the request off when the count can't come out right. */
  const watched = (
    { size, stream }: Content,
    filename: string,
    progress: Progress
  ): Stream.Stream<Uint8Array, SourceFailed | FileTooLarge> =>
    Stream.unwrap(Effect.gen(function*() {
      const clock = yield* Clock.Clock
      const attempt = yield* Attempt
      const limit = size ?? settings.maxFileBytes
      let count = 0
      const move = (complete: boolean) => {
        progress.sent = { bytes: count, total: size, complete }
        if (attempt !== undefined) attempt.watch.movedAt = clock.currentTimeMillisUnsafe()
      }
      move(false)
      progress.started = true
      progress.failure = undefined
      return stream.pipe(
        // What a source fetches by itself is no part of this upload.
        Stream.provideService(Attempt, undefined),
        Stream.mapEffect((chunk) => {
          if (!(chunk instanceof Uint8Array)) return Effect.fail(notBytes(filename))
          count += chunk.length
          if (count > limit) {
            return Effect.fail(
              size === undefined ? fileTooLarge(filename, undefined, limit) : sizeMismatch(filename, size, count)
            )
          }
          move(false)
          return Effect.succeed(chunk)
        }),
        Stream.concat(Stream.suspend(() => {
          if (size !== undefined && count !== size) return Stream.fail(sizeMismatch(filename, size, count))
          move(true)
          return Stream.empty
        })),
        Stream.tapError((failure) => Effect.sync(() => void (progress.failure = failure)))
      )
    }))

  /**
   * A stored size that is not what was sent, or an answer before all of it was, means a file that nobody asked for: it
   * is removed again.
   */
  const checkStored = (
    subject: Subject,
    file: FileMetadata,
    { bytes: sent, complete, total }: Sent
  ): Effect.Effect<FileMetadata, FilesError> =>
    complete && file.size_bytes === sent
      ? Effect.succeed(file)
      : Effect.flatMap(Effect.isSuccess(remove(file.id)), (deleted) =>
        Effect.fail(
          new TransferInterrupted({
            operation: "upload",
            reason: "SizeMismatch",
            message: `${printable(subject.filename ?? "The file")} has ${
              complete ? sent : total ?? "more"
            } bytes, but the service stored ${file.size_bytes} as ${file.id}${
              deleted ? ", which was deleted again" : ", and that could not be deleted"
            }.`,
            transferred: file.size_bytes,
            ...(complete ? { expected: sent } : total === undefined ? undefined : { expected: total }),
            fileId: file.id,
            isRetryable: deleted,
            isOutcomeUnknown: false
          })
        ))

  const uploads = Uploads.make(
    (limit, page) =>
      Effect.suspend(() => {
        let date: string | undefined
        return Effect.map(
          fetchPage(
            pageParams(dialect === "ga" ? { limit, page } : { limit, afterId: page as FileId | undefined }),
            (headers) => void (date = headers["date"])
          ),
          (page) => ({ page, answeredAt: date === undefined ? undefined : Date.parse(date) })
        )
      }),
    dialect === "ga"
  )

  const findUploads = (
    { expiresIn, filename, mimeType, since, size }: SoughtUpload
  ): Effect.Effect<Option.Option<ReadonlyArray<FileMetadata>>, ListError> =>
    Effect.clockWith((clock) =>
      Effect.flatMap(uploadFields({ expiresIn }), (fields) =>
        uploads.candidates(
          { filename, size, mimeType, expiresIn: expirySeconds(fields) },
          size,
          () => Math.max(0, clock.currentTimeMillisUnsafe() - since),
          () => true
        ))
    ).pipe(Effect.map(Option.fromUndefinedOr), Effect.mapError(narrow("list")))

  const { baseUrl, headers } = settings
  const workspace = headers["anthropic-workspace-id"]
  const identity = workspace === undefined
    ? ofLines(baseUrl, "credential", headers["x-api-key"] ?? "", headers["authorization"] ?? "")
    : ofLines(baseUrl, "workspace", workspace)

  return withInternals(Files.of({ upload, list, listPage, metadata, download, delete: remove }), {
    findUploads,
    identity,
    deletionListeners
  })
})

// A dot segment in a path would be resolved away and reach another route.
const isId = (id: unknown): boolean => Predicate.isString(id) && /^[\x21-\x7e]+$/.test(id) && !/^\.{1,2}$/.test(id)

const notAnId = (operation: Operation, option: string, id: unknown): RequestFailed =>
  invalidRequest(operation, option, `“${excerpt(String(id))}” is no file id, such as file_….`)

const pathTo = (id: FileId): string => `/v1/files/${encodeURIComponent(id)}`

/** Whether there is no such file after a deletion. */
const isGone = (exit: Exit.Exit<unknown, FilesError>): boolean =>
  Exit.isSuccess(exit) || Option.exists(Exit.findErrorOption(exit), ({ _tag }) => _tag === "FileNotFound")

const again: Verdict = { _tag: "Again" }

const never: Verdict = { _tag: "Never" }

const expirySeconds = (fields: ReadonlyArray<readonly [string, string]>): number | undefined => {
  const field = fields.find(([name]) => name === "expires_in_seconds")
  return field === undefined ? undefined : Number(field[1])
}

/** Passes over the first bytes, which have to be those that were handed out before. */
const skip = (
  bytes: Stream.Stream<Uint8Array, FilesError>,
  count: number,
  expected: string,
  changed: FilesError
): Stream.Stream<Uint8Array, FilesError> =>
  Stream.suspend(() => {
    const seen = Checksum.make()
    let left = count
    return Stream.mapEffect(bytes, (chunk) => {
      if (left === 0) return Effect.succeed(chunk)
      const known = chunk.subarray(0, left)
      seen.update(known)
      left -= known.length
      return left === 0 && seen.digest() !== expected
        ? Effect.fail(changed)
        : Effect.succeed(chunk.subarray(known.length))
    }).pipe(
      Stream.filter((chunk) => chunk.length > 0),
      // Shorter than what was handed out before.
      Stream.concat(Stream.suspend(() => left > 0 ? Stream.fail(changed) : Stream.empty))
    )
  })

/** Requests for many ids, however many ask. */
const lookUpsAtOnce = 8

const emptyPage: FilePage = { data: [], next_page: null, has_more: false, first_id: null, last_id: null }

const noSource = () =>
  new SourceFailed({
    operation: "upload",
    reason: "Failed",
    message: "An upload takes a FileSource: FileSource.path(…), FileSource.bytes(…) and others make one.",
    isRetryable: false,
    isOutcomeUnknown: false
  })

const notBytes = (filename: string): SourceFailed =>
  new SourceFailed({
    operation: "upload",
    reason: "Failed",
    message: `The stream for ${printable(filename)} gave something that is no Uint8Array; nothing was stored.`,
    source: filename,
    isRetryable: false,
    isOutcomeUnknown: false
  })

const sizeMismatch = (filename: string, declared: number, given: number): SourceFailed =>
  new SourceFailed({
    operation: "upload",
    reason: "SizeMismatch",
    message: `${printable(filename)} was declared with ${declared} bytes but gave ${
      given > declared ? "more" : `only ${given}`
    }; nothing was stored.`,
    source: filename,
    isRetryable: false,
    isOutcomeUnknown: false
  })

const pageParams = (options: ListPageOptions): ReadonlyArray<readonly [string, string]> => {
  const params: Array<readonly [string, string]> = []
  if (options.limit !== undefined) params.push(["limit", String(options.limit)])
  if (options.page !== undefined) params.push(["page", options.page])
  if (options.afterId !== undefined) params.push(["after_id", options.afterId])
  if (options.beforeId !== undefined) params.push(["before_id", options.beforeId])
  if (options.scopeId !== undefined) params.push(["scope_id", options.scopeId])
  return params
}

const idParams = (ids: ReadonlyArray<FileId>, options: ListOptions): ReadonlyArray<readonly [string, string]> => {
  const params = ids.map((id) => ["ids[]", id] as const)
  return options.scopeId === undefined ? params : [...params, ["scope_id", options.scopeId]]
}

const checkList = (dialect: Wire.Dialect, options: ListPageOptions): Effect.Effect<void, RequestFailed> => {
  const refuse = (option: string, message: string) => Effect.fail(invalidRequest("list", option, message))
  const { limit } = options
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= Wire.maxPageLimit)) {
    return refuse("limit", `limit is ${limit}; a page has 1 to ${Wire.maxPageLimit} files.`)
  }
  if (options.afterId !== undefined && options.beforeId !== undefined) {
    return refuse("beforeId", "afterId and beforeId exclude each other.")
  }
  if (dialect === "ga" && (options.afterId !== undefined || options.beforeId !== undefined)) {
    return refuse(
      options.afterId === undefined ? "beforeId" : "afterId",
      "afterId and beforeId belong to the beta dialect; in the GA one a listing goes on with page."
    )
  }
  if (dialect === "beta" && options.page !== undefined) {
    return refuse("page", "page belongs to the GA dialect; in the beta one a listing goes on with afterId or beforeId.")
  }
  if (
    options.ids !== undefined
    && (limit !== undefined || options.page !== undefined || options.afterId !== undefined
      || options.beforeId !== undefined)
  ) {
    return refuse("ids", "ids names the files by itself and goes with no limit and no cursor.")
  }
  return Effect.void
}

/** One that is no id would fail all that share its request. */
const checkIds = (ids: ReadonlyArray<FileId> = []): Effect.Effect<void, RequestFailed> => {
  const wrong = ids.findIndex((id) => !isId(id))
  return wrong < 0 ? Effect.void : Effect.fail(notAnId("list", "ids", ids[wrong]))
}

const checkFilename = (filename: string | undefined): Effect.Effect<string, InvalidFilename> => {
  const problem = !Predicate.isString(filename) || filename === ""
    ? "A file needs a name: give one as the upload's filename."
    // It has no more characters than units.
    : filename.length > Wire.maxFilenameLength && Array.from(filename).length > Wire.maxFilenameLength
    ? `The name has ${Array.from(filename).length} characters; the service takes ${Wire.maxFilenameLength}.`
    : Wire.forbiddenFilenameCharacters.test(filename)
    ? `“${printable(filename)}” holds one of < > : " | ? * \\ / or a control character, which the service refuses.`
    : loneSurrogate.test(filename)
    ? `“${printable(filename)}” holds half a character (a lone surrogate), which UTF-8 can't express.`
    : undefined
  return problem === undefined && Predicate.isString(filename)
    ? Effect.succeed(filename)
    : Effect.fail(
      new InvalidFilename({
        operation: "upload",
        message: problem ?? "",
        filename: String(filename ?? ""),
        isRetryable: false,
        isOutcomeUnknown: false
      })
    )
}

// RFC 9110: type/subtype of token characters, then parameters with token or plainly quoted values.
const mimeTypePattern =
  /^[!#$%&'*+\-.^_`|~0-9a-z]+\/[!#$%&'*+\-.^_`|~0-9a-z]+(\s*;\s*[!#$%&'*+\-.^_`|~0-9a-z]+=([!#$%&'*+\-.^_`|~0-9a-z]+|"[\x20\x21\x23-\x5b\x5d-\x7e]*"))*$/i

const checkMimeType = (mimeType: string | undefined): Effect.Effect<string | undefined, InvalidFileType> =>
  mimeType === undefined
    || (Predicate.isString(mimeType) && mimeType.length <= Wire.maxMimeTypeLength && mimeTypePattern.test(mimeType))
    ? Effect.succeed(mimeType)
    : Effect.fail(
      new InvalidFileType({
        operation: "upload",
        message: `“${excerpt(String(mimeType))}” is no MIME type, such as application/pdf.`,
        mimeType: String(mimeType),
        isRetryable: false,
        isOutcomeUnknown: false
      })
    )

const uploadFields = (
  options: UploadOptions
): Effect.Effect<ReadonlyArray<readonly [string, string]>, RequestFailed> => {
  const fields: Array<readonly [string, string]> = []
  if (options.expiresIn !== undefined) {
    const duration = Duration.fromInput(options.expiresIn)
    const seconds = Option.isSome(duration) ? Duration.toSeconds(duration.value) : NaN
    if (!Number.isInteger(seconds) || seconds < Wire.minExpiresIn || seconds > Wire.maxExpiresIn) {
      return Effect.fail(
        invalidRequest("upload", "expiresIn", "expiresIn has to be 1 hour to 90 days, in whole seconds.")
      )
    }
    fields.push(["expires_in_seconds", String(seconds)])
  }
  if (options.purpose !== undefined) fields.push(["purpose", options.purpose])
  return Effect.succeed(fields)
}

/**
 * The service from options. It needs an `HttpClient`, and what a policy Layer does to that holds for it.
 */
export const layer = (options: Options): Layer.Layer<Files, InvalidConfig, HttpClient.HttpClient> =>
  Layer.effect(Files, make(options))

/**
 * The service from `ANTHROPIC_API_KEY`, `ANTHROPIC_AUTH_TOKEN`, `ANTHROPIC_BASE_URL`, `ANTHROPIC_WORKSPACE_ID` and
 * `ANTHROPIC_CUSTOM_HEADERS`, read through the current `ConfigProvider`. Values are trimmed, an empty one counts as
 * unset, and an option given here takes precedence.
 */
export const layerConfig = (options: Options = {}): Layer.Layer<Files, InvalidConfig, HttpClient.HttpClient> =>
  Layer.effect(Files, Effect.flatMap(fromEnvironment(options), make))

/** {@link Files.upload} of the service in the context. */
export const upload = <R = never>(
  source: FileSource<R>,
  options?: UploadOptions
): Effect.Effect<FileMetadata, UploadError, Files | R> =>
  Effect.flatMap(Files, (files) => files.upload(source, options))

/** {@link Files.list} of the service in the context. */
export const list = (options?: ListOptions): Stream.Stream<FileMetadata, ListError, Files> =>
  Stream.unwrap(Effect.map(Files, (files) => files.list(options)))

/** {@link Files.listPage} of the service in the context. */
export const listPage = (options?: ListPageOptions): Effect.Effect<FilePage, ListError, Files> =>
  Effect.flatMap(Files, (files) => files.listPage(options))

/** {@link Files.metadata} of the service in the context. */
export const metadata = (id: FileId): Effect.Effect<FileMetadata, MetadataError, Files> =>
  Effect.flatMap(Files, (files) => files.metadata(id))

/** {@link Files.download} of the service in the context. */
export const download = (id: FileId): Stream.Stream<Uint8Array, DownloadError, Files> =>
  Stream.unwrap(Effect.map(Files, (files) => files.download(id)))

const delete_ = (id: FileId): Effect.Effect<DeletedFile, DeleteError, Files> =>
  Effect.flatMap(Files, (files) => files.delete(id))

export {
  /** {@link Files.delete} of the service in the context. */
  delete_ as delete
}

/** Asks for files by their ids, and gives what tells which of them are there. */
const byId = (files: Files["Service"], ids: Iterable<FileId>) =>
  Effect.map(Stream.runCollect(files.list({ ids })), (page) => {
    const found = new Map(page.map((file) => [file.id, file]))
    return (id: FileId): Option.Option<FileMetadata> => Option.fromUndefinedOr(found.get(id))
  })

interface Find extends Request.Request<Option.Option<FileMetadata>, ListError> {
  readonly _tag: "Find"
  readonly files: Files["Service"]
  readonly id: FileId
}

const Find = Request.tagged<Find>("Find")

const finder = RequestResolver.batchN(
  RequestResolver.makeWith<Find>({
    // Clients may differ in key, workspace and dialect: each has its own batches.
    batchKey: ({ request }) => request.files,
    delay: Effect.yieldNow,
    collectWhile: () => true,
    runAll: Effect.fnUntraced(function*(entries) {
      const found = yield* byId(entries[0].request.files, entries.map(({ request }) => request.id))
      for (const entry of entries) entry.completeUnsafe(Exit.succeed(found(entry.request.id)))
    })
  }),
  Wire.maxIdsPerRequest
)

/**
 * A file's metadata, or `None` where there is no such file. Lookups that are made at the same time share a request: up
 * to 100 in one with `ids[]`, and one each in the beta dialect, which has no such parameter.
 *
 * A failure of a request is one of every lookup that it was for.
 */
export const find = (id: FileId): Effect.Effect<Option.Option<FileMetadata>, ListError, Files> =>
  // One that is no id must not fail those that share its request.
  isId(id)
    ? Effect.flatMap(Files, (files) => Effect.request(Find({ files, id }), finder))
    : Effect.fail(notAnId("list", "ids", id))

/**
 * {@link find} for many: as many results as ids, in their order.
 */
export const metadataMany = (
  ids: Iterable<FileId>
): Effect.Effect<ReadonlyArray<Option.Option<FileMetadata>>, ListError, Files> =>
  Effect.gen(function*() {
    const files = yield* Files
    const asked = Array.from(ids)
    const found = yield* Effect.forEach(
      Arr.chunksOf(asked, Wire.maxIdsPerRequest),
      (ids) => Effect.map(byId(files, ids), (find) => ids.map(find)),
      { concurrency: lookUpsAtOnce }
    )
    return found.flat()
  })

/**
 * Whether there is such a file; batched like {@link find}. One that has expired counts for as long as the service knows
 * it, up to 30 days.
 */
export const exists = (id: FileId): Effect.Effect<boolean, ListError, Files> => Effect.map(find(id), Option.isSome)

/** How long a file's deletion is tried when its Scope closes: not for long where somebody waits for the end. */
const cleanUpLimit = (exit: Exit.Exit<unknown, unknown>): Duration.Duration =>
  Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause) ? Duration.seconds(5) : Duration.seconds(30)

const cleanUp = Schedule.exponential("200 millis").pipe(Schedule.upTo({ times: 5 }))

/**
 * Uploads a file that lives as long as its Scope: it is deleted when that closes, on success, failure and interruption,
 * and tried a few times, for at most 30 seconds, or 5 after an interruption. A deletion that fails is logged as a warning with the file's id and
 * changes nothing else.
 *
 * Give it `expiresIn` as a lease: the service then removes the content even when this process dies first.
 */
export const uploadScoped = <R = never>(
  source: FileSource<R>,
  options?: UploadOptions
): Effect.Effect<FileMetadata, UploadError, Files | R | Scope.Scope> =>
  Effect.flatMap(Files, (files) =>
    Effect.acquireRelease(
      files.upload(source, options),
      (file, exit) =>
        files.delete(file.id).pipe(
          Effect.retry({ schedule: cleanUp, while: (error) => error.isRetryable }),
          Effect.timeout(cleanUpLimit(exit)),
          Effect.catchTag("FileNotFound", () => Effect.void),
          Effect.catchCause((cause) =>
            Effect.annotateLogs(Effect.logWarning("An uploaded file could not be deleted again", cause), {
              file_id: file.id,
              filename: printable(file.filename)
            })
          )
        ),
      { interruptible: true }
    ))
