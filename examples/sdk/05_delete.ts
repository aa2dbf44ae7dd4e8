/** Deletes a file; one that is gone already is no failure. */
import { Console, Effect } from "effect"
import { FileMetadata, Files, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const id = FileMetadata.FileId.make(process.argv[2] ?? "")
const program = Files.delete(id).pipe(
  Effect.andThen(Console.log("Deleted.")),
  Effect.catchTag("FileNotFound", () => Console.log("It was gone already."))
)
await Effect.runPromise(Effect.provide(program, NodeFiles.layerConfig({}, Policy.standard())))
