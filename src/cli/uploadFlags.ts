/**
 * Checks the flags of an upload before any file is read, since a wrong one is wrong for all files.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { expiresInRange, filenameError, mimeTypeError, uploadFields } from "../internal/files/upload.ts"
import { UsageError } from "./failure.ts"
import { messageOf } from "./wording.ts"

export interface Given {
  readonly name?: Option.Option<string>
  readonly mime?: Option.Option<string>
  readonly expiresIn: Option.Option<Duration.Duration>
}

const refuse = (message: string): Effect.Effect<never, UsageError> => Effect.fail(new UsageError({ message }))

export const check = (
  { expiresIn, mime = Option.none(), name = Option.none() }: Given
): Effect.Effect<void, UsageError> => {
  const wrong = Option.getOrUndefined(Option.map(name, filenameError))
    ?? Option.getOrUndefined(Option.map(mime, mimeTypeError))
  if (wrong !== undefined) return refuse(messageOf(wrong))
  return Option.exists(expiresIn, (expiresIn) => Result.isFailure(uploadFields({ expiresIn })))
    ? refuse(`--expires-in has to be ${expiresInRange}.`)
    : Effect.void
}
