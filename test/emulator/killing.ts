import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as DirectoryStore from "effect-anthropic-files/emulator/DirectoryStore"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import * as Crypto from "node:crypto"
import { generator } from "../../src/emulator/internal/faults.ts"
import { start } from "./child.ts"
import { type Body, boundary, multipartBytes, temporaryDirectory } from "./support.ts"

const seed = Number(process.env["KILL_SEED"] ?? Date.now())

/** Between 0 and 1, the same for the same seed. */
const random = generator(seed)

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
    const content = Crypto.randomBytes(Math.floor(random() ** 3 * 2_000_000))
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

/** Kills an emulator `rounds` times while four clients use it, and looks at what is left. */
export const killing = (rounds: number) => {
  it.live(
    `P17: kill -9 at any moment loses no acknowledged file and lists no partial one, ${rounds} times`,
    () =>
      Effect.gen(function*() {
        process.stdout.write(`kills at moments of KILL_SEED=${seed}\n`)
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
            // Once some uploads are through, so that a slow machine kills no earlier.
            const enough = before + 1 + Math.floor(random() * 8)
            while (acknowledged.size < enough) yield* Effect.sleep(2)
            yield* Effect.sleep(random() * 60)
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
    60_000 + rounds * 10_000
  )
}
