/** Uploads a report, asks three questions with cited answers, deletes it. Needs ANTHROPIC_API_KEY. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { Conversation, FileSource } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const program = Effect.gen(function*() {
  const source = FileSource.path(`${import.meta.dirname}/assets/lighthouse.pdf`)
  const params = { model: "claude-sonnet-5-5", max_tokens: 1024 }
  const report = yield* Conversation.about(source, params, { citations: true, deleteAtEnd: true })
  const questions = ["How many nights was the lamp lit?", "Who visited?", "What does the keeper ask for?"]
  for (const { citations, question, text } of yield* report.askAll(questions)) {
    yield* Console.log(question, text, citations.map((citation) => citation.cited_text))
  }
})

NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide(NodeFiles.layerConfig())))
