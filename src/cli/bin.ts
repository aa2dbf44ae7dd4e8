#!/usr/bin/env node
/**
 * The process edge: the only place that runs an Effect, hears signals and ends the process.
 */
import process from "node:process"

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)

if (major < 22 || (major === 22 && minor < 21)) {
  console.error(`anthropic-files needs Node 22.21 or newer; this is ${process.versions.node}.`)
  process.exit(2)
}

// Loaded only now: an older Node can't even read what stands behind it.
const [{ run }, Effect, Exit, Cause] = await Promise.all([
  import("./main.ts"),
  import("effect/Effect"),
  import("effect/Exit"),
  import("effect/Cause")
])

const codes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

let code: number = codes.SIGINT
let stopping = false

const end = (code: number) => {
  // What was written to a pipe is on its way; asked for in turn, so that nothing is cut off.
  process.exitCode = code
  process.stdout.write("", () => process.stderr.write("", () => process.exit(code)))
}

const fiber = Effect.runFork(run(process.argv.slice(2)))

const stop = (signal: keyof typeof codes) => {
  if (stopping) {
    if (process.stderr.isTTY) process.stderr.write("\u001b[?25h")
    process.exit(codes[signal])
  }
  stopping = true
  code = codes[signal]
  fiber.interruptUnsafe()
}

for (const signal of Object.keys(codes) as Array<keyof typeof codes>) process.on(signal, () => stop(signal))

// npm starts a shell that starts this, and a signal to npm ends the shell alone: its end is taken for the signal.
if (process.env["npm_lifecycle_event"] !== undefined) {
  const parent = process.ppid
  setInterval(() => {
    if (process.ppid !== parent && !stopping) stop("SIGTERM")
  }, 200).unref()
}

fiber.addObserver((exit) => {
  if (Exit.isSuccess(exit)) return end(exit.value)
  if (Cause.hasInterruptsOnly(exit.cause)) return end(code)
  console.error(`anthropic-files failed in a way it should not: ${Cause.pretty(exit.cause)}`)
  end(7)
})
