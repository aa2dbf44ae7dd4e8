/**
 * Frames at the bottom of the screen, drawn over each other below the lines that are printed meanwhile.
 */
import { displayWidth } from "effect/cli/CliOutput"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Semaphore from "effect/Semaphore"
import * as Terminal from "effect/Terminal"
import { hideCursor, showCursor } from "../streams.ts"
import type { Size } from "./progress.ts"
import type { Style } from "./style.ts"

/** The lines at the bottom of the screen, which have to fit its size. */
export type Frame = (size: Size, style: Style) => ReadonlyArray<string>

export interface Live {
  /** Prints above the frame, if one is drawn. */
  readonly above: (print: Effect.Effect<void>) => Effect.Effect<void>
  /** Draws a frame in the place of the one before. */
  readonly draw: (frame: Frame) => Effect.Effect<void>
  /** Runs `drawing` as long as the effect runs, without a cursor, and erases the last frame. */
  readonly during: <A, E, R, R2>(
    drawing: Effect.Effect<unknown, never, R2>,
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E, R | R2>
  readonly isDrawing: () => boolean
}

/** Rows of the screen that the lines take, also where it has become narrower than they are. */
const rowsOf = (lines: ReadonlyArray<string>, columns: number): number =>
  lines.reduce((rows, line) => rows + Math.max(1, Math.ceil(displayWidth(line) / Math.max(1, columns))), 0)

/** @param style of the terminal that is drawn on */
export const make = Effect.fnUntraced(function*(
  style: Style
): Effect.fn.Return<Live, never, Terminal.Terminal> {
  const terminal = yield* Terminal.Terminal
  // One at a time: a frame that is drawn between erasing and printing a line would stay on the screen.
  const turn = yield* Semaphore.make(1)
  let drawn: ReadonlyArray<string> = []
  let isDrawing = false

  const erased = Effect.map(terminal.columns, (columns) => {
    if (drawn.length === 0) return ""
    const up = rowsOf(drawn, columns) - 1
    return `\r${up > 0 ? `\u001b[${up}A` : ""}\u001b[J`
  })

  const drawLines = Effect.fnUntraced(function*(lines: ReadonlyArray<string>) {
    if (drawn.length === 0 && lines.length === 0) return
    const erase = yield* erased
    drawn = lines
    yield* Effect.ignore(terminal.display(erase + lines.join("\n")))
  })

  const begin = (drawing: Effect.Effect<unknown>) =>
    Effect.suspend(() => {
      isDrawing = true
      return Effect.andThen(terminal.display(hideCursor), Effect.forkDetach(drawing))
    }).pipe(Effect.orDie)

  const end = (drawing: Fiber.Fiber<unknown>) =>
    Effect.gen(function*() {
      yield* Fiber.interrupt(drawing)
      yield* turn.withPermit(drawLines([]))
      isDrawing = false
      yield* Effect.ignore(terminal.display(showCursor))
    })

  return {
    above: (print) =>
      turn.withPermit(Effect.suspend(() => {
        const lines = drawn
        if (lines.length === 0) return print
        return Effect.andThen(Effect.andThen(drawLines([]), print), drawLines(lines))
      })),
    draw: Effect.fnUntraced(function*(frame) {
      const size = { columns: yield* terminal.columns, rows: yield* terminal.rows }
      yield* turn.withPermit(drawLines(frame(size, style)))
    }),
    during: <A, E, R, R2>(drawing: Effect.Effect<unknown, never, R2>, effect: Effect.Effect<A, E, R>) =>
      Effect.flatMap(
        Effect.context<R2>(),
        (context) => Effect.acquireUseRelease(begin(Effect.provideContext(drawing, context)), () => effect, end)
      ),
    isDrawing: () => isDrawing
  }
})
