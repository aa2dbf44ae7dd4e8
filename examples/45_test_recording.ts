/** Testing a program: recorded once with the service, and replayed from then on. Recording needs ANTHROPIC_API_KEY. */
import { NodeFileSystem, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, FileSystem, Layer } from "effect"
import { Files, FileSource } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import * as FilesTest from "effect-anthropic-files/testing/FilesTest"
import * as Recorder from "effect-anthropic-files/testing/Recorder"
import * as assert from "node:assert/strict"

/** The program: uploads a file, looks it up, and deletes it. */
const program = Effect.gen(function*() {
  const file = yield* Files.upload(FileSource.text("The lamp was lit on 359 nights.", "report.txt"))
  const { size_bytes } = yield* Files.metadata(file.id)
  yield* Files.delete(file.id)
  return `${file.filename} has ${size_bytes} bytes`
})

/** Run this by hand when the program changes. The recording goes next to the test. */
const record = (path: string) =>
  program.pipe(Effect.provide(
    Files.layerConfig().pipe(
      Layer.provide(Recorder.layerRecord(path)),
      Layer.provide(NodeFiles.layerHttpClient)
    )
  ))

/** The test: no service, no key. */
const replay = (path: string) =>
  Effect.gen(function*() {
    assert.equal(yield* program, "report.txt has 31 bytes")
  }).pipe(Effect.provide(FilesTest.layerClient().pipe(Layer.provide(Recorder.layerReplay(path)))))

const both = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const path = `${yield* fs.makeTempDirectoryScoped()}/report.json`
  yield* record(path)
  yield* replay(path)
  yield* Console.log(yield* fs.readFileString(path))
}).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))

NodeRuntime.runMain(both)
