/** The same with `await`: the client is made once, and each call runs as a promise. */
import { ManagedRuntime } from "effect"
import { Files, FileSource, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const client = ManagedRuntime.make(NodeFiles.layerConfig({}, Policy.standard()))

try {
  const file = await client.runPromise(Files.upload(FileSource.text("The lamp was lit on 359 nights.", "report.txt")))
  console.log(`${file.filename} is ${file.id}, ${file.size_bytes} bytes`)
  await client.runPromise(Files.delete(file.id))
} finally {
  await client.dispose()
}
