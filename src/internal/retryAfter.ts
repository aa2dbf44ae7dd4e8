import * as Duration from "effect/Duration"
import * as Headers from "effect/http/Headers"
import * as Result from "effect/Result"

const decimal = /^\d+(?:\.\d+)?$/

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
  const parsed = Headers.parseRetryAfter(value)
  return Result.isSuccess(parsed) ? Headers.retryAfterDelay(parsed.success, now) : undefined
}
