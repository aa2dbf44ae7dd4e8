import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { FileMetadata, Files, type FilesError, Policy } from "effect-anthropic-files"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { failure, layerOf, outcomeOf, wire } from "../policy/support.ts"

const file = (n: number) =>
  wire({ id: `file_${n}`, created_at: new Date(1_700_000_000_000 + Math.floor(n / 3) * 1000).toISOString() })

const under = <A, E>(
  effect: Effect.Effect<A, E, Files.Files>,
  from: HttpMock.Mock,
  options: Partial<Files.Options> = {}
) => Effect.provide(effect, layerOf(from.client, Policy.stack(), options))

describe("a listing that can't end", () => {
  it.effect("fails when a cursor comes a second time", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering((_, n) =>
        Response.json({ data: [file(n)], next_page: n % 2 === 0 ? "even" : "odd" })
      )
      const error = yield* Effect.flip(under(Stream.runDrain(Files.list()), from))
      assert.strictEqual(outcomeOf(error), "UnexpectedResponse")
      assert.strictEqual(from.requests().length, 3)
    }))

  it.effect("takes an empty cursor for none", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering((_, n) => Response.json({ data: [file(n)], next_page: n === 2 ? "" : `p${n}` }))
      assert.lengthOf(yield* under(Stream.runCollect(Files.list()), from), 2)
      assert.lengthOf(from.requests(), 2)
    }))

  it.effect("fails after a hundred empty pages in a row, each with a new cursor", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering((_, n) => Response.json({ data: [], next_page: `p${n}` }))
      const error = yield* Effect.flip(under(Stream.runDrain(Files.list()), from))
      assert.strictEqual(outcomeOf(error), "UnexpectedResponse")
      assert.include(error.message, "empty pages")
      assert.strictEqual(from.requests().length, 101)
    }))

  it.effect("continues over empty pages as long as a file comes in between", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering((_, n) =>
        Response.json({ data: n % 90 === 0 ? [file(n)] : [], next_page: n < 400 ? `p${n}` : null })
      )
      const files = yield* under(Stream.runCollect(Files.list()), from)
      assert.strictEqual(files.length, 4)
      assert.strictEqual(from.requests().length, 400)
    }))
})

describe("a listing whose files are deleted while it runs", () => {
  /** The beta dialect, where a cursor is the id of a file. */
  const store = (count: number, order: "newest first" | "oldest first" = "newest first", gone = 404) => {
    let files = Array.from({ length: count }, (_, n) => file(order === "newest first" ? count - n : n))
    const from = HttpMock.answering(({ method, path, query }) => {
      if (method === "DELETE") {
        const id = path.split("/").at(-1)
        files = files.filter((file) => file["id"] !== id)
        return Response.json({ id, type: "file_deleted" })
      }
      const after = query["after_id"]
      const at = after === undefined ? 0 : files.findIndex((file) => file["id"] === after) + 1
      if (after !== undefined && at === 0) {
        return failure(gone, {}, undefined, gone === 404 ? "not_found_error" : "invalid_request_error")
      }
      const data = files.slice(at, at + 10)
      return Response.json({
        data,
        has_more: at + 10 < files.length,
        first_id: data.at(0)?.["id"] ?? null,
        last_id: data.at(-1)?.["id"] ?? null
      })
    })
    return { from, left: () => files.map((file) => file["id"]) }
  }

  for (const order of ["newest first", "oldest first"] as const) {
    it.effect(`finishes, and gives each file once, if all are deleted as they come, ${order}`, () =>
      Effect.gen(function*() {
        const { from, left } = store(45, order)
        const seen: Array<string> = []
        const clean = Stream.runForEach(
          Files.list(),
          ({ id }) => Effect.andThen(Files.delete(id), Effect.sync(() => seen.push(id)))
        )
        yield* under(clean, from, { dialect: "beta" })
        assert.deepStrictEqual(left(), [])
        assert.strictEqual(new Set(seen).size, 45)
        assert.strictEqual(seen.length, 45)
      }))
  }

  it.effect("P8: fails where its second page stays unknown, instead of starting again without end", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering(({ query }, n) => {
        if (n > 10) return failure(500)
        return query["after_id"] === undefined
          ? Response.json({ data: [file(2), file(1)], has_more: true, first_id: "file_2", last_id: "file_1" })
          : failure(404, {}, undefined, "not_found_error")
      })
      const error = yield* Effect.flip(under(Stream.runDrain(Files.list()), from, { dialect: "beta" }))
      assert.strictEqual(error.status, 404)
      // From the start once more, which gave nothing new, and no third time.
      assert.lengthOf(from.requests(), 4)
    }))

  for (const status of [400, 410]) {
    it.effect(`finishes also where the service answers ${status} to a cursor that is gone`, () =>
      Effect.gen(function*() {
        const { from, left } = store(45, "newest first", status)
        const clean = Stream.runForEach(Files.list(), ({ id }) => Files.delete(id))
        yield* under(clean, from, { dialect: "beta" })
        assert.deepStrictEqual(left(), [])
      }))
  }

  it.effect("starts again behind afterId, not before it", () =>
    Effect.gen(function*() {
      const { from, left } = store(45)
      const afterId = FileMetadata.FileId.make("file_41")
      yield* under(Stream.runForEach(Files.list({ afterId }), ({ id }) => Files.delete(id)), from, { dialect: "beta" })
      assert.deepStrictEqual(left(), ["file_45", "file_44", "file_43", "file_42", "file_41"])
    }))

  for (const status of [400, 404, 410]) {
    it.effect(`fails in the GA dialect if the service does not know its own cursor any more, and names it: ${status}`, () =>
      Effect.gen(function*() {
        const from = HttpMock.answering((_, n) =>
          n === 1
            ? Response.json({ data: [file(1)], next_page: "page_two" })
            : failure(status, {}, undefined, status === 404 ? "not_found_error" : "invalid_request_error")
        )
        const error = yield* Effect.flip(under(Stream.runDrain(Files.list()), from))
        assert.strictEqual(outcomeOf(error), "InvalidRequest")
        assert.include(error.message, "the cursor page_two: if that is gone, list again from the start.")
        assert.strictEqual(from.requests().length, 2)
      }))
  }

  it.effect("finishes, and gives each file once, if every second is deleted and some have the same timestamp as their neighbours", () =>
    Effect.gen(function*() {
      const { from, left } = store(45)
      const seen: Array<string> = []
      const clean = Stream.runForEach(
        Files.list(),
        ({ id }) => Effect.suspend(() => seen.push(id) % 2 === 0 ? Effect.asVoid(Files.delete(id)) : Effect.void)
      )
      yield* under(clean, from, { dialect: "beta" })
      assert.strictEqual(seen.length, 45)
      assert.strictEqual(new Set(seen).size, 45)
      assert.strictEqual(left().length, 23)
    }))

  it.effect("fails with the service's own message if its first page can't be fetched", () =>
    Effect.gen(function*() {
      const { from } = store(5)
      const error = yield* Effect.flip(
        under(Stream.runDrain(Files.list({ afterId: FileMetadata.FileId.make("file_99") })), from, { dialect: "beta" })
      )
      assert.strictEqual(error.status, 404)
      assert.strictEqual(from.requests().length, 1)
    }))
})

describe("a listing of many ids", () => {
  it.effect("asks for their scope in each of its requests", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering(() => Response.json({ data: [], next_page: null }))
      const ids = Array.from({ length: 250 }, (_, n) => FileMetadata.FileId.make(`file_${n}`))
      yield* under(Stream.runDrain(Files.list({ ids, scopeId: "sesn_1" })), from)
      assert.isAbove(from.requests().length, 1)
      for (const { query } of from.requests()) assert.strictEqual(query["scope_id"], "sesn_1")
    }))
})

describe("an answer about another file than requested", () => {
  const other = HttpMock.answering((request) => {
    if (request.method === "DELETE") return Response.json({ id: "file_other", type: "file_deleted" })
    const data = wire({ id: "file_other" })
    return Response.json("ids[]" in request.query ? { data: [data], next_page: null } : data)
  })
  const asked = FileMetadata.FileId.make("file_1")
  const operations: ReadonlyArray<readonly [string, Effect.Effect<unknown, FilesError.FilesError, Files.Files>]> = [
    ["metadata", Files.metadata(asked)],
    ["metadata of an id of any form", Files.metadata(FileMetadata.FileId.make("x"))],
    ["delete", Files.delete(asked)],
    ["list of ids", Stream.runCollect(Files.list({ ids: [asked] }))],
    ["listPage of ids", Files.listPage({ ids: [asked] })],
    ["find", Files.find(asked)]
  ]
  for (const [name, operation] of operations) {
    it.effect(`is UnexpectedResponse: ${name}`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(under(operation, other))
        assert.strictEqual(outcomeOf(error), "UnexpectedResponse")
        assert.include(error.message, "file_other")
      }))
  }
})

describe("functions that take one id", () => {
  it.effect("can be passed to forEach directly: the index is not taken for options", () =>
    Effect.gen(function*() {
      const from = HttpMock.answering((request) => {
        const id = request.path.split("/").at(3)
        return Response.json(request.method === "DELETE" ? { id, type: "file_deleted" } : wire({ id }))
      })
      const ids = ["file_1", "file_2"].map((id) => FileMetadata.FileId.make(id))
      const found = yield* under(Effect.forEach(ids, Files.metadata), from)
      assert.deepStrictEqual(found.map(({ id }) => id), ids)
      yield* under(Effect.forEach(ids, Files.delete), from)
      assert.strictEqual(from.requests().length, 4)
    }))
})
