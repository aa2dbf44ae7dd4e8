import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Clock,
  DateTime,
  Duration,
  Effect,
  Exit,
  FileSystem,
  Layer,
  Predicate,
  Redacted,
  Result,
  Stream
} from "effect"
import { ContentBlock, FileMetadata, Files, FileSource, MessageBatches, Messages, Policy } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import { expectFailure } from "effect-anthropic-files/testing/Expect"
import * as Faults from "effect-anthropic-files/testing/Faults"
import * as FilesTest from "effect-anthropic-files/testing/FilesTest"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import * as Recorder from "effect-anthropic-files/testing/Recorder"
import { TestClock } from "effect/testing"

const key = "sk-ant-canary-0123456789"

/** What must be in no recording. */
const canaries = [key, "wrkspc_canary01", "canary content", "canary_name", "canary question"]

const inFolder = <A, E, R>(
  test: (path: string) => Effect.Effect<A, E, R | FileSystem.FileSystem>
) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    return yield* test(`${yield* fs.makeTempDirectoryScoped({ prefix: "recorder-" })}/new/recording.json`)
  }).pipe(Effect.provide(NodeFileSystem.layer))

const read = (path: string) => Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(path))

interface Recording {
  readonly exchanges: ReadonlyArray<{
    readonly request: {
      readonly method: string
      readonly path: string
      readonly headers: Record<string, string>
      readonly body?: { readonly parts?: ReadonlyArray<unknown>; readonly json?: unknown }
    }
    readonly response?: {
      readonly status: number
      readonly headers: Record<string, string>
      readonly body?: Record<string, unknown>
      readonly broken?: boolean
    }
    readonly failure?: string
  }>
}

const readRecording = (path: string): Effect.Effect<Recording, unknown, FileSystem.FileSystem> =>
  Effect.map(read(path), (text) => JSON.parse(text))

const emulator = Emulator.layer({ apiKeys: { [key]: ["wrkspc_canary01"] } })

const credentials = {
  apiKey: Redacted.make(key),
  baseUrl: "http://emulator.localhost",
  workspaceId: "wrkspc_canary01"
}

/** The client with the key, over a recorder, over what plays the service. */
const recording = (path: string, options?: Recorder.RecordOptions, policy?: Policy.Policy) => {
  const recorder = Recorder.layerRecord(path, options).pipe(
    Layer.provideMerge(policy === undefined ? emulator : Layer.provideMerge(policy, emulator))
  )
  return FilesTest.layerClient(credentials).pipe(Layer.provideMerge(recorder))
}

const replaying = (path: string, options?: Recorder.ReplayOptions) =>
  FilesTest.layerClient().pipe(Layer.provide(Recorder.layerReplay(path, options)))

const text = (id: FileMetadata.FileId) => Stream.mkString(Stream.decodeText(Files.download(id)))

const source = FileSource.text("canary content", "canary_name.txt")

/** Everything: upload, list, metadata, message, stream, batch with results, deletion. */
const session = Effect.gen(function*() {
  const file = yield* Files.upload(source, { expiresIn: "1 day" })
  const listed = yield* Stream.runCollect(Files.list({ limit: 5 }))
  const metadata = yield* Files.metadata(file.id)
  const request = {
    model: "claude-sonnet-5-5",
    max_tokens: 99,
    messages: [{
      role: "user" as const,
      content: [yield* ContentBlock.document(file), { type: "text" as const, text: "a canary question" }]
    }]
  }
  const message = yield* Messages.create(request)
  const streamed = yield* Messages.collect(Messages.stream(request))
  const batch = yield* MessageBatches.create([{ custom_id: "canary_id", params: request }])
  const results = yield* Stream.runCollect(MessageBatches.results(batch.id))
  const deleted = yield* Files.delete(file.id)
  const gone = yield* expectFailure(Files.metadata(file.id), "FileNotFound")
  return { file, listed, metadata, message, streamed, results, deleted, gone }
})

const defectOf = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit) ? Result.getOrUndefined(Cause.findDefect(exit.cause)) : undefined

describe("a recording", () => {
  it.effect("is replayed to the same program without the service", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        const live = yield* Effect.provide(session, recording(path))
        const replayed = yield* Effect.provide(session, replaying(path))
        assert.strictEqual(replayed.file.filename, "canary_name.txt", "stands for what the program sent")
        assert.strictEqual(replayed.file.size_bytes, live.file.size_bytes)
        assert.deepStrictEqual(replayed.file.expires_at, live.file.expires_at)
        assert.deepStrictEqual(replayed.listed.map((file) => file.id), [replayed.file.id])
        assert.deepStrictEqual(replayed.metadata, replayed.file)
        assert.strictEqual(replayed.message.stop_reason, live.message.stop_reason)
        assert.deepStrictEqual(replayed.message.usage, live.message.usage)
        assert.strictEqual(replayed.streamed.content.length, live.streamed.content.length)
        assert.deepStrictEqual(replayed.results.map((result) => result.custom_id), ["canary_id"])
        assert.deepStrictEqual(replayed.deleted.id, replayed.file.id)
        assert.strictEqual(replayed.gone.fileId, replayed.file.id)
        assert.notStrictEqual(replayed.file.id, live.file.id)
      })
    ))

  it.effect("holds no key, no id and no content, and is readable", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        const live = yield* Effect.provide(session, recording(path))
        const written = yield* read(path)
        for (const canary of [...canaries, live.file.id, live.message.id, live.gone.requestId ?? "req_"]) {
          assert.notInclude(written, canary)
        }
        const { exchanges } = yield* readRecording(path)
        assert.deepStrictEqual(exchanges.map(({ request }) => `${request.method} ${request.path}`), [
          "POST /v1/files",
          "GET /v1/files",
          "GET /v1/files/file_redacted_1",
          "POST /v1/messages",
          "POST /v1/messages",
          "POST /v1/messages/batches",
          "GET /v1/messages/batches/msgbatch_redacted_1/results",
          "DELETE /v1/files/file_redacted_1",
          "GET /v1/files/file_redacted_1"
        ])
        assert.deepStrictEqual(exchanges[0]?.request, {
          method: "POST",
          path: "/v1/files",
          query: {},
          headers: {
            accept: "application/json",
            "anthropic-version": "2023-06-01",
            "content-type": "multipart/form-data"
          },
          body: {
            parts: [
              { name: "expires_in_seconds", size: 5, text: "86400" },
              { name: "file", filename: "filename_redacted_1.txt", contentType: "text/plain", size: 14 }
            ]
          }
        } as never)
        assert.strictEqual(exchanges[0]?.response?.status, 200)
        assert.deepInclude(exchanges[0]?.response?.body?.["json"], {
          id: "file_redacted_1",
          filename: "filename_redacted_1.txt",
          mime_type: "text/plain",
          size_bytes: 14
        })
        assert.deepStrictEqual(exchanges[3]?.request.body?.json, {
          model: "claude-sonnet-5-5",
          max_tokens: 99,
          messages: [{
            role: "user",
            content: [
              { type: "document", source: { type: "file", file_id: "file_redacted_1" } },
              { type: "text", text: "text_redacted_1" }
            ]
          }]
        })
      })
    ))

  it.effect("has ids and contents on demand, but never a key", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        const options = { redactIds: false, redactBodies: false }
        const live = yield* Effect.provide(session, recording(path, options))
        const written = yield* read(path)
        for (const shown of ["canary content", "canary_name.txt", "a canary question", live.file.id]) {
          assert.include(written, shown)
        }
        assert.notInclude(written, key)
        const { gone: _, ...replayed } = yield* Effect.provide(session, replaying(path))
        const { gone: __, ...expected } = live
        assert.deepStrictEqual(replayed, expected)
      })
    ))

  it.effect("keeps the size of a download, and on demand its bytes", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        const bytes = Uint8Array.from({ length: 600 }, (_, n) => n)
        const program = (id: FileMetadata.FileId) => Stream.mkUint8Array(Files.download(id))
        const seeded = Effect.gen(function*() {
          const { id } = yield* (yield* Emulator.Emulator).seed({
            filename: "a.bin",
            content: bytes,
            downloadable: true,
            workspace: "wrkspc_canary01"
          })
          return FileMetadata.FileId.make(id)
        })
        const id = yield* Effect.provide(Effect.tap(seeded, program), recording(path))
        const replayed = yield* Effect.provide(program(id), replaying(path))
        assert.deepStrictEqual(replayed, new Uint8Array(600).fill(0x78))
        const other = yield* Effect.provide(Effect.tap(seeded, program), recording(path, { redactBodies: false }))
        assert.deepStrictEqual(yield* Effect.provide(program(other), replaying(path)), bytes)
      })
    ))

  it.effect("records failures of every kind", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        const faults = Faults.layer(
          Fault.rateLimited({ retryAfter: "9 seconds" }),
          Fault.reset({ at: "before", skip: 1 }),
          Fault.reset({ at: "response", after: 4, skip: 2 })
        )
        const program = (id: FileMetadata.FileId) =>
          Effect.gen(function*() {
            const limited = yield* expectFailure(text(id), "RateLimited")
            const unreachable = yield* expectFailure(text(id), "RequestFailed", "Unreachable")
            const cut = yield* expectFailure(text(id), "TransferInterrupted")
            return {
              retryAfter: limited.retryAfter,
              code: unreachable.message.includes("ECONNRESET"),
              cut: [cut.reason, cut.transferred, cut.expected]
            }
          })
        const live = yield* Effect.provide(
          Effect.gen(function*() {
            const { id } = yield* (yield* Emulator.Emulator).seed({
              filename: "a.txt",
              content: "0123456789",
              downloadable: true,
              workspace: "wrkspc_canary01"
            })
            return yield* program(FileMetadata.FileId.make(id))
          }),
          recording(path, {}, faults)
        )
        assert.deepStrictEqual(live.cut, ["Reset", 4, 10])
        const replayed = yield* Effect.provide(program(FileMetadata.FileId.make("file_mine")), replaying(path))
        assert.deepStrictEqual(replayed, live)
        assert.strictEqual((yield* readRecording(path)).exchanges[1]?.failure, "ECONNRESET")
      })
    ))

  it.effect("leads from the generated files of a run to their contents", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        const program = Effect.gen(function*() {
          const table = yield* Files.upload(FileSource.text("a,b\n1,2\n", "table.csv"))
          const message = yield* Messages.collect(Messages.stream({
            model: "m",
            max_tokens: 99,
            tools: [{ type: "code_execution_20250825", name: "code_execution" }],
            messages: [{
              role: "user",
              content: [yield* ContentBlock.containerUpload(table), { type: "text", text: "Sum it up as a CSV file." }]
            }]
          }))
          return yield* Effect.forEach(
            Messages.outputs(message),
            (id) => Effect.map(text(id), (content) => [id, content] as const)
          )
        })
        const live = yield* Effect.provide(program, recording(path))
        const replayed = yield* Effect.provide(program, replaying(path))
        assert.isAbove(live.length, 0)
        assert.deepStrictEqual(
          replayed.map(([id, content]) => [id.includes("_redacted_"), content]),
          live.map(([, content]) => [true, "x".repeat(content.length)])
        )
      })
    ))

  describe("of a program with a tool", () => {
    /** What the model calls the tool with: as keys, texts and numbers, some of them named like fields of the API. */
    const input = {
      event: "Alice Smith is dismissed",
      role: "accountant Alice",
      purpose: "secret plan",
      arrived_at: "at her home",
      salary: 83412,
      "Alice Smith": true,
      list: [{ type: "a spy", input: { model: "Bond" } }]
    }
    const tools = [{
      name: "note",
      input_schema: {
        type: "object",
        properties: {
          salary: { type: "number", maximum: 90210 },
          event: { enum: ["Alice Smith is dismissed", "other"] }
        },
        required: ["salary"]
      }
    }]
    const mock = HttpMock.layer(
      HttpMock.stub(
        "POST /v1/messages",
        HttpMock.message("", {
          content: [{ type: "tool_use", id: "toolu_01AbCdEfGh", name: "note", input }],
          stop_reason: "tool_use"
        })
      )
    )

    /** Asks, and sends back what the model called the tool with. */
    const loop = (ask: (request: Messages.Request) => Effect.Effect<Messages.Message, unknown, Messages.Messages>) =>
      Effect.gen(function*() {
        const request = {
          model: "m",
          max_tokens: 99,
          tools,
          metadata: { user_id: "Alice S" },
          messages: [{ role: "user" as const, content: "hi" }]
        }
        const first = yield* ask(request)
        const [call] = first.content
        assert(call?.type === "tool_use")
        yield* ask({
          ...request,
          messages: [
            ...request.messages,
            { role: "assistant", content: [{ ...call }] },
            { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "done" }] }
          ]
        })
        return call.input
      })

    const isHidden = (written: string) => {
      for (
        const shown of ["Alice", "secret plan", "her home", "83412", "90210", "salary", "a spy", "Bond", "dismissed"]
      ) {
        assert.notInclude(written, shown)
      }
    }

    it.effect("holds no key, text or number of its input and its schema, and is replayed", () =>
      inFolder((path) =>
        Effect.gen(function*() {
          const program = loop(Messages.create)
          yield* Effect.provide(
            program,
            FilesTest.layerClient().pipe(Layer.provide(Recorder.layerRecord(path)), Layer.provide(mock))
          )
          isHidden(yield* read(path))
          const replayed = yield* Effect.provide(program, replaying(path))
          assert.deepInclude(replayed, { event: "Alice Smith is dismissed" }, "what the schema names is revealed")
          assert(Predicate.isObject(replayed) && Predicate.isNumber(replayed["salary"]))
          assert.notDeepEqual(replayed, input)
        })
      ))

    it.effect("holds none of a streamed input either, and is replayed", () =>
      inFolder((path) =>
        Effect.gen(function*() {
          const program = loop((request) => Messages.collect(Messages.stream(request)))
          const answers = Emulator.layer({
            apiKeys: { [key]: ["wrkspc_canary01"] },
            rules: [{ answer: { tool_use: { name: "note", input } } }]
          })
          yield* Effect.provide(
            program,
            FilesTest.layerClient(credentials).pipe(Layer.provide(Recorder.layerRecord(path)), Layer.provide(answers))
          )
          isHidden(yield* read(path))
          const replayed = yield* Effect.provide(program, replaying(path))
          assert.deepInclude(replayed, { event: "Alice Smith is dismissed" })
        })
      ))

    it.effect("has all of it on demand", () =>
      inFolder((path) =>
        Effect.gen(function*() {
          const program = loop(Messages.create)
          const recorder = Recorder.layerRecord(path, { redactIds: false, redactBodies: false })
          yield* Effect.provide(
            program,
            FilesTest.layerClient().pipe(Layer.provide(recorder), Layer.provide(mock))
          )
          assert.deepStrictEqual(yield* Effect.provide(program, replaying(path)), input)
        })
      ))
  })

  it.effect("holds nothing of a file that is JSON", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        const content = HttpMock.raw(200, `{"Alice":83412,"role":"spy"}`, { "content-type": "application/json" })
        yield* Effect.provide(
          text(FileMetadata.FileId.make("file_1")),
          FilesTest.layerClient().pipe(
            Layer.provide(Recorder.layerRecord(path)),
            Layer.provide(HttpMock.layer(HttpMock.expect("GET /v1/files/file_1/content", content)))
          )
        )
        assert.deepStrictEqual((yield* readRecording(path)).exchanges[0]?.response?.body, { size: 28 })
      })
    ))

  it.effect("holds no short name in the message of an error, and no part of a longer word is taken for one", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        const program = expectFailure(Files.upload(FileSource.text("x", "a.md")), "RequestFailed", "InvalidRequest")
        const said = HttpMock.error.invalidRequest({ message: "a.md is no a.mdx file" })
        yield* Effect.provide(
          program,
          FilesTest.layerClient().pipe(
            Layer.provide(Recorder.layerRecord(path)),
            Layer.provide(HttpMock.layer(HttpMock.expect("POST /v1/files", said)))
          )
        )
        const written = yield* read(path)
        assert.include(written, `"filename_redacted_1.md is no a.mdx file"`)
        const replayed = yield* Effect.provide(program, replaying(path))
        assert.include(replayed.message, "a.md is no a.mdx file")
      })
    ))

  it.effect("records a body that is not read completely as ending there", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        const program = (id: FileMetadata.FileId) =>
          Effect.map(Stream.runCollect(Stream.take(Files.download(id), 1)), (chunks) => chunks[0]?.length)
        const drops = Faults.layer(Fault.drip({ bytes: 100, every: 0 }))
        const seeded = Effect.gen(function*() {
          const { id } = yield* (yield* Emulator.Emulator).seed({
            filename: "a.bin",
            content: new Uint8Array(600),
            downloadable: true,
            workspace: "wrkspc_canary01"
          })
          return FileMetadata.FileId.make(id)
        })
        const id = yield* Effect.provide(Effect.tap(seeded, program), recording(path, {}, drops))
        assert.isUndefined((yield* readRecording(path)).exchanges[0]?.response?.broken)
        assert.strictEqual(yield* Effect.provide(program(id), replaying(path)), 100)
      })
    ))

  it.effect("records an interrupted body as broken", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        const program = Effect.exit(Effect.timeout(Files.listPage(), "5 seconds"))
        const stall = Faults.layer(Fault.stall({ at: "response", after: 10 }))
        yield* FilesTest.fastForward(Effect.provide(program, recording(path, {}, stall)))
        const [exchange] = (yield* readRecording(path)).exchanges
        assert.deepStrictEqual(exchange?.response?.body, { size: 10 })
        assert.isTrue(exchange?.response?.broken)
      })
    ))

  it.effect("records a source that can be read only once", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        const once = FileSource.stream(Stream.succeed(new TextEncoder().encode("once")), {
          filename: "a.txt"
        })
        yield* Effect.provide(Files.upload(once), recording(path))
        assert.strictEqual((yield* readRecording(path)).exchanges.length, 1)
      })
    ))
})

describe("a secret", () => {
  const refused = (exit: Exit.Exit<unknown, unknown>) => {
    const defect = defectOf(exit)
    assert.instanceOf(defect, Recorder.RecorderFailed)
    assert.strictEqual(defect.reason, "Secret")
    assert.notInclude(defect.message, "canary")
    assert.notInclude(defect.message, "sk-ant")
  }

  const echo = (message: string) =>
    Faults.layer(
      Fault.overloaded({ times: 0 }),
      Fault.answer({ status: 400, type: "invalid_request_error", message })
    )

  const cases: ReadonlyArray<readonly [name: string, said: string]> = [
    ["the key itself", `no such key: ${key}`],
    ["another key of the service", "use sk-ant-api03-abcdefghijk instead"],
    ["a private key", "-----BEGIN RSA PRIVATE KEY----- MIIE"],
    ["a cloud provider's key", "AKIAIOSFODNN7EXAMPLE is in your file"]
  ]
  for (const [name, said] of cases) {
    it.effect(`${name} in an answer: nothing is written`, () =>
      inFolder((path) =>
        Effect.gen(function*() {
          const program = Effect.flip(Files.listPage())
          refused(yield* Effect.exit(Effect.provide(program, recording(path, {}, echo(said)))))
          const fs = yield* FileSystem.FileSystem
          assert.isFalse(yield* fs.exists(path))
        })
      ))
  }

  it.effect("a word that only resembles a key is not one", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        yield* Effect.provide(Effect.flip(Files.listPage()), recording(path, {}, echo("sk-ant is how keys begin")))
        assert.strictEqual((yield* readRecording(path)).exchanges.length, 1)
      })
    ))

  it.effect("in a file whose content would be recorded: nothing is sent", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        const program = Effect.gen(function*() {
          const error = yield* expectFailure(
            Files.upload(FileSource.text(`ANTHROPIC_API_KEY=${key}`, "env.txt")),
            "RequestFailed",
            "InvalidRequest"
          )
          assert.include(error.message, "looks like a key")
          assert.deepStrictEqual(yield* (yield* Emulator.Emulator).files, [])
        })
        refused(yield* Effect.exit(Effect.provide(program, recording(path, { redactBodies: false }))))
      })
    ))

  it.effect("in a binary file too", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        const bytes = new Uint8Array([0xff, 0x00, ...new TextEncoder().encode(key), 0xfe])
        const program = Effect.ignore(Files.upload(FileSource.bytes(bytes, "a.bin")))
        refused(yield* Effect.exit(Effect.provide(program, recording(path, { redactBodies: false }))))
      })
    ))

  it.effect("in a file whose content is redacted is allowed", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        yield* Effect.provide(
          Files.upload(FileSource.text(`ANTHROPIC_API_KEY=${key}`, `${key}.txt`)),
          recording(path)
        )
        assert.notInclude(yield* read(path), key)
      })
    ))

  it.effect("in a custom header is left out", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        const client = FilesTest.layerClient({ ...credentials, headers: { "x-gateway": "canary-of-the-gateway" } })
        yield* Effect.provide(
          Files.listPage(),
          client.pipe(Layer.provide(Recorder.layerRecord(path)), Layer.provide(emulator))
        )
        assert.notInclude(yield* read(path), "canary")
      })
    ))

  it.effect("keeps an earlier recording, and the program's own failure comes first", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        yield* Effect.provide(Files.listPage(), recording(path))
        const before = yield* read(path)
        const exit = yield* Effect.exit(
          Effect.provide(Files.listPage(), recording(path, {}, echo(`no such key: ${key}`)))
        )
        assert.isTrue(Exit.isFailure(exit))
        assert.isUndefined(defectOf(exit))
        assert.strictEqual(yield* read(path), before)
      })
    ))
})

describe("a replay", () => {
  const two = Effect.gen(function*() {
    const a = yield* Files.upload(FileSource.text("a", "a.txt"))
    const b = yield* Files.upload(FileSource.text("bb", "b.pdf"))
    return [a, b] as const
  })

  const recorded = <A, E, R>(test: (path: string) => Effect.Effect<A, E, R | FileSystem.FileSystem>) =>
    inFolder((path) => Effect.andThen(Effect.provide(two, recording(path)), test(path)))

  it.effect("in strict order refuses a request that does not match, with the difference", () =>
    recorded((path) =>
      Effect.gen(function*() {
        const program = Files.upload(FileSource.text("bb", "b.pdf"))
        const error = yield* expectFailure(
          Effect.provide(
            program,
            FilesTest.layerClient().pipe(
              Layer.provide(Policy.standard()),
              Layer.provide(Recorder.layerReplay(path))
            )
          ),
          "RequestFailed",
          "InvalidRequest"
        )
        assert.instanceOf(error.cause, Recorder.RecorderFailed)
        assert.include(error.message, "POST /v1/files does not match the recording")
        assert.match(error.message, /\n- +"contentType": "text\/plain",\n/)
        assert.match(error.message, /\n\+ +"contentType": "application\/pdf",\n/)
        assert.match(error.message, /\n- +"size": 1\n/)
      })
    ))

  it.effect("in strict order dies if a recorded request was not sent", () =>
    recorded((path) =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(
          Effect.provide(Files.upload(FileSource.text("a", "a.txt")), replaying(path))
        )
        const defect = defectOf(exit)
        assert.instanceOf(defect, Recorder.RecorderFailed)
        assert.strictEqual(defect.reason, "Unused")
        assert.match(defect.message, /requests that were not sent:\n {2}POST \/v1\/files$/)
      })
    ))

  it.effect("in any order matches, and some may be left over", () =>
    recorded((path) =>
      Effect.gen(function*() {
        const file = yield* Effect.provide(
          Files.upload(FileSource.text("bb", "b.pdf")),
          replaying(path, { order: "any" })
        )
        assert.strictEqual(file.size_bytes, 2)
        assert.strictEqual(file.filename, "b.pdf")
      })
    ))

  it.effect("gives each answer once", () =>
    recorded((path) =>
      Effect.gen(function*() {
        const again = Effect.andThen(two, Files.upload(FileSource.text("a", "a.txt")))
        const error = yield* Effect.flip(
          Effect.provide(again, replaying(path, { order: "any" }))
        )
        assert.include(error.message, "was answered already")
      })
    ))

  it.effect("distinguishes two ids that it gave out itself", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        const look = (order: (ids: ReadonlyArray<FileMetadata.FileId>) => ReadonlyArray<FileMetadata.FileId>) =>
          Effect.gen(function*() {
            const files = yield* two
            return yield* Effect.forEach(order(files.map((file) => file.id)), (id) => Files.metadata(id))
          })
        yield* Effect.provide(look((ids) => ids), recording(path))
        const same = yield* Effect.provide(look((ids) => ids), replaying(path))
        assert.deepStrictEqual(same.map((file) => file.filename), ["a.txt", "b.pdf"])
        const error = yield* Effect.flip(Effect.provide(look((ids) => ids.toReversed()), replaying(path)))
        assert.include(error.message, "-   \"path\": \"/v1/files/file_redacted_1\"")
      })
    ))

  it.effect("of a missing recording fails", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const missing = yield* Effect.flip(Layer.build(Recorder.layerReplay(path)))
        assert.strictEqual(missing.reason, "Unreadable")
        assert.include(missing.message, "recording.json")
        yield* fs.makeDirectory(path.replace(/\/[^/]*$/, ""))
        yield* fs.writeFileString(path, "{\"version\":2}")
        assert.strictEqual((yield* Effect.flip(Layer.build(Recorder.layerReplay(path)))).reason, "Unreadable")
      })
    ))

  /** How far from now the file of a listing was made and expires, and how long a refusal asks to wait; in seconds. */
  const distances = Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    const { data: [file] } = yield* Files.listPage()
    const limited = yield* expectFailure(Files.listPage(), "RateLimited")
    const from = (time: DateTime.Utc | null | undefined) => Math.round(((time?.epochMilliseconds ?? NaN) - now) / 1000)
    const wait = limited.retryAfter === undefined ? NaN : Math.round(Duration.toSeconds(limited.retryAfter))
    return [from(file?.created_at), from(file?.expires_at), wait]
  })

  it.live("of an old recording, under the real clock, has times as far from now as they were", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const file = {
          id: "file_1",
          type: "file",
          filename: "a.txt",
          mime_type: "text/plain",
          size_bytes: 1,
          created_at: "2020-01-01T00:00:00.123456Z",
          expires_at: "2020-01-01T02:00:00Z",
          downloadable: false
        }
        const request = { method: "GET", path: "/v1/files", query: {}, headers: {} }
        const listed = {
          status: 200,
          headers: { "content-type": "application/json" },
          body: { json: { data: [file] } }
        }
        const limited = { status: 429, headers: { "retry-after": "Wed, 01 Jan 2020 01:00:30 GMT" } }
        const exchanges = [listed, limited].map((response) => ({ request, response }))
        yield* fs.makeDirectory(path.replace(/\/[^/]*$/, ""), { recursive: true })
        yield* fs.writeFileString(path, JSON.stringify({ version: 1, recordedAt: "2020-01-01T01:00:00Z", exchanges }))
        const [made = 0, expires = 0, wait = 0] = yield* Effect.provide(distances, replaying(path))
        assert.closeTo(made, -3600, 10)
        assert.closeTo(expires, 3600, 10)
        assert.closeTo(wait, 30, 10)
      })
    ))

  it.effect("of a recording from another day keeps the distances in time", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        yield* TestClock.setTime(Date.UTC(2020, 0, 1))
        const page = HttpMock.page([{ expires_at: DateTime.makeUnsafe(Date.UTC(2020, 0, 1, 2)) }])
        const limited = HttpMock.error.rateLimited({ headers: { "retry-after": "Wed, 01 Jan 2020 00:00:30 GMT" } })
        const service = HttpMock.layer(HttpMock.expect("GET /v1/files", page, limited))
        const either = (mode?: "record" | "replay" | "auto") =>
          FilesTest.layerClient().pipe(
            Layer.provide(Recorder.layer(path, { mode })),
            Layer.provide(mode === "replay" ? HttpMock.layer() : service)
          )
        const recorded = yield* Effect.provide(distances, either("auto"))
        assert.deepStrictEqual(recorded, [0, 7200, 30])
        yield* TestClock.adjust("400 days")
        assert.deepStrictEqual(yield* Effect.provide(distances, either("replay")), recorded)
      })
    ))

  it.effect("is chosen once there is a recording, unless the mode is record", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        const list = Effect.map(Files.listPage(), (page) => page.data.length)
        const either = (mode: "record" | "replay" | "auto" | undefined, files: number) =>
          FilesTest.layerClient().pipe(
            Layer.provide(Recorder.layer(path, { mode })),
            Layer.provide(
              HttpMock.layer(HttpMock.stub("GET /v1/files", HttpMock.page(Array.from({ length: files }, () => ({})))))
            )
          )
        assert.strictEqual(yield* Effect.provide(list, either(undefined, 1)), 1)
        assert.strictEqual(yield* Effect.provide(list, either(undefined, 2)), 1)
        assert.strictEqual(yield* Effect.provide(list, either("record", 3)), 3)
        assert.strictEqual(yield* Effect.provide(list, either("replay", 4)), 3)
        const error = yield* Effect.flip(Effect.scoped(Layer.build(
          Recorder.layer(`${path}.nowhere`, { mode: "replay" }).pipe(Layer.provide(HttpMock.layer()))
        )))
        assert.strictEqual(error.reason, "Unreadable")
      })
    ))

  it.effect("replays a recorded mock", () =>
    inFolder((path) =>
      Effect.gen(function*() {
        const program = Messages.create({ model: "m", max_tokens: 9, messages: [{ role: "user", content: "hi" }] })
        const mock = HttpMock.layer(HttpMock.expect("POST /v1/messages", HttpMock.message("hello")))
        yield* Effect.provide(
          program,
          FilesTest.layerClient().pipe(
            Layer.provide(Recorder.layerRecord(path, { redactBodies: false })),
            Layer.provide(mock)
          )
        )
        assert.strictEqual(Messages.text(yield* Effect.provide(program, replaying(path))), "hello")
      })
    ))
})
