import { NodeFileSystem, NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Layer, Redacted, Schedule, Stream } from "effect"
import { FileMetadata, Files, type FilesError, FileSource } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { FetchHttpClient } from "effect/http"
import * as fs from "node:fs"
import { http, rawServer } from "./support/rawServer.ts"

const key = "sk-ant-canary-0123456789abcdef"

const id = FileMetadata.FileId.make("file_1")

const stored = (size: number) =>
  JSON.stringify({
    id,
    type: "file",
    filename: "a.bin",
    mime_type: "application/octet-stream",
    size_bytes: size,
    created_at: new Date().toISOString(),
    downloadable: false,
    expires_at: null
  })

const json = { "content-type": "application/json", "request-id": "req_raw" }

const transports = {
  "node:http": NodeFiles.layerHttpClient,
  fetch: FetchHttpClient.layer
}

const client = (
  transport: keyof typeof transports,
  baseUrl: string,
  options?: Partial<Files.Options>
) =>
  Files.layer({ apiKey: Redacted.make(key), baseUrl, idleTimeout: "10 seconds", ...options }).pipe(
    Layer.provideMerge(transports[transport]),
    Layer.provideMerge(NodeFileSystem.layer),
    Layer.orDie
  )

const isBun = "Bun" in globalThis
const isDeno = "Deno" in globalThis

const run = <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.runCollect(stream)

/** No visible part of an error may contain the key. */
const clean = <E extends FilesError.FilesError>(error: E): E => {
  assert.notInclude(JSON.stringify(error), key)
  assert.notInclude(error.message, key)
  assert.notInclude(String(error.stack), key)
  assert.notInclude(error.message, "\n")
  return error
}

const reasonOf = (error: FilesError.FilesError) => error._tag === "RequestFailed" ? error.reason._tag : error._tag

for (const transport of ["node:http", "fetch"] as const) {
  describe(`over ${transport}`, () => {
    it.live("a redirect is refused and nothing goes elsewhere", () =>
      Effect.gen(function*() {
        const elsewhere = yield* rawServer(({ socket }) => void socket.write(http(200, stored(1), json)))
        for (const status of [301, 302, 303, 307, 308]) {
          const server = yield* rawServer(({ socket }) =>
            void socket.write(http(status, "", { location: `${elsewhere.url}/v1/files/file_1` }))
          )
          const layer = client(transport, server.url)
          const errors = [
            yield* Effect.flip(Effect.provide(Files.metadata(id), layer)),
            yield* Effect.flip(Effect.provide(Files.upload(FileSource.text("x", "x.txt")), layer))
          ]
          for (const error of errors) {
            assert.strictEqual(reasonOf(clean(error)), "UnexpectedResponse")
            assert.isFalse(error.isOutcomeUnknown)
          }
        }
        assert.strictEqual(elsewhere.heads.length, 0)
      }))

    it.live("an error envelope at 200 is that error", () =>
      Effect.gen(function*() {
        const envelope = JSON.stringify({ type: "error", error: { type: "api_error", message: "odd" } })
        const server = yield* rawServer(({ socket }) => void socket.write(http(200, envelope)))
        const error = yield* Effect.flip(Effect.provide(Files.metadata(id), client(transport, server.url)))
        assert.strictEqual(reasonOf(clean(error)), "ServerFailed")
        assert.match(error.message, /odd/)
      }))

    it.live("a success that is not the API's is an error with a short sentence", () =>
      Effect.gen(function*() {
        const answers: ReadonlyArray<readonly [Buffer, RegExp]> = [
          [http(200, `<html><script>var a=1</script><body>${"<p>Sign in</p>".repeat(9000)}`), /not JSON.*Sign in/],
          [http(200, ""), /empty/],
          [http(204, ""), /204/],
          [http(200, "hello"), /not JSON.*hello/],
          [http(200, "{\"id\":"), /not JSON/],
          [http(200, "null"), /not what the API documents/],
          [http(200, JSON.stringify({ ...JSON.parse(stored(1)), size_bytes: "1" })), /size_bytes/],
          [http(200, JSON.stringify({ type: "error", message: "odd" })), /id.*odd/]
        ]
        for (const [answer, message] of answers) {
          const server = yield* rawServer(({ socket }) => void socket.write(answer))
          const error = yield* Effect.flip(Effect.provide(Files.metadata(id), client(transport, server.url)))
          assert.strictEqual(reasonOf(clean(error)), "UnexpectedResponse")
          assert.match(error.message, message)
          assert.isBelow(error.message.length, 1200)
        }
      }))

    it.live("a listing that is HTML is an error, not an empty list", () =>
      Effect.gen(function*() {
        const server = yield* rawServer(({ socket }) => void socket.write(http(200, "<html>welcome</html>")))
        const error = yield* Effect.flip(Effect.provide(run(Files.list()), client(transport, server.url)))
        assert.strictEqual(reasonOf(clean(error)), "UnexpectedResponse")
      }))

    it.live("the size of a JSON answer is bounded", () =>
      Effect.gen(function*() {
        const server = yield* rawServer(({ socket }) =>
          void socket.write(http(200, Buffer.concat([Buffer.from("{\"data\":[\""), Buffer.alloc(20_000_000, 97)])))
        )
        const error = yield* Effect.flip(
          Effect.provide(run(Files.list()), client(transport, server.url, { idleTimeout: "10 seconds" }))
        )
        assert.strictEqual(reasonOf(clean(error)), "UnexpectedResponse")
        assert.match(error.message, /longer than 16777216 bytes/)
      }))

    it.live("an error page is shortened to a sentence, and an echoed key is removed", () =>
      Effect.gen(function*() {
        const server = yield* rawServer(({ head, socket }) => {
          const echoed = /x-api-key: (\S+)/i.exec(head)?.[1] ?? ""
          assert.strictEqual(echoed, key)
          socket.write(http(502, `<h1>Bad gateway</h1>${echoed} ${"<b>x</b>".repeat(50_000)}`))
        })
        const error = clean(yield* Effect.flip(Effect.provide(Files.metadata(id), client(transport, server.url))))
        assert.strictEqual(reasonOf(error), "ServerFailed")
        assert.isTrue(error.isRetryable)
        assert.isBelow(error.message.length, 700)
        assert.include(error.message, "Bad gateway")
        assert.include(error.message, "[redacted]")
      }))

    it.live("a missing answer ends in time, and says when the outcome is unknown", () =>
      Effect.gen(function*() {
        const server = yield* rawServer(() => undefined)
        const layer = client(transport, server.url, { idleTimeout: "20 millis" })
        const looked = clean(yield* Effect.flip(Effect.provide(Files.metadata(id), layer)))
        assert.strictEqual(reasonOf(looked), "TimedOut")
        assert.isFalse(looked.isOutcomeUnknown)
        const sent = clean(
          yield* Effect.flip(Effect.provide(Files.upload(FileSource.text("x", "x.txt")), layer))
        )
        assert.strictEqual(reasonOf(sent), "TimedOut")
        assert.isTrue(sent.isOutcomeUnknown)
      }))

    it.live("a body that stalls or drips ends in time", () =>
      Effect.gen(function*() {
        const server = yield* rawServer(({ head, socket }) => {
          socket.write("HTTP/1.1 200 X\r\ncontent-length: 1000\r\n\r\n{\"id")
          if (head.includes("drip")) {
            const timer = setInterval(() => socket.write(" "), 20)
            socket.on("close", () => clearInterval(timer))
          }
        })
        const layer = client(transport, server.url, { idleTimeout: "150 millis" })
        const stalled = clean(yield* Effect.flip(Effect.provide(Files.metadata(id), layer)))
        assert.strictEqual(reasonOf(stalled), "TimedOut")
        const drip = FileMetadata.FileId.make("drip")
        assert.strictEqual(reasonOf(yield* Effect.flip(Effect.provide(Files.metadata(drip), layer))), "TimedOut")
        const content = yield* Effect.flip(Effect.provide(run(Files.download(id)), layer))
        assert.strictEqual(content._tag, "TransferInterrupted")
        if (content._tag !== "TransferInterrupted") return
        assert.deepStrictEqual([content.reason, content.transferred, content.expected], ["Stalled", 4, 1000])
        assert.isTrue(content.isRetryable)
      }))

    it.live("a download that ends early is an error with both figures", () =>
      Effect.gen(function*() {
        const server = yield* rawServer(({ socket }) =>
          void socket.end("HTTP/1.1 200 X\r\ncontent-length: 10\r\nrequest-id: req_short\r\n\r\nabcd")
        )
        const error = clean(
          yield* Effect.flip(Effect.provide(run(Files.download(id)), client(transport, server.url)))
        )
        assert.strictEqual(error._tag, "TransferInterrupted")
        if (error._tag !== "TransferInterrupted") return
        assert.include(["Reset", "Truncated"], error.reason)
        assert.deepStrictEqual([error.expected, error.fileId], [10, "file_1"])
        // Bun's fetch may drop bytes that arrive together with the end.
        assert.include(transport === "fetch" && isBun ? [0, 4] : [4], error.transferred)
        assert.strictEqual(error.requestId, "req_short")
      }))

    it.live("a file that is too large for the service is not read further", () =>
      Effect.gen(function*() {
        const path = `${yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()}/large.bin`
        fs.closeSync(fs.openSync(path, "w"))
        fs.truncateSync(path, 50_000_000)
        const server = yield* rawServer(({ socket }) => {
          socket.write(http(413, "<html>too large</html>", { connection: "close" }))
          socket.pause()
        })
        let read = 0
        const source = FileSource.tap(
          FileSource.path(path),
          (chunk) => Effect.sync(() => void (read += chunk.length))
        )
        const error = clean(yield* Effect.flip(Effect.provide(Files.upload(source), client(transport, server.url))))
        // fetch may report the broken connection before the answer.
        assert.include(
          transport === "fetch" ? ["FileTooLarge", "TransferInterrupted", "Unreachable"] : ["FileTooLarge"],
          reasonOf(error)
        )
        if (transport === "node:http") assert.isBelow(read, 50_000_000)
        const isOpen = () =>
          fs.readdirSync("/proc/self/fd").some((fd) => {
            const target = `/proc/self/fd/${fd}`
            return fs.existsSync(target) && fs.readlinkSync(target) === path
          })
        // Deno closes a file only after a read in progress has ended.
        yield* Effect.suspend(() => isOpen() ? Effect.fail("open") : Effect.void).pipe(
          Effect.retry(Schedule.spaced("5 millis")),
          Effect.timeout("1 second")
        )
      }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer)))

    it.live("the outcome of a refused connection is known", () =>
      Effect.gen(function*() {
        const url = yield* Effect.scoped(Effect.map(rawServer(() => undefined), (server) => server.url))
        const error = clean(
          yield* Effect.flip(Effect.provide(Files.upload(FileSource.text("x", "x.txt")), client(transport, url)))
        )
        assert.strictEqual(reasonOf(error), "Unreachable")
        assert.isTrue(error.isRetryable)
        assert.isFalse(error.isOutcomeUnknown)
        assert.match(error.message, /ECONNREFUSED|Connection refused/)
      }))

    it.live("a connection that breaks after the upload leaves the outcome unknown", () =>
      Effect.gen(function*() {
        const server = yield* rawServer(async ({ socket, waitFor }) => {
          await waitFor(100)
          socket.resetAndDestroy()
        })
        const error = clean(
          yield* Effect.flip(Effect.provide(Files.upload(FileSource.text("x", "x.txt")), client(transport, server.url)))
        )
        assert.strictEqual(reasonOf(error), "Unreachable")
        assert.isTrue(error.isOutcomeUnknown)
        assert.include(error.message, "x.txt may have been stored")
      }))

    it.live("a different stored size is an error, and that file is deleted again", () =>
      Effect.gen(function*() {
        const server = yield* rawServer(async ({ head, socket, waitFor }) => {
          if (head.startsWith("POST")) await waitFor(100)
          socket.write(
            head.startsWith("DELETE")
              ? http(200, JSON.stringify({ id, type: "file_deleted" }), json)
              : http(200, stored(3), json)
          )
        })
        const error = clean(
          yield* Effect.flip(
            Effect.provide(Files.upload(FileSource.text("four", "x.txt")), client(transport, server.url))
          )
        )
        assert.strictEqual(error._tag, "TransferInterrupted")
        if (error._tag !== "TransferInterrupted") return
        assert.deepStrictEqual([error.reason, error.transferred, error.expected], ["SizeMismatch", 3, 4])
        assert.strictEqual(error.fileId, id)
        assert.deepStrictEqual(server.heads.map((head) => head.split(" HTTP")[0]), [
          "POST /v1/files",
          "DELETE /v1/files/file_1"
        ])
      }))

    // The fetch of Node 22 and 26 keeps a socket open for four seconds after an abort, plain fetch with a signal too.
    const keepsOpen = transport === "fetch" && !isBun && !isDeno && !process.versions.node.startsWith("24.")
    it.live.skipIf(keepsOpen)("an interruption closes the connection at once", () =>
      Effect.gen(function*() {
        let started = () => {}
        const server = yield* rawServer(({ head, socket }) => {
          if (head.includes("/content")) {
            socket.write("HTTP/1.1 200 X\r\ncontent-length: 1000\r\n\r\nabcd")
          }
          started()
        })
        const layer = client(transport, server.url, { idleTimeout: "1 minute" })
        const operations: ReadonlyArray<
          Effect.Effect<unknown, FilesError.FilesError, Files.Files>
        > = [
          Files.metadata(id),
          Files.upload(FileSource.stream(Stream.concat(Stream.make(new Uint8Array(9)), Stream.never), {
            filename: "x.bin",
            replayable: true
          })),
          run(Files.download(id))
        ]
        for (const operation of operations) {
          // The best of three: a busy machine may be late once, but a connection that is left open always is.
          let best = Infinity
          for (let round = 0; round < 3 && best >= 100; round++) {
            const reached = new Promise<void>((resolve) => {
              started = resolve
            })
            const fiber = yield* Effect.forkChild(Effect.provide(operation, layer))
            yield* Effect.promise(() => reached)
            // The connection has been made by the time the server has seen the request.
            assert.isAbove(server.open(), 0)
            const before = performance.now()
            yield* Fiber.interrupt(fiber)
            yield* Effect.retry(
              Effect.suspend(() => server.open() === 0 ? Effect.void : Effect.fail("open")),
              Schedule.spaced("5 millis")
            ).pipe(Effect.timeout("2 seconds"))
            best = Math.min(best, performance.now() - before)
          }
          assert.isBelow(best, 100)
        }
      }))
  })
}

it.live("a connection that breaks in the middle of an upload says how far it came", () =>
  Effect.gen(function*() {
    const server = yield* rawServer(async ({ socket, waitFor }) => {
      await waitFor(200_000)
      socket.resetAndDestroy()
    })
    const chunk = new Uint8Array(100_000)
    const endless = Stream.fromIterable(Array.from({ length: 400 }, () => chunk))
    const error = clean(
      yield* Effect.flip(Effect.provide(
        Files.upload(FileSource.stream(endless, { filename: "x.bin", size: 40_000_000 })),
        client("node:http", server.url)
      ))
    )
    assert.strictEqual(error._tag, "TransferInterrupted")
    if (error._tag !== "TransferInterrupted") return
    assert.strictEqual(error.reason, "Reset")
    assert.strictEqual(error.expected, 40_000_000)
    assert.isAbove(error.transferred, 0)
    assert.isBelow(error.transferred, 40_000_000)
    assert.isFalse(error.isOutcomeUnknown)
    assert.isTrue(error.isRetryable)
    assert.match(error.message, /x\.bin.*after \d+ of 40000000 bytes/)
  }))

it.live("an upload that the service does not read ends as Stalled, a slow one does not", () =>
  Effect.gen(function*() {
    const slow = yield* rawServer(async ({ received, socket, waitFor }) => {
      // Longer in all than the idle timeout, but never without progress.
      socket.pause()
      const timer = setInterval(() => {
        socket.resume()
        setImmediate(() => {
          if (received() < 8_000_000) socket.pause()
          else clearInterval(timer)
        })
      }, 20)
      await waitFor(8_000_000)
      socket.write(http(200, stored(8_000_000), json))
    })
    const chunks = Stream.fromIterable(Array.from({ length: 80 }, () => new Uint8Array(100_000)))
    const source = FileSource.stream(chunks, { filename: "x.bin", size: 8_000_000, replayable: true })
    const file = yield* Effect.provide(
      Files.upload(source),
      client("node:http", slow.url, { idleTimeout: "500 millis" })
    )
    assert.strictEqual(file.size_bytes, 8_000_000)

    const stuck = yield* rawServer(({ socket }) => void socket.pause())
    const error = clean(
      yield* Effect.flip(
        Effect.provide(Files.upload(source), client("node:http", stuck.url, { idleTimeout: "150 millis" }))
      )
    )
    assert.strictEqual(error._tag, "TransferInterrupted")
    if (error._tag !== "TransferInterrupted") return
    assert.strictEqual(error.reason, "Stalled")
    assert.isFalse(error.isOutcomeUnknown)
  }))

it.live("problems that can be known before sending are refused without a request", () =>
  Effect.gen(function*() {
    const directory = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
    const large = `${directory}/large.bin`
    fs.closeSync(fs.openSync(large, "w"))
    fs.truncateSync(large, 501_000_000)
    const server = yield* rawServer(() => undefined)
    const refused: ReadonlyArray<
      readonly [string, Effect.Effect<unknown, FilesError.FilesError, Files.Files | FileSystem.FileSystem>]
    > = [
      ["FileTooLarge", Files.upload(FileSource.path(large))],
      ["SourceFailed", Files.upload(FileSource.path(directory))],
      ["SourceFailed", Files.upload(FileSource.path(`${directory}/none`))],
      ["SourceFailed", Files.upload(FileSource.path("a\u0000b"))],
      ["InvalidFilename", Files.upload(FileSource.text("x", ""))],
      ["InvalidFilename", Files.upload(FileSource.text("x", "a/b"))],
      ["InvalidFilename", Files.upload(FileSource.text("x", "a\r\nb"))],
      ["InvalidFilename", Files.upload(FileSource.text("x", "\ud800"))],
      ["InvalidFilename", Files.upload(FileSource.text("x", "x".repeat(256)))],
      ["InvalidFilename", Files.upload(FileSource.blob(new Blob(["x"])))],
      ["InvalidFileType", Files.upload(FileSource.text("x", "x"), { mimeType: "text" })],
      ["InvalidFileType", Files.upload(FileSource.text("x", "x"), { mimeType: "text/plain\r\nx: y" })],
      ["InvalidRequest", Files.upload(FileSource.text("x", "x"), { expiresIn: "59 minutes" })],
      ["InvalidRequest", Files.upload(FileSource.text("x", "x"), { expiresIn: "91 days" })],
      ["InvalidRequest", Files.upload(FileSource.text("x", "x"), { expiresIn: 3_600_500 })],
      ...[NaN, -1, 1.5, Infinity].map((size) =>
        ["InvalidRequest", Files.upload(FileSource.stream(Stream.empty, { filename: "x", size }))] as const
      ),
      ["InvalidRequest", Files.metadata(FileMetadata.FileId.make(".."))],
      ["InvalidRequest", Files.delete(FileMetadata.FileId.make("a b"))],
      ["InvalidRequest", run(Files.list({ afterId: id }))],
      [
        "InvalidRequest",
        Files.listPage({ ids: Array.from({ length: 101 }, (_, n) => FileMetadata.FileId.make(`f${n}`)) })
      ],
      ["InvalidRequest", run(Files.list({ ids: [id], limit: 10 }))],
      ...[0, -1, 1001, 1.5, NaN, Infinity].map((limit) => ["InvalidRequest", run(Files.list({ limit }))] as const)
    ]
    for (const [tag, effect] of refused) {
      const error = clean(yield* Effect.flip(Effect.provide(effect, client("node:http", server.url))))
      assert.strictEqual(reasonOf(error), tag)
      assert.isFalse(error.isRetryable)
      assert.isFalse(error.isOutcomeUnknown)
      if (error._tag === "FileTooLarge") {
        assert.deepStrictEqual([error.size, error.limit], [501_000_000, 500_000_000])
        assert.include(error.message, "501 MB")
      }
    }
    assert.strictEqual(server.heads.length, 0)
  }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer)))

it.live("a listing whose cursor repeats ends", () =>
  Effect.gen(function*() {
    const page = (cursor: string) => http(200, JSON.stringify({ data: [], next_page: cursor }), json)
    const same = yield* rawServer(({ socket }) => void socket.write(page("again")))
    const cycle = yield* rawServer(({ socket }, count) => void socket.write(page(`c${count % 3}`)))
    const stuck = yield* rawServer(({ socket }) =>
      void socket.write(
        http(200, JSON.stringify({ data: [], has_more: true, first_id: null, last_id: null }), json)
      )
    )
    for (
      const [server, dialect, requests] of [[same, "ga", 2], [cycle, "ga", 4], [stuck, "beta", 1], [
        stuck,
        "ga",
        2
      ]] as const
    ) {
      const error = clean(
        yield* Effect.flip(Effect.provide(
          run(Files.list()),
          client("node:http", server.url, { dialect })
        ))
      )
      assert.strictEqual(reasonOf(error), "UnexpectedResponse")
      assert.strictEqual(server.heads.length, requests)
    }
  }))

it.live("an empty page with a cursor is skipped", () =>
  Effect.gen(function*() {
    const server = yield* rawServer(({ socket }, count) =>
      void socket.write(
        http(
          200,
          JSON.stringify(
            count < 3 ? { data: [], next_page: `c${count}` } : { data: [JSON.parse(stored(1))], next_page: null }
          ),
          json
        )
      )
    )
    const files = yield* Effect.provide(run(Files.list()), client("node:http", server.url))
    assert.deepStrictEqual(files.map((file) => file.id), [id])
  }))

it.live("sockets are kept alive and bounded", () =>
  Effect.gen(function*() {
    let most = 0
    const server = yield* rawServer(({ socket }) => {
      most = Math.max(most, server.open())
      socket.write(http(200, stored(1), json))
    })
    const many = Effect.forEach(Array.from({ length: 500 }), () => Files.metadata(id), { concurrency: "unbounded" })
    yield* Effect.provide(many, client("node:http", server.url, { idleTimeout: "10 seconds" }))
    assert.isAtMost(most, 64)
    assert.strictEqual(server.heads.length, 500)
  }))

it.live("undici serves as well", () =>
  Effect.gen(function*() {
    const server = yield* rawServer(({ socket }) => void socket.write(http(200, stored(1), json)))
    const layer = Files.layer({ apiKey: Redacted.make(key), baseUrl: server.url }).pipe(
      Layer.provide(NodeHttpClient.layerUndici)
    )
    assert.strictEqual((yield* Effect.provide(Files.metadata(id), layer)).id, id)
  }))
