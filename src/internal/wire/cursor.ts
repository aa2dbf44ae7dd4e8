/**
 * Pagination of listings, in both dialects and for batches: works out the next cursor, and makes sure that a listing
 * ends, and that it is whole.
 */
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** The fields of a page that pagination needs. */
export interface Page<Row extends { readonly id: string }> {
  readonly data: ReadonlyArray<Row>
  /** GA dialect. */
  readonly next_page?: string | null | undefined
  /** Beta dialect and batches. */
  readonly has_more?: boolean | undefined
  readonly first_id?: string | null | undefined
  readonly last_id?: string | null | undefined
}

/** Which request parameter holds the cursor. */
export type Direction = "page" | "after" | "before"

/**
 * The cursor of the next page: `null` if there is none, `undefined` if the page says that there are more rows but not
 * where they begin.
 */
export const nextCursor = <Row extends { readonly id: string }>(
  page: Page<Row>,
  direction: Direction
): string | null | undefined => {
  if (direction === "page") return page.next_page ?? null
  if (page.has_more !== true) return null
  return direction === "before"
    ? page.first_id ?? page.data.at(0)?.id
    : page.last_id ?? page.data.at(-1)?.id
}

/** How many empty pages in a row, each with a new cursor, are accepted before a listing fails. */
const maxEmptyPages = 100

/**
 * Checks the cursors of one listing. Returns what is wrong with the next one, if anything.
 *
 * @param show makes a cursor, which the service chose, safe to show in a message
 */
const makeCursorCheck = (show: (cursor: string) => string) => {
  const seen = new Set<string>()
  let empty = 0
  return (rows: number, cursor: string | undefined): string | undefined => {
    empty = rows === 0 ? empty + 1 : 0
    if (cursor === undefined) return "The service says that there are more rows, but sent no cursor for them."
    if (seen.has(cursor)) {
      return `The service sent the cursor ${show(cursor)} a second time: the listing would never end.`
    }
    if (empty > maxEmptyPages) {
      return `The service sent ${empty} empty pages in a row, each with another cursor: the listing would never end.`
    }
    seen.add(cursor)
    return undefined
  }
}

interface RowsOptions<Row extends { readonly id: string }, E> {
  readonly direction: Direction
  /** Fetches a page; the first one without a cursor. */
  readonly fetch: (cursor: string | undefined) => Effect.Effect<Page<Row>, E>
  readonly onEndless: (what: string) => E
  readonly show: (cursor: string) => string
}

/**
 * All rows, page by page. A page is fetched only when the stream's consumer pulls it.
 */
const pages = <Row extends { readonly id: string }, E>(
  options: RowsOptions<Row, E>,
  pick: (rows: ReadonlyArray<Row>) => ReadonlyArray<Row>
): Stream.Stream<Row, E> =>
  Stream.suspend(() => {
    const check = makeCursorCheck(options.show)
    return Stream.paginate<string | undefined, Row, E>(undefined, (cursor) =>
      Effect.flatMap(options.fetch(cursor), (page) => {
        const next = nextCursor(page, options.direction)
        if (next === null) {
          return Effect.succeed([pick(page.data), Option.none<string>()] as const)
        }
        const problem = check(page.data.length, next)
        return problem !== undefined || next === undefined
          ? Effect.fail(options.onEndless(problem ?? ""))
          : Effect.succeed([pick(page.data), Option.some(next)] as const)
      }))
  })

/** Whether the service may not know a cursor. */
const isGone = ({ status }: { readonly status?: number | undefined }): boolean =>
  status === 400 || status === 404 || status === 410

/**
 * The rows of a listing, each once, also where the consumer deletes them while they come: a cursor that is the id of a
 * row is then gone. The listing starts again in that case, and leaves out the rows that it has already given, by their
 * ids: their times would lose those of a service that lists in another order. An opaque cursor is the service's to keep.
 */
export const rows = <Row extends { readonly id: string }, E extends { readonly status?: number | undefined }>(
  options: RowsOptions<Row, E>
): Stream.Stream<Row, E> => {
  if (options.direction === "page") return pages(options, identity)
  return Stream.suspend(() => {
    const given = new Set<string>()
    const pick = (rows: ReadonlyArray<Row>) => rows.filter(({ id }) => !given.has(id) && given.add(id))
    const fromStart = (): Stream.Stream<Row, E> => {
      const before = given.size
      return Stream.catch(pages(options, pick), (error) =>
        isGone(error) && given.size > before
          ? fromStart()
          : Stream.fail(error))
    }
    return fromStart()
  })
}
