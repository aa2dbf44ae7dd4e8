import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import { FileId } from "effect-anthropic-files/FileMetadata"
import * as NodeFs from "node:fs"
import * as Http from "node:http"
import * as Journal from "../../src/emulator/internal/store/journal.ts"
import { start } from "./child.ts"
import { beta, type Body, boundary, call, get, temporaryDirectory } from "./support.ts"

/** The journal of a folder in which `count` empty files were stored, one after the other. */
const writeJournal = (directory: string, count: number) => {
  const lines = [Journal.toLine({ version: 1, secret: "secret", next: 1 })]
  for (let i = 1; i <= count; i++) {
    lines.push(Journal.toLine({
      op: "put",
      file: {
        sequence: i,
        id: FileId.make(`file_${i}`),
        workspace: "wrkspc_emulator",
        filename: `${i}.txt`,
        mimeType: "text/plain",
        size: 0,
        createdAt: i,
        expiresAt: null,
        downloadable: false,
        scope: null,
        purpose: null,
        countsForQuota: true,
        expired: false,
        blob: null
      }
    }))
  }
  NodeFs.mkdirSync(directory, { recursive: true })
  NodeFs.writeFileSync(`${directory}/.effect-anthropic-files-emulator`, "")
  NodeFs.writeFileSync(`${directory}/journal.jsonl`, lines.join(""))
}

const median = (values: ReadonlyArray<number>) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0

describe("100,000 files", () => {
  const count = 100_000

  it.effect("list in order, at the same speed anywhere, after a restart", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      writeJournal(directory, count)
      const before = performance.now()
      yield* Effect.gen(function*() {
        yield* Emulator
        const opened = performance.now() - before
        const timed = Effect.fnUntraced(function*(query: string, options?: Parameters<typeof get>[1]) {
          const start = performance.now()
          const answer = yield* get(`/v1/files?${query}`, options)
          return { page: answer.json, millis: performance.now() - start }
        })
        let expected = count
        let cursor: string | null = ""
        const times: Array<number> = []
        while (cursor !== null) {
          const { millis, page }: { millis: number; page: Body } = yield* timed(
            `limit=1000${cursor === "" ? "" : `&page=${cursor}`}`
          )
          for (const file of page.data) assert.strictEqual(file.id, `file_${expected--}`)
          cursor = page.next_page
          times.push(millis)
        }
        assert.strictEqual(expected, 0)
        assert.strictEqual(times.length, 100)
        // The quickest of each, so that other programs on the machine don't count.
        const first = Math.min(...times.slice(5, 25))
        const last = Math.min(...times.slice(-20))
        assert.isBelow(last / first, 3, "the last pages are slower than the first ones")

        // Anywhere in the middle, and with small pages, a page costs what it holds.
        const small: Array<number> = []
        for (let i = 0; i < 50; i++) {
          const id = 1 + ((i * 397) % (count / 2))
          const { millis, page } = yield* timed(`limit=5&before_id=file_${id}`, { headers: beta })
          assert.deepStrictEqual(page.data.map((file) => file.id), [5, 4, 3, 2, 1].map((n) => `file_${id + n}`))
          const after = yield* timed(`limit=5&after_id=file_${id + 6}`, { headers: beta })
          assert.deepStrictEqual(after.page.data.map((file) => file.id), page.data.map((file) => file.id))
          small.push(millis, after.millis)
        }
        assert.isBelow(median(small) / first, 0.5)

        // Taking some away and adding some does not make it slow either.
        for (let i = 0; i < 20; i++) yield* call("DELETE", `/v1/files/file_${i * 5000 + 1}`)
        const { millis, page } = yield* timed("limit=1000")
        assert.strictEqual(page.data.length, 1000)
        process.stdout.write(
          `100,000 files: opened in ${opened.toFixed(0)} ms, 1000 a page in ${first.toFixed(1)} ms at the start, `
            + `${last.toFixed(1)} ms at the end, 5 a page in ${median(small).toFixed(2)} ms; ${millis.toFixed(1)} ms `
            + "after deletions\n"
        )
      }).pipe(Effect.provide(NodeEmulator.layer({ directory })))
    }).pipe(Effect.scoped), 120_000)
})

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
