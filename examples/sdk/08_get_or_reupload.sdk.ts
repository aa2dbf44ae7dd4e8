/** Uploads a file once: its id is stored next to it, and looked up the next time. */
import Anthropic, { NotFoundError, toFile } from "@anthropic-ai/sdk"
import { createReadStream, existsSync, readFileSync, writeFileSync } from "node:fs"

const client = new Anthropic()
const [, , path = "report.pdf", notes = "report.pdf.id"] = process.argv

const known = async () => {
  if (!existsSync(notes)) return undefined
  try {
    return await client.files.retrieveMetadata(readFileSync(notes, "utf8"))
  } catch (error) {
    if (error instanceof NotFoundError) return undefined
    throw error
  }
}

const upload = async () => {
  const file = await client.files.upload({
    file: await toFile(createReadStream(path), undefined, { type: "application/pdf" })
  })
  writeFileSync(notes, file.id)
  return file
}

const file = await known() ?? await upload()
console.log(`${file.filename} is ${file.id}`)
