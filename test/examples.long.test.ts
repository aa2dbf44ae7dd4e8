import { assert, it } from "@effect/vitest"
import { Effect, Redacted, type Scope } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Postgres from "./support/postgres.ts"
import * as Redis from "./support/redis.ts"

type Environment = Record<string, string>

const run = (file: string, env: Environment) =>
  Effect.callback<{ readonly code: unknown; readonly output: string }>((resume) => {
    const child = execFile(
      process.execPath,
      ["--no-warnings", file],
      { env: { ...process.env, ...env }, timeout: 60_000 },
      (error, stdout, stderr) => resume(Effect.succeed({ code: error?.code ?? 0, output: stdout + stderr }))
    )
    return Effect.sync(() => child.kill())
  })

interface Requirement {
  readonly available: boolean
  readonly environment: Effect.Effect<Environment, never, Scope.Scope>
}

const nothing: Requirement = { available: true, environment: Effect.succeed({}) }

/** What an example needs beside the service, by the variable that it reads. */
const requirements: Record<string, Requirement> = {
  DATABASE_URL: {
    available: Postgres.available,
    environment: Effect.map(Postgres.postgres, (socket) => ({
      DATABASE_URL: `postgres://postgres@localhost/postgres?host=${path.dirname(socket)}`
    }))
  },
  REDIS_URL: {
    available: Redis.available,
    environment: Effect.map(Redis.redis, (socket) => ({ REDIS_URL: `unix://${socket}` }))
  }
}

for (const name of fs.readdirSync("examples").filter((name) => name.endsWith(".ts"))) {
  const text = fs.readFileSync(`examples/${name}`, "utf8")
  const [, needed = nothing] = Object.entries(requirements).find(([variable]) => text.includes(`"${variable}"`)) ?? []

  it.live.skipIf(!needed.available)(
    `examples/${name} runs against the emulator and leaves nothing behind`,
    () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator.Emulator
        const key = Redacted.value(emulator.apiKey)
        const there = yield* emulator.seed({ filename: "there.pdf", content: "%PDF-1.4" })
        const { code, output } = yield* run(`examples/${name}`, {
          ...(yield* needed.environment),
          ANTHROPIC_API_KEY: key,
          ANTHROPIC_BASE_URL: emulator.url
        })
        assert.strictEqual(code, 0, output)
        assert.notInclude(output, key)
        assert.isAbove(output.length, 0)
        assert.notInclude(output, "Two uploads.")
        assert.deepStrictEqual((yield* emulator.files).map((file) => file.id), [there.id])
      }).pipe(Effect.scoped, Effect.provide(NodeEmulator.layerServer())),
    90_000
  )
}
