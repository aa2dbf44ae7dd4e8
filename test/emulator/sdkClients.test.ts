/**
 * Other people's clients as referees: what they make of an answer is what their users would see.
 */
import { createAnthropic } from "@ai-sdk/anthropic"
import Newest from "@anthropic-ai/sdk"
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod"
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod"
import { assert, describe, it } from "@effect/vitest"
import { ChatAnthropic } from "@langchain/anthropic"
import { generateObject, generateText, streamText, tool } from "ai"
import Eleven from "anthropic-sdk-1.11"
import { Effect, Redacted, Schema } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import type * as Rule from "effect-anthropic-files/emulator/Rule"
import * as ChildProcess from "node:child_process"
import { fileURLToPath } from "node:url"
import { z } from "zod"
import { socket } from "./support.ts"

const promise = <A>(evaluate: () => PromiseLike<A>) => Effect.promise(evaluate)

const connection = Effect.map(Emulator, ({ apiKey, url }) => ({ apiKey: Redacted.value(apiKey), url }))

const model = "claude-sonnet-5-5"

const hi = { model, max_tokens: 1000, messages: [{ role: "user" as const, content: "hi" }] }

const said = /^\[emulator\] No model read this/

/** Limits that the clients leave in the schema, and limits that they move into its description. */
const invoice = z.object({
  total: z.number().min(1),
  due: z.iso.date(),
  lines: z.array(z.string()).min(2).max(3),
  kind: z.enum(["paid", "open"]),
  code: z.string().min(3).max(5).regex(/^[A-Z]+$/),
  note: z.string().nullable(),
  buyer: z.object({ name: z.string(), vip: z.boolean() })
})

const weatherRules: ReadonlyArray<Rule.Rule> = [
  {
    match: { text: "weather", call: 1 },
    answer: { thinking: "hm", text: "Let me look.", tool_use: { name: "weather", input: { city: "Oslo" } } }
  },
  { match: { toolResult: "rain in Oslo" }, answer: { text: "Take an umbrella." } }
]

for (const [name, Client] of [["newest", Newest], ["1.11.0", Eleven as unknown as typeof Newest]] as const) {
  describe(`the official SDK, ${name}`, () => {
    const make = Effect.map(connection, ({ apiKey, url }) => new Client({ apiKey, baseURL: url, maxRetries: 0 }))

    it.effect("creates and streams messages", () =>
      Effect.gen(function*() {
        const client = yield* make
        const created = yield* promise(() => client.messages.create(hi))
        const streamed = yield* promise(() => client.messages.stream(hi).finalMessage())
        assert.deepStrictEqual(streamed.content, created.content)
        assert.strictEqual(streamed.stop_reason, created.stop_reason)
        assert.deepStrictEqual({ ...streamed.usage }, { ...created.usage })
      }).pipe(Effect.provide(socket())))

    it.effect("`messages.parse` gets an object that fits the schema", () =>
      Effect.gen(function*() {
        const client = yield* make
        const message = yield* promise(() =>
          client.messages.parse({ ...hi, output_config: { format: zodOutputFormat(invoice) } })
        )
        assert.deepStrictEqual(invoice.parse(message.parsed_output), message.parsed_output)
      }).pipe(Effect.provide(socket())))

    it.effect("`toolRunner` calls the tool that a rule asks for, and gets the answer to its result", () =>
      Effect.gen(function*() {
        const client = yield* make
        const weather = betaZodTool({
          name: "weather",
          description: "The weather of a city",
          inputSchema: z.object({ city: z.string() }),
          run: ({ city }) => `rain in ${city}`
        })
        for (const stream of [false, true]) {
          yield* (yield* Emulator).setRules(weatherRules)
          const last = yield* promise(async () => {
            const runner = client.beta.messages.toolRunner({
              ...hi,
              messages: [{ role: "user", content: "the weather?" }],
              tools: [weather],
              stream
            })
            return await runner.runUntilDone()
          })
          assert.deepStrictEqual(last.content.map((block) => block.type === "text" && block.text), [
            "Take an umbrella."
          ])
        }
      }).pipe(Effect.provide(socket())))

    it.effect("lists and finds models", () =>
      Effect.gen(function*() {
        const client = yield* make
        const ids = yield* promise(async () => {
          const out: Array<string> = []
          for await (const info of client.models.list({ limit: 2 })) out.push(info.id)
          return out
        })
        assert.deepStrictEqual(ids, ["claude-a-1", "claude-b-2", "claude-c-3"])
        assert.strictEqual((yield* promise(() => client.models.retrieve("claude-b-2"))).display_name, "Claude B 2")
      }).pipe(Effect.provide(socket({ models: ["claude-a-1", "claude-b-2", "claude-c-3"] }))))
  })
}

describe("Vercel's `ai`", () => {
  const make = Effect.map(connection, ({ apiKey, url }) => createAnthropic({ apiKey, baseURL: `${url}/v1` }))

  it.effect("generates and streams text", () =>
    Effect.gen(function*() {
      const provider = yield* make
      const generated = yield* promise(() => generateText({ model: provider(model), prompt: "hi" }))
      assert.match(generated.text, said)
      assert.isAbove(generated.usage.inputTokens ?? 0, 0)
      assert.strictEqual(
        yield* promise(() => streamText({ model: provider(model), prompt: "hi" }).text),
        generated.text
      )
    }).pipe(Effect.provide(socket())))

  it.effect("sends its own documents and images", () =>
    Effect.gen(function*() {
      const provider = yield* make
      const { text } = yield* promise(() =>
        generateText({
          model: provider(model),
          messages: [{
            role: "user",
            content: [
              { type: "text", text: "What is it?" },
              { type: "file", data: Buffer.from("hello"), mediaType: "text/plain", filename: "a.txt" },
              { type: "image", image: Buffer.from("png"), mediaType: "image/png" }
            ]
          }]
        })
      )
      assert.include(text, "1 document: \"a.txt\", inline document (text/plain, 5 bytes), and 1 image")
    }).pipe(Effect.provide(socket())))

  it.effect("`generateObject` gets an object that fits the schema, by a format or by a tool", () =>
    Effect.gen(function*() {
      const provider = yield* make
      // The older model is asked through a tool.
      for (const name of [model, "claude-3-haiku-20240307"]) {
        const { object } = yield* promise(() =>
          generateObject({ model: provider(name), schema: invoice, prompt: "hi", maxRetries: 0 })
        )
        assert.deepStrictEqual(invoice.parse(object), object)
      }
    }).pipe(Effect.provide(socket())))

  it.effect("runs the tool that a rule asks for", () =>
    Effect.gen(function*() {
      const provider = yield* make
      const { text } = yield* promise(() =>
        generateText({
          model: provider(model),
          prompt: "the weather?",
          stopWhen: ({ steps }) => steps.length === 2,
          tools: {
            weather: tool({
              inputSchema: z.object({ city: z.string() }),
              execute: ({ city }) => Promise.resolve(`rain in ${city}`)
            })
          }
        })
      )
      assert.strictEqual(text, "Take an umbrella.")
    }).pipe(Effect.provide(socket({ rules: weatherRules }))))
})

describe("LangChain", () => {
  const make = Effect.map(
    connection,
    ({ apiKey, url }) => new ChatAnthropic({ apiKey, anthropicApiUrl: url, model, maxRetries: 0 })
  )

  it.effect("invokes and streams", () =>
    Effect.gen(function*() {
      const chat = yield* make
      const { content } = yield* promise(() => chat.invoke("hi"))
      assert.match(String(content), said)
      const streamed = yield* promise(async () => {
        let out = ""
        for await (const chunk of await chat.stream("hi")) out += chunk.text
        return out
      })
      assert.strictEqual(streamed, content)
    }).pipe(Effect.provide(socket())))

  it.effect("`withStructuredOutput` gets an object that fits the schema, whatever the method", () =>
    Effect.gen(function*() {
      const chat = yield* make
      for (const method of ["functionCalling", "jsonSchema"] as const) {
        const object = yield* promise(() => chat.withStructuredOutput(invoice, { method }).invoke("hi"))
        assert.deepStrictEqual(invoice.parse(object), object)
      }
    }).pipe(Effect.provide(socket())))
})

const EffectAiAnswer = Schema.fromJsonString(Schema.Struct({
  text: Schema.String,
  streamed: Schema.String,
  object: Schema.Struct({ total: Schema.Finite, names: Schema.Array(Schema.String) }),
  tools: Schema.Unknown
}))

it.effect("Effect 4's own provider generates and streams text, objects and tool calls", () =>
  Effect.gen(function*() {
    const { apiKey, url } = yield* connection
    const script = fileURLToPath(new URL("./clients/effectAi.mjs", import.meta.url))
    // It knows which of the older models take a format.
    const output = yield* Effect.callback<string, string>((resume) => {
      ChildProcess.execFile(
        process.execPath,
        ["--no-warnings", script, url, apiKey, "claude-sonnet-4-6"],
        (error, stdout, stderr) => resume(error === null ? Effect.succeed(stdout) : Effect.fail(stderr))
      )
    })
    const answer = yield* Schema.decodeEffect(EffectAiAnswer)(output)
    assert.match(answer.text, said)
    assert.strictEqual(answer.streamed, answer.text)
    assert.deepStrictEqual(answer.tools, [["weather", "rain in Oslo"]])
  }).pipe(Effect.provide(socket({
    rules: [{ match: { text: "weather" }, answer: { tool_use: { name: "weather", input: { city: "Oslo" } } } }]
  }))), 20_000)
