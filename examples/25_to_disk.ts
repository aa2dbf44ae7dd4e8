/** Saves everything that tools made to a directory. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, FileSystem, Stream } from "effect"
import { Files, Policy, Transfer } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const saveAll = (directory: string) =>
  Files.list({ limit: 1000 }).pipe(
    Stream.filter((file) => file.downloadable),
    (made) => Transfer.downloadAll(made, { directory, onExisting: "rename" })
  )

const program = Effect.gen(function*() {
  const directory = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
  const results = yield* Stream.runCollect(saveAll(directory))
  yield* Console.log(`${results.length} files are in ${directory}`)
})

NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide(NodeFiles.layerConfig({}, Policy.standard()))))
