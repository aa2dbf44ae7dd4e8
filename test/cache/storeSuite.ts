import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as UploadStore from "effect-anthropic-files/UploadStore"
import type { Place } from "./stores.ts"

export const key = "content-0123456789abcdef"

export const read = Effect.flatMap(UploadStore.UploadStore, (store) => store.get(key))

/** The promises of every store. */
export const storeSuite = (name: string, place: Place): void => {
  describe(`store: ${name}`, () => {
    const withStore = <A, E, R>(body: Effect.Effect<A, E, R | UploadStore.UploadStore>) =>
      Effect.scoped(Effect.flatMap(place, (layer) => Effect.provide(body, layer)))

    it.live("swap replaces the current value and no other", () =>
      withStore(Effect.gen(function*() {
        const store = yield* UploadStore.UploadStore
        const results = [
          yield* store.get(key),
          yield* store.swap(key, "x", "a"),
          yield* store.swap(key, undefined, "a"),
          yield* store.swap(key, undefined, "b"),
          yield* store.get(key),
          yield* store.swap(key, "b", "c"),
          yield* store.swap(key, "a", "é\n\"'{}"),
          yield* store.get(key),
          yield* store.swap(key, "a", undefined),
          yield* store.swap(key, "é\n\"'{}", undefined),
          yield* store.get(key),
          yield* store.swap(key, undefined, "again"),
          yield* store.get(key),
          yield* store.get(`${key}0`)
        ]
        assert.deepStrictEqual(results, [
          undefined,
          false,
          true,
          false,
          "a",
          false,
          true,
          "é\n\"'{}",
          false,
          true,
          undefined,
          true,
          "again",
          undefined
        ])
      })))

    it.live("of many swaps at once, one succeeds", () =>
      Effect.scoped(Effect.gen(function*() {
        const layer = yield* place
        for (let round = 0; round < 10; round++) {
          const before = round === 0 ? undefined : yield* Effect.provide(read, layer)
          const done = yield* Effect.forEach(
            [1, 2, 3, 4, 5, 6],
            (n) =>
              Effect.provide(
                Effect.flatMap(UploadStore.UploadStore, (store) => store.swap(key, before, `${round}:${n}`)),
                layer
              ),
            { concurrency: "unbounded" }
          )
          assert.strictEqual(done.filter((won) => won).length, 1)
          assert.strictEqual(yield* Effect.provide(read, layer), `${round}:${done.indexOf(true) + 1}`)
        }
      })))

    it.live("swaps by several processes are all kept", () =>
      Effect.scoped(Effect.gen(function*() {
        const layer = yield* place
        const add = Effect.gen(function*() {
          const store = yield* UploadStore.UploadStore
          for (let n = 0; n < 20;) {
            const before = yield* store.get(key)
            if (yield* store.swap(key, before, String(Number(before ?? 0) + 1))) n++
          }
        })
        yield* Effect.forEach([1, 2, 3, 4], () => Effect.provide(add, layer), { concurrency: "unbounded" })
        assert.strictEqual(yield* Effect.provide(read, layer), "80")
      })), 20_000)
  })
}
