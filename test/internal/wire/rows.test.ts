import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { FileMetadata, FilePage } from "../../../src/FileMetadata.ts"
import { decodePage, decodeRow } from "../../../src/internal/wire/rows.ts"

const row = {
  id: "file_1",
  type: "file",
  filename: "a.txt",
  mime_type: "text/plain",
  size_bytes: 3,
  created_at: "2026-11-21T00:00:00.123456Z",
  downloadable: true,
  expires_at: "2026-11-22T00:00:00+02:00"
}

const { expires_at: _, ...beta } = row

/** What the service may send, and what it must not. */
const rows: ReadonlyArray<object> = [
  row,
  beta,
  { ...row, expires_at: null },
  { ...row, unknown: 1 },
  { ...row, scope: null },
  { ...row, scope: { id: "s", type: "session" } },
  { ...row, purpose: "user_data" },
  { ...row, type: undefined },
  ...["id", "filename", "mime_type", "size_bytes", "created_at", "type", "downloadable", "expires_at"].flatMap((
    field
  ) =>
    [undefined, null, "", 1.5, -1, true, {}, [], "x", "2026-13-01T00:00:00Z", "2026-11-21"].map((value) => ({
      ...row,
      [field]: value
    }))
  )
]

describe("a row decoded directly", () => {
  it("has the times that Date parses", () => {
    const two = (n: number) => String(n).padStart(2, "0")
    let direct = 0
    for (let n = 0; n < 5000; n++) {
      const at = (size: number, factor: number) => Math.floor(n * factor) % size
      const year = ["0000", "0001", "0099", "0999", "1000", "1969", "1970", "2000", "2026", "2100", "9999"][at(11, 1)]
      const day = `${year}-${two(at(14, 1.7))}-${two(at(33, 2.3))}`
      const hours = `${two(at(26, 3.1))}:${two(at(62, 1.3))}:${two(at(62, 5.9))}`
      const zone = ["Z", "Z", "Z", "+02:00", "-11:30"][at(5, 0.7)]
      const text = `${day}T${hours}${["", ".1", ".12", ".999", ".1239", ".999999999"][at(6, 0.3)]}${zone}`
      const decoded = decodeRow({ ...row, created_at: text })
      const millis = Date.parse(text)
      assert.strictEqual(decoded?.created_at.epochMilliseconds, Number.isNaN(millis) ? undefined : millis, text)
      if (decoded !== undefined) direct++
    }
    assert.isAbove(direct, 1000)
  })

  it.effect("equals the result of its Schema, or is left to it", () =>
    Effect.gen(function*() {
      let direct = 0
      for (const sent of rows) {
        // As it comes from the wire: what is undefined is not there.
        const json: unknown = JSON.parse(JSON.stringify(sent))
        const decoded = decodeRow(json)
        if (decoded === undefined) continue
        direct++
        assert.deepStrictEqual(decoded, yield* Schema.decodeUnknownEffect(FileMetadata)(json))
        assert.deepStrictEqual(Object.keys(decoded), Object.keys(yield* Schema.decodeUnknownEffect(FileMetadata)(json)))
      }
      assert.isAbove(direct, 5)
    }))

  it.effect.prop(
    "is what its Schema makes of any encoded metadata",
    [FileMetadata],
    ([file]) =>
      Effect.gen(function*() {
        const json = JSON.parse(JSON.stringify(yield* Schema.encodeEffect(FileMetadata)(file)))
        const decoded = decodeRow(json)
        if (decoded !== undefined) {
          assert.deepStrictEqual(decoded, yield* Schema.decodeUnknownEffect(FileMetadata)(json))
        }
      })
  )

  it.effect("a page equals the result of its Schema", () =>
    Effect.gen(function*() {
      const pages: ReadonlyArray<unknown> = [
        { data: [row, beta], next_page: null },
        { data: [], next_page: "p" },
        { data: [row], has_more: true, first_id: "file_1", last_id: "file_1" },
        { data: [row], next_page: "p", has_more: true, first_id: null, last_id: null }
      ]
      for (const page of pages) {
        assert.deepStrictEqual(decodePage(page), yield* Schema.decodeUnknownEffect(FilePage)(page))
      }
      for (const page of [{}, null, [], { data: {} }, { data: [{}] }, { data: [], next_page: 5 }]) {
        assert.isUndefined(decodePage(page))
      }
    }))
})
