/**
 * `node client.mjs upload|download <port> <bytes> [path]`: one transfer, then what it took as one line of JSON.
 */
import * as FileMetadata from "effect-anthropic-files/FileMetadata"
import * as Files from "effect-anthropic-files/Files"
import * as FileSource from "effect-anthropic-files/FileSource"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"

const [kind, port, bytes, path] = process.argv.slice(2)

const transfer = kind === "upload"
  ? Effect.map(Files.upload(FileSource.path(path)), (file) => file.size_bytes)
  : Stream.runFold(
    Files.download(FileMetadata.FileId.make(`file_${bytes}`)),
    () => 0,
    (sum, chunk) => sum + chunk.length
  )

const started = performance.now()
const transferred = await Effect.runPromise(Effect.provide(
  transfer,
  NodeFiles.layer({ apiKey: Redacted.make("sk-ant-memory-test"), baseUrl: `http://127.0.0.1:${port}` })
))
console.log(JSON.stringify({
  transferred,
  millis: Math.round(performance.now() - started),
  peakMegabytes: Math.round(process.resourceUsage().maxRSS / 1024)
}))
