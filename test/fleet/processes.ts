/**
 * What is needed to run runners in processes of their own against one emulator, one Postgres and one Redis.
 */
import { assert } from "@effect/vitest"
import { Effect, FileSystem, Layer, Redacted, Stream } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import * as Ingest from "effect-anthropic-files/fleet/Ingest"
import { platform } from "../cache/stores.ts"
import type * as Postgres from "../support/postgres.ts"
import type { Settings } from "./worker.ts"

/** Files are kept in a folder, since there may be hundreds of megabytes of them. */
export const server = Layer.unwrap(
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectoryScoped()
    return NodeEmulator.layerServer({ directory: `${directory}/emulator` })
  })
).pipe(Layer.provideMerge(platform))

export const settingsFor = (ingest: string, postgres: Postgres.Server, more: Partial<Settings> = {}) =>
  Effect.map(Emulator.Emulator, ({ apiKey, url }): Settings => ({
    ingest,
    apiUrl: url,
    apiKey: Redacted.value(apiKey),
    databaseUrl: postgres.url,
    ...more
  }))

/** A tenth of the uploads meets one of them. */
export const faults: ReadonlyArray<Fault.Fault> = [
  Fault.overloaded({ times: null, probability: 0.025, seed: 1, match: { operation: "upload" } }),
  Fault.reset({ at: "during", after: 300, times: null, probability: 0.025, seed: 2, match: { operation: "upload" } }),
  Fault.reset({ at: "after", times: null, probability: 0.025, seed: 3, match: { operation: "upload" } }),
  Fault.drip({
    bytes: 40,
    every: "20 millis",
    times: null,
    probability: 0.025,
    seed: 4,
    match: { operation: "upload" }
  })
]

/** Files at the service that no item has, with what was sent under their names. */
const strangers = (
  rows: ReadonlyArray<Ingest.ItemRow>,
  files: Effect.Success<Emulator.Emulator["Service"]["files"]>,
  requests: ReadonlyArray<Emulator.RecordedRequest>
): string => {
  const known = new Set(rows.map((row): string | null => row.file_id))
  const sentAs = (name: string) =>
    requests.filter(({ body }) =>
      body !== undefined && "parts" in body && body.parts.some((part) => part.filename === name)
    )
      .map(({ at, failure, status }) => ({ at, failure, status }))
  return JSON.stringify(
    files.filter(({ id }) => !known.has(id)).map(({ createdAt, filename, id }) => ({
      id,
      filename,
      createdAt,
      others: files.filter((other) => filename === other.filename && id !== other.id).map(({ createdAt }) => createdAt),
      sent: sentAs(filename)
    }))
  )
}

/** Every item is done, every file is there once, and what the table says of a file is what the emulator has. */
export const everyFileOnce = (ingest: string, count: number) =>
  Effect.gen(function*() {
    const emulator = yield* Emulator.Emulator
    const { counts, failures } = yield* Ingest.status(ingest)
    assert.deepStrictEqual(failures, {})
    assert.deepStrictEqual(counts, { pending: 0, done: count, failed: 0, cancelled: 0, deleted: 0 })
    const rows = yield* Stream.runCollect(Ingest.items(ingest))
    const files = yield* emulator.files
    const stored = new Map(files.map((file) => [file.id as string, file]))
    assert.strictEqual(
      files.length,
      count,
      `files at the service; not of the table: ${strangers(rows, files, yield* emulator.requests)}`
    )
    assert.strictEqual(new Set(rows.map(({ file_id }) => file_id)).size, count)
    for (const row of rows) {
      const file = stored.get(row.file_id ?? "")
      assert.strictEqual(file?.size, row.size_bytes)
      assert.strictEqual(file?.filename, row.filename)
    }
  })
