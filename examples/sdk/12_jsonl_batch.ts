/** Reads questions, one JSON string a line, asks them about a report in one batch, and prints the answers as JSONL. */
import { Console, Effect, FileSystem, Stream } from "effect"
import { Files, FileSource, MessageBatches, Messages, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { model } from "../shared/example.ts"

const [, , path = "report.pdf", jsonl = "questions.jsonl"] = process.argv
const program = Effect.gen(function*() {
  const questions = (yield* (yield* FileSystem.FileSystem).readFileString(jsonl)).trim().split("\n")
  const file = yield* Files.uploadScoped(FileSource.path(path), { expiresIn: "2 days" })
  const plan = yield* MessageBatches.plan({
    files: [file],
    questions: questions.map((line) => JSON.parse(line) as string),
    params: { model, max_tokens: 256 }
  })
  const batch = yield* MessageBatches.create(plan.requests)
  yield* MessageBatches.wait(batch.id)
  yield* Stream.runForEach(
    MessageBatches.answers(batch.id, plan),
    ({ custom_id, question, result }) =>
      result.type === "succeeded"
        ? Console.log(JSON.stringify({ question, text: Messages.text(result.message) }))
        : Effect.die(new Error(`${custom_id}: ${result.type}`))
  )
})
await Effect.runPromise(
  Effect.scoped(program).pipe(Effect.provide(NodeFiles.layerConfig({}, Policy.standard())))
)
