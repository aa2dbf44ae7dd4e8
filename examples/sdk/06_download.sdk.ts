/** Saves a file that a tool made. All of it goes through memory, and a write that breaks off leaves a part. */
import Anthropic from "@anthropic-ai/sdk"
import { writeFile } from "node:fs/promises"

const client = new Anthropic()
const [, , id = "", path = "chart.png"] = process.argv
const response = await client.files.download(id)
await writeFile(path, new Uint8Array(await response.arrayBuffer()))
console.log(`Saved as ${path}`)
