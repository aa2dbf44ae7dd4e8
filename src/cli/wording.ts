/**
 * What the library says to people who write programs, said to people who type commands: they have flags where a program
 * has options. It is made from the error's fields; its message is never taken apart.
 */
import * as Predicate from "effect/Predicate"
import { InvalidConfig, InvalidFilename } from "../FilesError.ts"
import { advise } from "../internal/advice.ts"

/** The flags that stand for options of the library. */
const flags: Readonly<Record<string, string>> = {
  allowPlainHttp: "--allow-plain-http",
  baseUrl: "--base-url",
  workspaceId: "--workspace"
}

const ofConfig = ({ advice, message }: InvalidConfig): string => {
  if (advice === undefined) return message
  const flag = flags[advice.option]
  return advise(advice.problem, flag === undefined ? advice.remedies : [...advice.remedies, `add ${flag}`])
}

/** What to do about it, by the error's tag and reason, where the message leaves that open. */
const hints: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  SyncFailed: { TooManyDeletions: "--max-delete allows more." },
  IngestFailed: { TooManyDeletions: "--max-delete allows more." }
}

/** The sentence of a failure, for people who type commands. */
export const messageOf = (error: unknown): string => {
  if (error instanceof InvalidConfig) return ofConfig(error)
  if (error instanceof InvalidFilename && error.filename === "") return "A file needs a name: give one with --name."
  const message = error instanceof Error ? error.message : String(error)
  if (!Predicate.hasProperty(error, "_tag") || !Predicate.hasProperty(error, "reason")) return message
  const hint = hints[String(error._tag)]?.[String(error.reason)]
  return hint === undefined ? message : `${message} ${hint}`
}
