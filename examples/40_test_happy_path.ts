/** Testing a program: all goes well. */
import { Effect } from "effect"
import { ContentBlock, Files, FileSource, Messages } from "effect-anthropic-files"
import * as FilesTest from "effect-anthropic-files/testing/FilesTest"
import * as assert from "node:assert/strict"
import { model } from "./shared/example.ts"
import { runIfMain } from "./shared/runIfMain.ts"

/** The program: uploads a report, asks about it, and deletes it whatever happens. */
const summarize = (report: string) =>
  Effect.gen(function*() {
    const file = yield* Effect.acquireRelease(
      Files.upload(FileSource.text(report, "report.txt"), { expiresIn: "1 day" }),
      (file) => Effect.ignore(Files.delete(file.id))
    )
    const message = yield* Messages.create({
      model,
      max_tokens: 256,
      messages: [{
        role: "user",
        content: [yield* ContentBlock.document(file), { type: "text", text: "Sum it up." }]
      }]
    })
    return Messages.text(message)
  }).pipe(Effect.scoped)

export const test = Effect.gen(function*() {
  const summary = yield* summarize("The lamp was lit on 359 nights.")
  assert.notEqual(summary, "")

  const requests = yield* FilesTest.requests
  assert.deepEqual(requests.map((request) => request.operation), ["upload", "createMessage", "delete"])
  const [expiry, file] = requests[0]?.parts ?? []
  assert.equal(expiry?.text, "86400")
  assert.equal(file?.text, "The lamp was lit on 359 nights.")
  assert.equal(file.contentType, "text/plain")

  assert.deepEqual(yield* FilesTest.stored, [])
}).pipe(Effect.provide(FilesTest.layer()))

runIfMain(import.meta, test)
