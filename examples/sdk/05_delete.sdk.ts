/** Deletes a file. If it is already gone, that is not a failure. */
import Anthropic, { NotFoundError } from "@anthropic-ai/sdk"

const client = new Anthropic()
const id = process.argv[2] ?? ""
try {
  await client.files.delete(id)
  console.log("Deleted.")
} catch (error) {
  if (!(error instanceof NotFoundError)) throw error
  console.log("It was gone already.")
}
