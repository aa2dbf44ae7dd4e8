/**
 * Words the operating system's errors for messages.
 */
import type { PlatformError } from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import { printable } from "../text.ts"

/** Matches `ENOSPC: no space left on device, write`, the form of all runtimes on libuv. */
const worded = /\b(E[A-Z0-9]{2,})\b(?:: ([^,]+))?/

const textOf = (error: PlatformError): string => {
  const { cause, description } = error.reason
  if (Predicate.hasProperty(cause, "message") && typeof cause.message === "string") return cause.message
  return description ?? ""
}

/** The error's code, for example `ENOSPC`, if the platform gives one. */
const codeOf = (error: PlatformError): string | undefined => {
  const { cause } = error.reason
  if (Predicate.hasProperty(cause, "code") && typeof cause.code === "string") return cause.code
  return worded.exec(textOf(error))?.[1]
}

/** For example `no space left on device (ENOSPC)`. */
export const causeOf = (error: PlatformError): string => {
  const code = codeOf(error)
  const text = textOf(error)
  const words = worded.exec(text)?.[2] ?? text
  if (words === "") return code ?? `the file system gave no reason (${error.reason._tag})`
  return printable(code === undefined || words.includes(code) ? words : `${words} (${code})`)
}

/** Whether the disk or this user's quota is full. */
export const isDiskFull = (error: PlatformError): boolean => ["ENOSPC", "EDQUOT"].includes(codeOf(error) ?? "")

/** Whether the file system does not support the operation, as some network and user-space ones don't. */
export const isUnsupported = (error: PlatformError): boolean =>
  ["ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EINVAL", "EPERM"].includes(codeOf(error) ?? "")
