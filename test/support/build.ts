import { spawnSync } from "node:child_process"
import * as fs from "node:fs"

const newest = (folder: string): number =>
  fs.readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((latest, entry) => Math.max(latest, fs.statSync(`${entry.parentPath}/${entry.name}`).mtimeMs), 0)

/**
 * Tests that start processes run them on `dist`, as users do: it is brought up to date when a source is newer. Type
 * errors are for `npm run typecheck` to report; the tests go on with what was emitted.
 */
export const setup = () => {
  const built = fs.existsSync("dist/index.js") ? newest("dist") : 0
  if (newest("src") <= built) return
  const { status } = spawnSync("npx", ["--no-install", "tsc", "-p", "tsconfig.build.json"], { stdio: "inherit" })
  if (status !== 0) console.warn("tsc found errors in src")
  spawnSync(process.execPath, ["scripts/bundle.mjs"], { stdio: "inherit" })
}
