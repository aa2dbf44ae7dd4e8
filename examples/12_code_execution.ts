/** Gives a CSV to the code execution tool and saves every file that the run generates. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, FileSystem, Stream } from "effect"
import { ContentBlock, Files, FileSource, Messages } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

/** Uploaded now, deleted when the scope closes. */
const uploaded = (name: string) =>
  Effect.acquireRelease(
    Files.upload(FileSource.path(`${import.meta.dirname}/assets/${name}`)),
    (file) => Effect.ignore(Files.delete(file.id)),
    { interruptible: true }
  )

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const csv = yield* uploaded("lighthouse.csv")
  const message = yield* Messages.create({
    model: "claude-sonnet-5-5",
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
  yield* Stream.runForEach(Messages.downloads(message), ({ content, file }) =>
    Effect.gen(function*() {
      // The name is the model's choice: the id can't lead out of the folder.
      const path = `${directory}/${file.id}`
      yield* Stream.run(content, fs.sink(path))
      yield* Files.delete(file.id)
      yield* Console.log(`${file.filename} is saved as ${path}`)
    }))
})

NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide(NodeFiles.layerConfig())))
