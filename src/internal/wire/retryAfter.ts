import * as Duration from "effect/Duration"
import * as Headers from "effect/http/Headers"
import * as Result from "effect/Result"

/** Enough digits for any wait; more would exceed what a Duration can hold. */
const decimal = /^\d{1,15}(?:\.\d{1,15})?$/

/** No service means a longer wait: it would be a date instead of seconds, or a wrong clock. Milliseconds. */
const longest = 24 * 60 * 60 * 1000

const atMost = (millis: number): Duration.Duration => Duration.millis(Math.min(millis, longest))

/**
 * How long a response asks to wait, at most a day: `retry-after-ms`, else `retry-after` in seconds (possibly fractional)
 * or as an HTTP date. A date is compared with the response's own `date`, else with `now` (epoch milliseconds). Any other
 * value is ignored. Zero and past dates ask for no wait; callers wait for the longer of this and their own back-off.
 */
export const retryAfter = (headers: Headers.Headers, now: number): Duration.Duration | undefined => {
  const millis = headers["retry-after-ms"]?.trim()
  if (millis !== undefined && decimal.test(millis)) return atMost(Number(millis))
  const value = headers["retry-after"]?.trim()
  if (value === undefined) return undefined
  if (decimal.test(value)) return atMost(Number(value) * 1000)
  if (/^[\d.]+$/.test(value)) return undefined
  const until = Headers.parseRetryAfter(value)
  if (Result.isFailure(until)) return undefined
  const sentAt = Date.parse(headers["date"] ?? "")
  return atMost(
    Duration.toMillis(Headers.retryAfterDelay(until.success, Number.isNaN(sentAt) ? now : sentAt))
  )
}
