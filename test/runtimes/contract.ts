/**
 * The contract suite as a program of its own, bundled for Bun and Deno.
 */
import { Effect } from "effect"
import { run } from "./runner.ts"

await import("../contract/emulator.test.ts")
await Effect.runPromise(run)
process.exit(0)
