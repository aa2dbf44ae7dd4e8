import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import type { ClientRequest } from "node:http"
import { sendBytes } from "../../src/node/body.ts"

const KiB = 1024

/** The sizes of the writes of a body, of which a socket takes each one after so many milliseconds. */
const writesOf = (bytes: number, millisOf: (write: number) => number) =>
  Effect.flatMap(Clock.Clock, (own) => {
    let now = 0
    const clock: Clock.Clock = Object.assign(Object.create(own), {
      monotonicTimeNanosUnsafe: () => BigInt(now) * BigInt(1_000_000)
    })
    return Effect.callback<ReadonlyArray<number>>((resume) => {
      const sizes: Array<number> = []
      const request = {
        write: (chunk: Uint8Array, onTaken: (error?: Error | null) => void) => {
          sizes.push(chunk.length)
          now += millisOf(sizes.length)
          queueMicrotask(() => onTaken())
        },
        end: () => resume(Effect.succeed(sizes))
      }
      sendBytes(request as unknown as ClientRequest, new Uint8Array(bytes), clock, () => {})
    })
  })

describe("the writes of a body", () => {
  it.effect("grow to a mebibyte while the socket takes them quickly", () =>
    Effect.gen(function*() {
      const sizes = yield* writesOf(4000 * KiB, () => 5)
      assert.deepStrictEqual(sizes.map((size) => size / KiB), [256, 512, 1024, 1024, 1024, 160])
    }))

  it.effect("stay small on a slow line, so that each one tells in time that it moves", () =>
    Effect.gen(function*() {
      const sizes = yield* writesOf(1024 * KiB, () => 3_000)
      assert.deepStrictEqual(sizes.map((size) => size / KiB), [256, 256, 256, 256])
    }))

  it.effect("are small again after one that took long", () =>
    Effect.gen(function*() {
      const sizes = yield* writesOf(2560 * KiB, (write) => write === 3 ? 500 : 5)
      assert.deepStrictEqual(sizes.map((size) => size / KiB), [256, 512, 1024, 256, 512])
    }))
})
