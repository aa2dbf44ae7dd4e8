/**
 * The child's side of a measurement: one job, its time and memory as one line of JSON. Time begins after the imports,
 * since these have figures of their own.
 */
import * as fs from "node:fs"
import { monitorEventLoopDelay } from "node:perf_hooks"

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
  const stalls = job.watch ? monitorEventLoopDelay({ resolution: 1 }) : undefined
  stalls?.enable()
  const cpu = process.cpuUsage()
  const start = performance.now()
  // A task may have a figure of its own.
  const own = await tasks[job.task](job)
  const ms = typeof own === "number" ? own : performance.now() - start
  const { system, user } = process.cpuUsage(cpu)
  // Nothing that is still open may hold the process.
  fs.writeSync(
    1,
    `${
      JSON.stringify({
        ms,
        cpuMs: (system + user) / 1000,
        rssKb: peak(),
        ...(stalls === undefined ? undefined : { stallMs: stalls.max / 1e6 })
      })
    }\n`
  )
  process.exit(0)
}

/** The median of the milliseconds that `run` takes to call `came`, one after another. */
export const untilFirst = async (count, run) => {
  const times = []
  for (let n = 0; n < count; n++) {
    const start = performance.now()
    await run(() => times.push(performance.now() - start))
  }
  check(times.length === count, `${times.length} of ${count} came`)
  return times.toSorted((a, b) => a - b)[count >> 1]
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
