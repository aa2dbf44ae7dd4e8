import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Stream } from "effect"
import { FileMetadata, Files, type FilesError, FileSource } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import * as zlib from "node:zlib"
import { http, rawServer } from "../support/rawServer.ts"
import { wire } from "../support/wire.ts"

const id = FileMetadata.FileId.make("file_1")

const file = wire({ size_bytes: 10_000, downloadable: true })

const content = Buffer.from("abcde fghij ".repeat(1000).slice(0, 10_000))

const encodings: Readonly<Record<string, { readonly header: string; readonly pack: (body: Buffer) => Buffer }>> = {
  gzip: { header: "gzip", pack: (body) => zlib.gzipSync(body) },
  "gzip under its old name": { header: "x-gzip", pack: (body) => zlib.gzipSync(body) },
  "gzip in capitals": { header: "GZIP", pack: (body) => zlib.gzipSync(body) },
  deflate: { header: "deflate", pack: (body) => zlib.deflateSync(body) },
  "deflate without its header": { header: "deflate", pack: (body) => zlib.deflateRawSync(body) },
  br: { header: "br", pack: (body) => zlib.brotliCompressSync(body) },
  zstd: { header: "zstd", pack: (body) => zlib.zstdCompressSync(body) },
  "br in gzip": { header: "br, gzip", pack: (body) => zlib.gzipSync(zlib.brotliCompressSync(body)) }
}

/** Answers with that body, or with the file's metadata where those are asked for besides. */
const over = <A, E>(
  use: Effect.Effect<A, E, NodeFiles.Services>,
  body: Uint8Array,
  encoding: string,
  { isChunked = false, status = 200 }: { readonly isChunked?: boolean; readonly status?: number } = {}
) =>
  Effect.scoped(Effect.gen(function*() {
    let asked = 0
    const server = yield* rawServer(({ head, socket }) => {
      if (asked++ > 0) return void socket.write(http(200, JSON.stringify(file)))
      if (!isChunked) return void socket.write(http(status, body, { "content-encoding": encoding }))
      socket.write(`HTTP/1.1 ${status} X\r\ntransfer-encoding: chunked\r\ncontent-encoding: ${encoding}\r\n\r\n`)
      for (let n = 0; n < body.length; n += 7) {
        const part = body.subarray(n, n + 7)
        socket.write(`${part.length.toString(16)}\r\n`)
        socket.write(part)
        socket.write("\r\n")
      }
      socket.write("0\r\n\r\n")
      assert.match(head, /^accept-encoding: identity$/im)
    })
    return yield* Effect.provide(
      use,
      NodeFiles.layer({ apiKey: Redacted.make("sk-ant-test-key"), baseUrl: server.url })
    )
  }))

const download = Stream.mkUint8Array(Files.download(id))

const nameOf = (error: FilesError.FilesError | FilesError.InvalidConfig | FilesError.PolicyFailed): string =>
  error._tag === "RequestFailed" ? error.reason._tag : error._tag

for (const [what, { header, pack }] of Object.entries(encodings)) {
  describe(`an answer that comes as ${what}, which was not asked for`, () => {
    it.live("JSON is read", () =>
      Effect.gen(function*() {
        const found = yield* over(Files.metadata(id), pack(Buffer.from(JSON.stringify(file))), header)
        assert.strictEqual(found.size_bytes, 10_000)
      }))

    it.live("content is the file's own bytes", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(Buffer.from(yield* over(download, pack(content), header)), content)
      }))

    it.live("content in small chunks is the file's own bytes", () =>
      Effect.gen(function*() {
        const received = yield* over(download, pack(content), header, { isChunked: true })
        assert.deepStrictEqual(Buffer.from(received), content)
      }))

    // In chunks, zstd takes it for a further part that is not one.
    for (const isChunked of header === "zstd" ? [false] : [false, true]) {
      it.live(
        `zeros that follow its end are left out${isChunked ? ", in chunks too" : ""}`,
        () =>
          Effect.gen(function*() {
            const body = Buffer.concat([pack(content), Buffer.alloc(100)])
            assert.deepStrictEqual(Buffer.from(yield* over(download, body, header, { isChunked })), content)
          }),
        10_000
      )
    }

    it.live("an error is understood by its code", () =>
      Effect.gen(function*() {
        const body = JSON.stringify({
          type: "error",
          error: { type: "invalid_request_error", message: "no", details: { error_code: "storage_quota_exceeded" } }
        })
        const upload = Files.upload(FileSource.text("hello", "a.txt"))
        const error = yield* Effect.flip(over(upload, pack(Buffer.from(body)), header, { status: 400 }))
        assert.strictEqual(nameOf(error), "StorageLimitExceeded")
      }))

    it.live("half of it is an error, although it has the length that was announced", () =>
      Effect.gen(function*() {
        const half = <A extends Uint8Array>(all: A) => all.subarray(0, all.length / 2)
        assert.strictEqual(
          nameOf(yield* Effect.flip(over(download, half(pack(content)), header))),
          "TransferInterrupted"
        )
        const json = half(pack(Buffer.from(JSON.stringify(file))))
        assert.strictEqual(nameOf(yield* Effect.flip(over(Files.metadata(id), json, header))), "UnexpectedResponse")
      }))

    it.live("JSON of more than 16 MiB is given up", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(over(Files.metadata(id), pack(Buffer.alloc(20_000_000, 97)), header))
        assert.match(error.message, /longer than 16777216 bytes/)
      }))
  })
}

it.live("nothing at all may be called encoded", () =>
  Effect.gen(function*() {
    const error = yield* Effect.flip(over(Files.metadata(id), new Uint8Array(), "gzip", { status: 500 }))
    assert.strictEqual(nameOf(error), "ServerFailed")
  }))

it.live("an encoding that is not known is named", () =>
  Effect.gen(function*() {
    const error = yield* Effect.flip(over(download, content, "sdch"))
    assert.match(error.message, /sdch/)
  }))

it.live("P5: a small answer that would unpack to 500 MB takes little memory", () =>
  Effect.gen(function*() {
    // Members of gzip may follow one another.
    const bomb = Buffer.concat(Array.from({ length: 50 }, () => zlib.gzipSync(Buffer.alloc(10_000_000, 97))))
    const before = process.memoryUsage().rss
    const error = yield* Effect.flip(over(Files.metadata(id), bomb, "gzip"))
    assert.match(error.message, /longer than 16777216 bytes/)
    assert.isBelow(process.memoryUsage().rss - before, 150_000_000)
  }))
