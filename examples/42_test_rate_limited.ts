/** Testing a program: rate limited at first, then fine. */
import { Duration, Effect, Layer } from "effect"
import { Files, FileSource, Policy } from "effect-anthropic-files"
import * as FilesTest from "effect-anthropic-files/testing/FilesTest"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import * as assert from "node:assert/strict"
import { runIfMain } from "./shared/runIfMain.ts"

/** The program: one upload. The test is about the policy that it runs under. */
const program = Files.upload(FileSource.text("a,b\n1,2\n", "table.csv"))

const script = HttpMock.layer(
  HttpMock.expect(
    { method: "POST", path: "/v1/files", parts: { file: { filename: "table.csv", content: /^a,b/ } } },
    HttpMock.error.rateLimited({ retryAfter: "30 seconds" }),
    HttpMock.file()
  )
)

export const test = Effect.gen(function*() {
  const [waited, file] = yield* FilesTest.fastForward(Effect.timed(program))
  assert.ok(Duration.isGreaterThanOrEqualTo(waited, Duration.seconds(30)))
  assert.equal(file.filename, "table.csv")
}).pipe(
  // When the Layer's scope closes, it verifies that both answers were used.
  Effect.provide(
    FilesTest.layerClient().pipe(
      Layer.provide(Policy.retry()),
      Layer.provideMerge(script)
    )
  )
)

runIfMain(import.meta, test)
