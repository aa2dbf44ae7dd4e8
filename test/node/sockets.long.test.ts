import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Layer, Random, Redacted, Stream } from "effect"
import { FileMetadata, Files, type FilesError, FileSource, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import type { Socket } from "node:net"
import { http, rawServer } from "../support/rawServer.ts"

const id = FileMetadata.FileId.make("file_1")

const file = (size = 1) =>
  JSON.stringify({
    id,
    type: "file",
    filename: "a.txt",
    mime_type: "text/plain",
    size_bytes: size,
    created_at: "2026-11-21T00:00:00Z",
    downloadable: false,
    expires_at: null
  })

const good = http(200, file())

const over = (baseUrl: string, options: Partial<NodeFiles.Options> = {}, policy?: Policy.Policy) =>
  NodeFiles.layer({ apiKey: Redacted.make("sk-ant-test-key"), baseUrl, ...options }, policy)

const nameOf = (error: { readonly _tag: string; readonly reason?: unknown }): string => {
  const { reason } = error as { readonly reason?: { readonly _tag?: string } }
  return reason?._tag ?? error._tag
}

const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

/** Waits, as long as the test may take, for what has to come about. */
const until = (holds: () => boolean) => Effect.repeat(turn, { until: holds })

const closed = (socket: Socket) =>
  Effect.callback<void>((resume) => {
    if (socket.closed) return resume(Effect.void)
    socket.once("close", () => resume(Effect.void))
  })

describe("kept-alive sockets", () => {
  it.live("serve one request after another", () =>
    Effect.scoped(Effect.gen(function*() {
      const sockets = new Set<Socket>()
      const server = yield* rawServer(({ socket }) => {
        sockets.add(socket)
        socket.write(good)
      })
      yield* Effect.provide(Effect.repeat(Files.metadata(id), { times: 9 }), over(server.url))
      assert.strictEqual(server.heads.length, 10)
      assert.strictEqual(sockets.size, 1)
    })))

  it.live("are closed once they have been idle for four seconds", () =>
    Effect.scoped(Effect.gen(function*() {
      const sockets: Array<Socket> = []
      const server = yield* rawServer(({ socket }) => {
        sockets.push(socket)
        socket.write(good)
      })
      const idle = Effect.gen(function*() {
        yield* Files.metadata(id)
        const from = yield* Clock.currentTimeMillis
        const [socket] = sockets
        if (socket !== undefined) yield* closed(socket)
        return (yield* Clock.currentTimeMillis) - from
      })
      const waited = yield* Effect.provide(idle, over(server.url))
      assert.isAtLeast(waited, 3_500)
      assert.isBelow(waited, 10_000)
    })))

  it.live("are not kept where the server announces to close them sooner", () =>
    Effect.scoped(Effect.gen(function*() {
      const sockets = new Set<Socket>()
      const server = yield* rawServer(({ socket }) => {
        sockets.add(socket)
        socket.write(http(200, file(), { "keep-alive": "timeout=2, max=100" }))
      })
      yield* Effect.provide(Effect.repeat(Files.metadata(id), { times: 2 }), over(server.url))
      assert.strictEqual(sockets.size, 3)
    })))

  for (const method of ["resetAndDestroy", "end"] as const) {
    it.live(`that the server closes as they are used again (${method}) fail no lookup, without any policy`, () =>
      Effect.scoped(Effect.gen(function*() {
        const used = new Set<Socket>()
        const server = yield* rawServer(({ socket }) => {
          if (used.has(socket)) return void socket[method]()
          used.add(socket)
          socket.write(good)
        })
        yield* Effect.provide(Effect.repeat(Files.metadata(id), { times: 9 }), over(server.url))
        // One lookup finds out.
        assert.strictEqual(server.heads.length, 11)
        assert.strictEqual(used.size, 10)
      })))
  }

  it.live("that break under an upload fail that one with its outcome unknown, and no further one", () =>
    Effect.scoped(Effect.gen(function*() {
      const used = new Set<Socket>()
      const server = yield* rawServer(({ socket }) => {
        if (used.has(socket)) return void socket.resetAndDestroy()
        used.add(socket)
        socket.write(good)
      })
      const upload = Effect.result(Files.upload(FileSource.text("a", "a.txt")))
      const results = yield* Effect.provide(Effect.all(Array.from({ length: 10 }, () => upload)), over(server.url))
      const failed = results.flatMap((result) => result._tag === "Failure" ? [result.failure] : [])
      assert.deepStrictEqual(failed.map(nameOf), ["Unreachable"])
      assert.strictEqual(failed[0]?.isOutcomeUnknown, true)
      assert.strictEqual(server.heads.length, 10)
    })))

  it.live("a 408 that was sent while nothing was asked is not the next answer", () =>
    Effect.scoped(Effect.gen(function*() {
      const used = new Set<Socket>()
      const server = yield* rawServer(({ socket }) => {
        if (used.has(socket)) return void socket.end(http(408, "", { connection: "close" }))
        used.add(socket)
        socket.write(good)
      })
      yield* Effect.provide(Effect.repeat(Files.metadata(id), { times: 1 }), over(server.url))
      assert.strictEqual(server.heads.length, 3)
    })))
})

describe("waiting for a socket", () => {
  it.live("is not silence: 400 lookups at once, each answered after 300 ms, with an idle limit of 1 s", () =>
    Effect.scoped(Effect.gen(function*() {
      let most = 0
      const server = yield* rawServer(({ socket }) => {
        most = Math.max(most, server.open())
        setTimeout(() => socket.write(good), 300)
      })
      const lookups = Effect.forEach(Array.from({ length: 400 }), () => Files.metadata(id), {
        concurrency: "unbounded"
      })
      yield* Effect.provide(lookups, over(server.url, { idleTimeout: "1 second" }))
      assert.strictEqual(server.heads.length, 400)
      assert.isAtMost(most, 64)
    })))

  it.live("ends with the request that waits: it is never sent", () =>
    Effect.scoped(Effect.gen(function*() {
      const answers: Array<() => void> = []
      const server = yield* rawServer(({ socket }) => void answers.push(() => void socket.write(good)))
      const use = Effect.gen(function*() {
        const lookups = yield* Effect.forEach(Array.from({ length: 70 }), () => Effect.forkChild(Files.metadata(id)))
        yield* until(() => answers.length === 64)
        yield* Fiber.interruptAll(lookups.slice(64))
        for (const answer of answers) answer()
        yield* Fiber.joinAll(lookups.slice(0, 64))
      })
      yield* Effect.provide(use, over(server.url))
      assert.strictEqual(server.heads.length, 64)
    })))
})

describe("a request that is given up", () => {
  it.live("is not sent again by nobody's order, and leaves no socket", () =>
    Effect.scoped(Effect.gen(function*() {
      let isSilent = false
      const server = yield* rawServer(({ socket }) => isSilent ? undefined : void socket.write(good))
      const lookups = Effect.forEach(Array.from({ length: 20 }), () => Effect.result(Files.metadata(id)), {
        concurrency: "unbounded"
      })
      const use = Effect.gen(function*() {
        yield* lookups
        isSilent = true
        yield* lookups
        yield* until(() => server.open() === 0)
      })
      const policy = Policy.retry({ times: 1, baseDelay: "1 millis" })
      yield* Effect.provide(use, over(server.url, { idleTimeout: "200 millis" }, policy))
      assert.strictEqual(server.heads.length, 20 + 40)
    })))

  it.live("P7: 300 interruptions at random moments leave no socket open", () =>
    Effect.scoped(Effect.gen(function*() {
      const seed = yield* Clock.currentTimeMillis
      const random = <A, E, R>(effect: Effect.Effect<A, E, R>) => Random.withSeed(effect, seed)
      const server = yield* rawServer(({ socket }, n) => {
        if (n % 3 === 0) return undefined
        setTimeout(() => socket.destroyed || socket.write(good), n % 5)
      })
      const one = Effect.gen(function*() {
        const isUpload = yield* Random.nextBoolean
        const upload = Effect.exit(Files.upload(FileSource.text("a", "a.txt")))
        const fiber = yield* Effect.forkChild(isUpload ? upload : Effect.exit(Files.metadata(id)))
        yield* Effect.sleep(yield* Random.nextIntBetween(0, 8))
        yield* Fiber.interrupt(fiber)
      })
      const use = Effect.gen(function*() {
        yield* Effect.forEach(Array.from({ length: 300 }), () => one, { concurrency: 10 })
        const from = yield* Clock.currentTimeMillis
        // Those that had answered may be kept, and are idle.
        yield* until(() => server.open() <= 10)
        return (yield* Clock.currentTimeMillis) - from
      })
      const took = yield* random(Effect.provide(use, over(server.url)))
      assert.isBelow(took, 2_000, `seed ${seed}`)
      yield* until(() => server.open() === 0)
    })))
})

describe("answers before the answer", () => {
  it.live("100, 102 and 103 are passed over", () =>
    Effect.scoped(Effect.gen(function*() {
      const server = yield* rawServer(({ socket }) => {
        socket.write("HTTP/1.1 100 Continue\r\n\r\n")
        socket.write("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n")
        socket.write(good)
      })
      yield* Effect.provide(
        Effect.andThen(Files.metadata(id), Files.upload(FileSource.text("a", "a.txt"))),
        over(server.url)
      )
      assert.strictEqual(server.heads.length, 2)
    })))

  it.live("P4: an endless row of them ends at the limit on silence", () =>
    Effect.scoped(Effect.gen(function*() {
      const server = yield* rawServer(({ socket }) => {
        const timer = setInterval(() => socket.write("HTTP/1.1 102 Processing\r\n\r\n"), 20)
        socket.once("close", () => clearInterval(timer))
      })
      const error = yield* Effect.flip(
        Effect.provide(Files.metadata(id), over(server.url, { idleTimeout: "300 millis" }))
      )
      assert.strictEqual(nameOf(error), "TimedOut")
    })))

  for (const upgrade of ["upgrade: x\r\nconnection: upgrade\r\n", ""]) {
    it.live(`101, which nobody asked for, is an error at once${upgrade === "" ? ", also without its headers" : ""}`, () =>
      Effect.scoped(Effect.gen(function*() {
        const server = yield* rawServer(({ socket }) =>
          void socket.write(`HTTP/1.1 101 Switching Protocols\r\n${upgrade}\r\n`)
        )
        const error = yield* Effect.flip(Effect.provide(Files.metadata(id), over(server.url)))
        assert.strictEqual(nameOf(error), "UnexpectedResponse")
        assert.strictEqual((error as FilesError.RequestFailed).status, 101)
        yield* until(() => server.open() === 0)
      })))
  }
})

describe("an upload that is taken slowly and steadily", () => {
  const size = 24_000_000
  const bytes = new Uint8Array(size)
  const sources: Readonly<Record<string, () => FileSource.FileSource>> = {
    "bytes in memory": () => FileSource.bytes(bytes, "a.bin"),
    "a Blob": () => FileSource.blob(new Blob([bytes]), "a.bin"),
    "a stream of large chunks": () => FileSource.stream(Stream.make(bytes), { filename: "a.bin", size }),
    "a stream of small chunks": () =>
      FileSource.stream(Stream.fromIterable(Array.from({ length: 240 }, () => bytes.subarray(0, 100_000))), {
        filename: "a.bin",
        size
      })
  }
  for (const [what, source] of Object.entries(sources)) {
    it.live(`is not cut while the socket takes bytes: ${what}`, () =>
      Effect.scoped(Effect.gen(function*() {
        const server = yield* rawServer(async ({ head, socket, waitFor }) => {
          socket.on("data", () => {
            socket.pause()
            setTimeout(() => socket.resume(), 4)
          })
          await waitFor(Number(/content-length: (\d+)/i.exec(head)?.[1]))
          socket.write(http(200, file(size)))
        })
        const from = yield* Clock.currentTimeMillis
        yield* Effect.provide(Files.upload(source()), over(server.url, { idleTimeout: "1 second" }))
        // Else it says nothing.
        assert.isAbove((yield* Clock.currentTimeMillis) - from, 1_200)
      })))

    it.live(`is cut when the socket takes no more: ${what}`, () =>
      Effect.scoped(Effect.gen(function*() {
        const sockets: Array<Socket> = []
        const server = yield* rawServer(({ socket }) => void sockets.push(socket.pause()))
        const error = yield* Effect.flip(
          Effect.provide(Files.upload(source()), over(server.url, { idleTimeout: "400 millis" }))
        )
        assert.include(["TransferInterrupted", "TimedOut"], nameOf(error))
        for (const socket of sockets) socket.resume()
        yield* until(() => server.open() === 0)
      })))
  }
})

it.live("an answer before the end of the body stops the sending, and its socket is not used again", () =>
  Effect.scoped(Effect.gen(function*() {
    const sockets = new Set<Socket>()
    let received = 0
    const server = yield* rawServer(({ head, socket }) => {
      sockets.add(socket)
      if (head.startsWith("GET")) return void socket.write(good)
      socket.write(http(413, "{}"))
      socket.on("data", (chunk) => {
        received += chunk.length
      })
    })
    const use = Effect.gen(function*() {
      const size = 100_000_000
      const error = yield* Effect.flip(Files.upload(FileSource.bytes(new Uint8Array(size), "a.bin")))
      assert.strictEqual(nameOf(error), "FileTooLarge")
      yield* Files.metadata(id)
      assert.strictEqual(sockets.size, 2)
      yield* until(() => server.open() === 1)
      assert.isBelow(received, size)
    })
    yield* Effect.provide(use, Layer.orDie(over(server.url)))
  })))
