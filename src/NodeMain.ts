/**
 * The end of a program on Node, Bun or Deno, as people and process managers expect it: a signal begins the clean-up,
 * the clean-up has a limit, and a second signal ends it at once.
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

/** How a program ends. */
export interface Options {
  /**
   * How long finalizers may take after a signal before the process ends all the same.
   *
   * @default "5 seconds"
   */
  readonly cleanUpLimit?: Duration.Input | undefined
  /**
   * Run on the first signal, in place of the interruption: the program then ends by itself, with a code of its own. What
   * holds of `cleanUpLimit` and of a second signal stays as it is. Where it gives `false`, the program is interrupted.
   *
   * @default the program is interrupted
   */
  readonly stop?: Effect.Effect<unknown> | undefined
  /**
   * Leaves failures unreported.
   *
   * @default false
   */
  readonly disableErrorReporting?: boolean | undefined
}

/** 128 and the signal's number, as shells expect it. */
const codes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

type Signal = keyof typeof codes

const signals = Object.keys(codes) as ReadonlyArray<Signal>

const endLate = (signal: Signal, limit: Duration.Duration): Effect.Effect<void> =>
  Effect.sync(() => {
    process.stderr.write(`The clean-up after ${signal} did not end within ${Duration.format(limit)}.\n`)
    process.exit(codes[signal])
  })

/**
 * Runs a program as the process's main one, like `NodeRuntime.runMain`, which knows no limit, takes a second signal for
 * the first, and ends with 130 after SIGTERM too.
 *
 * - The first SIGINT, SIGTERM or SIGHUP interrupts the program. When its finalizers are done, the process ends with
 *   130, 143 or 129.
 * - When they are not done within `cleanUpLimit`, it ends all the same, and so it does at once on a second signal.
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
      Effect.runFork(Effect.delay(endLate(signal, limit), limit))
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
