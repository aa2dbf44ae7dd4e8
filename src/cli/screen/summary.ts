/**
 * The summary at the end, and the failures below it: pure functions.
 */
import type { Item, Problem } from "../../CliEvent.ts"
import * as Format from "./format.ts"

type Action = Item["action"]

const verbs: Partial<Record<Action, string>> = {
  uploaded: "uploaded",
  reused: "already there",
  downloaded: "downloaded",
  skipped: "skipped",
  deleted: "deleted",
  unchanged: "unchanged",
  new: "new",
  changed: "changed",
  gone: "gone",
  answered: "answered",
  forgotten: "forgot"
}

export interface Outcome {
  /** The action that the command is about. */
  readonly main: Action
  readonly counts: ReadonlyMap<Action, number>
  /** Bytes of the files that the main action was done to. */
  readonly bytes: number
  readonly failed: number
  /** Seconds. */
  readonly elapsed: number
  readonly interrupted: boolean
}

const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1)

/** `Uploaded 298 files (3.0 GB) in 1 min 4 s, 2 failed`. */
export const sentence = ({ bytes, counts, elapsed, failed, interrupted, main }: Outcome): string => {
  const count = counts.get(main) ?? 0
  const size = bytes > 0 ? ` (${Format.bytes(bytes)})` : ""
  const planned = counts.get("planned")
  if (planned !== undefined) return `Dry run: nothing was done to ${Format.files(planned)}${size}`
  const others = Array.from(counts)
    .filter(([action]) => action !== main)
    .map(([action, count]) => `${count} ${verbs[action] ?? action}`)
  const parts = [
    `${capital(verbs[main] ?? main)} ${Format.files(count)}${size} in ${Format.duration(elapsed)}`,
    ...others,
    ...(failed > 0 ? [`${failed} failed`] : [])
  ]
  return `${interrupted ? "Stopped. " : ""}${parts.join(", ")}`
}

const advice = ({ isOutcomeUnknown, isRetryable }: Problem): string => {
  if (isOutcomeUnknown) return "the service may have done it"
  return isRetryable ? "trying again may help" : "trying again does not help"
}

/**
 * `a.pdf: … (trying again may help; request req_1)`.
 *
 * @param isOfRequest whether it is a failure of a request, which says whether trying again helps
 */
export const failure = (problem: Problem, isOfRequest: boolean): string => {
  const subject = problem.path ?? problem.key ?? problem.id
  const named = subject === undefined || problem.message.includes(subject) ? "" : `${subject}: `
  const notes = [
    ...(isOfRequest ? [advice(problem)] : []),
    ...(problem.requestId === undefined ? [] : [`request ${problem.requestId}`])
  ]
  return `${named}${problem.message}${notes.length === 0 ? "" : ` (${notes.join("; ")})`}`
}
