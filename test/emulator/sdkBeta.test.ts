/**
 * The last version of the official SDK that spoke the beta dialect, as the referee of ours.
 */
import { assert, describe, it } from "@effect/vitest"
import Anthropic, { NotFoundError, toFile } from "anthropic-sdk-beta"
import { Effect, Redacted } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import { socket } from "./support.ts"

const promise = <A>(evaluate: () => PromiseLike<A>) => Effect.promise(evaluate)

const all = async <A>(pages: AsyncIterable<A>) => {
  const out: Array<A> = []
  for await (const item of pages) out.push(item)
  return out
}

const client = Effect.map(Emulator, (emulator) => {
  const { beta } = new Anthropic({ apiKey: Redacted.value(emulator.apiKey), baseURL: emulator.url, maxRetries: 0 })
  return { emulator, files: beta.files }
})

describe("the official SDK of the beta dialect", () => {
  it.effect("uploads, looks up, downloads and deletes", () =>
    Effect.gen(function*() {
      const { emulator, files } = yield* client
      const file = yield* promise(async () =>
        files.upload({ file: await toFile(Buffer.from("hello"), "a.txt", { type: "text/plain" }) })
      )
      assert.isFalse("expires_at" in file)
      assert.deepStrictEqual(yield* promise(() => files.retrieveMetadata(file.id)), file)
      const made = yield* emulator.seed({ filename: "made", content: "made", downloadable: true })
      const response = yield* promise(() => files.download(made.id))
      assert.strictEqual(yield* promise(() => response.text()), "made")
      assert.strictEqual((yield* promise(() => files.delete(file.id))).type, "file_deleted")
      const error = yield* promise(() =>
        files.retrieveMetadata(file.id).then(() => undefined, (error: unknown) => error)
      )
      assert.instanceOf(error, NotFoundError)
    }).pipe(Effect.provide(socket())))

  it.effect("pages both ways", () =>
    Effect.gen(function*() {
      const { emulator, files } = yield* client
      const ids: Array<string> = []
      for (let i = 0; i < 45; i++) ids.unshift((yield* emulator.seed({ filename: `${i}` })).id)
      const forwards = yield* promise(() => all(files.list({ limit: 10 })))
      assert.deepStrictEqual(forwards.map((file) => file.id), ids)
      const last = ids.at(-1) ?? ""
      const backwards = yield* promise(() => all(files.list({ limit: 10, before_id: last })))
      // Each page is newest first; the pages come nearest first.
      assert.deepStrictEqual(new Set(backwards.map((file) => file.id)), new Set(ids.slice(0, -1)))
      assert.strictEqual(backwards.length, 44)
    }).pipe(Effect.provide(socket())))
})
