import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Layer, PlatformError } from "effect"
import * as DirectoryStore from "effect-anthropic-files/emulator/DirectoryStore"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import type * as Store from "effect-anthropic-files/emulator/Store"
import { TestClock } from "effect/testing"
import { spawn } from "node:child_process"
import * as NodeFs from "node:fs"
import { nameOf } from "../../src/emulator/internal/store/nodeProcessProbe.ts"
import { newFile, temporaryDirectory } from "./support.ts"

const platform = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, NodeEmulator.layerProcessProbe)

const open = (directory: string) => Effect.scoped(DirectoryStore.make(directory)).pipe(Effect.provide(platform))

const use = <A>(directory: string, f: (store: Store.Store["Service"]) => Effect.Effect<A, Store.StoreFailed>) =>
  Effect.scoped(Effect.flatMap(DirectoryStore.make(directory), f)).pipe(Effect.provide(platform))

const add = (id: string) => (store: Store.Store["Service"]) =>
  Effect.scoped(Effect.gen(function*() {
    const staging = yield* store.stage
    yield* staging.write(new TextEncoder().encode(`content of ${id}`))
    return yield* staging.commit(newFile(id))
  }))

/** Every path below, with what it holds. */
const tree = (directory: string): Record<string, string> =>
  Object.fromEntries(
    NodeFs.readdirSync(directory, { recursive: true, withFileTypes: true }).map((entry) => {
      const path = `${entry.parentPath}/${entry.name}`
      return [path, entry.isFile() ? NodeFs.readFileSync(path, "utf8") : "not a file"]
    })
  )

const ownName = (text: string) => `content-${text.repeat(32).slice(0, 32)}`

describe("the folder of an emulator", () => {
  const strangers: ReadonlyArray<readonly [string, (directory: string) => void]> = [
    ["has a blobs folder of its own", (directory) => {
      NodeFs.mkdirSync(`${directory}/blobs`)
      NodeFs.writeFileSync(`${directory}/blobs/photo.jpg`, "precious")
      NodeFs.writeFileSync(`${directory}/blobs/${ownName("a")}`, "precious")
    }],
    ["is a project", (directory) => NodeFs.writeFileSync(`${directory}/package.json`, "{}")],
    ["holds a hidden file", (directory) => NodeFs.writeFileSync(`${directory}/.env`, "KEY=1")],
    ["holds a link", (directory) => NodeFs.symlinkSync("/", `${directory}/blobs`)],
    ["holds a journal of something else", (directory) => NodeFs.writeFileSync(`${directory}/journal.jsonl`, "{}\n")]
  ]
  for (const [what, prepare] of strangers) {
    it.effect(`is refused, and left as it is, when it ${what}`, () =>
      Effect.gen(function*() {
        const directory = yield* temporaryDirectory
        NodeFs.chmodSync(directory, 0o755)
        prepare(directory)
        const before = NodeFs.readdirSync(directory)
        const error = yield* Effect.flip(open(directory))
        assert.strictEqual(error.reason, "Refused")
        assert.include(error.message, directory)
        assert.deepStrictEqual(NodeFs.readdirSync(directory), before)
        assert.strictEqual(NodeFs.statSync(directory).mode & 0o777, 0o755)
      }))
  }

  it.effect("is refused if its name is empty", () =>
    Effect.gen(function*() {
      for (const directory of ["", " ", "\n"]) {
        assert.strictEqual((yield* Effect.flip(open(directory))).reason, "Refused")
      }
    }))

  it.effect("loses only contents with names of the emulator", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      yield* use(directory, add("a"))
      NodeFs.writeFileSync(`${directory}/notes.txt`, "mine")
      NodeFs.mkdirSync(`${directory}/blobs/${ownName("b").slice(0, -1)}`)
      const kept = ["photo.jpg", "content-1", `${ownName("c")}.bak`, "0123456789abcdef0123456789abcdef"]
      for (const name of kept) NodeFs.writeFileSync(`${directory}/blobs/${name}`, "mine")
      NodeFs.writeFileSync(`${directory}/blobs/${ownName("d")}`, "left by a killed upload")
      NodeFs.writeFileSync(`${directory}/journal-${"e".repeat(16)}.tmp`, "left by a killed start")
      yield* open(directory)
      const names = NodeFs.readdirSync(`${directory}/blobs`)
      for (const name of kept) assert.include(names, name)
      assert.notInclude(names, ownName("d"))
      assert.include(NodeFs.readdirSync(directory), "notes.txt")
      assert.notInclude(NodeFs.readdirSync(directory).join(), ".tmp")
    }))

  for (const name of ["blobs", "journal.jsonl", ".effect-anthropic-files-emulator"]) {
    it.effect(`is refused when its ${name} leads elsewhere`, () =>
      Effect.gen(function*() {
        const root = yield* temporaryDirectory
        const directory = `${root}/data`
        yield* use(directory, add("a"))
        NodeFs.renameSync(`${directory}/${name}`, `${root}/elsewhere`)
        NodeFs.symlinkSync(`${root}/elsewhere`, `${directory}/${name}`)
        if (name === "blobs") NodeFs.writeFileSync(`${root}/elsewhere/${ownName("x")}`, "not named by the journal")
        const before = tree(root)
        const error = yield* Effect.flip(open(directory))
        assert.strictEqual(error.reason, "Refused")
        assert.include(error.message, name)
        assert.deepStrictEqual(tree(root), before)
      }))
  }

  it.effect("keeps its contents if the journal is missing", () =>
    Effect.gen(function*() {
      for (const lose of [NodeFs.rmSync, (path: string) => NodeFs.truncateSync(path)]) {
        const directory = yield* temporaryDirectory
        yield* use(directory, add("a"))
        lose(`${directory}/journal.jsonl`)
        const error = yield* Effect.flip(open(directory))
        assert.strictEqual(error.reason, "Corrupt")
        assert.strictEqual(NodeFs.readdirSync(`${directory}/blobs`).length, 1)
      }
    }))

  it.effect("may be the root of a volume, or left by a start that was killed", () =>
    Effect.gen(function*() {
      const volume = yield* temporaryDirectory
      NodeFs.mkdirSync(`${volume}/lost+found`)
      yield* use(volume, add("a"))
      const begun = yield* temporaryDirectory
      NodeFs.writeFileSync(`${begun}/.effect-anthropic-files-emulator`, "")
      yield* use(begun, add("a"))
      assert.strictEqual(NodeFs.readdirSync(`${begun}/blobs`).length, 1)
    }))

  it.effect("is made private if it existed before", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      NodeFs.chmodSync(directory, 0o775)
      yield* use(directory, add("a"))
      for (const [name, mode] of [["", 0o755], ["/blobs", 0o755], ["/journal.jsonl", 0o644]] as const) {
        NodeFs.chmodSync(`${directory}${name}`, mode)
      }
      yield* open(directory)
      const modeOf = (name: string) => (NodeFs.statSync(`${directory}${name}`).mode & 0o777).toString(8)
      assert.deepStrictEqual(["", "/blobs", "/journal.jsonl"].map(modeOf), ["700", "700", "600"])
    }))

  it.effect("on a full disk fails with the path and the bytes written", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const fs = yield* FileSystem.FileSystem
      const full = PlatformError.systemError({
        _tag: "Unknown",
        module: "FileSystem",
        method: "writeAll",
        cause: Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" })
      })
      let isFull = false
      const filling: FileSystem.FileSystem = {
        ...fs,
        open: (path, options) =>
          Effect.map(fs.open(path, options), (file) =>
            new Proxy(file, {
              get: (target, name) =>
                name === "writeAll" && isFull ? () => Effect.fail(full) : Reflect.get(target, name, target)
            }))
      }
      const error = yield* Effect.scoped(Effect.gen(function*() {
        const store = yield* DirectoryStore.make(directory)
        isFull = true
        return yield* Effect.flip(add("a")(store))
      })).pipe(Effect.provideService(FileSystem.FileSystem, filling))
      assert.strictEqual(
        error.message,
        `Can't store content in ${directory}/blobs (0 bytes written): the disk is full.`
      )
    }).pipe(Effect.provide(platform)))
})

describe("the lock of a folder", () => {
  const lockOf = (directory: string) =>
    `${directory}/${NodeFs.readdirSync(directory).find((name) => /^lock-[0-9]+$/.test(name))}`

  it.live("of a zombie can be taken", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      yield* open(directory)
      // Its parent becomes a program that never asks for the end of its children.
      const parent = spawn("sh", ["-c", "sleep 0 & echo $!; exec sleep 60"])
      yield* Effect.addFinalizer(() => Effect.sync(() => parent.kill("SIGKILL")))
      const pid = yield* Effect.callback<number>((resume) => {
        parent.stdout.once("data", (data: Buffer) => resume(Effect.succeed(Number(data.toString()))))
      })
      const state = () => NodeFs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.[0]
      while (state() !== "Z") yield* Effect.promise(() => new Promise(setImmediate))
      NodeFs.writeFileSync(lockOf(directory), nameOf(pid))
      yield* open(directory)
    }).pipe(Effect.scoped, Effect.when(Effect.sync(() => process.platform === "linux"))))

  /** A process of the same number in another container. */
  const elsewhere = `${process.pid} 1 another-boot/pid:[4026530000]`

  it.effect("of a process in another container can be taken if it was not touched for a while", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      yield* use(directory, add("a"))
      NodeFs.writeFileSync(lockOf(directory), elsewhere)
      const opening = yield* Effect.forkChild(use(directory, (store) => store.all))
      while (opening.pollUnsafe() === undefined) {
        yield* Effect.promise(() => new Promise(setImmediate))
        yield* TestClock.adjust("1 second")
      }
      assert.strictEqual((yield* Fiber.join(opening)).length, 1)
    }))

  it.effect("of a process in another container is respected while it is touched, whatever its number", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      yield* open(directory)
      NodeFs.writeFileSync(lockOf(directory), elsewhere)
      const opening = yield* Effect.forkChild(Effect.flip(open(directory)))
      for (let beat = 1; opening.pollUnsafe() === undefined; beat++) {
        yield* Effect.promise(() => new Promise(setImmediate))
        NodeFs.utimesSync(lockOf(directory), beat, beat)
        yield* TestClock.adjust("1 second")
      }
      assert.strictEqual((yield* Fiber.join(opening)).reason, "Locked")
    }))

  it.effect("that was taken over stops the first process from writing", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      yield* use(directory, (store) =>
        Effect.gen(function*() {
          yield* add("a")(store)
          NodeFs.writeFileSync(`${directory}/lock-7`, elsewhere)
          yield* TestClock.adjust("2 seconds")
          const failing = Effect.result(add("b")(store))
          let failed = yield* failing
          for (let tries = 0; tries < 100 && failed._tag === "Success"; tries++) failed = yield* failing
          assert.include(failed._tag === "Failure" ? failed.failure.message : "", "taken over")
        }))
    }))

  it.effect("removes temporary files of killed processes", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      for (let round = 0; round < 3; round++) {
        yield* open(directory)
        NodeFs.writeFileSync(lockOf(directory), nameOf(999_999_999, "1"))
        NodeFs.writeFileSync(`${directory}/lock-1-${"a".repeat(16)}.tmp`, "free")
      }
      yield* open(directory)
      assert.deepStrictEqual(NodeFs.readdirSync(directory).filter((name) => name.endsWith(".tmp")), [])
    }))
})
