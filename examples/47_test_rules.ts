/** Testing a program: what the emulator answers to a question. */
import { Effect } from "effect"
import { Messages } from "effect-anthropic-files"
import * as FilesTest from "effect-anthropic-files/testing/FilesTest"
import * as assert from "node:assert/strict"
import { model } from "./shared/example.ts"
import { runIfMain } from "./shared/runIfMain.ts"

/** The program: asks for the number of nights, and counts the days. */
const days = Effect.gen(function*() {
  const message = yield* Messages.create({
    model,
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

runIfMain(import.meta, test)
