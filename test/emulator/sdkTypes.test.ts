/**
 * Every answer against the types of the official SDK, newest version: written down as literals of those types, which the
 * compiler then checks. A field that is missing, of another type, or unknown there is an error.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import type * as Rule from "effect-anthropic-files/emulator/Rule"
import * as ChildProcess from "node:child_process"
import * as NodeFs from "node:fs"
import { fileURLToPath } from "node:url"
import { call, get, inProcess, post, temporaryDirectory, upload } from "./support.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** What the compiler says about values of these types. */
const compile = Effect.fnUntraced(function*(values: ReadonlyArray<readonly [type: string, value: unknown]>) {
  const directory = yield* temporaryDirectory
  const lines = values.map(([type, value], i) => `export const value${i}: ${type} = ${JSON.stringify(value)}`)
  NodeFs.writeFileSync(
    `${directory}/answers.ts`,
    ["import type Anthropic from '@anthropic-ai/sdk'", ...lines].join("\n")
  )
  NodeFs.writeFileSync(
    `${directory}/tsconfig.json`,
    JSON.stringify({
      compilerOptions: {
        strict: true,
        exactOptionalPropertyTypes: true,
        noEmit: true,
        skipLibCheck: true,
        module: "nodenext",
        target: "es2024",
        lib: ["es2024", "dom"],
        types: [],
        paths: { "@anthropic-ai/sdk": [`${root}node_modules/@anthropic-ai/sdk`] }
      },
      files: ["answers.ts"]
    })
  )
  return yield* Effect.callback<string>((resume) => {
    ChildProcess.execFile(
      process.execPath,
      [`${root}node_modules/typescript/bin/tsc`, "-p", directory],
      (_, stdout, stderr) => resume(Effect.succeed(stdout + stderr))
    )
  })
})

const eventsOf = (text: string): ReadonlyArray<Record<string, unknown>> =>
  text.split("\n").filter((line) => line.startsWith("data: ")).map((line) => JSON.parse(line.slice("data: ".length)))

const linesOf = (text: string): ReadonlyArray<unknown> =>
  text.trim().split("\n").map((line) => JSON.parse(line) as unknown)

const tools = [
  { type: "code_execution_20250825", name: "code_execution" },
  { name: "look", input_schema: { type: "object", properties: { what: { type: "string" } } } }
]

const rules: ReadonlyArray<Rule.Rule> = [
  {
    match: { text: "everything" },
    answer: {
      thinking: "hm",
      text: "so",
      json: { a: 1 },
      file: { filename: "a.png", base64: "AAAA" },
      tool_use: { name: "look" },
      usage: { cache_read_input_tokens: 3 }
    }
  }
]

it.effect(
  "every answer is what the official SDK's types say, message by message and event by event",
  () =>
    Effect.gen(function*() {
      const notes = (yield* upload({ filename: "a.txt", content: "One. Two.", type: "text/plain" })).json.id
      const table = (yield* upload({ filename: "t.csv", content: "a\n1\n", type: "text/csv" })).json.id
      const content = [
        { type: "document", source: { type: "file", file_id: notes }, citations: { enabled: true } },
        {
          type: "document",
          source: { type: "content", content: [{ type: "text", text: "Three." }] },
          citations: { enabled: true }
        },
        {
          type: "document",
          source: { type: "base64", media_type: "application/pdf", data: "JVBERg==" },
          citations: { enabled: true }
        },
        { type: "container_upload", file_id: table },
        { type: "text", text: "Two?" }
      ]
      const ask = (content: unknown, more: object = {}) => ({
        model: "claude-opus-5-5",
        max_tokens: 1024,
        tools,
        messages: [{ role: "user", content }],
        ...more
      })
      const bodies = [
        ask(content),
        ask("hi", { max_tokens: 3 }),
        ask("hi", { stop_sequences: ["model"] }),
        ask("hi", { tool_choice: { type: "any" } }),
        ask("everything")
      ]
      const values: Array<readonly [string, unknown]> = []
      for (const body of bodies) {
        for (
          const [path, prefix] of [["/v1/messages", ""], ["/v1/messages?beta=true", "Beta.Messages.Beta"]] as const
        ) {
          values.push([`Anthropic.${prefix}Message`, (yield* post(path, body)).json])
          for (const event of eventsOf((yield* post(path, { ...body, stream: true })).text)) {
            if (event.type !== "ping") values.push([`Anthropic.${prefix}RawMessageStreamEvent`, event])
          }
        }
      }

      const requests = [
        { custom_id: "one", params: ask("hi") },
        { custom_id: "two", params: ask([{ type: "document" }]) }
      ]
      const batch = (yield* post("/v1/messages/batches", { requests })).json
      const path = `/v1/messages/batches/${batch.id}`
      values.push(
        ["Anthropic.Messages.MessageBatch", batch],
        ["Anthropic.Messages.MessageBatch", (yield* get(path)).json],
        ...linesOf((yield* get(`${path}/results`)).text).map((line) =>
          ["Anthropic.Messages.MessageBatchIndividualResponse", line] as const
        ),
        ["Anthropic.Messages.DeletedMessageBatch", (yield* call("DELETE", path)).json],
        [
          "Anthropic.MessageTokensCount",
          (yield* post("/v1/messages/count_tokens", {
            model: "m",
            messages: [{ role: "user", content: "hi" }]
          })).json
        ],
        ["Anthropic.ModelInfo", (yield* get("/v1/models/claude-opus-5-5")).json],
        ...(yield* get("/v1/models")).json.data.map((model) => ["Anthropic.ModelInfo", model] as const),
        ["Anthropic.FileMetadata", (yield* get(`/v1/files/${notes}`)).json],
        ["Anthropic.DeletedFile", (yield* call("DELETE", `/v1/files/${notes}`)).json],
        ["Anthropic.ErrorResponse", (yield* get(`/v1/files/${notes}`)).json]
      )
      assert.isAbove(values.length, 100)
      assert.strictEqual(yield* compile(values), "")
    }).pipe(Effect.provide(inProcess({ rules }))),
  30_000
)

it.effect("notice a missing field and an additional one", () =>
  Effect.gen(function*() {
    const said = yield* compile([
      ["Anthropic.MessageTokensCount", { input_tokens: 1 }],
      ["Anthropic.MessageTokensCount", {}],
      ["Anthropic.MessageTokensCount", { input_tokens: 1, output_tokens: 1 }]
    ])
    assert.deepStrictEqual(said.match(/\(\d+,|TS\d+/g), ["(3,", "TS2741", "(4,", "TS2353"])
  }), 30_000)
