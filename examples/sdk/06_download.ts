/** Saves a file that a tool made: complete and synced, or not at all. A broken connection is resumed. */
import { Effect } from "effect"
import { FileMetadata, Policy, Transfer } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const [, , id = "", path = "chart.png"] = process.argv
const saving = Transfer.downloadToFile(FileMetadata.FileId.make(id), path, { onExisting: "replace" })
const saved = await Effect.runPromise(Effect.provide(saving, NodeFiles.layerConfig({}, Policy.standard())))
console.log(`Saved as ${saved.path}`)
