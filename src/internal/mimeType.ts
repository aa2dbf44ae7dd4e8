import { Mime } from "mime/lite"
import standard from "mime/types/standard.js"

/** Of the vendors' types those of documents and archives; all of them would be a quarter of a browser's bundle. */
const vendors = {
  "application/msword": ["doc"],
  "application/vnd.ms-excel": ["xls"],
  "application/vnd.ms-outlook": ["msg"],
  "application/vnd.ms-powerpoint": ["ppt"],
  "application/vnd.oasis.opendocument.presentation": ["odp"],
  "application/vnd.oasis.opendocument.spreadsheet": ["ods"],
  "application/vnd.oasis.opendocument.text": ["odt"],
  "application/vnd.openxmlformats-officedocument.presentationml.presentation": ["pptx"],
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ["xlsx"],
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ["docx"],
  "application/vnd.rar": ["rar"],
  "application/x-7z-compressed": ["7z"],
  "application/x-ipynb+json": ["ipynb"],
  "application/x-sh": ["sh"],
  "application/x-tar": ["tar"],
  "application/x-tex": ["tex"],
  "text/x-c": ["c", "cc", "cpp", "h"],
  "text/x-java-source": ["java"]
}

const types = new Mime(standard, vendors)

/** What an extension says; `.ts` says TypeScript here, which is uploaded more often than an MPEG stream. */
export const mimeTypeOf = (filename: string): string | undefined =>
  /\.[mc]?ts$/i.test(filename) ? "text/plain" : types.getType(filename) ?? undefined
