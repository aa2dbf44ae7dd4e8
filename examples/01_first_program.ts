import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { Files, FileSource } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const program = Effect.gen(function*() {
  const file = yield* Files.upload(FileSource.text("The lamp was lit on 359 nights.", "report.txt"))
  yield* Console.log(`${file.filename} is ${file.id}, ${file.size_bytes} bytes`)
  yield* Files.delete(file.id)
})

program.pipe(Effect.provide(NodeFiles.layerConfig()), NodeRuntime.runMain)
