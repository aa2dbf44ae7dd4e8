/**
 * What an answer costs and how long it is: token counts, the prompt cache, `max_tokens`, `stop_sequences`; and documents
 * that come with the request instead of by id.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Emulator, layer } from "effect-anthropic-files/emulator/Emulator"
import { get, post, upload } from "./support.ts"

type Fields = Readonly<Record<string, unknown>>

interface Counts {
  readonly input_tokens: number
  readonly output_tokens: number
  readonly cache_creation_input_tokens: number
  readonly cache_read_input_tokens: number
  readonly cache_creation: { readonly ephemeral_5m_input_tokens: number; readonly ephemeral_1h_input_tokens: number }
}

const ask = (content: unknown, fields: Fields = {}) =>
  Effect.map(
    post("/v1/messages", {
      model: "claude-opus-5-5",
      max_tokens: 500,
      messages: [{ role: "user", content }],
      ...fields
    }),
    (answer) => {
      assert.strictEqual(answer.status, 200, answer.text)
      return answer.json
    }
  )

const usage = (content: unknown, fields: Fields = {}) =>
  Effect.map(ask(content, fields), (message) => message.usage as unknown as Counts)

const text = (value: string, more: Fields = {}) => ({ type: "text", text: value, ...more })

const mark = (ttl?: string) => ({ cache_control: { type: "ephemeral", ...(ttl === undefined ? {} : { ttl }) } })

/** 2,000 tokens. */
const long = "abcd".repeat(2000)

/** What was read from the cache, what was written to it, and what came after. */
const shares = (counts: Counts) => [
  counts.cache_read_input_tokens,
  counts.cache_creation_input_tokens,
  counts.input_tokens
]

describe("the prompt cache", () => {
  it.effect("writes up to the mark, reads from the cache the next time, and counts every token once", () =>
    Effect.gen(function*() {
      const without = yield* usage([text(long), text("one")])
      assert.deepStrictEqual(shares(without).slice(0, 2), [0, 0])
      const first = yield* usage([text(long, mark()), text("one")])
      assert.deepStrictEqual(shares(first), [0, 2000, without.input_tokens - 2000])
      const again = yield* usage([text(long, mark()), text("two")])
      assert.deepStrictEqual(shares(again), [2000, 0, without.input_tokens - 2000])
      assert.deepStrictEqual(shares(yield* usage([text(`${long}x`, mark())])).slice(0, 1), [0])
    }).pipe(Effect.provide(layer())))

  it.effect("grows with a conversation whose mark moves forward", () =>
    Effect.gen(function*() {
      const first = [{ role: "user", content: [text(long, mark())] }]
      assert.deepStrictEqual(shares(yield* usage("", { messages: first })).slice(0, 2), [0, 2000])
      const second = [
        { role: "user", content: [text(long)] },
        { role: "assistant", content: "ok" },
        { role: "user", content: [text(long, mark())] }
      ]
      // What was written under a mark that is gone is not looked for.
      assert.deepStrictEqual(shares(yield* usage("", { messages: second })).slice(0, 2), [0, 4001])
      const third = [
        ...second,
        { role: "assistant", content: "ok" },
        { role: "user", content: [text("and?", mark())] }
      ]
      assert.deepStrictEqual(shares(yield* usage("", { messages: third })).slice(0, 2), [4001, 1])
    }).pipe(Effect.provide(layer())))

  it.effect("counts tools, system and messages by their lifetimes", () =>
    Effect.gen(function*() {
      const fields = { system: [text(long, mark("1h"))] }
      const counts = yield* usage([text(long, mark())], fields)
      assert.deepStrictEqual(counts.cache_creation, {
        ephemeral_5m_input_tokens: 2000,
        ephemeral_1h_input_tokens: 2000
      })
      const emulator = yield* Emulator
      yield* emulator.advance("10 minutes")
      assert.deepStrictEqual(shares(yield* usage([text(long, mark())], fields)).slice(0, 2), [2000, 2000])
      yield* emulator.advance("2 hours")
      assert.deepStrictEqual(shares(yield* usage([text(long, mark())], fields)).slice(0, 2), [0, 4000])
    }).pipe(Effect.provide(layer())))

  it.effect("is separate for each model, accepts a mark on the whole request, and ignores short prompts", () =>
    Effect.gen(function*() {
      yield* usage(long, mark())
      assert.strictEqual((yield* usage(long, mark())).cache_read_input_tokens, 2000)
      assert.strictEqual((yield* usage(long, { ...mark(), model: "claude-haiku-5-5" })).cache_read_input_tokens, 0)
      assert.deepStrictEqual(shares(yield* usage("short", mark())).slice(0, 2), [0, 0])
    }).pipe(Effect.provide(layer())))
})

describe("an answer ends", () => {
  it.effect("where max_tokens are used up", () =>
    Effect.gen(function*() {
      const whole = yield* ask("hi")
      const cut = yield* ask("hi", { max_tokens: 5 })
      assert.strictEqual(cut.content[0]?.text, whole.content[0]?.text.slice(0, 20))
      assert.strictEqual(cut.stop_reason, "max_tokens")
      assert.strictEqual(cut.usage.output_tokens, 5)
      const format = { type: "json_schema", schema: { type: "object", properties: { name: { type: "string" } } } }
      const json = yield* ask("hi", { max_tokens: 2, output_config: { format } })
      assert.strictEqual(json.content[0]?.text, "{\"name\":")
      assert.strictEqual(json.stop_reason, "max_tokens")
    }).pipe(Effect.provide(layer())))

  it.effect("before the first stop sequence", () =>
    Effect.gen(function*() {
      const message = yield* ask("hi", { stop_sequences: ["given", "model", "nowhere"] })
      assert.strictEqual(message.content[0]?.text, "[emulator] No ")
      assert.strictEqual(message.stop_reason, "stop_sequence")
      assert.strictEqual((message as unknown as Fields).stop_sequence, "model")
      assert.strictEqual((yield* ask("hi", { stop_sequences: ["nowhere"] })).stop_reason, "end_turn")
    }).pipe(Effect.provide(layer())))
})

describe("without a rule", () => {
  const tools = [
    { type: "code_execution_20250825", name: "code_execution" },
    {
      name: "order",
      input_schema: {
        type: "object",
        required: ["size", "items"],
        properties: {
          size: { enum: ["small", "large"] },
          items: { type: "array", minItems: 2, items: { $ref: "#/$defs/item" } },
          at: { type: "string", format: "date-time" },
          gift: { type: ["boolean", "null"] },
          grams: { type: "integer", exclusiveMinimum: 10, multipleOf: 5 },
          code: { type: "string", pattern: "^[A-Z]{3}-\\d{2}$" },
          next: { $ref: "#" }
        },
        $defs: { item: { allOf: [{ type: "object", properties: { id: { const: 7 } } }] } }
      }
    }
  ]

  it.effect("a forced tool is called with an input that fits its schema", () =>
    Effect.gen(function*() {
      for (const choice of [{ type: "any" }, { type: "tool", name: "order" }]) {
        const message = yield* ask("hi", { tools, tool_choice: choice })
        assert.deepStrictEqual([message.stop_reason, message.content.length], ["tool_use", 1])
        const [call] = message.content as unknown as ReadonlyArray<{ name: string; input: Fields & { next: Fields } }>
        assert.strictEqual(call?.name, "order")
        const { code, next, ...rest } = call?.input ?? { code: "", next: {} }
        assert.deepStrictEqual(rest, {
          size: "small",
          items: [{ id: 7 }, { id: 7 }],
          at: "2026-01-01T00:00:00Z",
          gift: false,
          grams: 15
        })
        assert.match(String(code), /^[A-Z]{3}-\d{2}$/)
        assert.strictEqual(next.size, "small")
      }
    }).pipe(Effect.provide(layer())))

  it.effect("a schema that can't be satisfied still gets an answer", () =>
    Effect.gen(function*() {
      const schema = { type: "object", required: ["again"], properties: { again: { $ref: "#" }, more: { $ref: "#" } } }
      const message = yield* ask("hi", {
        max_tokens: 50_000,
        output_config: { format: { type: "json_schema", schema } }
      })
      assert.isObject(JSON.parse(message.content[0]?.text ?? ""))
    }).pipe(Effect.provide(layer())))
})

describe("inline documents and images", () => {
  const inline = (source: Fields, more: Fields = {}) => ({ type: "document", source, ...more })
  const cited = { citations: { enabled: true } }

  it.effect("are listed, counted and cited like files by id", () =>
    Effect.gen(function*() {
      const content = "Grass is green. The evening sky is red today!"
      const { id } = (yield* upload({ filename: "colours.txt", content, type: "text/plain" })).json
      const question = text("Which colour has the evening sky?")
      const byId = yield* ask([inline({ type: "file", file_id: id }, cited), question])
      const own = yield* ask([inline({ type: "text", media_type: "text/plain", data: content }, cited), question])
      assert.strictEqual(own.usage.input_tokens, byId.usage.input_tokens)
      assert.deepStrictEqual(own.content[1]?.citations, [{
        ...byId.content[1]?.citations?.[0],
        document_title: null,
        file_id: null
      }])
      assert.include(own.content[0]?.text, "1 document: inline document (text/plain, 45 bytes)")
    }).pipe(Effect.provide(layer())))

  it.effect("are cited by page and by block", () =>
    Effect.gen(function*() {
      const pdf =
        "%PDF-1.4\n1 0 obj <</Type /Page>> endobj\n2 0 obj\n<</Length 44>>\nstream\nBT (Bread is baked.) Tj ET\nendstream endobj\n"
      const data = Buffer.from(pdf).toString("base64")
      const { content, usage } = yield* ask([
        inline({ type: "base64", media_type: "application/pdf", data }, { ...cited, title: "Bread" }),
        inline({ type: "content", content: [text("Snow is white."), text("Bread is brown.")] }, cited),
        { type: "image", source: { type: "url", url: "https://example.com/a.png" } },
        text("How is bread baked?")
      ])
      assert.isAbove(usage.input_tokens, 3100)
      assert.include(content[0]?.text, "1 image: https://example.com/a.png (image/*)")
      assert.deepStrictEqual(content.slice(1).map((block) => block.citations?.[0]), [
        {
          type: "page_location",
          cited_text: "Bread is baked.",
          document_index: 0,
          document_title: "Bread",
          file_id: null,
          start_page_number: 1,
          end_page_number: 2
        },
        {
          type: "content_block_location",
          cited_text: "Bread is brown.",
          document_index: 1,
          document_title: null,
          file_id: null,
          start_block_index: 1,
          end_block_index: 2
        }
      ])
    }).pipe(Effect.provide(layer())))
})

it.effect("a container file of an earlier turn is not run again", () =>
  Effect.gen(function*() {
    const emulator = yield* Emulator
    const { id } = (yield* upload({ filename: "a.csv", content: "n\n1\n", type: "text/csv" })).json
    const tools = [{ type: "code_execution_20250825", name: "code_execution" }]
    const first = [{ role: "user", content: [{ type: "container_upload", file_id: id }, text("sum")] }]
    const answer = yield* ask("", { messages: first, tools })
    assert.lengthOf(yield* emulator.files, 2)
    const second = yield* ask("", {
      messages: [...first, { role: "assistant", content: answer.content }, { role: "user", content: "thanks" }],
      tools,
      container: answer.container?.id
    })
    assert.deepStrictEqual(second.content.map((block) => block.type), ["text"])
    assert.lengthOf(yield* emulator.files, 2)
  }).pipe(Effect.provide(layer())))

it.effect("a table of 200,000 columns is added up", () =>
  Effect.gen(function*() {
    const columns = Array.from({ length: 200_000 }, (_, i) => `c${i}`)
    const content = `${columns.join(",")}\n${columns.map(() => "1").join(",")}\n"${"a\nb"}",2\n`
    const { id } = (yield* upload({ filename: "wide.csv", content, type: "text/csv" })).json
    const message = yield* ask([{ type: "container_upload", file_id: id }], {
      tools: [{ type: "code_execution_20250825", name: "code_execution" }]
    })
    const result = message.content.find((block) => block.type === "bash_code_execution_tool_result")?.content
    assert.match(result?.stdout ?? "", /^wide\.csv: 2 rows, 200000 columns\n {2}sum of c0: 1\n/)
    assert.match(result?.stdout ?? "", /and 199900 sums more\n$/)
    const made = yield* get(`/v1/files/${result?.content[0]?.file_id}/content`)
    assert.lengthOf(made.text.split("\n"), 200_002)
  }).pipe(Effect.provide(layer())))

/** The longest work between two turns of the event loop while an effect ran, in milliseconds of processor time. */
const longestTurn = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    let longest = 0
    let last = process.cpuUsage()
    let timer: NodeJS.Immediate
    const tick = () => {
      const { system, user } = process.cpuUsage(last)
      longest = Math.max(longest, (system + user) / 1000)
      last = process.cpuUsage()
      timer = setImmediate(tick)
    }
    timer = setImmediate(tick)
    yield* effect
    clearImmediate(timer)
    return longest
  })

const pdfs: ReadonlyArray<readonly [name: string, content: (size: number) => string]> = [
  ["words `stream` that are none", (size) => "stream ".repeat(size / 7)],
  ["streams that never end", (size) => "1 0 obj <<>>\nstream\n".repeat(size / 20)],
  ["streams that are empty", (size) => "1 0 obj <<>>\nstream\nendstream\n".repeat(size / 30)],
  ["streams without an object", (size) => "<<>>\nstream\nendstream\n".repeat(size / 22)],
  ["open brackets in a text", (size) => `<<>>\nstream\nTj ${"(".repeat(size)}\nendstream`],
  ["escaped brackets in a text", (size) => `<<>>\nstream\nTj ${"(\\(".repeat(size / 3)}\nendstream`],
  ["one text without a full stop", (size) => `<<>>\nstream\nTj (${"a b ".repeat(size / 4)})\nendstream`],
  ["blanks", (size) => `<<>>${" ".repeat(size)}stream\nendstream`],
  ["types of pages", (size) => "/Type /Page ".repeat(size / 12)],
  ["dictionaries", (size) => "<<".repeat(size / 2)]
]

describe("a PDF that is made to be slow", () => {
  for (const [name, content] of pdfs) {
    it.live(`of ${name}: other requests get their turn, and the time it takes grows with its size alone`, () =>
      Effect.gen(function*() {
        const took = Effect.fnUntraced(function*(size: number) {
          const { id } = (yield* upload({
            filename: "a.pdf",
            content: `%PDF-1.4\n${content(size)}`,
            type: "application/pdf"
          })).json
          const block = { type: "document", source: { type: "file", file_id: id }, citations: { enabled: true } }
          const started = process.cpuUsage()
          const longest = yield* longestTurn(ask([block, text("a stream?")]))
          return { took: process.cpuUsage(started).user / 1000, longest }
        })
        yield* took(500_000)
        const small = yield* took(500_000)
        const large = yield* took(2_000_000)
        assert.isBelow(large.took, Math.max(small.took * 10, 300))
        assert.isBelow(Math.min(small.longest, large.longest), 20)
      }).pipe(Effect.provide(layer({ contextWindow: 1e9 }))))
  }
})
