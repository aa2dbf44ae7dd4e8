import { Effect, type Scope } from "effect"
import { spawn, spawnSync } from "node:child_process"
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

/** A Postgres of this test's own, on a socket in a directory that goes with it. Gives the path of the socket. */
export const postgres: Effect.Effect<string, never, Scope.Scope> = Effect.gen(function*() {
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
  const server = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(`${folder}postgres`, ["-D", data, "-k", directory, ...settings], {
        ...as,
        cwd: directory,
        stdio: ["ignore", "ignore", "pipe"]
      })
    ),
    // A fast shutdown, which ends its other processes too.
    (server) => Effect.andThen(Effect.sync(() => server.kill("SIGINT")), ended(server))
  )
  yield* Effect.callback<void>((resume) => {
    server.stderr.on("data", (chunk) => {
      if (String(chunk).includes("ready to accept connections")) resume(Effect.void)
    })
  })
  return `${directory}/.s.PGSQL.5432`
}).pipe(Effect.timeout("30 seconds"), Effect.orDie)
