/**
 * The official SDK as the referee: what it makes of our answers is what its users would see.
 */
import Anthropic, {
  APIConnectionError,
  type APIError,
  AuthenticationError,
  BadRequestError,
  ContentTooLargeError,
  InternalServerError,
  NotFoundError,
  OverloadedError,
  RateLimitError,
  toFile
} from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as ChildProcess from "node:child_process"
import * as NodeFs from "node:fs"
import { socket, temporaryDirectory } from "./support.ts"

const make = Effect.map(
  Emulator,
  (emulator) => new Anthropic({ apiKey: Redacted.value(emulator.apiKey), baseURL: emulator.url, maxRetries: 0 })
)

const promise = <A>(evaluate: () => PromiseLike<A>) => Effect.promise(evaluate)

/** The error that a call of the SDK throws. */
const thrown = (evaluate: () => PromiseLike<unknown>) =>
  Effect.promise(() =>
    Promise.resolve(evaluate()).then(
      () => {
        throw new Error("It did not fail")
      },
      (error: unknown) => error as APIError
    )
  )

const all = async <A>(pages: AsyncIterable<A>) => {
  const out: Array<A> = []
  for await (const item of pages) out.push(item)
  return out
}

const betas: Array<string> = ["managed-agents-2026-04-01"]

describe("the official SDK", () => {
  it.effect("uploads from streams, buffers, blobs and responses", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator
      const client = yield* make
      const directory = yield* temporaryDirectory
      const path = `${directory}/grüße.txt`
      const content = "hello ".repeat(50_000)
      NodeFs.writeFileSync(path, content)
      const sources: ReadonlyArray<
        readonly [string, () => Promise<Parameters<typeof client.files.upload>[0]["file"]>]
      > = [
        ["grüße.txt", () => Promise.resolve(NodeFs.createReadStream(path))],
        ["b.txt", () => toFile(Buffer.from(content), "b.txt", { type: "text/plain" })],
        ["c.txt", () => Promise.resolve(new File([content], "c.txt", { type: "text/plain" }))],
        ["d.txt", () => toFile(new Blob([content]), "d.txt")],
        ["e.txt", () => toFile(new Response(content), "e.txt")]
      ]
      for (const [filename, source] of sources) {
        const file = yield* promise(async () => client.files.upload({ file: await source(), expires_in_seconds: 3600 }))
        assert.strictEqual(file.filename, filename)
        assert.strictEqual(file.size_bytes, content.length)
        assert.strictEqual(file.type, "file")
        assert.isFalse(file.downloadable)
        assert.isString(file.expires_at)
        assert.strictEqual(new TextDecoder().decode(yield* emulator.content(file.id)), content)
        assert.deepStrictEqual(yield* promise(() => client.files.retrieveMetadata(file.id)), file)
      }
      const beta = yield* promise(async () =>
        client.beta.files.upload({ file: await toFile(Buffer.from("x"), "x.txt"), betas })
      )
      assert.strictEqual(beta.filename, "x.txt")
    }).pipe(Effect.scoped, Effect.provide(socket())))

  it.effect("lists, page by page and by ids", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator
      const client = yield* make
      const ids: Array<string> = []
      const scoped: Array<string> = []
      for (let i = 0; i < 45; i++) {
        ids.unshift((yield* emulator.seed({ filename: `${i}.txt` })).id)
        const scope = { id: "sesn_1", type: "session" }
        if (i < 12) scoped.unshift((yield* emulator.seed({ filename: `${i}.txt`, scope })).id)
      }
      for (
        const list of [client.files.list(), client.files.list({ limit: 7 }), client.beta.files.list({ limit: 44 })]
      ) {
        assert.deepStrictEqual((yield* promise(() => all(list))).map((file) => file.id), ids)
      }
      const managed = client.beta.files.list({ scope_id: "sesn_1", limit: 10, betas })
      assert.deepStrictEqual((yield* promise(() => all(managed))).map((file) => file.id), scoped)
      const some = yield* promise(() => all(client.files.list({ ids: [ids[3] ?? "", ids[1] ?? "", "file_unknown"] })))
      assert.deepStrictEqual(some.map((file) => file.id), [ids[1], ids[3]] as Array<string>)
      const page = yield* promise(() => client.files.list({ limit: 40 }))
      assert.isTrue(page.hasNextPage())
      const next = yield* promise(() => page.getNextPage())
      assert.strictEqual(next.data.length, 5)
      assert.isFalse(next.hasNextPage())
    }).pipe(Effect.provide(socket())))

  it.effect("downloads and deletes", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator
      const client = yield* make
      for (const files of [client.files, client.beta.files]) {
        const { id } = yield* emulator.seed({ filename: "d.csv", content: "a,b\n1,2\n", downloadable: true })
        const response = yield* promise(() => files.download(id))
        assert.strictEqual(response.headers.get("content-type"), "text/csv")
        assert.strictEqual(yield* promise(() => response.text()), "a,b\n1,2\n")
        assert.deepStrictEqual(yield* promise(() => files.delete(id)), { id, type: "file_deleted" })
      }
      assert.deepStrictEqual(yield* emulator.files, [])
    }).pipe(Effect.provide(socket())))

  it.effect("maps our errors to its own classes, with their codes", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator
      const client = yield* make
      const own = yield* emulator.seed({ filename: "own.txt", content: "own", expiresIn: "1 hour" })
      const made = yield* emulator.seed({
        filename: "made.txt",
        content: "made",
        downloadable: true,
        expiresIn: "1 hour"
      })
      const upload = async (content: string, name: string) =>
        client.files.upload({ file: await toFile(Buffer.from(content), name) })
      const check = Effect.fnUntraced(function*(
        call: () => PromiseLike<unknown>,
        Class: abstract new(...args: Array<never>) => unknown,
        status: number,
        type: string,
        code: string | null = null
      ) {
        const error = yield* thrown(call)
        assert.isTrue(error instanceof Class, String(error))
        assert.deepStrictEqual([error.status, error.type as string, error.errorCode as string | null], [
          status,
          type,
          code
        ])
        assert.match(error.requestID ?? "", /^req_/)
        assert.isString(error.apiMessage)
      })
      const anonymous = new Anthropic({ apiKey: "wrong", baseURL: emulator.url, maxRetries: 0 })
      yield* check(() => anonymous.files.list(), AuthenticationError, 401, "authentication_error")
      yield* check(() => client.files.retrieveMetadata("file_x"), NotFoundError, 404, "not_found_error")
      yield* check(() => client.files.delete("file_x"), NotFoundError, 404, "not_found_error")
      yield* check(
        () => client.files.download(own.id),
        Anthropic.FileNotDownloadableError,
        400,
        "invalid_request_error",
        "file_not_downloadable"
      )
      yield* check(() => client.files.list({ limit: 0 }), BadRequestError, 400, "invalid_request_error")
      yield* check(() => client.files.list({ page: "x" }), BadRequestError, 400, "invalid_request_error")
      yield* check(() => upload("x", "a?b"), BadRequestError, 400, "invalid_request_error")
      yield* check(() => upload("x".repeat(3000), "a"), ContentTooLargeError, 413, "request_too_large")
      yield* check(
        async () => {
          for (let i = 0; i < 10; i++) await upload("x".repeat(1900), "a")
        },
        Anthropic.StorageQuotaExceededError,
        400,
        "invalid_request_error",
        "storage_quota_exceeded"
      )
      yield* emulator.advance("1 hour")
      yield* check(
        () => client.files.download(made.id),
        Anthropic.FileExpiredError,
        404,
        "not_found_error",
        "file_expired"
      )
      yield* emulator.addFault(Fault.rateLimited({ retryAfter: "3 seconds" }))
      yield* check(() => client.files.list(), RateLimitError, 429, "rate_limit_error")
      yield* emulator.addFault(Fault.overloaded())
      yield* check(() => client.files.list(), OverloadedError, 529, "overloaded_error")
      yield* emulator.addFault(Fault.serverError())
      yield* check(() => client.files.list(), InternalServerError, 500, "api_error")
      yield* emulator.addFault(Fault.reset({ at: "before" }))
      assert.instanceOf(yield* thrown(() => client.files.list()), APIConnectionError)
    }).pipe(Effect.provide(socket({ maxFileBytes: 2000, storageQuotaBytes: 8000 }))))

  it.effect("asks about files, streamed and not", () =>
    Effect.gen(function*() {
      const client = yield* make
      const file = yield* promise(async () =>
        client.files.upload({ file: await toFile(Buffer.from("The sky is blue."), "sky.txt", { type: "text/plain" }) })
      )
      const params = {
        model: "claude-opus-5-5",
        max_tokens: 1024,
        messages: [{
          role: "user" as const,
          content: [
            {
              type: "document" as const,
              source: { type: "file" as const, file_id: file.id },
              citations: { enabled: true }
            },
            { type: "text" as const, text: "Which colour is the sky?" }
          ]
        }]
      }
      const message = yield* promise(() => client.messages.create(params))
      const streamed = yield* promise(() => client.messages.stream(params).finalMessage())
      assert.deepStrictEqual(streamed.content, message.content)
      const [, cited] = message.content
      assert.isTrue(cited?.type === "text")
      const citation = cited?.type === "text" ? cited.citations?.[0] : undefined
      assert.strictEqual(citation?.cited_text, "The sky is blue.")
      assert.strictEqual(citation?.type === "char_location" ? citation.file_id : undefined, file.id)
      assert.instanceOf(
        yield* thrown(() => client.messages.countTokens({ model: params.model, messages: params.messages })),
        BadRequestError
      )
    }).pipe(Effect.provide(socket())))

  it.effect("downloads files that a run created", () =>
    Effect.gen(function*() {
      const client = yield* make
      const table = yield* promise(async () =>
        client.files.upload({ file: await toFile(Buffer.from("a,b\n1,2\n3,4\n"), "t.csv", { type: "text/csv" }) })
      )
      const message = yield* promise(() =>
        client.messages.stream({
          model: "claude-opus-5-5",
          max_tokens: 1024,
          tools: [{ type: "code_execution_20250825", name: "code_execution" }],
          messages: [{ role: "user", content: [{ type: "container_upload", file_id: table.id }] }]
        }).finalMessage()
      )
      const block = message.content.find((block) => block.type === "bash_code_execution_tool_result")
      const made = block?.content.type === "bash_code_execution_result" ? block.content.content[0]?.file_id : undefined
      const response = yield* promise(() => client.files.download(made ?? ""))
      assert.strictEqual(yield* promise(() => response.text()), "column,values,numeric,sum\na,2,2,4\nb,2,2,6\n")
    }).pipe(Effect.provide(socket())))

  it.effect("sends batches and reads their results", () =>
    Effect.gen(function*() {
      const client = yield* make
      const { batches } = client.messages
      const file = yield* promise(async () =>
        client.files.upload({ file: await toFile(Buffer.from("x"), "x.txt", { type: "text/plain" }) })
      )
      const entry = (id: string, fileId: string) => ({
        custom_id: id,
        params: {
          model: "claude-opus-5-5",
          max_tokens: 10,
          messages: [{
            role: "user" as const,
            content: [{ type: "document" as const, source: { type: "file" as const, file_id: fileId } }]
          }]
        }
      })
      const made = yield* promise(() => batches.create({ requests: [entry("a", file.id), entry("b", "file_unknown")] }))
      assert.strictEqual((yield* promise(() => batches.retrieve(made.id))).processing_status, "ended")
      const results = yield* promise(async () => all(await batches.results(made.id)))
      assert.deepStrictEqual(results.map((line) => [line.custom_id, line.result.type]), [
        ["a", "succeeded"],
        ["b", "errored"]
      ])
      assert.deepStrictEqual((yield* promise(() => all(batches.list()))).map((batch) => batch.id), [made.id])
      assert.strictEqual((yield* promise(() => batches.delete(made.id))).type, "message_batch_deleted")
    }).pipe(Effect.provide(socket())))
})

describe("curl", () => {
  const curl = (...args: ReadonlyArray<string>) =>
    Effect.flatMap(Emulator, (emulator) =>
      Effect.callback<string>((resume) => {
        ChildProcess.execFile(
          "curl",
          [
            "-sS",
            "--max-time",
            "20",
            "-H",
            `x-api-key: ${Redacted.value(emulator.apiKey)}`,
            "-H",
            "anthropic-version: 2023-06-01",
            ...args.map((arg) => arg.replace("$URL", emulator.url))
          ],
          (_error, stdout, stderr) => resume(Effect.succeed(stdout + stderr))
        )
      }))

  it.effect("uploads, lists, downloads and deletes, as the guide shows it", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator
      const directory = yield* temporaryDirectory
      NodeFs.writeFileSync(`${directory}/a.txt`, "hello")
      const uploaded = JSON.parse(yield* curl("-F", `file=@${directory}/a.txt;type=text/plain`, "$URL/v1/files")) as {
        readonly id: string
        readonly mime_type: string
      }
      assert.strictEqual(uploaded.mime_type, "text/plain")
      assert.include(yield* curl("$URL/v1/files?limit=5"), uploaded.id)
      const { id } = yield* emulator.seed({ filename: "made.bin", content: "made", downloadable: true })
      assert.strictEqual(yield* curl(`$URL/v1/files/${id}/content`), "made")
      assert.include(yield* curl("-X", "DELETE", `$URL/v1/files/${uploaded.id}`), "file_deleted")
      assert.include(yield* curl("-I", `$URL/v1/files/${id}/content`), "HTTP/1.1 200")
    }).pipe(Effect.scoped, Effect.provide(socket())))

  it.effect("gets the refusal of a file that is too large at once", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      NodeFs.writeFileSync(`${directory}/large`, Buffer.alloc(20_000_000))
      const answer = yield* curl(
        "-w",
        "\n%{http_code} %{size_upload}",
        "-F",
        `file=@${directory}/large`,
        "$URL/v1/files"
      )
      assert.include(answer, "request_too_large")
      const [, status, sent] = /(\d+) (\d+)$/.exec(answer) ?? []
      assert.strictEqual(status, "413")
      assert.isBelow(Number(sent), 10_000_000)
    }).pipe(Effect.scoped, Effect.provide(socket({ maxFileBytes: 1_000_000 }))))
})
