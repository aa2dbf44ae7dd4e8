/**
 * Writes a request's body no faster than the socket takes it, and tells what it has taken.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ClientRequest } from "node:http"
import { Buffers } from "../internal/request/buffers.ts"
import { monotonicMillis } from "../internal/request/silence.ts"

/** Bytes that are read ahead of what the socket has taken. */
const ahead = 1 << 20

/**
 * The socket says only of a whole write that it took it, and a slow one must not seem to stand still meanwhile. So writes
 * begin small, and grow while the socket takes each one quickly. Bytes, and milliseconds.
 */
const minWrite = 1 << 18
const maxWrite = 1 << 20
const quick = 100

/** Lends two buffers, and takes each back when it comes whole. */
const makeBuffers = () => {
  const lent = new Map<ArrayBufferLike, number>()
  const free: Array<ArrayBuffer> = []
  let made = 0
  return {
    take: (size: number): Uint8Array | undefined => {
      if (size > ahead || (free.length === 0 && made === 2)) return undefined
      let buffer = free.pop()
      if (buffer === undefined) {
        buffer = new ArrayBuffer(ahead)
        made++
      }
      lent.set(buffer, size)
      return new Uint8Array(buffer, 0, size)
    },
    giveBack: ({ buffer, byteLength }: Uint8Array) => {
      // A part of one may not be the last that is still to be sent.
      if (lent.get(buffer) === byteLength && buffer instanceof ArrayBuffer) free.push(buffer)
      lent.delete(buffer)
    }
  }
}

/**
 * Writes in pieces, each once the socket has taken the one before.
 *
 * @param onTaken called whenever the socket has taken some
 * @param onChunk called once it has taken the whole of a chunk
 */
const makeWriter = (
  request: ClientRequest,
  clock: Clock.Clock,
  onTaken: () => void,
  onChunk: (chunk: Uint8Array) => void
) => {
  let queue: Array<Uint8Array> = []
  /** In the queue. */
  let index = 0
  /** In the chunk. */
  let offset = 0
  let isWriting = false
  let isEnded = false
  let size = minWrite

  const next = (): void => {
    const taken: Array<Uint8Array> = []
    const writes: Array<Uint8Array> = []
    // Small chunks go together.
    let room = size
    for (let chunk = queue[index]; chunk !== undefined && room > 0; chunk = queue[index]) {
      const piece = chunk.subarray(offset, offset + room)
      writes.push(piece)
      room -= piece.length
      offset += piece.length
      if (offset < chunk.length) break
      taken.push(chunk)
      offset = 0
      index++
    }
    const last = writes.pop()
    if (last === undefined) {
      queue = []
      index = 0
      if (isEnded) request.end()
      return
    }
    isWriting = true
    const since = monotonicMillis(clock)
    for (const write of writes) request.write(write)
    request.write(last, (error) => {
      isWriting = false
      // What is wrong comes as the request's own error.
      if (error != null) return
      size = monotonicMillis(clock) - since < quick ? Math.min(2 * size, maxWrite) : minWrite
      onTaken()
      for (const chunk of taken) onChunk(chunk)
      if (!isWriting) next()
    })
  }

  return {
    write: (chunk: Uint8Array): void => {
      if (chunk.length > 0) queue.push(chunk)
    },
    flush: (): void => {
      if (!isWriting) next()
    },
    end: (): void => {
      isEnded = true
      if (!isWriting) next()
    }
  }
}

/**
 * Sends a body that is in memory.
 *
 * @param onTaken called whenever the socket has taken some of it
 */
export const sendBytes = (
  request: ClientRequest,
  bytes: Uint8Array,
  clock: Clock.Clock,
  onTaken: () => void
): void => {
  if (bytes.length <= minWrite) return void request.end(bytes)
  const writer = makeWriter(request, clock, onTaken, () => {})
  writer.write(bytes)
  writer.end()
}

/**
 * Sends a streamed body, and reads its next chunk while the last one is sent. It passes through two buffers, whatever
 * its size.
 */
export const sendStream = <E>(
  request: ClientRequest,
  body: Stream.Stream<Uint8Array, E>,
  clock: Clock.Clock,
  onTaken: () => void
): Effect.Effect<void, E> =>
  Effect.suspend(() => {
    const buffers = makeBuffers()
    let pending = 0
    let wake: (() => void) | undefined
    const writer = makeWriter(request, clock, onTaken, (chunk) => {
      pending -= chunk.length
      buffers.giveBack(chunk)
      if (pending <= ahead) wake?.()
    })
    const settled = Effect.callback<void>((resume) => {
      wake = () => {
        wake = undefined
        resume(Effect.void)
      }
    })
    return Stream.runForEachArray(body, (chunks) => {
      for (const chunk of chunks) {
        pending += chunk.length
        writer.write(chunk)
      }
      writer.flush()
      return pending > ahead ? settled : Effect.void
    }).pipe(
      Effect.provideService(Buffers, buffers),
      Effect.andThen(Effect.sync(writer.end))
    )
  })
