/** Sends an image and a document in one message, each in the block for its type, and streams the answer. */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Stream } from "effect"
import { ContentBlock, Messages } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { model, uploaded } from "./shared/example.ts"

const program = Effect.gen(function*() {
  const files = yield* Effect.forEach(["visitors.png", "lighthouse.pdf"], uploaded)
  const blocks = yield* Effect.forEach(files, (file) => ContentBlock.forFile(file))
  const events = Messages.stream({
    model,
    max_tokens: 1024,
    messages: [{ role: "user", content: [...blocks, { type: "text", text: "Does the chart agree with the report?" }] }]
  })
  yield* Stream.runForEach(Messages.textStream(events), (text) => Effect.sync(() => process.stdout.write(text)))
})

NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide(NodeFiles.layerConfig())))
