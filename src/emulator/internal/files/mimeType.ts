/**
 * Detects the type of a file if the client did not give it. How the service does that is not documented.
 */
import * as Mime from "effect/http/Mime"
import * as Option from "effect/Option"

const startsWith = (head: Uint8Array, signature: ReadonlyArray<number>, offset = 0): boolean =>
  signature.every((byte, i) => head[offset + i] === byte)

const ascii = (text: string): ReadonlyArray<number> => Array.from(text, (char) => char.charCodeAt(0))

const signatures: ReadonlyArray<readonly [type: string, bytes: ReadonlyArray<number>, offset?: number]> = [
  ["application/pdf", ascii("%PDF-")],
  ["image/png", [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
  ["image/jpeg", [0xff, 0xd8, 0xff]],
  ["image/gif", ascii("GIF8")],
  ["image/webp", ascii("WEBP"), 8]
]

const isText = (head: Uint8Array): boolean => {
  if (head.includes(0)) return false
  const text = new TextDecoder().decode(head, { stream: true })
  return !text.includes("\ufffd")
}

/** By a signature in the content, then by the name, then by whether the content is text. */
export const detect = (filename: string | undefined, head: Uint8Array): string => {
  const signature = signatures.find(([, bytes, offset]) => startsWith(head, bytes, offset))
  if (signature !== undefined) return signature[0]
  if (filename !== undefined && filename.includes(".")) {
    const named = Mime.getType(filename)
    if (Option.isSome(named)) return named.value
  }
  return head.byteLength > 0 && isText(head) ? "text/plain" : "application/octet-stream"
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const mediaType = new RegExp(`^${token}/${token}$`)

/** The type without parameters, in lower case; `undefined` if it is not a MIME type. */
export const normalize = (contentType: string): string | undefined => {
  const type = (contentType.split(";")[0] ?? "").trim().toLowerCase()
  return mediaType.test(type) ? type : undefined
}

/** `.pdf` for `application/pdf`; empty for a type without a common extension. */
export const extension = (type: string): string =>
  Option.match(Mime.getExtension(type), { onNone: () => "", onSome: (name) => `.${name}` })
