/** Goes through all files, page by page, and adds them up. */
import { Effect, Stream } from "effect"
import { Files, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const totals = Files.list({ limit: 1000 }).pipe(
  Stream.runFold(() => ({ files: 0, bytes: 0 }), ({ bytes, files }, file) => ({
    files: files + 1,
    bytes: bytes + file.size_bytes
  }))
)
const { bytes, files } = await Effect.runPromise(Effect.provide(totals, NodeFiles.layerConfig({}, Policy.standard())))
console.log(`${files} files, ${bytes} bytes`)
