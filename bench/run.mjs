/**
 * Processes: the server, and one for each measurement.
 */
import { execFile, spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as http from "node:http"
import * as os from "node:os"
import * as path from "node:path"
import { commandOf as runtimeOf } from "../scripts/runtimes.mjs"

const here = import.meta.dirname

/** A folder for what is uploaded and downloaded, gone with the process. `BENCH_DIR` puts it on another disk. */
export const directory = fs.mkdtempSync(path.join(process.env["BENCH_DIR"] ?? os.tmpdir(), "bench-"))
export const ramDisk = fs.existsSync("/dev/shm") ? fs.mkdtempSync("/dev/shm/bench-") : undefined

process.on("exit", () => {
  for (const folder of [directory, ramDisk]) {
    if (folder !== undefined) fs.rmSync(folder, { recursive: true, force: true })
  }
})
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130))

/** The program in server.c, if there is a compiler for it. */
export const native = (() => {
  const program = path.join(directory, "server")
  return spawnSync("cc", ["-O2", "-o", program, path.join(here, "server.c")], { stdio: "inherit" }).status === 0
    ? program
    : undefined
})()

const has = (command) => spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0
const hasCurl = has("curl")

/**
 * A server of its own process. It ends when this one does, however that ends, since its standard input is closed then.
 *
 * @param {number} rate bytes a second taken of request bodies, 0 for all there are
 */
export const startServer = (rate = 0) =>
  new Promise((resolve, reject) => {
    const [command, args] = native === undefined
      ? [process.execPath, [path.join(here, "server.mjs"), String(rate)]]
      : [native, ["serve", String(rate)]]
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] })
    child.once("error", reject)
    child.stdout.once("data", (port) => {
      child.unref()
      child.stdin.unref()
      child.stdout.unref()
      resolve(`http://127.0.0.1:${String(port).trim()}`)
    })
  })

/** What a server saw since it was last asked. */
export const statsOf = (baseUrl) =>
  new Promise((resolve, reject) => {
    http.get(`${baseUrl}/stats`, { agent: false }, async (response) => {
      let text = ""
      for await (const chunk of response) text += chunk
      resolve(JSON.parse(text))
    }).on("error", reject)
  })

const writeFile = (name, bytes) => {
  const location = path.join(directory, name)
  if (fs.existsSync(location)) return location
  const file = fs.openSync(location, "w")
  const block = Buffer.alloc(1 << 20)
  for (let i = 0; i < block.length; i++) block[i] = Math.imul(i, 2654435761) >>> 24
  for (let left = bytes; left > 0; left -= block.length) fs.writeSync(file, block, 0, Math.min(left, block.length))
  fs.closeSync(file)
  return location
}

/** A file of a name that tells its size. */
export const fileOf = (name) => {
  const [, count, unit] = /^(\d+)(mb|kb)$/.exec(name)
  return writeFile(name, Number(count) * (unit === "mb" ? 1_000_000 : 1024))
}

/** Each a little larger than the one before: 1 KB to 20 MB, 404 MB in all; in an order that mixes them. */
const mixedFiles = () => {
  const count = 200
  return Array.from({ length: count }, (_, i) => {
    const rank = (i * 73) % count
    return writeFile(`mixed-${rank}`, Math.round(1000 * 20_000 ** (rank / (count - 1))))
  })
}

/** A row's job with the places of its files. */
export const prepare = (row, folder = directory) => {
  const { job } = row
  return {
    ...job,
    ...(job.path === undefined ? undefined : { path: fileOf(job.path) }),
    ...(job.task === "download" ? { target: path.join(folder, "download") } : undefined),
    ...(job.task === "mixed" ? { paths: mixedFiles() } : undefined)
  }
}

const curl = (job, baseUrl) => {
  const files = `${baseUrl}/v1/files`
  const quiet = ["-sf", "-o", "/dev/null"]
  const parallel = job.concurrency > 1 ? ["-Z", "--parallel-max", String(job.concurrency), "--parallel-immediate"] : []
  switch (job.task) {
    case "upload":
      return ["curl", ...quiet, "-F", `file=@${job.path}`, files]
    case "download":
      return [
        "sh",
        "-c",
        `curl -sf -o "$2.part" "$1" && sync "$2.part" && mv "$2.part" "$2"`,
        "sh",
        `${files}/file_${job.bytes}_1/content`,
        job.target
      ]
    case "small":
      return ["curl", ...parallel, ...quiet, "-F", `file=@${job.path}`, `${files}?n=[1-${job.count}]`]
    case "metadata":
      return ["curl", ...quiet, `${files}/file_1024_[1-${job.count}]`]
    case "list":
      return [
        "curl",
        ...quiet,
        `${baseUrl}/t${job.total}/v1/files?limit=${job.limit}&page=p[0-${job.total - job.limit}:${job.limit}]`
      ]
    case "mixed":
      return ["curl", ...parallel, "-K", writeConfig(job.paths, files)]
  }
  return undefined
}

const writeConfig = (paths, url) => {
  const config = path.join(directory, "curl.conf")
  fs.writeFileSync(
    config,
    paths.map((location) => `silent\nfail\noutput = "/dev/null"\nform = "file=@${location}"\nurl = "${url}"\n`).join(
      "next\n"
    )
  )
  return config
}

const c = (job, baseUrl) => {
  const load = (...args) => [native, "load", new URL(baseUrl).port, ...args.map(String)]
  switch (job.task) {
    case "upload":
      return load("upload", 1, 1, job.path)
    case "download":
      return load("download", 1, 1, job.target)
    case "small":
      return load("post", job.count, job.concurrency)
    case "metadata":
      return load("metadata", job.count, job.concurrency)
    case "list":
      return load(`list-${job.limit}`, job.total / job.limit, 1)
  }
  return undefined
}

/** The commands of the runtimes that are on this machine. */
const runtimes = new Map(
  ["node", "bun", "deno"].flatMap((name) => {
    const command = runtimeOf(name)
    return command === undefined ? [] : [[name, command]]
  })
)

/** The versions of the runtimes other than this one, `null` for one that is not on this machine. */
export const versions = Object.fromEntries(
  ["bun", "deno"].map((name) => {
    const command = runtimes.get(name)
    if (command === undefined) return [name, null]
    const { stdout } = spawnSync(command[0], ["--version"], { encoding: "utf8" })
    return [name, /\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? "unknown"]
  })
)

const commandOf = (contender, job, baseUrl) => {
  if (contender.node !== undefined) {
    const runtime = runtimes.get(contender.runtime ?? "node")
    return runtime && [
      ...runtime,
      ...(contender.flags ?? []),
      path.join(here, "contenders", `${contender.node}.mjs`),
      JSON.stringify({ ...job, baseUrl, variant: contender.variant })
    ]
  }
  // Without the program there is nobody to measure another program.
  if (native === undefined) return undefined
  const command = contender.id === "c" ? c(job, baseUrl) : hasCurl ? curl(job, baseUrl) : undefined
  return command === undefined ? undefined : [native, "run", ...command]
}

/** Runs a command that prints one line of JSON. */
export const json = ([command, ...args], options = {}) =>
  new Promise((resolve, reject) => {
    execFile(command, args, { timeout: 300_000, maxBuffer: 1 << 24, ...options }, (error, stdout, stderr) => {
      if (error !== null) return reject(new Error(`${command} ${args.join(" ").slice(0, 200)}: ${stderr || error}`))
      const result = JSON.parse(stdout.trim().split("\n").at(-1))
      return result.exit
        ? reject(new Error(`${args.join(" ").slice(0, 200)}: exit ${result.exit} ${stderr}`))
        : resolve(result)
    })
  })

/**
 * One measurement, over a link to the server if there is one. `undefined` where the contender can't do this work; an error where it did not do it.
 */
export const measure = async (row, contender, job, baseUrl, link = baseUrl) => {
  const command = commandOf(contender, contender.node === "ours" ? { ...job, ...row.ours } : job, link)
  if (command === undefined) return undefined
  // What one has left in the page cache is not for the next to wait for.
  if (job.target !== undefined) spawnSync("sync")
  await statsOf(baseUrl)
  const before = await statsOf(baseUrl)
  // A link that ends TLS has a certificate of the tests' own authority.
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: path.join(here, "..", "test", "node", "fixtures", "ca.pem") }
  const result = await json(command, link.startsWith("https:") ? { env } : {})
  const seen = await statsOf(baseUrl)
  if (!row.saw(seen)) throw new Error(`${contender.id} did not do ${row.id}: the server saw ${JSON.stringify(seen)}`)
  if (job.target !== undefined) {
    const { size } = fs.statSync(job.target)
    fs.rmSync(job.target)
    if (size !== job.bytes) throw new Error(`${contender.id} left ${size} bytes`)
  }
  return { ...result, serverCpuMs: seen.cpuMs - before.cpuMs }
}
