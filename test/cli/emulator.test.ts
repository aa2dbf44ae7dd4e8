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

const start = (...args: ReadonlyArray<string>): Effect.Effect<Run, never, Scope.Scope> => startIn({}, ...args)

const startIn = (
  environment: Readonly<Record<string, string>>,
  ...args: ReadonlyArray<string>
): Effect.Effect<Run, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(process.execPath, ["--no-warnings", "dist/cli/bin.js", ...args], {
        env: { ...process.env, ...environment }
      })
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
  it.live("prints its address, keeps files in a folder, and stops on a signal", () =>
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

  const ask = (at: { readonly url: string; readonly apiKey: string }, path: string, headers = {}) =>
    Effect.promise(async () => {
      const response = await fetch(`${at.url}${path}`, {
        headers: { "x-api-key": at.apiKey, "anthropic-version": "2023-06-01", ...headers }
      })
      return { status: response.status, text: await response.text(), headers: response.headers }
    })

  it.live("accepts every option as a flag and as a variable", () =>
    Effect.gen(function*() {
      const folder = yield* directory
      fs.writeFileSync(`${folder}/key`, "sk-ant-key-from-a-file\n")
      fs.writeFileSync(
        `${folder}/faults`,
        JSON.stringify([{ _tag: "Answer", status: 418, match: { operation: "list" } }])
      )
      fs.writeFileSync(`${folder}/rules`, JSON.stringify([{ answer: { text: "by rule" } }]))
      const values = {
        host: "127.0.0.1",
        "key-file": `${folder}/key`,
        "allow-host": "emulator",
        "allow-origin": "https://app.example",
        quota: "10B",
        "max-file": "8B",
        rate: "50",
        "token-rate": "60000",
        "batch-delay": "1h",
        "context-window": "100",
        faults: `${folder}/faults`,
        rules: `${folder}/rules`
      }
      const flags = Object.entries(values).flatMap(([name, value]) => [`--${name}`, value])
      const environment = Object.fromEntries(
        Object.entries({ ...values, admin: "true", json: "true", memory: "true", port: "0" }).map(([name, value]) => [
          `ANTHROPIC_FILES_EMULATOR_${name.toUpperCase().replaceAll("-", "_")}`,
          value
        ])
      )
      const runs = [
        yield* start("emulator", "--memory", "--admin", "--json", "--port", "0", ...flags),
        // An empty variable counts as unset.
        yield* startIn({ ...environment, ANTHROPIC_FILES_EMULATOR_DATA: "" }, "emulator")
      ]
      for (const run of runs) {
        const at = yield* listening(run)
        assert.strictEqual(at.apiKey, "sk-ant-key-from-a-file")
        assert.strictEqual((yield* ask(at, "/v1/files")).status, 418)
        const listed = yield* ask(at, "/v1/files", { origin: "https://app.example" })
        assert.strictEqual(listed.status, 200)
        assert.strictEqual(listed.headers.get("anthropic-ratelimit-requests-limit"), "50")
        assert.strictEqual(listed.headers.get("anthropic-ratelimit-tokens-limit"), "60000")
        assert.strictEqual(listed.headers.get("access-control-allow-origin"), "https://app.example")
        assert.strictEqual((yield* ask(at, "/_emulator/requests")).status, 200)
        const upload = (content: string) =>
          Effect.promise(async () => {
            const form = new FormData()
            form.append("file", new Blob([content]), "a.txt")
            const response = await fetch(`${at.url}/v1/files`, {
              method: "POST",
              headers: { "x-api-key": at.apiKey, "anthropic-version": "2023-06-01" },
              body: form
            })
            return { status: response.status, text: await response.text() }
          })
        assert.strictEqual((yield* upload("123456789")).status, 413)
        assert.strictEqual((yield* upload("1234567")).status, 200)
        assert.include((yield* upload("1234567")).text, "storage_quota_exceeded")
        const message = (content: string) =>
          Effect.promise(async () => {
            const response = await fetch(`${at.url}/v1/messages`, {
              method: "POST",
              headers: { "x-api-key": at.apiKey, "anthropic-version": "2023-06-01" },
              body: JSON.stringify({ model: "m", max_tokens: 20, messages: [{ role: "user", content }] })
            })
            return { status: response.status, text: await response.text() }
          })
        assert.include((yield* message("hi")).text, "by rule")
        assert.strictEqual((yield* message("word ".repeat(1000))).status, 400)
      }
    }), 60_000)

  it.live(
    "prints its one line first on standard output, and everything else on standard error",
    () =>
      Effect.gen(function*() {
        const data = yield* directory
        const first = yield* start("emulator", "--data", data, "--json")
        const one = yield* listening(first)
        const { id } = yield* Effect.provide(
          Files.upload(FileSource.text("lost", "lost.txt")),
          NodeFiles.layer({ apiKey: Redacted.make(one.apiKey), baseUrl: one.url })
        )
        first.child.kill("SIGHUP")
        assert.strictEqual(yield* Effect.promise(() => first.exit), 129)
        // The kept key: 0600, beside the data, the same after a restart.
        assert.strictEqual(fs.statSync(`${data}/key`).mode & 0o777, 0o600)
        const [content = ""] = fs.readdirSync(`${data}/blobs`)
        fs.rmSync(`${data}/blobs/${content}`)
        const second = yield* start("emulator", "--data", data, "--json")
        let out = ""
        let err = ""
        second.child.stdout.on("data", (data: Buffer) => out += data.toString())
        second.child.stderr.on("data", (data: Buffer) => err += data.toString())
        const two = yield* listening(second)
        assert.strictEqual(two.apiKey, one.apiKey)
        assert.strictEqual((yield* ask(two, `/v1/files/${id}`)).status, 404)
        second.child.kill("SIGTERM")
        yield* Effect.promise(() => second.exit)
        assert.match(out, /^\{"url":"http:[^\n]+"\}\n$/)
        assert.include(err, "have lost their content")
      }),
    60_000
  )

  it.live(
    "ends when whoever started it is gone, and not where there is no standard input",
    () =>
      Effect.gen(function*() {
        const run = yield* start("emulator", "--json")
        yield* listening(run)
        run.child.stdin.end()
        assert.strictEqual(yield* Effect.promise(() => run.exit), 0)
        const detached = spawn(process.execPath, ["--no-warnings", "dist/cli/bin.js", "emulator", "--json"], {
          stdio: ["ignore", "pipe", "inherit"]
        })
        yield* Effect.addFinalizer(() => Effect.sync(() => detached.kill("SIGKILL")))
        const at = yield* Effect.callback<{ readonly url: string; readonly apiKey: string }>((resume) => {
          detached.stdout.once("data", (data: Buffer) => resume(Effect.succeed(JSON.parse(data.toString()))))
        })
        assert.strictEqual((yield* ask(at, "/_emulator/health")).status, 200)
      }).pipe(Effect.scoped),
    60_000
  )

  it.live("tells a person how to use it", () =>
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
    [["--data", ""], /name of the emulator.s folder is empty/, 7],
    [["--data", "."], /not a folder of the emulator's and not empty/, 7],
    [["--rules", "package.json"], /not a list of rules/, 2],
    [["--faults", "README.md"], /is not JSON/, 2],
    [["--quota", "a lot"], /--quota takes a size/, 2],
    [["--rate", "0"], /--rate takes a whole number of at least 1/, 2],
    [["--batch-delay", "soon"], /--batch-delay takes a duration/, 2],
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

it("--version prints the version of the package", () => assert.strictEqual(version, manifest.version))
