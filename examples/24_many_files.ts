/** Uploads many documents, eight at a time, with progress and a result for each; then deletes them all. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Fiber, FileSystem, Stream } from "effect"
import { FileSource, Policy, Progress, Transfer } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const directory = `${import.meta.dirname}/assets`

const uploadAll = (names: ReadonlyArray<string>, progress: Progress.Progress) =>
  Stream.fromIterable(names).pipe(
    Stream.map((name) => ({ source: FileSource.path(`${directory}/${name}`), name })),
    (inputs) => Transfer.uploadAll(inputs, { progress }),
    Stream.tap((result) =>
      result._tag === "Success"
        ? Console.log(`${result.input.name} is ${result.value.id}`)
        : Console.log(`${result.input.name}: ${result.error.message}`)
    )
  )

const show = (progress: Progress.Progress) =>
  Stream.runForEach(
    progress.changes("200 millis"),
    ({ bytes, files }) => Console.log(`${files.done} of ${files.total} files, ${bytes} bytes`)
  )

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const names = [...(yield* fs.readDirectory(directory)), "missing.pdf"]
  const progress = yield* Progress.make
  yield* progress.expect({ files: names.length })
  const shown = yield* Effect.forkChild(show(progress))
  const results = yield* Stream.runCollect(uploadAll(names, progress))
  yield* Fiber.interrupt(shown)
  const files = results.flatMap((result) => result._tag === "Success" ? [result.value] : [])
  yield* Stream.runDrain(Transfer.deleteAll(Stream.fromIterable(files)))
})

NodeRuntime.runMain(program.pipe(Effect.provide(NodeFiles.layerConfig({}, Policy.standard()))))
