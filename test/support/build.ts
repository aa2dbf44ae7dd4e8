import { execFileSync } from "node:child_process"
import * as fs from "node:fs"

const newest = (folder: string): number =>
  fs.readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((latest, entry) => Math.max(latest, fs.statSync(`${entry.parentPath}/${entry.name}`).mtimeMs), 0)

/** Tests that start processes run them on `dist`, as users do: it is built anew when a source is newer. */
export const setup = () => {
  const built = fs.existsSync("dist/index.js") ? fs.statSync("dist/index.js").mtimeMs : 0
  if (newest("src") > built) execFileSync("npm", ["run", "--silent", "build"], { stdio: "inherit" })
}
