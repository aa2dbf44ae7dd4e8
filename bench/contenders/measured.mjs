/**
 * The child's side of a measurement: one job, its time and memory as one line of JSON. Time begins after the imports,
 * since these have figures of their own.
 */
import * as fs from "node:fs"

/**
 * The process's peak, in kilobytes. On Linux `maxRSS` would begin with the memory of the process that started this one.
 */
const peak = () => {
  if (process.platform !== "linux") return process.resourceUsage().maxRSS
  return Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync("/proc/self/status", "utf8"))[1])
}

/**
 * @param {Record<string, (job: any) => Promise<unknown>>} tasks by name
 */
export const measured = async (tasks) => {
  const job = JSON.parse(process.argv[2])
  const cpu = process.cpuUsage()
  const start = performance.now()
  await tasks[job.task](job)
  const ms = performance.now() - start
  const { system, user } = process.cpuUsage(cpu)
  // Nothing that is still open may hold the process.
  fs.writeSync(1, `${JSON.stringify({ ms, cpuMs: (system + user) / 1000, rssKb: peak() })}\n`)
  process.exit(0)
}

/** `run` for each of 0 to `count` - 1, `concurrency` at once. */
export const each = async (count, concurrency, run) => {
  let next = 0
  const worker = async () => {
    while (next < count) await run(next++)
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
}

/** @type {(condition: boolean, message: string) => void} */
export const check = (condition, message) => {
  if (!condition) throw new Error(message)
}
