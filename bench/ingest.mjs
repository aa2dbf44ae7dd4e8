/**
 * `npm run bench -- ingest`, or `node bench/ingest.mjs [items]`: durable ingest from end to end. A Postgres of its own
 * (fsync off, on this machine), the emulator in another process, no limit of the rate, files of 1 KB with contents of
 * their own: they are added by one process and uploaded by one runner.
 */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import process from "node:process"

const sizes = [500, 2_000]

const concurrency = 16

const load = async () => {
  const [Effect, Stream, Redacted, Ingest, NodeIngest, NodeFiles] = await Promise.all([
    import("effect/Effect"),
    import("effect/Stream"),
    import("effect/Redacted"),
    import("effect-anthropic-files/fleet/Ingest"),
    import("effect-anthropic-files/fleet/NodeIngest"),
    import("effect-anthropic-files/NodeFiles")
  ])
  return { Effect, Stream, Redacted, Ingest, NodeIngest, NodeFiles }
}

/** What a process of its own does, and what it took. */
const work = async (task, count, folder) => {
  const { Effect, Ingest, NodeFiles, NodeIngest, Redacted, Stream } = await load()
  const layer = NodeIngest.layer(
    { databaseUrl: Redacted.make(process.env.DATABASE_URL), policy: { rateLimit: false } },
    (policy) => NodeFiles.layerConfig({}, policy)
  )
  const name = `bench-${count}`
  const items = Stream.map(
    Stream.range(0, count - 1),
    (n) => ({ key: `${n}`, source: `${folder}/${n % 100}/${n}.txt` })
  )
  let done = 0
  const program = task === "add"
    ? Ingest.add(name, items)
    : Stream.runForEach(Ingest.run(name, { concurrency }), (event) =>
      Effect.sync(() => {
        if (event._tag === "Done") done++
      }))
  // Without the time in which the process starts and connects.
  let started = 0
  const timed = Effect.andThen(Effect.sync(() => void (started = performance.now())), program)
  await Effect.runPromise(Effect.provide(timed, layer))
  const { maxRSS, systemCPUTime, userCPUTime } = process.resourceUsage()
  console.log(JSON.stringify({
    seconds: (performance.now() - started) / 1000,
    cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
    rssMb: maxRSS / 1024,
    done
  }))
}

const worker = (task, count, folder, env) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--no-warnings", import.meta.filename, task, String(count), folder], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...env }
    })
    let out = ""
    child.stdout.on("data", (data) => (out += data))
    child.once(
      "close",
      (code) => code === 0 ? resolve(JSON.parse(out)) : reject(new Error(`${task} ended with ${code}`))
    )
  })

const write = (folder, count) => {
  for (let n = 0; n < count; n++) {
    if (n < 100) fs.mkdirSync(`${folder}/${n}`, { recursive: true })
    fs.writeFileSync(`${folder}/${n % 100}/${n}.txt`, `${n} `.padEnd(1000, "x"))
  }
}

/** Bytes of the tables, indexes included, by their names. */
const tableSizes = async (databaseUrl) => {
  const [Effect, Redacted, PgClient] = await Promise.all([
    import("effect/Effect"),
    import("effect/Redacted"),
    import("@effect/sql-pg/PgClient")
  ])
  const query = Effect.flatMap(
    PgClient.PgClient,
    (sql) =>
      sql`SELECT relname AS name, pg_total_relation_size(oid)::float8 AS bytes FROM pg_class
      WHERE relkind = 'r' AND (relname LIKE 'ingest%' OR relname = 'effect_anthropic_files_uploads')`
  )
  const rows = await Effect.runPromise(
    Effect.provide(query, PgClient.layer({ url: Redacted.make(databaseUrl) }))
  )
  return Object.fromEntries(rows.map(({ bytes, name }) => [name, bytes]))
}

/** @param {ReadonlyArray<number>} counts */
export const measureIngest = async (counts = sizes) => {
  const [Effect, Postgres] = await Promise.all([import("effect/Effect"), import("../test/support/postgres.ts")])
  if (!Postgres.available) {
    console.error("ingest needs a Postgres: apt-get install postgresql")
    return []
  }
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "bench-ingest-"))
  const emulator = spawn(process.execPath, ["dist/cli/bin.js", "emulator", "--json"], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  try {
    const { apiKey, url } = JSON.parse(await new Promise((resolve) => emulator.stdout.once("data", resolve)))
    write(folder, Math.max(...counts))
    // A Postgres for each, so that tables are of that many rows.
    const one = (count) =>
      Effect.gen(function*() {
        const server = yield* Postgres.server
        const env = { DATABASE_URL: server.url, ANTHROPIC_API_KEY: apiKey, ANTHROPIC_BASE_URL: url }
        const load = os.loadavg()[0]
        const added = yield* Effect.promise(() => worker("add", count, folder, env))
        const ran = yield* Effect.promise(() => worker("run", count, folder, env))
        if (ran.done !== count) throw new Error(`${ran.done} of ${count} items are done`)
        return {
          count,
          load,
          addedPerSecond: count / added.seconds,
          uploadedPerSecond: count / ran.seconds,
          runner: ran,
          bytesPerItem: yield* Effect.promise(async () => {
            const tables = await tableSizes(server.url)
            return Object.fromEntries(Object.entries(tables).map(([name, bytes]) => [name, Math.round(bytes / count)]))
          })
        }
      })
    const results = []
    for (const count of counts) {
      const result = await Effect.runPromise(Effect.scoped(one(count)))
      results.push(result)
      const { addedPerSecond, bytesPerItem, load, runner, uploadedPerSecond } = result
      console.error(
        `${count} items, load ${load.toFixed(1)} on ${os.availableParallelism()} cores: ${
          addedPerSecond.toFixed(0)
        } added `
          + `and ${uploadedPerSecond.toFixed(0)} uploaded a second, ${runner.rssMb.toFixed(0)} MB, `
          + `${runner.cpuSeconds.toFixed(1)} s of processor; bytes an item: ${JSON.stringify(bytesPerItem)}`
      )
    }
    return results
  } finally {
    emulator.kill("SIGTERM")
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

const [, script, task, count, folder] = process.argv
if (script === import.meta.filename) {
  if (task === "add" || task === "run") await work(task, Number(count), folder)
  else await measureIngest(task === undefined ? sizes : [Number(task)])
}
