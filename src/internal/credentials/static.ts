/**
 * Credentials that never change.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { InvalidConfig } from "../../FilesError.ts"
import { ofLines } from "../sha256.ts"
import { kindOf } from "../text.ts"
import { type Authorization, make, type Shape } from "./service.ts"

/** Whether a value is in quotes that were meant for a shell: docker's `--env-file` and others keep them in the value. */
export const isQuoted = (text: string): boolean => /^(["'`]).*\1$/.test(text)

/** What is wrong with a value in quotes, as the end of a sentence. */
export const quotedProblem = "is in quotes, which are not part of such a value: remove them where it is set"

/** Whether a header can hold a text as a credential: printable ASCII without spaces. */
export const isHeaderText = (text: string): boolean => /^[\x21-\x7e]+$/.test(text)

/**
 * The trimmed text in a `Redacted`, if a header can hold it. JavaScript callers may pass anything.
 *
 * @param option the option or variable, for the error
 * @param instead what to do if it is empty
 */
export const secretText = (
  option: string,
  given: Redacted.Redacted<string>,
  instead = "pass one that isn't"
): Effect.Effect<string, InvalidConfig> => {
  const invalid = (message: string) => Effect.fail(new InvalidConfig({ option, message }))
  if (!Redacted.isRedacted(given)) return invalid(`${option} is not a Redacted: pass Redacted.make(…).`)
  const value: unknown = Redacted.value(given)
  if (value === undefined || value === null) {
    return invalid(`${option} is ${value}: check where its value comes from, such as a variable that is not set.`)
  }
  if (!Predicate.isString(value)) return invalid(`${option} is ${kindOf(value)}; expected a string.`)
  const text = value.trim()
  if (text === "") return invalid(`${option} is empty: ${instead}.`)
  if (isQuoted(text)) return invalid(`${option} ${quotedProblem}.`)
  // The message never holds the value, not even in part.
  return isHeaderText(text)
    ? Effect.succeed(text)
    : invalid(`${option} contains a character that a header can't hold: a line break, a space or a non-ASCII one.`)
}

const constant = (headers: Authorization, rest: Omit<Parameters<typeof make>[0], "headersFor">): Shape => {
  const given = Effect.succeed(headers)
  return make({ headersFor: () => given, ...rest })
}

export interface StaticOptions {
  /** The option or variable that it came from. */
  readonly option: string
  readonly identity?: string | undefined
  readonly source?: string
  readonly advice?: string | undefined
}

/** A key, sent as `x-api-key`, which every gateway accepts. */
export const apiKey = Effect.fnUntraced(function*(
  key: Redacted.Redacted<string>,
  { advice, identity, option, source = "the key" }: StaticOptions
): Effect.fn.Return<Shape, InvalidConfig> {
  const text = yield* secretText(option, key, "set ANTHROPIC_API_KEY, or pass a key")
  return constant({ "x-api-key": Redacted.make(text) }, {
    identity: identity ?? ofLines("key", text),
    source,
    advice
  })
})

/** A token, sent as Bearer. */
export const bearer = Effect.fnUntraced(function*(
  token: Redacted.Redacted<string>,
  { advice, identity, option, source = "the token" }: StaticOptions
): Effect.fn.Return<Shape, InvalidConfig> {
  const text = yield* secretText(option, token, "set ANTHROPIC_AUTH_TOKEN, or pass a token")
  return constant({ authorization: Redacted.make(`Bearer ${text}`) }, {
    identity: identity ?? ofLines("token", text),
    source,
    advice
  })
})

/** Headers that the user wrote by hand. */
export const byHand = (headers: Readonly<Record<string, string>>, options: StaticOptions): Shape => {
  const entries = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), Redacted.make(value)] as const)
  return constant(Object.fromEntries(entries), {
    identity: options.identity
      ?? ofLines("headers", ...entries.flatMap(([name, value]) => [name, Redacted.value(value)])),
    source: options.source ?? "a header given by hand",
    advice: options.advice
  })
}

const noSource = "a request without a credential"

/** Whether these are {@link none}, with which the client's own headers may hold a credential. */
export const isNone = ({ source }: Shape): boolean => source === noSource

/** Adds nothing: a gateway authorizes requests, or the client's own headers do. */
export const none = (identity = "none"): Shape =>
  constant({}, {
    identity,
    source: noSource,
    advice: "pass a key, or check what authorizes requests at the gateway"
  })

/** The headers that hold a credential. */
export const credentialHeaders: ReadonlySet<string> = new Set(["x-api-key", "authorization", "api-key"])
