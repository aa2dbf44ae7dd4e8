/** Testing a program: the storage is full half-way. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { Files, FileSource } from "effect-anthropic-files"
import { expectFailure } from "effect-anthropic-files/testing/Expect"
import * as FilesTest from "effect-anthropic-files/testing/FilesTest"
import { TestClock } from "effect/testing"
import * as assert from "node:assert/strict"

/** The program: uploads all chapters or none. */
const publish = (chapters: ReadonlyArray<string>) =>
  Effect.forEach(chapters, (text, n) =>
    Effect.acquireRelease(
      Files.upload(FileSource.text(text, `chapter_${n + 1}.txt`)),
      (file, exit) => exit._tag === "Failure" ? Effect.ignore(Files.delete(file.id)) : Effect.void
    )).pipe(Effect.scoped)

export const test = Effect.gen(function*() {
  const error = yield* expectFailure(publish(["x".repeat(40), "x".repeat(40), "x".repeat(40)]), "StorageLimitExceeded")
  assert.equal(error.isRetryable, false)

  const stored = yield* FilesTest.stored
  assert.deepEqual(stored.map((file) => file.filename), ["there_before.txt"])
}).pipe(
  Effect.provide(FilesTest.layer({
    storageQuotaBytes: 100,
    files: [FilesTest.uploaded("there_before.txt", "0123456789")]
  }))
)

if (process.argv[1] === import.meta.filename) {
  NodeRuntime.runMain(test.pipe(Effect.andThen(Console.log("as expected")), Effect.provide(TestClock.layer())))
}
