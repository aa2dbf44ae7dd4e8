import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted, Stream } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import { HttpBody, HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { beta, boundary, call, errorOf, get, inProcess, multipartStream, post, upload, ways } from "./support.ts"

const invalid = { status: 400, type: "invalid_request_error" }

for (const [name, reach] of ways) {
  describe(`limits, ${name}`, () => {
    it.effect("a file of exactly the limit is taken, one byte more is 413", () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator
        assert.strictEqual((yield* upload({ content: "x".repeat(100_000) })).status, 200)
        const tooLarge = { status: 413, type: "request_too_large" }
        assert.deepStrictEqual(errorOf(yield* upload({ content: "x".repeat(100_001) })), tooLarge)
        assert.strictEqual((yield* emulator.files).length, 1)
        assert.strictEqual(
          yield* Effect.map(emulator.content((yield* emulator.files)[0]?.id ?? ""), (bytes) => bytes?.byteLength),
          100_000
        )
      }).pipe(Effect.provide(reach({ maxFileBytes: 100_000 }))))

    it.effect("the quota counts stored files, and is freed by deletion and expiry", () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator
        const ga = { ...invalid, code: "storage_quota_exceeded" }
        const first = (yield* upload({ content: "x".repeat(600) })).json.id
        assert.deepStrictEqual(errorOf(yield* upload({ content: "x".repeat(401) })), ga)
        assert.deepStrictEqual(errorOf(yield* upload({ content: "x".repeat(401) }, { headers: beta })), {
          status: 403,
          type: "permission_error"
        })
        const fill = yield* upload({ content: "x".repeat(400) }, { fields: { expires_in_seconds: "3600" } })
        assert.strictEqual(fill.status, 200)
        assert.deepStrictEqual(errorOf(yield* upload({ content: "x" })), ga)
        yield* call("DELETE", `/v1/files/${first}`)
        assert.strictEqual((yield* upload({ content: "x".repeat(600) })).status, 200)
        yield* emulator.advance("1 hour")
        assert.strictEqual((yield* upload({ content: "x".repeat(400) })).status, 200)
        assert.deepStrictEqual(errorOf(yield* upload({ content: "x" })), ga)
      }).pipe(Effect.provide(reach({ storageQuotaBytes: 1000 }))))

    it.effect("one of two uploads is refused if only one of them fits the quota", () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator
        const answers = yield* Effect.forEach(
          Array.from({ length: 8 }),
          () => upload({ content: "x".repeat(300) }),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(answers.filter((answer) => answer.status === 200).length, 3)
        assert.strictEqual((yield* emulator.files).length, 3)
      }).pipe(Effect.provide(reach({ storageQuotaBytes: 1000 }))))

    it.effect("requests a minute are counted, with headers that say so", () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator
        const remaining = (answer: { readonly headers: Readonly<Record<string, string | undefined>> }) =>
          answer.headers["anthropic-ratelimit-requests-remaining"]
        const first = yield* get("/v1/files")
        assert.strictEqual(first.headers["anthropic-ratelimit-requests-limit"], "3")
        assert.strictEqual(remaining(first), "2")
        assert.isFalse(Number.isNaN(Date.parse(first.headers["anthropic-ratelimit-requests-reset"] ?? "")))
        yield* get("/v1/files")
        assert.strictEqual(remaining(yield* get("/v1/files")), "0")
        const limited = yield* get("/v1/files")
        assert.deepStrictEqual(errorOf(limited), { status: 429, type: "rate_limit_error" })
        const retryAfter = Number(limited.headers["retry-after"])
        assert.isAtLeast(retryAfter, 1)
        assert.isAtMost(retryAfter, 20)
        yield* emulator.advance(retryAfter * 1000)
        assert.strictEqual((yield* get("/v1/files")).status, 200)
        assert.strictEqual((yield* get("/v1/files")).status, 429)
        yield* emulator.advance("2 minutes")
        for (let i = 0; i < 3; i++) assert.strictEqual((yield* get("/v1/files")).status, 200)
        assert.strictEqual((yield* get("/v1/files")).status, 429)
      }).pipe(Effect.provide(reach({ requestsPerMinute: 3 }))))

    it.effect("every answer to a caller with a key has the headers of the limits, errors included", () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator
        const limits = (answer: { readonly headers: Readonly<Record<string, string | undefined>> }, kind: string) =>
          ["limit", "remaining"].map((what) => answer.headers[`anthropic-ratelimit-${kind}-${what}`])
        assert.deepStrictEqual(limits(yield* get("/v1/files/file_unknown"), "requests"), ["100", "99"])
        const answered = yield* post("/v1/messages", {
          model: "m",
          max_tokens: 100,
          messages: [{ role: "user", content: "word ".repeat(2000) }]
        })
        const { input_tokens: read, output_tokens: written } = answered.json.usage
        assert.deepStrictEqual(limits(answered, "requests"), ["100", "98"])
        assert.deepStrictEqual(limits(yield* get("/v1/files?limit=0"), "tokens"), [
          "1000",
          String(Math.max(0, 1000 - read - written))
        ])
        // More was used than a minute gives: the next message waits, and other requests don't.
        const ask = post("/v1/messages", { model: "m", max_tokens: 9, messages: [{ role: "user", content: "hi" }] })
        const limited = yield* ask
        assert.deepStrictEqual(errorOf(limited), { status: 429, type: "rate_limit_error" })
        assert.strictEqual((yield* get("/v1/files")).status, 200)
        yield* emulator.advance(Number(limited.headers["retry-after"]) * 1000)
        assert.strictEqual((yield* ask).status, 200)
        const stranger = yield* get("/v1/files", { key: "wrong" })
        assert.isUndefined(stranger.headers["anthropic-ratelimit-requests-limit"])
      }).pipe(Effect.provide(reach({ requestsPerMinute: 100, tokensPerMinute: 1000 }))))

    it.effect("JSON that is nested too deeply is refused", () =>
      Effect.gen(function*() {
        const deep = (depth: number) => `{"a":${"[".repeat(depth)}${"]".repeat(depth)},"b":"[[[\\"[[["}`
        for (const path of ["/v1/messages/count_tokens", "/v1/messages", "/v1/messages/batches", "/v1/oauth/token"]) {
          const answer = yield* call("POST", path, { body: HttpBody.text(deep(25_000), "application/json") })
          assert.strictEqual(answer.status, 400, path)
          assert.include(answer.text, "nested too deeply")
        }
        const fine = yield* call("POST", "/v1/messages/count_tokens", {
          body: HttpBody.text(deep(500), "application/json")
        })
        assert.notInclude(fine.text, "nested")
      }).pipe(Effect.provide(reach())))

    it.effect("a compressed body is refused, not stored as it is", () =>
      Effect.gen(function*() {
        const body = HttpBody.text("{}", "application/json")
        for (const path of ["/v1/files", "/v1/messages", "/v1/messages/batches", "/v1/oauth/token"]) {
          for (const encoding of ["gzip", "br", "identity, gzip"]) {
            const answer = yield* call("POST", path, { body, headers: { "content-encoding": encoding } })
            assert.strictEqual(answer.status, 400, path)
            assert.include(answer.text, "request_body_encoding_unsupported")
          }
          const plain = yield* call("POST", path, { body, headers: { "content-encoding": "Identity" } })
          assert.notInclude(plain.text, "encoding", path)
        }
      }).pipe(Effect.provide(reach())))

    it.effect("JSON that is not UTF-8 is refused", () =>
      Effect.gen(function*() {
        const bytes = Uint8Array.from([0x7b, 0x22, 0xc3, 0x22, 0x3a, 0x31, 0x7d])
        for (const body of [bytes, bytes.subarray(0, 3)]) {
          const answer = yield* call("POST", "/v1/messages", { body: HttpBody.uint8Array(body, "application/json") })
          assert.strictEqual(answer.status, 400)
          assert.include(answer.text, "not valid UTF-8")
        }
      }).pipe(Effect.provide(reach())))

    it.effect("JSON bodies, fields and parts are bounded", () =>
      Effect.gen(function*() {
        const tooLarge = { status: 413, type: "request_too_large" }
        assert.deepStrictEqual(errorOf(yield* post("/v1/messages", { text: "x".repeat(2000) })), tooLarge)
        assert.deepStrictEqual(errorOf(yield* upload({}, { fields: { purpose: "x".repeat(100_000) } })), invalid)
        const fields = Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`f${i}`, ""]))
        assert.deepStrictEqual(errorOf(yield* upload({}, { fields })), invalid)
        const stray = yield* call("POST", "/v1/files", {
          body: multipartStream([{ name: "other", filename: "o", content: "x".repeat(3_000_000) }], 65_536)
        })
        assert.deepStrictEqual(errorOf(stray), tooLarge)
      }).pipe(Effect.provide(reach({ maxJsonBytes: 1000 }))))

    // fetch shows an answer only once the body has been sent.
    if (!name.endsWith("fetch")) {
      it.effect(
        "a body that stops coming is answered with request_body_timeout",
        () =>
          Effect.gen(function*() {
            const emulator = yield* Emulator
            const head = new TextEncoder().encode(
              `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nhello`
            )
            const body = HttpBody.stream(
              Stream.concat(Stream.make(head), Stream.never),
              `multipart/form-data; boundary=${boundary}`
            )
            const fiber = yield* Effect.forkChild(call("POST", "/v1/files", { body }))
            while ((yield* emulator.requests).at(-1)?.body === undefined) {
              yield* Effect.promise(() => new Promise(setImmediate))
            }
            yield* TestClock.adjust("29 seconds")
            assert.isUndefined(fiber.pollUnsafe())
            // The server may still be storing what came, and start to wait only then.
            while (fiber.pollUnsafe() === undefined) {
              yield* TestClock.adjust("1 second")
              yield* Effect.promise(() => new Promise(setImmediate))
            }
            assert.deepStrictEqual(errorOf(yield* Fiber.join(fiber)), { ...invalid, code: "request_body_timeout" })
            assert.deepStrictEqual(yield* emulator.files, [])
          }).pipe(Effect.provide(reach()))
      )
    }

    it.effect("64 uploads and 64 downloads at once", () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator
        const content = (i: number) => `${i}-`.repeat(20_000)
        const answers = yield* Effect.forEach(
          Array.from({ length: 64 }, (_, i) => i),
          (i) => upload({ filename: `${i}.txt`, content: content(i) }),
          { concurrency: "unbounded" }
        )
        for (const [i, answer] of answers.entries()) {
          assert.strictEqual(answer.json.size_bytes, content(i).length)
          assert.strictEqual(new TextDecoder().decode(yield* emulator.content(answer.json.id)), content(i))
        }
        const made = yield* Effect.forEach(Array.from({ length: 64 }), (_, i) =>
          emulator.seed({ filename: `${i}`, content: content(i), downloadable: true }))
        yield* Effect.forEach(made, (file, i) =>
          Effect.map(get(`/v1/files/${file.id}/content`), (answer) => {
            assert.strictEqual(answer.text, content(i))
          }), { concurrency: "unbounded" })
      }).pipe(Effect.provide(reach())))
  })
}

describe("in process", () => {
  it.effect("a JSON body that drips without end times out", () =>
    Effect.gen(function*() {
      const drip = Stream.fromEffectRepeat(Effect.as(Effect.sleep("1 second"), new Uint8Array([0x20])))
      const fiber = yield* Effect.forkChild(
        call("POST", "/v1/messages/count_tokens", { body: HttpBody.stream(drip, "application/json") })
      )
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(errorOf(yield* Fiber.join(fiber)), { ...invalid, code: "request_body_timeout" })
    }).pipe(Effect.provide(inProcess({ jsonTimeout: "30 seconds" }))))

  const head = new TextEncoder().encode(
    `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n`
  )
  const tail = new TextEncoder().encode(`\r\n--${boundary}--\r\n`)
  const body = (content: Stream.Stream<Uint8Array>) =>
    HttpBody.stream(
      Stream.make(head).pipe(Stream.concat(content), Stream.concat(Stream.make(tail))),
      `multipart/form-data; boundary=${boundary}`
    )

  it.effect("reads no more of a body than it needs, one chunk at a time", () =>
    Effect.gen(function*() {
      let pulled = 0
      const endless = Stream.fromEffectRepeat(Effect.sync(() => {
        pulled++
        return new Uint8Array(1000)
      }))
      const answer = yield* call("POST", "/v1/files", { body: body(endless) })
      assert.strictEqual(answer.status, 413)
      assert.isAtMost(pulled, 102)
    }).pipe(Effect.provide(inProcess({ maxFileBytes: 100_000 }))))

  it.effect("keeps the bytes of a client that reuses one buffer for all chunks", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator
      const buffer = new Uint8Array(1000)
      const content = Stream.range(1, 100).pipe(Stream.rechunk(1), Stream.map((i) => buffer.fill(i)))
      const { id } = (yield* call("POST", "/v1/files", { body: body(content) })).json
      const stored = (yield* emulator.content(id)) ?? new Uint8Array(0)
      assert.strictEqual(stored.byteLength, 100_000)
      for (let i = 0; i < 100; i++) assert.strictEqual(stored[i * 1000], i + 1)
    }).pipe(Effect.provide(inProcess())))

  it.effect("fails like a socket if a body does not have its announced length", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator
      for (const length of [10, 1_000_000]) {
        const lying = HttpBody.stream(
          body(Stream.make(new Uint8Array(100))).stream,
          `multipart/form-data; boundary=${boundary}`,
          length
        )
        const error = yield* Effect.flip(call("POST", "/v1/files", { body: lying }))
        assert.strictEqual(error._tag === "HttpClientError" ? error.reason._tag : error, "TransportError")
      }
      assert.deepStrictEqual(yield* emulator.files, [])
    }).pipe(Effect.provide(inProcess())))

  it.effect("gives the failure of a body back unchanged", () =>
    Effect.gen(function*() {
      const broken = HttpBody.stream(
        Stream.concat(Stream.make(head), Stream.fail("source changed")),
        `multipart/form-data; boundary=${boundary}`
      )
      const error = yield* Effect.flip(call("POST", "/v1/files", { body: broken }))
      assert.strictEqual(error.reason._tag, "EncodeError")
      assert.strictEqual(error.cause, "source changed")
    }).pipe(Effect.provide(inProcess())))

  it.effect("stops, and stores nothing, when the caller is interrupted", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator
      let closed = false
      const hanging = body(Stream.never.pipe(Stream.ensuring(Effect.sync(() => {
        closed = true
      }))))
      const fiber = yield* Effect.forkChild(call("POST", "/v1/files", { body: hanging }))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      assert.isTrue(closed)
      assert.deepStrictEqual(yield* emulator.files, [])
    }).pipe(Effect.provide(inProcess())))

  it.effect("takes any base URL, and forms as well as streams", () =>
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      const emulator = yield* Emulator
      const form = new FormData()
      form.append("file", new Blob(["hello"], { type: "text/plain" }), "grüße.txt")
      form.append("purpose", "p")
      const response = yield* client.post("https://gateway.example/some/prefix/v1/files?beta=true", {
        headers: { "x-api-key": Redacted.value(emulator.apiKey), "anthropic-version": "2023-06-01" },
        body: HttpBody.formData(form)
      })
      assert.strictEqual(response.status, 200)
      const [file] = yield* emulator.files
      assert.strictEqual(file?.filename, "grüße.txt")
      assert.strictEqual(file?.mimeType, "text/plain")
      assert.strictEqual(file?.purpose, "p")
    }).pipe(Effect.provide(inProcess())))
})
