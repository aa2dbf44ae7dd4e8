/** Testing a program: ten files are stored once each, whatever goes wrong on the network. */
import { Effect, Random } from "effect"
import { Files, FileSource, Policy } from "effect-anthropic-files"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as Faults from "effect-anthropic-files/testing/Faults"
import * as FilesTest from "effect-anthropic-files/testing/FilesTest"
import * as assert from "node:assert/strict"
import { runIfMain } from "./shared/runIfMain.ts"

/** The program: ten uploads, three at a time. */
const program = Effect.forEach(
  Array.from({ length: 10 }, (_, n) => `page_${n}.txt`),
  (name) => Files.upload(FileSource.text(name, name)),
  { concurrency: 3 }
)

const network = Policy.stack(
  Policy.retry({ times: 20 }),
  // A burst of 429s, and then a third of all answers is lost.
  Faults.layer(
    Fault.rateLimited({ retryAfter: "2 seconds", times: 6 }),
    Fault.reset({ at: "after", match: { operation: "upload" }, times: null, probability: 0.3 })
  )
)

export const test = Effect.gen(function*() {
  yield* FilesTest.fastForward(program)
  const stored = yield* FilesTest.stored
  assert.equal(stored.length, 10)
  assert.equal(new Set(stored.map((file) => file.filename)).size, 10)
}).pipe(
  Effect.provide(FilesTest.layer({}, network)),
  Random.withSeed("the same every time")
)

runIfMain(import.meta, test)
