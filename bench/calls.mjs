/**
 * How many functions are called for one request, bare and on one socket: by Node, by effect, by this package. Unlike a
 * time, the count is the same on every machine, however busy.
 */
import * as Files from "effect-anthropic-files/Files"
import * as FileSource from "effect-anthropic-files/FileSource"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as inspector from "node:inspector/promises"
import { startServer } from "./run.mjs"

const warmUp = 60
const counted = 100
const server = await startServer()

const each = (one) => (count) => Effect.forEach(Array.from({ length: count }, (_, n) => n), one, { discard: true })

const source = FileSource.bytes(new Uint8Array(1024), "upload.bin")

const requests = {
  "metadata lookup": each((n) => Files.metadata(`file_1024_${String(n).padStart(9, "0")}`)),
  "upload of 1 KB": each(() => Files.upload(source)),
  "page of 20": () => Stream.runDrain(Files.list({ limit: 20 }))
}

/** The base URL says how many files a listing has. */
const run = (effect, count) =>
  Effect.runPromise(
    effect(count).pipe(
      Effect.withTracerEnabled(false),
      Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
      Effect.provide(
        NodeFiles.layer({ apiKey: Redacted.make("sk-ant-bench"), baseUrl: `${server}/t${count * 20}` })
      )
    )
  )

const ownerOf = (url) => {
  if (url.startsWith("node:")) return "Node"
  if (/node_modules[/\\](@effect[/\\]|effect[/\\])/.test(url)) return "effect"
  return url.startsWith(new URL("../dist/", import.meta.url).href) ? "this package" : undefined
}

const session = new inspector.Session()
session.connect()
await session.post("Profiler.enable")
await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false })

for (const [what, effect] of Object.entries(requests)) {
  await run(effect, warmUp)
  await session.post("Profiler.takePreciseCoverage")
  await run(effect, counted)
  const { result } = await session.post("Profiler.takePreciseCoverage")
  const calls = new Map()
  for (const { functions, url } of result) {
    const owner = ownerOf(url)
    for (const { ranges: [{ count }] } of functions) calls.set(owner, (calls.get(owner) ?? 0) + count)
  }
  const [node, effects, own] = ["Node", "effect", "this package"].map((owner) =>
    Math.round((calls.get(owner) ?? 0) / counted)
  )
  console.log(`${what}: ${node + effects + own} calls: Node ${node}, effect ${effects}, this package ${own}`)
}
process.exit(0)
