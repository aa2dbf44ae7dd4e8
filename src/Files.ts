/**
 * The Files API as a service over `HttpClient`: upload, list, metadata, download, delete.
 *
 * Paths, bounds and shapes: the Files API reference. Both dialects, generally available and beta, give the same types.
 *
 * @example
 * ```ts
 * import { Files, FileSource } from "effect-anthropic-files"
 * import { Effect } from "effect"
 *
 * export const program = Effect.gen(function*() {
 *   const file = yield* Files.upload(FileSource.text("Hello", "hello.txt"))
 *   yield* Effect.log(`${file.id} has ${file.size_bytes} bytes`)
 *   yield* Files.delete(file.id)
 * })
 * ```
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Credentials } from "./Credentials.ts"
import type { DeletedFile, FileId, FileMetadata, FilePage } from "./FileMetadata.ts"
import type { DeleteError, DownloadError, InvalidConfig, ListError, MetadataError, UploadError } from "./FilesError.ts"
import type { FileSource } from "./FileSource.ts"
import * as accessor from "./internal/accessor.ts"
import { deleteAtEnd } from "./internal/files/cleanUp.ts"
import { type FilesClient, notAnId } from "./internal/files/client.ts"
import { makeDownload } from "./internal/files/download.ts"
import * as Find from "./internal/files/find.ts"
import { type Internals, withInternals } from "./internal/files/internals.ts"
import { type ListOptions, type ListPageOptions, lookUpsAtOnce, makeList, newestPage } from "./internal/files/list.ts"
import { lateness, type LostUploads, makeLostUploads, type Moment } from "./internal/files/lostUploads.ts"
import { makeServiceClock, type ServiceClock } from "./internal/files/serviceClock.ts"
import { makeDelete, makeMetadata } from "./internal/files/single.ts"
import { expirySeconds, makeUpload, uploadFields, type UploadOptions } from "./internal/files/upload.ts"
import type { CallOptions } from "./internal/request/callOptions.ts"
import { toOperationError } from "./internal/request/errors.ts"
import * as Layers from "./internal/request/layers.ts"
import type { ClientOptions, Options } from "./internal/request/options.ts"
import { connect, type Connection } from "./internal/request/send.ts"
import { monotonicMillis } from "./internal/request/silence.ts"
import { ofLines } from "./internal/sha256.ts"
import { maxIdsPerRequest } from "./internal/wire/constants.ts"
import { isPathSegment } from "./internal/wire/pathSegment.ts"

export type {
  /** Options of a single call. */
  CallOptions,
  /** Options of a client, without its credential. */
  ClientOptions,
  /** Options of a listing. */
  ListOptions,
  /** Options of a request for one page. */
  ListPageOptions,
  /** Options of a client. */
  Options,
  /** Options of an upload. */
  UploadOptions
}

/**
 * The Files API.
 */
export class Files extends Context.Service<Files, {
  /**
   * Uploads a source and returns the stored file's metadata, whose `size_bytes` equals the bytes sent. Everything that
   * can be checked locally is checked before a byte is sent.
   */
  readonly upload: <R>(
    source: FileSource<R>,
    options?: UploadOptions
  ) => Effect.Effect<FileMetadata, UploadError, R>
  /**
   * All files, newest first. A page is fetched only when the stream's consumer pulls it. In the beta dialect, where the id
   * of a file is the cursor of the next page, the stream keeps the ids that it has given, so that it gives each file once
   * also if files are deleted while it runs.
   */
  readonly list: (options?: ListOptions) => Stream.Stream<FileMetadata, ListError>
  /**
   * One page. To get the next one, pass `page: next_page` in the GA dialect and `afterId: last_id` in the beta dialect.
   */
  readonly listPage: (options?: ListPageOptions) => Effect.Effect<FilePage, ListError>
  /** The metadata of a file. */
  readonly metadata: (id: FileId, options?: CallOptions) => Effect.Effect<FileMetadata, MetadataError>
  /**
   * The content of a file that a tool or skill made. The stream delivers every byte or fails; ending it early closes the
   * connection.
   */
  readonly download: (id: FileId, options?: CallOptions) => Stream.Stream<Uint8Array, DownloadError>
  /** Deletes a file permanently. */
  readonly delete: (id: FileId, options?: CallOptions) => Effect.Effect<DeletedFile, DeleteError>
}>()("effect-anthropic-files/Files") {}

/**
 * A client over the `HttpClient` in the context.
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Files["Service"], InvalidConfig, HttpClient.HttpClient> {
  const connection = yield* connect(options)
  const { dialect } = connection.settings
  const clock = makeServiceClock()
  const client: FilesClient = { connection, clock }
  const metadata = makeMetadata(client)
  const deletionListeners: Internals["deletionListeners"] = new Set()
  const remove = makeDelete(client, deletionListeners)
  const { fetchPage, list, listPage } = makeList(client, metadata)
  const tellsExpiry = dialect === "ga"
  const lost = makeLostUploads({
    clock,
    newestPage: (called = client, limit, cursor) => newestPage(fetchPage, called, dialect, limit, cursor),
    tellsExpiry
  })
  return withInternals(
    Files.of({
      upload: makeUpload(client, lost, remove),
      list,
      listPage,
      metadata,
      download: makeDownload(client, metadata),
      delete: remove
    }),
    {
      identity: identityOf(connection),
      findUploads: findUploads(lost, clock),
      tellsExpiry,
      scrub: connection.settings.scrub,
      deletionListeners
    }
  )
})

/** Equal for all clients that reach the same files. It reveals no secret. */
const identityOf = ({ settings: { baseUrl, credentials, headers } }: Connection): string =>
  ofLines(baseUrl, JSON.stringify(credentials.identity), headers["anthropic-workspace-id"] ?? "")

/** An intent is recorded just before its upload begins, by a clock that may differ slightly. Milliseconds. */
const intentTolerance = 5_000

const findUploads = (lost: LostUploads, service: ServiceClock): Internals["findUploads"] => (sought) =>
  Effect.gen(function*() {
    const { expiresIn, filename, mimeType, since, size, until } = sought
    const fields = yield* Effect.fromResult(uploadFields({ expiresIn }))
    const clock = yield* Clock.Clock
    const elapsed = Math.max(0, clock.currentTimeMillisUnsafe() - since)
    const began: Moment = { monotonic: monotonicMillis(clock) - elapsed, wall: since }
    const found = yield* lost.candidates({ filename, mimeType, size, expiresIn: expirySeconds(fields) }, size, began)
    if (found === undefined) return Option.none<ReadonlyArray<FileMetadata>>()
    const length = Math.max(0, until - since) + lateness
    const isInTime = ({ created_at }: FileMetadata) =>
      service.order(created_at.epochMilliseconds, began.monotonic + length, began.wall + length) !== "after"
    const isNear = ({ created_at }: FileMetadata) => Math.abs(created_at.epochMilliseconds - since) <= intentTolerance
    return Option.some([...found.certain.filter(isInTime), ...found.unclear.filter(isNear)])
  }).pipe(Effect.mapError(toOperationError("list")))

/**
 * The service from options. It needs an `HttpClient`; a policy Layer over that client applies to the service.
 */
export const layer = (options: Options): Layer.Layer<Files, InvalidConfig, HttpClient.HttpClient> =>
  Layer.effect(Files, make(options))

/**
 * The service over the `Credentials` in the context: a profile, workload identity, a platform.
 */
export const layerCredentials = (
  options: ClientOptions = {}
): Layer.Layer<Files, InvalidConfig, HttpClient.HttpClient | Credentials> =>
  Layers.layerCredentials({ tag: Files, make }, options)

/**
 * The service from the environment, read through the current `ConfigProvider`: `ANTHROPIC_API_KEY`, or whatever else
 * `Credentials.fromEnvironment` finds, with `ANTHROPIC_BASE_URL`, `ANTHROPIC_WORKSPACE_ID` and
 * `ANTHROPIC_CUSTOM_HEADERS`. Values are trimmed, and an empty one counts as unset. Options take precedence: a
 * credential among them hides every credential in the environment.
 */
export const layerConfig = (options: Options = {}): Layer.Layer<Files, InvalidConfig, HttpClient.HttpClient> =>
  Layers.layerConfig({ tag: Files, make }, options)

/** {@link Files.upload} of the service in the context. */
export const upload: <R = never>(
  source: FileSource<R>,
  options?: UploadOptions
) => Effect.Effect<FileMetadata, UploadError, Files | R> = accessor.effect(
  Files,
  "Files.upload"
)((files) => files.upload)

/** {@link Files.list} of the service in the context. */
export const list: (options?: ListOptions) => Stream.Stream<FileMetadata, ListError, Files> = accessor.stream(
  Files,
  "Files.list"
)((files) => files.list)

/** {@link Files.listPage} of the service in the context. */
export const listPage: (options?: ListPageOptions) => Effect.Effect<FilePage, ListError, Files> = accessor.effect(
  Files,
  "Files.listPage"
)((files) => files.listPage)

/** `Effect.forEach` passes an index as the second argument, where the options belong. */
const asOptions = (given: CallOptions | number | undefined): CallOptions | undefined =>
  Predicate.isNumber(given) ? undefined : given

const withoutIndex = (id: FileId, options?: CallOptions | number): [FileId, CallOptions | undefined] => [
  id,
  asOptions(options)
]

/**
 * {@link Files.metadata} of the service in the context. `Effect.forEach(ids, Files.metadata)` works: an index in place
 * of the options is ignored.
 */
export const metadata: (
  id: FileId,
  options?: CallOptions | number
) => Effect.Effect<FileMetadata, MetadataError, Files> = accessor.effectWith(
  Files,
  "Files.metadata",
  withoutIndex
)((files) => files.metadata)

/** {@link Files.download} of the service in the context; an index in place of the options is ignored. */
export const download: (id: FileId, options?: CallOptions | number) => Stream.Stream<Uint8Array, DownloadError, Files> =
  accessor
    .stream(
      Files,
      "Files.download"
    )((files) => (id, options) => files.download(id, asOptions(options)))

/** Deletes a file with the service in the context; an index in place of the options is ignored. */
const delete_: (id: FileId, options?: CallOptions | number) => Effect.Effect<DeletedFile, DeleteError, Files> = accessor
  .effectWith(
    Files,
    "Files.delete",
    withoutIndex
  )((files) => files.delete)

export {
  /** {@link Files.delete} of the service in the context; an index in place of the options is ignored. */
  delete_ as delete
}

/**
 * A file's metadata, or `None` if there is no such file. Lookups made at the same time share requests, up to 100 ids in
 * each (`ids[]`). The beta dialect has no such parameter: there every lookup is a request of its own.
 *
 * If a shared request fails, every lookup in it fails.
 */
export const find = (id: FileId): Effect.Effect<Option.Option<FileMetadata>, ListError, Files> =>
  // A malformed id must not fail the lookups that share its request.
  isPathSegment(id)
    ? Effect.flatMap(Files, (files) => Find.find(files, id))
    : Effect.fail(notAnId("list", "ids", id))

/**
 * {@link find} for many ids: one result for each id, in the same order.
 */
export const findMany = (
  ids: Iterable<FileId>
): Effect.Effect<ReadonlyArray<Option.Option<FileMetadata>>, ListError, Files> =>
  Effect.gen(function*() {
    const files = yield* Files
    const asked = Array.from(ids)
    const found = yield* Effect.forEach(
      Arr.chunksOf(asked, maxIdsPerRequest),
      (ids) => Effect.map(Find.byId(files, ids), (find) => ids.map(find)),
      { concurrency: lookUpsAtOnce }
    )
    return found.flat()
  })

/**
 * Whether a file exists; batched like {@link find}. An expired file exists for as long as the service lists it, up to
 * 30 days.
 */
export const exists = (id: FileId): Effect.Effect<boolean, ListError, Files> => Effect.map(find(id), Option.isSome)

/**
 * Uploads a file and deletes it when the Scope closes, after success, failure and interruption alike. The deletion is
 * retried for at most 30 seconds, or 5 seconds after an interruption. If it fails, a warning with the file's id is
 * logged, and nothing else changes.
 *
 * Set `expiresIn` as well, and the service removes the content even if this process dies first.
 */
export const uploadScoped = <R = never>(
  source: FileSource<R>,
  options?: UploadOptions
): Effect.Effect<FileMetadata, UploadError, Files | R | Scope.Scope> =>
  Effect.flatMap(Files, (files) =>
    Effect.acquireRelease(
      files.upload(source, options),
      (file, exit) => deleteAtEnd(files, file, exit),
      { interruptible: true }
    ))
