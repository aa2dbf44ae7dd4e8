/**
 * `node --expose-gc many.mjs <count>`: deletes that many files, a tenth of which fail, over a client that answers by
 * itself. Tells the megabytes that are reachable after a tenth of them and at the end.
 */
import * as FileMetadata from "effect-anthropic-files/FileMetadata"
import * as Files from "effect-anthropic-files/Files"
import * as Transfer from "effect-anthropic-files/Transfer"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"

const count = Number(process.argv[2])

// Answers come in turns of the event loop of their own, as those of a socket do: what a turn has queued is let go of at
// its end.
const client = HttpClient.make((request, url) =>
  Effect.callback((resume) => {
    setImmediate(() =>
      resume(Effect.succeed(HttpClientResponse.fromWeb(
        request,
        url.pathname.endsWith("0")
          ? Response.json({ type: "error", error: { type: "not_found_error", message: "no" } }, { status: 404 })
          : Response.json({ id: url.pathname.slice(10), type: "file_deleted" })
      )))
    )
  })
)
const files = Files.layer({ apiKey: Redacted.make("sk-ant-memory-test"), baseUrl: "http://localhost" }).pipe(
  Layer.provide(Layer.succeed(HttpClient.HttpClient, client))
)
const ids = Stream.map(Stream.range(1, count), (n) => FileMetadata.FileId.make(`file_${n}`))

const heap = []
let results = 0
let failed = 0
const measure = () => {
  globalThis.gc()
  heap.push(process.memoryUsage().heapUsed / 1e6)
}
await Effect.runPromise(Effect.provide(
  Stream.runForEach(Transfer.deleteAll(ids), ({ _tag }) =>
    Effect.sync(() => {
      results++
      if (_tag === "Failure") failed++
      if (results === Math.floor(count / 10) || results === count) measure()
    })),
  files
))
if (failed !== Math.floor(count / 10)) throw new Error(`${failed} failed`)
console.log(JSON.stringify({ results, heap }))
