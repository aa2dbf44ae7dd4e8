import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"
import { FileMetadata, Files, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

// A stored string becomes a FileId again. Any text is accepted, because only the service knows what an id looks like.
const byId = (text: string) => Files.metadata(FileMetadata.FileId.make(text))

const program = Effect.gen(function*() {
  const [newest] = yield* Stream.runCollect(Stream.take(Files.list({ limit: 1 }), 1))
  if (newest === undefined) return yield* Console.log("There are no files.")
  const again = yield* byId(String(newest.id))
  yield* Console.log(`The newest is ${again.filename}.`)
})

// Without a policy, nothing is retried. The standard stack retries, limits the rate, and breaks circuits.
const FilesLive = NodeFiles.layerConfig({}, Policy.standard({ retry: { times: 6 }, concurrency: 8 }))

program.pipe(Effect.provide(FilesLive), NodeRuntime.runMain)
