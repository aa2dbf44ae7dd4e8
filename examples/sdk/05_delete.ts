/** Deletes a file. If it is already gone, that is not a failure. */
import { Console, Effect } from "effect"
import { FileMetadata, Files, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const id = FileMetadata.FileId.make(process.argv[2] ?? "")
const program = Files.delete(id).pipe(
  Effect.andThen(Console.log("Deleted.")),
  Effect.catchTag("FileNotFound", () => Console.log("It was gone already."))
)
await Effect.runPromise(Effect.provide(program, NodeFiles.layerConfig({}, Policy.standard())))
