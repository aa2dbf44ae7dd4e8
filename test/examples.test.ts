import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import { execFile } from "node:child_process"
import * as fs from "node:fs"

const run = (path: string, env: Record<string, string>) =>
  Effect.callback<{ readonly code: unknown; readonly output: string }>((resume) => {
    const child = execFile(
      process.execPath,
      ["--no-warnings", path],
      { env: { ...process.env, ...env }, timeout: 60_000 },
      (error, stdout, stderr) => resume(Effect.succeed({ code: error?.code ?? 0, output: stdout + stderr }))
    )
    return Effect.sync(() => child.kill())
  })

for (const name of fs.readdirSync("examples").filter((name) => name.endsWith(".ts"))) {
  it.live(`examples/${name} runs against the emulator and leaves nothing behind`, () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const key = Redacted.value(emulator.apiKey)
      const there = yield* emulator.seed({ filename: "there.pdf", content: "%PDF-1.4" })
      const { code, output } = yield* run(`examples/${name}`, {
        ANTHROPIC_API_KEY: key,
        ANTHROPIC_BASE_URL: emulator.url
      })
      assert.strictEqual(code, 0, output)
      assert.notInclude(output, key)
      assert.isAbove(output.length, 0)
      assert.deepStrictEqual((yield* emulator.files).map((file) => file.id), [there.id])
    }).pipe(Effect.provide(NodeEmulator.layerServer())), 90_000)
}
