import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema, type Scope } from "effect"
import * as CliEvent from "effect-anthropic-files/CliEvent"
import type { Emulator } from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import * as fs from "node:fs"
import * as os from "node:os"
import { clock } from "../../src/cli/doctor/network.ts"
import { type Ended, environment, run } from "./run.ts"

const findings = ({ out }: Ended) => {
  const { items } = Schema.decodeSync(Schema.fromJsonString(CliEvent.Report), { onExcessProperty: "error" })(out)
  return new Map(items.map(({ data }) => {
    const { advice, detail, name, state } = data as Readonly<Record<string, string>>
    return [name, { state, detail, advice }]
  }))
}

const live = <E>(title: string, test: () => Effect.Effect<void, E, Emulator | Scope.Scope>) =>
  it.live(title, () => Effect.provide(Effect.scoped(test()), NodeEmulator.layerServer()), 60_000)

const code = (ended: Ended, expected: number) => assert.strictEqual(ended.code, expected, ended.out + ended.err)

describe("doctor", () => {
  live(
    "is content with what works, says where each setting came from, and never the key",
    () =>
      Effect.gen(function*() {
        const env = { ...(yield* environment), ANTHROPIC_FILES_RETRIES: "1" }
        const ended = yield* run(["doctor", "--json"], { env })
        code(ended, 0)
        const found = findings(ended)
        assert.match(found.get("credential")?.detail ?? "", /ANTHROPIC_API_KEY.* ends in …/)
        assert.include(found.get("credential")?.detail, env.ANTHROPIC_API_KEY.slice(-4))
        assert.notInclude(ended.out, env.ANTHROPIC_API_KEY)
        assert.strictEqual(found.get("settings")?.detail, "from ANTHROPIC_FILES_RETRIES")
        assert.match(found.get("endpoint")?.detail ?? "", /127\.0\.0\.1:\d+, from ANTHROPIC_BASE_URL/)
        assert.deepStrictEqual(
          ["Node", "service", "clock", "authorization", "temporary", "cache folder"].map((name) =>
            found.get(name)?.state
          ),
          Array.from({ length: 6 }, () => "ok")
        )
      })
  )

  live("a refused key: code 3, with what to do; a key is never shown", () =>
    Effect.gen(function*() {
      const env = { ...(yield* environment), ANTHROPIC_API_KEY: "sk-ant-canary-4711-0815" }
      const ended = yield* run(["doctor"], { env })
      code(ended, 3)
      assert.match(ended.out, /✗ authorization .*\n +→ Check the key/)
      assert.notInclude(ended.out + ended.err, "canary-4711")
    }))

  it("detects a wrong clock by the date of the service", () => {
    const now = Date.UTC(2026, 10, 25, 12)
    const at = (seconds: number) => clock(new Date(now + seconds * 1000).toUTCString(), now)
    assert.deepInclude(at(0), { state: "ok" })
    assert.deepInclude(at(-30), { state: "warning", detail: "30 s ahead of the service's" })
    assert.deepInclude(at(3600), { state: "failed", detail: "1 h behind the service's" })
    assert.deepInclude(clock(undefined, now), { state: "skipped" })
  })

  it.live(
    "exits with 5 if the service can't be reached, and with 3 without a credential",
    () =>
      Effect.gen(function*() {
        const nobody = yield* run(["doctor", "--retries", "0"], {
          env: { ANTHROPIC_API_KEY: "sk-ant-nobody-0815", ANTHROPIC_BASE_URL: "http://127.0.0.1:9" }
        })
        code(nobody, 5)
        const nothing = yield* run(["doctor", "--retries", "0", "--base-url", "http://127.0.0.1:9"], {
          env: { HOME: "/nonexistent", XDG_CONFIG_HOME: "/nonexistent", XDG_CACHE_HOME: `${os.tmpdir()}/cli-doctor` }
        })
        code(nothing, 3)
        fs.rmSync(`${os.tmpdir()}/cli-doctor`, { recursive: true, force: true })
      }),
    60_000
  )
})

describe("demo", () => {
  it.live("runs the main commands with no key and no network, and leaves nothing behind", () =>
    Effect.gen(function*() {
      const ended = yield* run(["demo"])
      code(ended, 0)
      assert.match(ended.out, /\$ anthropic-files upload lighthouse\.pdf lighthouse\.csv visitors\.png\nfile_/)
      assert.match(ended.out, /The lamp was lit on 359 of 365 nights/)
      assert.match(ended.out, /results\/lighthouse_summary\.csv\n/)
      assert.notMatch(ended.err, /✗/)
      code(yield* run(["demo", "--json"]), 2)
    }), 60_000)
})
