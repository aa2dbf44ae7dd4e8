/** Testing a program: a download breaks at 40 %. */
import { Effect, Stream } from "effect"
import { FileMetadata, Files, Policy } from "effect-anthropic-files"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import { expectFailure } from "effect-anthropic-files/testing/Expect"
import * as FilesTest from "effect-anthropic-files/testing/FilesTest"
import * as assert from "node:assert/strict"
import { runIfMain } from "./shared/runIfMain.ts"

const id = FileMetadata.FileId.make("file_chart")

const chart = Uint8Array.from({ length: 1000 }, (_, n) => n)

/** The program: fetches a chart. */
const program = Stream.mkUint8Array(Files.download(id))

const broken = {
  files: [FilesTest.generated("chart.png", chart, { id })],
  faults: [Fault.reset({ at: "response", after: 400, match: { operation: "content" } })]
}

const withoutPolicy = Effect.gen(function*() {
  const error = yield* expectFailure(program, "TransferInterrupted")
  assert.equal(error.reason, "Reset")
  assert.deepEqual([error.transferred, error.expected], [400, 1000])
}).pipe(Effect.provide(FilesTest.layer(broken)))

const withRetries = Effect.gen(function*() {
  assert.deepEqual(yield* FilesTest.fastForward(program), chart)
  assert.equal((yield* FilesTest.requests).length, 2)
}).pipe(Effect.provide(FilesTest.layer(broken, Policy.retry())))

export const test = Effect.andThen(withoutPolicy, withRetries)

runIfMain(import.meta, test)
