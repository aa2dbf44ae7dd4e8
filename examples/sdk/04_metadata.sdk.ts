/** Looks up a file that may not exist. */
import Anthropic, { NotFoundError } from "@anthropic-ai/sdk"

const client = new Anthropic()
const id = process.argv[2] ?? ""
try {
  const file = await client.files.retrieveMetadata(id)
  console.log(`${file.filename}: ${file.mime_type}, ${file.size_bytes} bytes`)
} catch (error) {
  if (!(error instanceof NotFoundError)) throw error
  console.log("There is no such file.")
}
