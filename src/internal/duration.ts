import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/**
 * What an option gives as a duration. A number that could not be computed (`NaN`, of an environment variable that is not
 * set for example) is none, and not a duration of zero.
 */
export const durationOf = (input: unknown): Option.Option<Duration.Duration> =>
  Number.isNaN(input) ? Option.none() : Duration.fromInput(input as Duration.Input)
