/**
 * What the library says to people who write programs, said to people who type commands: they have flags where a program
 * has options. It is made from the error's tag and fields; its message is never taken apart.
 */
import * as Predicate from "effect/Predicate"
import type { InvalidConfig, InvalidFilename } from "../FilesError.ts"
import { printable, sentenceOf } from "../internal/text.ts"
import type { SaveFailed } from "../Transfer.ts"

/** The flags that stand for options of the library. */
const flags: Readonly<Record<string, string>> = {
  allowPlainHttp: "--allow-plain-http",
  baseUrl: "--base-url",
  workspaceId: "--workspace"
}

const ofConfig = ({ advice, message }: InvalidConfig): string => {
  if (advice === undefined) return message
  const flag = flags[advice.option]
  return sentenceOf(advice.problem, flag === undefined ? advice.remedies : [...advice.remedies, `add ${flag}`])
}

const ofFilename = ({ filename, message }: InvalidFilename): string =>
  filename === "" ? "A file needs a name: give one with --name." : message

const ofSave = ({ message, path, reason }: SaveFailed): string =>
  reason === "Exists"
    ? `${printable(path)} exists already: add --force to replace it, or --skip-existing to keep it.`
    : message

const ofDeletions = ({ message, reason }: { readonly message: string; readonly reason: string }): string =>
  reason === "TooManyDeletions" ? `${message} --max-delete allows more.` : message

const byTag: Readonly<Record<string, (error: never) => string>> = {
  InvalidConfig: ofConfig,
  InvalidFilename: ofFilename,
  SaveFailed: ofSave,
  SyncFailed: ofDeletions,
  IngestFailed: ofDeletions
}

/** The sentence of a failure, for people who type commands. */
export const messageOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  const of = Predicate.hasProperty(error, "_tag") ? byTag[String(error._tag)] : undefined
  // A tag has one class of errors, whose fields its function takes.
  return of === undefined ? error.message : of(error as never)
}
