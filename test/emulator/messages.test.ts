import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Emulator, layer } from "effect-anthropic-files/emulator/Emulator"
import * as Zlib from "node:zlib"
import { vi } from "vitest"
import { beta, call, type CallOptions, errorOf, get, post, upload } from "./support.ts"

const invalid = { status: 400, type: "invalid_request_error" }

/** A PDF of two pages, its text packed or not. */
const pdf = (texts: ReadonlyArray<string>, packed: boolean): Uint8Array =>
  Buffer.concat([
    Buffer.from("%PDF-1.4\n1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj\n2 0 obj <</Type /Pages /Kids []>> endobj\n"),
    ...texts.flatMap((text, i) => {
      const plain = Buffer.from(`BT /F1 12 Tf 72 720 Td (${text}) Tj ET`)
      const content = packed ? Zlib.deflateSync(plain) : plain
      return [
        Buffer.from(`${i + 9} 0 obj <</Type /Page /Parent 2 0 R>> endobj\n`),
        Buffer.from(`${i + 50} 0 obj\n<</Length ${content.length}${packed ? " /Filter /FlateDecode" : ""}>>\nstream\n`),
        content,
        Buffer.from("\nendstream endobj\n")
      ]
    }),
    Buffer.from("%%EOF\n")
  ])

const add = (filename: string, content: string | Uint8Array, type: string) =>
  Effect.map(upload({ filename, content, type }), (answer) => answer.json.id)

const ask = (content: unknown, options: { readonly [key: string]: unknown } = {}, call: CallOptions = {}) =>
  post("/v1/messages", {
    model: "claude-opus-5-5",
    max_tokens: 1024,
    messages: [{ role: "user", content }],
    ...options
  }, call)

const document = (id: string, more: object = {}) => ({
  type: "document",
  source: { type: "file", file_id: id },
  ...more
})
const image = (id: string) => ({ type: "image", source: { type: "file", file_id: id } })
const container = (id: string) => ({ type: "container_upload", file_id: id })
const text = (value: string) => ({ type: "text", text: value })
const tool = { type: "code_execution_20250825", name: "code_execution" }

const twoKeys = { apiKeys: { "key-one": "wrkspc_one", "key-two": "wrkspc_two" } }

describe("messages", () => {
  it.effect("say which files they were given, and that no model read them", () =>
    Effect.gen(function*() {
      const report = yield* add("report.pdf", pdf(["Hello."], false), "application/pdf")
      const picture = yield* add("p.png", "png", "image/png")
      const message = yield* ask([
        document(report, { title: "The report", context: "c", cache_control: { type: "ephemeral" } }),
        image(picture),
        text("What is in there?")
      ])
      assert.strictEqual(message.status, 200)
      const { content, stop_reason: reason, type, usage } = message.json
      assert.deepStrictEqual([type, reason, content.length], ["message", "end_turn", 1])
      assert.isNull(message.json.container)
      const [answer] = content
      assert.match(answer?.text ?? "", /^\[emulator\] /)
      for (const part of ["report.pdf", "application/pdf", "The report", "p.png", "image/png", "What is in there?"]) {
        assert.include(answer?.text, part)
      }
      assert.isAbove(usage.input_tokens, 1500)
      assert.isAbove(usage.output_tokens, 0)
      const again = yield* ask([document(report, { title: "The report" }), image(picture), text("What is in there?")])
      assert.deepStrictEqual(again.json.content, content)
    }).pipe(Effect.provide(layer())))

  it.effect("need no files, and no beta header", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* ask("Hello")).status, 200)
      assert.strictEqual((yield* ask("Hello", {}, { headers: beta })).status, 200)
    }).pipe(Effect.provide(layer())))

  it.effect("refuse files that are unknown, expired, or of another workspace", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator
      const one = { key: "key-one" }
      const id = (yield* upload({}, { ...one, fields: { expires_in_seconds: "3600" } })).json.id
      for (const block of [document, image, container]) {
        const unknown = yield* ask([block("file_unknown")], { tools: [tool] }, one)
        assert.deepStrictEqual(errorOf(unknown), { status: 404, type: "not_found_error" })
        assert.include(unknown.json.error.message, "file_unknown")
        assert.strictEqual((yield* ask([block(id)], { tools: [tool] }, { key: "key-two" })).status, 404)
      }
      const nested = { type: "tool_result", tool_use_id: "t", content: [document("file_unknown")] }
      const messages = [
        { role: "user", content: "hi" },
        { role: "assistant", content: [{ type: "tool_use", id: "t", name: "look", input: {} }] },
        { role: "user", content: [nested] }
      ]
      assert.strictEqual((yield* ask([], { messages }, one)).status, 404)
      assert.strictEqual((yield* ask([document(id)], {}, one)).status, 200)
      yield* emulator.advance("1 hour")
      assert.deepStrictEqual(errorOf(yield* ask([document(id)], {}, one)), {
        status: 404,
        type: "not_found_error",
        code: "file_expired"
      })
    }).pipe(Effect.provide(layer(twoKeys))))

  it.effect("refuse files of the wrong type for their block", () =>
    Effect.gen(function*() {
      for (
        const [type, fits] of [
          ["application/pdf", "document"],
          ["text/plain", "document"],
          ["image/png", "image"],
          ["image/jpeg", "image"],
          ["image/gif", "image"],
          ["image/webp", "image"],
          ["image/svg+xml", ""],
          ["text/csv", ""],
          ["text/markdown", ""],
          ["application/octet-stream", ""],
          ["application/vnd.openxmlformats-officedocument.wordprocessingml.document", ""]
        ] as const
      ) {
        const id = yield* add("f", "content", type)
        for (const [name, block] of [["document", document], ["image", image]] as const) {
          const answer = yield* ask([block(id)])
          if (name === fits) assert.strictEqual(answer.status, 200, `${type} in ${name}`)
          else {
            assert.deepStrictEqual(errorOf(answer), invalid, `${type} in ${name}`)
            assert.include(answer.json.error.message, type)
          }
        }
        assert.strictEqual((yield* ask([container(id)], { tools: [tool] })).status, 200)
      }
    }).pipe(Effect.provide(layer())))

  it.effect("refuse a body that is not a request", () =>
    Effect.gen(function*() {
      const messages = [{ role: "user", content: "hi" }]
      for (
        const body of [
          [],
          null,
          {},
          { max_tokens: 1, messages },
          { model: "m", messages },
          { model: "m", max_tokens: 0, messages },
          { model: "m", max_tokens: "1", messages },
          { model: "m", max_tokens: 1 },
          { model: "m", max_tokens: 1, messages: [] },
          { model: "m", max_tokens: 1, messages: [{ role: "nobody", content: "" }] },
          { model: "m", max_tokens: 1, messages: [{ role: "user" }] },
          { model: "m", max_tokens: 1, messages: [{ role: "user", content: [{ type: "container_upload" }] }] }
        ]
      ) {
        assert.deepStrictEqual(errorOf(yield* post("/v1/messages", body)), invalid, JSON.stringify(body))
      }
    }).pipe(Effect.provide(layer())))

  it.effect("refuse a prompt that is too long for the context window", () =>
    Effect.gen(function*() {
      const id = yield* add("long.txt", "x".repeat(5000), "text/plain")
      const answer = yield* ask([document(id)])
      assert.deepStrictEqual(errorOf(answer), invalid)
      assert.match(answer.json.error.message, /^prompt is too long: \d+ tokens > 1000 maximum$/)
      assert.strictEqual((yield* ask([container(id)], { tools: [tool] })).status, 200)
    }).pipe(Effect.provide(layer({ contextWindow: 1000 }))))

  describe("with citations", () => {
    it.effect("quote the text with its position", () =>
      Effect.gen(function*() {
        const source = "Grass is green. The evening sky is red today! Snow is white."
        const id = yield* add("colours.txt", source, "text/plain")
        const { content } = (yield* ask([
          text("no"),
          document(id, { citations: { enabled: true } }),
          text("Which colour has the evening sky?")
        ])).json
        const [citation] = content[1]?.citations ?? []
        assert.deepStrictEqual(citation, {
          type: "char_location",
          cited_text: "The evening sky is red today!",
          document_index: 0,
          document_title: "colours.txt",
          file_id: id,
          start_char_index: 16,
          end_char_index: 45
        })
        assert.strictEqual(source.slice(16, 45), citation?.cited_text)
        assert.include(content[1]?.text, "The evening sky is red today!")
      }).pipe(Effect.provide(layer())))

    it.effect("quote the page of a PDF", () =>
      Effect.gen(function*() {
        for (const packed of [false, true]) {
          const pages = ["Apples are \\(mostly\\) round.", "Bananas are bent. Bread is baked."]
          const id = yield* add("fruit.pdf", pdf(pages, packed), "application/pdf")
          const { content } = (yield* ask([
            { type: "document", source: { type: "text", media_type: "text/plain", data: "inline" } },
            document(id, { title: "Fruit", citations: { enabled: true } }),
            text("How is bread baked?")
          ])).json
          assert.deepStrictEqual(content[1]?.citations, [{
            type: "page_location",
            cited_text: "Bread is baked.",
            document_index: 1,
            document_title: "Fruit",
            file_id: id,
            start_page_number: 2,
            end_page_number: 3
          }])
        }
        const escaped = yield* add("e.pdf", pdf(["Apples are \\(mostly\\) round.", "No."], false), "application/pdf")
        const first =
          (yield* ask([document(escaped, { citations: { enabled: true } }), text("Are apples round?")])).json
        assert.strictEqual(first.content[1]?.citations?.[0]?.cited_text, "Apples are (mostly) round.")
        // 1500 tokens a page, and its tree of pages is none.
        assert.isAbove(first.usage.input_tokens, 3000)
        assert.isBelow(first.usage.input_tokens, 4500)
        const broken = yield* add("x.pdf", "%PDF-1.4 nothing to read", "application/pdf")
        const { content } = (yield* ask([document(broken, { citations: { enabled: true } })])).json
        assert.strictEqual(content[1]?.citations?.[0]?.start_page_number, 1)
      }).pipe(Effect.provide(layer())))
  })

  it.live("a PDF that would unpack to 64 MB is not unpacked further than it is read", () =>
    Effect.gen(function*() {
      let unpacked = 0
      const Real = DecompressionStream
      vi.stubGlobal(
        "DecompressionStream",
        class {
          readonly inner = new Real("deflate")
          readonly writable = this.inner.writable
          readonly readable = this.inner.readable.pipeThrough(
            new TransformStream<Uint8Array, Uint8Array>({
              transform: (chunk, controller) => {
                unpacked += chunk.length
                controller.enqueue(chunk)
              }
            })
          )
        }
      )
      const id = yield* add("bomb.pdf", pdf([" ".repeat(64_000_000)], true), "application/pdf")
      yield* ask([document(id, { citations: { enabled: true } }), text("What is in there?")])
      assert.isAbove(unpacked, 0)
      assert.isBelow(unpacked, 8_000_000)
    }).pipe(Effect.ensuring(Effect.sync(() => vi.unstubAllGlobals())), Effect.provide(layer())))

  describe("with code execution", () => {
    const csv = "name,age,city\n\"Smith, John\",40,Bern\nAda,36.5,\nEva,0.1,Ulm\n"

    it.effect("create a downloadable file", () =>
      Effect.gen(function*() {
        const id = yield* add("people.csv", csv, "text/csv")
        const message = (yield* ask([text("Summarize"), container(id)], { tools: [tool] })).json
        const use = message.content.find((block) => block.type === "server_tool_use")
        const result = message.content.find((block) => block.type === "bash_code_execution_tool_result")
        assert.strictEqual(use?.name, "bash_code_execution")
        assert.strictEqual(result?.tool_use_id, use?.id)
        assert.strictEqual(result?.content.type, "bash_code_execution_result")
        assert.strictEqual(result?.content.return_code, 0)
        assert.include(result?.content.stdout, "people.csv: 3 rows, 3 columns\n  sum of age: 76.6\n")
        const [output] = result?.content.content ?? []
        assert.strictEqual(output?.type, "bash_code_execution_output")
        assert.match(message.container?.id ?? "", /^container_/)
        assert.isString(message.container?.expires_at)

        const made = (yield* get(`/v1/files/${output?.file_id}`)).json
        assert.deepStrictEqual([made.filename, made.mime_type, made.downloadable], [
          "people_summary.csv",
          "text/csv",
          true
        ])
        const download = yield* get(`/v1/files/${made.id}/content`)
        assert.strictEqual(download.text, "column,values,numeric,sum\nname,3,0,\nage,3,3,76.6\ncity,2,0,\n")
      }).pipe(Effect.provide(layer())))

    it.effect("use the blocks of the tool's first version for that version", () =>
      Effect.gen(function*() {
        const id = yield* add("notes.bin", "abc", "application/zip")
        const { content } = (yield* ask([container(id)], {
          tools: [{ type: "code_execution_20250522", name: "code_execution" }]
        })).json
        const result = content.find((block) => block.type === "code_execution_tool_result")
        assert.strictEqual(result?.content.type, "code_execution_result")
        assert.strictEqual(result?.content.content[0]?.type, "code_execution_output")
        const made = yield* get(`/v1/files/${result?.content.content[0]?.file_id}/content`)
        assert.strictEqual(made.text, "[emulator] notes.bin: application/zip, 3 bytes\n")
      }).pipe(Effect.provide(layer())))

    it.effect("don't use the tool without files", () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator
        const answer = yield* ask("hi", { tools: [tool] })
        assert.deepStrictEqual(answer.json.content.map((block) => block.type), ["text"])
        assert.isNull(answer.json.container)
        assert.deepStrictEqual(yield* emulator.files, [])
      }).pipe(Effect.provide(layer())))

    it.effect("keep the requested container", () =>
      Effect.gen(function*() {
        const id = yield* add("people.csv", csv, "text/csv")
        for (const given of ["container_mine", { id: "container_mine" }]) {
          const message = (yield* ask([container(id)], { tools: [tool], container: given })).json
          assert.strictEqual(message.container?.id, "container_mine")
        }
      }).pipe(Effect.provide(layer())))
  })

  it.effect("stream the same answer as events", () =>
    Effect.gen(function*() {
      const notes = yield* add("a.txt", "One. Two.", "text/plain")
      const table = yield* add("t.csv", "a\n1\n", "text/csv")
      const blocks = [document(notes, { citations: { enabled: true } }), container(table), text("Two?")]
      const answer = yield* ask(blocks, { stream: true, tools: [tool] })
      assert.include(answer.headers["content-type"], "text/event-stream")
      const events = answer.text.trim().split("\n\n").map((event) => {
        const [name, data] = event.split("\n")
        const parsed = JSON.parse((data ?? "").slice("data: ".length)) as {
          readonly type: string
          readonly index: number
          readonly content_block: { readonly type: string }
          readonly delta: { readonly type: string; readonly text: string; readonly partial_json: string }
        }
        assert.strictEqual(name, `event: ${parsed.type}`)
        return parsed
      })
      const types = events.map((event) => event.type)
      assert.strictEqual(types[0], "message_start")
      assert.include(types, "ping")
      assert.deepStrictEqual(types.slice(-2), ["message_delta", "message_stop"])
      const plain = (yield* ask(blocks, { tools: [tool] })).json.content
      const starts = events.filter((event) => event.type === "content_block_start")
      assert.deepStrictEqual(starts.map((event) => event.content_block.type), plain.map((block) => block.type))
      assert.deepStrictEqual(starts.map((event) => event.index), plain.map((_, i) => i))
      const deltas = events.filter((event) => event.type === "content_block_delta")
      assert.include(deltas.map((event) => event.delta.type), "citations_delta")
      assert.include(deltas.map((event) => event.delta.type), "input_json_delta")
      for (const [index, block] of plain.entries()) {
        if (block.type !== "text") continue
        const joined = deltas.filter((event) => event.index === index).map((event) => event.delta.text ?? "").join("")
        assert.strictEqual(joined, block.text)
      }
    }).pipe(Effect.provide(layer())))

  it.effect("answer errors as such, streamed or not", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* ask([document("file_unknown")], { stream: true })).status, 404)
    }).pipe(Effect.provide(layer())))

  it.effect("count tokens, but refuse files", () =>
    Effect.gen(function*() {
      const id = yield* add("a.txt", "a", "text/plain")
      const count = (content: unknown) =>
        post("/v1/messages/count_tokens", { model: "m", messages: [{ role: "user", content }] })
      assert.isAbove((yield* count("How many tokens are these?")).json.input_tokens, 1)
      for (const block of [document(id), image(id), container(id), { type: "tool_result", content: [document(id)] }]) {
        assert.deepStrictEqual(errorOf(yield* count([block])), invalid)
      }
    }).pipe(Effect.provide(layer())))
})

describe("message batches", () => {
  const entry = (customId: string, content: unknown) => ({
    custom_id: customId,
    params: { model: "m", max_tokens: 10, messages: [{ role: "user", content }] }
  })
  const create = (...requests: ReadonlyArray<unknown>) => post("/v1/messages/batches", { requests })
  const batch = (id: string) => Effect.map(get(`/v1/messages/batches/${id}`), (answer) => answer.json)
  const results = (id: string) =>
    Effect.map(
      get(`/v1/messages/batches/${id}/results`),
      (answer) =>
        answer.text.trim().split("\n").map((line) =>
          JSON.parse(line) as {
            readonly custom_id: string
            readonly result: { readonly type: string; readonly error: { readonly error: { readonly type: string } } }
          }
        )
    )

  it.effect("end when they are due, with a result for every request", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator
      const id = yield* add("a.txt", "a", "text/plain")
      const made = yield* create(
        entry("good", [document(id), text("hi")]),
        entry("wrong-block", [image(id)]),
        entry("unknown", [document("file_unknown")])
      )
      assert.strictEqual(made.status, 200)
      assert.match(made.json.id, /^msgbatch_/)
      assert.strictEqual(made.json.processing_status, "in_progress")
      assert.deepStrictEqual(made.json.request_counts, {
        processing: 3,
        succeeded: 0,
        errored: 0,
        canceled: 0,
        expired: 0
      })
      assert.isNull(made.json.results_url)
      assert.strictEqual((yield* get(`/v1/messages/batches/${made.json.id}/results`)).status, 404)
      yield* emulator.advance("59 seconds")
      assert.strictEqual((yield* batch(made.json.id)).processing_status, "in_progress")
      assert.deepStrictEqual(errorOf(yield* call("DELETE", `/v1/messages/batches/${made.json.id}`)), invalid)
      yield* emulator.advance("1 second")
      const ended = yield* batch(made.json.id)
      assert.strictEqual(ended.processing_status, "ended")
      assert.deepStrictEqual(ended.request_counts, { processing: 0, succeeded: 1, errored: 2, canceled: 0, expired: 0 })
      assert.strictEqual(ended.results_url, `${emulator.url}/v1/messages/batches/${made.json.id}/results`)
      const lines = yield* results(made.json.id)
      assert.deepStrictEqual(lines.map((line) => [line.custom_id, line.result.type]), [
        ["good", "succeeded"],
        ["wrong-block", "errored"],
        ["unknown", "errored"]
      ])
      assert.strictEqual(lines[1]?.result.error.error.type, "invalid_request_error")
      assert.strictEqual(lines[2]?.result.error.error.type, "not_found_error")
      assert.deepStrictEqual(yield* results(made.json.id), lines)
      const gone: unknown = (yield* call("DELETE", `/v1/messages/batches/${made.json.id}`)).json
      assert.deepStrictEqual(gone, { id: made.json.id, type: "message_batch_deleted" })
      assert.strictEqual((yield* get(`/v1/messages/batches/${made.json.id}`)).status, 404)
    }).pipe(Effect.provide(layer({ batchDelay: "1 minute" }))))

  it.effect("have ended when they were due, whenever somebody looks", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator
      const made = (yield* create(entry("a", "hi"))).json
      yield* emulator.advance("3 hours")
      const { ended_at } = yield* batch(made.id)
      assert.strictEqual(Date.parse(ended_at ?? "") - Date.parse(made.created_at), 60_000)
    }).pipe(Effect.provide(layer({ batchDelay: "1 minute" }))))

  it.effect("can be canceled until then", () =>
    Effect.gen(function*() {
      const { id } = (yield* create(entry("a", "hi"))).json
      const canceled = (yield* call("POST", `/v1/messages/batches/${id}/cancel`)).json
      assert.strictEqual(canceled.processing_status, "canceling")
      assert.strictEqual((yield* batch(id)).request_counts.canceled, 1)
      assert.deepStrictEqual((yield* results(id)).map((line) => line.result.type), ["canceled"])
      assert.deepStrictEqual(errorOf(yield* call("POST", `/v1/messages/batches/${id}/cancel`)), invalid)
    }).pipe(Effect.provide(layer({ batchDelay: "1 minute" }))))

  it.effect("are listed newest first, paged both ways", () =>
    Effect.gen(function*() {
      const ids: Array<string> = []
      for (let i = 0; i < 5; i++) ids.unshift((yield* create(entry("a", "hi"))).json.id)
      const page = Effect.fnUntraced(function*(query: string) {
        const answer = (yield* get(`/v1/messages/batches?${query}`)).json
        return [answer.data.map((item) => item.id), answer.has_more]
      })
      assert.deepStrictEqual(yield* page("limit=2"), [ids.slice(0, 2), true])
      assert.deepStrictEqual(yield* page(`limit=2&after_id=${ids[1]}`), [ids.slice(2, 4), true])
      assert.deepStrictEqual(yield* page(`limit=2&after_id=${ids[3]}`), [ids.slice(4), false])
      assert.deepStrictEqual(yield* page(`limit=2&before_id=${ids[3]}`), [ids.slice(1, 3), true])
      assert.deepStrictEqual(yield* page(`limit=9&before_id=${ids[3]}`), [ids.slice(0, 3), false])
    }).pipe(Effect.provide(layer())))

  it.effect("refuse a body that is not a batch", () =>
    Effect.gen(function*() {
      for (
        const requests of [
          undefined,
          [],
          [{}],
          [{ custom_id: "a" }],
          [entry("", "hi")],
          [entry("a b", "hi")],
          [entry("a", "hi"), entry("a", "hi")]
        ]
      ) {
        assert.deepStrictEqual(errorOf(yield* post("/v1/messages/batches", { requests })), invalid)
      }
    }).pipe(Effect.provide(layer())))

  it.effect("belong to their workspace", () =>
    Effect.gen(function*() {
      const { id } = (yield* post("/v1/messages/batches", { requests: [entry("a", "hi")] }, { key: "key-one" })).json
      assert.strictEqual((yield* get(`/v1/messages/batches/${id}`, { key: "key-one" })).status, 200)
      assert.strictEqual((yield* get(`/v1/messages/batches/${id}`, { key: "key-two" })).status, 404)
      assert.deepStrictEqual((yield* get("/v1/messages/batches", { key: "key-two" })).json.data, [])
    }).pipe(Effect.provide(layer(twoKeys))))
})
