import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as NodeFs from "node:fs"
import * as faults from "./snippets/faults.ts"
import * as inProcess from "./snippets/inProcess.ts"
import * as onASocket from "./snippets/onASocket.ts"

const page = NodeFs.readFileSync(new URL("../../docs/emulator.md", import.meta.url), "utf8")

describe("docs/emulator.md", () => {
  it("shows the snippets that are run here, and no others", () => {
    const shown = [...page.matchAll(/```ts\n([^]*?)```/g)].map((match) => match[1])
    const run = ["inProcess", "onASocket", "faults"].map((name) =>
      NodeFs.readFileSync(new URL(`snippets/${name}.ts`, import.meta.url), "utf8")
    )
    assert.deepStrictEqual(shown, run)
  })

  it("starts with what is not emulated", () => {
    assert.match(page, /^# [^\n]+\n[^#]*## What it does not emulate\n/)
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
})
