/**
 * Finds the passage of a document that a question is about, and its position.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Store, StoreFailed } from "../../Store.ts"
import type { Attachment } from "./attachments.ts"
import { marker } from "./marker.ts"
import * as Pdf from "./pdf.ts"

/** The position of a passage in a document. Ends are exclusive. */
export interface Citation {
  readonly type: "char_location" | "page_location" | "content_block_location"
  readonly cited_text: string
  readonly document_index: number
  readonly document_title: string | null
  readonly file_id: string | null
  readonly start_char_index?: number
  readonly end_char_index?: number
  readonly start_page_number?: number
  readonly end_page_number?: number
  readonly start_block_index?: number
  readonly end_block_index?: number
}

const words = (text: string): ReadonlyArray<string> => text.toLowerCase().match(/[\p{L}\p{N}]{4,}/gu) ?? []

const overlap = (text: string, asked: ReadonlySet<string>): number =>
  new Set(words(text).filter((word) => asked.has(word))).size

/** A sentence ends at a full stop before a blank, or at a line end unless the next line begins in lower case. */
const sentence = /(?:[^.!?\n]|[.!?](?!\s|$)|\n(?=\p{Ll})){1,2000}(?:[.!?](?=\s|$))?/gu

/** Characters that are searched before other work may run. */
const sliceSize = 32 * 1024

/** The sentence that shares the most words with the question, or the first one. */
const passage = Effect.fnUntraced(function*(text: string, asked: ReadonlySet<string>) {
  let best = { start: 0, end: 0, score: -1 }
  let paused = 0
  for (const match of text.matchAll(sentence)) {
    if (match.index - paused > sliceSize) {
      paused = match.index
      yield* Effect.yieldNow
    }
    const found = match[0].trim()
    if (found === "") continue
    const score = overlap(found, asked)
    if (score <= best.score) continue
    const start = match.index + match[0].indexOf(found)
    best = { start, end: start + found.length, score }
  }
  return { ...best, cited: text.slice(best.start, best.end) }
})

/** The best passage of several texts, and the text that holds it. */
const bestOf = Effect.fnUntraced(function*(texts: ReadonlyArray<string>, asked: ReadonlySet<string>) {
  let best = { at: 0, cited: "", score: -1 }
  for (const [at, text] of texts.entries()) {
    const { cited, score } = yield* passage(text, asked)
    if (cited !== "" && score > best.score) best = { at, cited, score }
    yield* Effect.yieldNow
  }
  return best
})

/** A citation of the passage that shares the most words with the question. */
export const cite = Effect.fnUntraced(function*(attachment: Attachment, question: string): Effect.fn.Return<
  Citation,
  StoreFailed,
  Store | Scope.Scope
> {
  const { blocks, documentIndex, file, mimeType, name, title } = attachment
  const asked = new Set(words(question))
  const common = {
    document_index: documentIndex,
    document_title: title ?? file?.filename ?? null,
    file_id: file?.id ?? null
  }
  if (blocks !== undefined) {
    const { at, cited } = yield* bestOf(blocks, asked)
    return {
      type: "content_block_location",
      cited_text: cited,
      ...common,
      start_block_index: at,
      end_block_index: at + 1
    }
  }
  const bytes = yield* attachment.read
  if (mimeType === "application/pdf") {
    const { at, cited } = yield* bestOf(yield* Pdf.pages(bytes), asked)
    return {
      type: "page_location",
      cited_text: cited === "" ? `${marker} page 1 of ${name}` : cited.replace(/\s+/g, " "),
      ...common,
      start_page_number: at + 1,
      end_page_number: at + 2
    }
  }
  const text = new TextDecoder().decode(bytes)
  const { cited, end, start } = yield* passage(text, asked)
  return {
    type: "char_location",
    cited_text: cited,
    ...common,
    start_char_index: start,
    end_char_index: end
  }
})
