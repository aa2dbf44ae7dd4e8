import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  DateTime,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Redacted,
  Schedule,
  Schema,
  Stream,
  Tracer
} from "effect"
import { FileMetadata, Files, FileSource } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as MessageBatches from "effect-anthropic-files/MessageBatches"
import * as Messages from "effect-anthropic-files/Messages"
import * as Policy from "effect-anthropic-files/Policy"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import { clients } from "./support/emulated.ts"
import { urlOf } from "./support/mock.ts"
import { recordSpans } from "./support/spans.ts"

const apiKey = Redacted.make("sk-ant-test-0123456789")

const answering = (answer: (url: URL, method: string, now: number) => Response) => {
  const sent: Array<string> = []
  const { client } = HttpMock.answering(({ at, method, request }) => {
    const url = urlOf(request)
    sent.push(`${method} ${url.pathname}${url.search}`)
    // A compressed body could not be told from one that was cut.
    if (url.pathname.endsWith("/results")) assert.strictEqual(request.headers["accept-encoding"], "identity")
    return answer(url, method, at)
  })
  const layer = MessageBatches.layer({ apiKey }).pipe(Layer.provide(Layer.succeed(HttpClient.HttpClient, client)))
  return { sent, layer }
}

const params: Messages.Params = { model: "claude-sonnet-5-5", max_tokens: 64 }

const requestOf = (custom_id: string): MessageBatches.BatchRequest => ({
  custom_id,
  params: { ...params, messages: [{ role: "user", content: "Hello" }] }
})

const batch = (id: string, more?: object) => ({
  id,
  type: "message_batch",
  processing_status: "in_progress",
  request_counts: { processing: 2, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
  created_at: "2024-08-20T18:37:24.100435Z",
  expires_at: "2024-08-21T18:37:24.100435Z",
  ended_at: null,
  cancel_initiated_at: null,
  archived_at: null,
  results_url: null,
  ...more
})

const message = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-sonnet-5-5",
  content: [{ type: "text", text: "Grüezi 🗓" }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: { input_tokens: 1, output_tokens: 1 }
}

const results = [
  { custom_id: "b", result: { type: "succeeded", message } },
  {
    custom_id: "a",
    result: {
      type: "errored",
      error: { type: "error", error: { type: "invalid_request_error", message: "No." }, request_id: "req_1" }
    }
  },
  { custom_id: "c", result: { type: "canceled" } },
  { custom_id: "d", result: { type: "expired" } },
  { custom_id: "e", result: { type: "result_of_tomorrow", extra: 1 }, more: true }
]

const encoder = new TextEncoder()

const inPieces = (text: string, size: number, broken = false) => {
  const bytes = encoder.encode(text)
  let offset = 0
  return new Response(
    new ReadableStream({
      pull: (controller) => {
        if (offset >= bytes.length) return broken ? controller.error(new Error("ECONNRESET")) : controller.close()
        controller.enqueue(bytes.slice(offset, offset + size))
        offset += size
      }
    })
  )
}

const file = (id: string, more?: Partial<FileMetadata.FileMetadata>): FileMetadata.FileMetadata => ({
  id: FileMetadata.FileId.make(id),
  type: "file",
  filename: `${id}.pdf`,
  mime_type: "application/pdf",
  size_bytes: 10,
  created_at: DateTime.makeUnsafe(0),
  downloadable: false,
  expires_at: null,
  scope: null,
  ...more
})

describe("MessageBatches", () => {
  it.effect("create, get, cancel and delete use the documented routes", () => {
    const { layer, sent } = answering((url, method) =>
      Response.json(
        method === "DELETE"
          ? { id: "msgbatch_1", type: "message_batch_deleted" }
          : batch("msgbatch_1", url.pathname.endsWith("/cancel") ? { processing_status: "canceling" } : {})
      )
    )
    return Effect.gen(function*() {
      const made = yield* MessageBatches.create([requestOf("a"), requestOf("b")])
      assert.strictEqual(made.id, "msgbatch_1")
      assert.strictEqual(DateTime.formatIso(made.expires_at), "2024-08-21T18:37:24.100Z")
      assert.strictEqual((yield* MessageBatches.get(made.id)).request_counts.processing, 2)
      assert.strictEqual((yield* MessageBatches.cancel(made.id)).processing_status, "canceling")
      assert.strictEqual((yield* MessageBatches.delete(made.id)).id, "msgbatch_1")
      assert.deepStrictEqual(sent, [
        "POST /v1/messages/batches",
        "GET /v1/messages/batches/msgbatch_1",
        "POST /v1/messages/batches/msgbatch_1/cancel",
        "DELETE /v1/messages/batches/msgbatch_1"
      ])
    }).pipe(Effect.provide(layer))
  })

  it.effect("create refuses custom ids that the service would refuse, before it sends", () => {
    const { layer, sent } = answering(() => Response.json(batch("msgbatch_1")))
    return Effect.gen(function*() {
      const wrong = [[], [""], ["a b"], ["ä"], ["x".repeat(65)], ["a", "b", "a"]]
      for (const ids of wrong) {
        const error = yield* Effect.flip(MessageBatches.create(ids.map(requestOf)))
        assert.strictEqual(error._tag === "RequestFailed" && error.reason._tag, "InvalidRequest")
      }
      assert.deepStrictEqual(sent, [])
      yield* MessageBatches.create(["x".repeat(64), "A-b_9"].map(requestOf))
    }).pipe(Effect.provide(layer))
  })

  it.effect.each(
    [
      ["nothing", undefined, "list"],
      ["null", null, "list"],
      ["what is not a list", { requests: [] }, "list"],
      ["100,001 requests", Array.from({ length: 100_001 }, (_, i) => requestOf(`r${i}`)), "at most 100000 requests"],
      ["a request that is undefined", [undefined], "custom_id of request 0 is missing"],
      ["a custom id that is a number", [{ ...requestOf("a"), custom_id: 7 }], "custom_id of request 0 is “7”"],
      ["a custom id that occurs twice", [requestOf("a"), requestOf("a")], "a occurs twice"],
      ["no params", [requestOf("a"), { custom_id: "b" }], "b has no params"],
      ["no max_tokens", [{ custom_id: "a", params: { model: "m", messages: [] } }], "max_tokens"],
      ["max_tokens of -1", [{ custom_id: "a", params: { ...requestOf("a").params, max_tokens: -1 } }], "max_tokens"],
      ["no messages", [{ custom_id: "a", params }], "messages"],
      ["an empty list of messages", [{ custom_id: "a", params: { ...params, messages: [] } }], "messages"],
      [
        "a role that does not exist",
        [{ custom_id: "a", params: { ...params, messages: [{ role: "bot", content: "" }] } }],
        "The request a is not one that the API accepts: messages[0].role"
      ],
      [
        "what JSON can't express",
        [{ custom_id: "a", params: { ...requestOf("a").params, seed: 1n } }],
        "a contains a value"
      ]
    ] as const
  )("create refuses %s before anything is sent, and names it", ([, requests, named]) => {
    const { layer, sent } = answering(() => Response.json(batch("msgbatch_1")))
    return Effect.gen(function*() {
      const error = yield* Effect.flip(MessageBatches.create(requests as never))
      assert.strictEqual(error._tag === "RequestFailed" && error.reason._tag, "InvalidRequest")
      assert.include(error.message, named)
      assert.isFalse(error.isOutcomeUnknown)
      assert.deepStrictEqual(sent, [])
    }).pipe(Effect.provide(layer))
  })

  it.effect("create refuses a batch of more than 256 MB before anything is sent", () => {
    const { layer, sent } = answering(() => Response.json(batch("msgbatch_1")))
    const content = "x".repeat(64_000_000)
    const large = ["a", "b", "c", "d"].map((custom_id): MessageBatches.BatchRequest => ({
      custom_id,
      params: { ...params, messages: [{ role: "user", content }] }
    }))
    return Effect.gen(function*() {
      const error = yield* Effect.flip(MessageBatches.create(large))
      assert.include(error.message, "at most 256 MB, which request 4 of 4 exceeds: split it")
      assert.deepStrictEqual(sent, [])
    }).pipe(Effect.provide(layer))
  })

  it.effect("create sends fields that are undefined as if they were left out", () => {
    const bodies: Array<unknown> = []
    const { client } = HttpMock.answering(({ json }) => {
      bodies.push(json)
      return Response.json(batch("msgbatch_1"))
    })
    return Effect.gen(function*() {
      const [request] = [requestOf("a")]
      yield* MessageBatches.create([{ custom_id: "a", params: { ...request.params, tools: undefined } }])
      assert.deepStrictEqual(bodies, [{ requests: [request] }])
    }).pipe(Effect.provide(
      MessageBatches.layer({ apiKey }).pipe(Layer.provide(Layer.succeed(HttpClient.HttpClient, client)))
    ))
  })

  it.effect("an answer about another batch is UnexpectedResponse", () => {
    const { layer } = answering((_url, method) =>
      Response.json(method === "DELETE" ? { id: "msgbatch_2" } : batch("msgbatch_2"))
    )
    return Effect.gen(function*() {
      for (const ask of [MessageBatches.get, MessageBatches.cancel, MessageBatches.delete]) {
        const error = yield* Effect.flip(Effect.asVoid(ask("msgbatch_1")))
        assert.strictEqual(error._tag === "RequestFailed" && error.reason._tag, "UnexpectedResponse")
        assert.include(error.message, "msgbatch_2")
      }
      const error = yield* Effect.flip(MessageBatches.wait("msgbatch_1"))
      assert.include(error.message, "msgbatch_2")
    }).pipe(Effect.provide(layer))
  })

  it.effect("every call applies its own options", () => {
    const headers: Array<ReadonlyArray<string | undefined>> = []
    const { client } = HttpMock.answering(({ method, path, request }) => {
      headers.push(
        ["anthropic-workspace-id", "anthropic-user-profile-id", "x-team"].map((name) => request.headers[name])
      )
      if (path.endsWith("/results")) return new Response("")
      const listed = { data: [], has_more: false, last_id: null }
      const isList = method === "GET" && path.endsWith("/batches")
      return Response.json(isList ? listed : batch("msgbatch_1", { processing_status: "ended" }))
    })
    return Effect.gen(function*() {
      const options = { workspaceId: "wrkspc_call", headers: { "x-team": "red" } }
      yield* MessageBatches.create([requestOf("a")], { ...options, userProfileId: "uprof_1" })
      yield* MessageBatches.get("msgbatch_1", options)
      yield* MessageBatches.cancel("msgbatch_1", options)
      yield* MessageBatches.delete("msgbatch_1", options)
      yield* MessageBatches.wait("msgbatch_1", options)
      yield* Stream.runDrain(MessageBatches.list(options))
      yield* Stream.runDrain(MessageBatches.results("msgbatch_1", options))
      assert.deepStrictEqual(headers[0], ["wrkspc_call", "uprof_1", "red"])
      assert.deepStrictEqual(headers.slice(1), Array.from({ length: 6 }, () => ["wrkspc_call", undefined, "red"]))
      yield* MessageBatches.get("msgbatch_1", null as never)
      yield* Stream.runDrain(MessageBatches.list(null as never))
      yield* MessageBatches.wait("msgbatch_1", null as never)
      assert.deepStrictEqual(headers.at(-1), [undefined, undefined, undefined])
    }).pipe(Effect.provide(
      MessageBatches.layer({ apiKey }).pipe(Layer.provide(Layer.succeed(HttpClient.HttpClient, client)))
    ))
  })

  it.effect("P6: shows no key that the service repeats in a batch, a cursor or a result", () => {
    const key = Redacted.value(apiKey)
    const { layer } = answering((url) => {
      if (url.pathname.endsWith("/results")) return new Response(`{"custom_id": "a", "result": "${key}"}\n`)
      if (url.pathname.endsWith("/batches")) return Response.json({ data: [], has_more: true, last_id: key })
      return Response.json(batch(key))
    })
    return Effect.gen(function*() {
      for (
        const failing of [
          MessageBatches.get("msgbatch_1"),
          Stream.runDrain(MessageBatches.list()),
          Stream.runDrain(MessageBatches.results("msgbatch_1"))
        ]
      ) {
        const error = yield* Effect.flip<unknown, Error, never>(failing as never)
        assert.notInclude(`${inspect(error, { depth: 10 })} ${error.message}`, key)
      }
    }).pipe(Effect.provide(layer))
  })

  it.effect("the span of a call is a client span, and names its batch", () => {
    const { spans, tracer } = recordSpans()
    const { layer } = answering((url) =>
      url.pathname.endsWith("/results") ? new Response("") : Response.json(batch("msgbatch_1"))
    )
    return Effect.gen(function*() {
      yield* MessageBatches.create([requestOf("a"), requestOf("b")])
      yield* MessageBatches.get("msgbatch_1")
      yield* MessageBatches.cancel("msgbatch_1")
      yield* MessageBatches.delete("msgbatch_1")
      yield* Stream.runDrain(MessageBatches.results("msgbatch_1"))
      const name = "anthropic.messages.batches"
      const id = { "anthropic.message.batch.id": "msgbatch_1" }
      assert.deepStrictEqual(
        spans.filter((span) => span.name.startsWith(name))
          .map((span) => [
            span.name,
            span.kind,
            Object.fromEntries(Array.from(span.attributes).filter(([name]) => name.startsWith("anthropic.")))
          ]),
        [
          [`${name}.create`, "client", { "anthropic.message.batch.request_count": 2, ...id }],
          [`${name}.retrieve`, "client", id],
          [`${name}.cancel`, "client", id],
          [`${name}.delete`, "client", id],
          [`${name}.results`, "client", id]
        ]
      )
    }).pipe(Effect.provide(layer), Effect.provideService(Tracer.Tracer, tracer))
  })

  it.effect("the trace of a failure contains the line of its caller", () => {
    const { layer } = answering(() => new Response("nothing", { status: 500 }))
    return Effect.gen(function*() {
      const exits: ReadonlyArray<Exit.Exit<void, unknown>> = [
        yield* Effect.exit(Effect.asVoid(MessageBatches.create([requestOf("a")]))),
        yield* Effect.exit(Effect.asVoid(MessageBatches.get("msgbatch_1"))),
        yield* Effect.exit(Effect.asVoid(MessageBatches.wait("msgbatch_1"))),
        yield* Effect.exit(Stream.runDrain(MessageBatches.list())),
        yield* Effect.exit(Stream.runDrain(MessageBatches.results("msgbatch_1")))
      ]
      for (const exit of exits) {
        const trace = Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""
        assert.match(trace, /at MessageBatches\.\w+ \(.*MessageBatches\.test\.ts:\d+/)
      }
    }).pipe(Effect.provide(layer))
  })

  it.effect("the error for a batch that does not exist names it", () => {
    const { layer } = answering(() =>
      Response.json({ type: "error", error: { type: "not_found_error", message: "Not found" } }, { status: 404 })
    )
    return Effect.gen(function*() {
      const error = yield* Effect.flip(MessageBatches.get("msgbatch_9"))
      assert.strictEqual(error._tag === "RequestFailed" && error.reason._tag, "InvalidRequest")
      assert.include(error.message, "There is no msgbatch_9")
      const early = yield* Effect.flip(Stream.runDrain(MessageBatches.results("msgbatch_9")))
      assert.include(
        early.message,
        "There are no results of msgbatch_9: it has not ended yet, or is not in this workspace."
      )
      for (const id of ["", "..", "a b"]) {
        const refused = yield* Effect.flip(MessageBatches.get(id))
        assert.include(refused.message, "is not a batch id")
      }
    }).pipe(Effect.provide(layer))
  })

  it.effect("whether a batch was made is unknown when the connection breaks", () => {
    const { client } = HttpMock.answering(() => HttpMock.error.unreachable())
    return Effect.gen(function*() {
      assert.isTrue((yield* Effect.flip(MessageBatches.create([requestOf("a")]))).isOutcomeUnknown)
      assert.isFalse((yield* Effect.flip(MessageBatches.get("msgbatch_1"))).isOutcomeUnknown)
    }).pipe(Effect.provide(
      MessageBatches.layer({ apiKey }).pipe(Layer.provide(Layer.succeed(HttpClient.HttpClient, client)))
    ))
  })

  it.effect("a result that is nested too deeply is an error as any other that is not as documented", () => {
    const { layer } = answering(() =>
      inPieces(`{"custom_id":"a","result":${"[".repeat(5000)}${"]".repeat(5000)}}\n`, 999)
    )
    return Effect.gen(function*() {
      const error = yield* Effect.flip(Stream.runDrain(MessageBatches.results("msgbatch_1")))
      assert.include(error.message, "Result 1 is not what the API documents")
    }).pipe(Effect.provide(layer))
  })

  it.effect("list gives each batch once, also if all are deleted as they come", () => {
    let ids = Array.from({ length: 45 }, (_, n) => `msgbatch_${n}`)
    const { layer } = answering((url, method) => {
      if (method === "DELETE") {
        const id = url.pathname.split("/").at(-1) ?? ""
        ids = ids.filter((other) => other !== id)
        return Response.json({ id, type: "message_batch_deleted" })
      }
      const after = url.searchParams.get("after_id")
      const at = after === null ? 0 : ids.indexOf(after) + 1
      if (after !== null && at === 0) {
        const error = { type: "not_found_error", message: "no such batch" }
        return Response.json({ type: "error", error, request_id: "req_1" }, { status: 404 })
      }
      const data = ids.slice(at, at + 20)
      const ended = data.map((id) => batch(id, { processing_status: "ended" }))
      return Response.json({
        data: ended,
        has_more: at + 20 < ids.length,
        first_id: null,
        last_id: data.at(-1) ?? null
      })
    })
    return Effect.gen(function*() {
      const seen: Array<string> = []
      yield* Stream.runForEach(MessageBatches.list(), ({ id }) => {
        seen.push(id)
        return MessageBatches.delete(id)
      })
      assert.deepStrictEqual(ids, [])
      assert.strictEqual(new Set(seen).size, 45)
      assert.strictEqual(seen.length, 45)
    }).pipe(Effect.provide(layer))
  })

  it.effect("list follows the pages, and fails at a repeated cursor", () => {
    const pages: Record<string, object> = {
      "?limit=2": { data: [batch("m5"), batch("m4")], has_more: true, first_id: "m5", last_id: "m4" },
      "?limit=2&after_id=m4": { data: [], has_more: true, first_id: null, last_id: "m3" },
      "?limit=2&after_id=m3": { data: [batch("m2")], has_more: false, first_id: "m2", last_id: "m2" },
      "": { data: [batch("m1")], has_more: true, last_id: "m1" },
      "?after_id=m1": { data: [batch("m1")], has_more: true, last_id: "m1" }
    }
    const { layer, sent } = answering((url) => Response.json(pages[url.search]))
    return Effect.gen(function*() {
      const found = yield* Stream.runCollect(MessageBatches.list({ limit: 2 }))
      assert.deepStrictEqual(found.map(({ id }) => id), ["m5", "m4", "m2"])
      assert.strictEqual(sent.length, 3)
      assert.strictEqual((yield* Stream.runCollect(Stream.take(MessageBatches.list({ limit: 2 }), 1))).length, 1)
      assert.strictEqual(sent.length, 4)
      const endless = yield* Effect.flip(Stream.runDrain(MessageBatches.list()))
      assert.include(endless.message, "a second time")
      for (const limit of [0, 1001, NaN]) {
        const refused = yield* Effect.flip(Stream.runDrain(MessageBatches.list({ limit })))
        assert.include(refused.message, "1 to 1000")
      }
    }).pipe(Effect.provide(layer))
  })

  it.effect.each([1, 2, 3, 5, 17, 100, 100_000])(
    "results are decoded line by line, in pieces of %d bytes",
    (size) =>
      Effect.gen(function*() {
        const all = results.map((result) => JSON.stringify(result))
        const bodies = [
          `${all.join("\n")}\n`,
          all.join("\n"),
          `${all.join("\r\n")}\r\n`,
          `\n${all.join("\n\n")}\n\n`,
          `\ufeff${all.join("\r\n\r\n")}`
        ]
        for (const body of bodies) {
          const { layer, sent } = answering(() => inPieces(body, size))
          const decoded = yield* Stream.runCollect(MessageBatches.results("msgbatch_1")).pipe(Effect.provide(layer))
          assert.deepStrictEqual(
            decoded.map(({ custom_id, result }) => [custom_id, result.type as string]),
            results.map(({ custom_id, result }) => [custom_id, result.type])
          )
          const [first] = decoded
          assert.strictEqual(first?.result.type === "succeeded" && Messages.text(first.result.message), "Grüezi 🗓")
          assert.deepStrictEqual(sent, ["GET /v1/messages/batches/msgbatch_1/results"])
        }
        const none = answering(() => inPieces("", 1))
        assert.deepStrictEqual(
          yield* Stream.runCollect(MessageBatches.results("msgbatch_1")).pipe(Effect.provide(none.layer)),
          []
        )
      })
  )

  it.effect("results keep unknown fields", () =>
    Effect.gen(function*() {
      for (const line of results.slice(1)) {
        const decoded = yield* Schema.decodeEffect(MessageBatches.BatchResult)(line)
        assert.deepStrictEqual((yield* Schema.encodeEffect(MessageBatches.BatchResult)(decoded)) as unknown, line)
      }
    }))

  it.effect.each(
    [
      ["text that is not JSON", "{\"custom_id\""],
      ["JSON of another shape", "{\"custom_id\": 7}"],
      ["a message of another shape", "{\"custom_id\": \"a\", \"result\": {\"type\": \"succeeded\", \"message\": {}}}"],
      ["HTML", "<html>Bad gateway</html>"]
    ] as const
  )("a result of %s fails with its number, after the results before it", ([, bad]) => {
    const good = JSON.stringify(results[0])
    const { layer } = answering(() => inPieces(`${good}\n\r\n${good}\n${bad}\n${good}\n`, 9))
    return Effect.gen(function*() {
      let seen = 0
      const error = yield* MessageBatches.results("msgbatch_1").pipe(
        Stream.runForEach(() => Effect.sync(() => ++seen)),
        Effect.flip
      )
      assert.strictEqual(seen, 2)
      assert.strictEqual(error._tag === "RequestFailed" && error.reason._tag, "UnexpectedResponse")
      assert.include(error.message, "Result 3 ")
      assert.strictEqual(error.operation, "batchResults")
    }).pipe(Effect.provide(layer))
  })

  it.effect("an error envelope in place of results is that error", () => {
    const envelope = { type: "error", error: { type: "overloaded_error", message: "Too much." } }
    const { layer } = answering(() => inPieces(JSON.stringify(envelope), 9))
    return Effect.gen(function*() {
      const error = yield* Effect.flip(Stream.runDrain(MessageBatches.results("msgbatch_1")))
      assert.strictEqual(error._tag === "RequestFailed" && error.reason._tag, "Overloaded")
    }).pipe(Effect.provide(layer))
  })

  it.effect("results without a length that end in the middle of one are TransferInterrupted", () => {
    const good = JSON.stringify(results[0])
    const { layer } = answering(() => inPieces(`${good}\n${good.slice(0, 20)}`, 9))
    return Effect.gen(function*() {
      const error = yield* Effect.flip(Stream.runDrain(MessageBatches.results("msgbatch_1")))
      assert.strictEqual(error._tag === "TransferInterrupted" && error.reason, "Truncated")
      assert.include(error.message, "result 2")
    }).pipe(Effect.provide(layer))
  })

  it.effect("results that break off are TransferInterrupted", () => {
    const { layer } = answering(() => inPieces(`${JSON.stringify(results[0])}\n{"custom`, 50, true))
    return Effect.gen(function*() {
      const error = yield* Effect.flip(Stream.runDrain(MessageBatches.results("msgbatch_1")))
      assert.strictEqual(error._tag === "TransferInterrupted" && error.reason, "Reset")
    }).pipe(Effect.provide(layer))
  })

  it.effect("create: a success that can't be read is no reason to create a second one, and says what to look for", () => {
    const { layer, sent } = answering(() => new Response("<html>"))
    return Effect.gen(function*() {
      const error = yield* Effect.flip(MessageBatches.create([requestOf("a")]))
      assert.deepStrictEqual([error.isOutcomeUnknown, error.isRetryable], [true, false])
      assert.include(error.message, "The batch may have been created")
      assert.lengthOf(sent, 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("create is not repeated under a retry policy where a batch may have been created", () =>
    Effect.gen(function*() {
      const answers: ReadonlyArray<() => HttpMock.Reply> = [
        () => HttpMock.broken("ECONNRESET"),
        () => HttpMock.silence,
        () => new Response("", { status: 500 })
      ]
      for (const answer of answers) {
        const from = HttpMock.answering(answer)
        const layer = MessageBatches.layer({ apiKey, idleTimeout: "1 second" }).pipe(
          Layer.provide(Policy.retry({ baseDelay: 0 })),
          Layer.provide(Layer.succeed(HttpClient.HttpClient, from.client)),
          Layer.orDie
        )
        const fiber = yield* Effect.forkChild(
          Effect.flip(Effect.provide(MessageBatches.create([requestOf("a")]), layer))
        )
        yield* TestClock.adjust("1 minute")
        assert.isTrue((yield* Fiber.join(fiber)).isOutcomeUnknown)
        assert.lengthOf(from.requests(), 1)
      }
    }))

  it.effect("create may take ten times the idle timeout", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering(() => Effect.as(Effect.sleep("9 seconds"), Response.json(batch("msgbatch_1"))))
      const layer = MessageBatches.layer({ apiKey, idleTimeout: "1 second" }).pipe(
        Layer.provide(Layer.succeed(HttpClient.HttpClient, from.client))
      )
      const fiber = yield* Effect.forkChild(Effect.provide(MessageBatches.create([requestOf("a")]), layer))
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).id, "msgbatch_1")
    }))

  it.effect("list names the cursor that the service does not know any more", () => {
    const { layer } = answering((url) =>
      url.searchParams.has("after_id")
        ? Response.json({ type: "error", error: { type: "not_found_error", message: "no" } }, { status: 404 })
        : Response.json({ data: [batch("msgbatch_1")], has_more: true, first_id: "msgbatch_1", last_id: "msgbatch_1" })
    )
    return Effect.gen(function*() {
      const error = yield* Effect.flip(Stream.runDrain(MessageBatches.list()))
      assert.include(error.message, "the cursor msgbatch_1: if that is gone, list again from the start.")
    }).pipe(Effect.provide(layer))
  })

  it.effect("results that break off go on under a retry policy, each of them once, in whatever order they come", () => {
    const lines = results.map((result) => JSON.stringify(result))
    const answers = [
      () => inPieces(`${lines.slice(0, 2).join("\n")}\n{"custom`, 7, true),
      () => inPieces(`${lines[1]}\n${lines[0]}\n${lines[2]}\n${lines[3]?.slice(0, 5)}`, 7),
      () => inPieces(`${lines.toReversed().join("\n")}\n`, 7)
    ]
    const { client, requests } = HttpMock.answering((_, n) => answers[n - 1]?.() ?? new Response("", { status: 404 }))
    const layer = MessageBatches.layer({ apiKey }).pipe(
      Layer.provide(Policy.retry({ baseDelay: 0 })),
      Layer.provide(Layer.succeed(HttpClient.HttpClient, client))
    )
    return Effect.gen(function*() {
      const decoded = yield* Stream.runCollect(MessageBatches.results("msgbatch_1"))
      const ids = decoded.map(({ custom_id }) => custom_id)
      assert.deepStrictEqual(ids.toSorted(), results.map(({ custom_id }) => custom_id).toSorted())
      assert.lengthOf(requests(), 3)
    }).pipe(Effect.provide(layer), TestClock.withLive)
  })

  it.effect("results that keep breaking off fail once the tries are used up", () => {
    const { client, requests } = HttpMock.answering(() => inPieces(`${JSON.stringify(results[0])}\n{"custom`, 50, true))
    const layer = MessageBatches.layer({ apiKey }).pipe(
      Layer.provide(Policy.retry({ baseDelay: 0, times: 2 })),
      Layer.provide(Layer.succeed(HttpClient.HttpClient, client))
    )
    return Effect.gen(function*() {
      let given = 0
      const run = Stream.runForEach(MessageBatches.results("msgbatch_1"), () => Effect.sync(() => given++))
      const error = yield* Effect.flip(run)
      assert.strictEqual(error._tag === "TransferInterrupted" && error.reason, "Reset")
      assert.deepStrictEqual([requests().length, given], [3, 1])
    }).pipe(Effect.provide(layer), TestClock.withLive)
  })

  it.effect("P5: an endless result is refused before memory is full", () => {
    let sent = 0
    const chunk = new Uint8Array(1 << 20).fill(0x20)
    const { layer } = answering(() =>
      new Response(
        new ReadableStream({
          pull: (controller) => {
            sent++
            if (sent > 64) controller.close()
            else controller.enqueue(chunk)
          }
        })
      )
    )
    return Effect.gen(function*() {
      const error = yield* Effect.flip(Stream.runDrain(MessageBatches.results("msgbatch_1")))
      assert.include(error.message, "longer than 16777216 bytes")
      assert.isBelow(sent, 32)
    }).pipe(Effect.provide(layer))
  })

  /** A batch that has ended at the fourth lookup, and the second of each lookup. */
  const polled = () => {
    const asked: Array<number> = []
    const { layer } = answering((_url, _method, now) => {
      asked.push(now / 1000)
      return Response.json(batch("msgbatch_1", asked.length >= 4 ? { processing_status: "ended" } : {}))
    })
    return { asked, layer }
  }

  it.effect("wait looks the batch up at the schedule's pace until it has ended", () => {
    const { asked, layer } = polled()
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(
        MessageBatches.wait("msgbatch_1", { schedule: Schedule.spaced("10 seconds") })
      )
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber)).processing_status, "ended")
      assert.deepStrictEqual(asked, [0, 10, 20, 30])
    }).pipe(Effect.provide(layer))
  })

  it.effect("wait slows down by default", () => {
    const { asked, layer } = polled()
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(MessageBatches.wait("msgbatch_1"))
      yield* TestClock.adjust("1 minute")
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(fiber)))
      assert.deepStrictEqual(asked, [0, 5, 12.5, 23.75])
    }).pipe(Effect.provide(layer))
  })

  it.effect("wait never pauses for more than a minute", () => {
    const { layer, sent } = answering(() => Response.json(batch("msgbatch_1")))
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(MessageBatches.wait("msgbatch_1"))
      yield* TestClock.adjust("10 minutes")
      const early = sent.length
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(sent.length - early, 10)
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(layer))
  })

  it.effect("wait fails with TimedOut if its schedule ends first", () => {
    const { layer, sent } = answering(() => Response.json(batch("msgbatch_1")))
    return Effect.gen(function*() {
      const error = yield* Effect.flip(MessageBatches.wait("msgbatch_1", { schedule: Schedule.recurs(2) }))
      assert.strictEqual(error._tag === "RequestFailed" && error.reason._tag, "TimedOut")
      assert.include(error.message, "still in_progress")
      assert.strictEqual(sent.length, 3)
    }).pipe(Effect.provide(layer))
  })
})

describe("MessageBatches.plan", () => {
  const questions = ["Who signs?", "When does it end?"]

  it.effect("asks every question about every file, under ids that are the same each time", () =>
    Effect.gen(function*() {
      const files = [file("file_a"), file("file_b", { mime_type: "image/png" })]
      const make = MessageBatches.plan({ files, questions, params, citations: true })
      const plan = yield* make
      const ids = plan.requests.map(({ custom_id }) => custom_id)
      assert.deepStrictEqual(ids.map((id) => id.replace(/-[0-9a-f]{24}$/, "")), [
        "file_a",
        "file_a",
        "file_b",
        "file_b"
      ])
      assert.deepStrictEqual(Array.from(plan.questions.keys()), ids)
      assert.deepStrictEqual(plan.questions.get(ids[2] ?? ""), { file: files[1], question: "Who signs?" } as never)
      assert.deepStrictEqual(plan.requests[1]?.params as unknown, {
        ...params,
        messages: [{
          role: "user",
          content: [
            { type: "document", source: { type: "file", file_id: "file_a" }, citations: { enabled: true } },
            { type: "text", text: "When does it end?" }
          ]
        }]
      })
      assert.deepStrictEqual((yield* make).requests, plan.requests)
    }))

  it.effect("gives a question its id whatever its place, and another question another one", () =>
    Effect.gen(function*() {
      const idsOf = (...questions: ReadonlyArray<string>) =>
        Effect.map(
          MessageBatches.plan({ files: [file("file_a"), file("x".repeat(80))], questions, params }),
          (plan) => new Map(Array.from(plan.questions, ([id, { file, question }]) => [`${file.id} ${question}`, id]))
        )
      const [before, after] = [yield* idsOf("Who signs?", "Until when?"), yield* idsOf("Until when?", "Who signs?")]
      assert.deepStrictEqual(new Map(Array.from(before).toSorted()), new Map(Array.from(after).toSorted()))
      const reworded = yield* idsOf("Who signs it?", "Until when?")
      assert.strictEqual(new Set([...before.values(), ...reworded.values()]).size, 6)
    }))

  it.effect("counts duplicate files and questions once", () =>
    Effect.gen(function*() {
      const plan = yield* MessageBatches.plan({
        files: [file("file_a"), file("file_a")],
        questions: ["Why?", "Why?"],
        params
      })
      assert.strictEqual(plan.requests.length, 1)
    }))

  it.effect("takes a single text as one question, not as one for each letter", () =>
    Effect.gen(function*() {
      const plan = yield* MessageBatches.plan({ files: [file("file_a")], questions: "Who signs it?", params })
      assert.deepStrictEqual(Array.from(plan.questions.values(), ({ question }) => question), ["Who signs it?"])
    }))

  it.effect("keeps custom ids valid and unique for file ids with other characters", () =>
    Effect.gen(function*() {
      const files = [file("f2"), file("x".repeat(80)), file("file.with.dots"), file("f1")]
      const plan = yield* MessageBatches.plan({ files, questions, params })
      const ids = plan.requests.map(({ custom_id }) => custom_id)
      assert.strictEqual(new Set(ids).size, 8)
      for (const id of ids) assert.match(id, /^[a-zA-Z0-9_-]{1,64}$/)
      for (const { custom_id, params } of plan.requests) {
        const asked = plan.questions.get(custom_id)
        assert.include(JSON.stringify(params), JSON.stringify(asked?.file.id))
        assert.include(JSON.stringify(params), JSON.stringify(asked?.question))
      }
    }))

  it.effect("refuses a file that would expire within the batch's 24 hours", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 hour")
      const now = yield* DateTime.now
      const after = (duration: Duration.Input) =>
        file("file_b", { expires_at: DateTime.addDuration(now, Duration.fromInputUnsafe(duration)) })
      const plan = (expiring: FileMetadata.FileMetadata) =>
        MessageBatches.plan({ files: [file("file_a"), expiring], questions, params })
      for (const duration of ["1 hour", "24 hours"] as const) {
        const error = yield* Effect.flip(plan(after(duration)))
        assert.strictEqual(error._tag, "FileExpired")
        assert.strictEqual(error.fileId, "file_b")
        assert.include(error.message, "24 hours")
      }
      yield* plan(after("25 hours"))
    }))

  it.effect("answers name the file and the question, and fail for another batch's results", () => {
    let customIds: ReadonlyArray<string> = []
    const { layer } = answering(() =>
      inPieces(
        customIds.map((custom_id) => JSON.stringify({ custom_id, result: { type: "succeeded", message } })).join("\n"),
        100
      )
    )
    return Effect.gen(function*() {
      const plan = yield* MessageBatches.plan({ files: [file("file_a")], questions, params })
      customIds = [...Array.from(plan.questions.keys()).toReversed(), "stranger"]
      const seen: Array<string> = []
      const error = yield* MessageBatches.answers("msgbatch_1", plan).pipe(
        Stream.runForEach(({ file, question }) => Effect.sync(() => seen.push(`${file.filename}: ${question}`))),
        Effect.flip
      )
      assert.deepStrictEqual(seen, ["file_a.pdf: When does it end?", "file_a.pdf: Who signs?"])
      assert.include(error.message, "stranger")
    }).pipe(Effect.provide(layer))
  })
})

describe("MessageBatches.plan of files that only the code execution tool can read", () => {
  const csv = file("file_csv", { filename: "data.csv", mime_type: "text/csv" })

  it.effect("fails without the tool, and names both remedies", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(MessageBatches.plan({ files: [csv], questions: ["Sum?"], params }))
      assert.strictEqual(error._tag === "InvalidFileType" && error.fileId, "file_csv")
      assert.include(error.message, "upload it as text/plain")
      assert.include(error.message, "code_execution_20250825")
    }))

  it.effect("uses the tool if the request has it", () =>
    Effect.gen(function*() {
      const tools = [{ type: "code_execution_20250825", name: "code_execution" }]
      const plan = yield* MessageBatches.plan({ files: [csv], questions: ["Sum?"], params: { ...params, tools } })
      assert.include(JSON.stringify(plan.requests), "container_upload")
    }))
})

describe("MessageBatches on the emulator", () => {
  const layer = Layer.provideMerge(clients, Emulator.layer({ batchDelay: "1 hour" }))

  it.effect("answers every question about every file", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const files = yield* Effect.forEach(["a.txt", "b.txt"], (name) =>
        Files.upload(FileSource.text(`${name} ends in May. It costs ten.`, name)))
      const questions = ["When does it end?", "What does it cost?"]
      const plan = yield* MessageBatches.plan({ files, questions, params, citations: true })
      const made = yield* MessageBatches.create(plan.requests)
      assert.strictEqual(made.request_counts.processing, 4)
      assert.deepStrictEqual(
        (yield* Stream.runCollect(MessageBatches.list())).map(({ id }) =>
          id
        ),
        [made.id]
      )

      yield* emulator.advance("1 hour")
      const ended = yield* MessageBatches.wait(made.id)
      assert.strictEqual(ended.request_counts.succeeded, 4)
      const answers = yield* Stream.runCollect(MessageBatches.answers(made.id, plan))
      assert.strictEqual(answers.length, 4)
      for (const { file, question, result } of answers) {
        assert.strictEqual(result.type, "succeeded")
        if (result.type !== "succeeded") continue
        assert.include(Messages.text(result.message), question)
        const [citation] = Messages.citations(result.message)
        assert.strictEqual(citation?.type === "char_location" && citation.file_id, file.id)
      }
      yield* MessageBatches.delete(made.id)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(MessageBatches.get(made.id))))
    }).pipe(Effect.provide(layer)))

  it.effect("a batch can be cancelled, and a file that is missing is the result's own error", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const plan = yield* MessageBatches.plan({ files: [file("file_missing")], questions: ["Why?"], params })
      const first = yield* MessageBatches.create(plan.requests)
      yield* emulator.advance("1 hour")
      const [missing] = yield* Stream.runCollect(MessageBatches.answers(first.id, plan))
      assert.strictEqual(missing?.result.type === "errored" && missing.result.error.error.type, "not_found_error")

      const second = yield* MessageBatches.create(plan.requests)
      yield* MessageBatches.cancel(second.id)
      yield* MessageBatches.wait(second.id)
      const [canceled] = yield* Stream.runCollect(MessageBatches.results(second.id))
      assert.strictEqual(canceled?.result.type, "canceled")
    }).pipe(Effect.provide(layer)))
})
