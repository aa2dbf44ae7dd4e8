/** Testing a program: what the emulator answers when it is asked. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { Messages } from "effect-anthropic-files"
import * as FilesTest from "effect-anthropic-files/testing/FilesTest"
import { TestClock } from "effect/testing"
import * as assert from "node:assert/strict"

/** The program: asks how many nights it were, and counts the days. */
const days = Effect.gen(function*() {
  const message = yield* Messages.create({
    model: "claude-sonnet-5-5",
    max_tokens: 100,
    messages: [{ role: "user", content: "How many nights?" }]
  })
  const [block] = message.content
  return block?.type === "text" ? Number.parseInt(block.text) + 1 : 0
})

export const test = Effect.gen(function*() {
  assert.equal(yield* days, 360)
}).pipe(
  Effect.provide(FilesTest.layer({
    rules: [{ match: { text: "how many" }, answer: { text: "359 nights." } }]
  }))
)

if (process.argv[1] === import.meta.filename) {
  NodeRuntime.runMain(test.pipe(Effect.andThen(Console.log("as expected")), Effect.provide(TestClock.layer())))
}
