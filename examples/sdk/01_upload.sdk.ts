/** Uploads a file from disk. */
import Anthropic, { toFile } from "@anthropic-ai/sdk"
import { createReadStream } from "node:fs"

const client = new Anthropic()
const path = process.argv[2] ?? "report.pdf"
const file = await client.files.upload({
  file: await toFile(createReadStream(path), undefined, { type: "application/pdf" })
})
console.log(`${file.filename} is stored as ${file.id}, ${file.size_bytes} bytes`)
