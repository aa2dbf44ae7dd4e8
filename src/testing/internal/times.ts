/**
 * Moves the times in a recorded answer, so that a time that was an hour ahead still is.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Cassette from "./cassette.ts"

/** Fields and headers that hold a time: `created_at`, `anthropic-ratelimit-requests-reset`, `date`, `retry-after`. */
const holdsTime = /(_at|-reset)$|^(date|retry-after)$/

const isHttpDate = (text: string): boolean => /^[A-Z][a-z]{2}, .* GMT$/.test(text)

const isTimestamp = (text: string): boolean => /^\d{4}-\d{2}-\d{2}T/.test(text)

const move = (text: string, by: Duration.Duration): string =>
  Option.match(isHttpDate(text) || isTimestamp(text) ? DateTime.make(text) : Option.none(), {
    onNone: () => text,
    onSome: (time) => {
      const moved = DateTime.addDuration(time, by)
      return isHttpDate(text) ? DateTime.toDateUtc(moved).toUTCString() : DateTime.formatIso(moved)
    }
  })

/** The answer with all its times moved. */
export const moved = (response: Cassette.Response, by: Duration.Duration): Cassette.Response =>
  Duration.isZero(by) ? response : Cassette.mapTexts(
    response,
    (text, name) => holdsTime.test(name) ? move(text, by) : text
  ) as Cassette.Response
