import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import { FetchHttpClient } from "effect/http"
import { answerAll, claim, cleanUp, layerCache, questions, readManifest } from "../examples/contracts/contracts.ts"
import { served } from "../examples/shared/served.ts"
import { platform } from "./cache/stores.ts"
import { clients } from "./support/emulated.ts"
import { recordSpans } from "./support/spans.ts"

const services = clients.pipe(
  Layer.provideMerge(Layer.mergeAll(NodeEmulator.layerServer(), FetchHttpClient.layer, platform))
)

const place = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped()
  yield* fs.writeFileString(`${folder}/a.txt`, "The rent is 1,200 a quarter.")
  yield* fs.writeFileString(`${folder}/same.txt`, "The rent is 1,200 a quarter.")
  return { folder, path: (name: string) => `${folder}/${name}` }
})

const answersIn = (folder: string) =>
  Effect.map(
    Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(`${folder}/answers.jsonl`)),
    (text) => text.trimEnd().split("\n").filter((line) => line !== "")
  )

/** One run of the application, with the state of a new process. */
const run = (folder: string, contracts: Parameters<typeof answerAll>[0]) =>
  Effect.provide(answerAll(contracts, folder), Layer.fresh(layerCache(folder)))

const uploads = Effect.map(
  Effect.flatMap(Emulator.Emulator, ({ requests }) => requests),
  (requests) => requests.filter(({ method, path }) => method === "POST" && /\/v1\/files(\?|$)/.test(path)).length
)

describe("the application that asks about contracts", () => {
  it.live("uploads each content once, asks every question once, and continues where it stopped", () =>
    Effect.gen(function*() {
      const { folder, path } = yield* place
      const contracts = [{ key: "a", source: path("a.txt") }, { key: "same", source: path("same.txt") }]
      assert.deepStrictEqual(yield* run(folder, contracts.slice(0, 1)), [])
      assert.deepStrictEqual(yield* run(folder, contracts), [])
      assert.deepStrictEqual(yield* run(folder, contracts), [])
      assert.strictEqual(yield* uploads, 1)
      assert.strictEqual((yield* answersIn(folder)).length, 2 * questions.length)
    }).pipe(Effect.scoped, Effect.provide(services)))

  it.live("accepts a presigned URL, and continues after a contract that fails", () =>
    Effect.gen(function*() {
      const { folder, path } = yield* place
      const url = `${yield* served("Ends on 31 December.", "text/plain")}/contract.txt?signature=x`
      const failed = yield* run(folder, [
        { key: "gone", source: path("gone.txt") },
        { key: "url", source: url }
      ])
      assert.deepStrictEqual(failed.map(({ contract }) => contract.key), ["gone"])
      const lines = yield* answersIn(folder)
      assert.strictEqual(lines.length, questions.length)
      assert.include(lines.join("\n"), "Ends on 31 December.")
      assert.notInclude(lines.join("\n"), "signature")
    }).pipe(Effect.scoped, Effect.provide(services)))

  it.live("asks only the question again whose answer was torn by a kill", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { folder, path } = yield* place
      const contracts = [{ key: "a", source: path("a.txt") }]
      yield* run(folder, contracts)
      const whole = yield* fs.readFileString(`${folder}/answers.jsonl`)
      yield* fs.writeFileString(`${folder}/answers.jsonl`, whole.slice(0, -20))
      yield* run(folder, contracts)
      const lines = yield* answersIn(folder)
      assert.strictEqual(lines.length, questions.length + 1)
      assert.strictEqual(yield* uploads, 1)
    }).pipe(Effect.scoped, Effect.provide(services)))

  it.live("deletes what it uploaded, and nothing else", () =>
    Effect.gen(function*() {
      const { folder, path } = yield* place
      const emulator = yield* Emulator.Emulator
      const there = yield* emulator.seed({ filename: "there.txt", content: "not ours" })
      yield* run(folder, [{ key: "a", source: path("a.txt") }])
      assert.strictEqual(yield* cleanUp(folder, "expired"), 0)
      assert.strictEqual(yield* cleanUp(folder, "all"), 1)
      assert.deepStrictEqual((yield* emulator.files).map(({ id }) => id), [there.id])
    }).pipe(Effect.scoped, Effect.provide(services)))

  it.live("takes the paths of a manifest from its own directory, and refuses one it can't follow, by its line", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { path } = yield* place
      const read = (text: string) =>
        Effect.andThen(fs.writeFileString(path("manifest.jsonl"), text), readManifest(path("manifest.jsonl")))
      const url = "https://bucket.example/b.txt?signature=x"
      assert.deepStrictEqual(
        yield* read(`{"key":"a","source":"a.txt"}\n\n{"key":"b","source":"${url}"}\n`),
        [{ key: "a", source: path("a.txt") }, { key: "b", source: url }]
      )
      const twice = `{"key":"a","source":"a.txt"}\n{"key":"a","source":"same.txt"}`
      for (const text of [twice, `{"key":"a","source":"a.txt"}\n{"key":"b"`]) {
        const { _tag, message } = yield* Effect.flip(read(text))
        assert.strictEqual(_tag, "Refused")
        assert.include(message, "Line 2 of ")
      }
      const missing = yield* Effect.flip(readManifest(path("missing.jsonl")))
      assert.include(missing.message, "NotFound")
    }).pipe(Effect.scoped, Effect.provide(services)))

  it.live("has its directory for itself, unless the process that had it is gone", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { folder } = yield* place
      const pid = `${folder}/state/running.pid`
      const refused = yield* Effect.scoped(
        Effect.andThen(claim(`${folder}/state`), Effect.flip(Effect.scoped(claim(`${folder}/state`))))
      )
      assert.include(refused.message, String(process.pid))
      assert.isFalse(yield* fs.exists(pid))
      // No process has a number as high as that; an empty file is left by a kill between its making and its writing.
      for (const left of ["999999999", ""]) {
        yield* fs.writeFileString(pid, left)
        yield* Effect.scoped(claim(`${folder}/state`))
      }
      yield* fs.writeFileString(`${folder}/file`, "")
      const { message } = yield* Effect.flip(Effect.scoped(claim(`${folder}/file`)))
      assert.include(message, `${folder}/file`)
    }).pipe(Effect.scoped, Effect.provide(services)))

  it.live("deletes the others when one of its files is gone already", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { folder, path } = yield* place
      const emulator = yield* Emulator.Emulator
      yield* fs.writeFileString(path("other.txt"), "The rent is 900.")
      yield* run(folder, [{ key: "a", source: path("a.txt") }, { key: "other", source: path("other.txt") }])
      // Whoever else cleans up comes first.
      yield* emulator.addFault(Fault.answer({ status: 404, type: "not_found_error", match: { operation: "delete" } }))
      yield* cleanUp(folder, "all")
      assert.strictEqual((yield* emulator.files).length, 1)
    }).pipe(Effect.scoped, Effect.provide(services)))

  it.live("has a span for each contract, above those of its requests", () =>
    Effect.gen(function*() {
      const { folder, path } = yield* place
      const { spans, tracer } = recordSpans()
      yield* Effect.withTracer(run(folder, [{ key: "a", source: path("a.txt") }]), tracer)
      const names = spans.map(({ name }) => name)
      assert.includeMembers(names, ["contracts.answer", "anthropic.files.upload", "anthropic.messages.create"])
      const contract = spans.find(({ name }) => name === "contracts.answer")
      assert.strictEqual(contract?.attributes.get("contract.key"), "a")
    }).pipe(Effect.scoped, Effect.provide(services)))
})
