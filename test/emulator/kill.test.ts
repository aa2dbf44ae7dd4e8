import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as DirectoryStore from "effect-anthropic-files/emulator/DirectoryStore"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import * as Crypto from "node:crypto"
import { start } from "./child.ts"
import { type Body, boundary, multipartBytes, temporaryDirectory } from "./support.ts"

/** 20 in every run; set KILL_ROUNDS=200 for a long look. */
const rounds = Number(process.env.KILL_ROUNDS ?? 20)

const platform = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, NodeEmulator.layerProcessProbe)

const digest = (bytes: Uint8Array) => Crypto.createHash("sha256").update(bytes).digest("hex")

const headers = { "x-api-key": "child-key", "anthropic-version": "2023-06-01" }

/** Uploads and deletes until the server is gone, and notes down what was acknowledged. */
const client = async (
  url: string,
  worker: string,
  acknowledged: Map<string, string>,
  deleted: Set<string>,
  doubtful: Set<string>
) => {
  const own: Array<string> = []
  for (let i = 0;; i++) {
    const content = Crypto.randomBytes(Math.floor(Math.random() ** 3 * 2_000_000))
    try {
      const response = await fetch(`${url}/v1/files`, {
        method: "POST",
        headers: { ...headers, "content-type": `multipart/form-data; boundary=${boundary}` },
        body: multipartBytes([{ name: "file", filename: `${digest(content)}.bin`, content }])
      })
      const { id } = await response.json() as Body
      acknowledged.set(id, digest(content))
      own.push(id)
      const victim = i % 5 === 4 ? own.shift() : undefined
      if (victim !== undefined) {
        doubtful.add(victim)
        await (await fetch(`${url}/v1/files/${victim}`, { method: "DELETE", headers })).json()
        deleted.add(victim)
      }
    } catch {
      return worker
    }
  }
}

const listed = async (url: string) => {
  const ids: Array<string> = []
  let page: string | null = null
  do {
    const query: string = page === null ? "limit=1000" : `limit=1000&page=${page}`
    const answer = await (await fetch(`${url}/v1/files?${query}`, { headers })).json() as Body
    ids.push(...answer.data.map((file) => file.id))
    page = answer.next_page
  } while (page !== null)
  return ids
}

describe("kill -9", () => {
  it.live(
    `P17: at any moment loses no acknowledged file and lists no partial one, ${rounds} times`,
    () =>
      Effect.gen(function*() {
        const directory = yield* temporaryDirectory
        const acknowledged = new Map<string, string>()
        const deleted = new Set<string>()
        const doubtful = new Set<string>()
        let inFlight = 0
        for (let round = 0; round < rounds; round++) {
          yield* Effect.scoped(Effect.gen(function*() {
            const child = yield* start({ directory })
            assert.isUndefined(child.error)
            // What the last one acknowledged is there again, over the wire.
            const ids = new Set(yield* Effect.promise(() => listed(child.url)))
            for (const id of acknowledged.keys()) {
              assert.isTrue(ids.has(id) !== deleted.has(id) || doubtful.has(id), `${id} in round ${round}`)
            }
            const before = acknowledged.size
            const clients = Promise.all(
              ["a", "b", "c", "d"].map((worker) => client(child.url, worker, acknowledged, deleted, doubtful))
            )
            yield* Effect.sleep(20 + Math.random() * 250)
            yield* child.kill
            yield* Effect.promise(() => clients)
            inFlight += acknowledged.size - before
          }))
          // And byte for byte, in the folder it left behind.
          yield* Effect.scoped(Effect.gen(function*() {
            const store = yield* DirectoryStore.make(directory)
            const found = new Set<string>()
            for (const record of yield* store.all) {
              const content = Buffer.concat(
                yield* Effect.scoped(
                  Effect.flatMap(store.read(record), Stream.runCollect)
                )
              )
              // The name is the digest of what was sent: acknowledged or not, it is whole.
              assert.strictEqual(record.filename, `${digest(content)}.bin`, `partial file in round ${round}`)
              found.add(record.id)
            }
            for (const [id, expected] of acknowledged) {
              if (doubtful.has(id)) {
                if (deleted.has(id)) assert.isFalse(found.has(id), `${id} came back in round ${round}`)
                continue
              }
              assert.isTrue(found.has(id), `${id} (${expected}) lost in round ${round}`)
            }
            // Small enough to go on with.
            for (const id of [...found].slice(0, -20)) {
              yield* store.remove(id)
              acknowledged.delete(id)
            }
          })).pipe(Effect.provide(platform))
        }
        assert.isAbove(inFlight, rounds, "the clients hardly got anything done")
      }),
    30_000 + rounds * 5_000
  )

  it.live("leaves a lock that the next process takes over, while a live one is respected", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      yield* Effect.scoped(Effect.gen(function*() {
        const first = yield* start({ directory })
        const second = yield* start({ directory })
        assert.strictEqual((second.error as { reason: string }).reason, "Locked")
        yield* first.kill
        const third = yield* start({ directory })
        assert.isUndefined(third.error)
      }))
    }))
})
