/**
 * What a run has done so far, and the exit code that it comes to.
 */
import type { Item, Summary } from "../CliEvent.ts"
import { codeOfRun } from "./exitCode.ts"

/** What of an item is counted. */
type Counted = Pick<Item, "action" | "bytes" | "file">

export interface Tally {
  readonly counts: ReadonlyMap<Item["action"], number>
  readonly count: (item: Counted) => void
  /** Counts a failure by its exit code. */
  readonly fail: (exitCode: number) => void
  /** The code of a run in which nothing fails. @default 0 */
  readonly endWith: (code: number) => void
  /** The code of the run, whatever it did. */
  readonly endAs: (code: number) => void
  readonly successes: () => number
  /**
   * @param elapsed seconds
   * @param signalCode the exit code of the signal that interrupted the run
   */
  readonly summary: (command: string, elapsed: number, signalCode: number | undefined) => Summary
}

/** @param main the action whose bytes count; those of every action where there is none */
export const make = (main: Item["action"] | undefined): Tally => {
  const counts = new Map<Item["action"], number>()
  const failureCodes = new Set<number>()
  let bytes = 0
  let failures = 0
  let codeWithoutFailures: number | undefined
  let fixedCode: number | undefined

  const successes = () => Array.from(counts.values()).reduce((sum, count) => sum + count, 0)

  const exitCode = (): number => {
    if (fixedCode !== undefined) return fixedCode
    if (failures === 0 && codeWithoutFailures !== undefined) return codeWithoutFailures
    return codeOfRun(Array.from(failureCodes), successes())
  }

  return {
    counts,
    count: ({ action, bytes: moved, file }) => {
      counts.set(action, (counts.get(action) ?? 0) + 1)
      if (main === undefined || action === main || action === "planned") bytes += moved ?? file?.size_bytes ?? 0
    },
    fail: (exitCode) => {
      failures++
      failureCodes.add(exitCode)
    },
    endWith: (code) => void (codeWithoutFailures = code),
    endAs: (code) => void (fixedCode = code),
    successes,
    summary: (command, elapsed, signalCode) => ({
      version: 1,
      kind: "summary",
      command,
      items: Object.fromEntries(counts),
      bytes,
      errors: failures,
      elapsed,
      interrupted: signalCode !== undefined,
      exitCode: signalCode ?? exitCode()
    })
  }
}
