/**
 * The server in server.c for machines without a compiler. It is written in what the clients are written in, so it may
 * well be the limit.
 *
 * `node server.mjs [bytes per second]` prints its port, and ends when its standard input does.
 */
import * as http from "node:http"

const rate = Number(process.argv[2] ?? 0)

const block = Buffer.alloc(1 << 20, "0123456789abcdef")

let stats = { requests: 0, uploads: 0, bodyBytes: 0, contentBytes: 0 }

const pad = (n) => String(n).padStart(9, "0")

const metadata = (id, n, size) =>
  `{"id":"${id}","type":"file","filename":"report-${pad(n)}.pdf","mime_type":"application/pdf","size_bytes":${size},`
  + `"created_at":"2026-11-21T03:04:05.678000Z","downloadable":false,"expires_at":null,"scope":null}`

const row = (n) => metadata(`file_1024_${pad(n)}`, n, 1024)

const send = (response, text) => {
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(text) }).end(text)
}

const list = (response, url) => {
  const ids = url.searchParams.getAll("ids[]")
  if (ids.length > 0) {
    return send(response, `{"data":[${ids.map((id) => row(Number(id.split("_")[2]))).join()}],"next_page":null}`)
  }
  const total = Number(/^\/t(\d+)/.exec(url.pathname)?.[1] ?? 100_000)
  const from = Number(url.searchParams.get("page")?.slice(1) ?? 0)
  const until = Math.min(from + Number(url.searchParams.get("limit") ?? 20), total)
  const data = []
  for (let n = from; n < until; n++) data.push(row(n))
  send(response, `{"data":[${data.join()}],"next_page":${until < total ? `"p${until}"` : null}}`)
}

const upload = async (request, response) => {
  const boundary = /boundary=([^;]+)/.exec(request.headers["content-type"] ?? "")?.[1] ?? ""
  const started = performance.now()
  let head = Buffer.alloc(0)
  let size = 0
  for await (const chunk of request) {
    if (head.length < 4096) head = Buffer.concat([head, chunk.subarray(0, 4096)])
    size += chunk.length
    const early = rate === 0 ? 0 : size / rate * 1000 - (performance.now() - started)
    if (early > 5) await new Promise((resolve) => setTimeout(resolve, early))
  }
  stats.uploads++
  stats.bodyBytes += size
  const content = size - (head.indexOf("\r\n\r\n") + 4) - boundary.length - 8
  send(response, metadata(`file_${content}_${stats.uploads}`, stats.uploads, content))
}

const download = async (response, size) => {
  response.writeHead(200, { "content-type": "application/octet-stream", "content-length": size })
  stats.contentBytes += size
  for (let left = size; left > 0; left -= block.length) {
    if (!response.write(left < block.length ? block.subarray(0, left) : block)) {
      await new Promise((resolve) => response.once("drain", resolve))
    }
  }
  response.end()
}

const server = http.createServer((request, response) => {
  const url = new URL(request.url, "http://127.0.0.1")
  if (url.pathname === "/stats") {
    const { system, user } = process.cpuUsage()
    const text = JSON.stringify({ ...stats, cpuMs: (system + user) / 1000 })
    stats = { requests: 0, uploads: 0, bodyBytes: 0, contentBytes: 0 }
    return send(response, text)
  }
  stats.requests++
  const [id, what] = url.pathname.split("/v1/files")[1]?.split("/").slice(1) ?? []
  if (request.method === "POST") return void upload(request, response)
  if (id === undefined) return list(response, url)
  if (request.method === "DELETE") return send(response, JSON.stringify({ id, type: "file_deleted" }))
  if (what === "content") return void download(response, Number(id.split("_")[1]))
  send(response, row(Number(id.split("_")[2])))
})
server.listen(0, "127.0.0.1", () => console.log(server.address().port))
process.stdin.resume().on("end", () => process.exit(0))
