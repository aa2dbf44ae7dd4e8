/**
 * What the contract suite takes of `@effect/vitest`. It stands in for that when the suite is bundled for a runtime
 * without vitest.
 */
import { Cause, Effect, Exit, type Scope } from "effect"
import { TestClock } from "effect/testing"

export { assert } from "chai"

type Body = () => Effect.Effect<void, unknown, Scope.Scope>

const tests: Array<{ readonly title: string; readonly body: Body }> = []

export const it = {
  effect: (title: string, body: Body): void => {
    tests.push({ title, body })
  }
}

/** Runs the tests one after another. Each prints a line of JSON: its title, and what went wrong or `null`. */
export const run = Effect.suspend(() =>
  Effect.forEach(tests, ({ body, title }) =>
    body().pipe(
      Effect.scoped,
      Effect.provide(TestClock.layer()),
      Effect.exit,
      Effect.map((exit) =>
        console.log(JSON.stringify({ title, failure: Exit.isFailure(exit) ? Cause.pretty(exit.cause) : null }))
      )
    ), { discard: true })
)
