/**
 * `npm run bench` measures all rows and writes them down; `npm run bench -- upload-500 list-20` measures some and only
 * prints them.
 *
 *   --rounds n     5 by default
 *   --only a,b     contenders whose names begin so, and raw
 *   --save         writes down rows that were asked for by name, too
 *   --json         prints JSON instead of Markdown
 *
 * Besides the rows of rows.mjs there are `imports`, `bundle` and, only when asked for, `growth`, `feel` and `ingest`.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { parseArgs } from "node:util"
import { measureBundle } from "./bundle.mjs"
import { measureFeel } from "./feel.mjs"
import { measureGrowth } from "./growth.mjs"
import { measureImports } from "./imports.mjs"
import { measureIngest } from "./ingest.mjs"
import { contenders, rows } from "./rows.mjs"
import { directory, measure, native, prepare, ramDisk, startServer, versions } from "./run.mjs"
import { summary } from "./statistics.mjs"
import { render } from "./table.mjs"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    only: { type: "string" },
    save: { type: "boolean", default: false },
    json: { type: "boolean", default: false }
  }
})
const rounds = Number(values.rounds)
const only = values.only?.split(",")
const isAsked = (name) => positionals.length === 0 || positionals.includes(name)

const known = [...rows.map(({ id }) => id), "imports", "bundle", "growth", "feel", "ingest"]
const unknown = positionals.filter((name) => !known.includes(name))
if (unknown.length > 0 || !Number.isInteger(rounds) || rounds < 1) {
  console.error(`There are the rows ${known.join(", ")}; --rounds is a whole number.`)
  process.exit(2)
}

const progress = (text) => {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${text}`)
}

const takesPart = (row) => (contender) =>
  (contender.id === "raw" || only === undefined || only.some((prefix) => contender.id.startsWith(prefix)))
  && (row.only === undefined || row.only.some((prefix) => contender.id.startsWith(prefix)))
  && (contender.tasks === undefined || contender.tasks.includes(row.job.task))

const server = await startServer()
let slow

/** In any order: what one leaves behind, dirty pages for example, must not always be the same one's. */
const shuffled = (list) =>
  list
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)

/** One row: all contenders in each round, each round in another order. */
const measureRow = async (row) => {
  if (row.slow === true) slow ??= await startServer(100_000_000)
  const job = prepare(row, row.needs === "ramDisk" ? ramDisk : directory)
  const taking = contenders.filter(takesPart(row))
  const samples = new Map(taking.map(({ id }) => [id, []]))
  const failed = new Set()
  for (let round = 0; round < rounds; round++) {
    for (const contender of shuffled(taking)) {
      if (failed.has(contender.id)) continue
      progress(`${row.id} ${round + 1}/${rounds} ${contender.id}`)
      try {
        samples.get(contender.id).push(await measure(row, contender, job, row.slow === true ? slow : server))
      } catch (error) {
        // One that can't do the work has no figures; without raw there are no ratios.
        if (contender.id === "raw") throw error
        failed.add(contender.id)
        progress("")
        console.error(`${row.id}: ${contender.id} failed: ${error.message}`)
      }
    }
  }
  progress("")
  const figures = {}
  const raw = samples.get("raw")
  for (const { id } of taking) {
    const own = samples.get(id)
    if (failed.has(id) || own.some((sample) => sample === undefined)) continue
    figures[id] = {
      wallMs: summary(own.map(({ ms }) => ms)),
      cpuMs: summary(own.map(({ cpuMs }) => cpuMs)),
      rssMb: summary(own.map(({ rssKb }) => rssKb / 1024)),
      ratio: summary(own.map(({ ms }, round) => ms / raw[round].ms)),
      cpuRatio: summary(own.map(({ cpuMs }, round) => cpuMs / raw[round].cpuMs)),
      serverShare: summary(own.map(({ ms, serverCpuMs }) => serverCpuMs / ms))
    }
  }
  const { id, memory, must, mustUntraced, target, title } = row
  return { id, title, must, mustUntraced, target, memory, rounds, contenders: figures }
}

const version = (name) => JSON.parse(fs.readFileSync(path.join("node_modules", name, "package.json"), "utf8")).version

const results = {
  measuredAt: new Date().toISOString().slice(0, 10),
  machine: {
    cpu: os.cpus()[0]?.model ?? "unknown CPU",
    cores: os.availableParallelism(),
    platform: `${os.type()} ${os.release()}`,
    node: process.versions.node,
    runtimes: versions,
    packages: Object.fromEntries(
      ["effect", "@effect/platform-node", "@anthropic-ai/sdk"].map((name) => [name, version(name)])
    )
  },
  rounds,
  server: native === undefined ? "node" : "c",
  rows: {}
}

for (const row of rows) {
  if (!isAsked(row.id)) continue
  if (row.needs === "ramDisk" && ramDisk === undefined) continue
  results.rows[row.id] = await measureRow(row)
}
if (isAsked("imports")) results.imports = await measureImports(rounds)
if (isAsked("bundle")) results.bundle = await measureBundle(rounds, server)
if (positionals.includes("feel")) results.feel = await measureFeel(server, rounds)
if (positionals.includes("ingest")) results.ingest = await measureIngest()
if (positionals.includes("growth")) results.growth = await measureGrowth(server)

process.stdout.write(values.json ? `${JSON.stringify(results)}\n` : render(results))

const folder = path.join(import.meta.dirname, "results")
if ((positionals.length === 0 && only === undefined) || values.save) {
  const file = path.join(folder, "latest.json")
  const recorded = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, "utf8")) : {}
  const merged = { ...recorded, ...results, rows: { ...recorded.rows, ...results.rows } }
  fs.mkdirSync(folder, { recursive: true })
  fs.writeFileSync(file, `${JSON.stringify(merged, null, 2)}\n`)
  fs.writeFileSync(path.join(folder, "latest.md"), render(merged))
}
process.exit(0)
