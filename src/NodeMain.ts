/**
 * Ends a program on Node, Bun or Deno the way people and process managers expect: a signal starts the clean-up, the
 * clean-up has a time limit, and a second signal ends the process at once.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Files, FileSource } from "effect-anthropic-files"
 * import * as NodeFiles from "effect-anthropic-files/NodeFiles"
 * import * as NodeMain from "effect-anthropic-files/NodeMain"
 *
 * const program = Effect.scoped(Effect.flatMap(Files.uploadScoped(FileSource.path("report.pdf")), () => Effect.never))
 *
 * NodeMain.runMain(program.pipe(Effect.provide(NodeFiles.layerConfig())), { cleanUpLimit: "3 seconds" })
 * ```
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import process from "node:process"

/** Options of {@link runMain}. */
export interface Options {
  /**
   * How long finalizers may take after a signal before the process ends anyway.
   *
   * @default "5 seconds"
   */
  readonly cleanUpLimit?: Duration.Input | undefined
  /**
   * Runs on the first signal instead of the interruption, so that the program can end by itself with its own exit code.
   * `cleanUpLimit` and the second signal work as before. If it succeeds with `false`, the program is interrupted.
   *
   * @default the program is interrupted
   */
  readonly stop?: Effect.Effect<unknown> | undefined
  /**
   * Does not log the program's failure.
   *
   * @default false
   */
  readonly disableErrorReporting?: boolean | undefined
}

/** 128 plus the signal's number, as shells expect. */
const codes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

type Signal = keyof typeof codes

const signals = Object.keys(codes) as ReadonlyArray<Signal>

const endAfterLimit = (signal: Signal, limit: Duration.Duration): Effect.Effect<void> =>
  Effect.sync(() => {
    process.stderr.write(`The clean-up after ${signal} did not end within ${Duration.format(limit)}.\n`)
    process.exit(codes[signal])
  })

/**
 * Runs a program as the main program of the process. `NodeRuntime.runMain` instead has no limit, ignores a second signal
 * and exits with 130 after SIGTERM too.
 *
 * - The first SIGINT, SIGTERM or SIGHUP interrupts the program. When its finalizers are done, the process exits with
 *   130, 143 or 129.
 * - If they are not done within `cleanUpLimit`, the process exits anyway. A second signal makes it exit at once.
 */
export const runMain = <A, E>(program: Effect.Effect<A, E>, options: Options = {}): void => {
  const limit = Duration.fromInputUnsafe(options.cleanUpLimit ?? "5 seconds")
  const run = Runtime.makeRunMain(({ fiber, teardown }) => {
    let received: Signal | undefined
    let isInterrupted = false
    const interrupt = () => {
      isInterrupted = true
      fiber.interruptUnsafe(fiber.id)
    }
    const onSignal = (signal: Signal) => {
      if (received !== undefined) process.exit(codes[signal])
      received = signal
      Effect.runFork(Effect.delay(endAfterLimit(signal, limit), limit))
      if (options.stop === undefined) return interrupt()
      Effect.runFork(Effect.map(options.stop, (stops) => stops === false ? interrupt() : undefined))
    }
    for (const signal of signals) process.on(signal, onSignal)
    fiber.addObserver((exit) => {
      teardown(exit, (code) => {
        if (received !== undefined) process.exit(isInterrupted ? codes[received] : code)
        for (const signal of signals) process.off(signal, onSignal)
        if (code !== 0) process.exit(code)
      })
    })
  })
  run(program, { disableErrorReporting: options.disableErrorReporting === true })
}
