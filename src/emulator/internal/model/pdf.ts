/**
 * Reads as much of a PDF as citing a page needs: the number of pages, and the text of simple content streams. Text in fonts
 * with their own encoding is not found, which is good enough here.
 *
 * A file is read once, in slices, and other work may run between two slices. Whatever the file holds, the time depends on
 * its size only.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** Bytes that are read before other work may run. */
const sliceSize = 64 * 1024

/** Characters of a page's text that are read before other work may run. */
const textSliceSize = 32 * 1024

/** The most bytes of a decompressed content stream. */
const maxContentBytes = 1024 * 1024

/** How many bytes before a stream are searched for its dictionary. */
const maxDictionaryBytes = 4096

/** The most white space between a keyword and its operand. */
const maxGap = 32

const decoder = new TextDecoder("latin1")

const encoder = new TextEncoder()

/** Lets the event loop run other work. */
const pause = Effect.yieldNow

const startsWith = (bytes: Uint8Array, word: Uint8Array, at: number): boolean => {
  for (let i = 0; i < word.length; i++) {
    if (bytes[at + i] !== word[i]) return false
  }
  return true
}

const findIn = (bytes: Uint8Array, word: Uint8Array, from: number, to: number): number => {
  const first = word[0] ?? 0
  const window = bytes.subarray(0, to)
  for (let at = window.indexOf(first, from); at !== -1; at = window.indexOf(first, at + 1)) {
    if (startsWith(bytes, word, at)) return at
  }
  return -1
}

/** The position of a word, or -1. */
const find = Effect.fnUntraced(function*(bytes: Uint8Array, word: Uint8Array, from: number) {
  for (let start = from; start < bytes.length; start += sliceSize) {
    const at = findIn(bytes, word, start, Math.min(bytes.length, start + sliceSize))
    if (at !== -1) return at
    yield* pause
  }
  return -1
})

const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09 || byte === 0x0c || byte === 0

const typeWord = encoder.encode("/Type")

const pageWord = encoder.encode("/Page")

const isLetter = (byte: number | undefined): boolean =>
  byte !== undefined && ((byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a))

/** The number of `/Type /Page`; at least one, since files with packed objects hide them. */
export const pageCount = Effect.fnUntraced(function*(bytes: Uint8Array): Effect.fn.Return<number> {
  let count = 0
  for (let start = 0; start < bytes.length; start += sliceSize) {
    const end = Math.min(bytes.length, start + sliceSize)
    for (let at = findIn(bytes, typeWord, start, end); at !== -1; at = findIn(bytes, typeWord, at + 1, end)) {
      let next = at + typeWord.length
      for (let gap = 0; gap < maxGap && isSpace(bytes[next]); gap++) next++
      if (startsWith(bytes, pageWord, next) && !isLetter(bytes[next + pageWord.length])) count++
    }
    yield* pause
  }
  return Math.max(1, count)
})

/** The text of a compressed stream; of a damaged or too large one, the part before the fault or the limit. */
const inflate = (bytes: Uint8Array<ArrayBuffer>): Effect.Effect<Uint8Array> =>
  Effect.suspend(() => {
    const chunks: Array<Uint8Array> = []
    let size = 0
    return Stream.fromReadableStream({
      evaluate: () => new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate")),
      onError: () => undefined
    }).pipe(
      Stream.takeWhile(() => size < maxContentBytes),
      Stream.runForEach((chunk) =>
        Effect.sync(() => {
          chunks.push(chunk)
          size += chunk.byteLength
        })
      ),
      Effect.ignore,
      Effect.map(() => {
        const out = new Uint8Array(size)
        let at = 0
        for (const chunk of chunks) {
          out.set(chunk, at)
          at += chunk.byteLength
        }
        return out.subarray(0, maxContentBytes)
      })
    )
  })

/** The characters that escapes in PDF strings stand for; other characters stand for themselves. */
const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\n", t: " ", b: "", f: "", "\n": "", "\r": "" }

const unescape = (literal: string): string =>
  literal.replace(
    /\\([0-7]{1,3}|[^])/g,
    (_, code: string) =>
      /^[0-7]/.test(code) ? String.fromCharCode(Number.parseInt(code, 8) % 256) : escapes[code] ?? code
  )

/** Operators that move the text position, or end a text. */
const lineEnds = new Set(["Td", "TD", "Tm", "T*", "ET"])

/** Operators that show text. */
const shows = new Set(["Tj", "TJ", "'", "\""])

/** The longest of these operators. */
const maxOperator = 2

const backslash = 0x5c
const open = 0x28
const close = 0x29

/** Letters, `*`, `'` and `"`. */
const isOperator = (code: number): boolean =>
  (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a) || code === 0x2a || code === 0x27 || code === 0x22

/**
 * The strings that a content stream shows, on separate lines where the text position moves; `undefined` for a stream that
 * shows no text.
 */
const shownText = Effect.fnUntraced(function*(bytes: Uint8Array): Effect.fn.Return<string | undefined> {
  const content = decoder.decode(bytes)
  const out: Array<string> = []
  let showsText = false
  let depth = 0
  // Where the string, or the operator, began.
  let start = -1
  for (let at = 0; at <= content.length; at++) {
    if (at % textSliceSize === textSliceSize - 1) yield* pause
    const code = content.charCodeAt(at)
    if (depth > 0) {
      if (code === backslash) at++
      else if (code === open) depth++
      else if (code === close && --depth === 0) {
        out.push(unescape(content.slice(start, at)))
        start = -1
      }
    } else if (isOperator(code)) {
      if (start === -1) start = at
    } else {
      if (start !== -1 && at - start <= maxOperator) {
        const word = content.slice(start, at)
        if (shows.has(word)) showsText = true
        if (lineEnds.has(word)) out.push("\n")
      }
      start = -1
      if (code === open) {
        depth = 1
        start = at + 1
      }
    }
  }
  return showsText ? out.join("").replace(/\n+/g, "\n").trim() : undefined
})

const streamWord = encoder.encode("stream")

const endWord = encoder.encode("endstream")

/** Where the content of the stream with its keyword at `at` begins; `undefined` if the word is not that keyword. */
const contentStart = (bytes: Uint8Array, at: number): number | undefined => {
  let before = at - 1
  for (let gap = 0; gap < maxGap && isSpace(bytes[before]); gap++) before--
  if (bytes[before] !== 0x3e || bytes[before - 1] !== 0x3e) return undefined
  const after = at + streamWord.length
  if (bytes[after] === 0x0a) return after + 1
  return bytes[after] === 0x0d && bytes[after + 1] === 0x0a ? after + 2 : undefined
}

/** The texts of the pages with a readable content stream. */
export const pages = Effect.fnUntraced(function*(bytes: Uint8Array): Effect.fn.Return<ReadonlyArray<string>> {
  const out: Array<string> = []
  let previousEnd = 0
  let at = yield* find(bytes, streamWord, 0)
  while (at !== -1) {
    const start = contentStart(bytes, at)
    if (start === undefined) {
      at = yield* find(bytes, streamWord, at + streamWord.length)
      continue
    }
    const end = yield* find(bytes, endWord, start)
    if (end === -1) break
    const before = decoder.decode(bytes.subarray(Math.max(previousEnd, at - maxDictionaryBytes), at))
    const dictionary = before.slice(before.lastIndexOf("obj") + 3)
    previousEnd = end + endWord.length
    if (!/\/(Subtype|FontFile|Type)\b/.test(dictionary)) {
      // Bytes after the compressed data, the line end before `endstream` included, would be an error to the inflater.
      const length = /\/Length\s+(\d+)(?!\s+\d+\s+R)/.exec(dictionary)?.[1]
      const body = bytes.slice(start, length === undefined ? end : Math.min(end, start + Number(length)))
      const isCompressed = /\/FlateDecode/.test(dictionary)
      if (isCompressed || !/\/Filter/.test(dictionary)) {
        const text = yield* shownText(isCompressed ? yield* inflate(body) : body.subarray(0, maxContentBytes))
        if (text !== undefined) out.push(text)
      }
    }
    at = yield* find(bytes, streamWord, previousEnd)
  }
  return out
})
