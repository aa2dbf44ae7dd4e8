/**
 * As much of PDF as citing a page needs: how many pages there are, and the text of simple content streams. Text in
 * fonts with an encoding of their own comes out as nothing, which is fine here.
 */
import * as Effect from "effect/Effect"

const latin1 = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes)

/** Pages by their `/Type /Page`; at least one, since files with packed objects hide them. */
const countPages = (source: string): number => Math.max(1, source.match(/\/Type\s*\/Page(?![a-zA-Z])/g)?.length ?? 0)

export const pageCount = (bytes: Uint8Array): Effect.Effect<number> => Effect.sync(() => countPages(latin1(bytes)))

const inflate = (bytes: Uint8Array<ArrayBuffer>): Effect.Effect<string> =>
  Effect.tryPromise(() =>
    new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer()
  ).pipe(
    Effect.map((buffer) => latin1(new Uint8Array(buffer))),
    Effect.orElseSucceed(() => "")
  )

const unescape = (literal: string): string =>
  literal.replace(/\\([nrtbf()\\]|[0-7]{1,3}|\r?\n)/g, (_, code: string) => {
    switch (code) {
      case "n":
      case "r":
        return "\n"
      case "t":
        return " "
      case "b":
      case "f":
        return ""
      case "(":
      case ")":
      case "\\":
        return code
      default:
        return /^[0-7]/.test(code) ? String.fromCharCode(Number.parseInt(code, 8)) : ""
    }
  })

/** The strings that a content stream shows, lines kept apart where the text position moves. */
const shownText = (content: string): string => {
  let out = ""
  for (const match of content.matchAll(/\(((?:\\[^]|[^\\()])*)\)|\b(T[dDm*]|ET)(?![a-zA-Z])|(T\*)/g)) {
    if (match[1] !== undefined) out += unescape(match[1])
    else if (out !== "" && !out.endsWith("\n")) out += "\n"
  }
  return out.replace(/[^\S\n]+/g, " ").trim()
}

/** The text of each page that has a readable content stream; empty when there is none. */
export const pages = Effect.fnUntraced(function*(bytes: Uint8Array): Effect.fn.Return<ReadonlyArray<string>> {
  const source = latin1(bytes)
  const out: Array<string> = []
  for (const match of source.matchAll(/>>\s*stream\r?\n/g)) {
    const start = match.index + match[0].length
    const end = source.indexOf("endstream", start)
    if (end === -1) break
    const dictionary = source.slice(source.lastIndexOf("obj", match.index) + 3, match.index)
    if (/\/(Subtype|FontFile|Type)\b/.test(dictionary)) continue
    // Bytes after the compressed data, the line end before `endstream` included, would be an error to the inflater.
    const length = /\/Length\s+(\d+)(?!\s+\d+\s+R)/.exec(dictionary)?.[1]
    const body = bytes.slice(start, length === undefined ? end : Math.min(end, start + Number(length)))
    const content = /\/FlateDecode/.test(dictionary)
      ? yield* inflate(body)
      : /\/Filter/.test(dictionary)
      ? ""
      : latin1(body)
    if (!/\bT[jJ]\b/.test(content)) continue
    out.push(shownText(content))
  }
  return out
})
