/**
 * Checks the flags of an upload before any file is read, since a wrong one is wrong for all files.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { checkFilename, checkMimeType, expiresInRange, uploadFields } from "../internal/files/upload.ts"
import { UsageError } from "./failure.ts"
import { messageOf } from "./wording.ts"

export interface Given {
  readonly name?: Option.Option<string>
  readonly mime?: Option.Option<string>
  readonly expiresIn: Option.Option<Duration.Duration>
}

const ifGiven = <A, E>(
  given: Option.Option<A>,
  check: (value: A) => Effect.Effect<unknown, E>,
  sentenceOf: (error: E) => string
): Effect.Effect<void, UsageError> =>
  Option.match(given, {
    onNone: () => Effect.void,
    onSome: (value) =>
      Effect.asVoid(Effect.mapError(check(value), (error) => new UsageError({ message: sentenceOf(error) })))
  })

export const check = (
  { expiresIn, mime = Option.none(), name = Option.none() }: Given
): Effect.Effect<void, UsageError> =>
  Effect.all([
    ifGiven(name, checkFilename, messageOf),
    ifGiven(mime, checkMimeType, messageOf),
    ifGiven(expiresIn, (expiresIn) => uploadFields({ expiresIn }), () => `--expires-in has to be ${expiresInRange}.`)
  ], { discard: true })
