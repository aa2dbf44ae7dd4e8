import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, DateTime, Effect, Schema } from "effect"
import { ContentBlock, FileMetadata, FilesError, MessageBatches, Messages } from "effect-anthropic-files"
import * as Fault from "effect-anthropic-files/emulator/Fault"
import * as Rule from "effect-anthropic-files/emulator/Rule"
import * as Arbitraries from "effect-anthropic-files/testing/Arbitraries"

const modules = { ContentBlock, FileMetadata, FilesError, MessageBatches, Messages, Fault, Rule }

type AnyCodec = Schema.Codec<unknown, unknown>

const isCodec = (u: unknown): u is AnyCodec => Schema.isSchema(u)

describe("every public Schema has values", () => {
  let count = 0
  for (const [module, exports] of Object.entries(modules)) {
    for (const [name, schema] of Object.entries(exports)) {
      if (!isCodec(schema)) continue
      count++
      const encode = Schema.encodeUnknownSync(schema)
      const decode = Schema.decodeUnknownSync(schema)
      const json = (value: unknown) => JSON.stringify(encode(value))
      it.effect(`${module}.${name}: valid, and the same after a way through JSON`, () =>
        Effect.gen(function*() {
          const result = yield* Arbitrary.checkEffect(
            Arbitraries.of(schema),
            (value) => Schema.is(schema)(value) && json(decode(JSON.parse(json(value)))) === json(value),
            { runs: 50, seed: 7 }
          )
          assert.strictEqual(Arbitrary.formatCheckFailure(result), undefined)
        }))
    }
  }

  it("covers every public Schema", () => assert.isAtLeast(count, 55))
})

describe("values look like those of the service", () => {
  it.effect.prop("files", [Arbitraries.file], ([file]) =>
    Effect.sync(() => {
      assert.match(file.id, /^file_[a-zA-Z0-9]{24}$/)
      assert.match(file.filename, /^[^<>:"|?*\\/]{1,255}$/)
      assert.match(file.mime_type, /^[a-z]+\/[a-z0-9.+-]+$/)
      assert.isAtMost(file.size_bytes, 500_000_000)
      const year = DateTime.getPartUtc(file.created_at, "year")
      assert.isTrue(year >= 2025 && year < 2035)
    }))

  it.effect.prop("errors", [Arbitraries.filesError], ([error]) =>
    Effect.sync(() => {
      assert.instanceOf(error, Error)
      if (error.status !== undefined) assert.isTrue(error.status >= 400 && error.status < 600)
    }))

  it.effect("they have no unknown fields", () =>
    Effect.gen(function*() {
      const usage = yield* Arbitrary.sampleEffect(Arbitraries.of(Messages.Usage), { count: 20, seed: 1 })
      const known = new Set([
        "input_tokens",
        "output_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens"
      ])
      assert.deepStrictEqual(usage.flatMap(Object.keys).filter((name) => !known.has(name)), [])
    }))

  it.effect("blocks of every kind occur, unknown ones too", () =>
    Effect.gen(function*() {
      const blocks = yield* Arbitrary.sampleEffect(Arbitraries.of(Messages.Block), { count: 200, seed: 1 })
      const types: ReadonlySet<string> = new Set(blocks.map((block) => block.type))
      for (const type of ["text", "container_upload", "bash_code_execution_tool_result"]) {
        assert.isTrue(types.has(type), type)
      }
      assert.isAbove(types.size, 5)
    }))
})
