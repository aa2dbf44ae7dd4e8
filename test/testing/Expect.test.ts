import { assert, describe, expect, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Result } from "effect"
import { Files, FilesError } from "effect-anthropic-files"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as Expect from "effect-anthropic-files/testing/Expect"
import * as FilesTest from "effect-anthropic-files/testing/FilesTest"
import { matchers } from "effect-anthropic-files/testing/VitestMatchers"

const overloaded = new FilesError.RequestFailed({
  operation: "upload",
  reason: new FilesError.Overloaded({
    message: "The service is overloaded.",
    status: 529,
    requestId: "req_1",
    isRetryable: true,
    isOutcomeUnknown: false,
    cause: new Error("beneath")
  })
})

const notFound = new FilesError.FileNotFound({
  operation: "metadata",
  message: "There is no file_1 in this workspace.",
  fileId: "file_1",
  isRetryable: false,
  isOutcomeUnknown: false
})

const failing: Effect.Effect<number, FilesError.FilesError> = Effect.fail(notFound)

const fail = (error: FilesError.FilesError): Effect.Effect<number, FilesError.FilesError> => Effect.fail(error)

/** What an assertion died of. */
const complaint = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.exit(effect), (exit) => {
    const defect = Exit.isFailure(exit) ? Result.getOrUndefined(Cause.findDefect(exit.cause)) : undefined
    return defect instanceof Expect.AssertionError ? defect.message : assert.fail(`no AssertionError: ${String(exit)}`)
  })

describe("expectFailure", () => {
  it.effect("gives the error, narrowed", () =>
    Effect.gen(function*() {
      const error = yield* Expect.expectFailure(fail(notFound), "FileNotFound")
      const fileId: string | undefined = error.fileId
      assert.strictEqual(fileId, "file_1")
      const failed = yield* Expect.expectFailure(fail(overloaded), "RequestFailed", "Overloaded")
      const tag: "Overloaded" = failed.reason._tag
      assert.strictEqual(tag, "Overloaded")
    }))

  it.effect("describes another failure in full", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* complaint(Expect.expectFailure(fail(overloaded), "FileNotFound")),
        [
          "Expected a FileNotFound, but it failed with RequestFailed (Overloaded)",
          "  The service is overloaded.",
          "  operation: \"upload\"",
          "  status: 529",
          "  requestId: \"req_1\"",
          "  isRetryable: true",
          "  isOutcomeUnknown: false",
          "  cause: Error: beneath"
        ].join("\n")
      )
    }))

  it.effect("distinguishes reasons", () =>
    Effect.gen(function*() {
      const message = yield* complaint(Expect.expectFailure(fail(overloaded), "RequestFailed", "TimedOut"))
      assert.match(message, /^Expected a RequestFailed \(TimedOut\), but it failed with RequestFailed \(Overloaded\)\n/)
    }))

  it.effect("says if the effect succeeded, died or was interrupted", () =>
    Effect.gen(function*() {
      const success: Effect.Effect<{ readonly a: number }, FilesError.FilesError> = Effect.succeed({ a: 1 })
      assert.strictEqual(
        yield* complaint(Expect.expectFailure(success, "RateLimited")),
        "Expected a RateLimited, but it succeeded with {\"a\":1}"
      )
      const dies: Effect.Effect<never, FilesError.FilesError> = Effect.die(new Error("boom"))
      assert.match(
        yield* complaint(Expect.expectFailure(dies, "InvalidFilename")),
        /^Expected an InvalidFilename.*died:\n.*boom/
      )
      const interrupted: Effect.Effect<never, FilesError.FilesError> = Effect.interrupt
      assert.strictEqual(
        yield* complaint(Expect.expectFailure(interrupted, "RateLimited")),
        "Expected a RateLimited, but it was interrupted"
      )
    }))
})

describe("expectSuccess", () => {
  it.effect("gives the value, or describes the failure in full", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Expect.expectSuccess(Effect.succeed(1)), 1)
      const message = yield* complaint(Expect.expectSuccess(fail(notFound)))
      assert.include(message, "Expected it to succeed, but it failed with FileNotFound\n  There is no file_1")
      assert.include(message, "\n  fileId: \"file_1\"")
    }))

  it.effect("passes defects and interruption on", () =>
    Effect.gen(function*() {
      const boom = new Error("boom")
      const exit = yield* Effect.exit(Expect.expectSuccess(Effect.die(boom)))
      assert.deepStrictEqual(exit, Exit.die(boom))
      const interrupted = yield* Effect.exit(Expect.expectSuccess(Effect.interrupt))
      assert.isTrue(Exit.hasInterrupts(interrupted))
    }))
})

describe("the text of an error", () => {
  it("shows durations, nested reasons and errors without a tag", () => {
    const limited = new FilesError.RateLimited({
      operation: "list",
      message: "Too many requests.",
      retryAfter: Duration.seconds(90),
      isRetryable: true,
      isOutcomeUnknown: false
    })
    assert.include(Expect.describe(limited), "\n  retryAfter: 1m 30s")
    const cut = new FilesError.TransferInterrupted({
      operation: "download",
      message: "cut",
      reason: "Truncated",
      transferred: 4,
      expected: 10,
      isRetryable: true,
      isOutcomeUnknown: false
    })
    assert.match(Expect.describe(cut), /^TransferInterrupted \(Truncated\)\n {2}cut\n/)
    assert.match(Expect.describe(cut), /\n {2}transferred: 4\n {2}expected: 10/)
    assert.strictEqual(Expect.describe("text"), "\"text\"")
    assert.strictEqual(Expect.describe(new TypeError("no")), "TypeError\n  no")
  })
})

it.effect("a failed assertion has the line of its caller in its stack", () =>
  Effect.gen(function*() {
    const failure = yield* Effect.exit(Expect.expectFailure(fail(overloaded), "FileNotFound"))
    const success = yield* Effect.exit(Expect.expectSuccess(failing))
    const exits: ReadonlyArray<readonly [Exit.Exit<unknown, unknown>, string]> = [
      [failure, "expectFailure"],
      [success, "expectSuccess"]
    ]
    for (const [exit, name] of exits) {
      assert.match(
        Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "",
        new RegExp(`at ${name} \\(.*Expect\\.test\\.ts:\\d+`)
      )
    }
  }))

describe("matchers", () => {
  it("work on exits and on errors", () => {
    assert.isTrue(Expect.matchers.toFailWith(Exit.fail(notFound), "FileNotFound").pass)
    assert.isTrue(Expect.matchers.toFailWith(overloaded, "RequestFailed", "Overloaded").pass)
    assert.isFalse(Expect.matchers.toFailWith(overloaded, "RequestFailed", "TimedOut").pass)
    assert.isFalse(Expect.matchers.toFailWith(Exit.succeed(1), "FileNotFound").pass)
    assert.match(Expect.matchers.toFailWith(Exit.succeed(1), "FileNotFound").message(), /it succeeded with 1$/)
  })

  it.effect("extend the expect of vitest, and fail with a readable message", () =>
    Effect.gen(function*() {
      expect.extend(matchers)
      const exit = yield* Effect.exit(Files.listPage())
      expect(exit).toFailWith("RequestFailed", "Overloaded")
      expect(exit).not.toFailWith("RequestFailed", "TimedOut")
      assert.throws(
        () => expect(exit).toFailWith("RateLimited"),
        /Expected a RateLimited, but it failed with RequestFailed \(Overloaded\)/
      )
    }).pipe(Effect.provide(FilesTest.layer({ faults: [Fault.overloaded()] }))))
})
