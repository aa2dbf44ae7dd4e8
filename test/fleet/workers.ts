import { Effect, Option, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import * as Readline from "node:readline"
import { fileURLToPath } from "node:url"
import { ended } from "../support/redis.ts"
import type { Settings } from "./worker.ts"

const script = fileURLToPath(new URL("./worker.ts", import.meta.url))

export interface Worker {
  readonly child: ChildProcess
  /** Until the worker's modules are loaded and its layers built. */
  readonly ready: Effect.Effect<void>
  /** Its exit code, or `null` when a signal ended it. */
  readonly exited: Effect.Effect<number | null>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** What it printed so far. */
  readonly lines: ReadonlyArray<string>
}

/** A runner in a process of its own, which dies with the scope at the latest. */
export const start = (
  settings: Settings,
  flags: ReadonlyArray<string> = []
): Effect.Effect<Worker, never, Scope.Scope> =>
  Effect.gen(function*() {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, ["--no-warnings", "--expose-gc", ...flags, script, JSON.stringify(settings)], {
          stdio: ["ignore", "pipe", process.env["FLEET_LOGS"] === "1" ? "inherit" : "ignore"]
        })
      ),
      (child) => Effect.andThen(Effect.sync(() => child.kill("SIGKILL")), ended(child))
    )
    const lines: Array<string> = []
    const waiting: Array<() => void> = []
    Readline.createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line)
      for (const resume of waiting.splice(0)) resume()
    })
    return {
      child,
      lines,
      ready: Effect.callback<void>((resume) => {
        if (lines.length > 0) resume(Effect.void)
        else waiting.push(() => resume(Effect.void))
      }),
      exited: Effect.map(ended(child), () => child.exitCode),
      signal: (signal) => Effect.sync(() => void child.kill(signal))
    }
  })

/** Runs until all workers end by themselves; meanwhile one after the other is killed and started again. */
export const killing = (settings: Settings, count: number, interval: number) =>
  Effect.gen(function*() {
    const workers: Array<Worker> = []
    for (let n = 0; n < count; n++) workers.push(yield* start(settings))
    let kills = 0
    const killer = Effect.gen(function*() {
      for (let at = 0;; at = (at + 1) % count) {
        yield* Effect.sleep(interval)
        // On a busy machine a start takes seconds, and one that is killed before its end would never come to work.
        yield* workers[at]?.ready ?? Effect.void
        yield* workers[at]?.signal("SIGKILL") ?? Effect.void
        kills++
        workers[at] = yield* start(settings)
      }
    })
    // A worker that was killed is no end.
    const done: Effect.Effect<void> = Effect.suspend(() => {
      const ends = workers.map((worker) => Effect.map(worker.exited, Option.fromNullishOr))
      return Effect.flatMap(Effect.raceAll(ends), (code) =>
        Option.isSome(code) ? Effect.void : Effect.andThen(Effect.sleep(50), done))
    })
    yield* Effect.raceFirst(done, killer)
    const codes = yield* Effect.forEach(workers, ({ exited }) =>
      exited, { concurrency: "unbounded" })
    return { kills, codes }
  })
