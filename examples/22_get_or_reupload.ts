/** Gets a file by its content: uploads it if it is not there, and again if it has expired or was deleted. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { ContentBlock, Files, FileSource, Messages, UploadCache, UploadStore } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { model } from "./shared/example.ts"

const ask = (question: string) =>
  UploadCache.use(FileSource.path(`${import.meta.dirname}/assets/lighthouse.pdf`), (file) =>
    Effect.gen(function*() {
      const message = yield* Messages.create({
        model,
        max_tokens: 256,
        messages: [{ role: "user", content: [yield* ContentBlock.document(file), { type: "text", text: question }] }]
      })
      yield* Console.log(file.id, Messages.text(message))
      return file
    }))

const program = Effect.gen(function*() {
  const file = yield* ask("How many nights was the lamp lit?")
  // Somebody deletes the file. The next question notices, uploads it again, and asks again.
  yield* Files.delete(file.id)
  const fresh = yield* ask("Who visited?")
  yield* Files.delete(fresh.id)
})

// UploadStore.layerDirectory() remembers uploads between runs, in the user's cache directory.
const CacheLive = UploadCache.layer().pipe(Layer.provide(UploadStore.layerMemory))

NodeRuntime.runMain(
  program.pipe(Effect.provide(CacheLive.pipe(Layer.provideMerge(NodeFiles.layerConfig()))))
)
