import type Anthropic from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  ConfigProvider,
  Effect,
  Exit,
  Fiber,
  Latch,
  Layer,
  Logger,
  Redacted,
  Schema,
  Stream,
  Tracer
} from "effect"
import { FileMetadata, Files, FileSource } from "effect-anthropic-files"
import * as ContentBlock from "effect-anthropic-files/ContentBlock"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Messages from "effect-anthropic-files/Messages"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import { clients } from "./support/emulated.ts"
import { urlOf } from "./support/mock.ts"
import { recordSpans } from "./support/spans.ts"

const apiKey = Redacted.make("sk-ant-test-0123456789")

const fileId = FileMetadata.FileId.make("file_011CNha8iCJcU1wXNR6q4V8w")
const otherId = FileMetadata.FileId.make("file_011CPMxVD3fHLUhvTqtsQA5w")

/** The service over one scripted answer, with what was sent. */
const answering = (answer: () => Response | Promise<Response>, options?: Messages.Options) => {
  const sent: Array<{ readonly url: string; readonly headers: Record<string, string>; readonly body: unknown }> = []
  const { client } = HttpMock.answering(({ json, request: { headers, method, url } }) => {
    sent.push({ url: `${method} ${url}`, headers: { ...headers }, body: json })
    return Effect.promise(async () => answer())
  })
  const layer = Messages.layer({ apiKey, ...options }).pipe(Layer.provide(Layer.succeed(HttpClient.HttpClient, client)))
  return { sent, layer }
}

const document = { type: "document", source: { type: "file", file_id: fileId }, citations: { enabled: true } } as const

const request: Messages.Request = {
  model: "claude-sonnet-5-5",
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
  model: "claude-sonnet-5-5",
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
  it.effect("sends the request unchanged and decodes the answer", () => {
    const { layer, sent } = answering(() => Response.json(cited))
    return Effect.gen(function*() {
      const answer = yield* Messages.create(Messages.extend({
        ...request,
        system: [{ type: "text", text: "Be brief." }],
        temperature: 0.2,
        tools: [{ type: "code_execution_20250825", name: "code_execution" }]
      }, { future_field: { nested: [true] } }))
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

  it.effect("sends turns with the official SDK's types, and answers as turns", () => {
    const { layer, sent } = answering(() => Response.json(cited))
    return Effect.gen(function*() {
      const answer = yield* Messages.create(request)
      const official: Anthropic.Messages.MessageParam = { role: "user", content: "Hello" }
      const block: Anthropic.Messages.ContentBlockParam = { type: "text", text: "And then?", cache_control: null }
      yield* Messages.create(
        officialRequest({ model: "claude-sonnet-5-5", max_tokens: 1024, messages: [official] })
      )
      yield* Messages.create({ ...request, messages: turns([official], block, answer) })
      const content = answer.content
      assert.deepStrictEqual(sent[2]?.body, {
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

  it.effect("reads the same environment variables as Files", () => {
    const urls: Array<string> = []
    const { client } = HttpMock.answering(({ request }) => {
      urls.push(urlOf(request).href)
      return Response.json(cited)
    })
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

  it.effect("keeps unknown blocks and fields, in requests and answers", () =>
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
        `claude-sonnet-5-5: no ${otherId}`,
        undefined,
        {
          tag: "FileNotFound",
          fileId: otherId
        }
      ],
      ["something that the answer does not name", request, 404, "not_found_error", "Not found", undefined, {
        tag: "InvalidRequest"
      }],
      ["a container", two, 404, "not_found_error", "Container container_011CX not found", undefined, {
        tag: "InvalidRequest"
      }],
      ["a model that does not exist", request, 404, "not_found_error", "model: claude-sonnet-5-5", undefined, {
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

  it.effect("refuses a malformed request before it is sent", () => {
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

  it.effect.each(
    [
      ["no request", undefined, "Expected object"],
      ["null", null, "Expected object"],
      ["no messages", { ...request, messages: [] }, "messages"],
      ["a role that does not exist", { ...request, messages: [{ role: "bot", content: "Hello" }] }, "role"],
      ["a block without a type", { ...request, messages: [{ role: "user", content: [{ text: "Hello" }] }] }, "type"],
      ["undefined among its blocks", { ...request, messages: [{ role: "user", content: [undefined] }] }, "content"],
      [
        "a file source without an id",
        {
          ...request,
          messages: [{ role: "user", content: [{ type: "image", source: { type: "file", fileid: "x" } }] }]
        },
        "file_id"
      ],
      [
        "a container_upload without an id",
        { ...request, messages: [{ role: "user", content: [{ type: "container_upload" }] }] },
        "file_id"
      ],
      ["tools that are null", { ...request, tools: null }, "tools"]
    ] as const
  )("refuses %s from JavaScript, and names what is wrong", ([, bad, named]) => {
    const { layer, sent } = answering(() => Response.json(cited))
    return Effect.gen(function*() {
      const create: (request: never) => ReturnType<typeof Messages.create> = Messages.create
      const error = yield* Effect.flip(create(bad as never))
      assert.strictEqual(error._tag === "RequestFailed" && error.reason._tag, "InvalidRequest")
      assert.include(error.message, named)
      assert.deepStrictEqual(sent, [])
    }).pipe(Effect.provide(layer))
  })

  it.effect("sends optional fields that are undefined as if they were left out, and null where the API takes it", () => {
    const { layer, sent } = answering(() => Response.json(cited))
    return Effect.gen(function*() {
      const absent: Messages.Request = {
        model: "claude-sonnet-5-5",
        max_tokens: 1,
        tools: undefined,
        tool_choice: undefined,
        system: undefined,
        container: undefined,
        thinking: undefined,
        temperature: undefined,
        top_k: undefined,
        top_p: undefined,
        stop_sequences: undefined,
        metadata: undefined,
        output_config: undefined,
        service_tier: undefined,
        speed: undefined,
        inference_geo: undefined,
        diagnostics: undefined,
        cache_control: undefined,
        messages: [{
          role: "user",
          content: [
            {
              type: "document",
              source: { type: "file", file_id: fileId },
              title: undefined,
              context: undefined,
              citations: undefined,
              cache_control: undefined
            },
            { type: "text", text: "Hello", citations: undefined, cache_control: undefined }
          ]
        }]
      }
      yield* Messages.create(absent, undefined)
      yield* Messages.create(absent, { workspaceId: undefined, userProfileId: undefined, headers: undefined })
      const document = { type: "document", source: { type: "file", file_id: fileId } }
      for (const { body } of sent) {
        assert.deepStrictEqual(body, {
          model: "claude-sonnet-5-5",
          max_tokens: 1,
          messages: [{ role: "user", content: [document, { type: "text", text: "Hello" }] }]
        })
      }
      const withNull: Messages.Request = {
        ...request,
        container: null,
        cache_control: null,
        metadata: { user_id: null },
        messages: [{
          role: "user",
          content: [{
            type: "document",
            source: { type: "file", file_id: fileId },
            title: null,
            context: null,
            citations: null,
            cache_control: null
          }]
        }]
      }
      yield* Messages.create(withNull)
      assert.deepStrictEqual(sent[2]?.body, withNull)
    }).pipe(Effect.provide(layer))
  })

  it.effect("sends fields and blocks that are newer than its types", () => {
    const { layer, sent } = answering(() => Response.json(cited))
    return Effect.gen(function*() {
      const block = Messages.customBlock({ type: "video", source: { type: "file", file_id: fileId } })
      const text = Messages.extend({ type: "text", text: "Hello" }, { mood: "fine" })
      yield* Messages.create(
        Messages.extend({ ...request, messages: [{ role: "user", content: [block, text] }] }, { new_field: [1] })
      )
      assert.deepStrictEqual(sent[0]?.body, {
        ...request,
        new_field: [1],
        messages: [{
          role: "user",
          content: [
            { type: "video", source: { type: "file", file_id: fileId } },
            { type: "text", text: "Hello", mood: "fine" }
          ]
        }]
      })
    }).pipe(Effect.provide(layer))
  })

  it.effect("sends the workspace, the user profile and the headers of one call with that call only", () => {
    const { layer, sent } = answering(() => Response.json(cited), {
      workspaceId: "wrkspc_client",
      headers: { "x-team": "blue" },
      betas: ["a-2026-01-01"]
    })
    return Effect.gen(function*() {
      yield* Messages.create(request, {
        workspaceId: "wrkspc_call",
        userProfileId: "uprof_1",
        headers: { "X-Team": "red", "anthropic-beta": "b-2026-01-01, a-2026-01-01" }
      })
      yield* Effect.ignore(Stream.runDrain(Messages.stream(request, { userProfileId: "uprof_2" })))
      yield* Messages.create(request)
      const names = ["anthropic-workspace-id", "anthropic-user-profile-id", "x-team", "anthropic-beta", "x-api-key"]
      assert.deepStrictEqual(sent.map(({ headers }) => names.map((name) => headers[name])), [
        ["wrkspc_call", "uprof_1", "red", "a-2026-01-01,b-2026-01-01", "sk-ant-test-0123456789"],
        ["wrkspc_client", "uprof_2", "blue", "a-2026-01-01", "sk-ant-test-0123456789"],
        ["wrkspc_client", undefined, "blue", "a-2026-01-01", "sk-ant-test-0123456789"]
      ])
    }).pipe(Effect.provide(layer))
  })

  it.effect.each(
    [
      ["a name that HTTP can't carry", { headers: { "a b": "c" } }, "headers"],
      ["a line break", { headers: { "x-a": "b\r\nx-c: d" } }, "headers"],
      ["a header of the transport", { headers: { "Content-Length": "1" } }, "headers"],
      ["another key", { headers: { "x-api-key": "sk-ant-other-0123456789" } }, "headers"],
      ["the other dialect", { headers: { "anthropic-beta": "files-api-2025-04-14" } }, "headers"],
      ["an empty workspace", { workspaceId: " " }, "workspaceId"],
      ["a user profile with a space", { userProfileId: "a b" }, "userProfileId"]
    ] as const
  )("refuses %s for one call before anything is sent", ([, options, option]) => {
    const { layer, sent } = answering(() => Response.json(cited))
    return Effect.gen(function*() {
      const error = yield* Effect.flip(Messages.create(request, options))
      assert.strictEqual(
        error._tag === "RequestFailed" && error.reason._tag === "InvalidRequest" && error.reason.option,
        option
      )
      assert.notInclude(error.message, "sk-ant")
      assert.deepStrictEqual(sent, [])
    }).pipe(Effect.provide(layer))
  })

  it.effect("P6: shows neither the key nor a secret header of one call if an answer repeats them", () => {
    const secret = "gateway-secret-0123456789"
    const another = "another-secret-0123456789"
    const echo = `sk-ant-test-0123456789 ${secret} ${another}`
    const bodies = [
      () => Response.json(errorBody("api_error", echo), { status: 500, headers: { "request-id": echo } }),
      () => Response.json({ ...cited, id: { echo } }),
      () => Response.json({ ...cited, content: [{ type: "text", text: { echo } }] }),
      () => new Response(`<html>${echo}</html>`)
    ]
    return Effect.forEach(bodies, (body) => {
      const { layer } = answering(body)
      const { spans, tracer } = recordSpans()
      const options = { headers: { "x-gateway": `Basic ${secret}`, "anthropic-gateway-token": another } }
      return Effect.gen(function*() {
        const created = yield* Effect.flip(Messages.create(request, options))
        const streamed = yield* Effect.flip(Stream.runDrain(Messages.stream(request, options)))
        for (const error of [created, streamed]) {
          const shown = `${inspect(error, { depth: 10 })} ${JSON.stringify(error)} ${Cause.pretty(Cause.fail(error))}`
          assert.notInclude(shown, "sk-ant-test")
          assert.notInclude(shown, secret)
          assert.notInclude(shown, another)
        }
        const attributes = JSON.stringify(spans.map((span) => Array.from(span.attributes)))
        assert.notInclude(attributes, secret)
        assert.notInclude(attributes, another)
      }).pipe(Effect.provide(layer), Effect.provideService(Tracer.Tracer, tracer))
    })
  })

  it.effect("P6: no span shows the key if a successful answer repeats it as its id or model", () => {
    const echo = "sk-ant-test-0123456789"
    const repeated = { id: echo, model: echo, stop_reason: echo }
    const { layer, sent } = answering(() =>
      sent.length === 1
        ? Response.json({ ...cited, ...repeated })
        : inPieces(sse(JSON.parse(JSON.stringify(transcript).replace("msg_013Zva2CMHLNnXjNJJKqJ2EF", echo))), 64, close)
    )
    const { spans, tracer } = recordSpans()
    return Effect.gen(function*() {
      assert.strictEqual((yield* Messages.create(request)).id, echo)
      yield* Stream.runDrain(Messages.stream(request))
      const attributes = JSON.stringify(spans.map((span) => Array.from(span.attributes)))
      assert.include(attributes, "gen_ai.response.id")
      assert.notInclude(attributes, echo)
    }).pipe(Effect.provide(layer), Effect.provideService(Tracer.Tracer, tracer))
  })

  it.effect("the span of a call is a client span with the attribute names of OpenTelemetry's conventions", () => {
    const { spans, tracer } = recordSpans()
    const { layer, sent } = answering(() =>
      sent.length === 1 ? Response.json(cited) : inPieces(sse(transcript), 64, close)
    )
    return Effect.gen(function*() {
      yield* Messages.create(request)
      yield* Stream.runDrain(Messages.stream(request))
      const calls = spans.filter(({ name }) => name === "anthropic.messages.create")
      const common = {
        "gen_ai.provider.name": "anthropic",
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "claude-sonnet-5-5",
        "gen_ai.request.max_tokens": 1024,
        "gen_ai.response.id": "msg_013Zva2CMHLNnXjNJJKqJ2EF",
        "gen_ai.response.model": "claude-sonnet-5-5",
        "gen_ai.usage.input_tokens": 2095,
        "gen_ai.usage.output_tokens": 503,
        "anthropic.message.stop_reason": "end_turn",
        "anthropic.response.service_tier": "standard"
      }
      assert.deepStrictEqual(
        calls.map(({ attributes, kind }) => [
          kind,
          Object.fromEntries(Array.from(attributes).filter(([name]) => /^(gen_ai|anthropic)\./.test(name)))
        ]),
        [
          ["client", common],
          ["client", {
            ...common,
            "gen_ai.request.stream": true,
            "gen_ai.response.time_to_first_chunk": 0,
            "anthropic.request.id": "req_1"
          }]
        ]
      )
    }).pipe(Effect.provide(layer), Effect.provideService(Tracer.Tracer, tracer))
  })

  it.effect("a failure's trace holds the line of its caller", () => {
    const { layer } = answering(() => Response.json(errorBody("api_error", "No"), { status: 500 }))
    return Effect.gen(function*() {
      const created = yield* Effect.exit(Effect.asVoid(Messages.create(request)))
      const streamed = yield* Effect.exit(Stream.runDrain(Messages.stream(request)))
      for (const exit of [created, streamed]) {
        assert.match(
          Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "",
          /at Messages\.\w+ \(.*Messages\.test\.ts:\d+/
        )
      }
    }).pipe(Effect.provide(layer))
  })

  it.effect("an error envelope at 200 is that error", () => {
    const { layer } = answering(() => Response.json(errorBody("overloaded_error", "Too much.")))
    return Effect.gen(function*() {
      const error = yield* Effect.flip(Messages.create(request))
      assert.strictEqual(error._tag === "RequestFailed" && error.reason._tag, "Overloaded")
      assert.isTrue(error.isRetryable)
    }).pipe(Effect.provide(layer))
  })

  it.effect("an answer without token counts decodes", () => {
    const { layer, sent } = answering(() => {
      const counts = [null, undefined, { input_tokens: null, output_tokens: 3 }][sent.length - 1]
      return Response.json({ ...cited, usage: counts })
    })
    return Effect.gen(function*() {
      const none = { cache_creation_input_tokens: null, cache_read_input_tokens: null }
      assert.deepStrictEqual((yield* Messages.create(request)).usage, {
        input_tokens: null,
        output_tokens: null,
        ...none
      })
      assert.deepStrictEqual((yield* Messages.create(request)).usage, {
        input_tokens: null,
        output_tokens: null,
        ...none
      })
      assert.deepStrictEqual((yield* Messages.create(request)).usage, { input_tokens: null, output_tokens: 3, ...none })
    }).pipe(Effect.provide(layer))
  })

  it.effect("waits at most ten idle timeouts for the answer", () => {
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

// A request that is typed by the official SDK can be sent. Checked by the compiler.
const officialRequest = (params: Anthropic.Messages.MessageCreateParamsNonStreaming): Messages.Request => params

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

/** A body in pieces of `size` bytes, followed by another stream. */
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
    "decodes events that arrive in pieces of %d bytes",
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

  it.effect("ends after message_stop and ignores the rest", () => {
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

  it.effect("a stream that stalls is Stalled after the idle timeout", () => {
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
      ["data that is not JSON", "event: content_block_delta\ndata: {\"type\"\n\n", "not what the API documents"],
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

  it.effect("skips events that gateways add to those of the API", () => {
    const extra = [
      "event: ping\ndata: {}\n\n",
      "event: ping\ndata: \n\n",
      "event: ping\ndata: keep-alive\n\n",
      ": a comment\n\n",
      "data: [DONE]\n\n",
      "data: {\"object\": \"chunk\"}\n\n",
      "event: done\ndata: [DONE]\n\n",
      "retry: 1000\n\n",
      "id: 7\n\n"
    ]
    const withExtra = transcript.map((event, i) => `${extra[i % extra.length] ?? ""}${sse([event])}`).join("")
    const { layer } = answering(() => inPieces(withExtra, 50, close))
    return Effect.gen(function*() {
      const events = yield* Stream.runCollect(Messages.stream(request))
      const types = events.map(({ type }) => type).filter((type) => type !== "ping")
      assert.deepStrictEqual(types, transcript.map(({ type }) => type).filter((type) => type !== "ping"))
      assert.deepStrictEqual((yield* Messages.collect(Messages.stream(request))) as unknown, whole)
    }).pipe(Effect.provide(layer))
  })

  it.effect("accepts events that have their type only in the data, or only in the event line", () => {
    const unnamed = transcript.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("")
    const named = transcript.map(({ type, ...event }) => `event: ${type}\ndata: ${JSON.stringify(event)}\n\n`).join("")
    return Effect.forEach([unnamed, named], (text) => {
      const { layer } = answering(() => inPieces(text, 50, close))
      return Effect.gen(function*() {
        assert.deepStrictEqual((yield* Messages.collect(Messages.stream(request))) as unknown, whole)
      }).pipe(Effect.provide(layer))
    })
  })

  it.effect("a tool call without arguments has none: its pieces are empty", () => {
    const call = { type: "tool_use", id: "toolu_1", name: "now", input: {} }
    const events = [
      started,
      { type: "content_block_start", index: 0, content_block: call },
      { type: "content_block_delta", index: 0, delta: { type: "input_json_delta", partial_json: "" } },
      { type: "content_block_stop", index: 0 },
      { type: "message_delta", delta: { stop_reason: "tool_use" }, usage: { output_tokens: 5 } },
      { type: "message_stop" }
    ]
    const { layer } = answering(() => inPieces(sse(events), 50, close))
    return Effect.gen(function*() {
      const { content } = yield* Messages.collect(Messages.stream(request))
      assert.deepStrictEqual(content as unknown, [call])
    }).pipe(Effect.provide(layer))
  })

  it.effect("accepts null as a token count", () => {
    const events = transcript.map((event) => {
      if (event === started) return { ...started, message: { ...started.message, usage: null } }
      return event.type === "message_delta" ? { ...event, usage: null } : event
    })
    const { layer } = answering(() => inPieces(sse(events), 50, close))
    return Effect.gen(function*() {
      const { usage } = yield* Messages.collect(Messages.stream(request))
      assert.isNull(usage.output_tokens)
    }).pipe(Effect.provide(layer))
  })

  it.effect.each(
    [
      ["HTML", "<!doctype html>\n<title>Sign in</title>\n\n<p>Who are you?</p>", "UnexpectedResponse", "Who are you?"],
      ["a text", "upstream connect error", "UnexpectedResponse", "upstream connect error"],
      ["a message in JSON", JSON.stringify(cited), "UnexpectedResponse", "JSON"],
      ["an error envelope", JSON.stringify(errorBody("overloaded_error", "Too much.")), "Overloaded", "Too much."],
      [
        "an error envelope over several lines",
        JSON.stringify(errorBody("authentication_error", "Who?"), null, 2),
        "Unauthorized",
        "Who?"
      ],
      ["an error without a type", "{\"error\":{\"message\":\"Broken.\",\"code\":500}}", "ServerFailed", "Broken."],
      [
        "an error event without JSON",
        "event: error\ndata: upstream timed out\n\n",
        "ServerFailed",
        "upstream timed out"
      ]
    ] as const
  )("%s at 200 is that error, not an interrupted answer", ([, body, reason, said]) => {
    const { layer } = answering(() => inPieces(body, 7, close))
    return Effect.gen(function*() {
      const error = yield* Effect.flip(Stream.runDrain(Messages.stream(request)))
      assert.strictEqual(error._tag === "RequestFailed" && error.reason._tag, reason)
      assert.include(error.message, said)
      if (reason === "UnexpectedResponse") assert.isFalse(error.isRetryable)
    }).pipe(Effect.provide(layer))
  })

  it.effect.each(["", "eve", "event: message_start", ": keep-alive\n\n", "data: {\"type\":"])(
    "a stream that is cut after %j is interrupted",
    (body) => {
      const { layer } = answering(() => inPieces(body, 7, close))
      return Effect.gen(function*() {
        const error = yield* Effect.flip(Stream.runDrain(Messages.stream(request)))
        assert.strictEqual(error._tag === "TransferInterrupted" && error.reason, "Truncated")
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("an answer that is not a success fails like create", () => {
    const { layer } = answering(() =>
      Response.json(errorBody("not_found_error", `File not found: ${fileId}`), { status: 404 })
    )
    return Effect.gen(function*() {
      const error = yield* Effect.flip(Stream.runDrain(Messages.stream(request)))
      assert.strictEqual(error._tag === "FileNotFound" && error.fileId, fileId)
    }).pipe(Effect.provide(layer))
  })

  it.effect("events that don't add up to a message are an error", () =>
    Effect.gen(function*() {
      for (const events of [transcript.slice(1), [started, delta(4, { type: "text_delta", text: "x" })]]) {
        const decoded = Stream.mapEffect(Stream.fromIterable(events), (event) =>
          Effect.orDie(Schema.decodeEffect(Messages.Event)(event)))
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
        { type: "web_fetch_tool_result", tool_use_id: "t", content: { file_id: "file_z" } },
        { type: "server_tool_use", id: "t", name: "code_execution", input: { file_id: "file_w" } },
        result("mcp_tool_result", [{ type: "document", source: { type: "file", file_id: "file_v" } }])
      ], []],
      ["kinds of blocks that are newer than this client", [
        result("text_editor_code_execution_tool_result", { type: "text_editor_output", file_id: "file_a" }),
        result("chart_tool_result", { type: "chart_result", files: [{ name: "b.png", file_id: "file_b" }] }),
        { type: "generated_image", file_id: "file_c" },
        result("web_render_tool_result", [{ type: "web_render_output", file_id: "file_d" }])
      ], ["file_a", "file_b", "file_c", "file_d"]]
    ] as const
  )("finds files in %s", ([, content, ids]) =>
    Effect.gen(function*() {
      const decoded = yield* Schema.decodeUnknownEffect(Messages.Message)(message(content))
      assert.deepStrictEqual(Messages.outputs(decoded) as ReadonlyArray<string>, ids)
    }))
})

describe("Messages on the emulator", () => {
  const layer = Layer.provideMerge(clients, Emulator.layer())

  const ask = (content: ReadonlyArray<Messages.BlockParam>, tools?: ReadonlyArray<object>): Messages.Request => ({
    model: "claude-sonnet-5-5",
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

  it.effect("a streamed answer adds up to a message", () =>
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

  it.effect("missing, expired and mismatched files are typed errors", () =>
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
