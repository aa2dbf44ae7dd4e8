/** Uploads a content once, whatever the file is called, even from several processes at a time. */
import { Effect, Layer } from "effect"
import { FileSource, Policy, UploadCache, UploadStore } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

const [, , path = "report.pdf", notes = "uploads"] = process.argv
const CacheLive = UploadCache.layer({ maxAge: 0 }).pipe(
  Layer.provide(UploadStore.layerDirectory(notes)),
  Layer.provideMerge(NodeFiles.layerConfig({}, Policy.standard()))
)
const file = await Effect.runPromise(Effect.provide(UploadCache.get(FileSource.path(path)), CacheLive))
console.log(`${file.filename} is ${file.id}`)
