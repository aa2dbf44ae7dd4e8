/** Reads questions, one JSON string a line, asks them about a report in one batch, and prints the answers as JSONL. */
import Anthropic, { toFile } from "@anthropic-ai/sdk"
import { createReadStream, readFileSync } from "node:fs"
import { setTimeout } from "node:timers/promises"
import { model } from "../shared/example.ts"

const client = new Anthropic()
const [, , path = "report.pdf", jsonl = "questions.jsonl"] = process.argv
const questions = readFileSync(jsonl, "utf8").trim().split("\n").map((line) => JSON.parse(line) as string)
const file = await client.files.upload({
  file: await toFile(createReadStream(path), undefined, { type: "application/pdf" })
})
const batch = await client.messages.batches.create({
  requests: questions.map((question, i) => ({
    custom_id: `question-${i}`,
    params: {
      model,
      max_tokens: 256,
      messages: [{
        role: "user",
        content: [
          { type: "document", source: { type: "file", file_id: file.id } },
          { type: "text", text: question }
        ]
      }]
    }
  }))
})
while ((await client.messages.batches.retrieve(batch.id)).processing_status !== "ended") await setTimeout(30_000)
for await (const { custom_id, result } of await client.messages.batches.results(batch.id)) {
  const question = questions[Number(custom_id.slice("question-".length))]
  if (result.type !== "succeeded") throw new Error(`${custom_id}: ${result.type}`)
  const text = result.message.content.flatMap((block) => block.type === "text" ? [block.text] : []).join("")
  console.log(JSON.stringify({ question, text }))
}
await client.files.delete(file.id)
