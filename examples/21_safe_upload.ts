/** An upload that says what is wrong instead of throwing, before anything is sent where possible. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { Files, FileSource, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const safeUpload = (path: string) =>
  Files.uploadScoped(FileSource.path(path)).pipe(
    Effect.map((file) => `${path}: stored as ${file.id}`),
    Effect.catchTags({
      SourceFailed: (error) => Effect.succeed(`${path}: ${error.message}`),
      InvalidFilename: (error) => Effect.succeed(`${path}: ${error.message}`),
      FileTooLarge: (error) => Effect.succeed(`${path}: ${error.size} bytes, and ${error.limit} are allowed`),
      StorageLimitExceeded: () => Effect.succeed(`${path}: no room, delete something first`)
    })
  )

const program = Effect.gen(function*() {
  const assets = `${import.meta.dirname}/assets`
  for (const path of [`${assets}/lighthouse.pdf`, `${assets}/missing.pdf`, assets]) {
    yield* Console.log(yield* safeUpload(path))
  }
})

// The policy retries what may pass by itself: too many requests, an overloaded service, a broken connection.
NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide(NodeFiles.layerConfig({}, Policy.standard()))))
