/**
 * What suites take of `@effect/vitest`. It stands in for that when they are bundled for a runtime without vitest.
 */
import { Cause, Effect, Exit, Layer, type Scope } from "effect"
import { TestClock } from "effect/testing"

export { assert } from "chai"

type Body = () => Effect.Effect<void, unknown, Scope.Scope>

interface Test {
  readonly title: string
  readonly body: Effect.Effect<void, unknown, Scope.Scope>
}

const tests: Array<Test> = []

let path: ReadonlyArray<string> = []

export const describe = (title: string, body: () => void): void => {
  const outer = path
  path = [...outer, title]
  body()
  path = outer
}

const add = (title: string, body: Test["body"]): void => {
  tests.push({ title: [...path, title].join(" > "), body })
}

const over = (clock: (body: Test["body"]) => Test["body"]) => {
  const test = (title: string, body: Body): void => add(title, clock(Effect.suspend(body)))
  return Object.assign(test, {
    skipIf: (condition: unknown) => condition ? () => {} : test,
    each: <A>(cases: ReadonlyArray<A>) => (title: string, body: (of: A) => ReturnType<Body>): void =>
      cases.forEach((one) => test(`${title} ${JSON.stringify(one)}`, () => body(one)))
  })
}

export const it = Object.assign((title: string, body: () => void): void => add(title, Effect.sync(body)), {
  effect: over((body) => Effect.provide(body, TestClock.layer())),
  live: over((body) => body)
})

type Effects = typeof it.effect

/** A group of tests, each with that Layer of its own. */
export const layer =
  <A, E>(provided: Layer.Layer<A, E>) => (title: string, group: (it: { readonly effect: Effects }) => void): void =>
    describe(
      title,
      () => group({ effect: over((body) => Effect.provide(body, Layer.provideMerge(provided, TestClock.layer()))) })
    )

/** Runs the tests one after another. Each prints a line of JSON: its title, and what went wrong or `null`. */
export const run = Effect.suspend(() =>
  Effect.forEach(tests, ({ body, title }) =>
    Effect.scoped(body).pipe(
      Effect.timeout("60 seconds"),
      Effect.exit,
      Effect.map((exit) =>
        console.log(JSON.stringify({ title, failure: Exit.isFailure(exit) ? Cause.pretty(exit.cause) : null }))
      )
    ), { discard: true })
)
