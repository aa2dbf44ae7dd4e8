import { NodeRuntime } from "@effect/platform-node"
import { Console, DateTime, Effect, Stream } from "effect"
import { Files } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

// A page is fetched only when the stream reaches it, and the stream ends at the first file that is too old.
const recent = Effect.gen(function*() {
  const monthAgo = DateTime.subtract(yield* DateTime.now, { months: 1 })
  yield* Files.list({ limit: 100 }).pipe(
    Stream.takeWhile((file) => DateTime.isGreaterThan(file.created_at, monthAgo)),
    Stream.filter((file) => file.mime_type === "application/pdf"),
    Stream.runForEach((file) => Console.log(`${file.id} ${file.filename}`))
  )
})

recent.pipe(Effect.provide(NodeFiles.layerConfig()), NodeRuntime.runMain)
