/** Goes through all files, page by page, and adds them up. */
import Anthropic from "@anthropic-ai/sdk"

const client = new Anthropic()
let files = 0
let bytes = 0
for await (const file of client.files.list({ limit: 1000 })) {
  files += 1
  bytes += file.size_bytes
}
console.log(`${files} files, ${bytes} bytes`)
