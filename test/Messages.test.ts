import type Anthropic from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import { Cause, ConfigProvider, Effect, Exit, Fiber, Latch, Layer, Logger, Redacted, Schema, Stream } from "effect"
import { FileMetadata, Files, FileSource } from "effect-anthropic-files"
import * as ContentBlock from "effect-anthropic-files/ContentBlock"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Messages from "effect-anthropic-files/Messages"
import { HttpClient, type HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import { bodyOf, scripted } from "./support/mock.ts"

const apiKey = Redacted.make("sk-ant-test-0123456789")

const fileId = FileMetadata.FileId.make("file_011CNha8iCJcU1wXNR6q4V8w")
const otherId = FileMetadata.FileId.make("file_011CPMxVD3fHLUhvTqtsQA5w")

/** The service over one scripted answer, with what was sent. */
const answering = (answer: () => Response | Promise<Response>, options?: Messages.Options) => {
  const sent: Array<{ readonly url: string; readonly headers: Record<string, string>; readonly body: unknown }> = []
  const record = (request: HttpClientRequest.HttpClientRequest) =>
    Effect.map(bodyOf(request), (bytes) => {
      sent.push({
        url: `${request.method} ${request.url}`,
        headers: { ...request.headers },
        body: JSON.parse(new TextDecoder().decode(bytes))
      })
    })
  const client = scripted((request) =>
    Effect.andThen(Effect.orDie(record(request)), Effect.promise(async () => answer()))
  )
  const layer = Messages.layer({ apiKey, ...options }).pipe(Layer.provide(Layer.succeed(HttpClient.HttpClient, client)))
  return { sent, layer }
}

const document = { type: "document", source: { type: "file", file_id: fileId }, citations: { enabled: true } } as const

const request: Messages.Request = {
  model: "claude-sonnet-5-0",
  max_tokens: 1024,
  messages: [{ role: "user", content: [document, { type: "text", text: "When does it end?" }] }]
}

const usage = { input_tokens: 2095, output_tokens: 503, service_tier: "standard" }

const charLocation = {
  type: "char_location",
  cited_text: "It ends in May.",
  document_index: 0,
  document_title: "Contract",
  file_id: fileId,
  start_char_index: 10,
  end_char_index: 25
}

const pageLocation = {
  type: "page_location",
  cited_text: "On both sides.",
  document_index: 1,
  document_title: null,
  file_id: null,
  start_page_number: 2,
  end_page_number: 3
}

const message = (content: ReadonlyArray<unknown>) => ({
  id: "msg_013Zva2CMHLNnXjNJJKqJ2EF",
  type: "message",
  role: "assistant",
  model: "claude-sonnet-5-0",
  content,
  stop_reason: "end_turn",
  stop_sequence: null,
  container: null,
  usage
})

const cited = message([
  { type: "thinking", thinking: "Let me see.", signature: "EqQB" },
  { type: "text", text: "It ends ", citations: null },
  { type: "text", text: "in May", citations: [charLocation, pageLocation] },
  { type: "tool_of_tomorrow", payload: { deep: [1, { er: true }] } },
  { type: "text", text: "." }
])

const errorBody = (type: string, text: string, code?: string) => ({
  type: "error",
  error: { type, message: text, ...(code === undefined ? {} : { details: { error_code: code } }) },
  request_id: "req_011CSHoEeqs5C35K2UUqR7Fy"
})

describe("Messages.create", () => {
  it.effect("sends the request as it is given and decodes the answer", () => {
    const { layer, sent } = answering(() => Response.json(cited))
    return Effect.gen(function*() {
      const answer = yield* Messages.create({
        ...request,
        system: [{ type: "text", text: "Be brief." }],
        temperature: 0.2,
        future_field: { nested: [true] },
        tools: [{ type: "code_execution_20250825", name: "code_execution" }]
      })
      assert.strictEqual(Messages.text(answer), "It ends in May.")
      assert.deepStrictEqual(Messages.citations(answer) as unknown, [charLocation, pageLocation])
      assert.strictEqual(answer.stop_reason, "end_turn")
      assert.deepStrictEqual(sent.map(({ body, url }) => ({ body, url })), [{
        url: "POST https://api.anthropic.com/v1/messages",
        body: {
          ...request,
          system: [{ type: "text", text: "Be brief." }],
          temperature: 0.2,
          future_field: { nested: [true] },
          tools: [{ type: "code_execution_20250825", name: "code_execution" }]
        }
      }])
      assert.isUndefined(sent[0]?.headers["anthropic-beta"])
      assert.strictEqual(sent[0]?.headers["content-type"], "application/json")
    }).pipe(Effect.provide(layer))
  })

  it.effect("sends turns that are typed by the official SDK, and answers as turns", () => {
    const { layer, sent } = answering(() => Response.json(cited))
    return Effect.gen(function*() {
      const answer = yield* Messages.create(request)
      const official: Anthropic.Messages.MessageParam = { role: "user", content: "Hello" }
      const block: Anthropic.Messages.ContentBlockParam = { type: "text", text: "And then?", cache_control: null }
      yield* Messages.create({ ...request, messages: turns([official], block, answer) })
      const content = answer.content
      assert.deepStrictEqual(sent[1]?.body, {
        ...request,
        messages: JSON.parse(JSON.stringify([
          official,
          { role: "user", content: [block] },
          { role: "assistant", content },
          { role: "assistant", content }
        ]))
      })
    }).pipe(Effect.provide(layer))
  })

  it.effect("reads the environment that Files reads", () => {
    const urls: Array<string> = []
    const client = scripted((_request, url) =>
      Effect.sync(() => {
        urls.push(url.href)
        return Response.json(cited)
      })
    )
    return Messages.create(request).pipe(
      Effect.map(() => assert.deepStrictEqual(urls, ["https://gateway.example/v1/messages"])),
      Effect.provide(Messages.layerConfig({ apiKey: undefined, baseUrl: undefined })),
      Effect.provideService(HttpClient.HttpClient, client),
      Effect.provideService(
        ConfigProvider.ConfigProvider,
        ConfigProvider.fromEnv({
          env: { ANTHROPIC_API_KEY: "sk-ant-test-0123456789", ANTHROPIC_BASE_URL: "https://gateway.example/" }
        })
      )
    )
  })

  it.effect("adds the files beta header in the beta dialect", () => {
    const { layer, sent } = answering(() => Response.json(cited), { dialect: "beta" })
    return Effect.gen(function*() {
      yield* Messages.create(request)
      assert.strictEqual(sent[0]?.headers["anthropic-beta"], "files-api-2025-04-14")
    }).pipe(Effect.provide(layer))
  })

  it.effect("keeps blocks and fields it does not know, both ways", () =>
    Effect.gen(function*() {
      const wire = { ...cited, usage: { ...usage, speed: "fast" }, diagnostics: { new: [null] } }
      const decoded = yield* Schema.decodeUnknownEffect(Messages.Message)(wire)
      const encoded: unknown = yield* Schema.encodeEffect(Messages.Message)(decoded)
      assert.deepStrictEqual(encoded, {
        ...wire,
        content: wire.content.map((block) =>
          (block as { readonly type: string }).type === "text"
            ? { citations: null, ...(block as object) }
            : block
        ),
        usage: { ...wire.usage, cache_creation_input_tokens: null, cache_read_input_tokens: null }
      })
      const turn = yield* Schema.decodeEffect(Messages.Request)({ ...request, metadata: { user_id: "u" } })
      assert.deepStrictEqual(yield* Schema.encodeEffect(Messages.Request)(turn), {
        ...request,
        metadata: { user_id: "u" }
      })
    }))

  it.effect("an answer of the wrong shape is an error that names the field", () => {
    const { layer } = answering(() => Response.json({ ...cited, content: [{ type: "text", text: 7 }] }))
    return Effect.gen(function*() {
      const error = yield* Effect.flip(Messages.create(request))
      assert.strictEqual(error._tag === "RequestFailed" && error.reason._tag, "UnexpectedResponse")
      assert.include(error.message, "text")
    }).pipe(Effect.provide(layer))
  })

  const two: Messages.Request = {
    ...request,
    messages: [{
      role: "user",
      content: [document, { type: "container_upload", file_id: otherId }, { type: "text", text: "Compare." }]
    }],
    tools: [{ type: "code_execution_20250825", name: "code_execution" }]
  }

  it.effect.each(
    [
      ["the file that the answer names", two, 404, "not_found_error", `File not found: ${otherId}`, undefined, {
        tag: "FileNotFound",
        fileId: otherId
      }],
      [
        "a named file beside the model's name",
        two,
        404,
        "not_found_error",
        `claude-sonnet-5-0: no ${otherId}`,
        undefined,
        {
          tag: "FileNotFound",
          fileId: otherId
        }
      ],
      ["the only file", request, 404, "not_found_error", "File not found", undefined, {
        tag: "FileNotFound",
        fileId
      }],
      ["one of several files", two, 404, "not_found_error", "File not found", undefined, {
        tag: "FileNotFound",
        fileId: undefined
      }],
      ["a model that does not exist", request, 404, "not_found_error", "model: claude-sonnet-5-0", undefined, {
        tag: "InvalidRequest"
      }],
      ["an expired file", two, 404, "not_found_error", `File ${fileId} has expired`, "file_expired", {
        tag: "FileExpired",
        fileId
      }],
      ["a prompt that is too long", request, 400, "invalid_request_error", "prompt is too long: 2 > 1", undefined, {
        tag: "ContextWindowExceeded"
      }],
      [
        "a type that the block does not take",
        request,
        400,
        "invalid_request_error",
        "Unsupported document file format: application/octet-stream. Only PDF and plaintext documents are supported.",
        undefined,
        { tag: "InvalidFileType", mimeType: "application/octet-stream" }
      ],
      ["any other refusal", request, 400, "invalid_request_error", "temperature: Input should be less", undefined, {
        tag: "InvalidRequest"
      }],
      [
        "a code that belongs to another operation",
        request,
        400,
        "invalid_request_error",
        "No",
        "file_not_downloadable",
        {
          tag: "InvalidRequest"
        }
      ],
      ["a rate limit", request, 429, "rate_limit_error", "Slow down", undefined, { tag: "RateLimited" }],
      ["a spend limit", request, 429, "rate_limit_error", "No more", "enforced_spend_limit_reached", {
        tag: "BillingBlocked"
      }],
      ["a wrong key", request, 401, "authentication_error", "invalid x-api-key", undefined, { tag: "Unauthorized" }],
      ["overload", request, 529, "overloaded_error", "Overloaded", undefined, { tag: "Overloaded" }]
    ] as const
  )("fails for %s", ([, message, status, type, text, code, expected]) => {
    const { layer } = answering(() => Response.json(errorBody(type, text, code), { status }))
    return Effect.gen(function*() {
      const error = yield* Effect.flip(Messages.create(message))
      assert.strictEqual(error._tag === "RequestFailed" ? error.reason._tag : error._tag, expected.tag)
      if ("fileId" in expected && "fileId" in error) assert.strictEqual(error.fileId, expected.fileId)
      if ("mimeType" in expected && "mimeType" in error) assert.strictEqual(error.mimeType, expected.mimeType)
      assert.strictEqual(error.status, status)
      assert.strictEqual(error.requestId, "req_011CSHoEeqs5C35K2UUqR7Fy")
      assert.strictEqual(error.operation, "createMessage")
    }).pipe(Effect.provide(layer))
  })

  it.effect("refuses a request that is none, before it is sent", () => {
    const { layer, sent } = answering(() => Response.json(cited))
    return Effect.gen(function*() {
      const wrong = [
        [{ ...request, max_tokens: -1 }, "max_tokens"],
        [{ ...request, model: "" }, "model"],
        [{ ...request, seed: 1n }, "JSON"]
      ] as const
      for (const [bad, named] of wrong) {
        const error = yield* Effect.flip(Messages.create(bad))
        assert.strictEqual(error._tag === "RequestFailed" && error.reason._tag, "InvalidRequest")
        assert.include(error.message, named)
      }
      assert.deepStrictEqual(sent, [])
    }).pipe(Effect.provide(layer))
  })

  it.effect("waits ten idle timeouts for the answer, no longer", () => {
    const { layer } = answering(() => new Promise(() => {}), { idleTimeout: "10 seconds" })
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Messages.create(request))
      yield* TestClock.adjust("99 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const error = yield* Effect.flip(Fiber.join(fiber))
      assert.strictEqual(error._tag === "RequestFailed" && error.reason._tag, "TimedOut")
      assert.isFalse(error.isOutcomeUnknown)
    }).pipe(Effect.provide(layer))
  })

  const upload = { type: "container_upload", file_id: fileId } as const
  const uploading: Messages.Request = {
    ...request,
    messages: [{ role: "user", content: [upload, { type: "text", text: "Sum it." }] }]
  }

  it.effect.each(
    [
      ["without the tool", uploading, 1],
      ["with another tool only", { ...uploading, tools: [{ type: "web_search_20250305", name: "web_search" }] }, 1],
      [
        "with the tool",
        { ...uploading, tools: [{ type: "code_execution_20260120", name: "code_execution" }] },
        0
      ],
      ["without container_upload", request, 0]
    ] as const
  )("container_upload %s warns as often as it should", ([, message, expected]) => {
    const warnings: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => {
      if (logLevel === "Warn") warnings.push(String(message))
    })
    const { layer } = answering(() => Response.json(cited))
    return Effect.gen(function*() {
      yield* Messages.create(message)
      assert.strictEqual(warnings.length, expected)
      if (expected > 0) assert.include(warnings[0], "code_execution_20250825")
    }).pipe(Effect.provide([layer, Logger.layer([logger])]))
  })
})

const sse = (events: ReadonlyArray<{ readonly type: string }>, newline = "\n") =>
  events.map((event) => `event: ${event.type}${newline}data: ${JSON.stringify(event)}${newline}${newline}`).join("")

const started = {
  type: "message_start",
  message: { ...message([]), stop_reason: null, usage: { ...usage, output_tokens: 1 } }
}

const delta = (index: number, delta: object) => ({ type: "content_block_delta", index, delta })

const transcript = [
  started,
  { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "", signature: "" } },
  { type: "ping" },
  delta(0, { type: "thinking_delta", thinking: "Let me " }),
  delta(0, { type: "thinking_delta", thinking: "see." }),
  delta(0, { type: "signature_delta", signature: "EqQB" }),
  { type: "content_block_stop", index: 0 },
  { type: "content_block_start", index: 1, content_block: { type: "text", text: "" } },
  delta(1, { type: "text_delta", text: "It ends in Mäi" }),
  delta(1, { type: "text_delta", text: " 🗓." }),
  delta(1, { type: "citations_delta", citation: charLocation }),
  delta(1, { type: "citations_delta", citation: pageLocation }),
  delta(1, { type: "delta_of_tomorrow", anything: 1 }),
  { type: "content_block_stop", index: 1 },
  { type: "event_of_tomorrow", anything: { at: "all" } },
  {
    type: "content_block_start",
    index: 2,
    content_block: { type: "server_tool_use", id: "srvtoolu_1", name: "bash_code_execution", input: {} }
  },
  delta(2, { type: "input_json_delta", partial_json: "{\"command\": \"l" }),
  delta(2, { type: "input_json_delta", partial_json: "s\"}" }),
  { type: "content_block_stop", index: 2 },
  {
    type: "content_block_start",
    index: 3,
    content_block: {
      type: "bash_code_execution_tool_result",
      tool_use_id: "srvtoolu_1",
      content: {
        type: "bash_code_execution_result",
        stdout: "",
        stderr: "",
        return_code: 0,
        content: [{ type: "bash_code_execution_output", file_id: otherId }]
      }
    }
  },
  { type: "content_block_stop", index: 3 },
  {
    type: "message_delta",
    delta: { stop_reason: "end_turn", stop_sequence: null, container: { id: "container_1", expires_at: "later" } },
    usage: { input_tokens: null, output_tokens: 503 }
  },
  { type: "message_stop" }
]

const whole = {
  ...message([
    { type: "thinking", thinking: "Let me see.", signature: "EqQB" },
    { type: "text", text: "It ends in Mäi 🗓.", citations: [charLocation, pageLocation] },
    { type: "server_tool_use", id: "srvtoolu_1", name: "bash_code_execution", input: { command: "ls" } },
    {
      type: "bash_code_execution_tool_result",
      tool_use_id: "srvtoolu_1",
      content: {
        type: "bash_code_execution_result",
        stdout: "",
        stderr: "",
        return_code: 0,
        content: [{ type: "bash_code_execution_output", file_id: otherId }]
      }
    }
  ]),
  container: { id: "container_1", expires_at: "later" },
  usage: { ...usage, cache_creation_input_tokens: null, cache_read_input_tokens: null }
}

// Turns that are typed by the official SDK can be sent, and an answer can be a turn. Checked by the compiler.
const turns = (
  official: ReadonlyArray<Anthropic.Messages.MessageParam>,
  block: Anthropic.Messages.ContentBlockParam,
  answer: Messages.Message
): Messages.Request["messages"] => [
  ...official,
  { role: "user", content: [block] },
  { role: "assistant", content: answer.content },
  { role: answer.role, content: answer.content }
]

const encoder = new TextEncoder()

/** A body in pieces of `size` bytes, and what comes after them. */
const inPieces = (text: string, size: number, end: (controller: ReadableStreamDefaultController) => void) => {
  const bytes = encoder.encode(text)
  let offset = 0
  return new Response(
    new ReadableStream({
      pull: (controller) => {
        if (offset >= bytes.length) return end(controller)
        controller.enqueue(bytes.slice(offset, offset + size))
        offset += size
      }
    }),
    { headers: { "content-type": "text/event-stream", "request-id": "req_1" } }
  )
}

const close = (controller: ReadableStreamDefaultController) => controller.close()

const cut = transcript.slice(0, 9)

describe("Messages.stream", () => {
  it.effect.each([1, 2, 3, 7, 64, 100_000])(
    "gives typed events, in pieces of %d bytes",
    (size) =>
      Effect.gen(function*() {
        for (const newline of ["\n", "\r\n"]) {
          const { layer, sent } = answering(() => inPieces(sse(transcript, newline), size, close))
          yield* Effect.gen(function*() {
            const events = yield* Stream.runCollect(Messages.stream(request))
            assert.deepStrictEqual(events.map(({ type }) => type as string), transcript.map(({ type }) => type))
            assert.deepStrictEqual(sent[0]?.body, { ...request, stream: true })
            // A compressed body could not be told from one that was cut.
            assert.strictEqual(sent[0]?.headers["accept-encoding"], "identity")
            assert.deepStrictEqual(
              yield* Stream.runCollect(Messages.textStream(Messages.stream(request))),
              ["It ends in Mäi", " 🗓."]
            )
            const final = yield* Messages.collect(Messages.stream(request))
            assert.deepStrictEqual(final as unknown, whole)
            assert.deepStrictEqual(Messages.outputs(final), [otherId])
          }).pipe(Effect.provide(layer))
        }
      })
  )

  it.effect("ends after message_stop, whatever follows", () => {
    const { layer } = answering(() => inPieces(`${sse(transcript)}event: x\ndata: nonsense\n\n`, 100_000, () => {}))
    return Effect.gen(function*() {
      assert.strictEqual((yield* Stream.runCollect(Messages.stream(request))).length, transcript.length)
    }).pipe(Effect.provide(layer))
  })

  it.effect.each(
    [
      ["overloaded_error", "Overloaded", 529],
      ["api_error", "ServerFailed", 500],
      ["timeout_error", "ServerFailed", 504],
      ["rate_limit_error", "RateLimited", 429],
      ["invalid_request_error", "InvalidRequest", 400],
      ["error_of_tomorrow", "ServerFailed", 500],
      ["constructor", "ServerFailed", 500]
    ] as const
  )("an error event of type %s fails it with %s", ([type, tag, status]) => {
    const text = `${sse(cut)}event: error\ndata: ${JSON.stringify(errorBody(type, "No more."))}\n\n`
    const { layer } = answering(() => inPieces(text, 50, close))
    return Effect.gen(function*() {
      const seen: Array<string> = []
      const error = yield* Messages.stream(request).pipe(
        Stream.runForEach((event) => Effect.sync(() => seen.push(event.type))),
        Effect.flip
      )
      assert.strictEqual(seen.length, cut.length)
      assert.strictEqual(error._tag === "RequestFailed" ? error.reason._tag : error._tag, tag)
      assert.strictEqual(error.status, status)
      assert.strictEqual(error.operation, "streamMessage")
      assert.include(error.message, "No more.")
    }).pipe(Effect.provide(layer))
  })

  it.effect.each(
    [
      ["a clean end before message_stop", "Truncated", close],
      ["a break", "Reset", (controller: ReadableStreamDefaultController) => controller.error(new Error("ECONNRESET"))]
    ] as const
  )("%s is %s", ([, reason, end]) => {
    const { layer } = answering(() => inPieces(sse(cut), 64, end))
    return Effect.gen(function*() {
      const error = yield* Effect.flip(Messages.collect(Messages.stream(request)))
      assert.strictEqual(error._tag === "TransferInterrupted" && error.reason, reason)
      assert.strictEqual(
        error._tag === "TransferInterrupted" && error.transferred,
        encoder.encode(sse(cut)).length
      )
      assert.isTrue(error.isRetryable)
    }).pipe(Effect.provide(layer))
  })

  it.effect("a stall is Stalled after the idle timeout", () => {
    const { layer } = answering(() => inPieces(sse(cut), 100_000, () => new Promise(() => {})), {
      idleTimeout: "5 seconds"
    })
    return Effect.gen(function*() {
      const seen = yield* Latch.make()
      let count = 0
      const fiber = yield* Messages.stream(request).pipe(
        Stream.runForEach(() => ++count === cut.length ? seen.open : Effect.void),
        Effect.forkChild
      )
      yield* seen.await
      yield* TestClock.adjust("4 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* Effect.repeat(TestClock.adjust("1 second"), { times: 10 })
      const error = yield* Effect.flip(Fiber.join(fiber))
      assert.strictEqual(error._tag === "TransferInterrupted" && error.reason, "Stalled")
    }).pipe(Effect.provide(layer))
  })

  it.effect.each(
    [
      ["no JSON", "event: ping\ndata: {\"type\"\n\n", "not what the API documents"],
      ["a wrong type", sse([{ ...started, message: { ...started.message, id: 7 } } as never]), "id"]
    ] as const
  )("an event with %s is an error", ([, text, named]) => {
    const { layer } = answering(() => inPieces(text, 64, close))
    return Effect.gen(function*() {
      const error = yield* Effect.flip(Stream.runDrain(Messages.stream(request)))
      assert.strictEqual(error._tag === "RequestFailed" && error.reason._tag, "UnexpectedResponse")
      assert.include(error.message, named)
    }).pipe(Effect.provide(layer))
  })

  it.effect("an answer that is no success fails like create", () => {
    const { layer } = answering(() => Response.json(errorBody("not_found_error", "File not found"), { status: 404 }))
    return Effect.gen(function*() {
      const error = yield* Effect.flip(Stream.runDrain(Messages.stream(request)))
      assert.strictEqual(error._tag === "FileNotFound" && error.fileId, fileId)
    }).pipe(Effect.provide(layer))
  })

  it.effect("events that don't add up to a message are an error", () =>
    Effect.gen(function*() {
      for (const events of [transcript.slice(1), [started, delta(4, { type: "text_delta", text: "x" })]]) {
        const decoded = Stream.mapEffect(Stream.fromIterable(events), (event) =>
          Effect.orDie(Schema.decodeUnknownEffect(Messages.Event)(event)))
        const exit = yield* Effect.exit(Messages.collect(decoded))
        assert.isTrue(Exit.isFailure(exit))
        if (Exit.isFailure(exit)) {
          assert.include(Cause.pretty(exit.cause), "don't add up")
        }
      }
    }))
})

describe("Messages.outputs", () => {
  const result = (type: string, content: unknown) => ({ type, tool_use_id: "srvtoolu_1", content })
  const ran = { stdout: "", stderr: "", return_code: 0 }
  const bash = (...ids: ReadonlyArray<string>) =>
    result("bash_code_execution_tool_result", {
      type: "bash_code_execution_result",
      ...ran,
      content: ids.map((file_id) => ({ type: "bash_code_execution_output", file_id }))
    })

  it.effect.each(
    [
      ["bash_code_execution_tool_result", [bash("file_a", "file_b")], ["file_a", "file_b"]],
      ["code_execution_tool_result", [
        result("code_execution_tool_result", {
          type: "code_execution_result",
          ...ran,
          content: [{ type: "code_execution_output", file_id: "file_a" }]
        })
      ], ["file_a"]],
      ["its encrypted variant", [
        result("code_execution_tool_result", {
          type: "encrypted_code_execution_result",
          encrypted_stdout: "c2VjcmV0",
          stderr: "",
          return_code: 0,
          content: [{ type: "code_execution_output", file_id: "file_a" }]
        })
      ], ["file_a"]],
      ["error variants", [
        result("bash_code_execution_tool_result", {
          type: "bash_code_execution_tool_result_error",
          error_code: "execution_time_exceeded"
        }),
        result("code_execution_tool_result", {
          type: "code_execution_tool_result_error",
          error_code: "unavailable"
        })
      ], []],
      ["content as a list, or as a single entry", [
        result("bash_code_execution_tool_result", [{
          type: "bash_code_execution_result",
          ...ran,
          content: [{ type: "bash_code_execution_output", file_id: "file_a" }]
        }]),
        result("code_execution_tool_result", {
          type: "code_execution_result",
          ...ran,
          content: { type: "code_execution_output", file_id: "file_b" }
        }),
        result("bash_code_execution_tool_result", { type: "bash_code_execution_output", file_id: "file_c" })
      ], ["file_a", "file_b", "file_c"]],
      ["several blocks, each file once and in order", [
        bash("file_b"),
        { type: "text", text: "Done." },
        bash("file_a", "file_b")
      ], ["file_b", "file_a"]],
      ["what was given, not made", [
        { type: "container_upload", file_id: "file_x" },
        { type: "text", text: "See.", citations: [{ ...charLocation, file_id: "file_y" }] },
        { type: "web_fetch_tool_result", tool_use_id: "t", content: { file_id: "file_z" } }
      ], []]
    ] as const
  )("finds files in %s", ([, content, ids]) =>
    Effect.gen(function*() {
      const decoded = yield* Schema.decodeUnknownEffect(Messages.Message)(message(content))
      assert.deepStrictEqual(Messages.outputs(decoded) as ReadonlyArray<string>, ids)
    }))
})

describe("Messages on the emulator", () => {
  const client = Layer.unwrap(
    Effect.map(
      Emulator.Emulator,
      ({ apiKey, url }) =>
        Layer.mergeAll(Files.layer({ apiKey, baseUrl: url }), Messages.layer({ apiKey, baseUrl: url }))
    )
  )
  const layer = Layer.provideMerge(client, Emulator.layer())

  const ask = (content: ReadonlyArray<Messages.BlockParam>, tools?: ReadonlyArray<object>): Messages.Request => ({
    model: "claude-sonnet-5-0",
    max_tokens: 256,
    messages: [{ role: "user", content: [...content, { type: "text", text: "When does the contract end?" }] }],
    ...(tools === undefined ? undefined : { tools })
  })

  it.effect("answers about a document, with citations that name the file", () =>
    Effect.gen(function*() {
      const file = yield* Files.upload(FileSource.text("The contract ends in May. The fee is ten.", "contract.txt"))
      const block = yield* ContentBlock.document(file, { title: "Contract", citations: true })
      const answer = yield* Messages.create(ask([block]))
      const [citation] = Messages.citations(answer)
      assert.strictEqual(citation?.type, "char_location")
      assert.strictEqual(citation?.cited_text, "The contract ends in May.")
      assert.strictEqual(citation?.type === "char_location" && citation.file_id, file.id)
      assert.strictEqual(citation?.type === "char_location" && citation.document_title, "Contract")
    }).pipe(Effect.provide(layer)))

  it.effect("a streamed answer amounts to a message", () =>
    Effect.gen(function*() {
      const file = yield* Files.upload(FileSource.text("The contract ends in May.", "contract.txt"))
      const block = yield* ContentBlock.forFile(file, { citations: true })
      const streamed = yield* Messages.collect(Messages.stream(ask([block])))
      const created = yield* Messages.create(ask([block]))
      assert.strictEqual(Messages.text(streamed), Messages.text(created))
      assert.deepStrictEqual(Messages.citations(streamed), Messages.citations(created))
      assert.strictEqual(streamed.stop_reason, "end_turn")
    }).pipe(Effect.provide(layer)))

  it.effect("what code execution generates can be downloaded", () =>
    Effect.gen(function*() {
      const file = yield* Files.upload(FileSource.text("a,b\n1,2\n", "data.csv"))
      const block = yield* ContentBlock.forFile(file)
      const answer = yield* Messages.create(ask([block], [{ type: "code_execution_20250825", name: "code_execution" }]))
      assert.isAbove(Messages.outputs(answer).length, 0)
      const downloaded = yield* Messages.downloads(answer).pipe(
        Stream.mapEffect(({ content, file }) => Effect.map(Stream.mkUint8Array(content), (bytes) => ({ bytes, file }))),
        Stream.runCollect
      )
      assert.deepStrictEqual(downloaded.map(({ file }) => file.id), Messages.outputs(answer))
      for (const { bytes, file } of downloaded) {
        assert.isTrue(file.downloadable)
        assert.strictEqual(bytes.length, file.size_bytes)
      }
    }).pipe(Effect.provide(layer)))

  it.effect("a missing, an expired and a mismatched file are typed", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const missing = yield* Effect.flip(Messages.create(ask([document])))
      assert.strictEqual(missing._tag === "FileNotFound" && missing.fileId, fileId)

      const csv = yield* Files.upload(FileSource.text("a,b", "data.csv"))
      const asDocument = yield* ContentBlock.document(csv.id, { mimeType: "text/plain" })
      const mismatch = yield* Effect.flip(Messages.create(ask([asDocument])))
      assert.strictEqual(mismatch._tag === "InvalidFileType" && mismatch.mimeType, "text/csv")
      assert.strictEqual(mismatch._tag === "InvalidFileType" && mismatch.fileId, csv.id)

      const brief = yield* Files.upload(FileSource.text("Soon gone.", "brief.txt"), { expiresIn: "1 hour" })
      const block = yield* ContentBlock.document(brief)
      yield* emulator.advance("2 hours")
      const expired = yield* Effect.flip(Messages.create(ask([block])))
      assert.strictEqual(expired._tag === "FileExpired" && expired.fileId, brief.id)
    }).pipe(Effect.provide(layer)))
})
