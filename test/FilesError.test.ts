import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Equal, PlatformError, Schema } from "effect"
import { FilesError } from "effect-anthropic-files"

const Codec = Schema.toCodecJson(FilesError.FilesError)
const encode = Schema.encodeUnknownEffect(Codec)
const decode = Schema.decodeUnknownEffect(Codec)

/** Through JSON, as in a queue, a log or another process. */
const roundTrip = (error: FilesError.FilesError) =>
  Effect.flatMap(encode(error), (json) => decode(JSON.parse(JSON.stringify(json)) as unknown))

const flat = [
  FilesError.FileNotFound,
  FilesError.FileExpired,
  FilesError.FileNotDownloadable,
  FilesError.InvalidFileType,
  FilesError.InvalidFilename,
  FilesError.FileTooLarge,
  FilesError.StorageLimitExceeded,
  FilesError.RateLimited,
  FilesError.ContextWindowExceeded,
  FilesError.TransferInterrupted,
  FilesError.SourceFailed
] as const

const reasons = [
  FilesError.Unauthorized,
  FilesError.PermissionDenied,
  FilesError.BillingBlocked,
  FilesError.InvalidRequest,
  FilesError.Overloaded,
  FilesError.ServerFailed,
  FilesError.Unreachable,
  FilesError.TimedOut,
  FilesError.CircuitOpen,
  FilesError.UnexpectedResponse
] as const

const classes = [...flat, FilesError.RequestFailed, ...reasons, FilesError.InvalidConfig] as const

/** The error's own fields without the cause, of which JSON keeps only a part. */
const fieldsOf = (error: object): Record<string, unknown> => {
  const { cause: _, reason, stack: _stack, ...fields } = error as Record<string, unknown>
  const own = { ...fields, message: (error as Error).message }
  return typeof reason === "object" && reason !== null
    ? { ...own, reason: fieldsOf(reason) }
    : { ...own, ...(reason === undefined ? {} : { reason }) }
}

/** As JSON; a key of this name does not survive being set on an object. */
const withoutProto = (details: unknown): string | undefined =>
  JSON.stringify(details, (key, value: unknown) => key === "__proto__" ? undefined : value)

const checkSame = (a: object, b: object) => {
  const [before, after] = [fieldsOf(a), fieldsOf(b)]
  assert.deepStrictEqual(Object.keys(after).sort(), Object.keys(before).sort())
  for (const [name, value] of Object.entries(before)) {
    if (name === "reason" && typeof value === "object" && value !== null) checkSame(value, after[name] as object)
    else if (name === "details") assert.strictEqual(withoutProto(after[name]), withoutProto(value))
    else if (Duration.isDuration(value)) {
      assert.strictEqual(Duration.toMillis(after[name] as Duration.Duration), Duration.toMillis(value))
    } else {assert.isTrue(
        Equal.equals(after[name], value),
        `${name}: ${JSON.stringify(after[name])} is not ${JSON.stringify(value)}`
      )}
  }
}

describe("through JSON and back", () => {
  for (const Class of classes) {
    it.effect.prop(`${Class.fields._tag.ast.literal}`, [Schema.toType(Class)], ([error]) =>
      Effect.gen(function*() {
        assert.isTrue(error instanceof Class)
        const codec = Schema.toCodecJson(Class as Schema.Codec<object, unknown>)
        const json = JSON.stringify(yield* Schema.encodeUnknownEffect(codec)(error))
        const back = yield* Schema.decodeUnknownEffect(codec)(JSON.parse(json))
        assert.isTrue(back instanceof Class)
        assert.instanceOf(back, Error)
        checkSame(error, back)
      }))
  }

  it.effect.prop(
    "the union decodes to the same class",
    [Schema.toType(FilesError.FilesError)],
    ([error]) =>
      Effect.gen(function*() {
        const back = yield* roundTrip(error)
        assert.strictEqual(back.constructor, error.constructor)
        if (error._tag === "RequestFailed" && back._tag === "RequestFailed") {
          assert.strictEqual(back.reason.constructor, error.reason.constructor)
        }
        checkSame(error, back)
      })
  )

  it.effect("absent fields stay absent", () =>
    Effect.gen(function*() {
      const back = yield* roundTrip(new FilesError.FileNotFound({ operation: "metadata", message: "m" }))
      for (const name of ["status", "requestId", "errorCode", "details", "tries", "cause", "fileId"]) {
        assert.isFalse(name in { ...back })
      }
    }))

  const circular: { self?: unknown } = {}
  circular.self = circular

  it.effect.each<{ readonly what: string; readonly cause: unknown; readonly back: unknown }>([
    { what: "a text", cause: "gone", back: "gone" },
    { what: "a number", cause: 7, back: 7 },
    { what: "null", cause: null, back: null },
    { what: "an object", cause: { code: "ECONNRESET" }, back: { code: "ECONNRESET" } },
    { what: "a list", cause: [1, "2"], back: [1, "2"] }
  ])("a cause that is $what comes back", ({ back, cause }) =>
    Effect.gen(function*() {
      const error = yield* roundTrip(unreachable({ cause }))
      assert.deepStrictEqual(error.cause, back)
    }))

  it.effect.each<{ readonly what: string; readonly cause: unknown }>([
    { what: "an object that holds itself", cause: circular },
    { what: "a function", cause: () => 1 },
    { what: "a symbol", cause: Symbol("x") },
    { what: "a bigint", cause: { size: 10n } },
    { what: "undefined", cause: undefined },
    { what: "a Map", cause: new Map([[1, 2]]) },
    { what: "bytes", cause: new Uint8Array(10) },
    { what: "half a character", cause: "\ud800" },
    {
      what: "a getter that throws",
      cause: Object.defineProperty({}, "x", {
        enumerable: true,
        get: () => {
          throw new Error("no")
        }
      })
    }
  ])("a cause that is $what does not keep the error from being written", ({ cause }) =>
    Effect.gen(function*() {
      const error = yield* roundTrip(unreachable({ cause }))
      assert.strictEqual(error._tag, "RequestFailed")
      assert.strictEqual(error.message, "m")
    }))

  it.effect("a cause that is an Error keeps its name, message and own cause", () =>
    Effect.gen(function*() {
      const cause = new TypeError("fetch failed", { cause: new RangeError("connect ECONNREFUSED") })
      const back = (yield* roundTrip(unreachable({ cause }))).cause
      assert.instanceOf(back, Error)
      const error = back as Error
      assert.strictEqual(error.name, "TypeError")
      assert.strictEqual(error.message, "fetch failed")
      assert.strictEqual((error.cause as Error).message, "connect ECONNREFUSED")
    }))

  it.effect("a platform's error as a cause", () =>
    Effect.gen(function*() {
      const cause = PlatformError.systemError({
        _tag: "NotFound",
        module: "FileSystem",
        method: "open",
        pathOrDescriptor: "/x"
      })
      const back = yield* roundTrip(
        new FilesError.SourceFailed({
          operation: "upload",
          reason: "NotFound",
          message: "m",
          isRetryable: false,
          isOutcomeUnknown: false,
          cause
        })
      )
      assert.include((back.cause as Error).message, "/x")
    }))

  it.effect("a value of another shape is refused", () =>
    Effect.gen(function*() {
      for (
        const json of [null, {}, "x", { _tag: "Unknown" }, { _tag: "FileNotFound" }, {
          _tag: "RequestFailed",
          operation: "list",
          reason: { _tag: "FileNotFound", message: "m", isRetryable: false, isOutcomeUnknown: false }
        }]
      ) {
        yield* Effect.flip(decode(json))
      }
    }))
})

const base = {
  message: "m",
  status: 503,
  requestId: "req_1",
  errorCode: "cmek_key_unreachable",
  details: { key: "k" },
  tries: 3,
  isRetryable: true,
  isOutcomeUnknown: true
}

const unreachable = (more: { readonly cause?: unknown }) =>
  new FilesError.RequestFailed({
    operation: "list",
    reason: new FilesError.Unreachable({ message: "m", isRetryable: true, isOutcomeUnknown: false, ...more })
  })

describe("RequestFailed", () => {
  it.effect("RequestFailed exposes its reason's fields", () =>
    Effect.sync(() => {
      const cause = new Error("beneath")
      const error = new FilesError.RequestFailed({
        operation: "upload",
        reason: new FilesError.ServerFailed({ ...base, retryAfter: Duration.seconds(3), cause })
      })
      for (const [name, value] of Object.entries({ ...base, cause })) {
        assert.deepStrictEqual(error[name as keyof typeof error], value)
      }
      assert.isTrue(error.retryAfter !== undefined && Equal.equals(error.retryAfter, Duration.seconds(3)))
      assert.strictEqual(error.name, "effect-anthropic-files/RequestFailed")
      assert.instanceOf(error, Error)
      assert.include(String(error), "m")
      assert.include(error.stack, "m")
    }))

  it.effect("RequestFailed's fields are undefined if its reason lacks them", () =>
    Effect.sync(() => {
      const error = unreachable({})
      for (
        const name of ["status", "requestId", "errorCode", "details", "tries", "cause", "retryAfter"] as const
      ) {
        assert.strictEqual(error[name], undefined)
      }
    }))
})

describe("handling by reason", () => {
  const failing = (error: FilesError.ListError): Effect.Effect<string, FilesError.ListError> => Effect.fail(error)

  const overloaded = new FilesError.RequestFailed({
    operation: "list",
    reason: new FilesError.Overloaded({ ...base, retryAfter: Duration.seconds(9) })
  })

  it.effect("catchReason catches one reason, and leaves the others", () =>
    Effect.gen(function*() {
      const handled = (error: FilesError.ListError) =>
        failing(error).pipe(
          Effect.catchReason(
            "RequestFailed",
            "Overloaded",
            (reason, error) => Effect.succeed(`${reason._tag} ${error.operation} ${reason.message}`)
          )
        )
      assert.strictEqual(yield* handled(overloaded), "Overloaded list m")
      const other = unreachable({})
      assert.strictEqual(yield* Effect.flip(handled(other)), other)
    }))

  it.effect("after unwrapReason, reasons are caught by their tags", () =>
    Effect.gen(function*() {
      const result = yield* failing(overloaded).pipe(
        Effect.unwrapReason("RequestFailed"),
        Effect.catchTag("Overloaded", (reason) => Effect.succeed(Duration.format(reason.retryAfter ?? Duration.zero)))
      )
      assert.strictEqual(result, "9s")
    }))

  it.effect("catchTag and catchTags work on errors decoded from JSON", () =>
    Effect.gen(function*() {
      const back = yield* roundTrip(overloaded)
      const result = yield* Effect.fail(back).pipe(
        Effect.catchTags({
          RequestFailed: (error) => Effect.succeed(error.reason._tag),
          RateLimited: () => Effect.succeed("limited")
        })
      )
      assert.strictEqual(result, "Overloaded")
    }))

  it.effect("the reason of a flat error is a plain word, and no reason to unwrap", () =>
    Effect.gen(function*() {
      const error = new FilesError.TransferInterrupted({
        operation: "download",
        reason: "Stalled",
        transferred: 5,
        ...base
      })
      const exit = yield* Effect.flip(Effect.unwrapReason(Effect.fail(unreachable({})), "RequestFailed"))
      assert.strictEqual(exit._tag, "Unreachable")
      assert.strictEqual(error.reason, "Stalled")
    }))
})

describe("construction", () => {
  it.effect("flags are false by default, and undefined may be passed explicitly", () =>
    Effect.sync(() => {
      const error = new FilesError.FileNotFound({
        operation: "metadata",
        message: "m",
        status: undefined,
        requestId: undefined,
        fileId: undefined
      })
      assert.isFalse(error.isRetryable)
      assert.isFalse(error.isOutcomeUnknown)
      assert.strictEqual(error.status, undefined)
    }))

  it.effect("counts must be whole and not negative", () =>
    Effect.sync(() => {
      for (const transferred of [-1, 1.5, NaN, Infinity]) {
        assert.throws(() =>
          new FilesError.TransferInterrupted({ operation: "upload", reason: "Reset", transferred, ...base })
        )
      }
    }))

  it.effect("each has a tag and a name that are the class's own", () =>
    Effect.sync(() => {
      const tags = classes.map((Class) => Class.fields._tag.ast.literal)
      assert.strictEqual(new Set(tags).size, tags.length)
      assert.deepStrictEqual(tags, classes.map((Class) => Class.name))
    }))
})
