/**
 * RFC 2046 allows blanks between a delimiter of a multipart body and the end of its line. The parser does not, so they are
 * removed before it sees the body.
 */
import * as Bytes from "effect/Bytes"

const CR = 13

const isBlank = (byte: number | undefined): boolean => byte === 32 || byte === 9

/** The most blanks that are removed; a line with more is not a delimiter. */
const maxBlanks = 64

const encoder = new TextEncoder()

/** Gives the pieces of each chunk that are to be parsed. The last call, without a chunk, gives what was held back. */
export const makeFilter = (boundary: string): (chunk?: Uint8Array) => ReadonlyArray<Uint8Array> => {
  const delimiter = encoder.encode(`\r\n--${boundary}`)
  // A body may begin with a delimiter, so a line break is added before it, and dropped again.
  let held: Uint8Array = encoder.encode("\r\n")
  let toDrop = 2

  /** How many bytes of the delimiter match at `at`. */
  const matched = (bytes: Uint8Array, at: number): number => {
    let length = 0
    while (length < delimiter.byteLength && bytes[at + length] === delimiter[length]) length++
    return length
  }

  const withoutAdded = (pieces: ReadonlyArray<Uint8Array>): ReadonlyArray<Uint8Array> =>
    pieces.flatMap((piece) => {
      const rest = piece.subarray(toDrop)
      toDrop -= piece.byteLength - rest.byteLength
      return rest.byteLength === 0 ? [] : [rest]
    })

  return (chunk) => {
    if (chunk === undefined) {
      const last = held
      held = new Uint8Array(0)
      return withoutAdded([last])
    }
    const bytes = held.byteLength === 0 ? chunk : Bytes.concat([held, chunk])
    held = new Uint8Array(0)
    const pieces: Array<Uint8Array> = []
    let from = 0
    for (let at = bytes.indexOf(CR); at !== -1; at = bytes.indexOf(CR, at + 1)) {
      const end = at + matched(bytes, at)
      if (end - at < delimiter.byteLength && end < bytes.byteLength) continue
      let after = end
      while (isBlank(bytes[after]) && after - end < maxBlanks) after++
      // The rest of the line has not arrived.
      if (after >= bytes.byteLength) {
        pieces.push(bytes.subarray(from, at))
        held = bytes.slice(at)
        return withoutAdded(pieces)
      }
      if (after > end && bytes[after] === CR) {
        pieces.push(bytes.subarray(from, end))
        from = after
      }
    }
    pieces.push(bytes.subarray(from))
    return withoutAdded(pieces)
  }
}
