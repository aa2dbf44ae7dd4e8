import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Option, Redacted, Stream } from "effect"
import { Conversation, Files, FileSource, Messages, Transfer, UploadCache, UploadStore } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import { see, type Seen, seriesOf, spanNamed } from "./support.ts"

const clients = Layer.unwrap(Effect.map(Emulator.Emulator, ({ apiKey, url }) => {
  const options = { apiKey: Redacted.make(Redacted.value(apiKey)), baseUrl: url }
  return Layer.mergeAll(Files.layer(options), Messages.layer(options))
}))

const layer = UploadCache.layer().pipe(
  Layer.provideMerge(UploadStore.layerMemory),
  Layer.provideMerge(clients),
  Layer.provideMerge(Emulator.layer()),
  Layer.provideMerge(NodeServices.layer)
)

/** Names of the spans, each behind that of its parent. */
const treeOf = ({ spans }: Seen): ReadonlyArray<string> => {
  const byId = new Map(spans.map((span) => [span.spanId, span]))
  const pathOf = (span: Seen["spans"][number]): string => {
    const parent = Option.getOrUndefined(span.parent)
    const above = parent === undefined ? undefined : byId.get(parent.spanId)
    return above === undefined ? span.name : `${pathOf(above)} > ${span.name}`
  }
  return Array.from(new Set(spans.map(pathOf)))
}

const seen = <A, E>(
  program: (folder: string) => Effect.Effect<
    A,
    E,
    | Files.Files
    | Messages.Messages
    | UploadCache.UploadCache
    | NodeServices.NodeServices
  >
) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped({ prefix: "private-" })
    yield* fs.writeFileString(`${folder}/private.txt`, "secret")
    return yield* see(program(folder))
  }).pipe(Effect.scoped, Effect.provide(layer))

describe("a whole operation is an internal span above those of its requests, and says no name", () => {
  it.live("many uploads", () =>
    Effect.gen(function*() {
      const one = yield* seen((folder) =>
        Stream.runCollect(Transfer.uploadAll(
          Stream.make(
            { source: FileSource.path(`${folder}/private.txt`) },
            { source: FileSource.path(`${folder}/private-missing.txt`) }
          )
        ))
      )
      assert.deepStrictEqual(treeOf(one), ["Transfer.uploadAll", "Transfer.uploadAll > anthropic.files.upload"])
      assert.strictEqual(spanNamed(one, "Transfer.uploadAll").kind, "internal")
      assert.notInclude(one.text, "private")
    }))

  it.live("many uploads whose inputs fail", () =>
    Effect.gen(function*() {
      const one = yield* seen(() =>
        Stream.runCollect(Transfer.uploadAll(Stream.fail({ _tag: "Broken", message: "private.txt" })))
      )
      const { attributes, failure } = spanNamed(one, "Transfer.uploadAll")
      assert.deepStrictEqual(attributes, { "error.type": "Broken" })
      assert.include(failure, "Broken: Broken")
      assert.notInclude(one.text, "private")
    }))

  it.live("a folder that is synced, twice", () =>
    Effect.gen(function*() {
      const one = yield* seen((folder) =>
        Effect.all([
          Stream.runDrain(UploadCache.sync(folder)),
          UploadCache.get(FileSource.path(`${folder}/private.txt`)),
          UploadCache.check(folder)
        ])
      )
      assert.deepStrictEqual(treeOf(one), [
        "UploadCache.sync",
        "UploadCache.sync > anthropic.files.upload",
        "UploadCache.get",
        "UploadCache.check"
      ])
      const { "anthropic.file.id": id, ...attributes } = spanNamed(one, "UploadCache.get").attributes
      assert.match(String(id), /^file_/)
      assert.deepStrictEqual(attributes, { "anthropic.cache.result": "hit" })
      assert.deepStrictEqual(seriesOf(one, "anthropic.client.cache.lookups"), { miss: 1, hit: 1 })
      assert.notInclude(one.text, "private")
    }))

  it.live("a sync of a folder that is not there", () =>
    Effect.gen(function*() {
      const one = yield* seen((folder) => Stream.runDrain(UploadCache.sync(`${folder}/private-missing`)))
      assert.deepStrictEqual(spanNamed(one, "UploadCache.sync").attributes, { "error.type": "SyncFailed" })
      assert.notInclude(one.text, "private")
    }))

  it.live("a conversation", () =>
    Effect.gen(function*() {
      const one = yield* seen((folder) =>
        Effect.gen(function*() {
          const { ask } = yield* Conversation.about(FileSource.path(`${folder}/private.txt`), {
            model: "claude-sonnet-5-5",
            max_tokens: 100
          })
          return yield* ask("What is the secret?")
        }).pipe(Effect.scoped)
      )
      assert.deepStrictEqual(treeOf(one), [
        "Conversation.about",
        "Conversation.about > anthropic.files.upload",
        "Conversation.ask",
        "Conversation.ask > anthropic.messages.create"
      ])
      assert.notInclude(one.text, "private")
      assert.notInclude(one.text, "What is the")
    }))

  it.live("a download that can't be put on disk", () =>
    Effect.gen(function*() {
      const one = yield* seen((folder) =>
        Effect.gen(function*() {
          const { id } = yield* Files.upload(FileSource.text("x", "x.txt"))
          return yield* Transfer.downloadToFile(id, `${folder}/private.txt`)
        })
      )
      assert.deepStrictEqual(spanNamed(one, "Transfer.downloadToFile").attributes, { "error.type": "SaveFailed" })
      assert.notInclude(one.text, "private")
    }))
})
