/**
 * File names from paths, forms, URLs and headers.
 */
import * as Base64 from "effect/encoding/Base64"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"

/** The last component of a name that may be a path of any system, for example from `Bun.file` or an old browser's form. */
export const baseName = (name: string): string => name.replace(/[/\\]+$/, "").replace(/^.*[/\\]/s, "")

/** Whether this is Windows, guessed from the path if the runtime doesn't say. Elsewhere a backslash is part of a name. */
const isWindows = (path: string): boolean => {
  const process: unknown = Predicate.hasProperty(globalThis, "process") ? globalThis.process : undefined
  if (Predicate.hasProperty(process, "platform")) return process.platform === "win32"
  return /^([a-z]:[/\\]|\\\\)/i.test(path)
}

/** The last component of a path on this machine. */
export const nameOfPath = (path: string): string =>
  isWindows(path) ? baseName(path) : path.replace(/\/+$/, "").replace(/^.*\//s, "")

/** Decodes percent-escapes; `undefined` if they are malformed or not UTF-8. */
const decode = (text: string): string | undefined =>
  Result.getOrUndefined(Result.try({ try: () => decodeURIComponent(text), catch: () => undefined }))

/** The name in a URL's path, with its percent-escapes decoded if they are UTF-8. */
export const nameOfUrl = (url: URL): string => {
  const segment = url.pathname.split("/").at(-1) ?? ""
  return baseName(decode(segment) ?? segment)
}

/** A URL; `undefined` if it is malformed. */
export const parseUrl = (text: string | URL, base?: URL): URL | undefined =>
  Result.getOrUndefined(Result.try({ try: () => new URL(text, base), catch: () => undefined }))

/** The path of a `file:` URL, or why it has none. */
export const pathOfUrl = (text: string | URL): { readonly path: string } | { readonly problem: string } => {
  const url = parseUrl(text)
  if (url === undefined) return { problem: "is not a URL" }
  if (url.protocol !== "file:") return { problem: `is a ${url.protocol} URL; FileSource.url fetches http: and https:` }
  if (/%2f|%5c/i.test(url.pathname)) return { problem: "has an escaped separator in its path, which is ambiguous" }
  const path = decode(url.pathname)
  if (path === undefined) return { problem: "has a path that is not UTF-8" }
  if (isWindows(path.replace(/^\/(?=[a-z]:)/i, ""))) {
    const local = path.replaceAll("/", "\\")
    return { path: url.hostname === "" ? local.replace(/^\\(?=[a-z]:)/i, "") : `\\\\${url.hostname}${local}` }
  }
  return url.hostname === ""
    ? { path }
    : { problem: `names the host ${url.hostname}, but only local files can be read` }
}

/** HTTP headers are read as Latin-1, but many servers write UTF-8 anyway. */
const asUtf8 = (text: string): string => {
  const codes = Array.from(text, (character) => character.charCodeAt(0))
  if (codes.some((code) => code > 0xff) || codes.every((code) => code < 0x80)) return text
  const decoded = new TextDecoder().decode(Uint8Array.from(codes))
  return decoded.includes("\ufffd") ? text : decoded
}

const fromBytes = (charset: string, bytes: Uint8Array): string | undefined =>
  Result.getOrUndefined(
    Result.try({ try: () => new TextDecoder(charset, { fatal: true }).decode(bytes), catch: () => undefined })
  )

const bytesOfPercent = (text: string): Uint8Array =>
  Uint8Array.from(
    text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    (character) => character.charCodeAt(0)
  )

/** An encoded word of mail (RFC 2047), which some servers use in HTTP headers too. */
const encodedWord = /=\?([\w-]+)\?([bq])\?([^?]*)\?=/i

const decodeWords = (text: string): string =>
  encodedWord.test(text)
    ? text.replace(/\?=\s+=\?/g, "?==?").replace(
      new RegExp(encodedWord, "gi"),
      (word, charset: string, kind: string, content: string) => {
        const bytes = kind.toLowerCase() === "b"
          ? Result.getOrUndefined(Base64.decode(content))
          : bytesOfPercent(content.replaceAll("_", " ").replaceAll("%", "%25").replaceAll("=", "%"))
        return (bytes === undefined ? undefined : fromBytes(charset, bytes)) ?? word
      }
    )
    : text

/**
 * The filename of a content-disposition header (RFC 6266): the last component of `filename*`, else of `filename`. Common
 * violations are read as they are meant: blanks without quotes, encoded words.
 */
export const nameOfDisposition = (header: string | undefined): string | undefined => {
  if (header === undefined) return undefined
  const [, charset = "", encoded = ""] = /;\s*filename\*\s*=\s*"?([\w-]+)'[^']*'([^;"\s]+)/i.exec(header) ?? []
  const [, quoted, token] = /;\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]+))/i.exec(header) ?? []
  const plain = quoted === undefined ? token?.trim() : quoted.replace(/\\(["\\])/g, "$1")
  const extended = charset === "" ? undefined : fromBytes(charset, bytesOfPercent(encoded))
  const base = baseName(extended ?? (plain === undefined ? "" : decodeWords(asUtf8(plain))))
  return base === "" ? undefined : base
}
