/**
 * Listings: single pages, all files, and files by their ids.
 */
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { type FileId, type FileMetadata, FilePage } from "../../FileMetadata.ts"
import type { FilesError, ListError, MetadataError, RequestFailed } from "../../FilesError.ts"
import { innerOperation } from "../operation.ts"
import type { CallOptions } from "../request/callOptions.ts"
import { decodeJson } from "../request/decode.ts"
import { invalidRequest, quote, unexpected } from "../request/errors.ts"
import type { Answer } from "../request/send.ts"
import { annotate } from "../telemetry.ts"
import { describeValue } from "../text.ts"
import { type Dialect, maxIdsPerRequest, maxPageLimit } from "../wire/constants.ts"
import { type Direction, nextCursor, rows } from "../wire/cursor.ts"
import { decodePage as decodeRows } from "../wire/rows.ts"
import { calledWith, callFiles, checkIds, type FilesClient, subjectOf } from "./client.ts"

export interface ListOptions extends CallOptions {
  /**
   * Files per page, 1 to 1000.
   *
   * @default 20, the service's
   */
  readonly limit?: number | undefined
  /**
   * Lists only these files: any number of ids, without duplicates. An empty list gives no files, and ids that don't exist
   * are left out. Can be combined only with `scopeId`.
   */
  readonly ids?: Iterable<FileId> | undefined
  /** Lists only files of this scope; needs a managed-agents beta. */
  readonly scopeId?: string | undefined
  /** Beta dialect: starts after this file, towards older ones. */
  readonly afterId?: FileId | undefined
  /** Beta dialect: starts before this file, towards newer ones. Each page is still newest first. */
  readonly beforeId?: FileId | undefined
}

export interface ListPageOptions extends ListOptions {
  /** GA dialect: the `next_page` of the previous page. */
  readonly page?: string | undefined
}

const decodePage = decodeJson(FilePage, decodeRows)

/** The most requests for many ids that are in flight at once, in all of a client's listings. */
export const lookUpsAtOnce = 8

const emptyPage: FilePage = { data: [], next_page: null, has_more: false, first_id: null, last_id: null }

type Params = ReadonlyArray<readonly [string, string]>

export const makeList = (
  client: FilesClient,
  metadata: (id: FileId, options?: CallOptions) => Effect.Effect<FileMetadata, MetadataError>
) => {
  const { dialect } = client.connection.settings

  const fetchPage = innerOperation(
    "list",
    client.connection.settings.baseUrl,
    (
      fiber,
      client: FilesClient,
      urlParams: Params,
      asked?: ReadonlySet<string>
    ): Effect.Effect<FilePage, FilesError> => {
      const subject = subjectOf(client.connection, "list", { cursor: cursorOf(urlParams) })
      const read = (answer: Answer): Effect.Effect<FilePage, FilesError> =>
        decodePage(subject, answer, (given) => {
          // Some gateways send an empty cursor instead of none.
          const page = given.next_page === "" ? { ...given, next_page: null } : given
          const problem = problemOf(page, dialect, asked)
          if (problem !== undefined) return Effect.fail(unexpected(subject, answer.response, problem, ""))
          // Pages are newest first.
          const newest = page.data.at(0)
          if (newest !== undefined) client.clock.saw(newest.created_at.epochMilliseconds, answer.receivedAt)
          return Effect.succeed(page)
        })
      return Effect.map(callFiles(client, { subject, method: "GET", path: "/v1/files", urlParams, read }), (page) => {
        annotate(fiber, "files.count", page.data.length)
        return page
      })
    }
  )

  const byIds = (client: FilesClient, ids: ReadonlyArray<FileId>, options: ListOptions) =>
    fetchPage(client, idParams(ids, options), new Set(ids))

  const listPage = (options: ListPageOptions = {}): Effect.Effect<FilePage, ListError> =>
    Effect.gen(function*() {
      yield* checkList(dialect, options)
      const called = yield* Effect.fromResult(calledWith(client, "list", options))
      if (options.ids === undefined) return yield* fetchPage(called, pageParams(options))
      const ids = Array.from(new Set(options.ids))
      yield* checkIds(ids)
      if (ids.length > maxIdsPerRequest) {
        return yield* invalidRequest(
          "list",
          "ids",
          `One page takes at most ${maxIdsPerRequest} ids, not ${ids.length}: use list, which splits them.`
        )
      }
      if (ids.length === 0) return emptyPage
      if (dialect === "ga") return yield* byIds(called, ids, options)
      return { ...emptyPage, data: yield* Stream.runCollect(lookUp(ids, options)) }
    })

  const lookUps = Semaphore.makeUnsafe(lookUpsAtOnce)

  /** The beta dialect has no `ids[]`: each id is looked up by itself. Files that don't exist are left out here too. */
  const lookUp = (ids: ReadonlyArray<FileId>, options: ListOptions): Stream.Stream<FileMetadata, ListError> =>
    Stream.fromIterable(ids).pipe(
      Stream.mapEffect((id) =>
        metadata(id, options).pipe(
          Effect.asSome,
          Effect.catchTag("FileNotFound", () => Effect.succeed(Option.none<FileMetadata>())),
          lookUps.withPermit
        ), { concurrency: lookUpsAtOnce }),
      Stream.filter(Option.isSome),
      Stream.map((found) => found.value)
    )

  const inBatches = (
    client: FilesClient,
    ids: ReadonlyArray<FileId>,
    options: ListOptions
  ): Stream.Stream<FileMetadata, ListError> =>
    Stream.paginate(0, (from) => {
      if (from >= ids.length) return Effect.succeed([[], Option.none<number>()] as const)
      const until = from + maxIdsPerRequest
      return Effect.map(
        byIds(client, ids.slice(from, until), options),
        (page) => [page.data, until < ids.length ? Option.some(until) : Option.none<number>()] as const
      )
    })

  /** All files, starting where `options` says. */
  const all = (client: FilesClient, options: ListOptions): Stream.Stream<FileMetadata, ListError> => {
    const direction = directionOf(dialect, options)
    return rows<FileMetadata, ListError>({
      direction,
      show: (cursor) => quote(client.connection.settings, cursor),
      fetch: (cursor) => fetchPage(client, pageParams(withCursor(options, direction, cursor))),
      onEndless: (what) =>
        unexpected(subjectOf(client.connection, "list"), { status: 200, headers: Headers.empty }, what, "")
    })
  }

  const list = (options: ListOptions = {}): Stream.Stream<FileMetadata, ListError> => {
    // Read now, because an iterator gives its ids only once and a stream may be run again.
    const ids = options.ids === undefined ? undefined : Array.from(new Set(options.ids))
    return Stream.unwrap(Effect.gen(function*() {
      yield* checkList(dialect, options)
      yield* checkIds(ids)
      const called = yield* Effect.fromResult(calledWith(client, "list", options))
      if (ids === undefined) return all(called, options)
      return dialect === "beta" ? lookUp(ids, options) : inBatches(called, ids, options)
    }))
  }

  return { fetchPage, list, listPage }
}

const problemOf = (page: FilePage, dialect: Dialect, asked: ReadonlySet<string> | undefined): string | undefined => {
  const foreign = asked === undefined ? undefined : page.data.find((file) => !asked.has(file.id))
  if (foreign !== undefined) return `The answer contains ${foreign.id}, a file that was not requested.`
  if (dialect === "ga" && page.next_page === null && page.has_more) {
    return "The answer is in the beta dialect, whose further pages this client would miss: choose the dialect beta."
  }
  return dialect === "beta" && page.next_page !== null && !page.has_more
    ? "The answer is in the GA dialect, whose further pages this client would miss: choose the dialect ga."
    : undefined
}

const directionOf = (dialect: Dialect, options: ListOptions): Direction => {
  if (dialect === "ga") return "page"
  return options.beforeId === undefined ? "after" : "before"
}

const withCursor = (options: ListOptions, direction: Direction, cursor: string | undefined): ListPageOptions => {
  if (cursor === undefined) return options
  if (direction === "page") return { ...options, page: cursor }
  return direction === "before" ? { ...options, beforeId: cursor as FileId } : { ...options, afterId: cursor as FileId }
}

/** One page of the newest files, and the cursor of the next. */
export const newestPage = (
  fetchPage: (client: FilesClient, urlParams: Params) => Effect.Effect<FilePage, ListError>,
  client: FilesClient,
  dialect: Dialect,
  limit: number,
  cursor: string | undefined
): Effect.Effect<readonly [files: ReadonlyArray<FileMetadata>, next: string | null | undefined], ListError> => {
  const direction = directionOf(dialect, {})
  return Effect.map(
    fetchPage(client, pageParams(withCursor({ limit }, direction, cursor))),
    (page) => [page.data, nextCursor(page, direction)] as const
  )
}

const pageParams = (options: ListPageOptions): Params => {
  const params: Array<readonly [string, string]> = []
  if (options.limit !== undefined) params.push(["limit", String(options.limit)])
  if (options.page !== undefined) params.push(["page", options.page])
  if (options.afterId !== undefined) params.push(["after_id", options.afterId])
  if (options.beforeId !== undefined) params.push(["before_id", options.beforeId])
  if (options.scopeId !== undefined) params.push(["scope_id", options.scopeId])
  return params
}

const cursorOf = (params: Params): string | undefined =>
  params.find(([name]) => name === "page" || name === "after_id" || name === "before_id")?.[1]

const idParams = (ids: ReadonlyArray<FileId>, options: ListOptions): Params => {
  const params = ids.map((id) => ["ids[]", id] as const)
  return options.scopeId === undefined ? params : [...params, ["scope_id", options.scopeId]]
}

const checkList = (dialect: Dialect, options: ListPageOptions): Effect.Effect<void, RequestFailed> => {
  const refuse = (option: string, message: string) => Effect.fail(invalidRequest("list", option, message))
  const { afterId, beforeId, ids, limit, page } = options
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= maxPageLimit)) {
    return refuse("limit", `limit is ${describeValue(limit)}; expected a whole number from 1 to ${maxPageLimit}.`)
  }
  if (afterId !== undefined && beforeId !== undefined) {
    return refuse("beforeId", "afterId and beforeId exclude each other: pass one of them.")
  }
  if (dialect === "ga" && (afterId !== undefined || beforeId !== undefined)) {
    return refuse(
      afterId === undefined ? "beforeId" : "afterId",
      "afterId and beforeId belong to the beta dialect; in the GA dialect, pass page instead."
    )
  }
  if (dialect === "beta" && page !== undefined) {
    return refuse("page", "page belongs to the GA dialect; in the beta dialect, pass afterId or beforeId instead.")
  }
  const isPlaced = limit !== undefined || page !== undefined || afterId !== undefined || beforeId !== undefined
  if (ids !== undefined && isPlaced) {
    return refuse("ids", "ids can't be combined with a limit or a cursor: leave those out.")
  }
  return Effect.void
}
