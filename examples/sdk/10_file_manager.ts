/** Files that live as long as a piece of work: deleted when it is done, and when it fails. */
import { Console, Effect } from "effect"
import { Files, FileSource, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const work = Effect.gen(function*() {
  const file = yield* Files.uploadScoped(FileSource.path(process.argv[2] ?? "report.pdf"))
  yield* Console.log(`Working with ${file.filename}`)
})

const program = Effect.andThen(Effect.scoped(work), Console.log("Deleted."))
await Effect.runPromise(Effect.provide(program, NodeFiles.layerConfig({}, Policy.standard())))
