import { Effect, type Scope } from "effect"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import { ended } from "./redis.ts"

/** Where the programs are; Debian keeps them out of PATH. */
const find = (): string | undefined => {
  const root = "/usr/lib/postgresql"
  const versions = fs.existsSync(root) ? fs.readdirSync(root).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [...versions.map((version) => `${root}/${version}/bin/`), ""]
  return folders.find((folder) => spawnSync(`${folder}initdb`, ["--version"]).status === 0)
}

const isRoot = process.getuid?.() === 0

// Where nobody is asked, on a machine that is there for one run.
if (find() === undefined && process.env["CI"] === "true" && isRoot) {
  spawnSync("apt-get", ["install", "-y", "--no-install-recommends", "postgresql"], { stdio: "ignore" })
}

const folder = find()

/** Whether there is a Postgres here. */
export const available = folder !== undefined

/** A Postgres does not run as root. */
const user = (): { readonly uid?: number; readonly gid?: number } => {
  if (!isRoot) return {}
  const id = (flag: string) => Number(String(spawnSync("id", [flag, "postgres"]).stdout))
  return { uid: id("-u"), gid: id("-g") }
}

export interface Server {
  /** The path of its socket. */
  readonly socket: string
  /** What clients take for an address. */
  readonly url: string
  /** A fast shutdown: whoever is connected is thrown out. */
  readonly stop: Effect.Effect<void>
  /** Starts it again, over the same data. */
  readonly start: Effect.Effect<void>
}

/** A Postgres of this test's own, on a socket in a directory that goes with it. */
export const server: Effect.Effect<Server, never, Scope.Scope> = Effect.gen(function*() {
  const as = user()
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const directory = fs.mkdtempSync(`${os.tmpdir()}/pg-`)
      if (as.uid !== undefined && as.gid !== undefined) fs.chownSync(directory, as.uid, as.gid)
      return directory
    }),
    (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
  )
  const data = `${directory}/data`
  const options = ["-D", data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8"]
  const made = spawnSync(`${folder}initdb`, options, { ...as, cwd: directory })
  if (made.status !== 0) return yield* Effect.die(new Error(String(made.stderr)))
  const settings = ["listen_addresses=", "fsync=off", "max_connections=200"].flatMap((setting) => ["-c", setting])
  const spawned = Effect.sync(() =>
    spawn(`${folder}postgres`, ["-D", data, "-k", directory, ...settings], {
      ...as,
      cwd: directory,
      stdio: ["ignore", "ignore", "pipe"]
    })
  )
  let running: ChildProcess | undefined
  const stop = Effect.suspend(() => {
    const child = running
    if (child === undefined) return Effect.void
    running = undefined
    child.kill("SIGINT")
    return ended(child)
  })
  const start = Effect.flatMap(spawned, (child) => {
    running = child
    return Effect.callback<void>((resume) => {
      child.stderr.on("data", (chunk) => {
        if (String(chunk).includes("ready to accept connections")) resume(Effect.void)
      })
    })
  }).pipe(Effect.timeout("30 seconds"), Effect.orDie)
  yield* Effect.acquireRelease(start, () => stop)
  return {
    socket: `${directory}/.s.PGSQL.5432`,
    url: `postgres://postgres@localhost/postgres?host=${directory}`,
    stop,
    start
  }
})

/** {@link server}, of which only the path of the socket is asked for. */
export const postgres: Effect.Effect<string, never, Scope.Scope> = Effect.map(server, ({ socket }) => socket)
