/**
 * `node worker.ts sync|get <url> <key> <store> <directory> <lease>`: a process that may be killed.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as FileSource from "../../src/FileSource.ts"
import * as NodeFiles from "../../src/NodeFiles.ts"
import * as UploadCache from "../../src/UploadCache.ts"
import * as UploadStore from "../../src/UploadStore.ts"

const [what = "", url = "", key = "", store = "", directory = "", lease = ""] = process.argv.slice(2)

const layer = UploadCache.layer({ lease: lease as Duration.Input }).pipe(
  Layer.provide(UploadStore.layerDirectory(store)),
  Layer.provideMerge(NodeFiles.layer({ apiKey: Redacted.make(key), baseUrl: url }))
)

const sync = Stream.runForEach(
  UploadCache.sync(directory, { delete: true, concurrency: 4 }),
  (result) => result._tag === "Failed" ? Effect.die(result.error) : Effect.void
)

const get = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const names = yield* fs.readDirectory(directory, { recursive: true })
  const paths = names.map((name) => `${directory}/${name}`).filter((path) => path.endsWith(".txt"))
  yield* Effect.forEach(paths, (path) => UploadCache.get(FileSource.path(path)), { concurrency: 4 })
})

// The moment from which the time of a kill is measured.
process.stdout.write("ready\n")
const program: Effect.Effect<void, unknown, Layer.Success<typeof layer>> = what === "sync" ? sync : get
await Effect.runPromise(Effect.provide(program, layer))
process.stdout.write("done\n")
