import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, Metric, Option, Redacted, Stream, type Tracer } from "effect"
import { FileMetadata, Files, FileSource, MessageBatches, Messages, Policy } from "effect-anthropic-files"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpClient } from "effect/http"
import { drive, failure, wire } from "../policy/support.ts"
import { see, type Seen, seriesOf, spanNamed } from "./support.ts"

const key = "sk-ant-canary-0123456789abcdef"

const id = FileMetadata.FileId.make("file_1")

type Answer = (request: { readonly method: string; readonly path: string }, n: number) => Response | HttpMock.Answer

const answerHeaders = {
  "request-id": "req_1",
  "anthropic-organization-id": "org_1",
  "anthropic-workspace-id": "wrkspc_1"
}

const withHeaders = (response: Response): Response => {
  for (const [name, value] of Object.entries(answerHeaders)) response.headers.set(name, value)
  return response
}

const batch = {
  id: "msgbatch_1",
  type: "message_batch",
  processing_status: "ended",
  request_counts: { processing: 0, succeeded: 1, errored: 0, canceled: 0, expired: 0 },
  created_at: "2026-11-21T00:00:00Z",
  expires_at: "2026-11-22T00:00:00Z",
  ended_at: null,
  archived_at: null,
  cancel_initiated_at: null,
  results_url: null
}

const usage = {
  input_tokens: 5,
  output_tokens: 7,
  cache_read_input_tokens: 11,
  cache_creation_input_tokens: 13,
  cache_creation: { ephemeral_5m_input_tokens: 6, ephemeral_1h_input_tokens: 7 },
  output_tokens_details: { thinking_tokens: 3 },
  service_tier: "standard",
  iterations: [{ type: "message" }, { type: "compaction", input_tokens: 17, output_tokens: 19 }]
}

const message = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-answering",
  content: [{ type: "text", text: "secret" }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage
}

const events = (...parts: ReadonlyArray<{ readonly type: string }>) =>
  parts.map((part) => `event: ${part.type}\ndata: ${JSON.stringify(part)}\n\n`).join("")

const transcript = events(
  { type: "message_start", message: { ...message, content: [], stop_reason: null } } as { type: string },
  { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } } as { type: string },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "secret" } } as { type: string },
  { type: "content_block_stop", index: 0 } as { type: string },
  { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 9 } } as { type: string },
  { type: "message_stop" }
)

const service: Answer = ({ method, path }) => {
  if (path.endsWith("/content")) return new Response("secret", { headers: { "content-length": "6" } })
  if (path.endsWith("/results")) return new Response("")
  if (path === "/v1/messages") return Response.json(message)
  if (path === "/v1/messages/batches" && method === "GET") return Response.json({ data: [], has_more: false })
  if (path.startsWith("/v1/messages/batches") && method === "DELETE") {
    return Response.json({ id: batch.id, type: "message_batch_deleted" })
  }
  if (path.startsWith("/v1/messages/batches")) return Response.json(batch)
  if (method === "DELETE") return Response.json({ id, type: "file_deleted" })
  if (method === "POST") return Response.json(wire({ id, size_bytes: 6 }))
  return Response.json(path === "/v1/files" ? { data: [wire({ id })], next_page: null } : wire({ id }))
}

type Services = Files.Files | Messages.Messages | MessageBatches.MessageBatches

const layerOf = (mock: HttpMock.Mock, policy: Policy.Policy, options: Partial<Files.Options> = {}) => {
  const client = Layer.provideMerge(policy, Layer.succeed(HttpClient.HttpClient, mock.client))
  const given = { apiKey: Redacted.make(key), baseUrl: "http://localhost:8080/prefix", ...options }
  return Layer.mergeAll(Files.layer(given), Messages.layer(given), MessageBatches.layer(given)).pipe(
    Layer.provideMerge(client),
    Layer.orDie
  )
}

const mockOf = (answer: Answer) =>
  HttpMock.answering((received, n) => {
    const answered = answer({ method: received.method, path: received.path.replace("/prefix", "") }, n)
    return answered instanceof Response ? withHeaders(answered) : answered
  })

const seeing = <A, E>(
  program: Effect.Effect<A, E, Services>,
  answer: Answer = service,
  options?: Partial<Files.Options>,
  policy = Policy.standard()
) =>
  Effect.suspend(() => {
    const mock = mockOf(answer)
    return Effect.map(
      see(drive(Effect.provide(program, layerOf(mock, policy, options)), 250)),
      (seen) => ({ ...seen, requests: mock.requests() })
    )
  })

const request: Messages.Request = {
  model: "claude-asked",
  max_tokens: 100,
  service_tier: "auto",
  thinking: { type: "enabled", budget_tokens: 50 },
  output_config: { effort: "low", format: { type: "json_schema" } },
  messages: [{ role: "user", content: "secret question" }]
}

const asked = {
  "gen_ai.operation.name": "chat",
  "gen_ai.request.model": "claude-asked",
  "gen_ai.request.max_tokens": 100,
  "gen_ai.request.reasoning.level": "low",
  "gen_ai.output.type": "json",
  "anthropic.request.service_tier": "auto",
  "anthropic.thinking.type": "enabled",
  "anthropic.thinking.budget_tokens": 50,
  "anthropic.beta": ["other-beta"]
}

const answered = {
  "gen_ai.response.id": "msg_1",
  "gen_ai.response.model": "claude-answering",
  "anthropic.message.stop_reason": "end_turn",
  "anthropic.response.service_tier": "standard",
  "gen_ai.usage.input_tokens": 29,
  "gen_ai.usage.output_tokens": 7,
  "gen_ai.usage.reasoning.output_tokens": 3,
  "gen_ai.usage.cache_read.input_tokens": 11,
  "gen_ai.usage.cache_write.input_tokens": 13,
  "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 6,
  "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 7,
  "anthropic.usage.compaction.input_tokens": 17,
  "anthropic.usage.compaction.output_tokens": 19
}

const file = { "anthropic.file.id": "file_1" }
const batchId = { "anthropic.message.batch.id": "msgbatch_1" }

interface Case {
  readonly name: string
  readonly program: Effect.Effect<unknown, unknown, Services>
  readonly method: string
  readonly route: string
  readonly path?: string
  readonly query?: string
  readonly own: Readonly<Record<string, unknown>>
}

const cases: ReadonlyArray<Case> = [
  {
    name: "anthropic.files.upload",
    program: Files.upload(FileSource.text("secret", "private.txt")),
    method: "POST",
    route: "/v1/files",
    own: file
  },
  {
    name: "anthropic.files.list",
    program: Files.listPage({ limit: 7, page: "p 1" }),
    method: "GET",
    route: "/v1/files",
    query: "limit=7&page=p+1",
    own: { "files.count": 1 }
  },
  {
    name: "anthropic.files.retrieve_metadata",
    program: Files.metadata(id),
    method: "GET",
    route: "/v1/files/{file_id}",
    path: "/v1/files/file_1",
    own: file
  },
  {
    name: "anthropic.files.download",
    program: Stream.runDrain(Files.download(id)),
    method: "GET",
    route: "/v1/files/{file_id}/content",
    path: "/v1/files/file_1/content",
    own: file
  },
  {
    name: "anthropic.files.delete",
    program: Files.delete(id),
    method: "DELETE",
    route: "/v1/files/{file_id}",
    path: "/v1/files/file_1",
    own: file
  },
  {
    name: "anthropic.messages.create",
    program: Messages.create(request),
    method: "POST",
    route: "/v1/messages",
    own: { ...asked, ...answered }
  },
  {
    name: "anthropic.messages.batches.create",
    program: MessageBatches.create([{ custom_id: "a", params: request }]),
    method: "POST",
    route: "/v1/messages/batches",
    own: { ...batchId, "anthropic.message.batch.request_count": 1 }
  },
  {
    name: "anthropic.messages.batches.list",
    program: Stream.runDrain(MessageBatches.list({ limit: 5 })),
    method: "GET",
    route: "/v1/messages/batches",
    query: "limit=5",
    own: {}
  },
  {
    name: "anthropic.messages.batches.retrieve",
    program: MessageBatches.get("msgbatch_1"),
    method: "GET",
    route: "/v1/messages/batches/{message_batch_id}",
    path: "/v1/messages/batches/msgbatch_1",
    own: batchId
  },
  {
    name: "anthropic.messages.batches.cancel",
    program: MessageBatches.cancel("msgbatch_1"),
    method: "POST",
    route: "/v1/messages/batches/{message_batch_id}/cancel",
    path: "/v1/messages/batches/msgbatch_1/cancel",
    own: batchId
  },
  {
    name: "anthropic.messages.batches.delete",
    program: MessageBatches.delete("msgbatch_1"),
    method: "DELETE",
    route: "/v1/messages/batches/{message_batch_id}",
    path: "/v1/messages/batches/msgbatch_1",
    own: batchId
  },
  {
    name: "anthropic.messages.batches.results",
    program: Stream.runDrain(MessageBatches.results("msgbatch_1")),
    method: "GET",
    route: "/v1/messages/batches/{message_batch_id}/results",
    path: "/v1/messages/batches/msgbatch_1/results",
    own: batchId
  }
]

describe("the span of an operation is one, a client's, with exactly these attributes", () => {
  for (const { method, name, own, path, program, query, route } of cases) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const seen = yield* seeing(program, service, { betas: ["other-beta", "oauth-2025-04-20"] })
        const { attributes, kind } = spanNamed(seen, name)
        assert.deepStrictEqual(seen.spans.map((span) => span.name), [name])
        assert.strictEqual(kind, "client")
        const url = `http://localhost:8080/prefix${path ?? route}`
        assert.deepStrictEqual(attributes, {
          "gen_ai.provider.name": "anthropic",
          "http.request.method": method,
          "http.route": route,
          "http.response.status_code": 200,
          "server.address": "localhost",
          "server.port": 8080,
          "url.scheme": "http",
          "url.path": `/prefix${path ?? route}`,
          "url.full": query === undefined ? url : `${url}?${query}`,
          ...(query === undefined ? undefined : { "url.query": query }),
          "anthropic.request.id": "req_1",
          "anthropic.organization.id": "org_1",
          "anthropic.workspace.id": "wrkspc_1",
          ...own
        })
      }))
  }

  it.effect("anthropic.messages.create of a stream, which ends when the stream does", () =>
    Effect.gen(function*() {
      const seen = yield* seeing(
        Stream.runForEach(Messages.stream(request), () => Effect.withSpan(Effect.void, "reader")),
        () => new Response(transcript, { headers: { "content-type": "text/event-stream" } }),
        { betas: ["other-beta"] }
      )
      const { attributes } = spanNamed(seen, "anthropic.messages.create")
      const { "gen_ai.response.time_to_first_chunk": first, ...others } = attributes
      assert.isNumber(first)
      for (const [name, value] of Object.entries({ ...asked, ...answered, "gen_ai.usage.output_tokens": 9 })) {
        assert.deepStrictEqual(others[name], value, name)
      }
      assert.strictEqual(others["gen_ai.request.stream"], true)
      assert.deepStrictEqual(seriesOf(seen, "gen_ai.client.token.usage"), {
        "chat anthropic input claude-asked": 1,
        "chat anthropic output claude-asked": 1
      })
    }))

  it.effect("no span has any attribute where no tracer is installed", () =>
    Effect.gen(function*() {
      let own: Tracer.AnySpan | undefined
      const source = FileSource.stream(
        Stream.fromEffect(Effect.map(Effect.currentSpan, (span) => {
          own = span
          return new Uint8Array(6)
        })),
        { filename: "private.txt", size: 6 }
      )
      yield* Effect.provide(Files.upload(source), layerOf(mockOf(service), Policy.retry()))
      assert.strictEqual(own?._tag === "Span" ? own.name : "", "anthropic.files.upload")
      assert.strictEqual(own?._tag === "Span" ? own.attributes.size : -1, 0)
    }))
})

const afterTries = (answer: (n: number) => Response | HttpMock.Answer) =>
  seeing(Files.metadata(id), (_, n) => answer(n), undefined, Policy.retry({ times: 2, baseDelay: 1 }))

describe("a failure", () => {
  const failures: ReadonlyArray<readonly [string, () => Response | HttpMock.Answer, string, string, number?]> = [
    [
      "the service's own type",
      () => failure(404, {}, undefined, "not_found_error"),
      "not_found_error",
      "FileNotFound",
      404
    ],
    ["a type of a gateway's own", () => failure(418, {}, undefined, "teapot"), "teapot", "InvalidRequest", 418],
    [
      "the status, where a gateway answered",
      () => new Response("<html>", { status: 403 }),
      "403",
      "PermissionDenied",
      403
    ],
    ["a broken connection", () => HttpMock.broken("ECONNREFUSED"), "connection_error", "Unreachable"],
    ["silence", () => HttpMock.silence, "client_timeout_error", "TimedOut"],
    ["an answer that is none", () => new Response("<html>"), "client_error", "UnexpectedResponse", 200]
  ]
  for (const [what, answer, type, tag, status] of failures) {
    it.effect(`has an error.type: ${what}`, () =>
      Effect.gen(function*() {
        const seen = yield* seeing(Files.metadata(id), answer, undefined, Policy.stack(Policy.timeout()))
        const { attributes, failure } = spanNamed(seen, "anthropic.files.retrieve_metadata")
        assert.strictEqual(attributes["error.type"], type)
        assert.strictEqual(attributes["http.response.status_code"], status)
        assert.include(failure, `${tag}: ${type}`)
        const few = type === "teapot" ? "_OTHER" : type
        assert.deepStrictEqual(seriesOf(seen, "anthropic.client.errors"), {
          [`anthropic.files.retrieve_metadata ${tag} ${few}`]: 1
        })
        assert.deepStrictEqual(seriesOf(seen, "anthropic.client.operation.duration"), {
          [`anthropic.files.retrieve_metadata ${few}`]: 1
        })
        const [line] = seen.lines.filter(({ message }) => message.includes("failed"))
        assert.deepStrictEqual([line?.level, line?.message, line?.annotations["error.type"]], [
          "Debug",
          `anthropic.files.retrieve_metadata failed (${tag})`,
          type
        ])
      }))
  }

  it.effect("before anything is sent is client_error, without a status", () =>
    Effect.gen(function*() {
      const seen = yield* seeing(Files.upload(FileSource.text("x", "private/.txt")))
      const { attributes } = spanNamed(seen, "anthropic.files.upload")
      assert.strictEqual(attributes["error.type"], "client_error")
      assert.isUndefined(attributes["http.response.status_code"])
      assert.deepStrictEqual(seriesOf(seen, "anthropic.client.requests"), {})
      assert.notInclude(seen.text, "private")
    }))

  it.effect("of the program's interruption is none", () =>
    Effect.gen(function*() {
      const seen = yield* seeing(
        Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(Files.metadata(id))
          yield* Effect.sleep("1 second")
          yield* Fiber.interrupt(fiber)
        }),
        () => HttpMock.silence
      )
      assert.isUndefined(spanNamed(seen, "anthropic.files.retrieve_metadata").attributes["error.type"])
      assert.deepStrictEqual(seriesOf(seen, "anthropic.client.errors"), {})
      assert.deepStrictEqual(seriesOf(seen, "anthropic.client.operation.active"), {
        "anthropic.files.retrieve_metadata": 0
      })
    }))
})

describe("tries", () => {
  it.effect("are counted in the one span, whose status is that of the last answer", () =>
    Effect.gen(function*() {
      const seen = yield* afterTries((n) =>
        n < 3 ? failure(529, {}, undefined, "overloaded_error") : Response.json(wire({ id }))
      )
      const { attributes, span } = spanNamed(seen, "anthropic.files.retrieve_metadata")
      assert.strictEqual(seen.spans.length, 1)
      assert.strictEqual(attributes["http.request.resend_count"], 2)
      assert.strictEqual(attributes["http.response.status_code"], 200)
      assert.isUndefined(attributes["error.type"])
      assert.deepStrictEqual(span.events.map(([name]) => name), ["anthropic_files.retry", "anthropic_files.retry"])
    }))

  it.effect("have no attribute where there was one", () =>
    Effect.gen(function*() {
      const seen = yield* afterTries(() => Response.json(wire({ id })))
      assert.notProperty(spanNamed(seen, "anthropic.files.retrieve_metadata").attributes, "http.request.resend_count")
    }))

  it.effect("that all failed leave the last failure's type and no status of an earlier one", () =>
    Effect.gen(function*() {
      const seen = yield* afterTries((n) => n < 3 ? failure(503) : HttpMock.broken("ECONNRESET"))
      const { attributes } = spanNamed(seen, "anthropic.files.retrieve_metadata")
      assert.strictEqual(attributes["error.type"], "connection_error")
      assert.isUndefined(attributes["http.response.status_code"])
      assert.strictEqual(attributes["http.request.resend_count"], 2)
    }))
})

describe("a stream's span", () => {
  it.effect("ends when the content does, and not before", () =>
    Effect.gen(function*() {
      let wasOpen = false
      const seen = yield* seeing(
        Stream.runForEach(Files.download(id), () =>
          Effect.map(Effect.currentParentSpan, (span) => {
            wasOpen = span._tag === "Span" && span.status._tag === "Started"
          })).pipe(Effect.withSpan("reader"))
      )
      const { span } = spanNamed(seen, "anthropic.files.download")
      assert.isTrue(wasOpen)
      assert.strictEqual(span.status._tag, "Ended")
      assert.strictEqual(Option.getOrUndefined(span.parent)?.spanId, spanNamed(seen, "reader").span.spanId)
    }))

  it.effect("is ended, without a failure, when the reader leaves early", () =>
    Effect.gen(function*() {
      const seen = yield* seeing(Stream.runDrain(Stream.take(Messages.stream(request), 1)), () =>
        new Response(transcript))
      const { attributes, failure, span } = spanNamed(seen, "anthropic.messages.create")
      assert.strictEqual(span.status._tag, "Ended")
      assert.strictEqual(failure, "")
      assert.isUndefined(attributes["error.type"])
      assert.deepStrictEqual(seriesOf(seen, "anthropic.client.operation.active"), { "anthropic.messages.create": 0 })
    }))

  it.effect("is a failed one where the content breaks off", () =>
    Effect.gen(function*() {
      const seen = yield* seeing(
        Stream.runDrain(Files.download(id)),
        () => new Response("sec", { headers: { "content-length": "6" } }),
        undefined,
        Policy.stack(Policy.timeout())
      )
      const { attributes, failure } = spanNamed(seen, "anthropic.files.download")
      assert.strictEqual(attributes["error.type"], "connection_error")
      assert.include(failure, "TransferInterrupted")
    }))

  it.effect("without its last event is api_error", () =>
    Effect.gen(function*() {
      const cut = transcript.slice(0, transcript.indexOf("event: message_stop"))
      const seen = yield* seeing(Stream.runDrain(Messages.stream(request)), () => new Response(cut))
      assert.strictEqual(spanNamed(seen, "anthropic.messages.create").attributes["error.type"], "api_error")
    }))
})

describe("traceparent", () => {
  const sent = (seen: { readonly requests: ReadonlyArray<HttpMock.Received> }) =>
    seen.requests.map(({ request }) => [request.headers["traceparent"], request.headers["b3"]])

  for (const disabledWhen of [undefined, () => false, () => true]) {
    it.effect(`is not sent unless asked for${disabledWhen === undefined ? "" : `, TracerDisabledWhen ${String(disabledWhen)}`}`, () =>
      Effect.gen(function*() {
        const program = Effect.all([
          Files.upload(FileSource.text("secret", "private.txt")),
          Files.metadata(id),
          Stream.runDrain(Files.download(id)),
          Messages.create(request)
        ])
        const seen = yield* seeing(
          disabledWhen === undefined
            ? program
            : Effect.provideService(program, HttpClient.TracerDisabledWhen, disabledWhen)
        )
        assert.strictEqual(sent(seen).length, 4)
        for (const headers of sent(seen)) assert.deepStrictEqual(headers, [undefined, undefined])
      }))
  }

  it.effect("is that of the operation's span when asked for, on each try", () =>
    Effect.gen(function*() {
      const seen = yield* seeing(
        Effect.withSpan(Files.metadata(id), "caller"),
        (_, n) => n === 1 ? failure(529) : Response.json(wire({ id })),
        { propagateTrace: true }
      )
      const { span } = spanNamed(seen, "anthropic.files.retrieve_metadata")
      const expected = `00-${span.traceId}-${span.spanId}-01`
      assert.deepStrictEqual(sent(seen), [[expected, undefined], [expected, undefined]])
    }))

  it.effect("never goes to the address of a source, whose GET has a span without the address's path", () =>
    Effect.gen(function*() {
      const seen = yield* seeing(
        Effect.gen(function*() {
          const client = yield* HttpClient.HttpClient
          return yield* Effect.provideService(
            Files.upload(FileSource.url("http://elsewhere/private.txt?signature=canary")),
            HttpClient.HttpClient,
            client
          )
        }) as Effect.Effect<unknown, unknown, Services>,
        (request, n) =>
          request.path === "/private.txt"
            ? new Response("secret", { headers: { "content-length": "6" } })
            : service(request, n),
        { propagateTrace: true }
      )
      const byHost = seen.requests.map((
        { request }
      ) => [new URL(request.url).hostname, request.headers["traceparent"] !== undefined])
      assert.deepStrictEqual(byHost, [["elsewhere", false], ["localhost", true]])
      const { attributes, kind, span } = spanNamed(seen, "FileSource.url")
      assert.deepStrictEqual(attributes, { "server.address": "elsewhere", "http.response.status_code": 200 })
      assert.strictEqual(kind, "internal")
      assert.strictEqual(
        Option.getOrUndefined(span.parent)?.spanId,
        spanNamed(seen, "anthropic.files.upload").span.spanId
      )
      assert.notInclude(seen.text, "private")
      assert.notInclude(seen.text, "canary")
    }))
})

describe("nothing that is recorded holds", () => {
  /** All operations, against a service that echoes the key and answers wrongly in each way. */
  const all = Effect.forEach(cases, ({ program }) => Effect.ignore(program), { discard: true })

  const answers: Readonly<Record<string, Answer>> = {
    "a success": service,
    "a refusal that echoes the key": () =>
      Response.json({
        type: "error",
        error: { type: key, message: `${key} private.txt`, details: { error_code: key } }
      }, {
        status: 400
      }),
    "an overload": () => failure(529),
    "a page that echoes the key": () => new Response(`<html>${key}`),
    "a broken connection": () => HttpMock.broken("ECONNRESET"),
    "a cut content": () => new Response("sec", { headers: { "content-length": "6" } })
  }
  for (const [what, answer] of Object.entries(answers)) {
    it.effect(`a key, a file's name or a content: ${what}`, () =>
      Effect.gen(function*() {
        const seen = yield* seeing(all, answer, undefined, Policy.retry({ times: 1, baseDelay: 1 }))
        assert.isAbove(seen.spans.length, 10)
        assert.notInclude(seen.text, key)
        assert.notInclude(seen.text, "secret")
        assert.notInclude(seen.text, "private.txt")
      }))
  }
})

const isTotal = ({ metrics }: Seen, name: string) => metrics.some(({ id }) => id === name)

describe("metrics", () => {
  it.effect("count each request once, each operation once, whatever the tries", () =>
    Effect.gen(function*() {
      const seen = yield* afterTries((n) => {
        if (n === 1) return failure(529, {}, undefined, "overloaded_error")
        return n === 2 ? HttpMock.broken("ECONNRESET") : Response.json(wire({ id }))
      })
      const name = "anthropic.files.retrieve_metadata"
      assert.deepStrictEqual(seriesOf(seen, "anthropic.client.requests"), {
        [`${name} 529`]: 1,
        [`${name} connection_error`]: 1,
        [`${name} 200`]: 1
      })
      assert.deepStrictEqual(seriesOf(seen, "anthropic.client.operation.duration"), { [name]: 1 })
      assert.deepStrictEqual(seriesOf(seen, "anthropic.client.errors"), {})
      assert.deepStrictEqual(seriesOf(seen, "anthropic.client.retries"), {
        [`${name} overloaded_error`]: 1,
        [`${name} connection_error`]: 1
      })
      assert.deepStrictEqual(seriesOf(seen, "anthropic.client.wait.duration"), { retry: 2 })
      assert.isFalse(isTotal(seen, "anthropic_files_policy_total"))
    }))

  it.effect("have the same few series for a thousand ids", () =>
    Effect.gen(function*() {
      const seen = yield* seeing(
        Effect.forEach(
          Array.from({ length: 1000 }, (_, n) => FileMetadata.FileId.make(`file_${n}`)),
          (id) => Effect.ignore(Files.metadata(id)),
          { discard: true }
        ),
        ({ path }) => Response.json(wire({ id: path.split("/").at(-1) })),
        undefined,
        Policy.stack(Policy.timeout())
      )
      assert.deepStrictEqual(seriesOf(seen, "anthropic.client.requests"), {
        "anthropic.files.retrieve_metadata 200": 1000
      })
      assert.isBelow(seen.metrics.length, 5)
    }))

  it.effect("have at most 500 series, whatever names callers and answers come up with", () =>
    Effect.gen(function*() {
      const seen = yield* seeing(
        Effect.forEach(
          Array.from({ length: 600 }, (_, n) => `model-${n}`),
          (model) => Messages.create({ ...request, model }),
          { discard: true }
        ),
        service,
        undefined,
        Policy.stack(Policy.timeout())
      )
      const series = seriesOf(seen, "gen_ai.client.token.usage")
      assert.isAtMost(Object.keys(series).length, 501)
      assert.isAbove(series["_OTHER _OTHER _OTHER _OTHER"] ?? 0, 600)
    }))

  it.effect("count the bytes of files, those of a second try too", () =>
    Effect.gen(function*() {
      const source = FileSource.stream(Stream.make(new Uint8Array(4), new Uint8Array(2)), {
        filename: "private.txt",
        size: 6,
        replayable: true
      })
      const seen = yield* seeing(
        Effect.all([
          Files.upload(source, { onUnknownOutcome: "resend" }),
          Files.upload(FileSource.text("secret", "private.txt")),
          Stream.runDrain(Files.download(id))
        ]),
        (request, n) => n === 1 ? failure(529) : service(request, n),
        undefined,
        Policy.retry({ times: 2, baseDelay: 1 })
      )
      assert.deepStrictEqual(seriesOf(seen, "anthropic.client.file.io"), { transmit: 18, receive: 6 })
    }))

  it.effect("keep the attributes that a program adds to all of its metrics", () =>
    Effect.gen(function*() {
      const seen = yield* seeing(
        Effect.provideService(Files.metadata(id), Metric.CurrentMetricAttributes, { tenant: "a" })
      )
      const [requests] = seen.metrics.filter(({ id }) => id === "anthropic.client.requests")
      assert.strictEqual(requests?.attributes?.["tenant"], "a")
      assert.strictEqual(requests?.attributes?.["unit"], "{request}")
    }))
})

describe("log lines", () => {
  it.effect("one for each retry and one for the failure, at debug, annotated, and none of them in the span again", () =>
    Effect.gen(function*() {
      const seen = yield* afterTries(() => failure(529, {}, undefined, "overloaded_error"))
      assert.deepStrictEqual(seen.lines.map(({ level, message }) => [level, message.replace(/\d+ ms/, "N ms")]), [
        ["Debug", "metadata failed (529), next try in N ms"],
        ["Debug", "metadata failed (529), next try in N ms"],
        ["Debug", "metadata failed (529) and is not tried again"],
        ["Debug", "anthropic.files.retrieve_metadata failed (Overloaded)"]
      ])
      for (const { annotations } of seen.lines) {
        assert.strictEqual(annotations["anthropic.operation.name"], "anthropic.files.retrieve_metadata")
      }
      assert.deepStrictEqual(seen.lines.at(-1)?.annotations, {
        "anthropic.operation.name": "anthropic.files.retrieve_metadata",
        "anthropic.error.tag": "Overloaded",
        "error.type": "overloaded_error",
        "http.response.status_code": 529,
        "anthropic.request.id": "req_1",
        tries: 3
      })
      const { span } = spanNamed(seen, "anthropic.files.retrieve_metadata")
      assert.deepStrictEqual(span.events.map(([name]) => name), [
        "anthropic_files.retry",
        "anthropic_files.retry",
        "anthropic_files.gave_up"
      ])
    }))

  it.effect("are not written where the level is above debug", () =>
    Effect.gen(function*() {
      const lines: Array<unknown> = []
      const logger = Logger.make(({ message }) => void lines.push(message))
      yield* Effect.provide(
        Effect.ignore(Files.metadata(id)),
        Layer.merge(
          layerOf(mockOf(() => failure(404)), Policy.stack(Policy.timeout())),
          Logger.layer([logger])
        )
      )
      assert.deepStrictEqual(lines, [])
    }))
})
