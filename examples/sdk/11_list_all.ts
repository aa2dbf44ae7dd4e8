/** Goes through all files, page by page, and adds them up. */
import { ManagedRuntime, Stream } from "effect"
import { Files, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const client = ManagedRuntime.make(NodeFiles.layerConfig({}, Policy.standard()))
let files = 0
let bytes = 0
for await (const file of await client.runPromise(Stream.toAsyncIterableEffect(Files.list({ limit: 1000 })))) {
  files += 1
  bytes += file.size_bytes
}
console.log(`${files} files, ${bytes} bytes`)
await client.dispose()
