/**
 * Why a source can't be read.
 */
import type { PlatformError } from "effect/PlatformError"
import { SourceFailed } from "../../FilesError.ts"
import { printable } from "../text.ts"

export const fail = (
  reason: SourceFailed["reason"],
  message: string,
  options?: { readonly source?: string | undefined; readonly cause?: unknown }
): SourceFailed =>
  new SourceFailed({
    operation: "upload",
    reason,
    message,
    isRetryable: false,
    isOutcomeUnknown: false,
    ...(options?.source === undefined ? undefined : { source: options.source }),
    ...(options?.cause === undefined ? undefined : { cause: options.cause })
  })

export const fromPlatformError = (path: string) => (error: PlatformError): SourceFailed => {
  const options = { source: path, cause: error }
  switch (error.reason._tag) {
    case "NotFound":
      return fail("NotFound", `There is no file at ${path === "" ? "an empty path" : printable(path)}.`, options)
    case "PermissionDenied":
      return fail("PermissionDenied", `${printable(path)} may not be read by this user.`, options)
    default:
      return fail("Unreadable", `${printable(path)} can't be read: ${printable(error.message)}.`, options)
  }
}
