/**
 * Runs Effect's diagnostics over the whole project. Any finding fails, suggestions too, which the tool itself accepts.
 * Rules are turned off in tsconfig.json, under `plugins`.
 */
import { spawnSync } from "node:child_process"
import * as path from "node:path"

const bin = path.resolve("node_modules/@effect/tsgo/dist/effect-tsgo.cjs")
const { stdout } = spawnSync(
  process.execPath,
  [bin, "diagnostics", "--project", path.resolve("tsconfig.json"), "--format", "json"],
  { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], maxBuffer: 1 << 28 }
)
const { diagnostics, summary } = JSON.parse(stdout)

for (const found of diagnostics) {
  const file = path.relative(process.cwd(), found.file)
  console.log(`${file}:${found.line}:${found.column} ${found.severity} ${found.name}: ${found.message}`)
}
console.log(`${diagnostics.length} findings in ${summary.filesChecked} files`)
// Files that the tool did not check count as a failure.
process.exitCode = diagnostics.length === 0 && summary.filesChecked === summary.totalFiles ? 0 : 1
