/**
 * A limit of requests or tokens per minute: a bucket that refills steadily.
 */
import * as DateTime from "effect/DateTime"

export interface RateLimit {
  /** Milliseconds until the bucket holds at least one; 0 if it does. */
  readonly wait: (now: number) => number
  /** Takes from the bucket, even more than it holds: then the next wait is longer. */
  readonly take: (amount: number, now: number) => void
  readonly headers: (now: number) => Record<string, string>
  readonly reset: () => void
}

/** @param name in the headers: `requests` or `tokens` */
export const make = (name: string, perMinute: number): RateLimit => {
  const perMilli = perMinute / 60_000
  let left = perMinute
  let last: number | undefined
  const fill = (now: number) => {
    if (last !== undefined) left = Math.min(perMinute, left + Math.max(0, now - last) * perMilli)
    last = now
  }
  return {
    wait: (now) => {
      fill(now)
      return left >= 1 ? 0 : Math.ceil((1 - left) / perMilli)
    },
    take: (amount, now) => {
      fill(now)
      left -= amount
    },
    headers: (now) => {
      fill(now)
      const fullAt = now + Math.ceil((perMinute - left) / perMilli)
      return {
        [`anthropic-ratelimit-${name}-limit`]: String(perMinute),
        [`anthropic-ratelimit-${name}-remaining`]: String(Math.max(0, Math.floor(left))),
        [`anthropic-ratelimit-${name}-reset`]: DateTime.formatIso(DateTime.makeUnsafe(fullAt))
      }
    },
    reset: () => {
      left = perMinute
      last = undefined
    }
  }
}
