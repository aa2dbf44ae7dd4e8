/**
 * More of the same: time has to grow linearly, memory not at all. In long runs, so only on demand.
 */
import { contenders } from "./rows.mjs"
import { fileOf, measure } from "./run.mjs"

/**
 * V8 lets its young generation grow to some 130 MB while a program runs, whatever that does. Held at one size, what grows
 * is the program's own.
 */
const ours = {
  ...contenders.find(({ id }) => id === "ours-standard-traced"),
  flags: ["--max-semi-space-size=8"]
}

const series = [
  {
    title: "list n files, 1000 a page",
    sizes: [100_000, 250_000, 500_000, 1_000_000],
    job: (n) => ({ task: "list", total: n, limit: 1000 }),
    saw: (n) => (seen) => seen.requests === n / 1000
  },
  {
    title: "upload n files of 1 KB, 16 at once",
    sizes: [10_000, 25_000, 50_000, 100_000],
    job: (n) => ({ task: "small", path: fileOf("1kb"), count: n, concurrency: 16 }),
    saw: (n) => (seen) => seen.uploads === n
  },
  {
    title: "upload 64 files of 100 MB, n at once",
    sizes: [1, 4, 16, 64],
    job: (n) => ({ task: "mixed", paths: Array.from({ length: 64 }, () => fileOf("100mb")), concurrency: n }),
    saw: () => (seen) => seen.uploads === 64
  }
]

/** @param {string} baseUrl */
export const measureGrowth = async (baseUrl) => {
  const measured = []
  for (const { job, saw, sizes, title } of series) {
    const points = []
    for (const n of sizes) {
      const { cpuMs, ms, rssKb } = await measure({ id: "growth", saw: saw(n) }, ours, job(n), baseUrl)
      points.push({ n, seconds: ms / 1000, cpuSeconds: cpuMs / 1000, rssMb: rssKb / 1024 })
      console.error(`${title}: ${n}, ${(ms / 1000).toFixed(1)} s, ${(rssKb / 1024).toFixed(0)} MB`)
    }
    measured.push({ title, points })
  }
  return measured
}
