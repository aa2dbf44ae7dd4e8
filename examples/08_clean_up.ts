/** Deletes what was uploaded more than 90 days ago, eight files at a time, and reports what could not be deleted. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, DateTime, Effect, Stream } from "effect"
import { Files, Policy, Transfer } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const program = Effect.gen(function*() {
  const limit = DateTime.subtract(yield* DateTime.now, { days: 90 })
  const old = Files.list({ limit: 1000 }).pipe(
    Stream.filter((file) => DateTime.isLessThan(file.created_at, limit))
  )
  const deleted = yield* Transfer.deleteAll(old, { concurrency: 8 }).pipe(
    Stream.tap((result) =>
      result._tag === "Success"
        ? Effect.void
        : Console.error(`${result.input.filename}: ${result.error.message}`)
    ),
    Stream.filter((result) => result._tag === "Success"),
    Stream.runCount
  )
  yield* Console.log(`${deleted} files are deleted`)
})

NodeRuntime.runMain(program.pipe(Effect.provide(NodeFiles.layerConfig({}, Policy.standard()))))
