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
  /** Waits until it is taken. What nobody reads any longer is dropped. */
  readonly out: (data: string | Uint8Array) => Effect.Effect<void>
  readonly err: (text: string) => Effect.Effect<void>
  /** Comes back when standard output can't be written any longer, with the system's code: `EPIPE` where its reader is gone. */
  readonly closed: Effect.Effect<string>
}>()("effect-anthropic-files/cli/Streams") {}

const writer =
  (stream: NodeJS.WriteStream, isClosed: () => boolean) => (data: string | Uint8Array): Effect.Effect<void> =>
    Effect.callback<void>((resume) => {
      if (isClosed()) return resume(Effect.void)
      stream.write(data, () => resume(Effect.void))
    })

export const layer: Layer.Layer<Streams> = Layer.effect(
  Streams,
  Effect.gen(function*() {
    const closed = yield* Deferred.make<string>()
    const isClosed = () => Deferred.isDoneUnsafe(closed)
    const onError = (error: NodeJS.ErrnoException) =>
      void Deferred.doneUnsafe(closed, Effect.succeed(error.code ?? error.message))
    // Nobody reads what goes wrong with standard error.
    const ignore = () => {}
    process.stdout.on("error", onError)
    process.stderr.on("error", ignore)
    return {
      out: writer(process.stdout, isClosed),
      err: writer(process.stderr, () => false),
      closed: Deferred.await(closed)
    }
  })
)

const size = () => ({
  columns: process.stderr.columns ?? process.stdout.columns ?? 80,
  rows: process.stderr.rows ?? process.stdout.rows ?? 24
})

export const hideCursor = "\u001b[?25l"

export const showCursor = "\u001b[?25h"

/** Shows the cursor again however the process ends: a second signal does not wait for any clean-up. */
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

/** effect's terminal, except that it shows on standard error, and takes its size from there. */
export const layerTerminal: Layer.Layer<Terminal.Terminal> = Layer.effect(
  Terminal.Terminal,
  Effect.gen(function*() {
    const { readInput, readLine } = yield* NodeTerminal.make()
    const write = writer(process.stderr, () => false)
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
