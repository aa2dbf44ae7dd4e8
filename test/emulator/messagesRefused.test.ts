/**
 * Requests that the service refuses, each beside one that differs by as little as possible and passes: a test against
 * the emulator then says something about the request.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { layer } from "effect-anthropic-files/emulator/Emulator"
import { errorOf, post } from "./support.ts"

const invalid = { status: 400, type: "invalid_request_error" }

type Fields = Readonly<Record<string, unknown>>

const ask = (fields: Fields): Fields => ({
  model: "claude-opus-5-5",
  max_tokens: 100,
  messages: [{ role: "user", content: "hi" }],
  ...fields
})

const say = (...content: ReadonlyArray<unknown>): Fields => ask({ messages: [{ role: "user", content }] })

const turns = (...messages: ReadonlyArray<readonly [role: string, content: unknown]>): Fields =>
  ask({ messages: messages.map(([role, content]) => ({ role, content })) })

const text = { type: "text", text: "hi" }
const marked = { ...text, cache_control: { type: "ephemeral" } }
const call = { type: "tool_use", id: "t1", name: "look", input: {} }
const result = { type: "tool_result", tool_use_id: "t1", content: "seen" }
const tool = { name: "look", input_schema: { type: "object" } }
const document = (source: unknown) => ({ type: "document", source })
const image = (source: unknown) => ({ type: "image", source })
const data = "aGVsbG8="

/** What is refused, with a part of the message; and what passes. */
const cases: ReadonlyArray<readonly [name: string, refused: Fields, message: string, passes: Fields]> = [
  ["a misspelt field", ask({ temprature: 1 }), "temprature: Extra inputs are not permitted", ask({ temperature: 1 })],
  ["a missing max_tokens", ask({ max_tokens: undefined }), "max_tokens: Field required", ask({ max_tokens: 1 })],
  ["a temperature of 2", ask({ temperature: 2 }), "temperature: Input should be", ask({ temperature: 0 })],
  ["a top_p of -1", ask({ top_p: -1 }), "top_p: Input should be", ask({ top_p: 1 })],
  [
    "a stream that is a text",
    ask({ stream: "yes" }),
    "stream: Input should be a valid boolean",
    ask({ stream: false })
  ],
  ["no messages", ask({ messages: [] }), "messages: at least one", ask({})],
  ["an empty turn", turns(["user", ""]), "messages.0: all messages must have non-empty content", turns(["user", "."])],
  ["a turn without blocks", say(), "non-empty content", say(text)],
  [
    "an empty answer in the middle",
    turns(["user", "a"], ["assistant", []], ["user", "b"]),
    "messages.1: all messages",
    turns(["user", "a"], ["assistant", []])
  ],
  ["an empty text", say({ ...text, text: "" }), "text content blocks must contain non-whitespace text", say(text)],
  ["a blank text", say({ ...text, text: " \n" }), "non-whitespace", say({ ...text, text: " ." })],
  ["a blank system block", ask({ system: [{ ...text, text: " " }] }), "system.0.text", ask({ system: [text] })],
  ["an unknown role", turns(["robot", "hi"]), "messages.0.role", turns(["user", "hi"])],
  ["an unknown block type", say({ type: "tekst", text: "hi" }), "Input tag 'tekst' found using 'type'", say(text)],
  ["a block without a type", say({ text: "hi" }), "messages.0.content.0: Unable to extract tag", say(text)],
  [
    "a misspelt key of a block",
    say({ ...text, citation: null }),
    "citation: Extra inputs",
    say({ ...text, citations: null })
  ],
  [
    "a document without a source",
    say({ type: "document" }),
    "document.source: Field required",
    say(document({ type: "text", media_type: "text/plain", data: "x" }))
  ],
  [
    "an unknown source type",
    say(document({ type: "s3" })),
    "document.source: Input tag 's3'",
    say(document({ type: "url", url: "https://x.y/a.pdf" }))
  ],
  ["a misspelt file_id", say(document({ type: "file", fileid: "file_1" })), "file_id: Field required", say(text)],
  [
    "an address that is none",
    say(image({ type: "url", url: "x" })),
    "image.source.url.url",
    say(image({ type: "url", url: "https://x.y" }))
  ],
  [
    "a media type that is not an image",
    say(image({ type: "base64", media_type: "image/bmp", data })),
    "media_type",
    say(image({ type: "base64", media_type: "image/png", data }))
  ],
  [
    "a Word file as a document",
    say(document({ type: "base64", media_type: "application/msword", data })),
    "media_type",
    say(document({ type: "base64", media_type: "application/pdf", data }))
  ],
  [
    "bad base64",
    say(image({ type: "base64", media_type: "image/png", data: "a b" })),
    "Invalid base64 data",
    say(image({ type: "base64", media_type: "image/png", data }))
  ],
  [
    "a data URL as base64",
    say(image({ type: "base64", media_type: "image/png", data: `data:image/png;base64,${data}` })),
    "Invalid base64 data",
    say(text)
  ],
  [
    "an empty inline document",
    say(document({ type: "text", media_type: "text/plain", data: "" })),
    "must be non-empty",
    say(text)
  ],
  [
    "five cache marks",
    say(marked, marked, marked, marked, marked),
    "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    say(marked, marked, marked, marked)
  ],
  [
    "marks of all kinds, five in all",
    {
      ...say(marked, marked),
      system: [marked],
      tools: [{ ...tool, cache_control: { type: "ephemeral" } }],
      cache_control: { type: "ephemeral" }
    },
    "Found 5.",
    { ...say(marked, marked), system: [marked], tools: [{ ...tool, cache_control: { type: "ephemeral" } }] }
  ],
  [
    "an unknown lifetime of a mark",
    say({ ...text, cache_control: { type: "ephemeral", ttl: "1d" } }),
    "cache_control.ttl",
    say({ ...text, cache_control: { type: "ephemeral", ttl: "1h" } })
  ],
  [
    "a result without its call",
    say(result),
    "unexpected `tool_use_id` found in `tool_result` blocks: t1",
    turns(["user", "a"], ["assistant", [call]], ["user", [result]])
  ],
  [
    "a result of another call",
    turns(["user", "a"], ["assistant", [call]], ["user", [result, { ...result, tool_use_id: "t2" }]]),
    "t2",
    turns(["user", "a"], ["assistant", [call]], ["user", [result, text]])
  ],
  [
    "a call without its result",
    turns(["user", "a"], ["assistant", [call]], ["user", "b"]),
    "`tool_use` ids were found without `tool_result` blocks immediately after: t1",
    turns(["user", "a"], ["assistant", [call]], ["user", [result]], ["user", "b"])
  ],
  ["a call by the user", say(call), "`tool_use` blocks can only be in `assistant` messages", say(text)],
  [
    "a result by the assistant",
    turns(["user", "a"], ["assistant", [result]]),
    "`tool_result` blocks can only be in `user` messages",
    say(text)
  ],
  [
    "a container file without the tool",
    say({ type: "container_upload", file_id: "file_1" }),
    "container_upload blocks require the code execution tool",
    say(text)
  ],
  [
    "a tool without a schema",
    ask({ tools: [{ name: "look" }] }),
    "input_schema: Field required",
    ask({ tools: [tool] })
  ],
  [
    "a tool's name with a blank",
    ask({ tools: [{ ...tool, name: "look up" }] }),
    "tools.0.custom.name",
    ask({ tools: [{ ...tool, name: "look_up" }] })
  ],
  [
    "two tools of one name",
    ask({ tools: [tool, tool] }),
    "Tool names must be unique",
    ask({ tools: [tool, { ...tool, name: "see" }] })
  ],
  [
    "a choice of a tool that is not there",
    ask({ tools: [tool], tool_choice: { type: "tool", name: "see" } }),
    "Tool 'see' not found",
    ask({ tools: [tool], tool_choice: { type: "tool", name: "look" } })
  ],
  [
    "a choice without tools",
    ask({ tool_choice: { type: "any" } }),
    "while providing tools",
    ask({ tool_choice: { type: "none" } })
  ],
  [
    "an unknown choice",
    ask({ tools: [tool], tool_choice: { type: "some" } }),
    "tool_choice: Input tag 'some'",
    ask({ tools: [tool], tool_choice: { type: "auto" } })
  ],
  [
    "a small thinking budget",
    ask({ max_tokens: 5000, thinking: { type: "enabled", budget_tokens: 100 } }),
    "greater than or equal to 1024",
    ask({ max_tokens: 5000, thinking: { type: "enabled", budget_tokens: 1024 } })
  ],
  [
    "a thinking budget beyond max_tokens",
    ask({ max_tokens: 2000, thinking: { type: "enabled", budget_tokens: 2000 } }),
    "`max_tokens` must be greater",
    ask({ max_tokens: 2001, thinking: { type: "enabled", budget_tokens: 2000 } })
  ],
  [
    "thinking with a forced tool",
    ask({
      max_tokens: 5000,
      tools: [tool],
      tool_choice: { type: "any" },
      thinking: { type: "enabled", budget_tokens: 1024 }
    }),
    "Thinking may not be enabled",
    ask({ tools: [tool], tool_choice: { type: "any" }, thinking: { type: "disabled" } })
  ],
  ["a blank stop sequence", ask({ stop_sequences: [" "] }), "stop_sequences", ask({ stop_sequences: ["END"] })]
]

describe("a message request", () => {
  for (const [name, refused, message, passes] of cases) {
    it.effect(`with ${name} is refused`, () =>
      Effect.gen(function*() {
        const answer = yield* post("/v1/messages", refused)
        assert.deepStrictEqual(errorOf(answer), invalid)
        assert.include(answer.json.error.message, message)
        const other = yield* post("/v1/messages", passes)
        assert.strictEqual(other.status, 200, other.text)
      }).pipe(Effect.provide(layer())))
  }

  it.effect("for an unknown model is refused only if the models are given", () =>
    Effect.gen(function*() {
      const answer = yield* post("/v1/messages", ask({ model: "claude-opus-4" }))
      assert.deepStrictEqual(errorOf(answer), { status: 404, type: "not_found_error" })
      assert.strictEqual(answer.json.error.message, "model: claude-opus-4")
      assert.strictEqual((yield* post("/v1/messages", ask({}))).status, 200)
    }).pipe(Effect.provide(layer({ models: ["claude-opus-5-5"] }))))

  it.effect("may hold fields of a beta if it names one", () =>
    Effect.gen(function*() {
      const body = ask({
        new_field: 1,
        messages: [{ role: "user", content: [{ type: "compaction", content: "x" }, text] }]
      })
      assert.strictEqual((yield* post("/v1/messages", body)).status, 400)
      const headers = { "anthropic-beta": "anything-2026-01-01" }
      assert.strictEqual((yield* post("/v1/messages", body, { headers })).status, 200)
      assert.strictEqual((yield* post("/v1/messages?beta=true", body)).status, 200)
      const unknown = say({ type: "tekst" })
      assert.strictEqual((yield* post("/v1/messages?beta=true", unknown)).status, 400)
    }).pipe(Effect.provide(layer())))

  it.effect("to count tokens is checked like one for a message", () =>
    Effect.gen(function*() {
      const count = (fields: Fields) => post("/v1/messages/count_tokens", { ...ask(fields), max_tokens: undefined })
      assert.isAbove((yield* count({})).json.input_tokens, 0)
      assert.strictEqual((yield* count({ messages: [{ role: "user", content: [{ type: "tekst" }] }] })).status, 400)
      assert.strictEqual((yield* post("/v1/messages/count_tokens", ask({}))).status, 400)
      const inline = { type: "text", media_type: "text/plain", data: "x".repeat(4000) }
      const tokens =
        (yield* count({ messages: [{ role: "user", content: [document(inline), text] }] })).json.input_tokens
      assert.isAbove(tokens, 1000)
    }).pipe(Effect.provide(layer())))
})
