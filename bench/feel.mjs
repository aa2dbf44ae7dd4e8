/**
 * What users feel: how long until something comes, over links with a delay, and how long the event loop stands still.
 * Only on demand: `npm run bench -- feel`.
 */
import { spawn } from "node:child_process"
import * as path from "node:path"
import { contenders } from "./rows.mjs"
import { measure, prepare, ramDisk } from "./run.mjs"
import { summary } from "./statistics.mjs"

const here = import.meta.dirname

const startLink = (baseUrl, { delay = 0, isTls = false, rate = 0 }) =>
  new Promise((resolve, reject) => {
    const fixtures = path.join(here, "..", "test", "node", "fixtures")
    const identity = isTls ? [path.join(fixtures, "cert.pem"), path.join(fixtures, "key.pem")] : []
    const child = spawn(process.execPath, [
      path.join(here, "link.mjs"),
      new URL(baseUrl).port,
      String(delay),
      String(rate),
      ...identity
    ], { stdio: ["pipe", "pipe", "inherit"] })
    child.once("error", reject)
    child.stdout.once("data", (port) => {
      child.unref()
      child.stdin.unref()
      child.stdout.unref()
      resolve(isTls ? `https://localhost:${String(port).trim()}` : `http://127.0.0.1:${String(port).trim()}`)
    })
  })

const mbit100 = 12_500_000

const uploads = (count) => (seen) => seen.uploads === count

const rows = [
  {
    id: "first-byte",
    title: "first byte of a download of 64 KB, median of 200",
    job: { task: "firstByte", bytes: 64_000, count: 200 },
    saw: (seen) => seen.requests >= 200
  },
  {
    id: "first-row",
    title: "first row of a listing at 100 a page, median of 200",
    job: { task: "firstRow", total: 10_000, limit: 100, count: 200 },
    saw: (seen) => seen.requests >= 200
  },
  {
    id: "cold",
    title: "a cold first request over TLS: process, imports, Layers, handshake, answer",
    link: { isTls: true },
    isWhole: true,
    job: { task: "metadata", count: 1, concurrency: 1 },
    saw: (seen) => seen.requests === 1
  },
  {
    id: "link-20",
    title: "upload 10 MB over 20 ms and 100 Mbit/s",
    link: { delay: 10, rate: mbit100 },
    job: { task: "upload", bytes: 10_000_000, path: "10mb" },
    saw: uploads(1)
  },
  {
    id: "link-100",
    title: "upload 10 MB over 100 ms and 100 Mbit/s",
    link: { delay: 50, rate: mbit100 },
    job: { task: "upload", bytes: 10_000_000, path: "10mb" },
    saw: uploads(1)
  },
  {
    id: "link-small",
    title: "64 uploads of 1 KB at once over 100 ms and 100 Mbit/s",
    link: { delay: 50, rate: mbit100 },
    // The standard policy has 16 under way at a time.
    job: { task: "small", path: "1kb", count: 64, concurrency: 64 },
    saw: uploads(64)
  },
  {
    id: "stall-up",
    title: "the event loop's longest stall, upload of 500 MB",
    isStall: true,
    job: { task: "upload", bytes: 500_000_000, path: "500mb" },
    saw: uploads(1)
  },
  {
    id: "stall-down",
    title: "the event loop's longest stall, download of 500 MB",
    isStall: true,
    job: { task: "download", bytes: 500_000_000 },
    saw: (seen) => seen.contentBytes === 500_000_000
  }
]

const taking = ["raw", "sdk-blob", "ours-bare", "ours-standard-traced"].map((id) =>
  contenders.find((contender) => contender.id === id)
)

/**
 * @param {string} baseUrl
 * @param {number} rounds
 */
export const measureFeel = async (baseUrl, rounds) => {
  const measured = []
  for (const row of rows) {
    const link = row.link === undefined ? undefined : await startLink(baseUrl, row.link)
    const job = { ...prepare(row, ramDisk), ...(row.isStall ? { watch: true } : undefined) }
    const samples = new Map(taking.map(({ id }) => [id, []]))
    for (let round = 0; round < rounds; round++) {
      for (const contender of taking) {
        const started = performance.now()
        try {
          const { ms, stallMs } = await measure(row, contender, job, baseUrl, link)
          const whole = performance.now() - started
          samples.get(contender.id).push(row.isStall ? stallMs : row.isWhole ? whole : ms)
        } catch (error) {
          console.error(`${row.id}: ${contender.id} failed: ${error.message}`)
        }
      }
    }
    for (const [id, values] of samples) if (values.length === 0) samples.delete(id)
    measured.push({
      id: row.id,
      title: row.title,
      contenders: Object.fromEntries(Array.from(samples, ([id, values]) => [id, summary(values)]))
    })
    console.error(
      `${row.title}: ${Array.from(samples, ([id, v]) => `${id} ${summary(v).median.toFixed(1)}`).join(", ")}`
    )
  }
  return measured
}
