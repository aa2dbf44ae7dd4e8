/**
 * File names from paths, forms, URLs and headers.
 */
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

/**
 * The filename of a content-disposition header (RFC 6266): the last component of `filename*`, else of `filename`.
 */
export const nameOfDisposition = (header: string | undefined): string | undefined => {
  if (header === undefined) return undefined
  const extended = /;\s*filename\*\s*=\s*"?utf-8'[^']*'([^;"\s]+)/i.exec(header)?.[1]
  const [, quoted, token] = /;\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i.exec(header) ?? []
  const plain = quoted === undefined ? token : quoted.replace(/\\(["\\])/g, "$1")
  const name = (extended === undefined ? undefined : decode(extended)) ?? (plain === undefined ? "" : asUtf8(plain))
  const base = baseName(name)
  return base === "" ? undefined : base
}
