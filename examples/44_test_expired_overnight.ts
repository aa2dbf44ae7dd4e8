/** Testing a program: a file expires overnight. */
import { Effect, Stream } from "effect"
import { FileMetadata, Files } from "effect-anthropic-files"
import * as FilesTest from "effect-anthropic-files/testing/FilesTest"
import { TestClock } from "effect/testing"
import * as assert from "node:assert/strict"
import { runIfMain } from "./shared/runIfMain.ts"

const id = FileMetadata.FileId.make("file_totals")

/** The program: shows yesterday's totals, if they are still there. */
const totals = Files.download(id).pipe(
  Stream.decodeText(),
  Stream.mkString,
  Effect.catchTag("FileExpired", () => Effect.succeed("The totals are gone: run the report again."))
)

export const test = Effect.gen(function*() {
  assert.equal(yield* totals, "nights,359\n")
  yield* TestClock.adjust("12 hours")
  assert.equal(yield* totals, "The totals are gone: run the report again.")

  const [file] = yield* FilesTest.stored
  assert.equal(file?.expired, true)
}).pipe(
  Effect.provide(FilesTest.layer({
    files: [FilesTest.expiring(FilesTest.generated("totals.csv", "nights,359\n", { id }), "8 hours")]
  }))
)

runIfMain(import.meta, test)
