/**
 * Which content block accepts which MIME type. Source: the Files API guide, "File types and content blocks".
 */

/** The types that a document block accepts. */
export const documentTypes: ReadonlySet<string> = new Set(["application/pdf", "text/plain"])

/** The types that an image block accepts. */
export const imageTypes: ReadonlySet<string> = new Set(["image/jpeg", "image/png", "image/gif", "image/webp"])

/** Types whose content is text: the service reads such a file once it is uploaded as `text/plain`. */
const isText = (mimeType: string): boolean =>
  mimeType.startsWith("text/") || /^application\/((.+\+)?(json|xml|yaml)|x-ndjson|javascript|sql|toml)$/.test(mimeType)

/** How to make a document or an image from a file of another type. */
export const conversionOf = (mimeType: string): string => {
  if (isText(mimeType)) return "upload it as text/plain for a document block"
  if (mimeType === "image/jpg") return "upload it as image/jpeg for an image block"
  if (mimeType.startsWith("image/")) return "convert it to PNG or JPEG for an image block"
  if (mimeType === "application/octet-stream" || mimeType === "") return "upload it with its real type as mimeType"
  return "convert it to PDF or plain text for a document block"
}
