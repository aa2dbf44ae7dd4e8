/**
 * A `multipart/form-data` body with one file, whose length is known before a byte is sent.
 */
import * as Bytes from "effect/Bytes"
import { randomBytesUnsafe } from "effect/crypto/SecureRandom"
import * as Hex from "effect/encoding/Hex"
import * as Stream from "effect/Stream"

const encoder = new TextEncoder()

/**
 * Escapes a name as WHATWG form data does, so that it can't close its quotes or forge a header line. Everything else is
 * raw UTF-8.
 */
export const escapeName = (name: string): string => name.replace(/["\r\n]/g, encodeURIComponent)

/**
 * At least 122 bits from the platform's secure random source, so that content can't be made to contain the delimiter.
 */
export const makeBoundary = (): string => `effect-anthropic-files-${unique()}`

/** `randomUUID` draws from a pool, so it is faster, but browsers have it in secure contexts only. */
const unique = (): string =>
  "randomUUID" in globalThis.crypto
    ? globalThis.crypto.randomUUID()
    : Hex.encode(randomBytesUnsafe(16))

export interface Frame {
  /** The request's `content-type`. */
  readonly contentType: string
  /** The part of the body before the file's bytes. */
  readonly head: Uint8Array
  /** The part of the body after the file's bytes. */
  readonly tail: Uint8Array
}

/**
 * Frames plain fields followed by the file. The file comes last, so that a server knows the fields before the bytes.
 */
export const frame = (options: {
  readonly boundary: string
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>
  readonly filename: string
  /** If `undefined`, the part has no content-type and the service detects one. */
  readonly mimeType: string | undefined
}): Frame => {
  const { boundary } = options
  let head = ""
  for (const [name, value] of options.fields) {
    head += `--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(name)}"\r\n\r\n${value}\r\n`
  }
  head += `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${escapeName(options.filename)}"\r\n`
  if (options.mimeType !== undefined) head += `Content-Type: ${options.mimeType}\r\n`
  const tail = `\r\n--${boundary}--\r\n`
  const both = encoder.encode(`${head}\r\n${tail}`)
  // The tail is ASCII, so it has as many bytes as characters.
  const headLength = both.length - tail.length
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    head: both.subarray(0, headLength),
    tail: both.subarray(headLength)
  }
}

/** The whole body in one buffer. */
export const toBytes = (frame: Frame, content: Uint8Array): Uint8Array =>
  Bytes.concat([frame.head, content, frame.tail])

/** The whole body as a stream. */
export const toStream = <E>(frame: Frame, content: Stream.Stream<Uint8Array, E>): Stream.Stream<Uint8Array, E> =>
  Stream.succeed(frame.head).pipe(Stream.concat(content), Stream.concat(Stream.succeed(frame.tail)))
