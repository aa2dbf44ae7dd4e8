/** Uploads a report, asks three questions about it, prints the answers with what they cite, and deletes it. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"
import { Conversation, FileSource } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { model } from "./shared/example.ts"

const program = Effect.gen(function*() {
  const source = FileSource.path(`${import.meta.dirname}/assets/lighthouse.pdf`)
  const params = { model, max_tokens: 1024 }
  const report = yield* Conversation.about(source, params, { citations: true, deleteAtEnd: true })
  const questions = ["How many nights was the lamp lit?", "Who visited?", "What does the keeper ask for?"]
  yield* Stream.runForEach(
    report.askAll(questions, { concurrency: 2 }),
    ({ citations, question, text }) => Console.log(question, text, citations.map(({ cited_text }) => cited_text))
  )
})

NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide(NodeFiles.layerConfig())))
