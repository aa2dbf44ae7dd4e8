import { assert, describe, it } from "@effect/vitest"
import { inspect } from "node:util"
import { scrubCause, scrubJson } from "../../../src/internal/request/scrub.ts"

const key = "sk-ant-canary-000102030405060708090a0b0c0d0e0f"
const scrub = (text: string) => text.replaceAll(key, "[redacted]")

const shown = (value: unknown) => inspect(value, { depth: 20, showHidden: true, getters: true, maxStringLength: null })

const deep = (levels: number): unknown => levels === 0 ? key : { inner: deep(levels - 1) }

const circular: { self?: unknown; text: string } = { text: key }
circular.self = circular

describe("scrubCause", () => {
  it.each<readonly [where: string, cause: unknown]>([
    ["a text", `bad ${key}`],
    ["a message", new Error(`bad header ${key}`)],
    ["a stack", Object.assign(new Error("x"), { stack: `Error: ${key}` })],
    ["a cause", new Error("x", { cause: new Error(key) })],
    ["one of several errors", new AggregateError([new Error("a"), new Error(key)], "x")],
    ["a property", Object.assign(new Error("x"), { input: key })],
    ["a hidden property", Object.defineProperty(new Error("x"), "hidden", { value: key })],
    ["the name of a property", { headers: { [key]: 1 } }],
    ["a list", { headers: ["x-api-key", key] }],
    ["a map", { headers: new Map([["x-api-key", key]]) }],
    ["a set", new Set([key])],
    ["bytes", Object.assign(new Error("Parse Error"), { rawPacket: Buffer.from(`HTTP/1.1 200\r\nx: ${key}`) })],
    ["the depths", deep(9)],
    ["depths that nobody looks into", deep(40)],
    ["an object that holds itself", circular],
    ["a long text", "x".repeat(100_000) + key]
  ])("a key in %s is gone", (_, cause) => {
    assert.notInclude(shown(scrubCause(cause, scrub)), key)
  })

  it("keeps the code and the words around a key", () => {
    const safe = scrubCause(Object.assign(new Error(`bad ${key} given`), { code: "ERR_INVALID_CHAR" }), scrub)
    assert.instanceOf(safe, Error)
    assert.strictEqual((safe as Error).message, "bad [redacted] given")
    assert.strictEqual((safe as Error & { readonly code: string }).code, "ERR_INVALID_CHAR")
  })

  it("keeps a cause without a key as it is", () => {
    for (const cause of [new Error("x", { cause: new TypeError("y") }), { a: [1, { b: null }] }, undefined, null, 7]) {
      assert.strictEqual(scrubCause(cause, scrub), cause)
    }
  })
})

describe("scrubJson", () => {
  it("replaces a key in names and texts", () => {
    assert.deepStrictEqual(scrubJson({ a: [`x ${key}`, 1, null], [key]: { b: key } }, scrub), {
      a: ["x [redacted]", 1, null],
      "[redacted]": { b: "[redacted]" }
    })
  })

  it("leaves out what is not an object, too large or too deep", () => {
    const deep: unknown = JSON.parse(`${"{\"a\":".repeat(5000)}1${"}".repeat(5000)}`)
    for (const value of [undefined, null, "x", 7, [1], { text: "x".repeat(20_000) }, deep]) {
      assert.strictEqual(scrubJson(value, scrub), undefined)
    }
  })
})
