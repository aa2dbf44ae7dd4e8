/**
 * Credentials from an Effect that provides a token.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { CredentialsFailed } from "../../FilesError.ts"
import { excerpt, kindOf } from "../text.ts"
import { token as randomToken } from "../token.ts"
import { credentialsFailed } from "./failed.ts"
import { bearerOf, isSameSecret, rotating } from "./rotating.ts"
import type { Shape } from "./service.ts"
import { secretText } from "./static.ts"
import * as Tokens from "./tokens.ts"

/** A token and when it expires. */
export interface Token {
  readonly token: Redacted.Redacted<string>
  /** `undefined` if the token doesn't expire. */
  readonly expiresAt?: DateTime.DateTime | Date | undefined
}

export const toEpochMillis = (at: DateTime.DateTime | Date): number =>
  DateTime.isDateTime(at) ? DateTime.toEpochMillis(at) : at.getTime()

/** The message of a foreign failure, for the end of a sentence. */
export const describeError = (error: unknown): string =>
  Predicate.hasProperty(error, "message") && Predicate.isString(error.message) && error.message !== ""
    ? excerpt(error.message)
    : "it gives no reason"

/** Whether a value, which JavaScript may have given, is a token with an expiry that can be read. */
const isToken = (given: unknown): given is Token => {
  if (!Predicate.hasProperty(given, "token")) return false
  const expiresAt = Predicate.hasProperty(given, "expiresAt") ? given.expiresAt : undefined
  return expiresAt === undefined || expiresAt === null || DateTime.isDateTime(expiresAt) || Predicate.isDate(expiresAt)
}

const lentOf = (
  source: string,
  given: Token | Redacted.Redacted<string>
): Effect.Effect<Tokens.Lent<Redacted.Redacted<string>>, CredentialsFailed> => {
  if (!Redacted.isRedacted(given) && !isToken(given)) {
    const message = `The Effect gave ${
      kindOf(given)
    }, which is no token: let it give a Redacted, or { token, expiresAt }.`
    return Effect.fail(credentialsFailed(source, message))
  }
  const { expiresAt, token } = Redacted.isRedacted(given) ? { token: given, expiresAt: undefined } : given
  return secretText(source, token).pipe(
    Effect.mapError(({ message }) => credentialsFailed(source, message)),
    Effect.map((text) => ({
      value: Redacted.make(text),
      expiresAt: expiresAt === undefined || expiresAt === null ? undefined : toEpochMillis(expiresAt)
    }))
  )
}

export interface Options extends Partial<Omit<Shape, "identity">> {
  readonly source: string
  /**
   * @default unique each time
   */
  readonly identity?: string | undefined
  /** Sent in addition to the token. */
  readonly headers?: Readonly<Record<string, string>>
}

export const ofEffect = <E>(
  token: Effect.Effect<Token | Redacted.Redacted<string>, E>,
  options: Options
): Effect.Effect<Shape, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { headers, identity, source, ...rest } = options
    const failed = (cause: E) =>
      cause instanceof CredentialsFailed
        ? cause
        : credentialsFailed(source, `There is no token, since its Effect failed: ${describeError(cause)}`, { cause })
    const died = (defect: unknown) =>
      Effect.fail(credentialsFailed(source, `There is no token, since its Effect died: ${describeError(defect)}`, {
        cause: defect
      }))
    const acquire = Effect.suspend(() => token).pipe(
      Effect.mapError(failed),
      Effect.catchDefect(died),
      Effect.flatMap((given) => lentOf(source, given))
    )
    const tokens = yield* Tokens.make(() => acquire, isSameSecret)
    return rotating(tokens, (value) => Effect.succeed(bearerOf(value, headers)), {
      ...rest,
      source,
      identity: identity ?? `token ${yield* randomToken}`
    })
  })
