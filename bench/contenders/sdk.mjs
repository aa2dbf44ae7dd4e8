/**
 * The official SDK as its documentation has it used: `variant` is `blob` (`fs.openAsBlob`) or `stream`
 * (`fs.createReadStream`).
 */
import Anthropic from "@anthropic-ai/sdk"
import * as fs from "node:fs"
import * as path from "node:path"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { check, each, measured, untilFirst } from "./measured.mjs"

const client = ({ baseUrl }) => new Anthropic({ apiKey: "sk-ant-bench", baseURL: baseUrl })

const upload = async (anthropic, variant, location) => {
  const file = variant === "stream"
    ? fs.createReadStream(location)
    : new File([await fs.openAsBlob(location)], path.basename(location))
  const { size_bytes } = await anthropic.files.upload({ file })
  check(size_bytes === fs.statSync(location).size, `stored ${size_bytes}`)
}

await measured({
  upload: (job) => upload(client(job), job.variant, job.path),
  download: async (job) => {
    const response = await client(job).files.download(`file_${job.bytes}_1`)
    const file = fs.createWriteStream(`${job.target}.part`, { flush: true })
    await pipeline(Readable.fromWeb(response.body), file)
    check(file.bytesWritten === Number(response.headers.get("content-length")), "cut short")
    fs.renameSync(`${job.target}.part`, job.target)
  },
  small: (job) => {
    const anthropic = client(job)
    return each(job.count, job.concurrency, () => upload(anthropic, job.variant, job.path))
  },
  metadata: (job) => {
    const anthropic = client(job)
    return each(
      job.count,
      job.concurrency,
      (n) => anthropic.files.retrieveMetadata(`file_1024_${String(n).padStart(9, "0")}`)
    )
  },
  list: async (job) => {
    let seen = 0
    const anthropic = client({ baseUrl: `${job.baseUrl}/t${job.total}` })
    for await (const _ of anthropic.files.list({ limit: job.limit })) seen++
    check(seen === job.total, `${seen} of ${job.total} files`)
  },
  firstByte: (job) => {
    const anthropic = client(job)
    return untilFirst(job.count, async (came) => {
      let isFirst = true
      for await (const _ of (await anthropic.files.download(`file_${job.bytes}_1`)).body) {
        if (isFirst) came()
        isFirst = false
      }
    })
  },
  firstRow: (job) => {
    const anthropic = client({ baseUrl: `${job.baseUrl}/t${job.total}` })
    return untilFirst(job.count, async (came) => {
      for await (const _ of anthropic.files.list({ limit: job.limit })) {
        came()
        break
      }
    })
  },
  mixed: (job) => {
    const anthropic = client(job)
    return each(job.paths.length, job.concurrency, (n) => upload(anthropic, job.variant, job.paths[n]))
  }
})
