import * as Context from "effect/Context"
import * as Duration from "effect/Duration"

/** The minute of "requests a minute", so that a test need not wait for one. */
export const RateLimitWindow = Context.Reference<Duration.Duration>(
  "effect-anthropic-files/internal/policy/RateLimitWindow",
  { defaultValue: () => Duration.minutes(1) }
)
