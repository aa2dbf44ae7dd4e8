/** Uploads a file from disk: the name tells the type, and the bytes are streamed. */
import { Effect } from "effect"
import { Files, FileSource, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const uploading = Files.upload(FileSource.path(process.argv[2] ?? "report.pdf"))
const file = await Effect.runPromise(Effect.provide(uploading, NodeFiles.layerConfig({}, Policy.standard())))
console.log(`${file.filename} is stored as ${file.id}, ${file.size_bytes} bytes`)
