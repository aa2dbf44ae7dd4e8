/**
 * Checks that all runs of one source give the same bytes. A retry that sends fewer, more or other bytes than the first
 * try would store a damaged file and report success.
 */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { SourceFailed } from "../../FilesError.ts"
import { kindOf, shorten } from "../text.ts"
import { toBytes } from "./bytes.ts"
import * as Checksum from "./checksum.ts"
import { fail } from "./sourceFailed.ts"

/** How many bytes of a run are compared with earlier runs. Beyond them only the count is. */
const compared = 1 << 20

type Chunks = Arr.NonEmptyReadonlyArray<Uint8Array>

type Content<R> = Stream.Stream<Uint8Array, SourceFailed, R>

/** Converts bytes of any kind to `Uint8Array`s, and fails for anything else. */
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

/** What is known from earlier runs. */
interface Known {
  /** Bytes of the longest run. */
  longest: number
  /** Bytes of a run that was complete. */
  ended: number | undefined
  /** The checksum of the longest prefix so far, up to the bytes that are compared. */
  prefix: { readonly length: number; readonly digest: string }
}

/**
 * Guards the runs of one opening. A run that begins with other bytes than an earlier one, or has a different length,
 * fails with `Consumed` before its last byte is handed over.
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
      } can't be sent again: its stream ${what} when it was run again. Nothing was stored. Mark a source as replayable only if every run gives the same bytes.`,
      { source: name }
    )

  /** Adds a chunk to the compared prefix, and checks it against the earlier runs. */
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
    if (ended !== undefined && count > ended) return differs(`continued past the ${ended} bytes that it had before`)
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
          return Stream.fail(differs(`gave ${count} bytes instead of ${expected}`))
        }
        known.ended = count
        return Stream.empty
      }))
    )
}

/**
 * Guards a source that can be read only once, across all its openings: only the first run reads it.
 */
export const onlyOnce = <R>(content: Content<R>, name: string, advice: string): Content<R> => {
  let isConsumed = false
  return Stream.suspend((): Content<R> => {
    if (isConsumed) {
      return Stream.fail(
        fail("Consumed", `${shorten(name)} was read already and can't be sent again. ${advice}`, { source: name })
      )
    }
    isConsumed = true
    return content
  })
}
