import { NodeFileSystem, NodePath } from "@effect/platform-node"
import { assert, describe, it, layer } from "@effect/vitest"
import { Cause, Context, Data, Deferred, Effect, Exit, Fiber, FileSystem, Layer, PlatformError, Stream } from "effect"
import { FileSource } from "effect-anthropic-files"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { FetchHttpClient, HttpClient, HttpClientError, type HttpClientRequest, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { Readable } from "node:stream"
import { pathToFileURL } from "node:url"
import { inspect } from "node:util"
import * as vm from "node:vm"
import type { SourceFailed } from "../src/FilesError.ts"
import { urlOf } from "./support/mock.ts"

const MiB = 1 << 20

/** Bytes that differ by position, so that a chunk that is read twice or skipped shows. */
const pattern = (size: number): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(size)
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + (i >>> 8) * 17 + (i >>> 16)) & 0xff
  return bytes
}

const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0

interface Read {
  readonly content: FileSource.Content
  readonly bytes: Uint8Array
}

/** Opens a source and reads it to the end. */
const read = <R>(source: FileSource.FileSource<R>): Effect.Effect<Read, SourceFailed, R> =>
  Effect.scoped(Effect.gen(function*() {
    const content = yield* source.open
    return { content, bytes: yield* Stream.mkUint8Array(content.stream) }
  }))

/** The failure of a source, and how many bytes came before it. */
const failure = <R>(source: FileSource.FileSource<R>) =>
  Effect.suspend(() => {
    let seen = 0
    return Effect.scoped(
      Effect.flatMap(source.open, ({ stream }) =>
        Stream.runForEach(stream, (chunk) => Effect.sync(() => void (seen += chunk.length))))
    ).pipe(
      Effect.matchEffect({
        onSuccess: () =>
          Effect.die(new Error(`The source was read to its end, ${seen} bytes, and should have failed.`)),
        onFailure: (error) =>
          Effect.sync(() => {
            assert.strictEqual(error._tag, "SourceFailed")
            assert.strictEqual(error.operation, "upload")
            assert.isFalse(error.isOutcomeUnknown)
            return { error, reason: error.reason, seen }
          })
      })
    )
  })

class Folder extends Context.Service<Folder, {
  readonly at: (name: string) => string
  readonly write: (name: string, content: Uint8Array | string) => string
}>()("test/Folder") {
  static readonly layer = Layer.effect(
    Folder,
    Effect.gen(function*() {
      const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      const at = (name: string) => path.join(folder, name)
      return {
        at,
        write: (name: string, content: Uint8Array | string) => {
          fs.writeFileSync(at(name), content)
          // Written a while ago, because a change within the clock's granularity would not show.
          fs.utimesSync(at(name), new Date(0), new Date(0))
          return at(name)
        }
      }
    })
  ).pipe(Layer.provideMerge(Layer.mergeAll(NodeFileSystem.layer, NodePath.layer)))
}

/** How many descriptors of a path this process has open. */
const descriptors = (path: string) =>
  Effect.sync(() => {
    let count = 0
    for (const fd of fs.readdirSync("/proc/self/fd")) {
      try {
        if (fs.readlinkSync(`/proc/self/fd/${fd}`) === path) count++
      } catch {
        // The listing's own descriptor is closed by now.
      }
    }
    return count
  })

/** The file system, with each `readAlloc` of an opened file passing through `onRead`, counted from 1. */
const watching = (onRead: (count: number) => Effect.Effect<void>) =>
  Effect.updateService(FileSystem.FileSystem, (inner) =>
    FileSystem.FileSystem.of({
      ...inner,
      open: (path, options) =>
        Effect.map(inner.open(path, options), (file): FileSystem.File => {
          let count = 0
          return Object.create(file, {
            readAlloc: {
              value: (size: number, options?: FileSystem.File.ReadOptions) =>
                Effect.suspend(() => Effect.andThen(onRead(++count), file.readAlloc(size, options)))
            }
          })
        })
    }))

layer(Folder.layer)("path", (it) => {
  it.effect.each(
    [
      ["one byte", 1],
      ["just under a chunk", MiB - 1],
      ["a chunk", MiB],
      ["just over a chunk", MiB + 1],
      ["several chunks", 3 * MiB],
      ["several chunks and some", 3 * MiB + 12_345],
      ["empty", 0]
    ] as const
  )("a file of %s", ([name, size]) =>
    Effect.gen(function*() {
      const { write } = yield* Folder
      const content = pattern(size)
      const file = write(`${name}.bin`, content)
      const { bytes, content: opened } = yield* read(FileSource.path(file))
      assert.isTrue(same(bytes, content))
      assert.strictEqual(opened.size, size)
      assert.strictEqual(opened.filename, `${name}.bin`)
      assert.strictEqual(opened.mimeType, undefined)
      // Content that fits into a chunk is available as a whole.
      assert.strictEqual(opened.bytes !== undefined, size <= MiB)
      if (opened.bytes !== undefined) assert.isTrue(same(opened.bytes, content))
      assert.strictEqual(yield* descriptors(file), 0)
    }))

  it.effect("it is read in chunks of 1 MiB, and again when its stream is run again", () =>
    Effect.gen(function*() {
      const { write } = yield* Folder
      const content = pattern(2 * MiB + 7)
      const source = FileSource.path(write("again.bin", content))
      yield* Effect.scoped(Effect.gen(function*() {
        const { stream } = yield* source.open
        for (let i = 0; i < 3; i++) {
          const sizes: Array<number> = []
          const bytes = yield* Stream.mkUint8Array(
            Stream.tap(stream, (chunk) => Effect.sync(() => sizes.push(chunk.length)))
          )
          assert.deepStrictEqual(sizes, [MiB, MiB, 7])
          assert.isTrue(same(bytes, content))
        }
      }))
    }))

  it.effect("a file: URL is its path, as a URL or as text", () =>
    Effect.gen(function*() {
      const { write } = yield* Folder
      const file = write("a b%20c ü.txt", "by URL")
      const url = pathToFileURL(file)
      for (const given of [url, url.href, vm.runInNewContext("new URL(href)", { URL, href: url.href }) as URL]) {
        const { bytes, content } = yield* read(FileSource.path(given))
        assert.strictEqual(Buffer.from(bytes).toString(), "by URL")
        assert.strictEqual(content.filename, "a b%20c ü.txt")
      }
    }))

  it.effect("a backslash in a name stays in it here, where it is not a separator", () =>
    Effect.gen(function*() {
      const { write } = yield* Folder
      const { content } = yield* read(FileSource.path(write("dir\\a.txt", "x")))
      assert.strictEqual(content.filename, "dir\\a.txt")
    }))

  it.effect.each<readonly [code: string, words: string]>([
    ["ELOOP", "links form a loop"],
    ["ENAMETOOLONG", "too long"],
    ["ENOTDIR", "not a directory"],
    ["EMFILE", "too many files open"],
    ["EWEIRD", "EWEIRD"]
  ])("a path that fails with %s says so, and names no function", ([code, words]) =>
    Effect.gen(function*() {
      const broken = PlatformError.systemError({
        _tag: "BadResource",
        module: "FileSystem",
        method: "stat",
        cause: Object.assign(new Error(`${code}: stat`), { code })
      })
      const { error, reason } = yield* failure(FileSource.path("/a/b.txt")).pipe(
        Effect.updateService(FileSystem.FileSystem, (inner) =>
          FileSystem.FileSystem.of({ ...inner, stat: () => Effect.fail(broken) }))
      )
      assert.strictEqual(reason, "Unreadable")
      assert.include(error.message, words)
      assert.include(error.message, code)
      assert.notInclude(error.message, "FileSystem")
    }))

  it.effect("a system file that reports a wrong size is refused for good", () =>
    Effect.gen(function*() {
      const { write } = yield* Folder
      const file = write("sys", "short")
      const { error, reason } = yield* failure(FileSource.path(file)).pipe(
        Effect.updateService(FileSystem.FileSystem, (inner) => {
          const larger = <E>(stat: Effect.Effect<FileSystem.File.Info, E>) =>
            Effect.map(stat, (info) => ({ ...info, size: 4096n as typeof info.size }))
          return FileSystem.FileSystem.of({
            ...inner,
            open: (path, options) =>
              Effect.map(inner.open(path, options), (opened): FileSystem.File =>
                Object.create(opened, { stat: { value: larger(opened.stat) } }))
          })
        })
      )
      assert.strictEqual(reason, "NotAFile")
      assert.include(error.message, "4096 bytes but ends after 5")
      assert.include(error.message, "as a stream")
    }))

  it.effect("a symbolic link to a file is that file, under the link's name", () =>
    Effect.gen(function*() {
      const { at, write } = yield* Folder
      write("target.txt", "linked")
      fs.symlinkSync("target.txt", at("link.txt"))
      const { bytes, content } = yield* read(FileSource.path(at("link.txt")))
      assert.strictEqual(Buffer.from(bytes).toString(), "linked")
      assert.strictEqual(content.filename, "link.txt")
    }))

  it.effect("refuses whatever is not a regular file, without opening it", () =>
    Effect.gen(function*() {
      const { at } = yield* Folder
      fs.mkdirSync(at("folder"))
      execFileSync("mkfifo", [at("pipe")])
      fs.symlinkSync("folder", at("link-to-folder"))
      fs.symlinkSync("pipe", at("link-to-pipe"))
      for (
        const [file, words] of [
          [at("folder"), "a directory"],
          [`${at("folder")}/`, "a directory"],
          [at("link-to-folder"), "a directory"],
          [at("pipe"), "a FIFO"],
          [at("link-to-pipe"), "a FIFO"],
          ["/dev/null", "a device"],
          ["/dev/zero", "a device"]
        ] as const
      ) {
        const before = yield* descriptors(file)
        const { error, reason } = yield* failure(FileSource.path(file))
        assert.strictEqual(reason, "NotAFile")
        assert.include(error.message, words)
        assert.include(error.message, file)
        assert.strictEqual(error.source, file)
        assert.strictEqual(yield* descriptors(file), before)
      }
    }))

  it.effect("a missing file, a dangling or a circular link, a path through a file", () =>
    Effect.gen(function*() {
      const { at, write } = yield* Folder
      fs.symlinkSync("nowhere", at("dangling"))
      fs.symlinkSync("round", at("round"))
      write("plain.txt", "x")
      for (const file of [at("missing.txt"), at("dangling"), ""]) {
        const { error, reason } = yield* failure(FileSource.path(file))
        assert.strictEqual(reason, "NotFound")
        assert.strictEqual(error.source, file)
      }
      for (const file of [at("round"), at("plain.txt/x"), at("x".repeat(5000)), at("nul\0.txt")]) {
        const { error, reason } = yield* failure(FileSource.path(file))
        assert.include(["Unreadable", "NotFound"], reason)
        // oxlint-disable-next-line no-control-regex
        assert.notMatch(error.message, /[\u0000-\u001f]/)
      }
    }))

  it.effect("a file without read permission, whichever call reports it", () =>
    Effect.gen(function*() {
      const { write } = yield* Folder
      const file = write("secret.txt", "x")
      const denied = PlatformError.systemError({
        _tag: "PermissionDenied",
        module: "FileSystem",
        method: "open",
        pathOrDescriptor: file
      })
      for (const method of ["stat", "open"] as const) {
        const { error, reason } = yield* failure(FileSource.path(file)).pipe(
          Effect.updateService(FileSystem.FileSystem, (inner) =>
            FileSystem.FileSystem.of({ ...inner, [method]: () => Effect.fail(denied) }))
        )
        assert.strictEqual(reason, "PermissionDenied")
        assert.include(error.message, file)
        assert.strictEqual(error.cause, denied)
      }
    }))

  it.effect("a failing read is Unreadable, and closes the file", () =>
    Effect.gen(function*() {
      const { write } = yield* Folder
      for (const size of [10, 3 * MiB]) {
        const file = write("broken.bin", pattern(size))
        const broken = PlatformError.systemError({
          _tag: "Unknown",
          module: "FileSystem",
          method: "readAlloc",
          description: "EIO"
        })
        const { error, reason, seen } = yield* failure(FileSource.path(file)).pipe(
          Effect.updateService(FileSystem.FileSystem, (inner) =>
            FileSystem.FileSystem.of({
              ...inner,
              open: (path) =>
                Effect.map(inner.open(path), (opened): FileSystem.File => {
                  let count = 0
                  return Object.create(opened, {
                    readAlloc: {
                      value: (size: number, options?: FileSystem.File.ReadOptions) =>
                        Effect.suspend(() => ++count === 2 ? Effect.fail(broken) : opened.readAlloc(size, options))
                    }
                  })
                })
            }))
        )
        assert.strictEqual(reason, "Unreadable")
        assert.strictEqual(error.cause, broken)
        assert.isBelow(seen, size)
        assert.strictEqual(yield* descriptors(file), 0)
      }
    }))

  const changes = {
    grows: (file: string) => fs.appendFileSync(file, "!"),
    "grows a lot": (file: string) => fs.appendFileSync(file, pattern(2 * MiB)),
    "shrinks by a byte": (file: string) => fs.truncateSync(file, fs.statSync(file).size - 1),
    "shrinks to nothing": (file: string) => fs.truncateSync(file, 0),
    "is rewritten in place": (file: string) => fs.writeFileSync(file, pattern(fs.statSync(file).size).reverse()),
    "has one byte rewritten": (file: string) => {
      const fd = fs.openSync(file, "r+")
      fs.writeSync(fd, "!", 0)
      fs.closeSync(fd)
    }
  }

  const cases = Object.entries(changes).flatMap(([what, change]) =>
    [1, 1000, MiB, MiB + 1, 3 * MiB, 3 * MiB + 5].flatMap((size) => {
      // One read for each chunk, and one beyond the end.
      const reads = Math.ceil(size / MiB) + 1
      return Array.from({ length: reads }, (_, index) => ({ what, change, size, at: index + 1, reads }))
    })
  )

  it.effect.each(cases)(
    "of $size bytes that $what before read $at of $reads is Changed",
    ({ at, change, size }) =>
      Effect.gen(function*() {
        const { write } = yield* Folder
        const file = write("changing.bin", pattern(size))
        const { error, reason, seen } = yield* failure(FileSource.path(file)).pipe(
          watching((count) => Effect.sync(() => void (count === at && change(file))))
        )
        assert.strictEqual(reason, "Changed")
        assert.isBelow(seen, size, "all of a changed file was handed over")
        assert.strictEqual(error.source, file)
        assert.include(error.message, file)
        assert.strictEqual(yield* descriptors(file), 0)
      })
  )

  it.effect("a file that is replaced while it is read is read as it was", () =>
    Effect.gen(function*() {
      const { at, write } = yield* Folder
      const content = pattern(2 * MiB)
      const file = write("replaced.bin", content)
      const { bytes } = yield* read(FileSource.path(file)).pipe(
        watching((count) =>
          Effect.sync(() => {
            if (count !== 2) return
            fs.writeFileSync(at("other.bin"), "other")
            fs.renameSync(at("other.bin"), file)
          })
        )
      )
      assert.isTrue(same(bytes, content))
    }))

  it.effect("a file that is only read or renamed in the meantime has not changed", () =>
    Effect.gen(function*() {
      const { at, write } = yield* Folder
      const content = pattern(2 * MiB)
      const file = write("moved.bin", content)
      const { bytes } = yield* read(FileSource.path(file)).pipe(
        watching((count) =>
          Effect.sync(() => {
            fs.readFileSync(count === 1 ? file : at("elsewhere.bin"))
            if (count === 1) fs.renameSync(file, at("elsewhere.bin"))
          })
        )
      )
      assert.isTrue(same(bytes, content))
    }))

  it.effect("a file that only claims to be empty is refused", () =>
    Effect.gen(function*() {
      // Its size is 0 although it has content.
      const { reason, seen } = yield* failure(FileSource.path("/proc/self/status"))
      assert.strictEqual(reason, "NotAFile")
      assert.strictEqual(seen, 0)
    }))

  it.effect("an interruption closes the file, whenever it comes", () =>
    Effect.gen(function*() {
      const { write } = yield* Folder
      for (const [size, at] of [[10, 1], [10, 2], [3 * MiB, 1], [3 * MiB, 3], [3 * MiB, 4]] as const) {
        const file = write("interrupted.bin", pattern(size))
        const reached = yield* Deferred.make<void>()
        const fiber = yield* Effect.forkChild(
          read(FileSource.path(file)).pipe(
            watching((count) =>
              count === at ? Effect.andThen(Deferred.succeed(reached, undefined), Effect.never) : Effect.void
            )
          )
        )
        yield* Deferred.await(reached)
        assert.strictEqual(yield* descriptors(file), 1)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(yield* descriptors(file), 0)
      }
    }))

  it.effect("a consumer that stops early closes the file", () =>
    Effect.gen(function*() {
      const { write } = yield* Folder
      const file = write("early.bin", pattern(3 * MiB))
      yield* Effect.scoped(Effect.gen(function*() {
        const { stream } = yield* FileSource.path(file).open
        yield* Stream.runDrain(Stream.take(stream, 1))
      }))
      assert.strictEqual(yield* descriptors(file), 0)
    }))

  it.effect("nothing is opened before the source is", () =>
    Effect.gen(function*() {
      const { at } = yield* Folder
      const source = FileSource.path(at("later.txt"))
      fs.writeFileSync(at("later.txt"), "made later")
      const { bytes } = yield* read(source)
      assert.strictEqual(Buffer.from(bytes).toString(), "made later")
    }))

  // A Blob over a file is a copy in Deno, and in Bun it is what the file holds when it is read.
  it.effect.skipIf("Bun" in globalThis || "Deno" in globalThis)(
    "a Blob whose file is shortened or removed in the meantime fails, without an uncaught error",
    () =>
      Effect.gen(function*() {
        const { write } = yield* Folder
        for (const spoil of [(file: string) => fs.truncateSync(file, 10), (file: string) => fs.rmSync(file)]) {
          const file = write("blob.bin", pattern(3 * MiB))
          const blob = yield* Effect.promise(() => fs.openAsBlob(file))
          spoil(file)
          const { reason, seen } = yield* failure(FileSource.blob(blob, "blob.bin"))
          assert.strictEqual(reason, "Failed")
          assert.isBelow(seen, 3 * MiB)
        }
      })
  )

  it.effect("a path can't colour or break the line that reports it", () =>
    Effect.gen(function*() {
      const { at } = yield* Folder
      const name = "a\nERROR: all is lost\u001b[31m\u202e\u009b"
      fs.mkdirSync(at(name))
      for (const file of [at(name), at(`${name}/missing`)]) {
        const { error } = yield* failure(FileSource.path(file))
        assert.strictEqual(error.source, file)
        // oxlint-disable-next-line no-control-regex
        assert.notMatch(error.message, /[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/)
      }
    }))
})

describe("bytes and text", () => {
  it.effect("bytes are sent unchanged", () =>
    Effect.gen(function*() {
      const content = pattern(5000)
      for (
        const given of [
          content,
          content.buffer,
          Buffer.from(content),
          // A view that is a part of its buffer.
          new Uint8Array([9, ...content, 9]).subarray(1, 5001)
        ]
      ) {
        const { bytes, content: opened } = yield* read(FileSource.bytes(given, "data.bin"))
        assert.isTrue(same(bytes, content))
        assert.isTrue(opened.bytes !== undefined && same(opened.bytes, content))
        assert.strictEqual(opened.size, 5000)
        assert.strictEqual(opened.filename, "data.bin")
        assert.strictEqual(opened.mimeType, undefined)
        assert.strictEqual(opened.fallbackMimeType, undefined)
      }
    }))

  it.effect("an empty content has a size of 0", () =>
    Effect.gen(function*() {
      for (const source of [FileSource.bytes(new Uint8Array(), "a"), FileSource.text("", "a")]) {
        const { bytes, content } = yield* read(source)
        assert.strictEqual(bytes.length, 0)
        assert.strictEqual(content.size, 0)
        assert.strictEqual(content.bytes?.length, 0)
      }
    }))

  it.effect("text is UTF-8 without a byte order mark, and text/plain unless its name implies another type", () =>
    Effect.gen(function*() {
      for (const text of ["plain", "größer ≥ 日本 😀", "a\r\nb\0c", "\ufeffmarked"]) {
        const { bytes, content } = yield* read(FileSource.text(text, "note"))
        assert.isTrue(same(bytes, Buffer.from(text, "utf8")))
        assert.strictEqual(content.size, Buffer.byteLength(text))
        assert.strictEqual(content.fallbackMimeType, "text/plain")
      }
      const { bytes } = yield* read(FileSource.text("half \ud800", "note"))
      assert.strictEqual(Buffer.from(bytes).toString(), "half \ufffd")
    }))
})

describe("blob", () => {
  it.effect.each([0, 5, MiB, MiB + 1, 3 * MiB])("of %i bytes, each time it is run", (size) =>
    Effect.gen(function*() {
      const content = pattern(size)
      const { content: opened } = yield* Effect.scoped(Effect.gen(function*() {
        const content = yield* FileSource.blob(new Blob([pattern(size)], { type: "image/png" }), "a.png").open
        for (let i = 0; i < 2; i++) {
          assert.isTrue(same(yield* Stream.mkUint8Array(content.stream), pattern(size)))
        }
        return { content }
      }))
      assert.strictEqual(opened.size, size)
      assert.strictEqual(opened.filename, "a.png")
      assert.strictEqual(opened.mimeType, "image/png")
      assert.strictEqual(opened.bytes !== undefined, size <= MiB)
      assert.isTrue(opened.bytes === undefined || same(opened.bytes, content))
    }))

  it.effect("a File brings its name and type, a Blob neither", () =>
    Effect.gen(function*() {
      const file = new File(["x"], "photo.jpg", { type: "image/jpeg" })
      assert.deepInclude((yield* read(FileSource.blob(file))).content, {
        filename: "photo.jpg",
        mimeType: "image/jpeg"
      })
      assert.deepInclude((yield* read(FileSource.blob(file, "other.jpg"))).content, { filename: "other.jpg" })
      assert.deepInclude((yield* read(FileSource.blob(new Blob(["x"])))).content, {
        filename: undefined,
        mimeType: undefined
      })
    }))

  it.effect("a Blob that can't be read to the end says so", () =>
    Effect.gen(function*() {
      const cause = new Error("gone")
      const gone = (size: number) =>
        Object.defineProperties(new Blob(), {
          size: { value: size },
          arrayBuffer: { value: () => Promise.reject(cause) },
          stream: { value: () => new ReadableStream({ pull: (controller) => controller.error(cause) }) }
        })
      for (const size of [10, 3 * MiB]) {
        const { error, reason } = yield* failure(FileSource.blob(gone(size), "gone.bin"))
        assert.strictEqual(reason, "Failed")
        assert.strictEqual(error.cause, cause)
        assert.include(error.message, "gone.bin")
      }
    }))
})

class Broken extends Data.TaggedError("Broken")<{ readonly why: string }> {}

class Greeting extends Context.Service<Greeting, string>()("test/Greeting") {}

const encoded = (text: string) => new TextEncoder().encode(text)

describe("stream", () => {
  it.effect("a replayable stream gives its bytes and the stated size on each run", () =>
    Effect.gen(function*() {
      const source = FileSource.stream(Stream.make(encoded("a"), encoded("bc")), {
        filename: "s.txt",
        size: 3,
        replayable: true
      })
      yield* Effect.scoped(Effect.gen(function*() {
        const content = yield* source.open
        assert.strictEqual(content.size, 3)
        assert.strictEqual(content.bytes, undefined)
        for (let i = 0; i < 2; i++) {
          assert.strictEqual(Buffer.from(yield* Stream.mkUint8Array(content.stream)).toString(), "abc")
        }
      }))
      const { content } = yield* read(FileSource.stream(Stream.empty, { filename: "s.txt" }))
      assert.strictEqual(content.size, undefined)
    }))

  it.effect("a stream's own failure is the cause", () =>
    Effect.gen(function*() {
      const broken = new Broken({ why: "disk" })
      const { error, reason, seen } = yield* failure(
        FileSource.stream(Stream.concat(Stream.make(encoded("abc")), Stream.fail(broken)), { filename: "s.txt" })
      )
      assert.strictEqual(reason, "Failed")
      assert.strictEqual(error.cause, broken)
      assert.include(error.message, "s.txt")
      assert.strictEqual(seen, 3)
    }))

  it.effect("a stream gets its services from the context that it is opened in", () =>
    Effect.gen(function*() {
      const needy: FileSource.FileSource<Greeting> = FileSource.stream(
        Stream.fromEffect(Effect.map(Greeting, encoded)),
        { filename: "s.txt" }
      )
      const { bytes } = yield* Effect.provideService(read(needy), Greeting, "hello")
      assert.strictEqual(Buffer.from(bytes).toString(), "hello")
    }))

  it.effect("a stream that is not replayable is run only once, even across uploads", () =>
    Effect.gen(function*() {
      let runs = 0
      const source = FileSource.stream(
        Stream.suspend(() => {
          runs++
          return Stream.make(encoded("abc"))
        }),
        { filename: "s.txt" }
      )
      yield* Effect.scoped(Effect.gen(function*() {
        const { stream } = yield* source.open
        assert.strictEqual((yield* Stream.mkUint8Array(stream)).length, 3)
        const again = yield* Effect.flip(Stream.runDrain(stream))
        assert.strictEqual(again.reason, "Consumed")
        assert.include(again.message, "s.txt")
      }))
      assert.strictEqual((yield* failure(source)).reason, "Consumed")
      assert.strictEqual(runs, 1)
    }))
})

describe("readableStream", () => {
  const web = (...chunks: ReadonlyArray<string>) =>
    new ReadableStream<Uint8Array>({
      start: (controller) => {
        for (const chunk of chunks) controller.enqueue(encoded(chunk))
        controller.close()
      }
    })

  it.effect("a web stream is read once, and Consumed from then on", () =>
    Effect.scoped(Effect.gen(function*() {
      const { size, stream } = yield* FileSource.readableStream(web("a", "bc"), { filename: "r.txt", size: 3 }).open
      assert.strictEqual(size, 3)
      assert.strictEqual(Buffer.from(yield* Stream.mkUint8Array(stream)).toString(), "abc")
      assert.strictEqual((yield* Effect.flip(Stream.runDrain(stream))).reason, "Consumed")
    })))

  it.effect("a second upload of a web stream that was read is Consumed, not an empty file", () =>
    Effect.gen(function*() {
      const source = FileSource.readableStream(web("abc"), { filename: "r.txt" })
      assert.strictEqual((yield* read(source)).bytes.length, 3)
      assert.strictEqual((yield* failure(source)).reason, "Consumed")
    }))

  it.effect("a second upload of a web stream that broke off half-way is Consumed, not the other half", () =>
    Effect.gen(function*() {
      const source = FileSource.readableStream(web("abc", "def"), { filename: "r.txt" })
      yield* Effect.scoped(Effect.flatMap(source.open, ({ stream }) => Stream.runDrain(Stream.take(stream, 1))))
      assert.strictEqual((yield* failure(source)).reason, "Consumed")
    }))

  it.effect("a function makes a new web stream each time", () =>
    Effect.gen(function*() {
      const source = FileSource.readableStream(() => web("abc"), { filename: "r.txt" })
      yield* Effect.scoped(Effect.gen(function*() {
        const { stream } = yield* source.open
        for (let i = 0; i < 2; i++) assert.strictEqual((yield* Stream.mkUint8Array(stream)).length, 3)
      }))
      assert.strictEqual((yield* read(source)).bytes.length, 3)
    }))

  it.effect("a web stream's own failure is the cause", () =>
    Effect.gen(function*() {
      const cause = new Error("torn")
      const torn = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(cause) })
      const { error, reason } = yield* failure(FileSource.readableStream(torn, { filename: "r.txt" }))
      assert.strictEqual(reason, "Failed")
      assert.strictEqual(error.cause, cause)
      assert.strictEqual(error.message, "The stream for r.txt failed before its end with “torn”. Nothing was stored.")
    }))

  it.effect("the message of a failed web stream never repeats the query of a URL, which may hold a signature", () =>
    Effect.gen(function*() {
      for (const cause of ["GET https://store.example/a?sig=canary: 403", new Error("(https://a.example/b#canary)")]) {
        const { error } = yield* failure(FileSource.stream(Stream.fail(cause), { filename: "a.txt" }))
        assert.match(error.message, /^The stream for a.txt failed before its end with “[^?#]+”. Nothing was stored.$/)
        assert.notInclude(error.message, "canary")
      }
      const silent = yield* failure(FileSource.stream(Stream.fail({ code: 7 }), { filename: "a.txt" }))
      assert.strictEqual(silent.error.message, "The stream for a.txt failed before its end. Nothing was stored.")
    }))

  it.effect("a locked web stream, and a function that throws, are failures of the source", () =>
    Effect.gen(function*() {
      const locked = web("abc")
      locked.getReader()
      assert.strictEqual((yield* failure(FileSource.readableStream(locked, { filename: "r.txt" }))).reason, "Failed")
      const cause = new Error("no stream today")
      const throwing = () => {
        throw cause
      }
      const { error, reason } = yield* failure(FileSource.readableStream(throwing, { filename: "r.txt" }))
      assert.strictEqual(reason, "Failed")
      assert.strictEqual(error.cause, cause)
    }))

  it.effect("stopping early cancels the web stream", () =>
    Effect.gen(function*() {
      let cancelled = false
      const endless = new ReadableStream<Uint8Array>({
        pull: (controller) => controller.enqueue(encoded("x")),
        cancel: () => {
          cancelled = true
        }
      })
      yield* Effect.scoped(
        Effect.flatMap(
          FileSource.readableStream(endless, { filename: "r.txt" }).open,
          ({ stream }) => Stream.runDrain(Stream.take(stream, 2))
        )
      )
      assert.isTrue(cancelled)
    }))
})

/** Answers the requests of a URL source. */
const over = (answer: (request: HttpClientRequest.HttpClientRequest, url: URL) => HttpMock.Reply) =>
  Effect.provideService(
    HttpClient.HttpClient,
    HttpMock.answering(({ request }) => answer(request, urlOf(request))).client
  )

describe("url", () => {
  const secret = "canary0123456789"
  const address = `https://bucket.example/folder/report%20one.pdf?X-Amz-Signature=${secret}#${secret}`

  const answering = (body: BodyInit | null, init?: ResponseInit) => over(() => new Response(body, init))

  /** The query appears nowhere: not in the fields, not in the cause, not in a log. */
  const checkSecret = (error: SourceFailed) => {
    assert.notInclude(error.message, secret)
    assert.notInclude(JSON.stringify(error), secret)
    assert.notInclude(inspect(error, { depth: 20, showHidden: true, getters: true }), secret)
    assert.notInclude(String(error.stack), secret)
  }

  it.effect("a URL gives its content, with the stated length, type and name", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const { bytes, content } = yield* read(FileSource.url(address)).pipe(
        over((request, url) => {
          seen.push(`${request.method} ${url.href.replace(/#.*/, "")} ${request.headers["accept-encoding"]}`)
          return new Response("content", {
            headers: { "content-length": "7", "content-type": "Application/PDF; charset=binary" }
          })
        })
      )
      assert.deepStrictEqual(seen, [
        `GET https://bucket.example/folder/report%20one.pdf?X-Amz-Signature=${secret} identity`
      ])
      assert.strictEqual(Buffer.from(bytes).toString(), "content")
      assert.deepInclude(content, {
        filename: "report one.pdf",
        mimeType: "application/pdf",
        size: 7,
        bytes: undefined
      })
    }))

  it.effect.each(
    [
      [{}, undefined],
      [{ "content-length": "7", "content-encoding": "gzip" }, undefined],
      [{ "content-length": "seven" }, undefined],
      [{ "content-length": "" }, undefined],
      [{ "content-length": "-7" }, undefined],
      [{ "content-length": "7.5" }, undefined],
      [{ "content-length": "99999999999999999999" }, undefined],
      [{ "content-length": "0" }, 0]
    ] as const
  )("%j makes the size %s", ([headers, size]) =>
    Effect.gen(function*() {
      const { content } = yield* read(FileSource.url(address)).pipe(
        answering(size === 0 ? null : "content", { headers: { ...headers } })
      )
      assert.strictEqual(content.size, size)
    }))

  it.effect.each(["application/octet-stream", "binary/octet-stream", "", "Application/Octet-Stream; x=y"])(
    "a content-type of %j says nothing",
    (type) =>
      Effect.gen(function*() {
        const { content } = yield* read(FileSource.url(address)).pipe(
          answering(new Uint8Array([1]), { headers: { "content-type": type } })
        )
        assert.strictEqual(content.mimeType, undefined)
      })
  )

  it.effect.each(
    [
      ["https://h.example/a/b.txt", "b.txt"],
      ["https://h.example/a/%E6%97%A5.txt", "日.txt"],
      ["https://h.example/a/%FF.txt", "%FF.txt"],
      ["https://h.example/a/100%.txt", "100%.txt"],
      ["https://h.example/", ""],
      ["https://h.example", ""]
    ] as const
  )("the name of %s is %j", ([url, name]) =>
    Effect.gen(function*() {
      const { content } = yield* read(FileSource.url(new URL(url))).pipe(answering("x"))
      assert.strictEqual(content.filename, name)
    }))

  it.effect("a redirect is followed, and a second run requests the URL again", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const count = yield* Effect.scoped(Effect.gen(function*() {
        const { stream } = yield* FileSource.url("https://one.example/a.txt").open
        assert.strictEqual((yield* Stream.mkUint8Array(stream)).length, 7)
        const first = seen.length
        assert.strictEqual((yield* Stream.mkUint8Array(stream)).length, 7)
        return first
      })).pipe(
        over((_, url) => {
          seen.push(url.href)
          return url.host === "one.example"
            ? new Response("moved", { status: 302, headers: { location: "https://two.example/b.txt" } })
            : new Response("content")
        })
      )
      assert.strictEqual(count, 2)
      assert.deepStrictEqual(seen, [
        "https://one.example/a.txt",
        "https://two.example/b.txt",
        "https://one.example/a.txt",
        "https://two.example/b.txt"
      ])
    }))

  it.effect.each([403, 404, 408, 425, 429, 500, 304])("%i is not its content", (status) =>
    Effect.gen(function*() {
      const { error, reason } = yield* failure(FileSource.url(address)).pipe(
        answering(status === 304 ? null : `<Error>${secret}</Error>`, { status })
      )
      assert.strictEqual(reason, "Failed")
      assert.include(error.message, `https://bucket.example/folder/report%20one.pdf answered ${status}`)
      assert.strictEqual(error.source, "https://bucket.example/folder/report%20one.pdf")
      assert.strictEqual(error.isRetryable, [408, 425, 429, 500].includes(status))
      checkSecret(error)
    }))

  it.effect("an answer without a body is an empty file", () =>
    Effect.gen(function*() {
      const { bytes } = yield* read(FileSource.url(address)).pipe(answering(null))
      assert.strictEqual(bytes.length, 0)
    }))

  it.effect("redirects without an end fail after ten", () =>
    Effect.gen(function*() {
      let count = 0
      const { error, reason } = yield* failure(FileSource.url(address)).pipe(
        over(() => {
          count++
          return new Response(null, { status: 302, headers: { location: `/again?${secret}` } })
        })
      )
      assert.strictEqual(reason, "Failed")
      assert.strictEqual(count, 11)
      checkSecret(error)
    }))

  it.effect("a redirect to something that is not a URL fails, and shows no secret", () =>
    Effect.gen(function*() {
      const { error, reason } = yield* failure(FileSource.url(address)).pipe(
        answering(null, { status: 302, headers: { location: `http://[bad?${secret}` } })
      )
      assert.strictEqual(reason, "Failed")
      checkSecret(error)
    }))

  it.effect("a server that can't be reached is a failure that names it", () =>
    Effect.gen(function*() {
      const { error, reason } = yield* failure(FileSource.url(address)).pipe(
        over((request) =>
          Effect.fail(
            new HttpClientError.HttpClientError({
              reason: new HttpClientError.TransportError({ request, cause: new Error("ENOTFOUND bucket.example") })
            })
          )
        )
      )
      assert.strictEqual(reason, "Failed")
      assert.include(error.message, "can't be reached")
      checkSecret(error)
    }))

  it.effect("a body that breaks off is a failure that counts the bytes", () =>
    Effect.gen(function*() {
      const torn = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(encoded("abc")),
        pull: (controller) => controller.error(new Error("terminated"))
      })
      const { error, reason, seen } = yield* failure(FileSource.url(address)).pipe(
        answering(torn, { headers: { "content-length": "10" } })
      )
      assert.strictEqual(reason, "Failed")
      assert.isBelow(seen, 10)
      assert.include(error.message, "broke off")
      checkSecret(error)
    }))

  it.effect.each([`not a url?${secret}`, `//bucket.example/?${secret}`, `https://[bad/?${secret}`])(
    "something that is not a URL is refused, and not repeated in the error: %s",
    (text) =>
      Effect.gen(function*() {
        const { error, reason } = yield* failure(FileSource.url(text)).pipe(answering("x"))
        assert.strictEqual(reason, "Unreadable")
        checkSecret(error)
      })
  )

  it.effect("a URL that the transport itself refuses is not repeated either", () =>
    Effect.gen(function*() {
      // fetch refuses a URL with credentials, and repeats the whole URL in its error.
      const { error, reason } = yield* failure(FileSource.url(`http://user:${secret}@127.0.0.1:1/?${secret}`)).pipe(
        Effect.provide(FetchHttpClient.layer)
      )
      assert.strictEqual(reason, "Failed")
      checkSecret(error)
    }))

  it.effect("a server that never answers is a failure after a minute", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(
        Effect.exit(read(FileSource.url(address)).pipe(over(() => Effect.never)))
      )
      yield* TestClock.adjust("1 hour")
      const done = fiber.pollUnsafe()
      yield* Fiber.interrupt(fiber)
      assert.isTrue(done !== undefined, "still waiting after an hour")
    }))

  /** A server whose bodies never send a byte. They are closed when the test ends, so that nothing waits for them. */
  const silent = (status: number) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const bodies: Array<{ readonly end: () => void }> = []
        const silent = {
          bodies,
          released: 0,
          client: HttpClient.make((request, _, signal) =>
            Effect.sync(() => {
              let open = true
              const release = () => {
                if (open) silent.released++
                open = false
              }
              signal.addEventListener("abort", release)
              const body = new ReadableStream<Uint8Array>({
                start: (controller) => {
                  bodies.push({ end: () => open ? controller.close() : undefined })
                },
                cancel: release
              })
              return HttpClientResponse.fromWeb(request, new Response(body, { status }))
            })
          )
        }
        return silent
      }),
      ({ bodies }) => Effect.sync(() => bodies.forEach((body) => body.end()))
    )

  it.effect("an upload that ends before it reads the body closes the connection at once", () =>
    Effect.gen(function*() {
      const server = yield* silent(200)
      const fiber = yield* Effect.forkDetach(
        Effect.provideService(Effect.scoped(FileSource.url(address).open), HttpClient.HttpClient, server.client)
      )
      yield* TestClock.adjust("1 minute")
      assert.isTrue(fiber.pollUnsafe() !== undefined, "closing the source waits for a byte that never comes")
      assert.strictEqual(server.bodies.length, 1)
      assert.strictEqual(server.released, 1)
    }))

  it.effect("a refusal whose body never arrives is still a refusal", () =>
    Effect.gen(function*() {
      const server = yield* silent(403)
      const fiber = yield* Effect.forkDetach(
        Effect.provideService(failure(FileSource.url(address)), HttpClient.HttpClient, server.client)
      )
      yield* TestClock.adjust("10 minutes")
      const done = fiber.pollUnsafe()
      assert.isTrue(done !== undefined && Exit.isSuccess(done), "still waiting for the body of a 403")
      assert.strictEqual(server.released, 1)
    }))
})

describe("url, as stores and apps give them", () => {
  const answering = (headers: Record<string, string>, body: BodyInit | null = "hello") =>
    over(() => new Response(body, { headers }))

  it.effect.each<readonly [header: string, name: string]>([
    ["attachment; filename=\"Annual report.pdf\"", "Annual report.pdf"],
    ["attachment; filename=plain.pdf", "plain.pdf"],
    ["attachment;filename=plain.pdf;size=3", "plain.pdf"],
    ["attachment; filename*=UTF-8''J%C3%A4hrlich.pdf", "Jährlich.pdf"],
    ["attachment; filename=\"ascii.pdf\"; filename*=utf-8'de'J%C3%A4hrlich.pdf", "Jährlich.pdf"],
    ["attachment; filename=\"a \\\"quoted\\\" name.pdf\"", "a \"quoted\" name.pdf"],
    ["attachment; filename=\"../../etc/passwd\"", "passwd"],
    ["attachment; filename=\"C:\\\\temp\\\\r.pdf\"", "r.pdf"],
    ["attachment; filename=\"J\u00c3\u00a4hrlich.pdf\"", "Jährlich.pdf"],
    ["attachment; filename=\"J\u00e4hrlich.pdf\"", "Jährlich.pdf"],
    ["attachment; filename=my report.pdf", "my report.pdf"],
    ["attachment; filename=my report.pdf ; size=3", "my report.pdf"],
    ["attachment; filename*=iso-8859-1'en'%A3%20rates.pdf", "£ rates.pdf"],
    ["attachment; filename*=nonsense'en'x.pdf; filename=y.pdf", "y.pdf"],
    ["attachment; filename=\"=?UTF-8?B?SsOkaHJsaWNoLnBkZg==?=\"", "Jährlich.pdf"],
    ["attachment; filename==?utf-8?q?J=C3=A4hrlich_100%.pdf?=", "Jährlich 100%.pdf"],
    ["attachment; filename=\"=?UTF-8?B?SsOkaHI=?= =?UTF-8?B?bGljaC5wZGY=?=\"", "Jährlich.pdf"],
    ["attachment; filename*=UTF-8''%FF.pdf", "77"],
    ["attachment; filename=\"\"", "77"],
    ["inline", "77"]
  ])("content-disposition %j names it %j", ([header, name]) =>
    Effect.gen(function*() {
      const { content } = yield* read(FileSource.url("https://a.example/get/77?id=1")).pipe(
        answering({ "content-disposition": header })
      )
      assert.strictEqual(content.filename, name)
    }))

  it.effect.each([204, 206])("an answer of %i is not the content", (status) =>
    Effect.gen(function*() {
      const { error } = yield* failure(FileSource.url("https://a.example/a.txt")).pipe(
        over(() => new Response(status === 204 ? null : "a part", { status }))
      )
      assert.include(error.message, `answered ${status} instead of its content`)
    }))

  it.effect("behind redirects, the last URL names the file, and no request has more headers than it needs", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const { content } = yield* read(FileSource.url("https://one.example/go")).pipe(
        over((request, url) => {
          asked.push(url.href)
          assert.deepStrictEqual(
            Object.keys(request.headers).filter((name) => name !== "user-agent"),
            ["accept-encoding"]
          )
          if (url.pathname === "/go") {
            return new Response(null, { status: 301, headers: { location: "https://two.example/d/mid" } })
          }
          return url.pathname === "/d/mid"
            ? new Response(null, { status: 307, headers: { location: "final%20one.pdf" } })
            : new Response("x")
        })
      )
      assert.strictEqual(content.filename, "final one.pdf")
      assert.deepStrictEqual(asked, [
        "https://one.example/go",
        "https://two.example/d/mid",
        "https://two.example/d/final%20one.pdf"
      ])
    }))

  it.effect.each(["file:///etc/passwd", "ftp://x/y", "data:text/plain,x", "http://[", "javascript:alert(1)"])(
    "a redirect to %s is refused, and says why",
    (location) =>
      Effect.gen(function*() {
        const { error, reason } = yield* failure(FileSource.url("https://a.example/b.txt")).pipe(
          over(() => new Response(null, { status: 302, headers: { location } }))
        )
        assert.strictEqual(reason, "Failed")
        assert.include(error.message, "https://a.example/b.txt redirects to")
        assert.isFalse(error.isRetryable)
      })
  )

  it.effect.each(["pdf", "application/pdf, application/pdf", "null", "*/*"])(
    "the content-type %j is taken for none",
    (type) =>
      Effect.gen(function*() {
        const { content } = yield* read(FileSource.url("https://a.example/b.pdf")).pipe(
          answering({ "content-type": type })
        )
        assert.strictEqual(content.mimeType, undefined)
      })
  )

  it.effect("a leftover aws-chunked header is ignored, and content that is still framed is refused", () =>
    Effect.gen(function*() {
      const encoding = { "content-encoding": "aws-chunked" }
      const { bytes, content } = yield* read(FileSource.url("https://a.example/b.csv")).pipe(
        answering({ ...encoding, "content-length": "5" })
      )
      assert.strictEqual(Buffer.from(bytes).toString(), "hello")
      assert.strictEqual(content.size, 5)
      const framed = `5;chunk-signature=${"a".repeat(64)}\r\nhello\r\n0;chunk-signature=${"b".repeat(64)}\r\n\r\n`
      const { error, seen } = yield* failure(FileSource.url("https://a.example/b.csv")).pipe(
        answering(encoding, framed)
      )
      assert.include(error.message, "aws-chunked")
      assert.strictEqual(seen, 0)
    }))

  it.effect("a URL that broke off may be fetched again, and a second answer may be different", () =>
    Effect.gen(function*() {
      let count = 0
      const client = over(() => {
        count++
        return count === 1
          ? new Response("hello", { headers: { "content-length": "50" } })
          : new Response("x".repeat(50), { headers: { "content-length": "50" } })
      })
      yield* Effect.scoped(Effect.gen(function*() {
        const { isReplayable, stream } = yield* FileSource.url("https://a.example/c.txt").open
        assert.isTrue(isReplayable)
        const error = yield* Effect.flip(Stream.runDrain(stream))
        assert.strictEqual(error.reason, "Failed")
        assert.isTrue(error.isRetryable)
        assert.include(error.message, "broke off after 5 of 50 bytes")
        assert.strictEqual((yield* Stream.mkUint8Array(stream)).length, 50)
      })).pipe(client)
    }))

  it.effect("a refused certificate is final", () =>
    Effect.gen(function*() {
      const { error } = yield* failure(FileSource.url("https://a.example/c.txt")).pipe(
        over((request) =>
          Effect.fail(
            new HttpClientError.HttpClientError({
              reason: new HttpClientError.TransportError({ request, cause: { code: "CERT_HAS_EXPIRED" } })
            })
          )
        )
      )
      assert.isFalse(error.isRetryable)
      assert.include(error.message, "CERT_HAS_EXPIRED")
    }))
})

describe("tap", () => {
  const collecting = () => {
    const seen: Array<Uint8Array> = []
    return { seen, f: (chunk: Uint8Array) => Effect.sync(() => void seen.push(chunk)) }
  }

  it.effect("tap sees every byte of every run, before it is handed on", () =>
    Effect.gen(function*() {
      const content = pattern(2 * MiB + 3)
      for (
        const source of [
          FileSource.bytes(content, "a"),
          FileSource.blob(new Blob([content]), "a"),
          FileSource.stream(Stream.make(content.subarray(0, 5), content.subarray(5)), {
            filename: "a",
            replayable: true
          }),
          FileSource.readableStream(() => new Blob([content]).stream(), { filename: "a" })
        ]
      ) {
        const { f, seen } = collecting()
        yield* Effect.scoped(Effect.gen(function*() {
          const opened = yield* FileSource.tap(source, f).open
          assert.strictEqual(opened.bytes, undefined)
          assert.strictEqual(opened.filename, "a")
          for (let i = 1; i <= 2; i++) {
            assert.isTrue(same(yield* Stream.mkUint8Array(opened.stream), content))
            assert.strictEqual(Buffer.concat(seen).length, i * content.length)
          }
        }))
        assert.isTrue(same(Buffer.concat(seen), Buffer.concat([content, content])))
      }
    }))

  it.effect("tap keeps size, type and name, and requires the services of its effect", () =>
    Effect.gen(function*() {
      const said: Array<string> = []
      const source: FileSource.FileSource<Greeting> = FileSource.tap(
        FileSource.text("abc", "note"),
        () => Effect.map(Greeting, (greeting) => said.push(greeting))
      )
      const { bytes, content } = yield* Effect.provideService(read(source), Greeting, "hello")
      assert.strictEqual(Buffer.from(bytes).toString(), "abc")
      assert.deepInclude(content, { size: 3, filename: "note", fallbackMimeType: "text/plain" })
      assert.deepStrictEqual(said, ["hello"])
    }))
})

describe("a second run", () => {
  const twice = <R>(source: FileSource.FileSource<R>) =>
    Effect.scoped(
      Effect.flatMap(source.open, ({ stream }) =>
        Effect.andThen(Effect.exit(Stream.runDrain(stream)), Effect.exit(Stream.mkUint8Array(stream))))
    )

  /** A stream whose n-th run gives the n-th of these contents. */
  const changing = (...runs: ReadonlyArray<ReadonlyArray<string>>) => {
    let run = 0
    return FileSource.stream(
      Stream.suspend(() => Stream.map(Stream.fromIterable(runs[run++] ?? []), encoded)),
      { filename: "s.txt", replayable: true }
    )
  }

  const iterator = [encoded("abc"), encoded("def")].values()

  const body = new Blob(["abcdef"]).stream()

  it.effect.each<readonly [what: string, source: () => FileSource.FileSource]>([
    ["nothing", () => changing(["abcdef"], [])],
    ["less", () => changing(["abc", "def"], ["abc", "de"])],
    ["more", () => changing(["abc"], ["abc", "d"])],
    ["as much of something else", () => changing(["abcdef"], ["abcdeg"])],
    ["something else that is longer", () => changing(["abc"], ["xyzxyz"])],
    ["the rest of an iterator", () =>
      FileSource.stream(Stream.fromIterable({ [Symbol.iterator]: () => iterator }), {
        filename: "s.txt",
        replayable: true
      })],
    ["the same body again", () => FileSource.readableStream(() => body, { filename: "s.txt" })],
    ["a new stream over the same iterator", () => {
      const shared = [encoded("abc")].values()
      return FileSource.readableStream(
        () =>
          new ReadableStream({
            pull: (controller) => {
              const next = shared.next()
              if (next.done === true) controller.close()
              else controller.enqueue(next.value)
            }
          }),
        { filename: "s.txt" }
      )
    }],
    ["a Blob whose stream is used up", () => {
      const content = new Blob([pattern(2 * MiB)])
      const only = content.stream()
      return FileSource.blob(Object.defineProperty(content, "stream", { value: () => only }), "s.bin")
    }]
  ])("that gives %s fails", ([, source]) =>
    Effect.gen(function*() {
      const exit = yield* twice(source())
      assert(Exit.isFailure(exit))
      const error = Cause.squash(exit.cause) as SourceFailed
      assert.strictEqual(error._tag, "SourceFailed")
      assert.include(["Consumed", "Failed"], error.reason)
      assert.isFalse(error.isRetryable)
    }))

  it.effect("a second run after one that broke off must begin with the same bytes, and may be longer", () =>
    Effect.gen(function*() {
      const runs = (second: string) => {
        let run = 0
        return FileSource.stream(
          Stream.suspend(() =>
            run++ === 0
              ? Stream.concat(Stream.make(encoded("abc"), encoded("def")), Stream.fail("torn"))
              : Stream.make(encoded(second.slice(0, 2)), encoded(second.slice(2)))
          ),
          { filename: "s.txt", replayable: true }
        )
      }
      const longer = yield* twice(runs("abcdefghi"))
      assert(Exit.isSuccess(longer))
      assert.strictEqual(Buffer.from(longer.value).toString(), "abcdefghi")
      for (const other of ["ghi", "abcxefghi", "abcde", ""]) assert.isTrue(Exit.isFailure(yield* twice(runs(other))))
    }))

  it.effect("a second run may give the same bytes in other chunks", () =>
    Effect.gen(function*() {
      const exit = yield* twice(changing(["abc", "def"], ["a", "", "bcde", "f"]))
      assert(Exit.isSuccess(exit))
      assert.strictEqual(Buffer.from(exit.value).toString(), "abcdef")
    }))

  it.effect("a second run of a stream that is not replayable says what to do", () =>
    Effect.gen(function*() {
      const exit = yield* twice(FileSource.stream(Stream.make(encoded("a")), { filename: "s.txt" }))
      assert(Exit.isFailure(exit))
      const error = Cause.squash(exit.cause) as SourceFailed
      assert.strictEqual(error.reason, "Consumed")
      assert.include(error.message, "s.txt was read already")
      assert.include(error.message, "replayable: true")
    }))

  it.effect("the runs of two openings may differ, because they are two uploads", () =>
    Effect.gen(function*() {
      const source = changing(["monday"], ["tuesday"])
      assert.strictEqual(Buffer.from((yield* read(source)).bytes).toString(), "monday")
      assert.strictEqual(Buffer.from((yield* read(source)).bytes).toString(), "tuesday")
    }))

  it.effect("a stream that another source has read is Consumed", () =>
    Effect.gen(function*() {
      const shared = new Blob(["abc"]).stream()
      yield* read(FileSource.readableStream(shared, { filename: "a" }))
      assert.strictEqual((yield* failure(FileSource.readableStream(shared, { filename: "b" }))).reason, "Consumed")
    }))

  it.effect("a stream that another source has read is Consumed even if the runtime does not mark it", () =>
    Effect.gen(function*() {
      const shared = new Blob(["abc"]).stream()
      Object.defineProperty(shared, Symbol.for("nodejs.stream.disturbed"), { value: false })
      yield* read(FileSource.readableStream(shared, { filename: "a" }))
      assert.strictEqual((yield* failure(FileSource.readableStream(shared, { filename: "b" }))).reason, "Consumed")
    }))

  it.effect("a body that someone else has read is Consumed, not an empty file", () =>
    Effect.gen(function*() {
      const response = new Response("abc")
      const body = response.body
      assert(body !== null)
      yield* Effect.promise(() => response.text())
      assert.include(
        ["Consumed", "Failed"],
        (yield* failure(FileSource.readableStream(body, { filename: "a" }))).reason
      )
    }))
})

describe("a bug in the program", () => {
  const bug = new TypeError("a bug")
  const abc = Stream.make(encoded("abc"))

  it.effect.each<readonly [what: string, source: () => FileSource.FileSource]>([
    ["an exception in a mapping", () =>
      FileSource.stream(
        Stream.map(abc, (): Uint8Array => {
          throw bug
        }),
        { filename: "a" }
      )],
    ["a stream that dies", () => FileSource.stream(Stream.concat(abc, Stream.die(bug)), { filename: "a" })],
    ["a tap that dies", () => FileSource.tap(FileSource.stream(abc, { filename: "a" }), () => Effect.die(bug))],
    ["a tap that throws", () =>
      FileSource.tap(FileSource.text("abc", "a"), () => {
        throw bug
      })],
    ["a Blob whose stream() throws", () =>
      FileSource.blob(
        Object.defineProperty(new Blob([pattern(2 * MiB)]), "stream", {
          value: () => {
            throw bug
          }
        }),
        "a"
      )],
    ["a function for a stream that throws", () =>
      FileSource.readableStream(() => {
        throw bug
      }, { filename: "a" })]
  ])("%s is Failed with the bug as its cause, and final", ([, source]) =>
    Effect.gen(function*() {
      const { error, reason } = yield* failure(source())
      assert.strictEqual(reason, "Failed")
      assert.strictEqual(error.cause, bug)
      assert.isFalse(error.isRetryable)
    }))

  it.effect("a defect of the file system on opening is Failed", () =>
    Effect.gen(function*() {
      const dying = FileSystem.layerNoop({ stat: () => Effect.die(bug), open: () => Effect.die(bug) })
      const { error, reason } = yield* failure(FileSource.path("a.txt")).pipe(Effect.provide(dying))
      assert.strictEqual(reason, "Failed")
      assert.strictEqual(error.cause, bug)
    }))

  const given = (value: unknown) => value as never

  const detached = () => {
    const bytes = new Uint8Array(5)
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
    return bytes
  }

  it.effect.each<readonly [what: string, source: () => FileSource.FileSource<FileSystem.FileSystem>, words: string]>([
    ["nothing as a path", () => FileSource.path(given(undefined)), "undefined"],
    ["a number as a path", () => FileSource.path(given(7)), "a number"],
    ["an https: URL as a path", () => FileSource.path(new URL("https://a.example/b")), "FileSource.url"],
    ["a file: URL of another machine", () => FileSource.path("file://server/b"), "server"],
    ["a string as bytes", () => FileSource.bytes(given("abc"), "a"), "FileSource.text"],
    ["nothing as bytes", () => FileSource.bytes(given(undefined), "a"), "undefined"],
    ["a detached view", () => FileSource.bytes(detached(), "a"), "detached"],
    ["a detached buffer", () => FileSource.bytes(detached().buffer, "a"), "detached"],
    ["bytes as text", () => FileSource.text(given(new Uint8Array(1)), "a"), "a Uint8Array"],
    ["a string as a Blob", () => FileSource.blob(given("hello"), "a"), "a string"],
    ["nothing as a Blob", () => FileSource.blob(given(undefined), "a"), "undefined"],
    ["null as a Blob", () => FileSource.blob(given(null), "a"), "null"],
    [
      "a Node stream as a Stream",
      () => FileSource.stream(given(Readable.from(["x"])), { filename: "a" }),
      "Node stream"
    ],
    [
      "a web stream as a Stream",
      () => FileSource.stream(given(new ReadableStream()), { filename: "a" }),
      "FileSource.readableStream"
    ],
    [
      "a Node stream as a web stream",
      () => FileSource.readableStream(given(Readable.from(["x"])), { filename: "a" }),
      "Readable.toWeb"
    ],
    [
      "a promise as a web stream",
      () => FileSource.readableStream(given(Promise.resolve()), { filename: "a" }),
      "a Promise"
    ],
    ["strings in a stream", () => FileSource.stream(given(Stream.make("abc")), { filename: "a" }), "a string"],
    ["numbers in a stream", () => FileSource.stream(given(Stream.make(1)), { filename: "a" }), "a number"],
    ["a detached chunk", () => FileSource.stream(Stream.sync(detached), { filename: "a" }), "detached"],
    [
      "strings in a web stream",
      () => FileSource.readableStream(given(new ReadableStream({ start: (c) => c.enqueue("abc") })), { filename: "a" }),
      "a string"
    ],
    ["no source for tap", () => FileSource.tap(given(undefined), () => Effect.void), "undefined"]
  ])("%s is Failed with a sentence that says so", ([, source, words]) =>
    Effect.gen(function*() {
      const { error, reason } = yield* failure(source()).pipe(
        Effect.provide(NodeFileSystem.layer)
      )
      assert.strictEqual(reason, "Failed")
      assert.include(error.message, words)
      assert.notMatch(error.message, /Cannot read|is not a function/)
      assert.isFalse(error.isRetryable)
    }))
})

describe("things of other makes", () => {
  const there = vm.createContext({})
  const foreign = (code: string) => vm.runInContext(code, there) as never

  class OtherFile extends Blob {
    readonly name: string
    constructor(parts: ReadonlyArray<BlobPart>, name: string, type = "") {
      super(parts.slice(), { type })
      this.name = name
    }
  }

  it.effect.each<readonly [what: string, bytes: () => never]>([
    ["a Uint8Array of another realm", () => foreign("new Uint8Array([1, 2, 3])")],
    ["an ArrayBuffer of another realm", () => foreign("new Uint8Array([1, 2, 3]).buffer")],
    ["a DataView of another realm", () => foreign("new DataView(new Uint8Array([0, 1, 2, 3]).buffer, 1)")],
    ["a shared buffer", () => {
      const shared = new Uint8Array(new SharedArrayBuffer(3))
      shared.set([1, 2, 3])
      return shared.buffer as never
    }]
  ])("%s is bytes, alone and in a stream", ([, bytes]) =>
    Effect.gen(function*() {
      for (
        const source of [
          FileSource.bytes(bytes(), "a"),
          FileSource.stream(Stream.sync(bytes), { filename: "a" }),
          FileSource.readableStream(
            new ReadableStream({
              start: (controller) => {
                controller.enqueue(bytes())
                controller.close()
              }
            }),
            { filename: "a" }
          )
        ]
      ) {
        assert.deepStrictEqual(Array.from((yield* read(source)).bytes), [1, 2, 3])
      }
    }))

  it.effect.each<readonly [name: string, filename: string]>([
    ["r.pdf", "r.pdf"],
    ["/srv/in/r.pdf", "r.pdf"],
    ["C:\\fakepath\\r.pdf", "r.pdf"],
    ["in/r.pdf/", "r.pdf"]
  ])("a File of another class that is called %s is %s", ([name, filename]) =>
    Effect.gen(function*() {
      const { content } = yield* read(FileSource.blob(new OtherFile(["x"], name, "application/pdf")))
      assert.deepInclude(content, { filename, mimeType: "application/pdf" })
    }))

  it.effect("a Blob of another realm is accepted", () =>
    Effect.gen(function*() {
      for (const size of [3, 2 * MiB]) {
        const like = {
          size,
          type: "text/csv",
          name: "a.csv",
          arrayBuffer: () => Promise.resolve(pattern(size).buffer),
          // As in polyfills.
          stream: () => Readable.from([Buffer.from(pattern(size))])
        }
        const { bytes, content } = yield* read(FileSource.blob(like as never))
        assert.isTrue(same(bytes, pattern(size)))
        assert.deepInclude(content, { filename: "a.csv", mimeType: "text/csv", size })
      }
    }))

  it.effect("a Blob that gives a different number of bytes than declared fails", () =>
    Effect.gen(function*() {
      const liar = {
        size: 5,
        type: "",
        arrayBuffer: () => Promise.resolve(new ArrayBuffer(3)),
        stream: () => undefined
      }
      assert.strictEqual((yield* failure(FileSource.blob(liar as never, "a"))).reason, "SizeMismatch")
    }))

  it.effect.each([
    "",
    "application/octet-stream",
    "binary/octet-stream",
    "application/x-download",
    "null",
    "pdf",
    "*/*"
  ])(
    "a File of the type %j leaves it to its name",
    (type) =>
      Effect.gen(function*() {
        const { content } = yield* read(FileSource.blob(new File(["x"], "notes.txt", { type })))
        assert.strictEqual(content.mimeType, undefined)
      })
  )
})

describe("the type of a File that has one", () => {
  it.effect.each<readonly [type: string, taken: string]>([
    ["text/csv; charset=utf-8", "text/csv; charset=utf-8"],
    ["application/pdf;", "application/pdf"],
    ["application/pdf; ", "application/pdf"]
  ])("%j is taken as %j", ([type, taken]) =>
    Effect.gen(function*() {
      const { content } = yield* read(FileSource.blob(new File(["x"], "notes.txt", { type })))
      assert.strictEqual(content.mimeType, taken)
    }))
})

describe("isReplayable", () => {
  it.effect("tells whether the stream can be run a second time, through tap as well", () =>
    Effect.gen(function*() {
      const once = new Blob(["abc"]).stream()
      const many = () => new Blob(["abc"]).stream()
      const sources: ReadonlyArray<readonly [expected: boolean, source: FileSource.FileSource]> = [
        [true, FileSource.bytes(new Uint8Array(3), "a")],
        [true, FileSource.text("abc", "a")],
        [true, FileSource.blob(new Blob(["abc"]))],
        [true, FileSource.blob(new Blob([new Uint8Array(2 * MiB)]))],
        [false, FileSource.stream(Stream.make(encoded("abc")), { filename: "a" })],
        [false, FileSource.stream(Stream.make(encoded("abc")), { filename: "a", replayable: false })],
        [true, FileSource.stream(Stream.make(encoded("abc")), { filename: "a", replayable: true })],
        [true, FileSource.readableStream(many, { filename: "a" })],
        [false, FileSource.readableStream(once, { filename: "a" })]
      ]
      for (const [expected, source] of sources) {
        for (const given of [source, FileSource.tap(source, () => Effect.void)]) {
          assert.strictEqual((yield* Effect.scoped(given.open)).isReplayable, expected)
        }
      }
    }))
})

describe("isFileSource", () => {
  it.effect("isFileSource tells sources from the values that they are made of", () =>
    Effect.sync(() => {
      assert.isTrue(FileSource.isFileSource(FileSource.text("a", "b")))
      for (const other of [undefined, null, "a", new Blob(), Stream.empty, { open: Effect.void }]) {
        assert.isFalse(FileSource.isFileSource(other))
      }
    }))
})
