import { assert, describe, it } from "@effect/vitest"
import { DateTime, Deferred, Effect, Exit, Fiber, Layer, Logger, Scope } from "effect"
import { Files, FileSource } from "effect-anthropic-files"
import * as Conversation from "effect-anthropic-files/Conversation"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Messages from "effect-anthropic-files/Messages"
import { HttpClient } from "effect/http"
import { bodyOf } from "./support/mock.ts"

const params: Messages.Params = { model: "claude-sonnet-5-5", max_tokens: 64 }

/** The messages that were sent, and a gate that each passes. */
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
            const body = JSON.parse(new TextDecoder().decode(yield* Effect.orDie(bodyOf(request)))) as Messages.Request
            sent.push(body)
            const turn = body.messages.at(-1)?.content
            const question = Array.isArray(turn) ? turn.at(-1) : undefined
            yield* gate(String(question?.text))
            return yield* answer
          }))
    )
  )
  const services = Layer.unwrap(
    Effect.map(
      Emulator.Emulator,
      ({ apiKey, url }) =>
        Layer.mergeAll(Files.layer({ apiKey, baseUrl: url }), Messages.layer({ apiKey, baseUrl: url }))
    )
  )
  const layer = services.pipe(Layer.provide(client), Layer.provideMerge(Emulator.layer()))
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
        return yield* about.askAll(["When does it end?", "What is the fee?", "Who signs?"])
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

  it.effect("keeps the file unless it is asked to delete it, and takes one that is there", () => {
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

  it.effect("an answer can be gone on from", () => {
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
        const fiber = yield* Effect.forkChild(about.askAll(["1", "2", "3"], { concurrency: 2 }))
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

  it.effect("deletes the file when a question fails, and only warns when that fails too", () => {
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
      assert.strictEqual(warnings.length, 1)
      assert.include(warnings[0], "could not be deleted")
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
})
