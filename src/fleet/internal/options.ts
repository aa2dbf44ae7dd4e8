/**
 * Validation of what callers pass to an ingest.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { RequestFailed } from "../../FilesError.ts"
import { durationOf } from "../../internal/duration.ts"
import { invalidRequest } from "../../internal/request/errors.ts"
import { loneSurrogate } from "../../internal/text.ts"
import type { Settings } from "./engine.ts"
import type { RunOptions } from "./model.ts"

const invalid = (option: string, message: string): Effect.Effect<never, RequestFailed> =>
  Effect.fail(invalidRequest("upload", option, message))

/** Bytes of UTF-8. */
const maxNameSize = 200

export const checkName = (ingest: string): Effect.Effect<void, RequestFailed> => {
  const isName = typeof ingest === "string" && ingest !== "" && !ingest.includes("\0") && !loneSurrogate.test(ingest)
  return isName && new TextEncoder().encode(ingest).length <= maxNameSize
    ? Effect.void
    : invalid("ingest", `The name of an ingest has 1 to ${maxNameSize} bytes, without NUL.`)
}

export const checkCount = (option: string, value: number, least: number): Effect.Effect<number, RequestFailed> =>
  Number.isSafeInteger(value) && value >= least
    ? Effect.succeed(value)
    : invalid(option, `${option} is ${value}; it has to be a whole number of at least ${least}.`)

export const checkDuration = (
  option: string,
  input: Duration.Input,
  isZeroAllowed = false
): Effect.Effect<Duration.Duration, RequestFailed> => {
  const duration = Option.getOrUndefined(durationOf(input))
  const isGood = duration !== undefined && Duration.isFinite(duration)
    && (Duration.isPositive(duration) || (isZeroAllowed && Duration.isZero(duration)))
  return isGood
    ? Effect.succeed(duration)
    : invalid(option, `${option} has to be a finite duration ${isZeroAllowed ? "from 0 on" : "above 0"}.`)
}

export const settingsOf = Effect.fnUntraced(function*<E, R>(
  options: RunOptions<E, R>
): Effect.fn.Return<Settings<R>, RequestFailed> {
  const { keepRunning = false, name = "runner", presign, stopWhen = Effect.never } = options
  return {
    concurrency: yield* checkCount("concurrency", options.concurrency ?? 16, 1),
    maxAttempts: yield* checkCount("maxAttempts", options.maxAttempts ?? 8, 1),
    retryDelay: yield* checkDuration("retryDelay", options.retryDelay ?? "5 seconds"),
    grace: yield* checkDuration("grace", options.grace ?? "3 seconds", true),
    renewWithin: options.renewWithin === undefined
      ? undefined
      : yield* checkDuration("renewWithin", options.renewWithin),
    keepRunning,
    stopWhen,
    presign,
    name
  }
})
