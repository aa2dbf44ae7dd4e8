/** Looks up a file that may not exist. */
import { Console, Effect } from "effect"
import { FileMetadata, Files, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const id = FileMetadata.FileId.make(process.argv[2] ?? "")
const program = Files.metadata(id).pipe(
  Effect.flatMap((file) => Console.log(`${file.filename}: ${file.mime_type}, ${file.size_bytes} bytes`)),
  Effect.catchTag("FileNotFound", () => Console.log("There is no such file."))
)
await Effect.runPromise(Effect.provide(program, NodeFiles.layerConfig({}, Policy.standard())))
