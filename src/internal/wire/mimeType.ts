/**
 * MIME types: the type that a file name implies, and whether a stated type is specific.
 */
import * as Mime from "effect/http/Mime"
import * as Option from "effect/Option"

/** Vendor types of documents, archives and code, which the standard table lacks. */
const vendors: ReadonlyMap<string, string> = new Map([
  ["7z", "application/x-7z-compressed"],
  ["c", "text/x-c"],
  ["cc", "text/x-c"],
  ["cpp", "text/x-c"],
  ["doc", "application/msword"],
  ["docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"],
  ["h", "text/x-c"],
  ["ipynb", "application/x-ipynb+json"],
  ["java", "text/x-java-source"],
  ["msg", "application/vnd.ms-outlook"],
  ["odp", "application/vnd.oasis.opendocument.presentation"],
  ["ods", "application/vnd.oasis.opendocument.spreadsheet"],
  ["odt", "application/vnd.oasis.opendocument.text"],
  ["ppt", "application/vnd.ms-powerpoint"],
  ["pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"],
  ["rar", "application/vnd.rar"],
  ["sh", "application/x-sh"],
  ["tar", "application/x-tar"],
  ["tex", "application/x-tex"],
  ["xls", "application/vnd.ms-excel"],
  ["xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"]
])

/**
 * Extensions whose usual meaning differs from the standard table: there `.ts` is an MPEG stream, `.rs` a resource list,
 * and `.jfif` has a type that no image block accepts.
 */
const preferred: ReadonlyMap<string, string> = new Map([
  ["cjs", "text/javascript"],
  ["cts", "text/plain"],
  ["jfif", "image/jpeg"],
  ["mts", "text/plain"],
  ["rs", "text/plain"],
  ["ts", "text/plain"],
  ["tsx", "text/plain"]
])

/** The type that a filename's extension implies. A name without a dot has no extension, not even `pdf`. */
export const mimeTypeOf = (filename: string): string | undefined => {
  const extension = /[^/\\]\.([^./\\]+)$/.exec(filename)?.[1]?.toLowerCase()
  if (extension === undefined) return undefined
  return preferred.get(extension) ?? Option.getOrUndefined(Mime.getType(`.${extension}`)) ?? vendors.get(extension)
}

/** Types that only mean “bytes”: stores and forms use them for files of unknown type. */
const generic: ReadonlySet<string> = new Set([
  "application/binary",
  "application/download",
  "application/force-download",
  "application/octet-stream",
  "application/octetstream",
  "application/save",
  "application/unknown",
  "application/x-binary",
  "application/x-download",
  "application/x-force-download",
  "application/x-octet-stream",
  "application/x-unknown",
  "application/x-www-form-urlencoded",
  "binary/octet-stream",
  "content/unknown",
  "multipart/form-data",
  "unknown/unknown"
])

/** A type without its parameters, in lower case: `Text/Plain; charset=utf-8` becomes `text/plain`. */
export const essence = (mimeType: string): string => (mimeType.split(";")[0] ?? "").trim().toLowerCase()

const essencePattern = /^[!#$%&'*+\-.^_`|~0-9a-z]+\/[!#$%&'*+\-.^_`|~0-9a-z]+$/

/** The type that a content-type states, unless it is generic or malformed: then the name of a file has to decide. */
export const statedMimeType = (header: string | undefined): string | undefined => {
  const type = essence(header ?? "")
  return essencePattern.test(type) && !generic.has(type) && !type.includes("*") ? type : undefined
}
