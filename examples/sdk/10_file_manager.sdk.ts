/** Files that live as long as a piece of work. Ctrl-C leaves them behind. */
import Anthropic, { toFile } from "@anthropic-ai/sdk"
import { createReadStream } from "node:fs"

class FileManager {
  readonly client = new Anthropic()
  readonly ids = new Set<string>()

  async upload(path: string) {
    const file = await this.client.files.upload({
      file: await toFile(createReadStream(path), undefined, { type: "application/pdf" })
    })
    this.ids.add(file.id)
    return file
  }

  async deleteAll() {
    for (const id of this.ids) {
      try {
        await this.client.files.delete(id)
      } catch (error) {
        console.error(`${id} could not be deleted`, error)
      }
    }
  }
}

const manager = new FileManager()
try {
  const file = await manager.upload(process.argv[2] ?? "report.pdf")
  console.log(`Working with ${file.filename}`)
} finally {
  await manager.deleteAll()
}
console.log("Deleted.")
