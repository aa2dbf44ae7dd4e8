/**
 * Lines of a file, each decoded separately, so that one invalid line does not stop the others.
 */
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { concat } from "../../internal/request/body.ts"

export interface Line {
  /** From 1. */
  readonly line: number
  /** Without its line break; `undefined` if the line is too long or not UTF-8. */
  readonly text: string | undefined
}

/** Bytes. */
export const maxLineSize = 1 << 20

const newline = 0x0a

interface State {
  readonly line: number
  /** The beginning of a line that continues in the next chunk. */
  readonly parts: ReadonlyArray<Uint8Array>
  /** The size of the line so far, including dropped bytes of a line that is too long. */
  readonly size: number
}

const decode = (bytes: Uint8Array, line: number): string | undefined => {
  const text = Result.getOrUndefined(
    Result.try({
      // A byte order mark is removed from the first line only.
      try: () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: line > 1 }).decode(bytes),
      catch: () => undefined
    })
  )
  return text?.endsWith("\r") === true ? text.slice(0, -1) : text
}

const end = ({ line, parts, size }: State, last: Uint8Array): Line => {
  const total = size + last.length
  const isWhole = total <= maxLineSize
  return { line, text: isWhole ? decode(parts.length === 0 ? last : concat([...parts, last], total), line) : undefined }
}

const goOn = (state: State, rest: Uint8Array): State => {
  if (rest.length === 0) return state
  const size = state.size + rest.length
  // A longer line is dropped. The chunk is copied because its source may reuse the buffer.
  return { line: state.line, parts: size > maxLineSize ? [] : [...state.parts, rest.slice()], size }
}

const step = (initial: State, chunk: Uint8Array): readonly [State, ReadonlyArray<Line>] => {
  const lines: Array<Line> = []
  let state = initial
  let start = 0
  for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, start)) {
    lines.push(end(state, chunk.subarray(start, at)))
    state = { line: state.line + 1, parts: [], size: 0 }
    start = at + 1
  }
  return [goOn(state, chunk.subarray(start)), lines]
}

export const linesOf = <E, R>(content: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Line, E, R> =>
  Stream.mapAccum(content, (): State => ({ line: 1, parts: [], size: 0 }), step, {
    onHalt: (state) => state.size === 0 ? [] : [end(state, new Uint8Array(0))]
  })
