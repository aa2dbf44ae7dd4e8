import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as path from "node:path"
import { rolldown } from "rolldown"

/** Bundles a program as a user's build would, from this package's `src`. */
const bundle = (code: string) =>
  Effect.promise(async () => {
    const build = await rolldown({
      input: "program.ts",
      cwd: path.resolve("."),
      platform: "node",
      treeshake: true,
      resolve: {
        alias: {
          "effect-anthropic-files": [path.resolve("src/index.ts")],
          "effect-anthropic-files/testing/FilesTest": [path.resolve("src/testing/FilesTest.ts")],
          "effect-anthropic-files/testing/Expect": [path.resolve("src/testing/Expect.ts")],
          "effect-anthropic-files/testing/HttpMock": [path.resolve("src/testing/HttpMock.ts")]
        }
      },
      plugins: [{
        name: "program",
        resolveId: (id) => id === "program.ts" ? path.resolve("program.ts") : null,
        load: (id) => id === path.resolve("program.ts") ? code : null
      }],
      logLevel: "silent"
    })
    const { output } = await build.generate({ format: "esm", codeSplitting: false })
    await build.close()
    const [chunk] = output
    // Modules of which nothing is left cost nothing.
    const modules = Object.entries(chunk.modules).filter(([, module]) => module.renderedLength > 0)
    return {
      code: chunk.code,
      imports: chunk.imports,
      modules: modules.map(([id]) => path.relative(path.resolve("src"), id)).filter((id) => !id.startsWith(".."))
    }
  })

const core = `
import { Files, FileSource, Messages, MessageBatches, Policy } from "effect-anthropic-files"
console.log(Files.layerConfig(), FileSource.path("a"), Messages.layer, MessageBatches.layer, Policy.standard())
`

const kit = /^(testing|emulator)\//

describe("a production bundle", () => {
  it.effect("of the core contains nothing of the kit and the emulator", () =>
    Effect.gen(function*() {
      const { code, modules } = yield* bundle(core)
      assert.include(modules, "Files.ts")
      assert.include(modules, "Policy.ts")
      assert.deepStrictEqual(modules.filter((id) => kit.test(id)), [])
      assert.notMatch(code, /emulator|effect-anthropic-files\/testing|HttpServerResponse/)
    }), 60_000)

  it.effect("is not larger if the kit is imported but not used", () =>
    Effect.gen(function*() {
      const without = yield* bundle(core)
      const unused = yield* bundle(`
        import * as FilesTest from "effect-anthropic-files/testing/FilesTest"
        import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
        ${core}`)
      assert.deepStrictEqual(unused.modules.filter((id) => kit.test(id)), [])
      assert.strictEqual(unused.code.length, without.code.length)
    }), 60_000)

  it.effect("of a test contains them", () =>
    Effect.gen(function*() {
      const { modules } = yield* bundle(`
        import * as FilesTest from "effect-anthropic-files/testing/FilesTest"
        console.log(FilesTest.layer())`)
      assert.include(modules, "testing/FilesTest.ts")
      assert.include(modules, "emulator/Emulator.ts")
    }), 60_000)

  it.effect("of the assertions contains no test runner and no emulator", () =>
    Effect.gen(function*() {
      const { imports, modules } = yield* bundle(`
        import * as Expect from "effect-anthropic-files/testing/Expect"
        console.log(Expect.expectFailure)`)
      assert.include(modules, "testing/Expect.ts")
      assert.deepStrictEqual(modules.filter((id) => id.startsWith("emulator/")), [])
      assert.deepStrictEqual(imports.filter((id) => !id.startsWith("node:")), [])
    }), 60_000)
})
