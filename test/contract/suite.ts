import { NodeFileSystem, NodePath } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Option, type Path, Redacted, type Scope, Stream } from "effect"
import { FileMetadata, Files, type FilesError, FileSource, Transfer } from "effect-anthropic-files"
import { Backend, filesWith } from "../support/Backend.ts"

const { FileId } = FileMetadata

const text = (n: number) => `file number ${n}`

const uploadMany = (count: number) =>
  Effect.forEach(
    Array.from({ length: count }, (_, n) => n),
    (n) => Files.upload(FileSource.text(text(n), `${String(n).padStart(3, "0")}.txt`))
  )

const collectBytes = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) => Stream.mkUint8Array(stream)

/**
 * What every way of serving Files answers alike. Each test gets a service of its own.
 */
export const contract = (
  name: string,
  backend: Layer.Layer<Backend, unknown>
) => {
  const platform = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer)
  for (const dialect of ["ga", "beta"] as const) {
    const layer = filesWith({ dialect }).pipe(
      Layer.provideMerge(backend),
      Layer.provideMerge(platform)
    )
    const test = (
      title: string,
      body: Effect.Effect<void, unknown, Files.Files | Backend | FileSystem.FileSystem | Path.Path | Scope.Scope>
    ) => it.effect(`${name}, ${dialect}: ${title}`, () => Effect.scoped(Effect.provide(body, layer)))

    const failure = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.flip(effect)

    test(
      "stores bytes and tells their size, name and type",
      Effect.gen(function*() {
        const file = yield* Files.upload(FileSource.bytes(new Uint8Array([0, 255, 13, 10]), "raw.bin"))
        assert.strictEqual(file.size_bytes, 4)
        assert.strictEqual(file.filename, "raw.bin")
        assert.strictEqual(file.type, "file")
        assert.strictEqual(file.downloadable, false)
        assert.strictEqual(file.expires_at, null)
        assert.deepStrictEqual(yield* Files.metadata(file.id), file)
      })
    )

    test(
      "takes every kind of source",
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const directory = yield* fs.makeTempDirectoryScoped()
        const path = `${directory}/on disk.csv`
        const large = new Uint8Array(3_000_000).fill(7)
        yield* fs.writeFileString(path, "a,b\n1,2\n")
        yield* fs.writeFile(`${directory}/large.pdf`, large)
        const chunks = Stream.fromIterable([new Uint8Array([1, 2]), new Uint8Array([3])])
        const uploaded = [
          yield* Files.upload(FileSource.path(path)),
          yield* Files.upload(FileSource.path(`${directory}/large.pdf`)),
          yield* Files.upload(FileSource.text("größe", "note.md")),
          yield* Files.upload(FileSource.blob(new File(["x"], "page.html", { type: "text/html" }))),
          yield* Files.upload(FileSource.stream(chunks, { filename: "known.bin", size: 3 })),
          yield* Files.upload(FileSource.stream(chunks, { filename: "unknown.bin" })),
          yield* Files.upload(FileSource.readableStream(new Blob(["hello"]).stream(), { filename: "web.txt" })),
          yield* Files.upload(FileSource.bytes(new Uint8Array(), "empty.txt"))
        ]
        assert.deepStrictEqual(uploaded.map((file) => [file.filename, file.mime_type, file.size_bytes]), [
          ["on disk.csv", "text/csv", 8],
          ["large.pdf", "application/pdf", 3_000_000],
          ["note.md", "text/markdown", 7],
          ["page.html", "text/html", 1],
          ["known.bin", "application/octet-stream", 3],
          ["unknown.bin", "application/octet-stream", 3],
          ["web.txt", "text/plain", 5],
          ["empty.txt", "text/plain", 0]
        ])
      })
    )

    test(
      "keeps names in any script, and the options' name and type come first",
      Effect.gen(function*() {
        for (const filename of ["übung 1.txt", "日本語.pdf", "🎉.png", "a'b;c=d.txt", "100 %.txt", "\u202egnp.txt"]) {
          assert.strictEqual((yield* Files.upload(FileSource.text("x", filename))).filename, filename)
        }
        const file = yield* Files.upload(FileSource.text("x", "a.txt"), { filename: "b.csv", mimeType: "text/plain" })
        assert.deepStrictEqual([file.filename, file.mime_type], ["b.csv", "text/plain"])
      })
    )

    test(
      "lists all, newest first, in pages of the size asked for",
      Effect.gen(function*() {
        const files = yield* uploadMany(25)
        const expected = files.map((file) => file.id).reverse()
        const listed = yield* Stream.runCollect(Files.list({ limit: 10 }))
        assert.deepStrictEqual(listed.map((file) => file.id), expected)
        const requests = (yield* (yield* Backend).requests).filter((line) => line.startsWith("GET"))
        assert.strictEqual(requests.length, 3)
        assert.deepStrictEqual((yield* Stream.runCollect(Files.list())).map((file) => file.id), expected)
      })
    )

    test(
      "fetches no page that nobody asks for",
      Effect.gen(function*() {
        yield* uploadMany(25)
        const backend = yield* Backend
        const before = (yield* backend.requests).length
        const three = yield* Stream.runCollect(Stream.take(Files.list({ limit: 2 }), 3))
        assert.strictEqual(three.length, 3)
        assert.strictEqual((yield* backend.requests).length - before, 2)
      })
    )

    test(
      "gives one page with its cursor",
      Effect.gen(function*() {
        const files = yield* uploadMany(3)
        const first = yield* Files.listPage({ limit: 2 })
        assert.deepStrictEqual(first.data.map((file) => file.id), [files[2]?.id, files[1]?.id])
        const second = yield* (dialect === "ga"
          ? Files.listPage({ limit: 2, page: first.next_page ?? "" })
          : Files.listPage({ limit: 2, afterId: first.last_id ?? FileId.make("none") }))
        assert.deepStrictEqual(second.data.map((file) => file.id), [files[0]?.id])
        assert.strictEqual(second.next_page, null)
        assert.strictEqual(second.has_more, false)
      })
    )

    test(
      "looks up ids: duplicates once, missing ones left out, any number",
      Effect.gen(function*() {
        const [a, b] = yield* uploadMany(2)
        if (a === undefined || b === undefined) return assert.fail("two files were uploaded")
        const unknown = Array.from({ length: 150 }, (_, n) => FileId.make(`file_unknown${n}`))
        const found = yield* Stream.runCollect(Files.list({ ids: [a.id, ...unknown, b.id, a.id] }))
        assert.deepStrictEqual(found.map((file) => file.id).sort(), [a.id, b.id].sort())
        const backend = yield* Backend
        const before = (yield* backend.requests).length
        assert.deepStrictEqual(yield* Stream.runCollect(Files.list({ ids: [] })), [])
        assert.strictEqual((yield* backend.requests).length, before)
      })
    )

    if (dialect === "beta") {
      test(
        "lists from a file on, in both directions",
        Effect.gen(function*() {
          const files = yield* uploadMany(6)
          const ids = files.map((file) => file.id)
          const [oldest, , third, fourth] = ids
          if (oldest === undefined || third === undefined || fourth === undefined) return assert.fail("six files")
          const older = yield* Stream.runCollect(Files.list({ afterId: fourth, limit: 2 }))
          assert.deepStrictEqual(older.map((file) => file.id), ids.slice(0, 3).reverse())
          const newer = yield* Stream.runCollect(Files.list({ beforeId: third, limit: 2 }))
          assert.deepStrictEqual(newer.map((file) => file.id).sort(), ids.slice(3).sort())
        })
      )
    } else {
      test(
        "keeps a file for as long as asked",
        Effect.gen(function*() {
          const file = yield* Files.upload(FileSource.text("x", "x.txt"), { expiresIn: "2 hours" })
          const { created_at, expires_at } = file
          if (expires_at === null) return assert.fail("it expires")
          assert.strictEqual(expires_at.epochMilliseconds - created_at.epochMilliseconds, 7_200_000)
        })
      )
    }

    test(
      "hands back the purpose, where one was given",
      Effect.gen(function*() {
        const file = yield* Files.upload(FileSource.text("x", "x.txt"), { purpose: "user_data" })
        assert.strictEqual(file.purpose, "user_data")
      })
    )

    test(
      "downloads what was generated, byte for byte",
      Effect.gen(function*() {
        const content = Uint8Array.from({ length: 300_000 }, (_, n) => n * 31)
        const id = FileId.make(yield* (yield* Backend).generate("chart.png", "image/png", content))
        assert.deepStrictEqual(yield* collectBytes(Files.download(id)), content)
        assert.strictEqual((yield* Files.metadata(id)).downloadable, true)
        const empty = FileId.make(yield* (yield* Backend).generate("empty.txt", "text/plain", new Uint8Array()))
        assert.strictEqual((yield* collectBytes(Files.download(empty))).length, 0)
      })
    )

    test(
      "does not hand out an upload",
      Effect.gen(function*() {
        const { id } = yield* Files.upload(FileSource.text("x", "x.txt"))
        const error = yield* failure(collectBytes(Files.download(id)))
        assert.strictEqual(error._tag, "FileNotDownloadable")
        if (error._tag !== "FileNotDownloadable") return
        assert.strictEqual(error.fileId, id)
        assert.strictEqual(error.status, 400)
        assert.strictEqual(error.errorCode, "file_not_downloadable")
        assert.strictEqual(error.isRetryable, false)
      })
    )

    test(
      "finds many, and says of each whether it is there",
      Effect.gen(function*() {
        const [a, b] = yield* uploadMany(2)
        if (a === undefined || b === undefined) return assert.fail("two files were uploaded")
        const missing = FileId.make("file_missing")
        assert.deepStrictEqual(
          yield* Files.findMany([b.id, missing, a.id, b.id]),
          [Option.some(b), Option.none(), Option.some(a), Option.some(b)]
        )
        assert.isTrue(yield* Files.exists(a.id))
        assert.isFalse(yield* Files.exists(missing))
      })
    )

    test(
      "keeps a file for as long as its Scope",
      Effect.gen(function*() {
        const inside = yield* Effect.scoped(
          Effect.andThen(Files.uploadScoped(FileSource.text("x", "x.txt")), Stream.runCollect(Files.list()))
        )
        assert.strictEqual(inside.length, 1)
        assert.deepStrictEqual(yield* Stream.runCollect(Files.list()), [])
      })
    )

    test(
      "moves many: up, down to a folder, and away",
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const directory = yield* fs.makeTempDirectoryScoped()
        const { generate } = yield* Backend
        const inputs = Array.from({ length: 20 }, (_, n) => ({ source: FileSource.text(text(n), `${n}.txt`), n }))
        const uploads = yield* Stream.runCollect(Transfer.uploadAll(Stream.fromIterable(inputs)))
        assert.sameMembers(uploads.map(({ input }) => input), inputs)
        for (const result of uploads) {
          assert.strictEqual(result._tag === "Success" && result.value.filename, `${result.input.n}.txt`)
        }
        const made = yield* generate("made.csv", "text/csv", new TextEncoder().encode("1,2"))
        const downloads = yield* Stream.runCollect(
          Transfer.downloadAll(Files.list({ limit: 5 }), { directory })
        )
        const reasons = downloads.map((result) => result._tag === "Success" ? "saved" : result.error._tag)
        assert.strictEqual(reasons.filter((reason) => reason === "FileNotDownloadable").length, 20)
        assert.strictEqual(reasons.filter((reason) => reason === "saved").length, 1)
        assert.deepStrictEqual(yield* fs.readDirectory(directory), ["made.csv"])
        assert.strictEqual(yield* fs.readFileString(`${directory}/made.csv`), "1,2")
        const deleted = yield* Stream.runCollect(
          Transfer.deleteAll(Stream.fromIterable([...(yield* Stream.runCollect(Files.list())), FileId.make(made)]))
        )
        assert.deepStrictEqual(
          deleted.map((result) => result._tag === "Success" ? "gone" : result.error._tag).sort(),
          ["FileNotFound", ...Array.from({ length: 21 }, () => "gone")]
        )
        assert.deepStrictEqual(yield* Stream.runCollect(Files.list()), [])
      })
    )

    test(
      "deletes, and the file is gone",
      Effect.gen(function*() {
        const { id } = yield* Files.upload(FileSource.text("x", "x.txt"))
        assert.deepStrictEqual(yield* Files.delete(id), { id, type: "file_deleted" })
        assert.deepStrictEqual(yield* Stream.runCollect(Files.list()), [])
        const errors: ReadonlyArray<FilesError.FilesError> = [
          yield* failure(Files.metadata(id)),
          yield* failure(Files.delete(id)),
          yield* failure(collectBytes(Files.download(id)))
        ]
        for (const error of errors) {
          assert.strictEqual(error._tag, "FileNotFound")
          if (error._tag !== "FileNotFound") return
          assert.strictEqual(error.fileId, id)
          assert.strictEqual(error.status, 404)
          assert.isString(error.requestId)
          assert.isFalse(error.isRetryable)
        }
      })
    )

    it.effect(`${name}, ${dialect}: refuses a wrong key`, () =>
      Effect.gen(function*() {
        const error = yield* failure(Stream.runCollect(Files.list()))
        assert.strictEqual(error._tag, "RequestFailed")
        if (error._tag !== "RequestFailed") return
        assert.strictEqual(error.reason._tag, "Unauthorized")
        assert.strictEqual(error.status, 401)
        assert.notInclude(JSON.stringify(error), "sk-ant-canary-wrong-key")
      }).pipe(
        Effect.provide(
          filesWith({ dialect, apiKey: Redacted.make("sk-ant-canary-wrong-key") }).pipe(Layer.provide(backend))
        )
      ))
  }
}
