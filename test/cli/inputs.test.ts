import { NodeFileSystem, NodePath, NodeStdio } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, PlatformError } from "effect"
import { expand } from "../../src/cli/inputs.ts"

const platform = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, NodeStdio.layer)

/** The file system in the context, in which folders of a name may not be read, whoever runs this. */
const locking = (name: string) =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => {
      const refused = (path: string) =>
        path.endsWith(name)
          ? Effect.fail(PlatformError.systemError({
            _tag: "PermissionDenied",
            module: "FileSystem",
            method: "readDirectoryEntries",
            pathOrDescriptor: path
          }))
          : fs.readDirectoryEntries(path)
      return FileSystem.make({ ...fs, readDirectoryEntries: refused })
    })
  )

const inputs = (...args: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const root = yield* fs.makeTempDirectoryScoped()
    for (const folder of ["", "locked", "deep", "deep/locked"]) {
      yield* fs.makeDirectory(`${root}/${folder}`, { recursive: true })
      yield* fs.writeFileString(`${root}/${folder}/good.txt`, "x")
    }
    yield* fs.symlink("nowhere", `${root}/link.txt`)
    yield* fs.symlink("nowhere", `${root}/link.pdf`)
    const found = yield* expand(args.map((arg) => `${root}/${arg}`), undefined).pipe(Effect.provide(locking("locked")))
    return found.map((input) =>
      (input._tag === "Unreadable" ? input.error.message : `${input._tag} ${input.path} ${input.size}`)
        .replaceAll(root, "t")
    )
  }).pipe(Effect.scoped, Effect.provide(platform))

const locked = (path: string) => `${path} can't be read by this user: permission is denied.`

describe("the inputs of an upload", () => {
  it.effect("of a folder, those below it that can't be read are named each by its path, beside the files", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* inputs(""), [
        "Path t/deep/good.txt 1",
        "Path t/good.txt 1",
        locked("t/locked"),
        locked("t/deep/locked")
      ])
      assert.deepStrictEqual(yield* inputs("locked"), [locked("t/locked")])
    }))

  it.effect("of a glob, links that lead nowhere and folders that can't be read are named if it looks there", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* inputs("**/*.txt"), [
        "Path t/deep/good.txt 1",
        "Path t/good.txt 1",
        "Path t/link.txt undefined",
        locked("t/deep/locked"),
        locked("t/locked")
      ])
      assert.deepStrictEqual(yield* inputs("*.txt"), ["Path t/good.txt 1", "Path t/link.txt undefined"])
      assert.deepStrictEqual(yield* inputs("locked/*"), [locked("t/locked")])
      assert.strictEqual((yield* Effect.flip(inputs("d*")))._tag, "UsageError")
    }))
})
