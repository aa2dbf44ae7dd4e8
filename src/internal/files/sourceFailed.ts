/**
 * Makes `SourceFailed` errors.
 */
import type { PlatformError } from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import { SourceFailed } from "../../FilesError.ts"
import { defined } from "../defined.ts"
import { codeOf } from "../request/evidence.ts"
import { excerpt, printable, shorten } from "../text.ts"

export const fail = (
  reason: SourceFailed["reason"],
  message: string,
  options: { readonly source?: string | undefined; readonly cause?: unknown; readonly isRetryable?: boolean } = {}
): SourceFailed =>
  new SourceFailed({
    operation: "upload",
    reason,
    message,
    isRetryable: options.isRetryable ?? false,
    ...defined({ source: options.source, cause: options.cause })
  })

/** The message of a foreign failure, as part of a sentence. The query of a URL in it may hold a signature. */
export const wordsOf = (cause: unknown): string => {
  const said = Predicate.hasProperty(cause, "message") ? cause.message : cause
  const words = Predicate.isString(said) ? excerpt(said.replace(/(https?:\/\/[^\s?#]*)[?#][^\s)"']*/g, "$1")) : ""
  return words === "" ? "" : ` with “${words}”`
}

/** A bug in the caller's source: an exception in a mapping, or a value of another type than declared. */
export const fromDefect = (name: string | undefined) => (cause: unknown): SourceFailed =>
  fail(
    "Failed",
    `${name === undefined ? "The source" : shorten(name)} can't be uploaded: its code failed${
      wordsOf(cause)
    }. Nothing was stored.`,
    { source: name, cause }
  )

/** The meaning of system error codes, as the end of a sentence about a path. */
const meanings: Readonly<Record<string, string>> = {
  ELOOP: "its symbolic links form a loop",
  ENAMETOOLONG: "the path or a name in it is too long",
  ENOTDIR: "a part of the path is a file, not a directory",
  EMFILE: "this process has too many files open",
  ENFILE: "this machine has too many files open",
  EIO: "the disk failed",
  EBUSY: "it is in use",
  ESTALE: "the network drive has lost it",
  ETIMEDOUT: "the network drive does not answer"
}

export const fromPlatformError = (path: string) => (error: PlatformError): SourceFailed => {
  const options = { source: path, cause: error }
  switch (error.reason._tag) {
    case "NotFound":
      // Node lists a name that is not UTF-8 with U+FFFD in it, under which it can't be opened.
      if (path.includes("\ufffd")) {
        return fail("NotFound", `${shorten(path)} can't be opened: its name is not UTF-8. Rename it.`, options)
      }
      return fail("NotFound", `There is no file at ${path === "" ? "an empty path" : shorten(path)}.`, options)
    case "PermissionDenied":
      return fail("PermissionDenied", `${shorten(path)} can't be read by this user: permission is denied.`, options)
  }
  const code = codeOf(error)
  const meaning = code === undefined ? undefined : meanings[code]
  const why = meaning === undefined ? code ?? error.reason.description ?? error.message : `${meaning} (${code})`
  return fail("Unreadable", `${shorten(path)} can't be read: ${printable(why)}.`, options)
}
