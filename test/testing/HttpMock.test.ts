import { assert, describe, it } from "@effect/vitest"
import { Cause, DateTime, Effect, Exit, Layer, Result, Scope, Stream } from "effect"
import {
  ContentBlock,
  FileMetadata,
  Files,
  type FilesError,
  FileSource,
  MessageBatches,
  Messages,
  Policy
} from "effect-anthropic-files"
import { expectFailure } from "effect-anthropic-files/testing/Expect"
import * as FilesTest from "effect-anthropic-files/testing/FilesTest"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpClient, HttpClientRequest } from "effect/http"

const id = FileMetadata.FileId.make("file_1")

const client = (options: Files.Options, ...script: ReadonlyArray<HttpMock.Expectation>) =>
  FilesTest.layerClient(options).pipe(Layer.provideMerge(HttpMock.layer(...script)))

const mocked = (...script: ReadonlyArray<HttpMock.Expectation>) => client({}, ...script)

const defectOf = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit) ? Result.getOrUndefined(Cause.findDefect(exit.cause)) : undefined

const download = (id: FileMetadata.FileId) => Stream.mkString(Stream.decodeText(Files.download(id)))

const question = { model: "m", max_tokens: 9 }

describe("a script that is followed", () => {
  it.effect("answers in order, and shows the requests", () =>
    Effect.gen(function*() {
      const file = yield* Files.upload(FileSource.text("hello", "a.txt"), { expiresIn: "1 hour" })
      assert.deepStrictEqual([file.filename, file.mime_type, file.size_bytes], ["a.txt", "text/plain", 5])
      assert.strictEqual(file.expires_at?.epochMilliseconds, 3_600_000)
      assert.strictEqual((yield* Files.metadata(id)).id, id)
      assert.strictEqual((yield* Files.metadata(id)).filename, "b.txt")
      assert.strictEqual(yield* download(id), "content")
      assert.deepStrictEqual(yield* Files.delete(id), { id, type: "file_deleted" })
      assert.deepStrictEqual((yield* HttpMock.requests).map((request) => `${request.method} ${request.path}`), [
        "POST /v1/files",
        "GET /v1/files/file_1",
        "GET /v1/files/file_1",
        "GET /v1/files/file_1/content",
        "DELETE /v1/files/file_1"
      ])
      yield* HttpMock.verify
    }).pipe(Effect.provide(mocked(
      // In any order, and the answers of one in turn.
      HttpMock.expect("DELETE /v1/files/file_1", HttpMock.deleted()),
      HttpMock.expect("GET /v1/files/file_1", HttpMock.file(), HttpMock.file({ filename: "b.txt" })),
      HttpMock.expect("GET /v1/files/file_1/content", HttpMock.content("content")),
      HttpMock.expect("POST /v1/files", HttpMock.file())
    ))))

  it.effect("compares method, path, query, headers, parts, JSON and body", () =>
    Effect.gen(function*() {
      yield* Files.upload(FileSource.text("hello", "a.txt"), { purpose: "batch" })
      assert.strictEqual((yield* Stream.runCollect(Files.list({ limit: 5 }))).length, 3)
      const message = yield* Messages.create({
        ...question,
        messages: [{ role: "user", content: [yield* ContentBlock.document(id, { mimeType: "text/plain" })] }]
      })
      assert.strictEqual(Messages.text(message), "359 nights")
    }).pipe(Effect.provide(client(
      { workspaceId: "wrkspc_1" },
      HttpMock.expect({
        method: "POST",
        path: /files$/,
        headers: { "Anthropic-Workspace-Id": "wrkspc_1", "x-api-key": /^sk-/, "anthropic-beta": null },
        parts: {
          purpose: "batch",
          file: { filename: /\.txt$/, contentType: "text/plain", content: new TextEncoder().encode("hello") },
          expires_in_seconds: null
        },
        body: /name="file"; filename="a.txt"/
      }, HttpMock.file()),
      HttpMock.expect(
        { path: "/v1/files", query: { limit: "5", page: null } },
        HttpMock.page([{ filename: "1" }, { filename: "2" }], { next_page: "p2" })
      ),
      HttpMock.expect({ path: "/v1/files", query: { page: "p2" } }, HttpMock.page([{ filename: "3" }])),
      HttpMock.expect({
        method: "POST",
        path: "/v1/messages",
        json: { max_tokens: 9, messages: [{ content: [{ type: "document", source: { file_id: /^file_/ } }] }] }
      }, HttpMock.message("359 nights"))
    ))))

  it.effect("gives any success that a Schema can express", () =>
    Effect.gen(function*() {
      const batch = yield* MessageBatches.get("msgbatch_1")
      assert.strictEqual(batch.request_counts.succeeded, 3)
      assert.strictEqual(batch.expires_at.epochMilliseconds, 86_400_000)
    }).pipe(Effect.provide(mocked(
      HttpMock.expect(
        "GET /v1/messages/batches/msgbatch_1",
        HttpMock.success(MessageBatches.MessageBatch, {
          id: "msgbatch_1",
          processing_status: "ended",
          request_counts: { processing: 0, succeeded: 3, errored: 0, canceled: 0, expired: 0 },
          created_at: DateTime.makeUnsafe(0),
          expires_at: DateTime.makeUnsafe(86_400_000),
          ended_at: null,
          cancel_initiated_at: null,
          archived_at: null,
          results_url: null
        })
      )
    ))))

  it.effect("answers a stub any number of times, or never", () =>
    Effect.gen(function*() {
      for (let n = 0; n < 3; n++) assert.strictEqual((yield* Files.metadata(id)).filename, "s.txt")
    }).pipe(Effect.provide(mocked(
      HttpMock.stub({ method: "GET", path: /^\/v1\/files\/[^/]+$/ }, HttpMock.file({ filename: "s.txt" })),
      HttpMock.stub("DELETE /v1/files/file_1", HttpMock.deleted())
    ))))

  it.effect("accepts an answer that looks at the request", () =>
    Effect.gen(function*() {
      const file = yield* Files.upload(FileSource.text("hello", "a.txt"))
      assert.strictEqual(file.id, "file_5")
    }).pipe(Effect.provide(mocked(
      HttpMock.expect("POST /v1/files", (sent, request) =>
        HttpMock.file({ id: FileMetadata.FileId.make(`file_${sent.parts[0]?.bytes.length}`) })(sent, request))
    ))))
})

describe("an unexpected request", () => {
  it.effect("fails with the difference, typed", () =>
    Effect.gen(function*() {
      const error = yield* expectFailure(
        Files.upload(FileSource.text("hello", "b.txt")),
        "RequestFailed",
        "InvalidRequest"
      )
      assert.strictEqual(error.operation, "upload")
      assert.isFalse(error.isRetryable)
      assert.instanceOf(error.cause, HttpMock.MockFailed)
      assert.strictEqual(
        error.message,
        [
          "POST /v1/files was not expected. The closest expectation differs (- expected, + sent):",
          "  {",
          "    \"method\": \"POST\",",
          "    \"path\": \"/v1/files\",",
          "    \"parts\": {",
          "      \"file\": {",
          "-       \"filename\": \"a.txt\",",
          "-       \"content\": \"/^bye/\"",
          "+       \"filename\": \"b.txt\",",
          "+       \"content\": \"hello\"",
          "      }",
          "    }",
          "  }",
          "Still expected:",
          "  POST /v1/files",
          "  GET /v1/files/file_1, 0 of 2 times so far"
        ].join("\n")
      )
    }).pipe(
      Effect.provide(mocked(
        HttpMock.expect(
          { method: "POST", path: "/v1/files", parts: { file: { filename: "a.txt", content: /^bye/ } } },
          HttpMock.file()
        ),
        HttpMock.expect("GET /v1/files/file_1", HttpMock.file(), HttpMock.file())
      )),
      Effect.exit,
      Effect.map((exit) => {
        const defect = defectOf(exit)
        assert.instanceOf(defect, HttpMock.MockFailed)
        assert.strictEqual(defect.reason, "Unexpected")
      })
    ))

  it.effect("is retried by no policy, and reported at the end if the program swallows it", () =>
    Effect.gen(function*() {
      const exit = yield* Files.metadata(id).pipe(
        Effect.ignore,
        Effect.andThen(HttpMock.requests),
        Effect.provide(
          FilesTest.layerClient().pipe(Layer.provide(Policy.standard()), Layer.provideMerge(HttpMock.layer()))
        ),
        Effect.exit
      )
      const defect = defectOf(exit)
      assert.instanceOf(defect, HttpMock.MockFailed)
      assert.strictEqual(defect.message, "GET /v1/files/file_1 was not expected: the mock expects no request.")
    }))

  it.effect("includes one request too many", () =>
    Effect.gen(function*() {
      yield* Files.metadata(id)
      const error = yield* expectFailure(Files.metadata(id), "RequestFailed", "InvalidRequest")
      assert.strictEqual(
        error.message,
        "GET /v1/files/file_1 was not expected again: GET /v1/files/file_1 is expected once."
      )
      const failed = yield* Effect.flip(HttpMock.verify)
      assert.strictEqual(failed.reason, "Unexpected")
    }).pipe(
      Effect.provide(mocked(HttpMock.expect("GET /v1/files/file_1", HttpMock.file()))),
      Effect.exit,
      Effect.map((exit) => assert.instanceOf(defectOf(exit), HttpMock.MockFailed))
    ))

  it.effect("has the same message without our client", () =>
    Effect.gen(function*() {
      const { client } = yield* mock("GET /other")
      const error = yield* Effect.flip(client.execute(HttpClientRequest.get("http://localhost/v1/files")))
      assert.include(error.message, "GET /v1/files was not expected")
      assert.include(error.message, "-   \"path\": \"/other\"")
    }))

  it.effect("shows no key, not even a wrong one", () =>
    Effect.gen(function*() {
      const { client } = yield* mock({ headers: { "x-api-key": "sk-ant-expected-0123" } })
      const request = HttpClientRequest.get("http://localhost/v1/files", {
        headers: { "x-api-key": "sk-ant-canary-0123", authorization: "Bearer sk-ant-canary-4567" }
      })
      const error = yield* Effect.flip(client.execute(request))
      assert.include(error.message, "<redacted>")
      assert.notInclude(error.message, "canary")
      const { requests } = yield* mock()
      assert.notInclude(JSON.stringify(yield* requests), "canary")
    }))
})

const mock = (...requests: ReadonlyArray<string | HttpMock.Expected>) =>
  Effect.gen(function*() {
    const scope = Scope.makeUnsafe()
    const context = yield* Layer.buildWithScope(
      HttpMock.layer(...requests.map((request) => HttpMock.expect(request, HttpMock.raw(200)))),
      scope
    )
    return yield* Effect.provideContext(
      Effect.gen(function*() {
        return {
          client: yield* HttpClient.HttpClient,
          requests: HttpMock.requests.pipe(Effect.provideContext(context))
        }
      }),
      context
    )
  })

describe("the end of the scope", () => {
  const script = mocked(
    HttpMock.expect("GET /v1/files/file_1", HttpMock.file(), HttpMock.file()),
    HttpMock.expect("DELETE /v1/files/file_1", HttpMock.deleted())
  )

  it.effect("names the requests that were never sent", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(Effect.provide(Files.metadata(id), script))
      const defect = defectOf(exit)
      assert.instanceOf(defect, HttpMock.MockFailed)
      assert.strictEqual(defect.reason, "Unmet")
      assert.strictEqual(
        defect.message,
        "Expected requests that were never sent:\n  GET /v1/files/file_1, 1 of 2 times so far\n  DELETE /v1/files/file_1"
      )
    }))

  it.effect("does not hide the failure of the program", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(Effect.provide(Effect.andThen(Files.metadata(id), Effect.fail("mine")), script))
      assert.deepStrictEqual(exit, Exit.fail("mine"))
    }))
})

const { error } = HttpMock

const once = (answer: HttpMock.Answer) => mocked(HttpMock.stub({}, answer))

const message = Messages.create({
  ...question,
  messages: [{ role: "user", content: [{ type: "document", source: { type: "file", file_id: id } }] }]
})

const upload = Files.upload(FileSource.text("x", "x.txt"))

/** Each named answer, an operation that can meet it, and the error that it is named for. */
const table: ReadonlyArray<
  readonly [
    name: keyof typeof HttpMock.error,
    answer: HttpMock.Answer,
    operation: Effect.Effect<unknown, FilesError.FilesError, Files.Files | Messages.Messages>,
    expected: Record<string, unknown>
  ]
> = [
  ["fileNotFound", error.fileNotFound(), Files.metadata(id), { _tag: "FileNotFound", status: 404 }],
  ["fileExpired", error.fileExpired(), download(id), { _tag: "FileExpired", errorCode: "file_expired" }],
  ["fileNotDownloadable", error.fileNotDownloadable(), download(id), { _tag: "FileNotDownloadable", status: 400 }],
  ["invalidFileType", error.invalidFileType(), message, { _tag: "InvalidFileType", status: 400 }],
  ["fileTooLarge", error.fileTooLarge(), upload, { _tag: "FileTooLarge", status: 413 }],
  ["storageLimitExceeded", error.storageLimitExceeded(), upload, { _tag: "StorageLimitExceeded", status: 400 }],
  ["rateLimited", error.rateLimited({ retryAfter: "90 seconds" }), upload, { _tag: "RateLimited", isRetryable: true }],
  ["contextWindowExceeded", error.contextWindowExceeded(), message, { _tag: "ContextWindowExceeded", status: 400 }],
  [
    "transferInterrupted",
    error.transferInterrupted("0123456789", 4),
    download(id),
    { _tag: "TransferInterrupted", reason: "Reset", transferred: 4, expected: 10 }
  ],
  ["unauthorized", error.unauthorized(), upload, { reason: "Unauthorized", status: 401 }],
  ["permissionDenied", error.permissionDenied(), upload, { reason: "PermissionDenied", status: 403 }],
  ["billingBlocked", error.billingBlocked(), upload, { reason: "BillingBlocked", status: 402 }],
  ["invalidRequest", error.invalidRequest(), upload, { reason: "InvalidRequest", status: 400 }],
  ["overloaded", error.overloaded(), upload, { reason: "Overloaded", status: 529 }],
  ["serverFailed", error.serverFailed(), upload, { reason: "ServerFailed", status: 500, isOutcomeUnknown: true }],
  ["unreachable", error.unreachable("ECONNREFUSED"), upload, { reason: "Unreachable", isOutcomeUnknown: false }],
  ["timedOut", error.timedOut(), upload, { reason: "TimedOut", isRetryable: true }],
  ["unexpectedResponse", error.unexpectedResponse(), upload, { reason: "UnexpectedResponse", status: 200 }]
]

describe("errors by name", () => {
  for (const [name, answer, operation, expected] of table) {
    it.effect(`${name} becomes the error of that name`, () =>
      Effect.gen(function*() {
        const failure = yield* Effect.flip(Effect.provide(operation, once(answer)))
        const seen: Record<string, unknown> = {}
        for (const key of Object.keys(expected)) {
          seen[key] = key === "reason" && failure._tag === "RequestFailed"
            ? failure.reason._tag
            : (failure as unknown as Record<string, unknown>)[key]
        }
        assert.deepStrictEqual(seen, expected)
      }))
  }

  it("the table has all errors", () => {
    assert.deepStrictEqual(Object.keys(HttpMock.error).sort(), table.map(([name]) => name).sort())
  })

  it.effect("have a wait, a code, a message and headers", () =>
    Effect.gen(function*() {
      const answer = error.rateLimited({
        retryAfter: "1.5 seconds",
        errorCode: "ramp_limit_exceeded",
        message: "slower",
        headers: { "x-should-retry": "false" }
      })
      const failure = yield* expectFailure(Effect.provide(upload, once(answer)), "RateLimited")
      assert.strictEqual(failure.errorCode, "ramp_limit_exceeded")
      assert.include(failure.message, "slower")
      assert.isFalse(failure.isRetryable)
      assert.include(failure.message, "1s 500ms")
      const spend = error.rateLimited({ errorCode: "enforced_spend_limit_reached" })
      yield* expectFailure(Effect.provide(upload, once(spend)), "RequestFailed", "BillingBlocked")
    }))
})
