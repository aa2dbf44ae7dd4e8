/**
 * Rules: what message requests are answered in the place of the emulator's own words.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber } from "effect"
import { Emulator, layer } from "effect-anthropic-files/emulator/Emulator"
import * as Rule from "effect-anthropic-files/emulator/Rule"
import { HttpClient } from "effect/http"
import { errorOf, get, json, post, request, upload } from "./support.ts"

type Fields = Readonly<Record<string, unknown>>

const ask = (content: unknown, fields: Fields = {}) =>
  post("/v1/messages", { model: "claude-opus-5-5", max_tokens: 5, messages: [{ role: "user", content }], ...fields })

const textOf = (content: unknown, fields: Fields = {}) =>
  Effect.map(ask(content, fields), (answer) => answer.json.content[0]?.text ?? "")

const withRules = (...rules: ReadonlyArray<Rule.Rule>) => layer({ rules })

const says = (text: string): Rule.Answer => ({ text })

const own = /^\[emulator\]/

/** A conversation whose last turn is a tool's result. */
const afterTool = (content: unknown) => ({
  messages: [
    { role: "user", content: "the weather?" },
    { role: "assistant", content: [{ type: "tool_use", id: "t1", name: "weather", input: {} }] },
    { role: "user", content: [{ type: "tool_result", tool_use_id: "t1", content }] }
  ]
})

const file = (id: string) => ({ type: "document", source: { type: "file", file_id: id } })

describe("a rule matches", () => {
  it.effect("everything, if it names nothing", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* textOf("hi"), "yes")
    }).pipe(Effect.provide(withRules({ answer: says("yes") }))))

  it.effect("by the model", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* textOf("hi", { model: "claude-haiku-5-5" }), "small")
      assert.match(yield* textOf("hi"), own)
    }).pipe(Effect.provide(withRules({ match: { model: "claude-haiku-5-5" }, answer: says("small") }))))

  it.effect("by the text of the last turn in any case, not by an earlier turn", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* textOf("An INVOICE?"), "paid")
      assert.strictEqual(yield* textOf([{ type: "text", text: "a" }, { type: "text", text: "the invoice" }]), "paid")
      const messages = [
        { role: "user", content: "invoice" },
        { role: "assistant", content: "a" },
        { role: "user", content: "and now?" }
      ]
      assert.match(yield* textOf("", { messages }), own)
    }).pipe(Effect.provide(withRules({ match: { text: "invoice" }, answer: says("paid") }))))

  it.effect("by a tool's result in the last turn", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* textOf("", afterTool("rain in Oslo")), "umbrella")
      assert.strictEqual(yield* textOf("", afterTool([{ type: "text", text: "Rain" }])), "umbrella")
      assert.strictEqual(yield* textOf("", afterTool("sun")), "any result")
      assert.match(yield* textOf("rain"), own)
    }).pipe(Effect.provide(withRules(
      { match: { toolResult: "rain" }, answer: says("umbrella") },
      { match: { toolResult: "" }, answer: says("any result") }
    ))))

  it.effect("by a file's name or id", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator
      const { id } = (yield* upload({ filename: "a.txt", content: "x", type: "text/plain" })).json
      const other = (yield* upload({ filename: "b.txt", content: "x", type: "text/plain" })).json
      assert.strictEqual(yield* textOf([file(id)]), "by name")
      assert.match(yield* textOf([file(other.id)]), own)
      yield* emulator.addRule({ match: { file: other.id }, answer: says("by id") })
      assert.strictEqual(yield* textOf([file(other.id)]), "by id")
    }).pipe(Effect.provide(withRules({ match: { file: "a.txt" }, answer: says("by name") }))))

  it.effect("the n-th of the requests that match everything else", () =>
    Effect.gen(function*() {
      const answers: Array<string> = []
      for (const content of ["a", "other", "a", "a", "a"]) answers.push(yield* textOf(content))
      assert.deepStrictEqual(answers.map((text) => own.test(text) ? "-" : text), [
        "first",
        "-",
        "second",
        "-",
        "fourth"
      ])
    }).pipe(Effect.provide(withRules(
      { match: { text: "a", call: 1 }, answer: says("first") },
      { match: { text: "a", call: 2 }, answer: says("second") },
      { match: { text: "a", call: 4 }, answer: says("fourth") }
    ))))

  it.effect("a number of times, and then the next rule answers", () =>
    Effect.gen(function*() {
      const answers: Array<string> = []
      for (let i = 0; i < 4; i++) answers.push(yield* textOf("hi"))
      assert.deepStrictEqual(answers, ["one", "one", "two", "two"])
    }).pipe(Effect.provide(withRules({ answer: says("one"), times: 2 }, { answer: says("two") }))))
})

describe("a rule answers", () => {
  it.effect("with thinking, text, JSON and tool calls, and a stop reason", () =>
    Effect.gen(function*() {
      const tools = [{
        name: "book",
        input_schema: { type: "object", properties: { seats: { type: "integer", minimum: 2 } } }
      }]
      const message = (yield* ask("hi", { tools })).json
      assert.deepStrictEqual(message.content.map((block) => block.type), [
        "thinking",
        "text",
        "text",
        "tool_use",
        "tool_use"
      ])
      assert.strictEqual(message.content[1]?.text, "Let me see.")
      assert.strictEqual(message.content[2]?.text, "{\"a\":[1]}")
      const [, , , look, book] = message.content as unknown as ReadonlyArray<
        { id: string; name: string; input: unknown }
      >
      assert.deepStrictEqual([look?.id, look?.name, look?.input], ["toolu_mine", "look", { at: "it" }])
      assert.match(book?.id ?? "", /^toolu_/)
      assert.deepStrictEqual(book?.input, { seats: 2 })
      assert.strictEqual(message.stop_reason, "tool_use")
    }).pipe(Effect.provide(withRules({
      answer: {
        thinking: "Hm.",
        text: "Let me see.",
        json: { a: [1] },
        tool_use: [{ id: "toolu_mine", name: "look", input: { at: "it" } }, { name: "book" }]
      }
    }))))

  it.effect("with a stop reason, a stop sequence, usage, and blocks as they are", () =>
    Effect.gen(function*() {
      const message = (yield* ask("hi")).json as unknown as Fields & { usage: Fields }
      assert.strictEqual(message.stop_reason, "refusal")
      assert.strictEqual(message.stop_sequence, "END")
      assert.deepInclude(message.usage, { input_tokens: 7, output_tokens: 9, cache_read_input_tokens: 5 })
      assert.deepStrictEqual(message.content, [{ type: "new_block", of: "a kind" }])
    }).pipe(Effect.provide(withRules({
      answer: {
        content: [{ type: "new_block", of: "a kind" }],
        stop_reason: "refusal",
        stop_sequence: "END",
        usage: { input_tokens: 7, output_tokens: 9, cache_read_input_tokens: 5 }
      }
    }))))

  it.effect("completely, whatever max_tokens is", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* textOf("hi", { max_tokens: 1 }), "x".repeat(1000))
    }).pipe(Effect.provide(withRules({ answer: says("x".repeat(1000)) }))))

  it.effect("with files that can be downloaded", () =>
    Effect.gen(function*() {
      const { container, content } = (yield* ask("hi")).json
      const outputs = content.find((block) => block.type === "bash_code_execution_tool_result")?.content.content ?? []
      assert.lengthOf(outputs, 2)
      assert.match(container?.id ?? "", /^container_/)
      const [chart, table] = outputs
      const metadata = (yield* get(`/v1/files/${chart?.file_id}`)).json
      assert.deepStrictEqual([metadata.filename, metadata.mime_type, metadata.size_bytes], ["a.png", "image/png", 3])
      assert.strictEqual((yield* get(`/v1/files/${table?.file_id}/content`)).text, "a,b\n")
    }).pipe(Effect.provide(withRules({
      answer: { file: [{ filename: "a.png", base64: "AAAA" }, { filename: "t.csv", content: "a,b\n" }] }
    }))))

  it.effect("with an error", () =>
    Effect.gen(function*() {
      const answer = yield* ask("hi")
      assert.deepStrictEqual(errorOf(answer), {
        status: 429,
        type: "rate_limit_error",
        code: "enforced_spend_limit_reached"
      })
      assert.strictEqual(answer.json.error.message, "No more today.")
      assert.match(yield* textOf("hi"), own)
    }).pipe(Effect.provide(withRules({
      answer: {
        error: {
          status: 429,
          type: "rate_limit_error",
          message: "No more today.",
          errorCode: "enforced_spend_limit_reached"
        }
      },
      times: 1
    }))))
})

describe("a rule cuts a stream", () => {
  const body = { model: "m", max_tokens: 5, stream: true, messages: [{ role: "user", content: "hi" }] }

  const types = (text: string) => [...text.matchAll(/^event: (.*)$/gm)].map(([, type]) => type)

  const long = says("x".repeat(100))

  it.effect("so that it looks complete", () =>
    Effect.gen(function*() {
      const { text } = yield* post("/v1/messages", body)
      assert.deepStrictEqual(types(text), ["message_start", "ping", "content_block_start", "content_block_delta"])
    }).pipe(Effect.provide(withRules({ answer: { ...long, cut: { after: 4 } } }))))

  it.effect("with an error as its last event", () =>
    Effect.gen(function*() {
      const { status, text } = yield* post("/v1/messages", body)
      assert.strictEqual(status, 200)
      assert.deepStrictEqual(types(text), ["message_start", "ping", "error"])
      assert.include(text, "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"oops\"}}")
      // An answer in one piece has no middle: it is the error.
      assert.strictEqual((yield* post("/v1/messages", { ...body, stream: false })).status, 500)
    }).pipe(Effect.provide(withRules({
      answer: { ...long, error: { status: 500, message: "oops" }, cut: { after: 2, with: "error" } }
    }))))

  it.effect("with a broken connection", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(post("/v1/messages", body))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasFails(exit.cause))
    }).pipe(Effect.provide(withRules({ answer: { ...long, cut: { after: 3, with: "reset" } } }))))

  it.effect("with silence", () =>
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      const response = yield* client.execute(yield* request("POST", "/v1/messages", { body: json(body) }))
      const fiber = yield* Effect.forkChild(response.text)
      for (let i = 0; i < 50; i++) yield* Effect.yieldNow
      assert.isUndefined(fiber.pollUnsafe())
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(withRules({ answer: { ...long, cut: { after: 3, with: "stall" } } }))))
})

describe("rules as data", () => {
  it.effect("are the same as JSON", () =>
    Effect.gen(function*() {
      const rules: ReadonlyArray<Rule.Rule> = [
        { match: { model: "m", text: "t", toolResult: "", file: "f", call: 2 }, answer: { text: "x" }, times: null },
        { answer: { tool_use: [{ name: "a" }, { name: "b", input: { c: 1 }, id: "d" }], stop_reason: "pause_turn" } },
        {
          answer: {
            file: { filename: "a", content: "b", mimeType: "c/d" },
            json: { e: null },
            usage: { input_tokens: 1 }
          }
        },
        { answer: { error: { status: 529 }, cut: { after: 3, with: "stall" } }, times: 0 }
      ]
      assert.deepStrictEqual(yield* Rule.decode(JSON.parse(JSON.stringify(rules))), rules)
    }))

  it.effect.each<readonly [input: unknown, message: string]>([
    [{}, "rules: Expected array."],
    [[{ match: {} }], "rules[0].answer is missing."],
    [
      [{ answer: {}, matches: { text: "a" } }],
      "rules[0].matches is not a known key; expected one of match, answer, times."
    ],
    [
      [{ answer: {}, match: { txt: "a" } }],
      "rules[0].match.txt is not a known key; expected one of model, text, toolResult, file, call."
    ],
    [
      [{ answer: { txet: "a" } }],
      "rules[0].answer.txet is not a known key; expected one of thinking, text, json, file, content, tool_use, stop_reason, stop_sequence, usage, error, cut."
    ],
    [[{ answer: {}, match: { call: 0 } }], "rules[0].match.call: Expected a value greater than or equal to 1."]
  ])("that are wrong are refused with what is wrong in them: %j", ([input, message]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Rule.decode(input))
      assert.strictEqual(error._tag, "InvalidConfig")
      assert.strictEqual(error.message, message)
    }))

  it.effect("can be replaced, added and removed", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator
      yield* emulator.setRules([{ answer: says("a"), times: 1 }])
      yield* emulator.addRule({ answer: says("b") })
      assert.deepStrictEqual([yield* textOf("hi"), yield* textOf("hi")], ["a", "b"])
      assert.lengthOf(yield* emulator.rules, 2)
      yield* emulator.reset
      assert.deepStrictEqual(yield* emulator.rules, [])
      assert.match(yield* textOf("hi"), own)
    }).pipe(Effect.provide(layer())))

  it.effect("answer the requests of a batch", () =>
    Effect.gen(function*() {
      const params = { model: "m", max_tokens: 5, messages: [{ role: "user", content: "hi" }] }
      const { id } = (yield* post("/v1/messages/batches", { requests: [{ custom_id: "one", params }] })).json
      yield* get(`/v1/messages/batches/${id}`)
      assert.include((yield* get(`/v1/messages/batches/${id}/results`)).text, "\"text\":\"yes\"")
    }).pipe(Effect.provide(withRules({ answer: says("yes") }))))
})
