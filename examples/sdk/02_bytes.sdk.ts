/** Uploads bytes from memory, for a day. */
import Anthropic from "@anthropic-ai/sdk"

const client = new Anthropic()
const bytes = new TextEncoder().encode("night,lit\n1,yes\n2,no\n")
const file = await client.files.upload({
  file: new File([bytes], "nights.csv", { type: "text/csv" }),
  expires_in_seconds: 24 * 60 * 60
})
console.log(`${file.filename} is stored as ${file.id}, ${file.size_bytes} bytes`)
