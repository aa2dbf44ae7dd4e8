/**
 * Measures the rows of small requests and holds their ratios against the recorded ones. It reports and never fails:
 * a machine that is busy is no defect.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { rows } from "./rows.mjs"

const folder = import.meta.dirname
const recorded = JSON.parse(fs.readFileSync(path.join(folder, "results/latest.json"), "utf8"))
const names = rows.filter(({ small }) => small === true).map(({ id }) => id)
const rounds = process.argv[2] ?? "5"

const { status, stdout } = spawnSync(
  process.execPath,
  [path.join(folder, "main.mjs"), ...names, "--only", "ours", "--rounds", rounds, "--json"],
  { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], maxBuffer: 1 << 26 }
)
if (status !== 0) {
  console.log("The benchmark did not run, so there is nothing to compare.")
  process.exit(0)
}
const now = JSON.parse(stdout)

/** More than this above the recorded ratio is worth a look. */
const tolerance = 1.15

console.log("CPU time as a ratio to raw `node:http`: recorded, and now.\n")
console.log("| work | contender | recorded | now | |\n| --- | --- | --- | --- | --- |")
for (const id of names) {
  for (const [contender, figures] of Object.entries(now.rows[id].contenders)) {
    const before = recorded.rows[id]?.contenders[contender]?.cpuRatio.median
    if (contender === "raw" || before === undefined) continue
    const after = figures.cpuRatio.median
    const change = `${after >= before ? "+" : "−"}${Math.abs(Math.round((after / before - 1) * 100))} %`
    console.log(
      `| ${now.rows[id].title} | ${contender} | ${before.toFixed(2)} | ${after.toFixed(2)} | ${change}${
        after > before * tolerance ? " ⚠" : ""
      } |`
    )
  }
}
if (recorded.machine.node.split(".")[0] !== now.machine.node.split(".")[0]) {
  console.log(`\nRecorded with Node ${recorded.machine.node}, measured with ${now.machine.node}: not quite comparable.`)
}
