/** Keeps a directory in sync: uploads only what is new or changed. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, FileSystem, Layer, Stream } from "effect"
import { Transfer, UploadCache, UploadStore } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const sync = (directory: string) =>
  UploadCache.sync(directory, { exclude: ["**/node_modules/**", "**/*.tmp"], delete: true, maxDeletions: 20 }).pipe(
    Stream.tap((result) =>
      Console.log(
        result._tag === "Failed" || result._tag === "DeleteFailed"
          ? `${result.path}: ${result.error.message}`
          : `${result.path}: ${result._tag}`
      )
    )
  )

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped()
  yield* fs.writeFileString(`${directory}/kept.md`, "# Kept")
  yield* fs.writeFileString(`${directory}/dropped.md`, "# Dropped")
  yield* Stream.runDrain(sync(directory))
  yield* fs.remove(`${directory}/dropped.md`)
  const files = sync(directory).pipe(
    Stream.flatMap((result) => "file" in result ? Stream.make(result.file) : Stream.empty)
  )
  // The directory was only for this example, so its files are deleted as well.
  yield* Stream.runDrain(Transfer.deleteAll(files))
})

const CacheLive = UploadCache.layer().pipe(Layer.provide(UploadStore.layerMemory))

NodeRuntime.runMain(
  program.pipe(Effect.scoped, Effect.provide(CacheLive.pipe(Layer.provideMerge(NodeFiles.layerConfig()))))
)
