/**
 * The process's standard streams, and a terminal that draws on standard error: standard output is for data.
 */
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Terminal from "effect/Terminal"
import process from "node:process"

export class Streams extends Context.Service<Streams, {
  /** Waits until the data is written. If standard output has no reader any more, it is dropped. */
  readonly out: (data: string | Uint8Array) => Effect.Effect<void>
  readonly err: (text: string) => Effect.Effect<void>
  /** Ends when standard output can't be written any more: its reader is gone, or the disk is full. */
  readonly closed: Effect.Effect<void>
  /** Why standard output could not be written, except because its reader is gone: `ENOSPC` for example. */
  readonly failure: Effect.Effect<string | undefined>
}>()("effect-anthropic-files/cli/Streams") {}

interface Closing {
  readonly isClosed: () => boolean
  readonly onError: (error: NodeJS.ErrnoException) => void
}

const writer =
  (stream: NodeJS.WriteStream, { isClosed, onError }: Closing) => (data: string | Uint8Array): Effect.Effect<void> =>
    Effect.callback<void>((resume) => {
      if (isClosed()) return resume(Effect.void)
      stream.write(data, (error) => {
        if (error) onError(error)
        resume(Effect.void)
      })
    })

/** Failures of standard error are ignored, since nothing could report them. */
const ignored: Closing = { isClosed: () => false, onError: () => {} }

/** Whether the reader of the output has closed it, like `head`. */
const isReaderGone = (code: string): boolean => code === "EPIPE" || code === "EOF" || code === "ECONNRESET"

export const layer: Layer.Layer<Streams> = Layer.effect(
  Streams,
  Effect.gen(function*() {
    const closed = yield* Deferred.make<void>()
    const isClosed = () => Deferred.isDoneUnsafe(closed)
    let why: string | undefined
    const onError = (error: NodeJS.ErrnoException) => {
      why ??= error.code ?? error.message
      Deferred.doneUnsafe(closed, Effect.void)
    }
    process.stdout.on("error", onError)
    process.stderr.on("error", ignored.onError)
    return {
      out: writer(process.stdout, { isClosed, onError }),
      err: writer(process.stderr, ignored),
      closed: Deferred.await(closed),
      failure: Effect.sync(() => why === undefined || isReaderGone(why) ? undefined : why)
    }
  })
)

const size = () => ({
  columns: process.stderr.columns ?? process.stdout.columns ?? 80,
  rows: process.stderr.rows ?? process.stdout.rows ?? 24
})

export const hideCursor = "\u001b[?25l"

export const showCursor = "\u001b[?25h"

/** Shows the cursor again however the process ends, since a second signal waits for no clean-up. */
const watchCursor = Effect.sync(() => {
  let isHidden = false
  process.once("exit", () => {
    if (isHidden) process.stderr.write(showCursor)
  })
  return (text: string) => {
    const [hidden, shown] = [text.lastIndexOf(hideCursor), text.lastIndexOf(showCursor)]
    if (hidden !== shown) isHidden = hidden > shown
  }
})

/** Effect's terminal, except that it draws on standard error, and has its size. */
export const layerTerminal: Layer.Layer<Terminal.Terminal> = Layer.effect(
  Terminal.Terminal,
  Effect.gen(function*() {
    const { readInput, readLine } = yield* NodeTerminal.make()
    const write = writer(process.stderr, ignored)
    const seeCursor = yield* watchCursor
    return Terminal.make({
      columns: Effect.sync(() => size().columns),
      rows: Effect.sync(() => size().rows),
      size: Effect.acquireRelease(
        Effect.gen(function*() {
          const queue = yield* Queue.sliding<Terminal.Size, never>(1)
          const onResize = () => void Queue.offerUnsafe(queue, size())
          process.stderr.on("resize", onResize)
          onResize()
          return { queue, onResize }
        }),
        ({ onResize }) => Effect.sync(() => process.stderr.off("resize", onResize))
      ).pipe(Effect.map(({ queue }) => queue)),
      readInput,
      readLine,
      display: (text) =>
        Effect.suspend(() => {
          seeCursor(text)
          return write(text)
        })
    })
  })
)
