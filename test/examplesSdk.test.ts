import { assert, layer } from "@effect/vitest"
import { Console, Effect, Redacted } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { vi } from "vitest"

const folder = "examples/sdk"

/** Each recipe is a pair: `01_upload.sdk.ts` with the official SDK, and `01_upload.ts` with this package. */
const recipes = fs.readdirSync(folder)
  .filter((name) => /^\d.*\.sdk\.ts$/.test(name))
  .map((name) => name.slice(0, -".sdk.ts".length))

const codeLines = (file: string): number =>
  fs.readFileSync(file, "utf8").split("\n").filter((line) => !/^\s*(\/\/.*|\/\*\*.*\*\/)?$/.test(line)).length

const temporary = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "recipes-"))),
  (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
)

const pdf = path.resolve("examples/assets/lighthouse.pdf")

/** A recipe's command line, and whether it leaves a file behind on purpose. */
const argumentsOf = (recipe: string, directory: string, ids: { readonly upload: string; readonly made: string }) => {
  const questions = path.join(directory, "questions.jsonl")
  fs.writeFileSync(questions, "\"How many nights was the lamp lit?\"\n\"Who visited?\"\n")
  const given: Record<string, ReadonlyArray<string>> = {
    "01_upload": [pdf],
    "02_bytes": [],
    "03_list": [],
    "04_metadata": [ids.upload],
    "05_delete": [ids.upload],
    "06_download": [ids.made, path.join(directory, "chart.png")],
    "07_ask_many": [pdf],
    "08_get_or_reupload": [pdf, path.join(directory, "notes")],
    "09_safe_upload": [pdf, path.join(directory, "missing.pdf"), directory],
    "10_file_manager": [pdf],
    "11_list_all": [],
    "12_jsonl_batch": [pdf, questions]
  }
  const found = given[recipe]
  assert.isDefined(found, `say here what ${recipe} is run with`)
  return found
}

/** Runs a program as `node file …` would, but in this process, and returns the lines that it prints. */
const run = Effect.fnUntraced(function*(file: string, args: ReadonlyArray<string>, env: Record<string, string>) {
  const lines: Array<string> = []
  const argv = process.argv
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
  const log = vi.spyOn(console, "log").mockImplementation((...values: ReadonlyArray<unknown>) => {
    lines.push(values.join(" "))
  })
  process.argv = [process.execPath, file, ...args]
  vi.resetModules()
  yield* Effect.promise(() => import(path.resolve(file))).pipe(
    Effect.ensuring(Effect.sync(() => {
      process.argv = argv
      log.mockRestore()
      vi.unstubAllEnvs()
    })),
    Effect.provideService(Console.Console, globalThis.console)
  )
  return lines
})

/** The files that exist before each run: one that was uploaded and one that a tool made. */
const seeded = Effect.gen(function*() {
  const emulator = yield* Emulator.Emulator
  yield* emulator.reset
  const upload = yield* emulator.seed({ id: "file_upload", filename: "there.pdf", content: "%PDF-1.4" })
  const made = yield* emulator.seed({ id: "file_made", filename: "chart.png", content: "a chart", downloadable: true })
  return { upload: upload.id, made: made.id }
})

/** Two runs differ only in their ids and folders. */
const normalised = (lines: ReadonlyArray<string>, directory: string) =>
  lines.map((line) =>
    (directory === "" ? line : line.replaceAll(directory, "…")).replaceAll(/file_(?!upload|made)\w+/g, "file_…")
  )

// One server for all recipes, because Effect reads the environment only once.
layer(NodeEmulator.layerServer(), { excludeTestServices: true })("recipes of the official SDK", (it) => {
  it.effect("the README's program prints the same with both", () =>
    Effect.gen(function*() {
      const emulator = yield* Emulator.Emulator
      const env = { ANTHROPIC_API_KEY: Redacted.value(emulator.apiKey), ANTHROPIC_BASE_URL: emulator.url }
      const theirs = yield* run(`${folder}/first_program.sdk.ts`, [], env)
      const ours = yield* run("examples/02_with_await.ts", [], env)
      assert.lengthOf(ours, 1)
      assert.deepStrictEqual(normalised(ours, ""), normalised(theirs, ""))
      assert.deepStrictEqual(yield* emulator.files, [])
    }))

  it.effect("there are twelve", () => Effect.sync(() => assert.lengthOf(recipes, 12)))

  for (const recipe of recipes) {
    const [theirs, ours] = [`${folder}/${recipe}.sdk.ts`, `${folder}/${recipe}.ts`]

    it.effect(`${recipe}: at most a third longer than with the SDK`, () =>
      Effect.sync(() => assert.isAtMost(codeLines(ours), codeLines(theirs) * 4 / 3)))

    it.effect(`${recipe}: prints what it prints with the SDK, and leaves the same files`, () =>
      Effect.gen(function*() {
        const emulator = yield* Emulator.Emulator
        const env = { ANTHROPIC_API_KEY: Redacted.value(emulator.apiKey), ANTHROPIC_BASE_URL: emulator.url }
        const results = yield* Effect.forEach([theirs, ours], (file) =>
          Effect.gen(function*() {
            const directory = yield* temporary
            const args = argumentsOf(recipe, directory, yield* seeded)
            const first = yield* run(file, args, env)
            const again = yield* run(file, args, env)
            return {
              first: normalised(first, directory),
              again: normalised(again, directory),
              stored: (yield* emulator.files).map(({ filename, mimeType }) => `${filename} ${mimeType}`)
            }
          }))
        assert.isAbove(results[0]?.first.length ?? 0, 0)
        assert.deepStrictEqual(results[1], results[0])
      }).pipe(Effect.scoped))
  }
})
