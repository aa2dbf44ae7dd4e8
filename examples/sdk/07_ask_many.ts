/** Uploads a report once, asks several questions about it, and deletes it. */
import { Console, Effect, Stream } from "effect"
import { Conversation, FileSource, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { model } from "../shared/example.ts"

const questions = ["How many nights was the lamp lit?", "Who visited?", "What does the keeper ask for?"]
const program = Effect.gen(function*() {
  const source = FileSource.path(process.argv[2] ?? "report.pdf")
  const options = { citations: true, deleteAtEnd: true }
  const report = yield* Conversation.about(source, { model, max_tokens: 1024 }, options)
  yield* Stream.runForEach(report.askAll(questions), ({ question, text }) => Console.log(question, text))
})
await Effect.runPromise(
  Effect.scoped(program).pipe(Effect.provide(NodeFiles.layerConfig({}, Policy.standard())))
)
