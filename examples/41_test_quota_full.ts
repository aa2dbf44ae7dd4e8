/** Testing a program: the storage fills up half-way. */
import { Effect } from "effect"
import { Files, FileSource } from "effect-anthropic-files"
import { expectFailure } from "effect-anthropic-files/testing/Expect"
import * as FilesTest from "effect-anthropic-files/testing/FilesTest"
import * as assert from "node:assert/strict"
import { runIfMain } from "./shared/runIfMain.ts"

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

runIfMain(import.meta, test)
