import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/**
 * The duration of an option. `NaN`, for example from an environment variable that is not set, is not a duration, although
 * effect reads it as zero.
 */
export const durationOf = (input: unknown): Option.Option<Duration.Duration> =>
  Number.isNaN(input) ? Option.none() : Duration.fromInput(input as Duration.Input)
