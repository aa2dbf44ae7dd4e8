/**
 * What every ratio refers to: the same work with nothing but `node:http` and pipelines in chunks of 256 KiB. No checks
 * but the ones a program can't do without, no policies, no spans.
 */
import * as fs from "node:fs"
import * as http from "node:http"
import * as https from "node:https"
import { pipeline } from "node:stream/promises"
import { check, each, measured, untilFirst } from "./measured.mjs"

const highWaterMark = 256 * 1024

const agent = new http.Agent({ keepAlive: true, maxSockets: 64 })

const tlsAgent = new https.Agent({ keepAlive: true, maxSockets: 64 })

const json = async (response) => {
  const chunks = []
  for await (const chunk of response) chunks.push(chunk)
  check(response.statusCode === 200, `status ${response.statusCode}`)
  return JSON.parse(Buffer.concat(chunks).toString())
}

const get = (url) =>
  new Promise((resolve, reject) => {
    ;(url.startsWith("https:") ? https : http).get(url, {
      agent: url.startsWith("https:") ? tlsAgent : agent,
      headers: { "x-api-key": "sk-ant-bench" }
    }, resolve).on("error", reject)
  })

const head = Buffer.from(
  "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"upload.bin\"\r\n"
    + "content-type: application/octet-stream\r\n\r\n"
)
const tail = Buffer.from("\r\n--x--\r\n")

const post = async (baseUrl, size, write) => {
  const response = new Promise((resolve, reject) => {
    const request = http.request(`${baseUrl}/v1/files`, {
      agent,
      method: "POST",
      headers: {
        "x-api-key": "sk-ant-bench",
        "content-type": "multipart/form-data; boundary=x",
        "content-length": head.length + size + tail.length
      }
    }, resolve)
    request.on("error", reject)
    write(request).catch(reject)
  })
  const file = await json(await response)
  check(file.size_bytes === size, `stored ${file.size_bytes} of ${size}`)
}

const postPath = (baseUrl, path) =>
  post(baseUrl, fs.statSync(path).size, async (request) => {
    request.write(head)
    await pipeline(fs.createReadStream(path, { highWaterMark }), request, { end: false })
    request.end(tail)
  })

await measured({
  upload: ({ baseUrl, path }) => postPath(baseUrl, path),
  download: async ({ baseUrl, bytes, target }) => {
    const response = await get(`${baseUrl}/v1/files/file_${bytes}_1/content`)
    const file = fs.createWriteStream(`${target}.part`, { highWaterMark, flush: true })
    await pipeline(response, file)
    check(file.bytesWritten === Number(response.headers["content-length"]), "cut short")
    fs.renameSync(`${target}.part`, target)
  },
  small: ({ baseUrl, concurrency, count, path }) => {
    const body = Buffer.concat([head, fs.readFileSync(path), tail])
    const size = body.length - head.length - tail.length
    return each(count, concurrency, () => post(baseUrl, size, async (request) => void request.end(body)))
  },
  metadata: ({ baseUrl, concurrency, count }) =>
    each(count, concurrency, async (n) => void await json(await get(`${baseUrl}/v1/files/file_1024_${n}`))),
  list: async ({ baseUrl, limit, total }) => {
    let seen = 0
    for (let page = undefined; page !== null;) {
      const answer = await json(
        await get(`${baseUrl}/t${total}/v1/files?limit=${limit}${page === undefined ? "" : `&page=${page}`}`)
      )
      seen += answer.data.length
      page = answer.next_page
    }
    check(seen === total, `${seen} of ${total} files`)
  },
  firstByte: ({ baseUrl, bytes, count }) =>
    untilFirst(count, async (came) => {
      let isFirst = true
      for await (const _ of await get(`${baseUrl}/v1/files/file_${bytes}_1/content`)) {
        if (isFirst) came()
        isFirst = false
      }
    }),
  firstRow: ({ baseUrl, count, limit, total }) =>
    untilFirst(count, async (came) => {
      const { data } = await json(await get(`${baseUrl}/t${total}/v1/files?limit=${limit}`))
      if (data[0] !== undefined) came()
    }),
  mixed: ({ baseUrl, concurrency, paths }) => each(paths.length, concurrency, (n) => postPath(baseUrl, paths[n]))
})
