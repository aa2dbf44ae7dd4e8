import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import * as Http from "node:http"
import { start } from "./child.ts"
import { boundary, temporaryDirectory } from "./support.ts"

const headers = { "x-api-key": "child-key", "anthropic-version": "2023-06-01" }

/** Sends `count` pieces of 1 MiB as a file, as fast as they are taken. */
const send = (url: string, count: number) =>
  Effect.callback<{ readonly status: number; readonly id: string }>((resume) => {
    const request = Http.request(`${url}/v1/files`, {
      method: "POST",
      headers: { ...headers, "content-type": `multipart/form-data; boundary=${boundary}` },
      agent: false
    }, (response) => {
      let text = ""
      response.on("data", (data: Buffer) => {
        text += data.toString()
      })
      response.on(
        "end",
        () => resume(Effect.succeed({ status: response.statusCode ?? 0, id: (JSON.parse(text) as { id: string }).id }))
      )
    })
    request.on("error", (error) => resume(Effect.die(error)))
    request.write(`--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="large.bin"\r\n\r\n`)
    const piece = Buffer.alloc(1024 * 1024, 7)
    let left = count
    const next = () => {
      while (left > 0) {
        left--
        if (!request.write(piece)) {
          request.once("drain", next)
          return
        }
      }
      request.end(`\r\n--${boundary}--\r\n`)
    }
    next()
  })

/** Reads a download to its end, and counts. */
const receive = (url: string, id: string) =>
  Effect.callback<number>((resume) => {
    Http.get(`${url}/v1/files/${id}/content`, { headers, agent: false }, (response) => {
      let bytes = 0
      response.on("data", (data: Buffer) => {
        bytes += data.byteLength
      })
      response.on("end", () => resume(Effect.succeed(bytes)))
    }).on("error", (error) => resume(Effect.die(error)))
  })

describe("memory", () => {
  const MiB = 1024 * 1024
  const mebibytes = (bytes: number) => Math.round(bytes / MiB)

  it.live("stays flat for large files, and for 64 at once", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const download = yield* Effect.scoped(
        Effect.flatMap(Emulator, (emulator) =>
          emulator.seed({ filename: "d", content: new Uint8Array(200 * MiB), downloadable: true })).pipe(
            Effect.provide(NodeEmulator.layer({ directory }))
          )
      )
      const child = yield* start({ directory }, ["--max-old-space-size=96"])
      assert.strictEqual((yield* send(child.url, 50)).status, 200)
      const afterSmall = yield* child.peakBytes
      const single = yield* send(child.url, 470)
      assert.strictEqual(single.status, 200)
      assert.strictEqual(yield* receive(child.url, download.id), 200 * MiB)
      const afterOne = yield* child.peakBytes
      const many = yield* Effect.forEach(Array.from({ length: 64 }), () =>
        send(child.url, 4), {
        concurrency: "unbounded"
      })
      assert.isTrue(many.every((answer) => answer.status === 200))
      const afterMany = yield* child.peakBytes
      process.stdout.write(
        `memory: ${mebibytes(child.rss)} MiB at the start, at most ${mebibytes(afterSmall)} MiB for 50 MiB up, `
          + `${mebibytes(afterOne)} MiB for 470 MiB up and 200 MiB down, ${mebibytes(afterMany)} MiB with 64 at once\n`
      )
      assert.isBelow(afterOne - afterSmall, 40 * MiB)
      assert.isBelow(afterMany - afterSmall, 80 * MiB)
    }).pipe(Effect.scoped), 120_000)
})
