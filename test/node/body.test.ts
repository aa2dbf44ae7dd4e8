import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { ClientRequest } from "node:http"
import { vi } from "vitest"
import { sendBytes } from "../../src/node/body.ts"

const KiB = 1024

/** The sizes of the writes of a body, of which a socket takes each one after so many milliseconds. */
const writesOf = (bytes: number, millisOf: (write: number) => number) =>
  Effect.acquireUseRelease(
    Effect.sync(() => vi.useFakeTimers({ toFake: ["performance"] })),
    () =>
      Effect.callback<ReadonlyArray<number>>((resume) => {
        const sizes: Array<number> = []
        const request = {
          write: (chunk: Uint8Array, onTaken: (error?: Error | null) => void) => {
            sizes.push(chunk.length)
            vi.advanceTimersByTime(millisOf(sizes.length))
            queueMicrotask(() => onTaken())
          },
          end: () => resume(Effect.succeed(sizes))
        }
        sendBytes(request as unknown as ClientRequest, new Uint8Array(bytes), () => {})
      }),
    () => Effect.sync(() => vi.useRealTimers())
  )

describe("the writes of a body", () => {
  it.live("grow to a mebibyte while the socket takes them quickly", () =>
    Effect.gen(function*() {
      const sizes = yield* writesOf(4000 * KiB, () => 5)
      assert.deepStrictEqual(sizes.map((size) => size / KiB), [256, 512, 1024, 1024, 1024, 160])
    }))

  it.live("stay small on a slow line, so that each one tells in time that it moves", () =>
    Effect.gen(function*() {
      const sizes = yield* writesOf(1024 * KiB, () => 3_000)
      assert.deepStrictEqual(sizes.map((size) => size / KiB), [256, 256, 256, 256])
    }))

  it.live("are small again after one that took long", () =>
    Effect.gen(function*() {
      const sizes = yield* writesOf(2560 * KiB, (write) => write === 3 ? 500 : 5)
      assert.deepStrictEqual(sizes.map((size) => size / KiB), [256, 512, 1024, 256, 512])
    }))
})
