/** Files that live as long as a piece of work. They are deleted when it ends, when it fails, and on Ctrl-C. */
import { Console, Effect } from "effect"
import { Files, FileSource } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import * as NodeMain from "effect-anthropic-files/NodeMain"

const work = Effect.gen(function*() {
  const report = yield* Files.uploadScoped(FileSource.path(`${import.meta.dirname}/assets/lighthouse.pdf`))
  // If this process is killed, the service removes the file after an hour.
  const notes = yield* Files.uploadScoped(FileSource.text("The keeper asks for oil.", "notes.txt"), {
    expiresIn: "1 hour"
  })
  yield* Console.log(`Working with ${report.id} and ${notes.id}`)
})

const program = Effect.gen(function*() {
  yield* Effect.scoped(work)
  yield* Console.log("Both are deleted again.")
})

// Ctrl-C deletes the files too. A second Ctrl-C ends the program at once.
NodeMain.runMain(program.pipe(Effect.provide(NodeFiles.layerConfig())))
