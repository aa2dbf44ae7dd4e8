import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, type Scope } from "effect"
import { Files, FileSource } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import manifest from "../../package.json" with { type: "json" }
import { version } from "../../src/internal/version.ts"

interface Run {
  readonly child: ChildProcessWithoutNullStreams
  readonly output: () => string
  readonly exit: Promise<number | null>
}

const start = (...args: ReadonlyArray<string>): Effect.Effect<Run, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(process.execPath, ["--no-warnings", "dist/cli/bin.js", ...args])
      let text = ""
      for (const stream of [child.stdout, child.stderr]) stream.on("data", (data: Buffer) => text += data.toString())
      return {
        child,
        output: () => text,
        exit: new Promise<number | null>((resolve) => child.once("close", resolve))
      }
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

const listening = (run: Run) =>
  Effect.callback<{ readonly url: string; readonly apiKey: string }>((resume) => {
    const look = () => {
      const line = run.output().split("\n").find((line) => line.startsWith("{"))
      if (line !== undefined) resume(Effect.succeed(JSON.parse(line)))
    }
    run.child.stdout.on("data", look)
    run.child.once("close", () => resume(Effect.die(new Error(run.output()))))
    look()
  })

const directory = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(`${os.tmpdir()}/cli-`)),
  (path) => Effect.sync(() => fs.rmSync(path, { recursive: true }))
)

describe("anthropic-files emulator", () => {
  it.live("tells where it listens, keeps files in a folder, and stops on a signal", () =>
    Effect.gen(function*() {
      const data = yield* directory
      const first = yield* start("emulator", "--port", "0", "--data", data, "--json")
      const one = yield* listening(first)
      assert.strictEqual(first.output().trim().split("\n").length, 1)
      const file = yield* Effect.provide(
        Files.upload(FileSource.text("kept", "kept.txt")),
        NodeFiles.layer({ apiKey: Redacted.make(one.apiKey), baseUrl: one.url })
      )
      first.child.kill("SIGTERM")
      assert.strictEqual(yield* Effect.promise(() => first.exit), 143)

      const keyFile = `${data}-key`
      fs.writeFileSync(keyFile, "sk-ant-key-from-a-file\n")
      const second = yield* start("emulator", "--data", data, "--key-file", keyFile, "--json")
      const two = yield* listening(second)
      fs.rmSync(keyFile)
      assert.strictEqual(two.apiKey, "sk-ant-key-from-a-file")
      const found = yield* Effect.provide(
        Files.metadata(file.id),
        NodeFiles.layer({ apiKey: Redacted.make(two.apiKey), baseUrl: two.url })
      )
      assert.deepStrictEqual(found, file)
      second.child.kill("SIGINT")
      assert.strictEqual(yield* Effect.promise(() => second.exit), 130)
    }), 60_000)

  it.live("says to a person how to use it", () =>
    Effect.gen(function*() {
      const run = yield* start("emulator")
      yield* Effect.callback<void>((resume) => {
        const look = () => {
          if (run.output().includes("Ctrl-C")) resume(Effect.void)
        }
        run.child.stdout.on("data", look)
        look()
      })
      assert.match(run.output(), /export ANTHROPIC_BASE_URL=http:\/\/127\.0\.0\.1:\d+/)
      assert.match(run.output(), /export ANTHROPIC_API_KEY=\S+/)
    }), 60_000)

  const refused: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp, number]> = [
    [["--memory", "--data", "folder"], /exclude each other/, 2],
    [["--key-file", "/does/not/exist"], /can't be read/, 2],
    [["--faults", "package.json"], /not a list of faults/, 2],
    [["--port", "70000"], /port/, 2],
    [["--wrong"], /wrong/, 2],
    [["--host", "0.0.0.0"], /set a key of your own/, 7]
  ]
  for (const [args, message, code] of refused) {
    it.live(`refuses ${args.join(" ")} with a sentence`, () =>
      Effect.gen(function*() {
        const run = yield* start("emulator", ...args)
        assert.strictEqual(yield* Effect.promise(() => run.exit), code)
        assert.match(run.output(), message)
        assert.notMatch(run.output(), /^\s+at /m)
      }), 60_000)
  }
})

it("the version is the package's", () => assert.strictEqual(version, manifest.version))
