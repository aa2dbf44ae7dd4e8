import { NodeFileSystem, NodePath } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  FileSystem,
  Layer,
  Logger,
  Path,
  PlatformError,
  References,
  Stream
} from "effect"
import { FileMetadata, Files, FilesError, FileSource } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import * as Policy from "effect-anthropic-files/Policy"
import * as Progress from "effect-anthropic-files/Progress"
import * as Transfer from "effect-anthropic-files/Transfer"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { safeName, withSuffix } from "../src/internal/disk/safeName.ts"
import { files } from "./support/emulated.ts"
import * as FailingFileSystem from "./support/FailingFileSystem.ts"
import * as ScriptedFileSystem from "./support/ScriptedFileSystem.ts"

const { FileId } = FileMetadata

const platform = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer)

const layer = files().pipe(Layer.provideMerge(Emulator.layer()), Layer.provideMerge(platform))

const overSocket = files().pipe(
  Layer.provideMerge(Layer.mergeAll(NodeEmulator.layerServer(), NodeFiles.layerHttpClient, platform))
)

const folder = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

const content = Uint8Array.from({ length: 3_000_001 }, (_, n) => n * 31 + (n >> 8))

const generate = (filename: string, bytes: Uint8Array | string = content) =>
  Effect.gen(function*() {
    const emulator = yield* Emulator.Emulator
    return FileId.make((yield* emulator.seed({ filename, content: bytes, downloadable: true })).id)
  })

const contentRequests = Effect.gen(function*() {
  const emulator = yield* Emulator.Emulator
  return (yield* emulator.requests).filter((request) => request.url.includes("/content")).length
})

/** The option that a call was refused for. */
const optionOf = (error: unknown): string =>
  error instanceof FilesError.RequestFailed && error.reason._tag === "InvalidRequest"
    ? String(error.reason.option)
    : String(error)

const ofOperation = (operation: "upload" | "list" | "content" | "delete"): Fault.Options => ({ match: { operation } })

describe("downloadToFile", () => {
  it.effect("P3: writes the content, privately, and leaves nothing else", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* folder
      const id = yield* generate("chart.png")
      const saved = yield* Transfer.downloadToFile(id, `${directory}/out.png`)
      assert.deepStrictEqual(saved, { path: `${directory}/out.png`, bytes: content.length })
      assert.deepStrictEqual(new Uint8Array(yield* fs.readFile(saved.path)), content)
      assert.deepStrictEqual(yield* fs.readDirectory(directory), ["out.png"])
      assert.strictEqual((yield* fs.stat(saved.path)).mode & 0o777, 0o600)
      const empty = yield* Transfer.downloadToFile(yield* generate("empty", ""), `${directory}/empty`)
      assert.strictEqual(empty.bytes, 0)
      assert.strictEqual((yield* fs.readFile(empty.path)).length, 0)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("refuses existing files, links and directories before a byte is fetched", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* folder
      const id = yield* generate("chart.png")
      yield* fs.writeFileString(`${directory}/there`, "old")
      yield* fs.symlink(`${directory}/there`, `${directory}/link`)
      yield* fs.symlink(`${directory}/nowhere`, `${directory}/dangling`)
      yield* fs.makeDirectory(`${directory}/folder`)
      const refusal = (name: string, onExisting: "fail" | "replace") =>
        Effect.map(
          Effect.flip(Transfer.downloadToFile(id, `${directory}/${name}`, { onExisting })),
          (error) => error._tag === "SaveFailed" ? error.reason : error._tag
        )
      assert.deepStrictEqual(
        [
          yield* refusal("there", "fail"),
          yield* refusal("link", "fail"),
          yield* refusal("link", "replace"),
          yield* refusal("dangling", "replace"),
          yield* refusal("folder", "replace"),
          yield* refusal("missing/file", "replace")
        ],
        ["Exists", "Symlink", "Symlink", "Symlink", "NotAFile", "Failed"]
      )
      assert.strictEqual(yield* contentRequests, 0)
      assert.strictEqual(yield* fs.readFileString(`${directory}/there`), "old")
      assert.isFalse(yield* fs.exists(`${directory}/nowhere`))
      assert.deepStrictEqual((yield* fs.readDirectory(directory)).sort(), ["dangling", "folder", "link", "there"])
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("refuses an invalid path or onExisting, and leaves nothing behind", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* folder
      const id = yield* generate("chart.png")
      yield* fs.writeFileString(`${directory}/there`, "old")
      const overwrite = "overwrite" as string as "replace"
      const reasons: Array<string> = []
      for (const path of ["", undefined as unknown as string, 5 as unknown as string]) {
        const inFolder = yield* Stream.runCollect(Transfer.downloadAll(Stream.make(id), { directory: path }))
        for (
          const error of [
            yield* Effect.flip(Transfer.downloadToFile(id, path)),
            ...inFolder.flatMap((result) => result._tag === "Failure" ? [result.error] : [])
          ]
        ) reasons.push(optionOf(error))
      }
      const error = yield* Effect.flip(
        Transfer.downloadToFile(id, `${directory}/there`, { onExisting: overwrite })
      )
      reasons.push(optionOf(error))
      assert.deepStrictEqual(reasons, ["path", "path", "path", "path", "path", "path", "onExisting"])
      assert.strictEqual(yield* contentRequests, 0)
      assert.deepStrictEqual(yield* fs.readDirectory(directory), ["there"])
      assert.strictEqual(yield* fs.readFileString(`${directory}/there`), "old")
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.live("a file is not closed while it is written to", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* folder
      let writing = 0
      const closedWhileWriting: Array<boolean> = []
      const slow = Layer.succeed(FileSystem.FileSystem, {
        ...fs,
        open: (path, options) =>
          Effect.gen(function*() {
            const file = yield* fs.open(path, options)
            yield* Effect.addFinalizer(() => Effect.sync(() => closedWhileWriting.push(writing > 0)))
            return new Proxy(file, {
              get: (target, property): unknown =>
                property === "writeAll"
                  // Once begun, it can't be cancelled.
                  ? () =>
                    Effect.promise(() => {
                      writing++
                      return new Promise<void>((resolve) => setTimeout(resolve, 50)).then(() => void writing--)
                    })
                  : Reflect.get(target, property, target)
            })
          })
      })
      const gone = new FilesError.FileNotFound({
        operation: "download",
        message: "A file is gone",
        fileId: FileId.make("file_1"),
        isRetryable: false,
        isOutcomeUnknown: false
      })
      const failing = Layer.succeed(Files.Files, {
        ...(yield* Files.Files),
        // A whole block, which is written while the next one is waited for.
        download: () => Stream.concat(Stream.make(new Uint8Array(1 << 20)), Stream.fail(gone))
      })
      const error = yield* Effect.flip(
        Effect.provide(
          Transfer.downloadToFile(FileId.make("file_1"), `${directory}/x`),
          Layer.merge(slow, failing)
        )
      )
      assert.strictEqual(error, gone)
      assert.deepStrictEqual(closedWhileWriting, [false])
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("replaces a file and keeps its permissions, or keeps both files", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* folder
      const id = yield* generate("chart.png")
      const target = `${directory}/chart.png`
      yield* fs.writeFileString(target, "old")
      yield* fs.chmod(target, 0o640)
      const second = yield* Transfer.downloadToFile(id, target, { onExisting: "rename" })
      const third = yield* Transfer.downloadToFile(id, target, { onExisting: "rename" })
      assert.deepStrictEqual([second.path, third.path], [`${directory}/chart (1).png`, `${directory}/chart (2).png`])
      assert.strictEqual(yield* fs.readFileString(target), "old")
      const replaced = yield* Transfer.downloadToFile(id, target, { onExisting: "replace" })
      assert.strictEqual(replaced.path, target)
      assert.strictEqual((yield* fs.stat(target)).mode & 0o777, 0o640)
      for (const name of ["chart.png", "chart (1).png", "chart (2).png"]) {
        assert.deepStrictEqual(new Uint8Array(yield* fs.readFile(`${directory}/${name}`)), content)
      }
      assert.strictEqual((yield* fs.readDirectory(directory)).length, 3)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("P3: the content is synced before the rename, and the directory after it", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const id = yield* generate("chart.png")
      for (const onExisting of ["fail", "replace"] as const) {
        const names: Array<string> = []
        const watched = FailingFileSystem.layer({ count: 0, failAt: 0, failed: undefined, names })
        yield* Effect.provide(Transfer.downloadToFile(id, `${directory}/chart.png`, { onExisting }), watched)
        const steps = names.filter((name) => ["file.writeAll", "file.sync", "link", "rename"].includes(name))
        assert.deepStrictEqual(
          Array.from(new Set(steps)),
          ["file.writeAll", "file.sync", onExisting === "fail" ? "link" : "rename"]
        )
        assert.strictEqual(steps.at(-1), "file.sync")
        assert.strictEqual(steps.filter((name) => name === "file.sync").length, 2)
      }
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("a file that another program creates during the download is not overwritten", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* folder
      const id = yield* generate("chart.png")
      const target = `${directory}/chart.png`
      const slow = Layer.succeed(Files.Files, {
        ...(yield* Files.Files),
        download: (id) =>
          Stream.tap(
            Stream.unwrap(Effect.map(Files.Files, (real) => real.download(id))).pipe(
              Stream.provideService(Files.Files, real)
            ),
            () => Effect.orDie(fs.writeFileString(target, "other"))
          )
      })
      const real = yield* Files.Files
      const error = yield* Effect.flip(Effect.provide(Transfer.downloadToFile(id, target), slow))
      assert.strictEqual(error._tag === "SaveFailed" && error.reason, "Exists")
      assert.strictEqual(yield* fs.readFileString(target), "other")
      assert.deepStrictEqual(yield* fs.readDirectory(directory), ["chart.png"])
    }).pipe(Effect.scoped, Effect.provide(layer)))

  for (const onExisting of ["fail", "replace", "rename"] as const) {
    it.effect(`P3: whichever file operation fails (${onExisting}), the old file is whole and nothing is left`, () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const directory = yield* folder
        const id = yield* generate("chart.png")
        const target = `${directory}/chart.png`
        for (let n = 1;; n++) {
          yield* fs.remove(directory, { recursive: true })
          yield* fs.makeDirectory(directory)
          if (onExisting !== "fail") yield* fs.writeFileString(target, "old")
          const failing: FailingFileSystem.Failing = { count: 0, failAt: n, failed: undefined }
          const exit = yield* Effect.exit(
            Effect.provide(Transfer.downloadToFile(id, target, { onExisting }), FailingFileSystem.layer(failing))
          )
          const names = (yield* fs.readDirectory(directory)).sort()
          const where = `${n}: ${failing.failed}`
          assert.deepStrictEqual(names.filter((name) => name.endsWith(".part")), [], where)
          if (Exit.isSuccess(exit)) {
            assert.deepStrictEqual(new Uint8Array(yield* fs.readFile(exit.value.path)), content, where)
            if (onExisting === "rename") assert.strictEqual(yield* fs.readFileString(target), "old", where)
          } else {
            assert.deepStrictEqual(names, onExisting === "fail" ? [] : ["chart.png"], where)
            if (onExisting !== "fail") assert.strictEqual(yield* fs.readFileString(target), "old", where)
            const error = Cause.findErrorOption(exit.cause)
            assert.strictEqual(error._tag === "Some" && error.value._tag, "SaveFailed", where)
          }
          if (failing.failed === undefined) {
            assert.isAbove(n, 8)
            break
          }
        }
      }).pipe(Effect.scoped, Effect.provide(layer)))
  }

  const broken: ReadonlyArray<readonly [string, Fault.Fault]> = [
    ["cut off", Fault.truncate({ after: 2_000_000, ...ofOperation("content") })],
    ["reset", Fault.reset({ at: "response", after: 2_000_000, ...ofOperation("content") })],
    ["refused", Fault.serverError(ofOperation("content"))]
  ]
  for (const [what, fault] of broken) {
    it.live(`P3: a download that is ${what} leaves the old file and no temporary one`, () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const directory = yield* folder
        const id = yield* generate("chart.png")
        yield* fs.writeFileString(`${directory}/chart.png`, "old")
        yield* (yield* Emulator.Emulator).addFault(fault)
        const error = yield* Effect.flip(
          Transfer.downloadToFile(id, `${directory}/chart.png`, { onExisting: "replace" })
        )
        assert.include(["TransferInterrupted", "RequestFailed"], error._tag)
        assert.strictEqual(yield* fs.readFileString(`${directory}/chart.png`), "old")
        assert.deepStrictEqual(yield* fs.readDirectory(directory), ["chart.png"])
      }).pipe(Effect.scoped, Effect.provide(overSocket)))
  }

  describe("says what is wrong and what to do", () => {
    const failure = (script: ScriptedFileSystem.Script, save: "file" | "directory" = "file", name = "out.bin") =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const directory = yield* folder
        const id = yield* generate("chart.png", content)
        const transfer = save === "file"
          ? Transfer.downloadToFile(id, `${directory}/${name}`)
          : Transfer.downloadToDirectory(id, directory)
        const error = yield* Effect.flip(Effect.provide(transfer, ScriptedFileSystem.layer(script)))
        assert.deepStrictEqual(yield* fs.readDirectory(directory), [])
        if (error._tag !== "SaveFailed") return assert.fail(error._tag)
        return { reason: error.reason, message: error.message.replaceAll(directory, "/folder") }
      })

    const full = (name: string, call: number) =>
      name === "file.writeAll" && call === 3 ? ScriptedFileSystem.errno("ENOSPC", "no space left on device") : undefined

    it.effect("when the disk is full, with what was written", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* failure(full), {
          reason: "DiskFull",
          message:
            "Disk full: 2 MB were written to /folder/out.bin and removed again. Make room, or choose another directory."
        })
      }).pipe(Effect.scoped, Effect.provide(layer)))

    it.effect("when the disk is full, with the total if the size is known", () =>
      Effect.gen(function*() {
        assert.strictEqual(
          (yield* failure(full, "directory")).message,
          "Disk full: 2 of 3 MB were written to /folder/chart.png and removed again. Make room, or choose another directory."
        )
      }).pipe(Effect.scoped, Effect.provide(layer)))

    it.effect("when there is no such directory", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* failure(() => undefined, "file", "no/such/out.bin"), {
          reason: "Failed",
          message: "There is no directory /folder/no/such to save out.bin in: create it first."
        })
      }).pipe(Effect.scoped, Effect.provide(layer)))

    it.effect("when the file system refuses", () =>
      Effect.gen(function*() {
        const readOnly = (name: string) =>
          name === "open" ? ScriptedFileSystem.errno("EROFS", "read-only file system") : undefined
        assert.strictEqual(
          (yield* failure(readOnly)).message,
          "/folder/out.bin can't be written: read-only file system (EROFS)."
        )
      }).pipe(Effect.scoped, Effect.provide(layer)))
  })

  it.live("a download continues where its connection broke, under a retry policy", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* folder
      const emulator = yield* Emulator.Emulator
      const id = yield* generate("chart.png")
      yield* emulator.addFault(Fault.reset({ at: "response", after: 2_000_000, ...ofOperation("content") }))
      const retrying = Files.layer({ apiKey: emulator.apiKey, baseUrl: emulator.url }).pipe(
        Layer.provide(Layer.provide(Policy.standard(), NodeFiles.layerHttpClient))
      )
      yield* Effect.provide(Transfer.downloadToFile(id, `${directory}/chart.png`), retrying)
      assert.deepStrictEqual(new Uint8Array(yield* fs.readFile(`${directory}/chart.png`)), content)
    }).pipe(Effect.scoped, Effect.provide(overSocket)))

  it.live("P7: interruption closes the connection and removes the temporary file within 100 ms", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* folder
      const id = yield* generate("chart.png")
      yield* fs.writeFileString(`${directory}/chart.png`, "old")
      yield* (yield* Emulator.Emulator).addFault(
        Fault.stall({ at: "response", after: 2_000_000, times: null, ...ofOperation("content") })
      )
      // The best of three: a busy machine may be late once, but a download that does not stop always is.
      let best = Infinity
      for (let round = 0; round < 3 && best >= 100; round++) {
        const progress = yield* Progress.make
        const fiber = yield* Effect.forkChild(
          Transfer.downloadToFile(id, `${directory}/chart.png`, { onExisting: "replace", progress })
        )
        yield* progress.changes("5 millis").pipe(
          Stream.takeUntil((snapshot) => snapshot.bytes >= 1_900_000),
          Stream.runDrain
        )
        assert.strictEqual((yield* fs.readDirectory(directory)).length, 2)
        const [took] = yield* Effect.timed(Fiber.interrupt(fiber))
        best = Math.min(best, Duration.toMillis(took))
        assert.deepStrictEqual(yield* fs.readDirectory(directory), ["chart.png"])
        assert.strictEqual(yield* fs.readFileString(`${directory}/chart.png`), "old")
        const { active, bytes, files } = yield* progress.snapshot
        assert.deepStrictEqual([active.length, bytes, files.failed], [0, 0, 1])
      }
      assert.isBelow(best, 100)
    }).pipe(Effect.scoped, Effect.provide(overSocket)))
})

describe("names that the service gives", () => {
  const expected: ReadonlyArray<readonly [given: string, safe: string]> = [
    ["report.pdf", "report.pdf"],
    ["../../etc/passwd", "passwd"],
    ["..\\..\\boot.ini", "boot.ini"],
    ["/etc/shadow", "shadow"],
    ["C:\\Windows\\system.ini", "system.ini"],
    ["..", "file_1"],
    [".", "file_1"],
    ["", "file_1"],
    ["///", "file_1"],
    [".bashrc", "_bashrc"],
    ["...hidden", "_..hidden"],
    ["name. . .", "name"],
    [" padded ", "padded"],
    ["con", "_con"],
    ["CON.txt", "_CON.txt"],
    ["lpt1 .pdf", "_lpt1 .pdf"],
    ["COM\u00b9", "_COM\u00b9"],
    ["console.log", "console.log"],
    ["a\u0000b\r\nc\u001b[31m.txt", "abc[31m.txt"],
    ["invoice\u202efdp.exe", "invoicefdp.exe"],
    ["a\u2066b\ufeff.txt", "ab.txt"],
    ["x:stream", "x_stream"],
    ["a<b>c\"d|e?f*g", "a_b_c_d_e_f_g"],
    ["e\u0301.txt", "\u00e9.txt"],
    ["e\u200b\u0301.txt", "\u00e9.txt"],
    ["\ud800.txt", "\ufffd.txt"],
    ["日本語.pdf", "日本語.pdf"],
    ["👩\u200d👩\u200d👧.png", "👩\u200d👩\u200d👧.png"]
  ]
  for (const [given, safe] of expected) {
    it(`${JSON.stringify(given)} becomes ${safe}`, () => assert.strictEqual(safeName(given, "file_1"), safe))
  }

  it("a safe name has at most 255 bytes, keeps its extension, and never ends in half a character", () => {
    for (const stem of ["x".repeat(300), "é".repeat(200), "👩".repeat(100)]) {
      for (const extension of ["", ".pdf"]) {
        const name = safeName(stem + extension, "file_1")
        assert.isAtMost(new TextEncoder().encode(name).length, 255)
        assert.isAtLeast(new TextEncoder().encode(name).length, 250)
        assert.isTrue(name.endsWith(extension))
        assert.notInclude(name, "\ufffd")
        assert.isAtMost(new TextEncoder().encode(withSuffix(name, " (12)")).length, 255)
      }
    }
    assert.strictEqual(safeName(`${"x".repeat(254)} .`, "f").length, 254)
  })

  it.effect("no name leaves the folder", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const outer = yield* folder
      const directory = path.join(outer, "inner")
      yield* fs.makeDirectory(directory)
      for (const [name] of expected) {
        if (name === "") continue
        const id = yield* generate(name, "x")
        const saved = yield* Transfer.downloadToDirectory(id, directory, { onExisting: "rename" })
        assert.strictEqual(path.dirname(saved.path), directory)
      }
      assert.deepStrictEqual(yield* fs.readDirectory(outer), ["inner"])
      assert.strictEqual((yield* fs.readDirectory(directory)).length, expected.length - 1)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("an unknown id is FileNotFound", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Transfer.downloadToDirectory(FileId.make("file_none"), yield* folder))
      assert.strictEqual(error._tag, "FileNotFound")
    }).pipe(Effect.scoped, Effect.provide(layer)))
})

const texts = (count: number) =>
  Stream.map(Stream.range(1, count), (n) => ({ source: FileSource.text(`text ${n}`, `${n}.txt`), n }))

describe("many files", () => {
  it.effect("uploads, downloads and deletes, each input with its result", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const emulator = yield* Emulator.Emulator
      const uploads = yield* Stream.runCollect(Transfer.uploadAll(texts(50)))
      assert.strictEqual(uploads.length, 50)
      for (const result of uploads) {
        assert.strictEqual(result._tag === "Success" && result.value.filename, `${result.input.n}.txt`)
      }
      for (const n of [1, 2, 3]) yield* generate(`made ${n}.csv`, `${n}`)
      const directory = yield* folder
      const saved = yield* Files.list().pipe(
        Stream.filter((file) => file.downloadable),
        (made) => Transfer.downloadAll(made, { directory }),
        Stream.runCollect
      )
      assert.deepStrictEqual(saved.map((result) => result._tag), ["Success", "Success", "Success"])
      assert.deepStrictEqual((yield* fs.readDirectory(directory)).sort(), ["made 1.csv", "made 2.csv", "made 3.csv"])
      const deleted = yield* Stream.runCollect(Transfer.deleteAll(Files.list({ limit: 1000 })))
      assert.strictEqual(deleted.filter((result) => result._tag === "Success").length, 53)
      assert.deepStrictEqual(yield* emulator.files, [])
    }).pipe(Effect.scoped, Effect.provide(layer)))

  const twins = [
    "chart.png",
    "chart.png",
    "caf\u00e9.txt",
    "cafe\u0301.txt",
    "A.csv",
    "a.csv",
    "chart (1).png",
    "chart.png"
  ]
  const unlike = [
    "A.csv",
    "a (1).csv",
    "caf\u00e9 (1).txt",
    "caf\u00e9.txt",
    "chart (1) (1).png",
    "chart (1).png",
    "chart (2).png",
    "chart.png"
  ]

  /** The names in a directory, each with its content. */
  const contentsOf = (directory: string) =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const names = (yield* fs.readDirectory(directory)).sort()
      return yield* Effect.forEach(names, (name) =>
        Effect.map(fs.readFileString(`${directory}/${name}`), (text) => [name, text] as const))
    })

  for (const onExisting of ["fail", "replace"] as const) {
    it.effect(`files of one name in one run are all saved, the later ones with a number in order (${onExisting})`, () =>
      Effect.gen(function*() {
        const ids = yield* Effect.forEach(twins, (name, i) => generate(name, `${i}`))
        const directory = yield* folder
        const download = Stream.runCollect(Transfer.downloadAll(Stream.fromIterable(ids), { directory, onExisting }))
        const results = yield* download
        assert.deepStrictEqual(new Set(results.map(({ _tag }) => _tag)), new Set(["Success"]))
        const saved = yield* contentsOf(directory)
        assert.deepStrictEqual(saved.map(([name]) => name), unlike)
        assert.deepStrictEqual(Object.fromEntries(saved)["chart (2).png"], "7")
        assert.deepStrictEqual(saved.map(([, text]) => text).sort(), twins.map((_, i) => `${i}`))
        const again = yield* download
        assert.deepStrictEqual(
          again.map((result) => result._tag === "Failure" ? result.error._tag : result._tag),
          twins.map(() => onExisting === "fail" ? "SaveFailed" : "Success")
        )
        assert.deepStrictEqual(yield* contentsOf(directory), saved)
      }).pipe(Effect.scoped, Effect.provide(layer)))
  }

  it.effect("files of one name in one run are all saved on a file system without links too (rename)", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const ids = yield* Effect.forEach(["1", "2", "3", "4", "5", "6"], (text) => generate("chart.png", text))
      const directory = yield* folder
      yield* fs.writeFileString(`${directory}/chart.png`, "old")
      yield* Stream.runDrain(Transfer.downloadAll(Stream.fromIterable(ids), { directory, onExisting: "rename" })).pipe(
        Effect.provideService(FileSystem.FileSystem, {
          ...fs,
          link: () =>
            Effect.fail(
              PlatformError.systemError({
                _tag: "Unknown",
                module: "FileSystem",
                method: "link",
                description: "ENOSYS"
              })
            )
        })
      )
      const saved = yield* contentsOf(directory)
      assert.deepStrictEqual(saved.map(([name]) => name), [
        ...[1, 2, 3, 4, 5, 6].map((n) => `chart (${n}).png`),
        "chart.png"
      ])
      assert.deepStrictEqual(saved.map(([, text]) => text).sort(), ["1", "2", "3", "4", "5", "6", "old"])
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("P12: a failure is a result, and the other inputs continue", () =>
    Effect.gen(function*() {
      const inputs = [
        { source: FileSource.text("a", "a.txt") },
        { source: FileSource.path("/nowhere/at all") },
        { source: FileSource.text("b", "bad|name") },
        { source: FileSource.text("c", "c.txt") }
      ]
      const results = yield* Stream.runCollect(Transfer.uploadAll(Stream.fromIterable(inputs)))
      const of = (input: (typeof inputs)[number] | undefined) => {
        const result = results.find((result) => result.input === input)
        return result?._tag === "Failure" ? result.error._tag : result?._tag
      }
      assert.deepStrictEqual(inputs.map(of), ["Success", "SourceFailed", "InvalidFilename", "Success"])
      const missing = yield* Stream.runCollect(Transfer.deleteAll(Stream.make(FileId.make("file_none"))))
      assert.deepStrictEqual(
        missing.map((result) => result._tag === "Failure" && result.error._tag),
        ["FileNotFound"]
      )
    }).pipe(Effect.provide(layer)))

  it.effect("P12: an invalid input, and a source that dies or interrupts itself, are failures like any other", () =>
    Effect.gen(function*() {
      const source = FileSource.text("x", "x.txt")
      const inputs = [
        undefined,
        null,
        5,
        {},
        { source: "a.txt" },
        { source: { ...source, open: Effect.die("a bug") } },
        { source: { ...source, open: Effect.interrupt } },
        { source: FileSource.stream(Stream.die("a bug"), { filename: "y.txt" }) },
        { source }
      ] as ReadonlyArray<Transfer.Upload>
      for (const progress of [undefined, yield* Progress.make]) {
        const results = yield* Stream.runCollect(Transfer.uploadAll(Stream.fromIterable(inputs), { progress }))
        const of = (input: unknown) => {
          return results.find((result) => result.input === input)?._tag
        }
        assert.deepStrictEqual<unknown>(inputs.map(of), [...inputs.slice(1).map(() => "Failure"), "Success"])
      }
      const ids = [undefined, null, 5, {}, ""] as unknown as ReadonlyArray<FileMetadata.FileId>
      const directory = yield* folder
      const downloads = yield* Stream.runCollect(Transfer.downloadAll(Stream.fromIterable(ids), { directory }))
      const deletions = yield* Stream.runCollect(Transfer.deleteAll(Stream.fromIterable(ids)))
      for (const results of [downloads, deletions]) {
        assert.deepStrictEqual<unknown>(
          results.map((result) => result._tag === "Failure" && result.error._tag),
          ids.map(() => "RequestFailed")
        )
      }
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("an upload that is sent again counts its bytes from the beginning", () =>
    Effect.gen(function*() {
      const progress = yield* Progress.make
      const seen: Array<number> = []
      const half = new Uint8Array(10)
      const source = FileSource.stream(
        Stream.concat(
          Stream.succeed(half),
          Stream.fromEffect(Effect.map(progress.snapshot, ({ bytes }) => {
            seen.push(bytes)
            return half
          }))
        ),
        { filename: "a.bin", size: 20, replayable: true }
      )
      const { addFault, apiKey, url } = yield* Emulator.Emulator
      // Once the whole body has been read.
      yield* addFault(Fault.answer({ status: 529, at: "after", ...ofOperation("upload") }))
      const retrying = Files.layer({ apiKey, baseUrl: url }).pipe(Layer.provide(Policy.retry({ baseDelay: 0 })))
      yield* Effect.provide(Transfer.upload({ source }, progress), retrying)
      assert.deepStrictEqual(seen, [10, 10])
    }).pipe(Effect.provide(layer)))

  it.effect("stopOnError ends with the failure and starts no more inputs", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const inputs = Stream.map(
        Stream.range(1, 1000),
        (n) => ({ source: FileSource.text("x", n === 5 ? "bad|name" : `${n}.txt`) })
      )
      const results = yield* Stream.runCollect(Transfer.uploadAll(inputs, { stopOnError: true, concurrency: 2 }))
      assert.deepStrictEqual(results.filter((result) => result._tag === "Failure").length, 1)
      assert.strictEqual(results.at(-1)?._tag, "Failure")
      assert.isBelow((yield* emulator.files).length, 30)
    }).pipe(Effect.provide(layer)))

  for (const concurrency of [0, -1, NaN, 1.5, Infinity, "8" as unknown as number, null as unknown as number]) {
    it.effect(`a concurrency of ${JSON.stringify(concurrency)} (${String(concurrency)}) is refused, and no input is asked for`, () =>
      Effect.gen(function*() {
        const none = Stream.die("an input was asked for") as Stream.Stream<FileMetadata.FileId>
        const inputs = Stream.die("an input was asked for") as Stream.Stream<Transfer.Upload>
        for (
          const bulk of [
            Stream.runDrain(Transfer.uploadAll(inputs, { concurrency })),
            Stream.runDrain(Transfer.downloadAll(none, { directory: ".", concurrency })),
            Stream.runDrain(Transfer.deleteAll(none, { concurrency }))
          ]
        ) assert.strictEqual(optionOf(yield* Effect.flip(bulk)), "concurrency")
      }).pipe(Effect.provide(layer)))
  }

  it.live("at most concurrency inputs run at a time, eight by default", () =>
    Effect.gen(function*() {
      const real = yield* Files.Files
      for (const [concurrency, limit] of [[undefined, 8], [3, 3]] as const) {
        let running = 0
        let most = 0
        const watched = Layer.succeed(Files.Files, {
          ...real,
          upload: (source, options) =>
            Effect.suspend(() => {
              most = Math.max(most, ++running)
              return Effect.ensuring(
                Effect.andThen(Effect.sleep(2), real.upload(source, options)),
                Effect.sync(() => void running--)
              )
            })
        })
        yield* Effect.provide(Stream.runDrain(Transfer.uploadAll(texts(40), { concurrency })), watched)
        assert.strictEqual(most, limit)
      }
    }).pipe(Effect.provide(layer)))

  it.effect("if the inputs fail, those that were begun still give their results", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const exit = yield* Effect.exit(
        Stream.runForEach(
          Transfer.uploadAll(Stream.concat(texts(5), Stream.fail("no more"))),
          (result) => Effect.sync(() => seen.push(result._tag))
        )
      )
      assert.deepStrictEqual(exit, Exit.fail("no more"))
      assert.strictEqual(seen.length, 5)
    }).pipe(Effect.provide(layer)))

  it.live("interruption aborts uploads, stores none of them, and logs which were in progress", () => {
    const logged: Array<unknown> = []
    const logger = Logger.make<unknown, void>(({ fiber, message }) => {
      logged.push(message, fiber.getRef(References.CurrentLogAnnotations))
    })
    return Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const begun = yield* Deferred.make<void>()
      let count = 0
      // Each gives half of its declared bytes, and then stalls.
      const inputs = Stream.map(Stream.range(1, 20), (n) => ({
        filename: `${n}.bin`,
        source: FileSource.stream(
          Stream.concat(
            Stream.succeed(new Uint8Array(1000)),
            Stream.fromEffectDrain(Effect.andThen(
              Effect.suspend(() => ++count === 4 ? Deferred.succeed(begun, undefined) : Effect.void),
              Effect.never
            ))
          ),
          { filename: `${n}.bin`, size: 2000 }
        )
      }))
      const fiber = yield* Effect.forkChild(Stream.runDrain(Transfer.uploadAll(inputs, { concurrency: 4 })))
      yield* Deferred.await(begun)
      const [took] = yield* Effect.timed(Fiber.interrupt(fiber))
      assert.isBelow(Duration.toMillis(took), 100)
      assert.deepStrictEqual(yield* emulator.files, [])
      const said = JSON.stringify(logged)
      assert.include(said, "uploadAll stopped before its end")
      for (const name of ["1.bin", "2.bin", "3.bin", "4.bin"]) assert.include(said, name)
    }).pipe(Effect.provide(Layer.merge(overSocket, Logger.layer([logger]))))
  })
})

describe("lookups", () => {
  for (const dialect of ["ga", "beta"] as const) {
    const layer = files({ dialect }).pipe(Layer.provideMerge(Emulator.layer()), Layer.provideMerge(platform))
    it.effect(`${dialect}: made together they share requests, in the order asked for, misses are None`, () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator.Emulator
        const uploaded = yield* Stream.runCollect(Transfer.uploadAll(texts(120)))
        const ids = uploaded.flatMap((result) => result._tag === "Success" ? [result.value.id] : [])
        const asked = [...ids, FileId.make("file_none"), ...ids.slice(0, 30)]
        const before = (yield* emulator.requests).length
        const found = yield* Files.findMany(asked)
        assert.deepStrictEqual(
          found.map((file) => file._tag === "Some" ? file.value.id : "none"),
          asked.map((id) => id === "file_none" ? "none" : id)
        )
        const requests = (yield* emulator.requests).length - before
        if (dialect === "ga") assert.strictEqual(requests, 2)
        const [first] = ids
        if (first === undefined) return assert.fail("there are files")
        assert.isTrue(yield* Files.exists(first))
        assert.isFalse(yield* Files.exists(FileId.make("file_none")))
        assert.deepStrictEqual(yield* Files.findMany([]), [])
      }).pipe(Effect.provide(layer)))
  }

  it.live("beta: at most eight lookups run at a time, across all callers", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      let running = 0
      let most = 0
      const client = HttpClient.make((request) =>
        Effect.suspend(() => {
          most = Math.max(most, ++running)
          return Effect.ensuring(
            Effect.as(
              Effect.sleep(1),
              HttpClientResponse.fromWeb(
                request,
                Response.json({ type: "error", error: { type: "not_found_error", message: "Not found" } }, {
                  status: 404
                })
              )
            ),
            Effect.sync(() => void running--)
          )
        })
      )
      const beta = Files.layer({ apiKey: emulator.apiKey, baseUrl: emulator.url, dialect: "beta" }).pipe(
        Layer.provide(Layer.succeed(HttpClient.HttpClient, client))
      )
      const ids = Array.from({ length: 250 }, (_, n) => FileId.make(`file_${n}`))
      yield* Effect.provide(
        Effect.all([Files.findMany(ids), Effect.forEach(ids, Files.find, { concurrency: "unbounded" })], {
          concurrency: "unbounded"
        }),
        beta
      )
      assert.strictEqual(most, 8)
    }).pipe(Effect.provide(layer)))

  it.effect("a malformed id fails alone, before anything is sent", () =>
    Effect.gen(function*() {
      const { id } = yield* Files.upload(FileSource.text("x", "x.txt"))
      const exits = yield* Effect.all(
        [
          Effect.isSuccess(Files.find(id)),
          Effect.isSuccess(Files.find(FileId.make("a b"))),
          Effect.isSuccess(Files.exists(id))
        ],
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(exits, [true, false, true])
      const error = yield* Effect.flip(Stream.runDrain(Files.list({ ids: [id, FileId.make("a\nb")] })))
      assert.strictEqual(error._tag === "RequestFailed" && error.reason._tag, "InvalidRequest")
    }).pipe(Effect.provide(layer)))

  it.effect("a failed request fails only the lookups that share it, not those of another client", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const { id } = yield* Files.upload(FileSource.text("x", "x.txt"))
      const other = Files.layer({ apiKey: emulator.apiKey, baseUrl: emulator.url })
      yield* emulator.addFault(Fault.overloaded(ofOperation("list")))
      const exits = yield* Effect.all([
        Effect.exit(Files.find(id)),
        Effect.exit(Files.find(id)),
        Effect.exit(Effect.provide(Files.find(id), other))
      ], { concurrency: "unbounded" })
      assert.deepStrictEqual(exits.map(Exit.isSuccess), [false, false, true])
    }).pipe(Effect.provide(layer)))
})

describe("uploadScoped", () => {
  it.effect("uploadScoped deletes its file on success, failure and interruption", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const upload = Files.uploadScoped(FileSource.text("x", "x.txt"))
      const during = yield* Effect.scoped(Effect.andThen(upload, Effect.map(emulator.files, (files) => files.length)))
      assert.strictEqual(during, 1)
      assert.deepStrictEqual(yield* emulator.files, [])
      yield* Effect.exit(Effect.scoped(Effect.andThen(upload, Effect.fail("no"))))
      assert.deepStrictEqual(yield* emulator.files, [])
      const uploaded = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        Effect.scoped(Effect.andThen(upload, Effect.andThen(Deferred.succeed(uploaded, undefined), Effect.never)))
      )
      yield* Deferred.await(uploaded)
      assert.strictEqual((yield* emulator.files).length, 1)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* emulator.files, [])
      // A file that someone else has deleted is not a failure.
      yield* Effect.scoped(Effect.flatMap(upload, (file) => Files.delete(file.id)))
    }).pipe(Effect.provide(layer)))

  it.effect("a deletion is retried; if it keeps failing, a warning is logged and the result is kept", () => {
    const logged: Array<unknown> = []
    const logger = Logger.make<unknown, void>(({ message }) => void logged.push(message))
    return Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const use = Effect.scoped(Effect.as(Files.uploadScoped(FileSource.text("x", "x.txt")), "result"))
      const run = Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(use)
        yield* TestClock.adjust("1 minute")
        return yield* Fiber.join(fiber)
      })
      yield* emulator.addFault(Fault.overloaded({ ...ofOperation("delete"), times: 2 }))
      assert.strictEqual(yield* run, "result")
      assert.deepStrictEqual(yield* emulator.files, [])
      assert.deepStrictEqual(logged, [])
      yield* emulator.addFault(Fault.overloaded({ ...ofOperation("delete"), times: null }))
      assert.strictEqual(yield* run, "result")
      assert.strictEqual((yield* emulator.files).length, 1)
      assert.include(JSON.stringify(logged), "could not be deleted")
    }).pipe(Effect.provide(Layer.merge(layer, Logger.layer([logger]))))
  })

  describe("a deletion that hangs", () => {
    /** How long the scope takes to close after this exit. */
    const closing = (leave: Effect.Effect<unknown>, isInterrupted: boolean) =>
      Effect.gen(function*() {
        const begun = yield* Deferred.make<void>()
        const real = yield* Files.Files
        const hanging = Layer.succeed(Files.Files, {
          ...real,
          delete: () => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)
        })
        const used = yield* Deferred.make<void>()
        const fiber = yield* Effect.forkChild(
          Effect.scoped(
            Files.uploadScoped(FileSource.text("x", "x.txt")).pipe(
              Effect.andThen(Deferred.succeed(used, undefined)),
              Effect.andThen(leave)
            )
          ).pipe(Effect.provide(hanging))
        )
        yield* Deferred.await(used)
        if (isInterrupted) yield* Effect.forkChild(Fiber.interrupt(fiber))
        yield* Deferred.await(begun)
        for (let seconds = 1; seconds <= 60; seconds++) {
          yield* TestClock.adjust("1 second")
          if (fiber.pollUnsafe() !== undefined) return seconds
        }
        return Infinity
      }).pipe(Effect.provide(layer))

    it.effect("is given up after 30 seconds, and the result is kept", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* closing(Effect.void, false), 30)
        assert.strictEqual(yield* closing(Effect.die("a bug"), false), 30)
      }))

    it.effect("is given up 5 seconds after an interruption", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* closing(Effect.never, true), 5)
      }))
  })

  it.effect("with expiresIn the service removes the file if the process can't", () =>
    Effect.gen(function*() {
      const file = yield* Effect.scoped(Files.uploadScoped(FileSource.text("x", "x.txt"), { expiresIn: "1 hour" }))
      assert.strictEqual(
        (file.expires_at?.epochMilliseconds ?? 0) - file.created_at.epochMilliseconds,
        3_600_000
      )
    }).pipe(Effect.provide(layer)))
})

describe("progress", () => {
  it.effect("counts each file that failed, also before a byte of it moved", () =>
    Effect.gen(function*() {
      const uploads = yield* Progress.make
      const inputs = Stream.make(
        { source: FileSource.path("/nowhere/at/all.pdf") },
        { source: FileSource.text("x", "a:b.txt") },
        { source: FileSource.text(5 as never, "n.txt") },
        { source: FileSource.text("x", "ok.txt") }
      )
      yield* Stream.runDrain(Transfer.uploadAll(inputs, { progress: uploads }))
      const { files } = yield* uploads.snapshot
      assert.deepStrictEqual([files.done, files.failed], [1, 3])
      const downloads = yield* Progress.make
      const missing = Stream.make(FileId.make("file_none"))
      yield* Stream.runDrain(Transfer.downloadAll(missing, { directory: "/nowhere", progress: downloads }))
      assert.strictEqual((yield* downloads.snapshot).files.failed, 1)
    }).pipe(Effect.provide(layer)))

  it.effect("counts bytes, files, rate and time left", () =>
    Effect.gen(function*() {
      const progress = yield* Progress.make
      yield* progress.expect({ files: 2, bytes: 3000 })
      const first = yield* progress.begin("a", 1000)
      const second = yield* progress.begin("b", 2000)
      first.add(500)
      yield* TestClock.adjust("1 second")
      const early = yield* progress.snapshot
      assert.deepStrictEqual([early.bytes, early.total, early.rate], [500, 3000, 500])
      assert.strictEqual(Duration.toMillis(early.remaining ?? 0), 5000)
      assert.deepStrictEqual(early.active.map(({ bytes, name, rate, total }) => [name, bytes, total, rate]), [
        ["a", 500, 1000, 500],
        ["b", 0, 2000, 0]
      ])
      first.set(1000)
      first.end(true)
      second.add(700)
      second.end(false)
      yield* TestClock.adjust("1 second")
      const late = yield* progress.snapshot
      assert.deepStrictEqual(late.files, { done: 1, failed: 1, total: 2 })
      assert.deepStrictEqual([late.bytes, late.active.length], [1000, 0])
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* progress.snapshot).rate, 0)
    }))

  it.effect("the rate covers the time since the last snapshot if that is longer than five seconds", () =>
    Effect.gen(function*() {
      const progress = yield* Progress.make
      const meter = yield* progress.begin("a", 1_000_000)
      for (let n = 0; n < 10; n++) {
        meter.add(6000)
        yield* TestClock.adjust("6 seconds")
        assert.strictEqual((yield* progress.snapshot).rate, 1000)
      }
    }))

  it.effect("the rate recovers soon after the clock was set back", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1_000_000_000)
      const progress = yield* Progress.make
      const meter = yield* progress.begin("a", 1_000_000)
      yield* progress.snapshot
      yield* TestClock.setTime(1_000_000_000 - 3_600_000)
      yield* progress.snapshot
      for (let n = 0; n < 3; n++) {
        meter.add(1000)
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* progress.snapshot).rate, 1000)
      }
    }))

  it.effect("snapshots come at the interval while bytes move, and not otherwise", () =>
    Effect.gen(function*() {
      const progress = yield* Progress.make
      const seen: Array<number> = []
      yield* Effect.forkChild(
        Stream.runForEach(progress.changes("100 millis"), ({ bytes }) => Effect.sync(() => seen.push(bytes))),
        { startImmediately: true }
      )
      const meter = yield* progress.begin("a", 10)
      for (let n = 0; n < 10; n++) {
        meter.add(1)
        yield* TestClock.adjust("50 millis")
      }
      meter.end(true)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(seen, [0, 2, 4, 6, 8, 10, 10])
    }))

  it.live("uploads and downloads are counted except failed ones, and there is no total while a size is unknown", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const fs = yield* FileSystem.FileSystem
      const progress = yield* Progress.make
      yield* fs.writeFile(`${directory}/large.bin`, content)
      const inputs = [
        { source: FileSource.path(`${directory}/large.bin`) },
        { source: FileSource.text("12345", "small.txt") },
        { source: FileSource.stream(Stream.make(new Uint8Array(7)), { filename: "unknown.bin" }) },
        { source: FileSource.stream(Stream.make(new Uint8Array(7)), { filename: "wrong.bin", size: 8 }) }
      ]
      const totals: Array<number | undefined> = []
      yield* Effect.forkChild(
        Stream.runForEach(progress.changes("1 millis"), ({ total }) => Effect.sync(() => totals.push(total))),
        { startImmediately: true }
      )
      yield* Stream.runDrain(Transfer.uploadAll(Stream.fromIterable(inputs), { progress, concurrency: 1 }))
      const up = yield* progress.snapshot
      assert.deepStrictEqual(up.files, { done: 3, failed: 1, total: undefined })
      assert.deepStrictEqual([up.bytes, up.total], [content.length + 12, content.length + 12])
      const saved = yield* Transfer.downloadToDirectory(yield* generate("made.bin"), directory, { progress })
      assert.strictEqual((yield* progress.snapshot).bytes, content.length + 12 + saved.bytes)
      assert.isAbove(totals.length, 1)
    }).pipe(Effect.scoped, Effect.provide(overSocket)))

  it.live("a retry counts from 0 again", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const progress = yield* Progress.make
      yield* emulator.addFault(Fault.reset({ at: "during", after: 2_000_000, ...ofOperation("upload") }))
      const retrying = Files.layer({ apiKey: emulator.apiKey, baseUrl: emulator.url }).pipe(
        Layer.provide(Layer.provide(Policy.standard(), NodeFiles.layerHttpClient))
      )
      const source = FileSource.stream(Stream.make(content.subarray(0, 2_500_000), content.subarray(2_500_000)), {
        filename: "x.bin",
        size: content.length,
        replayable: true
      })
      yield* Effect.provide(Transfer.upload({ source }, progress), retrying)
      assert.strictEqual((yield* progress.snapshot).bytes, content.length)
      assert.strictEqual((yield* emulator.requests).filter((request) => request.method === "POST").length, 2)
    }).pipe(Effect.scoped, Effect.provide(overSocket)))
})
