/**
 * Runs the tests on other Node versions: `node scripts/node-matrix.mjs 22 26`, with further arguments of vitest.
 *
 * Each version is installed from npm into its own cache, outside the project's dependency tree, so that the tree has one
 * `node`, in node_modules/.bin, and can be installed on every platform.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"

const run = (command, args, env = process.env) => {
  // On Windows npm is a .cmd file, which only a shell can start.
  const shell = process.platform === "win32" && command === "npm"
  return spawnSync(command, args, { stdio: "inherit", env, shell }).status ?? 1
}

const install = (version) => {
  const folder = path.resolve("node_modules/.cache/node-matrix", version)
  const binary = path.join(folder, "node_modules/node/bin", process.platform === "win32" ? "node.exe" : "node")
  if (!fs.existsSync(binary)) {
    fs.mkdirSync(folder, { recursive: true })
    const manifest = { private: true, dependencies: { node: version }, allowScripts: { node: true } }
    fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify(manifest))
    if (run("npm", ["install", "--prefix", folder, "--prefer-offline", "--no-audit", "--no-fund"]) !== 0) {
      throw new Error(`could not install Node ${version} from npm`)
    }
  }
  return binary
}

const isVersion = (argument) => /^\d/.test(argument)
const options = process.argv.slice(2).filter((argument) => !isVersion(argument))

let failed = 0
for (const version of process.argv.slice(2).filter(isVersion)) {
  const node = install(version)
  console.log(`\nNode ${version}:`)
  run(node, ["--version"])
  // Tests that start `node` themselves get the same version.
  const env = { ...process.env, PATH: `${path.dirname(node)}${path.delimiter}${process.env.PATH}` }
  if (run(node, ["node_modules/vitest/vitest.mjs", "run", ...options], env) !== 0) failed++
}
process.exitCode = failed === 0 ? 0 : 1
