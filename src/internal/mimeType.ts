import mime from "mime"

/** What an extension says; `.ts` says TypeScript here, which is uploaded more often than an MPEG stream. */
export const mimeTypeOf = (filename: string): string | undefined =>
  /\.[mc]?ts$/i.test(filename) ? "text/plain" : mime.getType(filename) ?? undefined
