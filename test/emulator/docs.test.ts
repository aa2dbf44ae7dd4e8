import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import { execFile, spawn, spawnSync } from "node:child_process"
import * as NodeFs from "node:fs"
import * as NodePath from "node:path"
import * as AdminSchemas from "../../src/emulator/internal/http/adminSchemas.ts"
import { endpoints } from "../../src/emulator/internal/http/endpoints.ts"
import * as faults from "./snippets/faults.ts"
import * as inProcess from "./snippets/inProcess.ts"
import * as onASocket from "./snippets/onASocket.ts"
import { temporaryDirectory } from "./support.ts"

const page = NodeFs.readFileSync(new URL("../../docs/emulator.md", import.meta.url), "utf8")

const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, "g"))].map(([, text = ""]) => text)

const command = `${process.execPath} --no-warnings ${NodePath.resolve("dist/cli/bin.js")}`

/** What a command of the page runs here: this package's own build. */
const here = (text: string) => text.replaceAll("npx effect-anthropic-files", command)

const starts = blocks("sh").filter((text) => text.startsWith("npx "))
const scripts = blocks("sh").filter((text) => !text.startsWith("npx "))

const run = (program: string, args: ReadonlyArray<string>, env: Record<string, string>) =>
  Effect.callback<{ readonly code: unknown; readonly out: string; readonly err: string }>((resume) => {
    execFile(
      program,
      args,
      { env: { ...process.env, ...env } },
      (error, out, err) => resume(Effect.succeed({ code: error?.code ?? 0, out, err }))
    )
  })

const withAdmin = NodeEmulator.layerServer({ adminRoute: true })

const environment = Effect.map(Emulator, ({ apiKey, url }) => ({
  ANTHROPIC_BASE_URL: url,
  ANTHROPIC_API_KEY: Redacted.value(apiKey)
}))

describe("docs/emulator.md", () => {
  it("first says what is not emulated, then what is checked and what is not", () => {
    const [first, second] = [...page.matchAll(/^## (.+)$/gm)].map(([, title]) => title)
    assert.deepStrictEqual([first, second], ["What it does not emulate", "What it checks and what it lets pass"])
  })

  it("has only snippets that run here or among the examples", () => {
    const run = [
      ...["inProcess", "onASocket", "faults"].map((name) => `test/emulator/snippets/${name}.ts`),
      "examples/48_test_any_framework.ts",
      "examples/vitest/globalSetup.ts"
    ].map((path) => NodeFs.readFileSync(path, "utf8"))
    assert.deepStrictEqual(new Set(blocks("ts")), new Set(run))
  })

  it.effect("in process", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* inProcess.program, { table: "a,b\n1,2\n", error: "FileExpired" })
    }))

  it.effect("on a socket", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* onASocket.program, "hello.txt")
    }))

  it.effect("with faults", () =>
    Effect.gen(function*() {
      const { error, stored } = yield* faults.program
      assert.strictEqual(error, "RequestFailed")
      assert.strictEqual(stored, 1)
    }))

  for (const text of starts) {
    it.live(`${text.trim()} listens until it is stopped`, () =>
      Effect.gen(function*() {
        const cwd = yield* temporaryDirectory
        const child = spawn("bash", ["-c", `exec ${here(text)}`], { cwd })
        yield* Effect.addFinalizer(() => Effect.sync(() => child.kill("SIGKILL")))
        const first = yield* Effect.callback<string>((resume) => {
          child.stdout.once("data", (data: Buffer) => resume(Effect.succeed(data.toString())))
          child.once("close", (code) => resume(Effect.succeed(`ended with ${code}`)))
        })
        const [url = ""] = /http:\/\/127\.0\.0\.1:\d+/.exec(first) ?? []
        const health = yield* Effect.promise(() => fetch(`${url}/_emulator/health`))
        assert.strictEqual(health.status, 200)
        child.kill("SIGTERM")
        const code = yield* Effect.callback<unknown>((resume) => {
          child.once("close", (code) => resume(Effect.succeed(code)))
        })
        assert.strictEqual(code, 143)
      }).pipe(Effect.scoped), 60_000)
  }

  it.live("every curl of the page succeeds", () =>
    Effect.gen(function*() {
      assert.strictEqual(scripts.length, 1)
      const { code, err, out } = yield* run("bash", ["-euo", "pipefail", "-c", scripts.join("\n")], yield* environment)
      assert.strictEqual(code, 0, err + out)
      for (
        const expected of ["file_made", "a,b\n1,2\n", "sesn_1", "overloaded_error", "Rain.", "sk-ant-oat01-", "openapi"]
      ) {
        assert.include(out, expected)
      }
      assert.deepStrictEqual(yield* (yield* Emulator).files, [])
    }).pipe(Effect.provide(withAdmin)), 60_000)

  it.live("the test in Python passes, if there is Python", () =>
    Effect.gen(function*() {
      const { code, err } = yield* run("python3", ["-c", blocks("python").join("\n")], yield* environment)
      assert.strictEqual(code, 0, err)
      const emulator = yield* Emulator
      assert.strictEqual((yield* emulator.files)[0]?.filename, "made.csv")
      assert.strictEqual((yield* emulator.faults).length, 1)
    }).pipe(
      Effect.provide(withAdmin),
      Effect.when(Effect.sync(() => spawnSync("python3", ["--version"]).status === 0))
    ), 60_000)

  it("the page has each admin call and each field of its body", () => {
    for (const { method, path } of Object.values(endpoints).filter(({ path }) => path.startsWith("/_emulator"))) {
      assert.include(page, `\`${method} ${path.slice("/_emulator".length)}\``)
    }
    for (const schema of [AdminSchemas.Seed, AdminSchemas.Advance, AdminSchemas.Issue, AdminSchemas.Mount]) {
      for (const field of Object.keys(schema.fields)) assert.include(page, `\`${field}\``)
    }
  })

  it("the files for containers use only flags that exist", () => {
    const { stdout } = spawnSync("bash", ["-c", `${command} emulator --help`], { encoding: "utf8" })
    const flags = new Set(Array.from(stdout.matchAll(/--([a-z-]+)/g), ([, name]) => name))
    const docker = ["Dockerfile", "compose.yaml"].map((name) => NodeFs.readFileSync(`examples/docker/${name}`, "utf8"))
    const variables = Array.from(docker.join().matchAll(/ANTHROPIC_FILES_EMULATOR_([A-Z_]+)/g), ([, name = ""]) => name)
    assert.isAbove(variables.length, 5)
    for (const name of variables) assert.isTrue(flags.has(name.toLowerCase().replaceAll("_", "-")), name)
    const table = Array.from(page.matchAll(/`--([a-z-]+)/g), ([, name]) => name)
    for (const flag of table) assert.isTrue(flags.has(flag), `--${flag} stands on the page only`)
  })
})
