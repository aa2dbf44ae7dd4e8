/**
 * Bodies read whole, up to a limit.
 */
import * as Effect from "effect/Effect"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"

export interface Body {
  readonly bytes: Uint8Array
  /** There was more than the limit; the rest was not read and the connection is closed. */
  readonly isCut: boolean
}

/** At most `limit` bytes of a body. */
export const readBody = (
  response: HttpClientResponse.HttpClientResponse,
  limit: number
): Effect.Effect<Body, HttpClientError.HttpClientError> =>
  Effect.suspend(() => {
    const chunks: Array<Uint8Array> = []
    let size = 0
    return Stream.runForEachWhile(response.stream, (chunk) =>
      Effect.sync(() => {
        chunks.push(chunk)
        size += chunk.length
        return size <= limit
      })).pipe(
        // fetch gives no body at all for an empty one.
        Effect.catchReason("HttpClientError", "EmptyBodyError", () => Effect.void),
        Effect.map(() => ({ bytes: concat(chunks, size).subarray(0, limit), isCut: size > limit }))
      )
  })

/** Closes an answer that nobody reads: starts its stream, and interrupts it before it waits for a byte. */
export const letGo = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
  Effect.ignore(Effect.raceFirst(Stream.runDrain(response.stream), Effect.yieldNow))

/** Fails instead of handing out an answer's body, and lets go of the answer. */
export const failUnread = <E>(
  response: HttpClientResponse.HttpClientResponse,
  error: E
): Stream.Stream<never, E> => Stream.unwrap(Effect.as(letGo(response), Stream.fail(error)))

export interface Text {
  readonly text: string
  readonly isCut: boolean
}

/** At most `limit` bytes of a body, as text. */
export const readText = (
  response: HttpClientResponse.HttpClientResponse,
  limit: number
): Effect.Effect<Text, HttpClientError.HttpClientError> =>
  Effect.map(readWhole(response, limit), (body) =>
    "isCut" in body
      ? { text: decodeText(body.bytes), isCut: body.isCut }
      : { text: decodeText(body), isCut: false })

/**
 * At most `limit` bytes of a body. One whose length is known is taken whole, at a fraction of a stream's cost. What is
 * encoded has no known length.
 */
export const readWhole = (
  response: HttpClientResponse.HttpClientResponse,
  limit: number
): Effect.Effect<ArrayBuffer | Body, HttpClientError.HttpClientError> => {
  const { headers } = response
  const length = headers["content-encoding"] === undefined ? parseLength(headers["content-length"]) : undefined
  return length !== undefined && length > 0 && length <= limit ? response.arrayBuffer : readBody(response, limit)
}

/** One buffer of them all, without a copy where there is only one. */
export const concat = (chunks: ReadonlyArray<Uint8Array>, size: number): Uint8Array => {
  const [first] = chunks
  return chunks.length === 1 && first !== undefined ? first : joined(chunks, size)
}

/** One buffer of its own: Node hands out parts of larger ones. */
export const joined = (chunks: ReadonlyArray<Uint8Array>, size: number): Uint8Array<ArrayBuffer> => {
  const whole = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.length
  }
  return whole
}

const decoder = new TextDecoder()

export const decodeText = (bytes: Uint8Array | ArrayBuffer): string => decoder.decode(bytes)

export const parseJson = (text: string): Result.Result<unknown, void> =>
  Result.try({ try: (): unknown => JSON.parse(text), catch: () => undefined })

/** A `content-length`, if it is one. */
export const parseLength = (header: string | undefined): number | undefined => {
  const length = header !== undefined && /^\d+$/.test(header) ? Number(header) : NaN
  return Number.isSafeInteger(length) ? length : undefined
}
