import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Stream } from "effect"
import { Files, FileSource, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { FetchHttpClient } from "effect/http"

const standard = NodeFiles.layerConfig({}, Policy.standard())

export const careful = Policy.standard({
  retry: { times: 9, maxElapsed: "3 hours" },
  rateLimit: { requestsPerMinute: 50 },
  circuitBreaker: false
})

export const own = Policy.stack(
  Policy.timeout({ total: "5 minutes" }),
  Policy.retry(),
  Policy.rateLimit({ requestsPerMinute: 50 })
)

export const anyClient = Policy.stack(Policy.retry(), Policy.timeout()).pipe(Layer.provide(FetchHttpClient.layer))

const once = Policy.override(
  Files.upload(FileSource.text("Sent once, or not at all.", "note.txt"), { onUnknownOutcome: "fail" }),
  { retry: false }
)

const names = Files.list({ limit: 5 }).pipe(
  Policy.override({ retry: { times: 9 }, rateLimit: { maxWait: "1 minute" } }),
  Stream.map((file) => file.filename)
)

const program = Effect.gen(function*() {
  const file = yield* once
  yield* Console.log(`uploaded ${file.id}`)
  yield* Stream.runForEach(names, Console.log)
  yield* Files.delete(file.id)
})

program.pipe(Effect.provide(standard), NodeRuntime.runMain)
