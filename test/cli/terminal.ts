/**
 * Runs the command line on a pseudo-terminal, and reads the screen as a person would.
 */
import { Effect, type Scope } from "effect"
import { spawn } from "node:child_process"
import process from "node:process"
import { Screen } from "../../scripts/terminal/screen.mjs"
import { bare, bin } from "./run.ts"

export interface Options {
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  /** @default 80 */
  readonly columns?: number
  /** @default 24 */
  readonly rows?: number
}

export interface Running {
  /** What is on the screen, and what has scrolled off it. */
  readonly screen: () => string
  readonly isCursorShown: () => boolean
  /** All that was printed, escape codes included. */
  readonly raw: () => string
  readonly type: (keys: string) => void
  readonly resize: (columns: number, rows: number) => void
  /** The exit code. */
  readonly ended: Effect.Effect<number | null>
}

/** Killed with its scope at the latest. */
export const start = (
  args: ReadonlyArray<string>,
  { columns = 80, cwd, env, rows = 24 }: Options = {}
): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() =>
        spawn("python3", [
          `${process.cwd()}/scripts/terminal/run.py`,
          String(columns),
          String(rows),
          process.execPath,
          "--no-warnings",
          bin,
          ...args
        ], { cwd, env: { ...bare, TERM: "xterm-256color", ...env }, stdio: ["pipe", "pipe", "inherit"] })
      ),
      (child) => Effect.sync(() => void child.kill("SIGTERM"))
    ),
    (child) => {
      const screen = new Screen(columns)
      let raw = ""
      child.stdin.on("error", () => {})
      child.stdout.setEncoding("utf8")
      child.stdout.on("data", (data: string) => {
        raw += data
        screen.write(data)
      })
      const exit = new Promise<number | null>((resolve) => child.once("close", resolve))
      return {
        screen: () => screen.text,
        isCursorShown: () => screen.cursorShown,
        raw: () => raw,
        type: (keys) => void child.stdin.write(keys),
        resize: (columns, rows) => {
          screen.columns = columns
          child.stdin.write(`\0${columns},${rows}\n`)
        },
        ended: Effect.promise(() => exit)
      }
    }
  )
