import * as Duration from "effect/Duration"
import * as Headers from "effect/http/Headers"
import * as Result from "effect/Result"

/** Digits enough for any wait; more would leave the numbers that a Duration can hold. */
const decimal = /^\d{1,15}(?:\.\d{1,15})?$/

/**
 * How long a response asks to wait: `retry-after-ms`, else `retry-after` as seconds (fractional too) or an HTTP date
 * measured from `now` (epoch milliseconds). Anything else is no wish at all.
 */
export const retryAfter = (headers: Headers.Headers, now: number): Duration.Duration | undefined => {
  const millis = headers["retry-after-ms"]?.trim()
  if (millis !== undefined && decimal.test(millis)) return Duration.millis(Number(millis))
  const value = headers["retry-after"]?.trim()
  if (value === undefined) return undefined
  if (decimal.test(value)) return Duration.millis(Number(value) * 1000)
  const parsed = /^[\d.]+$/.test(value) ? undefined : Headers.parseRetryAfter(value)
  return parsed !== undefined && Result.isSuccess(parsed) ? Headers.retryAfterDelay(parsed.success, now) : undefined
}
