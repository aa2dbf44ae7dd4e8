/** Uploads bytes from memory, for a day. */
import { Effect } from "effect"
import { Files, FileSource, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const bytes = new TextEncoder().encode("night,lit\n1,yes\n2,no\n")
const uploading = Files.upload(FileSource.bytes(bytes, "nights.csv"), { expiresIn: "1 day" })
const file = await Effect.runPromise(Effect.provide(uploading, NodeFiles.layerConfig({}, Policy.standard())))
console.log(`${file.filename} is stored as ${file.id}, ${file.size_bytes} bytes`)
