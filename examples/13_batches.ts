/** Asks every question about every document in one batch, and prints each answer with its document and question. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"
import { MessageBatches, Messages } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { model, uploaded } from "./shared/example.ts"

const program = Effect.gen(function*() {
  const files = yield* Effect.forEach(["lighthouse.pdf", "visitors.png"], uploaded)
  const plan = yield* MessageBatches.plan({
    files,
    questions: ["What is this about?", "Which year is it from?"],
    params: { model, max_tokens: 256 }
  })
  const batch = yield* MessageBatches.create(plan.requests)
  yield* MessageBatches.wait(batch.id)
  yield* Stream.runForEach(MessageBatches.answers(batch.id, plan), ({ file, question, result }) =>
    Console.log(
      `${file.filename}: ${question}\n  ${
        result.type === "succeeded" ? Messages.text(result.message) : `no answer, ${result.type}`
      }`
    ))
})

NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide(NodeFiles.layerConfig())))
