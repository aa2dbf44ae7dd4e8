/**
 * Decodes rows of a listing directly, in a quarter of the time that the Schema takes. The Schema stays the authority: any
 * row that is not exactly as documented is left to it, to decode or to reject.
 */
import * as DateTime from "effect/DateTime"
import * as Predicate from "effect/Predicate"
import type { FileId, FileMetadata, FilePage } from "../../FileMetadata.ts"

const timestamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/

const digitsAt = (text: string, at: number): number => (text.charCodeAt(at) - 48) * 10 + text.charCodeAt(at + 1) - 48

/**
 * Epoch milliseconds of a timestamp of the form above. `Date.parse` is slow if the second has more than three fractional
 * digits: a listing of 100,000 files takes 2.6 times raw with it, 1.6 with this.
 */
const parse = (text: string): number => {
  const year = digitsAt(text, 0) * 100 + digitsAt(text, 2)
  const month = digitsAt(text, 5)
  const day = digitsAt(text, 8)
  const hour = digitsAt(text, 11)
  const minute = digitsAt(text, 14)
  const second = digitsAt(text, 17)
  const isPlain = text.endsWith("Z") && year >= 1000 && month >= 1 && month <= 12 && day >= 1 && day <= 28
    && hour <= 23 && minute <= 59 && second <= 59
  if (!isPlain) return Date.parse(text)
  let millis = 0
  const end = text.length - 1
  for (let at = 20, unit = 100; at < end && unit >= 1; at++, unit /= 10) millis += (text.charCodeAt(at) - 48) * unit
  return Date.UTC(year, month - 1, day, hour, minute, second, millis)
}

const time = (value: unknown): DateTime.Utc | undefined => {
  if (!Predicate.isString(value) || !timestamp.test(value)) return undefined
  const millis = parse(value)
  return Number.isNaN(millis) ? undefined : DateTime.fromDateUnsafe(new Date(millis))
}

const isId = (value: unknown): value is FileId => Predicate.isString(value) && value !== ""

/**
 * The shape of a row, which each one is a copy of. V8 puts what a literal makes into the old generation at once, if what
 * it made before has outlived collections, as the first pages of a young process do. The rows of all further pages would
 * then stay until a full collection: 330 MB instead of 190 for 600,000 files. What is copied is always young.
 */
const blank = {
  id: "",
  type: "file",
  filename: "",
  mime_type: "",
  size_bytes: 0,
  created_at: undefined,
  downloadable: false,
  expires_at: null,
  scope: null
}

/** Decodes a row in the form that the service sends; `undefined` leaves any other form to the Schema. */
export const decodeRow = (row: unknown): FileMetadata | undefined => {
  if (!Predicate.isObject(row)) return undefined
  const { created_at, downloadable, expires_at, filename, id, mime_type, purpose, scope, size_bytes, type } =
    row as Record<string, unknown>
  const created = time(created_at)
  const expires = expires_at === null || expires_at === undefined ? null : time(expires_at)
  return isId(id) && type === "file" && Predicate.isString(filename) && Predicate.isString(mime_type)
      && Number.isSafeInteger(size_bytes) && Number(size_bytes) >= 0 && created !== undefined && expires !== undefined
      && (downloadable === undefined || Predicate.isBoolean(downloadable))
      && (scope === undefined || scope === null) && purpose === undefined
    ? {
      ...blank,
      id,
      type,
      filename,
      mime_type,
      size_bytes: Number(size_bytes),
      created_at: created,
      downloadable: downloadable === true,
      expires_at: expires,
      scope: null
    }
    : undefined
}

/** Decodes a page of such rows; `undefined` leaves any other form to the Schema. */
export const decodePage = (page: unknown): FilePage | undefined => {
  if (!Predicate.isObject(page)) return undefined
  const { data, first_id, has_more, last_id, next_page } = page as Record<string, unknown>
  if (!Array.isArray(data)) return undefined
  const isCursor = (value: unknown): value is FileId | null | undefined =>
    value === null || value === undefined || isId(value)
  if (
    !isCursor(first_id) || !isCursor(last_id) || !(has_more === undefined || Predicate.isBoolean(has_more))
    || !(next_page === null || next_page === undefined || Predicate.isString(next_page))
  ) {
    return undefined
  }
  const rows: Array<FileMetadata> = []
  for (const row of data) {
    const decoded = decodeRow(row)
    if (decoded === undefined) return undefined
    rows.push(decoded)
  }
  return {
    data: rows,
    next_page: next_page ?? null,
    has_more: has_more === true,
    first_id: first_id ?? null,
    last_id: last_id ?? null
  }
}
