#!/usr/bin/env node
import process from "node:process"

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)

if (major < 22 || (major === 22 && minor < 21)) {
  console.error(`claude-files needs Node 22.21 or newer; this is ${process.versions.node}.`)
  process.exit(2)
}
// Loaded only now: an older Node can't even read what stands behind it.
const { main } = await import("./main.ts")
main()
