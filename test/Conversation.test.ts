import { assert, describe, it } from "@effect/vitest"
import { DateTime, Deferred, Duration, Effect, Exit, Fiber, Layer, Logger, Redacted, Scope, Stream } from "effect"
import { FileMetadata, Files, FileSource } from "effect-anthropic-files"
import * as Conversation from "effect-anthropic-files/Conversation"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Messages from "effect-anthropic-files/Messages"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { clients } from "./support/emulated.ts"

const params: Messages.Params = { model: "claude-sonnet-5-5", max_tokens: 64 }

/** The messages that were sent, and an effect that runs before each one. */
const watched = (gate: (question: string) => Effect.Effect<void> = () => Effect.void) => {
  const sent: Array<Messages.Request> = []
  const client = Layer.effect(
    HttpClient.HttpClient,
    Effect.map(
      HttpClient.HttpClient,
      (client) =>
        HttpClient.transform(client, (answer, request) =>
          Effect.gen(function*() {
            if (!request.url.endsWith("/v1/messages")) return yield* answer
            assert(request.body._tag === "Uint8Array")
            const body = JSON.parse(new TextDecoder().decode(request.body.body)) as Messages.Request
            sent.push(body)
            const turn = body.messages.at(-1)?.content
            const question = Array.isArray(turn) ? turn.at(-1) : undefined
            yield* gate(String(question?.text))
            return yield* answer
          }))
    )
  )
  const layer = clients.pipe(Layer.provide(client), Layer.provideMerge(Emulator.layer()))
  return { sent, layer }
}

const contract = FileSource.text("The contract ends in May. The fee is ten. Ann signs.", "contract.txt")

const methods = Effect.gen(function*() {
  const emulator = yield* Emulator.Emulator
  return (yield* emulator.requests).map(({ method, url }) => `${method} ${url.replace(/file_\w+/, "ID")}`)
})

describe("Conversation", () => {
  it.effect("uploads once, asks with the file cached, deletes at the end", () => {
    const { layer, sent } = watched()
    return Effect.gen(function*() {
      const answers = yield* Effect.scoped(Effect.gen(function*() {
        const about = yield* Conversation.about(contract, params, { citations: true, deleteAtEnd: true })
        return yield* Stream.runCollect(about.askAll(["When does it end?", "What is the fee?", "Who signs?"]))
      }))
      assert.deepStrictEqual(answers.map(({ citations, question }) => [question, citations[0]?.cited_text]), [
        ["When does it end?", "The contract ends in May."],
        ["What is the fee?", "The contract ends in May."],
        ["Who signs?", "Ann signs."]
      ])
      assert.deepStrictEqual(yield* methods, [
        "POST /v1/files",
        "POST /v1/messages",
        "POST /v1/messages",
        "POST /v1/messages",
        "DELETE /v1/files/ID"
      ])
      for (const { messages } of sent) {
        assert.deepInclude(messages[0]?.content[0], { type: "document", cache_control: { type: "ephemeral" } })
        assert.strictEqual(messages.length, 1)
      }
      const heads = sent.map(({ messages }) => JSON.stringify(messages[0]?.content[0]))
      assert.strictEqual(new Set(heads).size, 1)
      const emulator = yield* Emulator.Emulator
      assert.deepStrictEqual(yield* emulator.files, [])
    }).pipe(Effect.provide(layer))
  })

  it.effect("keeps the file unless deleteAtEnd is set, and accepts a file that is already uploaded", () => {
    const { layer } = watched()
    return Effect.gen(function*() {
      const file = yield* Files.upload(contract)
      const answer = yield* Effect.scoped(
        Effect.flatMap(Conversation.about(file, params), (about) => about.ask("Who signs?"))
      )
      assert.deepStrictEqual(answer.citations, [])
      assert.include(answer.text, "Who signs?")
      yield* Effect.scoped(Conversation.about(contract, params, { upload: { filename: "copy.txt" } }))
      const emulator = yield* Emulator.Emulator
      assert.deepStrictEqual((yield* emulator.files).map(({ filename }) => filename), ["copy.txt", "contract.txt"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("a question can continue from an answer", () => {
    const { layer, sent } = watched()
    return Effect.scoped(Effect.gen(function*() {
      const about = yield* Conversation.about(contract, params)
      const first = yield* about.ask("Who signs?")
      yield* about.ask("And when?", { after: first })
      yield* about.ask("Something else?")
      assert.deepStrictEqual(sent.map(({ messages }) => messages.map(({ role }) => role)), [
        ["user"],
        ["user", "assistant", "user"],
        ["user"]
      ])
      assert.deepStrictEqual(sent[1]?.messages[1]?.content as unknown, first.message.content)
    })).pipe(Effect.provide(layer))
  })

  it.effect("asks the first question alone and the rest in parallel", () =>
    Effect.gen(function*() {
      const started: Array<string> = []
      const gates = new Map<string, Deferred.Deferred<void>>()
      const all = yield* Deferred.make<void>()
      for (const question of ["1", "2", "3"]) gates.set(question, yield* Deferred.make<void>())
      const first = yield* Deferred.make<void>()
      const { layer } = watched((question) =>
        Effect.suspend(() => {
          started.push(question)
          const signal = started.length === 1 ? first : started.length === 3 ? all : undefined
          const gate = gates.get(question)
          return Effect.andThen(
            signal === undefined ? Effect.void : Deferred.succeed(signal, undefined),
            gate === undefined ? Effect.void : Deferred.await(gate)
          )
        })
      )
      const open = (question: string) => {
        const gate = gates.get(question)
        return gate === undefined ? Effect.void : Effect.asVoid(Deferred.succeed(gate, undefined))
      }
      yield* Effect.scoped(Effect.gen(function*() {
        const about = yield* Conversation.about(contract, params)
        const fiber = yield* Effect.forkChild(
          Stream.runCollect(about.askAll(["1", "2", "3"], { concurrency: 2 }))
        )
        yield* Deferred.await(first)
        for (let i = 0; i < 20; i++) yield* Effect.yieldNow
        assert.deepStrictEqual(started, ["1"])
        yield* open("1")
        yield* Deferred.await(all)
        yield* open("3")
        yield* open("2")
        const answers = yield* Fiber.join(fiber)
        assert.deepStrictEqual(answers.map(({ question }) => question), ["1", "2", "3"])
      })).pipe(Effect.provide(layer))
    }))

  it.effect("deletes the file when a question fails, and ignores that it is already gone", () => {
    const { layer } = watched()
    const warnings: Array<string> = []
    const logger = Logger.make(({ message }) => {
      warnings.push(String(message))
    })
    return Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const failed = yield* Effect.exit(Effect.scoped(Effect.gen(function*() {
        const about = yield* Conversation.about(contract, { ...params, max_tokens: 0 }, { deleteAtEnd: true })
        return yield* about.ask("Why?")
      })))
      assert.isTrue(Exit.isFailure(failed))
      assert.deepStrictEqual(yield* emulator.files, [])
      assert.deepStrictEqual(warnings, [])

      const scope = yield* Scope.make()
      const about = yield* Scope.provide(Conversation.about(contract, params, { deleteAtEnd: true }), scope)
      yield* Files.delete(about.file.id)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(warnings, [])
    }).pipe(Effect.provide([layer, Logger.layer([logger])]))
  })

  it.effect("refuses an expired file before anything is sent", () => {
    const { layer } = watched()
    return Effect.gen(function*() {
      const file = yield* Files.upload(contract)
      const expired = { ...file, expires_at: DateTime.makeUnsafe(0) }
      const error = yield* Effect.flip(Effect.scoped(Conversation.about(expired, params)))
      assert.strictEqual(error._tag, "FileExpired")
    }).pipe(Effect.provide(layer))
  })

  it.effect("takes a single text as one question, not as one for each letter", () => {
    const { layer, sent } = watched()
    return Effect.scoped(Effect.gen(function*() {
      const about = yield* Conversation.about(contract, params)
      const answers = yield* Stream.runCollect(about.askAll("When does it end?"))
      assert.deepStrictEqual(answers.map(({ question }) => question), ["When does it end?"])
      assert.strictEqual(sent.length, 1)
    })).pipe(Effect.provide(layer))
  })

  it.effect("sends nothing without a question, and refuses an empty question before it is sent", () => {
    const { layer, sent } = watched()
    return Effect.scoped(Effect.gen(function*() {
      const about = yield* Conversation.about(contract, params)
      assert.deepStrictEqual(yield* Stream.runCollect(about.askAll([])), [])
      for (const asked of [about.ask(" "), Stream.runDrain(about.askAll(["", "Why?"]))]) {
        const error = yield* Effect.flip<unknown, { readonly message: string }, never>(asked)
        assert.include(error.message, "question is empty")
      }
      for (const concurrency of [0, -1, 1.5, NaN]) {
        const error = yield* Effect.flip(Stream.runDrain(about.askAll(["Why?"], { concurrency })))
        assert.include(error.message, "concurrency")
      }
      assert.deepStrictEqual(sent, [])
    })).pipe(Effect.provide(layer))
  })

  it.effect.each([undefined, null, "contract.txt", "file_1", { id: "file_1" }])(
    "%j in place of a file is refused before anything is sent",
    (given) => {
      const { layer, sent } = answering([])
      return Effect.gen(function*() {
        const error = yield* Effect.flip(Effect.scoped(Conversation.about(given as never, params)))
        assert.include(error.message, "FileSource.path")
        assert.deepStrictEqual(sent, [])
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("options that are null count as none", () => {
    const { layer, sent } = watched()
    const none = null as never
    return Effect.scoped(Effect.gen(function*() {
      const about = yield* Conversation.about(contract, params, none)
      yield* about.ask("Who signs?", none)
      yield* Stream.runDrain(about.askAll(["Who signs?"], none))
      assert.strictEqual(sent.length, 2)
    })).pipe(Effect.provide(layer))
  })
})

type Json = Readonly<Record<string, unknown>>

const message = (more: Json): Json => ({
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-sonnet-5-5",
  content: [{ type: "text", text: "Yes." }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: { input_tokens: 10, output_tokens: 2 },
  ...more
})

const stored: FileMetadata.FileMetadata = {
  id: FileMetadata.FileId.make("file_1"),
  type: "file",
  filename: "contract.txt",
  mime_type: "text/plain",
  size_bytes: 10,
  created_at: DateTime.makeUnsafe(0),
  downloadable: false,
  expires_at: null,
  scope: null
}

const apiKey = Redacted.make("sk-ant-test-0123456789")

/** The services over scripted answers to messages, used in order; files are stored and deleted as requested. */
const answering = (answers: ReadonlyArray<Json>, onDelete: Effect.Effect<void> = Effect.void) => {
  const sent: Array<Messages.Request> = []
  const deleted: Array<string> = []
  const { client } = HttpMock.answering(({ json, method, path }) =>
    Effect.gen(function*() {
      if (method === "DELETE") {
        yield* onDelete
        deleted.push(path)
        return Response.json({ id: stored.id, type: "file_deleted" })
      }
      if (path === "/v1/files") {
        const csv = { filename: "data.csv", mime_type: "text/csv", size_bytes: 3, created_at: "2026-11-25T10:00:00Z" }
        return Response.json({ id: stored.id, type: "file", ...csv })
      }
      sent.push(json as Messages.Request)
      const answer = answers[sent.length - 1]
      return answer?.["type"] === "error" ? Response.json(answer, { status: 400 }) : Response.json(answer)
    })
  )
  const layer = Layer.mergeAll(Files.layer({ apiKey }), Messages.layer({ apiKey })).pipe(
    Layer.provide(Layer.succeed(HttpClient.HttpClient, client))
  )
  return { sent, deleted, layer }
}

const tools = [{ type: "code_execution_20250825", name: "code_execution" }]

const rolesOf = (request: Messages.Request | undefined) => request?.messages.map(({ role }) => role)

const textsOf = (turn: Messages.MessageParam | undefined) =>
  typeof turn?.content === "string"
    ? turn.content
    : turn?.content.map((block) => block.type === "text" ? block.text : block.type)

describe("Conversation: follow-up questions", () => {
  it.effect.each(
    [
      ["an empty answer", { content: [] }, ["document", "One?", "Two?"]],
      ["an empty text", { content: [{ type: "text", text: "" }] }, ["document", "One?", "Two?"]],
      ["a blank text", { content: [{ type: "text", text: " \n" }] }, ["document", "One?", "Two?"]],
      ["a refusal without words", { content: [], stop_reason: "refusal" }, ["document", "Two?"]],
      [
        "a refusal with words",
        { content: [{ type: "text", text: "I can't" }], stop_reason: "refusal" },
        ["document", "Two?"]
      ]
    ] as const
  )("%s leaves one turn of the user's, which the service takes", ([, first, texts]) => {
    const { layer, sent } = answering([message(first), message({})])
    return Effect.scoped(Effect.gen(function*() {
      const about = yield* Conversation.about(stored, params)
      const one = yield* about.ask("One?")
      yield* about.ask("Two?", { after: one })
      assert.deepStrictEqual(rolesOf(sent[1]), ["user"])
      assert.deepStrictEqual(textsOf(sent[1]?.messages[0]), Array.from(texts))
    })).pipe(Effect.provide(layer))
  })

  it.effect("a refused question is left out of the turns, and nothing before it is", () => {
    const { layer, sent } = answering([message({}), message({ content: [], stop_reason: "refusal" }), message({})])
    return Effect.scoped(Effect.gen(function*() {
      const about = yield* Conversation.about(stored, params)
      const one = yield* about.ask("One?")
      const two = yield* about.ask("Two?", { after: one })
      yield* about.ask("Three?", { after: two })
      assert.deepStrictEqual(rolesOf(sent[2]), ["user", "assistant", "user"])
      assert.deepStrictEqual(sent[2]?.messages.map(textsOf), [["document", "One?"], ["Yes."], ["Three?"]])
    })).pipe(Effect.provide(layer))
  })

  it.effect("blank texts are left out of the turns", () => {
    const content = [{ type: "text", text: "" }, { type: "thinking", thinking: "", signature: "s" }, {
      type: "text",
      text: "Yes."
    }]
    const { layer, sent } = answering([message({ content }), message({})])
    return Effect.scoped(Effect.gen(function*() {
      const about = yield* Conversation.about(stored, params)
      const one = yield* about.ask("One?")
      yield* about.ask("Two?", { after: one })
      assert.deepStrictEqual(textsOf(sent[1]?.messages[1]), ["thinking", "Yes."])
    })).pipe(Effect.provide(layer))
  })

  it.effect("an answer that waits for one of the caller's tools can't be continued with a question", () => {
    const content = [{ type: "tool_use", id: "toolu_1", name: "look_up", input: {} }]
    const { layer, sent } = answering([message({ content, stop_reason: "tool_use" })])
    return Effect.scoped(Effect.gen(function*() {
      const about = yield* Conversation.about(stored, { ...params, tools: [{ name: "look_up", input_schema: {} }] })
      const one = yield* about.ask("One?")
      const error = yield* Effect.flip(about.ask("Two?", { after: one }))
      assert.include(error.message, "look_up")
      assert.strictEqual(sent.length, 1)
    })).pipe(Effect.provide(layer))
  })
})

describe("Conversation: containers and paused answers", () => {
  const container = (id: string, expires_at = "2027-01-01T00:00:00Z") => ({ id, expires_at })

  it.effect("a follow-up runs in the container of the earlier answers", () => {
    const { layer, sent } = answering([
      message({ container: container("container_1") }),
      message({}),
      message({}),
      message({})
    ])
    return Effect.scoped(Effect.gen(function*() {
      const about = yield* Conversation.about(stored, { ...params, tools })
      const one = yield* about.ask("One?")
      const two = yield* about.ask("Two?", { after: one })
      yield* about.ask("Three?", { after: two })
      yield* about.ask("Something else?")
      assert.deepStrictEqual(
        sent.map(({ container }) => container),
        [undefined, "container_1", "container_1", undefined]
      )
    })).pipe(Effect.provide(layer))
  })

  it.effect("skills are kept beside the container's id", () => {
    const { layer, sent } = answering([message({ container: container("container_1") }), message({})])
    const skills = [{ type: "anthropic", skill_id: "pdf", version: "latest" }]
    return Effect.scoped(Effect.gen(function*() {
      const about = yield* Conversation.about(stored, { ...params, tools, container: { skills } })
      const one = yield* about.ask("One?")
      yield* about.ask("Two?", { after: one })
      assert.deepStrictEqual(sent.map(({ container }) => container), [{ skills }, { skills, id: "container_1" }])
    })).pipe(Effect.provide(layer))
  })

  it.effect("an expired container is not requested again", () => {
    const { layer, sent } = answering([
      message({ container: container("container_1", "1970-01-01T00:01:00Z") }),
      message({})
    ])
    return Effect.scoped(Effect.gen(function*() {
      const about = yield* Conversation.about(stored, { ...params, tools })
      const one = yield* about.ask("One?")
      yield* TestClock.adjust("1 minute")
      yield* about.ask("Two?", { after: one })
      assert.isUndefined(sent[1]?.container)
    })).pipe(Effect.provide(layer))
  })

  it.effect("a paused answer is continued in its container, and returned as one", () => {
    const call = { type: "server_tool_use", id: "srvtoolu_1", name: "code_execution", input: {} }
    const output = {
      type: "code_execution_tool_result",
      tool_use_id: "srvtoolu_1",
      content: {
        type: "code_execution_result",
        stdout: "",
        stderr: "",
        return_code: 0,
        content: [{ type: "code_execution_output", file_id: "file_made" }]
      }
    }
    const { layer, sent } = answering([
      message({
        content: [{ type: "text", text: "So far. " }, call],
        stop_reason: "pause_turn",
        container: container("container_1")
      }),
      message({ content: [output], stop_reason: "pause_turn" }),
      message({ content: [{ type: "text", text: "Done." }], usage: { input_tokens: 1, output_tokens: null } }),
      message({})
    ])
    return Effect.scoped(Effect.gen(function*() {
      const about = yield* Conversation.about(stored, { ...params, tools })
      const answer = yield* about.ask("One?")
      assert.strictEqual(answer.text, "So far. Done.")
      assert.strictEqual(answer.message.stop_reason, "end_turn")
      assert.deepStrictEqual(Messages.outputs(answer.message) as ReadonlyArray<string>, ["file_made"])
      assert.strictEqual(answer.message.usage.input_tokens, 21)
      assert.strictEqual(answer.message.usage.output_tokens, 4)
      assert.deepStrictEqual(sent.map(rolesOf), [["user"], ["user", "assistant"], ["user", "assistant"]])
      assert.deepStrictEqual(sent.map(({ container }) => container), [undefined, "container_1", "container_1"])
      assert.deepStrictEqual(textsOf(sent[2]?.messages[1]), [
        "So far. ",
        "server_tool_use",
        "code_execution_tool_result"
      ])
      yield* about.ask("Two?", { after: answer })
      assert.deepStrictEqual(rolesOf(sent[3]), ["user", "assistant", "user"])
    })).pipe(Effect.provide(layer))
  })

  it.effect("P4: an answer that is paused endlessly fails", () => {
    const { layer, sent } = answering(Array.from({ length: 100 }, () => message({ stop_reason: "pause_turn" })))
    return Effect.scoped(Effect.gen(function*() {
      const about = yield* Conversation.about(stored, params)
      const error = yield* Effect.flip(about.ask("One?"))
      assert.include(error.message, "paused the answer more than 20 times")
      assert.strictEqual(sent.length, 21)
    })).pipe(Effect.provide(layer))
  })
})

describe("Conversation: many questions", () => {
  it.effect.each([1, 2, "unbounded"] as const)(
    "gives the answers before a failure, with a concurrency of %s",
    (concurrency) => {
      const envelope = { type: "error", error: { type: "invalid_request_error", message: "No." } }
      const { layer } = answering([message({}), message({}), envelope, message({})])
      return Effect.scoped(Effect.gen(function*() {
        const about = yield* Conversation.about(stored, params)
        const seen: Array<string> = []
        const error = yield* about.askAll(["1", "2", "3", "4"], { concurrency }).pipe(
          Stream.runForEach(({ question }) => Effect.sync(() => seen.push(question))),
          Effect.flip
        )
        assert.deepStrictEqual(seen, ["1", "2"])
        assert.include(error.message, "No.")
      })).pipe(Effect.provide(layer))
    }
  )

  it.effect("a stream of an iterator's questions can be run twice", () => {
    const { layer, sent } = answering(Array.from({ length: 4 }, () => message({})))
    return Effect.scoped(Effect.gen(function*() {
      const about = yield* Conversation.about(stored, params)
      const answers = about.askAll(new Set(["1", "2"]).values())
      yield* Stream.runDrain(answers)
      yield* Stream.runDrain(answers)
      assert.strictEqual(sent.length, 4)
    })).pipe(Effect.provide(layer))
  })

  it.effect("each request has the options of its call", () => {
    const headers: Array<string | undefined> = []
    const { client } = HttpMock.answering((received) => {
      headers.push(received.headers["anthropic-user-profile-id"])
      return Response.json(message({}))
    })
    const layer = Layer.mergeAll(Files.layer({ apiKey }), Messages.layer({ apiKey })).pipe(
      Layer.provide(Layer.succeed(HttpClient.HttpClient, client))
    )
    return Effect.scoped(Effect.gen(function*() {
      const about = yield* Conversation.about(stored, params)
      yield* about.ask("1", { userProfileId: "uprof_1" })
      yield* Stream.runDrain(about.askAll(["1", "2"], { userProfileId: "uprof_2" }))
      assert.deepStrictEqual(headers, ["uprof_1", "uprof_2", "uprof_2"])
    })).pipe(Effect.provide(layer))
  })
})

describe("Conversation: files that only the code execution tool can read", () => {
  const csv = FileSource.text("a,b", "data.csv")

  it.effect("fail without the tool, name both remedies, and are deleted again", () => {
    const { deleted, layer, sent } = answering([])
    return Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.scoped(Conversation.about(csv, params)))
      assert.strictEqual(error._tag === "InvalidFileType" && error.mimeType, "text/csv")
      assert.include(error.message, "data.csv (file_1) is text/csv")
      assert.include(error.message, "upload it as text/plain")
      assert.include(error.message, "code_execution_20250825")
      yield* Effect.flip(Effect.scoped(Conversation.about(csv, params, { deleteAtEnd: true })))
      assert.deepStrictEqual(deleted, ["/v1/files/file_1", "/v1/files/file_1"])
      assert.deepStrictEqual(sent, [])
    }).pipe(Effect.provide(layer))
  })

  it.effect("are kept if they had been uploaded before", () => {
    const { deleted, layer } = answering([])
    const file = { ...stored, mime_type: "text/csv" }
    return Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.scoped(Conversation.about(file, params)))
      assert.strictEqual(error._tag, "InvalidFileType")
      assert.deepStrictEqual(deleted, [])
    }).pipe(Effect.provide(layer))
  })

  it.effect("go to the tool if the request has it", () => {
    const { layer, sent } = answering([message({})])
    return Effect.scoped(Effect.gen(function*() {
      const about = yield* Conversation.about(csv, { ...params, tools })
      yield* about.ask("Sum?")
      assert.deepStrictEqual(textsOf(sent[0]?.messages[0]), ["container_upload", "Sum?"])
    })).pipe(Effect.provide(layer))
  })
})

describe("Conversation: the deletion at the end", () => {
  it.effect.each(
    [
      ["the end of a program", Exit.void, 30],
      ["an interruption", Exit.interrupt(1), 5]
    ] as const
  )("P4: is given up with a warning when it hangs after %s", ([, exit, seconds]) => {
    const warnings: Array<string> = []
    const logger = Logger.make(({ message }) => {
      warnings.push(String(message))
    })
    const { layer } = answering([], Effect.never)
    return Effect.gen(function*() {
      const scope = yield* Scope.make()
      yield* Scope.provide(Conversation.about(stored, params, { deleteAtEnd: true }), scope)
      const fiber = yield* Effect.forkChild(Scope.close(scope, exit))
      yield* TestClock.adjust(Duration.seconds(seconds - 1))
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.strictEqual(warnings.length, 1)
      assert.include(warnings[0], "could not be deleted")
    }).pipe(Effect.provide([layer, Logger.layer([logger])]))
  })
})
