import { assert, describe, it } from "@effect/vitest"
import { startEmulator } from "effect-anthropic-files/emulator/StartEmulator"
import { spawnSync } from "node:child_process"
import { beta } from "./support.ts"

describe("startEmulator", () => {
  const get = (url: string, apiKey: string, path: string) =>
    fetch(`${url}${path}`, { headers: { "x-api-key": apiKey, "anthropic-version": "2023-06-01", ...beta } })

  it("serves, can be inspected and changed, and stops for good", async () => {
    const emulator = await startEmulator({ apiKey: "sk-ant-own-key" })
    assert.strictEqual(emulator.apiKey, "sk-ant-own-key")
    const seeded = await emulator.seed({
      filename: "old.txt",
      content: "old",
      createdAt: new Date(Date.now() - 60_000)
    })
    assert.isAtMost(seeded.createdAt, Date.now() - 60_000)
    const copy = await emulator.mount(seeded.id, "sesn_1")
    assert.deepStrictEqual((await emulator.files()).map(({ id }) => id), [copy.id, seeded.id])
    assert.strictEqual(new TextDecoder().decode(await emulator.content(copy.id)), "old")
    assert.isUndefined(await emulator.content("file_unknown"))

    await emulator.setFaults([{ _tag: "Answer", status: 529 }])
    assert.strictEqual((await get(emulator.url, emulator.apiKey, "/v1/files")).status, 529)
    assert.deepStrictEqual((await emulator.faults()).map(({ hits }) => hits), [1])
    await emulator.setRules([{ answer: { text: "by rule" } }])
    assert.strictEqual((await emulator.rules()).length, 1)
    assert.strictEqual((await emulator.requests()).length, 1)

    const { accessToken } = await emulator.issueToken({ lifetime: "1 hour" })
    const asBearer = () =>
      fetch(`${emulator.url}/v1/files`, {
        headers: { authorization: `Bearer ${accessToken}`, "anthropic-version": "2023-06-01" }
      })
    assert.strictEqual((await asBearer()).status, 200)
    await emulator.advance("2 hours")
    assert.strictEqual((await asBearer()).status, 401)
    await emulator.expireTokens()
    await emulator.revokeTokens(accessToken)

    await emulator.reset()
    assert.deepStrictEqual(await emulator.files(), [])
    await emulator.stop()
    await emulator.stop()
    const failure = await get(emulator.url, emulator.apiKey, "/v1/files").then(
      () => undefined,
      (error: unknown) => error
    )
    assert.instanceOf(failure, TypeError)
  })

  it("rejects with a sentence if it can't start", async () => {
    const messageOf = (options: Parameters<typeof startEmulator>[0]) =>
      startEmulator(options).then(() => "", (error: unknown) => error instanceof Error ? error.message : String(error))
    await using other = await startEmulator()
    assert.include(await messageOf({ port: Number(new URL(other.url).port) }), "the port is in use")
    assert.include(await messageOf({ host: "0.0.0.0" }), "set a key of your own")
    assert.include(await messageOf({ directory: "." }), "not a folder of the emulator's")
  })

  it("works as a global set-up of vitest, with the official SDK", () => {
    const { status, stderr, stdout } = spawnSync(
      process.execPath,
      ["node_modules/vitest/vitest.mjs", "run", "--config", "examples/vitest/vitest.config.mts"],
      { encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } }
    )
    assert.strictEqual(status, 0, stdout + stderr)
    assert.match(stdout, /Tests +4 passed/)
  }, 60_000)
})
