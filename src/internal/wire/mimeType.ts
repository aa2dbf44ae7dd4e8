import mime from "mime/lite"

/**
 * Of the vendors' types those of documents, archives and code. All that the whole table knows would be 24 KB more in a
 * browser's bundle.
 */
const vendors = new Map([
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

/** What an extension says; `.ts` says TypeScript here, which is uploaded more often than an MPEG stream. */
export const mimeTypeOf = (filename: string): string | undefined => {
  const [, extension = ""] = /\.([^./\\]+)$/.exec(filename.toLowerCase()) ?? []
  return /^[mc]?ts$/.test(extension) ? "text/plain" : mime.getType(filename) ?? vendors.get(extension)
}
