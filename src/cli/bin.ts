#!/usr/bin/env node
/**
 * The entry point. It uses nothing that an old Node lacks, so that it can say which Node is needed.
 */
import process from "node:process"
import { version } from "../internal/version.ts"

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
const args = process.argv.slice(2)

if (major < 22 || (major === 22 && minor < 21)) {
  console.error(`anthropic-files needs Node 22.21 or newer; this is ${process.versions.node}.`)
  process.exitCode = 2
} else if (args.length === 1 && args[0] === "--version") {
  console.log(`anthropic-files ${version}`)
} else {
  const { main } = await import("./main.ts")
  main(args)
}
