/** An upload that says what is wrong. For the SDK, a missing file and a directory are not errors of its own. */
import Anthropic, { APIConnectionError, APIError, RateLimitError, toFile } from "@anthropic-ai/sdk"
import { createReadStream, statSync } from "node:fs"

const client = new Anthropic()
const maxBytes = 500_000_000

const safeUpload = async (path: string) => {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return "there is no such file"
  if (!stats.isFile()) return "it is not a file"
  if (stats.size > maxBytes) return `it is too large: ${stats.size} bytes`
  try {
    const { id } = await client.files.upload({ file: await toFile(createReadStream(path)) })
    await client.files.delete(id)
    return "stored"
  } catch (error) {
    if (error instanceof RateLimitError) return "too many requests: try later"
    if (error instanceof APIConnectionError) return "the service can't be reached"
    if (!(error instanceof APIError)) throw error
    const { errorCode } = error as { readonly errorCode?: string }
    return errorCode === "storage_quota_exceeded" ? "there is no room" : `refused: ${error.message}`
  }
}

for (const path of process.argv.slice(2)) console.log(await safeUpload(path))
