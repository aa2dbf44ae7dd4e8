import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import { FileId } from "effect-anthropic-files/FileMetadata"
import { execFile } from "node:child_process"
import * as NodeFs from "node:fs"
import * as Journal from "../../src/emulator/internal/store/journal.ts"
import { beta, type Body, call, get, temporaryDirectory } from "./support.ts"

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

  it.effect("are listed in order, equally fast on every page, after a restart", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      writeJournal(directory, count)
      yield* Effect.gen(function*() {
        yield* Emulator
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
        const { page } = yield* timed("limit=1000")
        assert.strictEqual(page.data.length, 1000)
      }).pipe(Effect.provide(NodeEmulator.layer({ directory })))
    }).pipe(Effect.scoped), 120_000)

  it.live("take at most 1 KB of memory each", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      writeJournal(directory, count)
      const measured = yield* Effect.callback<{ readonly count: number; readonly bytes: number }>((resume) => {
        execFile(
          process.execPath,
          ["--no-warnings", "--expose-gc", "test/emulator/fixtures/index.ts", directory],
          (error, stdout) => resume(error === null ? Effect.succeed(JSON.parse(stdout)) : Effect.die(error))
        )
      })
      assert.strictEqual(measured.count, count)
      assert.isBelow(measured.bytes, 1024)
    }).pipe(Effect.scoped), 60_000)
})
