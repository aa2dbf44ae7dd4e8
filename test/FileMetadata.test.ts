import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Equal, Schema } from "effect"
import { FileMetadata } from "effect-anthropic-files"

const decode = Schema.decodeUnknownEffect(FileMetadata.FileMetadata)
const decodePage = Schema.decodeUnknownEffect(FileMetadata.FilePage)
const decodeDeleted = Schema.decodeUnknownEffect(FileMetadata.DeletedFile)

/** As the beta dialect sends it. */
const beta = {
  id: "file_011CNha8iCJcU1wXNR6q4V8w",
  type: "file",
  filename: "report.pdf",
  mime_type: "application/pdf",
  size_bytes: 1_024_000,
  created_at: "2025-01-01T00:00:00Z"
}

/** As the generally available dialect sends it. */
const ga = {
  ...beta,
  downloadable: true,
  expires_at: "2025-02-01T12:30:00.5Z",
  scope: { id: "sess_1", type: "session" }
}

const millis = (value: DateTime.Utc | null) => value === null ? null : DateTime.toEpochMillis(value)

describe("FileMetadata", () => {
  it.effect.prop(
    "any metadata survives its JSON form",
    [Schema.toType(FileMetadata.FileMetadata)],
    ([file]) =>
      Effect.gen(function*() {
        const json: unknown = JSON.parse(
          JSON.stringify(yield* Schema.encodeUnknownEffect(FileMetadata.FileMetadata)(file))
        )
        const back = yield* decode(json)
        assert.deepStrictEqual(Object.keys(back).sort(), Object.keys(file).sort())
        assert.isTrue(Equal.equals(back, file), JSON.stringify(json))
      })
  )

  it.effect("the GA dialect's answer decodes, with every field", () =>
    Effect.gen(function*() {
      const file = yield* decode(ga)
      assert.strictEqual(file.id, ga.id)
      assert.strictEqual(file.size_bytes, 1_024_000)
      assert.isTrue(file.downloadable)
      assert.strictEqual(millis(file.created_at), Date.UTC(2025, 0, 1))
      assert.strictEqual(millis(file.expires_at), Date.UTC(2025, 1, 1, 12, 30, 0, 500))
      assert.deepStrictEqual(file.scope, { id: "sess_1", type: "session" })
      assert.isFalse("purpose" in file)
    }))

  it.effect("the beta dialect's answer decodes to the same type", () =>
    Effect.gen(function*() {
      const file = yield* decode(beta)
      assert.strictEqual(file.downloadable, false)
      assert.strictEqual(file.expires_at, null)
      assert.strictEqual(file.scope, null)
      const { purpose: _, ...rest } = { purpose: undefined, ...(yield* decode(ga)) }
      assert.deepStrictEqual(Object.keys(file).sort(), Object.keys(rest).sort())
    }))

  it.effect("expires_at and scope may be null", () =>
    Effect.gen(function*() {
      const file = yield* decode({ ...ga, expires_at: null, scope: null })
      assert.strictEqual(file.expires_at, null)
      assert.strictEqual(file.scope, null)
    }))

  it.effect("unknown fields are dropped, at every level", () =>
    Effect.gen(function*() {
      const file = yield* decode({ ...ga, purpose: "batch", sha256: "…", scope: { ...ga.scope, more: 1 }, more: null })
      assert.deepStrictEqual(
        Object.keys(file).sort(),
        [
          "created_at",
          "downloadable",
          "expires_at",
          "filename",
          "id",
          "mime_type",
          "purpose",
          "scope",
          "size_bytes",
          "type"
        ]
      )
      assert.strictEqual(file.purpose, "batch")
      assert.deepStrictEqual(file.scope, { id: "sess_1", type: "session" })
    }))

  it.effect.each<readonly [text: string, millis: number]>([
    ["2025-01-01T00:00:00Z", Date.UTC(2025, 0, 1)],
    ["2025-01-01T00:00:00.123456789Z", Date.UTC(2025, 0, 1, 0, 0, 0, 123)],
    ["2025-01-01T00:00:00.1+00:00", Date.UTC(2025, 0, 1, 0, 0, 0, 100)],
    ["2025-01-01T02:00:00+02:00", Date.UTC(2025, 0, 1)],
    ["2024-12-31T23:30:00-00:30", Date.UTC(2025, 0, 1)],
    ["2025-01-01t00:00:00z", Date.UTC(2025, 0, 1)]
  ])("the RFC 3339 time %s decodes", ([text, expected]) =>
    Effect.gen(function*() {
      assert.strictEqual(millis((yield* decode({ ...ga, created_at: text })).created_at), expected)
    }))

  it.effect.each<readonly [field: string, value: unknown]>([
    ["id", undefined],
    ["id", ""],
    ["id", 7],
    ["id", null],
    ["type", "directory"],
    ["type", null],
    ["filename", undefined],
    ["filename", ["a"]],
    ["mime_type", undefined],
    ["mime_type", null],
    ["size_bytes", undefined],
    ["size_bytes", "12"],
    ["size_bytes", -1],
    ["size_bytes", 1.5],
    ["size_bytes", null],
    ["created_at", undefined],
    ["created_at", "yesterday"],
    ["created_at", 1_735_689_600],
    ["created_at", ""],
    ["downloadable", "yes"],
    ["downloadable", null],
    ["expires_at", "never"],
    ["expires_at", 0],
    ["scope", "sess_1"],
    ["purpose", 7]
  ])("%s: %j is an error that names the field", ([field, value]) =>
    Effect.gen(function*() {
      const { [field]: _, ...rest } = ga as Record<string, unknown>
      const error = yield* Effect.flip(decode(value === undefined ? rest : { ...rest, [field]: value }))
      assert.include(error.message, `"${field}"`)
    }))

  it.effect.each([null, undefined, "file", 7, [], [ga], "<html></html>"])(
    "%j is refused as metadata",
    (json) => Effect.flip(decode(json))
  )
})

describe("FilePage", () => {
  it.effect.prop(
    "any metadata survives its JSON form",
    [Schema.toType(FileMetadata.FilePage)],
    ([page]) =>
      Effect.gen(function*() {
        const json = JSON.stringify(yield* Schema.encodeUnknownEffect(FileMetadata.FilePage)(page))
        assert.isTrue(Equal.equals(yield* decodePage(JSON.parse(json)), page))
      }),
    { arbitrary: { size: 5 } }
  )

  it.effect("pages of each dialect, and of both mixed, decode to one type", () =>
    Effect.gen(function*() {
      const last = { next_page: null, has_more: false, first_id: null, last_id: null }
      const pages: ReadonlyArray<readonly [json: unknown, expected: unknown]> = [
        [{ data: [], next_page: "cursor" }, { ...last, next_page: "cursor" }],
        [{ data: [], next_page: null }, last],
        [{ data: [] }, last],
        [{ data: [], has_more: true, first_id: "file_1", last_id: "file_2" }, {
          ...last,
          has_more: true,
          first_id: "file_1",
          last_id: "file_2"
        }],
        [{ data: [], has_more: false, first_id: null, last_id: null }, last],
        [{ data: [], next_page: "c", has_more: true, first_id: "file_1", last_id: "file_2", total: 9 }, {
          next_page: "c",
          has_more: true,
          first_id: "file_1",
          last_id: "file_2"
        }]
      ]
      for (const [json, expected] of pages) {
        const { data, ...page } = yield* decodePage(json)
        assert.deepStrictEqual(data, [])
        assert.deepStrictEqual<unknown>(page, expected)
      }
    }))

  it.effect("an error names the place of a wrong file among many", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(decodePage({ data: [ga, beta, { ...ga, size_bytes: "big" }], next_page: null }))
      assert.include(error.message, "[\"data\"][2][\"size_bytes\"]")
    }))

  it.effect.each([{}, { data: null }, { data: {} }, { data: [null] }, [], null, { files: [] }])(
    "%j is refused as a page",
    (json) => Effect.flip(decodePage(json))
  )
})

describe("DeletedFile", () => {
  it.effect("the answer to a deletion decodes with and without its type", () =>
    Effect.gen(function*() {
      const expected = { id: "file_1", type: "file_deleted" }
      assert.deepStrictEqual<unknown>(yield* decodeDeleted({ id: "file_1" }), expected)
      assert.deepStrictEqual<unknown>(yield* decodeDeleted({ ...expected, deleted: true }), expected)
      yield* Effect.flip(decodeDeleted({ id: "file_1", type: "file" }))
      yield* Effect.flip(decodeDeleted({ type: "file_deleted" }))
    }))
})

describe("FileId", () => {
  it.effect("any string that is not empty is a file id", () =>
    Effect.gen(function*() {
      for (const id of ["file_1", "x", "file_".padEnd(500, "a"), "f/1"]) {
        assert.strictEqual<string>(yield* Schema.decodeEffect(FileMetadata.FileId)(id), id)
      }
      yield* Effect.flip(Schema.decodeEffect(FileMetadata.FileId)(""))
    }))
})
