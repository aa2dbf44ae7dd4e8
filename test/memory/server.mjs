/**
 * Takes uploads and gives downloads of any size without keeping either: the client under test is the limit.
 * `/v1/files/file_<bytes>/content` gives that many bytes. Prints its port.
 */
import * as http from "node:http"

const chunk = Buffer.alloc(1 << 20, "effect")

const metadata = (size) =>
  JSON.stringify({
    id: "file_stored",
    type: "file",
    filename: "large.bin",
    mime_type: "application/octet-stream",
    size_bytes: size,
    created_at: "2026-11-21T00:00:00Z",
    expires_at: null
  })

/** Bytes of a part: what comes between the blank line behind its headers and the closing delimiter. */
const server = http.createServer((request, response) => {
  if (request.method === "POST") {
    let head = Buffer.alloc(0)
    let size = 0
    request.on("data", (data) => {
      size += data.length
      if (head.length < 4096) head = Buffer.concat([head, data.subarray(0, 4096)])
    })
    request.on("end", () => {
      const boundary = /boundary=(.+)$/.exec(request.headers["content-type"])[1]
      const start = head.indexOf("\r\n\r\n") + 4
      response.setHeader("content-type", "application/json")
      response.end(metadata(size - start - `\r\n--${boundary}--\r\n`.length))
    })
    return
  }
  let left = Number(/file_(\d+)/.exec(request.url)[1])
  response.setHeader("content-length", left)
  const send = () => {
    while (left > 0) {
      const part = left >= chunk.length ? chunk : chunk.subarray(0, left)
      left -= part.length
      if (!response.write(part)) {
        response.once("drain", send)
        return
      }
    }
    response.end()
  }
  send()
})
server.listen(0, "127.0.0.1", () => console.log(server.address().port))
