/** Uploads a report once, asks several questions about it, and deletes it. */
import Anthropic, { toFile } from "@anthropic-ai/sdk"
import { createReadStream } from "node:fs"
import { model } from "../shared/example.ts"

const client = new Anthropic()
const path = process.argv[2] ?? "report.pdf"
const questions = ["How many nights was the lamp lit?", "Who visited?", "What does the keeper ask for?"]
const file = await client.files.upload({
  file: await toFile(createReadStream(path), undefined, { type: "application/pdf" })
})
try {
  for (const question of questions) {
    const message = await client.messages.create({
      model,
      max_tokens: 1024,
      messages: [{
        role: "user",
        content: [
          {
            type: "document",
            source: { type: "file", file_id: file.id },
            citations: { enabled: true },
            cache_control: { type: "ephemeral" }
          },
          { type: "text", text: question }
        ]
      }]
    })
    const text = message.content.flatMap((block) => block.type === "text" ? [block.text] : []).join("")
    console.log(question, text)
  }
} finally {
  await client.files.delete(file.id)
}
