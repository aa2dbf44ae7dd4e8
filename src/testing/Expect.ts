/**
 * Assertions for programs that are expected to fail. They need no test runner. A failed assertion dies with an error whose
 * message says what happened instead, field by field.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Formatter from "effect/Formatter"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as References from "effect/References"
import type { FilesError, Reason, RequestFailed } from "../FilesError.ts"
import { capture } from "../internal/accessor.ts"

/** The defect of a failed assertion. Its name makes test runners show it like one of their own. */
export class AssertionError extends Error {
  override readonly name = "AssertionError"
}

const shown = (value: unknown): string => {
  if (Duration.isDuration(value)) return Duration.format(value)
  return value instanceof Error ? `${value.name}: ${value.message}` : Formatter.format(value)
}

/** The tag of a nested reason, or a reason that is a text. */
const reasonOf = (error: object): string | undefined => {
  if (!Predicate.hasProperty(error, "reason")) return undefined
  if (Predicate.hasProperty(error.reason, "_tag")) return String(error.reason._tag)
  return Predicate.isString(error.reason) ? error.reason : undefined
}

const title = (error: unknown): string => {
  if (!Predicate.hasProperty(error, "_tag")) {
    return error instanceof Error ? error.name : "something that is not a tagged error"
  }
  return nameOf(String(error._tag), reasonOf(error))
}

const fields = (error: object): ReadonlyArray<readonly [string, unknown]> => {
  const reason = Predicate.hasProperty(error, "reason") && Predicate.isObject(error.reason) ? error.reason : undefined
  const own = [...Object.entries(error), ...Object.entries(reason ?? {})]
  const hidden = new Set(["_tag", "name", "message", "stack", "reason", "cause"])
  const entries = own.filter(([name, value]) => !hidden.has(name) && value !== undefined)
  const cause = "cause" in error ? error.cause : undefined
  return cause === undefined ? entries : [...entries, ["cause", cause]]
}

/**
 * Describes an error in full: tag and reason, message, then one field per line.
 */
export const describe = (error: unknown): string => {
  if (!Predicate.isObject(error)) return shown(error)
  const message = error instanceof Error ? error.message : undefined
  return [
    title(error),
    ...(message === undefined || message === "" ? [] : [`  ${message.replaceAll("\n", "\n  ")}`]),
    ...fields(error).map(([name, value]) => `  ${name}: ${shown(value).replaceAll("\n", "\n    ")}`)
  ].join("\n")
}

const describeCause = (cause: Cause.Cause<unknown>): string =>
  Option.match(Cause.findErrorOption(cause), {
    onNone: () => Cause.hasInterruptsOnly(cause) ? "was interrupted" : `died:\n${Cause.pretty(cause)}`,
    onSome: (error) => `failed with ${describe(error)}`
  })

const article = (name: string): string => `${/^[AEIOU]/.test(name) ? "an" : "a"} ${name}`

const wrong = (expected: string, exit: Exit.Exit<unknown, unknown>): string =>
  `Expected ${expected}, but it ${
    Exit.isSuccess(exit) ? `succeeded with ${Formatter.format(exit.value, { space: 2 })}` : describeCause(exit.cause)
  }`

const nameOf = (tag: string, reason: string | undefined): string => reason === undefined ? tag : `${tag} (${reason})`

interface Tagged {
  readonly _tag: string
}

/**
 * Runs an effect that has to fail with this tag, and gives the error, narrowed. `RequestFailed` takes the tag of its reason
 * as well: `expectFailure(upload, "RequestFailed", "Overloaded")`.
 *
 * If the effect succeeds, or fails in another way, it dies with an {@link AssertionError} that says how.
 */
export const expectFailure: {
  <A, E extends Tagged, R, Tag extends "RequestFailed" & E["_tag"], Why extends Reason["_tag"]>(
    self: Effect.Effect<A, E, R>,
    tag: Tag,
    reason: Why
  ): Effect.Effect<RequestFailed & { readonly reason: Extract<Reason, { readonly _tag: Why }> }, never, R>
  <A, E extends Tagged, R, Tag extends E["_tag"]>(
    self: Effect.Effect<A, E, R>,
    tag: Tag
  ): Effect.Effect<Extract<E, { readonly _tag: Tag }>, never, R>
} = <A, E, R>(self: Effect.Effect<A, E, R>, tag: string, reason?: string): Effect.Effect<never, never, R> => {
  const frame = capture("expectFailure")
  return Effect.flatMap(Effect.exit(self), (exit) => {
    const error: unknown = Option.getOrUndefined(Exit.findErrorOption(exit))
    return isFailure(error, tag, reason)
      ? Effect.succeed(error as never)
      : die(wrong(article(nameOf(tag, reason)), exit), frame)
  })
}

/** Dies with the line of the caller in the stack trace. */
const die = (message: string, frame: ReturnType<typeof capture>): Effect.Effect<never> =>
  Effect.updateService(
    Effect.suspend(() => Effect.die(new AssertionError(message))),
    References.CurrentStackFrame,
    frame
  )

const isFailure = (error: unknown, tag: string, reason: string | undefined): boolean =>
  Predicate.isTagged(error, tag)
  && (reason === undefined || (Predicate.hasProperty(error, "reason") && Predicate.isTagged(error.reason, reason)))

/**
 * Runs an effect that has to succeed. If it fails, it dies with an {@link AssertionError} that shows every field of the
 * error, where a test runner would print one line.
 */
export const expectSuccess = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, never, R> => {
  const frame = capture("expectSuccess")
  return Effect.catchCause(
    self,
    (cause) =>
      !Cause.hasFails(cause)
        ? Effect.failCause(cause as Cause.Cause<never>)
        : die(wrong("it to succeed", Exit.failCause(cause)), frame)
  )
}

/**
 * The types that {@link matchers} adds to the `expect` of a test runner. For vitest they are in `testing/VitestMatchers`;
 * for jest, declare them once:
 *
 * ```ts
 * import type * as Expect from "effect-anthropic-files/testing/Expect"
 *
 * declare global {
 *   namespace jest {
 *     interface Matchers<R, T = {}> extends Expect.Matchers<R> {}
 *   }
 * }
 * ```
 */
export interface Matchers<R> {
  /** Passes if the Exit or error is a failure with this tag, and this reason where one is given. */
  readonly toFailWith: (tag: FilesError["_tag"], reason?: Reason["_tag"]) => R
}

const toExit = (received: unknown): Exit.Exit<unknown, unknown> => {
  if (Exit.isExit(received)) return received
  return received instanceof Error ? Exit.fail(received) : Exit.succeed(received)
}

/**
 * Matchers for the `expect` of vitest or jest: `expect.extend(Expect.matchers)`, then
 * `expect(exit).toFailWith("RateLimited")` or `expect(error).toFailWith("RequestFailed", "Overloaded")`.
 */
export const matchers = {
  /** Passes if the Exit or error is a failure with this tag, and this reason where one is given. */
  toFailWith: (received: unknown, tag: FilesError["_tag"], reason?: Reason["_tag"]) => {
    const exit = toExit(received)
    const pass = isFailure(Option.getOrUndefined(Exit.findErrorOption(exit)), tag, reason)
    return {
      pass,
      /** Says why the expectation does not hold. */
      message: () => wrong(pass ? `no ${nameOf(tag, reason)}` : article(nameOf(tag, reason)), exit)
    }
  }
} as const
