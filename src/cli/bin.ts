#!/usr/bin/env node
/**
 * The entry point. It uses nothing that an old Node lacks, so that it can say which Node is needed.
 */
import module from "node:module"
import process from "node:process"
import { version } from "../internal/version.ts"

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
const args = process.argv.slice(2)

/**
 * Lets Node keep the compiled code of the command line, a fifth of the time that it takes to start. It is kept where only
 * this user can write: Node's own choice is the temporary directory, which on Linux is everybody's.
 */
function keepCompiled(): void {
  const isTemporaryOwn = process.platform === "darwin" || process.platform === "win32"
  const { HOME, XDG_CACHE_HOME } = process.env
  const caches = XDG_CACHE_HOME?.startsWith("/") === true ? XDG_CACHE_HOME : HOME && `${HOME}/.cache`
  if (isTemporaryOwn) module.enableCompileCache()
  else if (caches) module.enableCompileCache(`${caches}/effect-anthropic-files/compiled`)
}

if (major < 22 || (major === 22 && minor < 21)) {
  console.error(`anthropic-files needs Node 22.21 or newer; this is ${process.versions.node}.`)
  process.exitCode = 2
} else if (args.length === 1 && args[0] === "--version") {
  console.log(`anthropic-files ${version}`)
} else {
  keepCompiled()
  const { main } = await import("./main.ts")
  main(args)
}
