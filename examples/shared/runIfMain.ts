import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { TestClock } from "effect/testing"

/** Runs the test if the file itself is run: `node examples/40_test_happy_path.ts`. A test suite imports it instead. */
export const runIfMain = <E>(module: ImportMeta, test: Effect.Effect<void, E>): void => {
  if (process.argv[1] !== module.filename) return
  NodeRuntime.runMain(test.pipe(Effect.andThen(Console.log("as expected")), Effect.provide(TestClock.layer())))
}
