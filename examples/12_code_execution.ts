/** Gives a CSV to the code execution tool and saves every file that the run generates. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, FileSystem, Stream } from "effect"
import { ContentBlock, Files, Messages, Transfer } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { model, uploaded } from "./shared/example.ts"

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const csv = yield* uploaded("lighthouse.csv")
  const message = yield* Messages.create({
    model,
    max_tokens: 4096,
    tools: [{ type: "code_execution_20250825", name: "code_execution" }],
    messages: [{
      role: "user",
      content: [
        yield* ContentBlock.containerUpload(csv),
        { type: "text", text: "Sum up every column and save the sums as a CSV file." }
      ]
    }]
  })
  const directory = yield* fs.makeTempDirectory({ prefix: "generated-" })
  yield* Stream.runForEach(Messages.downloads(message), ({ file }) =>
    Effect.gen(function*() {
      const saved = yield* Transfer.downloadToDirectory(file, directory)
      yield* Files.delete(file.id)
      yield* Console.log(`${file.filename} is saved as ${saved.path}`)
    }))
})

NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide(NodeFiles.layerConfig())))
