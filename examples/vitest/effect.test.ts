/** The tests of a program that is written in Effect: `npm install --save-dev vitest @effect/vitest`. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { Files, FileSource } from "effect-anthropic-files"
import { expectFailure } from "effect-anthropic-files/testing/Expect"
import * as FilesTest from "effect-anthropic-files/testing/FilesTest"

/** The program: uploads all chapters. */
const publish = (chapters: ReadonlyArray<string>) =>
  Effect.forEach(chapters, (text, n) => Files.upload(FileSource.text(text, `chapter_${n + 1}.txt`)))

it.effect("stores each chapter", () =>
  Effect.gen(function*() {
    yield* publish(["Dawn", "Dusk"])
    const stored = yield* FilesTest.stored
    assert.deepStrictEqual(stored.map((file) => file.text), ["Dusk", "Dawn"])
  }).pipe(Effect.provide(FilesTest.layer())))

it.effect("fails when the storage is full", () =>
  Effect.gen(function*() {
    const error = yield* expectFailure(publish(["x".repeat(101)]), "StorageLimitExceeded")
    assert.isFalse(error.isRetryable)
  }).pipe(Effect.provide(FilesTest.layer({ storageQuotaBytes: 100 }))))
