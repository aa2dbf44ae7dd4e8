/**
 * The minute of "requests a minute", so that a test need not wait for one.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"

export const Minute = Context.Reference<Duration.Duration>("effect-anthropic-files/internal/Minute", {
  defaultValue: () => Duration.minutes(1)
})
