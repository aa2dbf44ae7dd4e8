/** Saves a file that a tool made. All of it is in memory at once, and an interrupted write leaves part of a file. */
import Anthropic from "@anthropic-ai/sdk"
import { writeFile } from "node:fs/promises"

const client = new Anthropic()
const [, , id = "", path = "chart.png"] = process.argv
const response = await client.files.download(id)
await writeFile(path, new Uint8Array(await response.arrayBuffer()))
console.log(`Saved as ${path}`)
