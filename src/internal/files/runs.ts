/**
 * What runs of one source may differ in: nothing. A retry that sends less, more or something else than the first try
 * did would store a damaged file and report success.
 */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { SourceFailed } from "../../FilesError.ts"
import { kindOf, shorten } from "../text.ts"
import { toBytes } from "./bytes.ts"
import * as Checksum from "./checksum.ts"
import { fail } from "./sourceFailed.ts"

/** This much of a run is compared with the run before; beyond it only the count is. */
const compared = 1 << 20

type Chunks = Arr.NonEmptyReadonlyArray<Uint8Array>

type Content<R> = Stream.Stream<Uint8Array, SourceFailed, R>

/** Bytes of any make as `Uint8Array`s, and a failure that says what came where bytes were expected. */
export const onlyBytes = <R>(content: Stream.Stream<unknown, SourceFailed, R>, name: string): Content<R> =>
  Stream.transformPull(
    content,
    (pull) =>
      Effect.succeed(Effect.flatMap(pull, (chunks): Effect.Effect<Chunks, SourceFailed> => {
        const bytes: Array<Uint8Array> = []
        for (const chunk of chunks) {
          const converted = toBytes(chunk)
          if (converted === undefined) return Effect.fail(notBytes(name, chunk))
          bytes.push(converted)
        }
        return Effect.succeed(bytes as unknown as Chunks)
      }))
  )

const notBytes = (name: string, chunk: unknown): SourceFailed =>
  fail(
    "Failed",
    `${shorten(name)} can't be uploaded: its stream gave ${kindOf(chunk)} where bytes are expected. ${
      typeof chunk === "string" ? "Encode its text, with Stream.encodeText for example. " : ""
    }Nothing was stored.`,
    { source: name }
  )

interface Known {
  /** Bytes of the longest run. */
  longest: number
  /** Bytes of a run that came to its end. */
  ended: number | undefined
  /** Of the run that gave most of what is compared. */
  prefix: { readonly length: number; readonly digest: string }
}

/**
 * Guards the runs of one opening. A run that does not begin with what an earlier one gave, or ends before it or
 * elsewhere, fails with `Consumed` before its last byte is handed over.
 */
export const sameEachTime = <R>(content: Content<R>, name: string): Content<R> => {
  const known: Known = { longest: 0, ended: undefined, prefix: { length: 0, digest: "" } }
  return Stream.suspend(() => run(content, name, known))
}

const run = <R>(content: Content<R>, name: string, known: Known): Content<R> => {
  const { ended, longest, prefix } = known
  const checksum = Checksum.make()
  let count = 0
  let checked = 0

  const differs = (what: string) =>
    fail(
      "Consumed",
      `${
        shorten(name)
      } can't be sent again: its stream ${what} when it was run anew. Nothing was stored. A source that can be read only once is not replayable; one that is gives the same bytes each time.`,
      { source: name }
    )

  /** Takes the bytes that are compared, and tells whether they are those of the run before. */
  const isSame = (chunk: Uint8Array): boolean => {
    if (checked >= compared) return true
    const mine = chunk.subarray(0, compared - checked)
    const until = prefix.length - checked
    const reaches = until > 0 && mine.length >= until
    if (reaches) {
      checksum.update(mine.subarray(0, until))
      if (checksum.digest() !== prefix.digest) return false
      checksum.update(mine.subarray(until))
    } else {
      checksum.update(mine)
    }
    checked += mine.length
    if (checked > known.prefix.length) known.prefix = { length: checked, digest: checksum.digest() }
    return true
  }

  const take = (chunk: Uint8Array): SourceFailed | undefined => {
    if (!isSame(chunk)) return differs("gave other bytes")
    count += chunk.length
    if (ended !== undefined && count > ended) return differs(`went on past the ${ended} bytes that it had before`)
    known.longest = Math.max(known.longest, count)
    return undefined
  }

  return Stream.transformPull(content, (pull) =>
    Effect.succeed(Effect.flatMap(pull, (chunks) => {
      for (const chunk of chunks) {
        const failure = take(chunk)
        if (failure !== undefined) return Effect.fail(failure)
      }
      return Effect.succeed(chunks)
    }))).pipe(
      Stream.concat(Stream.suspend(() => {
        const expected = ended ?? longest
        if (ended === undefined ? count < expected : count !== expected) {
          return Stream.fail(differs(`gave ${count} bytes, and ${expected} before,`))
        }
        known.ended = count
        return Stream.empty
      }))
    )
}

/**
 * Guards what can be read only once, over all openings of a source: what one upload has read, another can't read.
 */
export const onlyOnce = <R>(content: Content<R>, name: string, advice: string): Content<R> => {
  let isConsumed = false
  return Stream.suspend((): Content<R> => {
    if (isConsumed) {
      return Stream.fail(
        fail("Consumed", `${shorten(name)} was read already, and can't be sent again. ${advice}`, { source: name })
      )
    }
    isConsumed = true
    return content
  })
}
