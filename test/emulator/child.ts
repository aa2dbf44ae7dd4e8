/**
 * Starts an emulator in a process of its own.
 */
import { Effect, Queue } from "effect"
import * as ChildProcess from "node:child_process"
import * as Readline from "node:readline"
import { fileURLToPath } from "node:url"

const script = fileURLToPath(new URL("fixtures/serve.ts", import.meta.url))

export interface Child {
  readonly url: string
  /** What it printed instead of a URL. */
  readonly error: unknown
  readonly pid: number
  /** As the system sees it, right after the start. */
  readonly rss: number
  /** `kill -9`, and waits until it is gone. */
  readonly kill: Effect.Effect<void>
  /** The most memory it ever used. */
  readonly peakBytes: Effect.Effect<number>
}

/** The process dies with the scope at the latest. */
export const start = Effect.fnUntraced(function*(options: object, nodeOptions: ReadonlyArray<string> = []) {
  const process_ = ChildProcess.spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", ...nodeOptions, script, JSON.stringify(options)],
    { stdio: ["pipe", "pipe", "inherit"] }
  )
  const lines = yield* Queue.unbounded<{ url?: string; error?: unknown; rss?: number; peakKiB?: number }>()
  Readline.createInterface({ input: process_.stdout }).on("line", (line) => {
    Queue.offerUnsafe(lines, JSON.parse(line) as object)
  })
  const exited = Effect.callback<void>((resume) => {
    if (process_.exitCode !== null || process_.signalCode !== null) resume(Effect.void)
    else process_.once("exit", () => resume(Effect.void))
  })
  const kill = Effect.suspend(() => {
    process_.kill("SIGKILL")
    return exited
  })
  yield* Effect.addFinalizer(() => kill)
  const first = yield* Queue.take(lines)
  const child: Child = {
    url: first.url ?? "",
    error: first.error,
    pid: process_.pid ?? 0,
    rss: first.rss ?? 0,
    kill,
    peakBytes: Effect.suspend(() => {
      process_.stdin.write("\n")
      return Effect.map(Queue.take(lines), (line) => (line.peakKiB ?? 0) * 1024)
    })
  }
  return child
})
