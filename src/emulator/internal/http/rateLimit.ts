/**
 * Requests a minute, as a bucket that fills steadily.
 */
import * as DateTime from "effect/DateTime"

export interface RateLimit {
  /** Takes one request, or says how many milliseconds to wait for the next. */
  readonly take: (now: number) => { readonly headers: Record<string, string>; readonly waitMillis: number }
  readonly reset: () => void
}

export const make = (requestsPerMinute: number): RateLimit => {
  const perMilli = requestsPerMinute / 60_000
  let tokens = requestsPerMinute
  let last: number | undefined
  return {
    take: (now) => {
      if (last !== undefined) tokens = Math.min(requestsPerMinute, tokens + Math.max(0, now - last) * perMilli)
      last = now
      const waitMillis = tokens >= 1 ? 0 : Math.ceil((1 - tokens) / perMilli)
      if (waitMillis === 0) tokens -= 1
      const fullAt = now + Math.ceil((requestsPerMinute - tokens) / perMilli)
      return {
        waitMillis,
        headers: {
          "anthropic-ratelimit-requests-limit": String(requestsPerMinute),
          "anthropic-ratelimit-requests-remaining": String(Math.floor(tokens)),
          "anthropic-ratelimit-requests-reset": DateTime.formatIso(DateTime.makeUnsafe(fullAt))
        }
      }
    },
    reset: () => {
      tokens = requestsPerMinute
      last = undefined
    }
  }
}
