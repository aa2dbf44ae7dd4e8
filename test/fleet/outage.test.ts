import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Redacted } from "effect"
import { Files, FilesError } from "effect-anthropic-files"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import * as Outage from "../../src/fleet/internal/outage.ts"
import { verdictOf } from "../../src/fleet/internal/verdict.ts"
import { monotonicMillis } from "../../src/internal/request/silence.ts"

const now = Effect.map(Clock.Clock, monotonicMillis)

it.effect("an upload that began before an outage ended is not at fault, although it fails only afterwards", () =>
  Effect.gen(function*() {
    let isUp = false
    const { client } = HttpMock.answering(() =>
      isUp ? Response.json({ data: [], next_page: null }) : new Response("", { status: 503 })
    )
    const files = yield* Files.make({ apiKey: Redacted.make("sk-ant-test-0123456789") }).pipe(
      Effect.provideService(HttpClient.HttpClient, client)
    )
    const outage = Outage.make(files)
    const began = yield* now
    yield* TestClock.adjust("1 second")
    const first = yield* Effect.forkChild(outage.wait(began, Effect.void))
    yield* TestClock.adjust("500 millis")
    isUp = true
    yield* TestClock.adjust("1 second")
    assert.isTrue(yield* Fiber.join(first))
    yield* TestClock.adjust("1 second")
    assert.isTrue(yield* outage.wait(began, Effect.void))
    assert.isFalse(yield* outage.wait(yield* now, Effect.void))
  }))

describe("what a failure means for its item", () => {
  const failed = (reason: FilesError.SourceFailed["reason"], isRetryable = false) =>
    new FilesError.SourceFailed({ operation: "upload", reason, message: "", isRetryable })

  it("a file that changes while it is read may have stopped changing by the next attempt", () => {
    assert.strictEqual(verdictOf(failed("Changed")), "Again")
    assert.strictEqual(verdictOf(failed("Failed", true)), "Again")
    assert.strictEqual(verdictOf(failed("NotFound")), "Final")
  })
})
