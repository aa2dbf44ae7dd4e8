/** The README's program with the official SDK. */
import Anthropic from "@anthropic-ai/sdk"

const client = new Anthropic()

const file = await client.files.upload({
  file: new File(["The lamp was lit on 359 nights."], "report.txt", { type: "text/plain" })
})
console.log(`${file.filename} is ${file.id}, ${file.size_bytes} bytes`)
await client.files.delete(file.id)
