import { Effect, type Scope } from "effect"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"

const has = () => spawnSync("redis-server", ["--version"]).status === 0

// Where nobody is asked, on a machine that is there for one run.
if (!has() && process.env["CI"] === "true" && process.getuid?.() === 0) {
  spawnSync("apt-get", ["install", "-y", "--no-install-recommends", "redis-server"], { stdio: "ignore" })
}

/** Whether there is a redis-server here. */
export const available = has()

export const ended = (child: ChildProcess): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
  })

export const stop = (child: ChildProcess) => Effect.andThen(Effect.sync(() => child.kill("SIGKILL")), ended(child))

export interface Server {
  /** The path of its socket. */
  readonly socket: string
  /** Ends it at once. */
  readonly stop: Effect.Effect<void>
  /** Starts it again, with nothing in it. */
  readonly start: Effect.Effect<void>
}

/** A Redis of this test's own, on a socket in a folder that goes with it. */
export const server: Effect.Effect<Server, never, Scope.Scope> = Effect.gen(function*() {
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => fs.mkdtempSync(`${os.tmpdir()}/redis-`)),
    (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
  )
  const socket = `${directory}/redis.sock`
  const options = ["--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", directory]
  let running: ChildProcess | undefined
  const end = Effect.suspend(() => {
    const child = running
    running = undefined
    return child === undefined ? Effect.void : stop(child)
  })
  const start = Effect.suspend(() => {
    const child = spawn("redis-server", options, { stdio: ["ignore", "pipe", "inherit"] })
    running = child
    return Effect.callback<void>((resume) => {
      child.stdout.on("data", (chunk) => {
        if (String(chunk).includes("eady to accept connections")) resume(Effect.void)
      })
    })
  })
  yield* Effect.acquireRelease(start, () => end)
  return { socket, stop: end, start }
})

/** {@link server}, of which only the path of the socket is asked for. */
export const redis: Effect.Effect<string, never, Scope.Scope> = Effect.map(server, ({ socket }) => socket)
