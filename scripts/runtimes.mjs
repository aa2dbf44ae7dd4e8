/**
 * Installs Bun and Deno below node_modules/.cache: `node scripts/runtimes.mjs`. Tests and benchmarks use those that they
 * find there, and leave out the others.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"

/** The package that has each, and the scope and place of the binaries that belong to it. */
const packages = {
  bun: { version: "1.4.4", scope: "@oven", binary: "bin/bun" },
  deno: { version: "2.9.6", scope: "@deno", binary: "deno" }
}

export const names = Object.keys(packages)

const folderOf = (name) => path.resolve(import.meta.dirname, "../node_modules/.cache/runtimes", name)

/**
 * The path of an installed runtime, `undefined` where it is not there or does not run on this machine.
 *
 * @param {string} name `bun` or `deno`
 * @returns {string | undefined}
 */
export const binaryOf = (name) => {
  const { binary, scope } = packages[name]
  const scoped = path.join(folderOf(name), "node_modules", scope)
  const found = fs.existsSync(scoped) ? fs.readdirSync(scoped) : []
  return found
    .map((entry) => path.join(scoped, entry, binary))
    .find((file) => spawnSync(file, ["--version"], { stdio: "ignore" }).status === 0)
}

/**
 * The command that runs a script of this repository.
 *
 * @param {string} name `node`, `bun` or `deno`
 * @returns {ReadonlyArray<string> | undefined}
 */
export const commandOf = (name) => {
  if (name === "node") return [process.execPath]
  const binary = binaryOf(name)
  if (binary === undefined) return undefined
  return name === "deno" ? [binary, "run", "--allow-all", "--no-lock", "--node-modules-dir=manual"] : [binary]
}

const install = (name) => {
  const folder = folderOf(name)
  fs.mkdirSync(folder, { recursive: true })
  fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify({ private: true }))
  // Neither needs its install script: the binary is used where it lies.
  const args = ["install", "--ignore-scripts", "--no-audit", "--no-fund", `${name}@${packages[name].version}`]
  spawnSync("npm", args, { cwd: folder, stdio: "inherit" })
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const name of names) {
    if (binaryOf(name) === undefined) install(name)
    console.log(`${name}: ${binaryOf(name) ?? "not for this machine"}`)
  }
}
