import { NodeFileSystem, NodePath } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, FileSystem, Layer, Logger, PlatformError, Predicate, Stream } from "effect"
import { atomicWrite, type OnExisting } from "../../../src/internal/disk/atomicWrite.ts"
import { causeOf } from "../../../src/internal/disk/cause.ts"
import { isTemporary } from "../../../src/internal/disk/temporary.ts"
import * as ScriptedFileSystem from "../../support/ScriptedFileSystem.ts"

const { errno } = ScriptedFileSystem

const platform = Layer.merge(NodeFileSystem.layer, NodePath.layer)

const content = Uint8Array.from({ length: 3_000_001 }, (_, n) => n * 31 + (n >> 8))

const bytes = Stream.make(content.subarray(0, 5), content.subarray(5, 2_000_000), content.subarray(2_000_000))

/** Each with an old file at the target where that makes sense. */
const ways: ReadonlyArray<OnExisting> = ["fail", "replace", "rename"]

/** Saves into a folder of its own over a scripted file system, and shows what is there afterwards. */
const saved = (onExisting: OnExisting, script: ScriptedFileSystem.Script) => {
  const logged: Array<string> = []
  const logger = Logger.make<unknown, void>(({ logLevel, message }) =>
    void logged.push(`${logLevel} ${String(message)}`)
  )
  return Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectoryScoped()
    const target = `${directory}/chart.png`
    if (onExisting !== "fail") {
      yield* fs.writeFileString(target, "old")
      yield* fs.chmod(target, 0o640)
    }
    const exit = yield* Effect.exit(
      Effect.provide(atomicWrite(bytes, target, onExisting), ScriptedFileSystem.layer(script))
    )
    const names = (yield* fs.readDirectory(directory)).sort()
    const whole = Exit.isSuccess(exit) ? new Uint8Array(yield* fs.readFile(exit.value.path)) : undefined
    const old = onExisting === "fail" ? undefined : (yield* fs.readFile(target)).length
    const mode = Exit.isSuccess(exit) ? (yield* fs.stat(exit.value.path)).mode & 0o777 : undefined
    return { exit, names, isWhole: whole !== undefined && Buffer.compare(whole, content) === 0, old, mode, logged }
  }).pipe(Effect.scoped, Effect.provide(Layer.merge(platform, Logger.layer([logger]))))
}

const failureOf = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit) ? Cause.findErrorOption(exit.cause) : undefined

describe("cosmetic failures are only a warning", () => {
  const unsupported = [
    "ENOSYS: function not implemented",
    "ENOTSUP: operation not supported",
    "EINVAL: invalid argument"
  ]
  for (const text of unsupported) {
    for (const onExisting of ways) {
      it.live(`a file system that does not know fsync (${text}), ${onExisting}`, () =>
        Effect.gen(function*() {
          const [code = "", words = ""] = text.split(": ")
          const { isWhole, logged, names } = yield* saved(
            onExisting,
            (name) => name === "file.sync" ? errno(code, words) : undefined
          )
          assert.isTrue(isWhole)
          assert.strictEqual(names.length, onExisting === "rename" ? 2 : 1)
          assert.isTrue(
            logged.some((line) => line.startsWith("Warn") && line.includes(`not synced`) && line.includes(code))
          )
        }))
    }
  }

  it.live("permissions that can't be set: the new file stays private", () =>
    Effect.gen(function*() {
      const { isWhole, logged, mode, names } = yield* saved(
        "replace",
        (name) => name === "chmod" ? errno("EPERM", "operation not permitted", "PermissionDenied") : undefined
      )
      assert.isTrue(isWhole)
      assert.deepStrictEqual([names, mode], [["chart.png"], 0o600])
      assert.isTrue(logged.some((line) => line.startsWith("Warn") && line.includes("permissions 0640")))
    }))

  it.live("a directory that can't be opened, or closed again, once the file has its name", () =>
    Effect.gen(function*() {
      for (const operation of ["open", "file.close"]) {
        const { isWhole } = yield* saved(
          "replace",
          (name, call) => name === operation && call === 2 ? errno("EPERM", "no", "PermissionDenied") : undefined
        )
        assert.isTrue(isWhole, operation)
      }
    }))
})

it.live("a link that is put in the target's place meanwhile is refused, and left as it is", () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectoryScoped()
    const [target, elsewhere] = [`${directory}/chart.png`, `${directory}/elsewhere`]
    yield* fs.writeFileString(elsewhere, "someone else's")
    const late = Stream.concat(bytes, Stream.fromEffectDrain(fs.symlink(elsewhere, target)))
    const error = yield* Effect.flip(atomicWrite(late, target, "replace"))
    assert.deepInclude(error, { _tag: "Refusal", reason: "Symlink" })
    assert.strictEqual(yield* fs.readLink(target), elsewhere)
    assert.deepStrictEqual((yield* fs.readDirectory(directory)).sort(), ["chart.png", "elsewhere"])
  }).pipe(Effect.scoped, Effect.provide(platform)))

describe("important operations are retried", () => {
  for (const times of [1, 3]) {
    it.live(`a rename that fails ${times === 1 ? "once" : `${times} times`}`, () =>
      Effect.gen(function*() {
        const { isWhole, names } = yield* saved(
          "replace",
          (name, call) => name === "rename" && call <= times ? errno("EBUSY", "resource busy", "Busy") : undefined
        )
        assert.isTrue(isWhole)
        assert.deepStrictEqual(names, ["chart.png"])
      }))
  }

  for (const onExisting of ["fail", "rename"] as const) {
    it.live(`a rename that fails once where there are no links (${onExisting})`, () =>
      Effect.gen(function*() {
        const { isWhole, names } = yield* saved(onExisting, (name, call) => {
          if (name === "link") return errno("EPERM", "operation not permitted", "PermissionDenied")
          return name === "rename" && call === 1 ? errno("EACCES", "permission denied", "PermissionDenied") : undefined
        })
        assert.isTrue(isWhole)
        assert.strictEqual(names.filter(isTemporary).length, 0)
      }))
  }

  for (const onExisting of ways) {
    it.live(`removing the temporary file, ${onExisting}`, () =>
      Effect.gen(function*() {
        const { names } = yield* saved(onExisting, (name, call) => {
          if (name === "remove" && call === 1) return errno("EBUSY", "resource busy", "Busy")
          return name === "file.writeAll" ? errno("EIO", "input/output error") : undefined
        })
        assert.strictEqual(names.filter(isTemporary).length, 0)
      }))
  }

  it.live("a failed sync is not retried: a second one could succeed although data was lost", () =>
    Effect.gen(function*() {
      const { exit, names, old } = yield* saved(
        "replace",
        (name, call) => name === "file.sync" && call === 1 ? errno("EIO", "input/output error") : undefined
      )
      assert.strictEqual(failureOf(exit)?._tag, "Some")
      assert.deepStrictEqual([names, old], [["chart.png"], 3])
    }))

  it.live("a rename that always fails is a failure within a second or two, and the old file is as it was", () =>
    Effect.gen(function*() {
      const { exit, names, old } = yield* saved(
        "replace",
        (name) => name === "rename" ? errno("EACCES", "permission denied", "PermissionDenied") : undefined
      )
      assert.strictEqual(failureOf(exit)?._tag, "Some")
      assert.deepStrictEqual([names, old], [["chart.png"], 3])
    }))
})

describe("a file system that dies is a failure", () => {
  const operations = ["lstat", "open", "file.writeAll", "file.sync", "file.close", "link", "rename"]
  for (const onExisting of ways) {
    it.live(`P3: whichever operation dies, ${onExisting}`, () =>
      Effect.gen(function*() {
        for (const operation of operations) {
          const { exit, names } = yield* saved(
            onExisting,
            (name) => name === operation ? Effect.die(new TypeError("a bug in a driver")) : undefined
          )
          if (Exit.isSuccess(exit)) continue
          const error = failureOf(exit)
          assert.isTrue(error?._tag === "Some" && Predicate.isTagged(error.value, "WriteFailed"), operation)
          assert.deepStrictEqual(names, onExisting === "fail" ? [] : ["chart.png"], operation)
        }
      }))
  }

  it.live("the failure of the source is passed on", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      const exit = yield* Effect.exit(atomicWrite(Stream.die("a bug elsewhere"), `${directory}/x`, "fail"))
      assert.deepStrictEqual(exit, Exit.die("a bug elsewhere"))
      assert.deepStrictEqual(yield* fs.readDirectory(directory), [])
    }).pipe(Effect.scoped, Effect.provide(platform)))
})

describe("files of others stay", () => {
  it.live("a file that has the temporary file's name already", () =>
    Effect.gen(function*() {
      let taken = ""
      const { exit, names } = yield* saved("fail", (name) => {
        if (name === "open") return errno("EEXIST", "file already exists", "AlreadyExists")
        if (name === "remove") taken = "removed"
        return undefined
      })
      assert.strictEqual(failureOf(exit)?._tag, "Some")
      assert.deepStrictEqual([taken, names], ["", []])
    }))

  it.live("the content of a hard link beside a file that is replaced", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      yield* fs.writeFileString(`${directory}/a`, "old")
      yield* fs.link(`${directory}/a`, `${directory}/b`)
      yield* atomicWrite(bytes, `${directory}/a`, "replace")
      assert.strictEqual(yield* fs.readFileString(`${directory}/b`), "old")
    }).pipe(Effect.scoped, Effect.provide(platform)))
})

describe("many files of one name", () => {
  const count = 100

  it.live(`${count} files take ${count} names, and few operations each`, () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      let links = 0
      let looks = 0
      const counting = ScriptedFileSystem.layer((name) => {
        if (name === "link") links++
        if (name === "lstat") looks++
        return undefined
      })
      yield* Effect.forEach(
        Array.from({ length: count }, (_, n) => n),
        (n) => atomicWrite(Stream.make(new Uint8Array([n])), `${directory}/a.txt`, "rename"),
        { concurrency: 8 }
      ).pipe(Effect.provide(counting))
      const names = yield* fs.readDirectory(directory)
      assert.strictEqual(new Set(names).size, count)
      assert.include(names, "a.txt")
      assert.include(names, `a (${count - 1}).txt`)
      assert.isBelow(links, 10 * count)
      assert.isBelow(looks, 40 * count)
    }).pipe(Effect.scoped, Effect.provide(platform)), 60_000)
})

describe("the error of the operating system", () => {
  const error = (fields: { readonly description?: string; readonly cause?: unknown }) =>
    PlatformError.systemError({
      _tag: "Unknown",
      module: "FileSystem",
      method: "writeAll",
      pathOrDescriptor: 23,
      ...fields
    })
  const cases: ReadonlyArray<readonly [title: string, error: PlatformError.PlatformError, words: string]> = [
    [
      "Node's words",
      error({ cause: Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" }) }),
      "no space left on device (ENOSPC)"
    ],
    ["a description", error({ description: "EIO: i/o error" }), "i/o error (EIO)"],
    ["words without a code", error({ description: "the tape broke" }), "the tape broke"],
    ["nothing at all", error({}), "the file system gave no reason (Unknown)"],
    ["a control character", error({ description: "a\u001b[31mb" }), "a\\u001b[31mb"]
  ]
  for (const [title, error, words] of cases) it(`from ${title}`, () => assert.strictEqual(causeOf(error), words))
})
