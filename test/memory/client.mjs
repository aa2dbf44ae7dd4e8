/**
 * `node client.mjs upload|download <port> <bytes> [path] [fetch]`: one transfer, then what it took as one line of JSON.
 * With `fetch` it goes over the runtime's own fetch, else over `NodeFiles`.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as FileMetadata from "effect-anthropic-files/FileMetadata"
import * as Files from "effect-anthropic-files/Files"
import * as FileSource from "effect-anthropic-files/FileSource"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as fs from "node:fs"

const [kind, port, bytes, path, transport] = process.argv.slice(2)

const options = { apiKey: Redacted.make("sk-ant-memory-test"), baseUrl: `http://127.0.0.1:${port}` }
const layer = transport === "fetch"
  ? Layer.provideMerge(Files.layer(options), Layer.merge(FetchHttpClient.layer, NodeFileSystem.layer))
  : NodeFiles.layer(options)

/** The process's peak in kilobytes. On Linux `maxRSS` begins with the memory of the process that started this one. */
const peak = () =>
  process.platform === "linux"
    ? Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync("/proc/self/status", "utf8"))[1])
    : process.resourceUsage().maxRSS

const transfer = kind === "upload"
  ? Effect.map(Files.upload(FileSource.path(path)), (file) => file.size_bytes)
  : Stream.runFold(
    Files.download(FileMetadata.FileId.make(`file_${bytes}`)),
    () => 0,
    (sum, chunk) => sum + chunk.length
  )

const started = performance.now()
const transferred = await Effect.runPromise(Effect.provide(transfer, layer))
console.log(JSON.stringify({
  transferred,
  millis: Math.round(performance.now() - started),
  peakMegabytes: Math.round(peak() / 1024)
}))
