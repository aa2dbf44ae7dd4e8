/** Uploads files by the million through a Postgres, on any number of machines. Needs `@effect/sql-pg` and DATABASE_URL. */
import { NodeRuntime } from "@effect/platform-node"
import { Config, Console, Effect, FileSystem, Layer, Stream } from "effect"
import * as Ingest from "effect-anthropic-files/fleet/Ingest"
import * as Manifest from "effect-anthropic-files/fleet/Manifest"
import * as NodeIngest from "effect-anthropic-files/fleet/NodeIngest"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"

// With a redisUrl as well, any number of processes can run this at the same time and share one rate.
const IngestLive = Layer.unwrap(Effect.map(
  Config.Redacted("DATABASE_URL"),
  (databaseUrl) => NodeIngest.layer({ databaseUrl }, (policy) => NodeFiles.layerConfig({}, policy))
))

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped()
  yield* Effect.forEach(
    ["north", "south", "west"],
    (name) => fs.writeFileString(`${directory}/${name}.md`, `# ${name}`)
  )

  // An item that is added again stays as it is, so a program that was interrupted can simply start over.
  yield* Ingest.add("lighthouses", Manifest.folder(directory))
  yield* Ingest.add("lighthouses", Stream.make({ key: "missing", source: `${directory}/east.md` }))

  yield* Stream.runForEach(
    Ingest.run("lighthouses"),
    (event) =>
      Console.log(event._tag === "Failed" ? `${event.key}: ${event.error_message}` : `${event.key}: ${event._tag}`)
  )
  const { counts, failures } = yield* Ingest.status("lighthouses")
  yield* Console.log(`${counts.done} done`, failures)

  // The id of the file for each key. Your own queries can join the same table.
  yield* Stream.runForEach(
    Ingest.items("lighthouses", { states: ["done"] }),
    ({ file_id, key }) => Console.log(key, file_id)
  )

  yield* Stream.runDrain(Ingest.deleteUploaded("lighthouses"))
})

NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide(IngestLive)))
