import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"

/** The public modules, and the examples in their docstrings. */
const modules = fs.readdirSync("src", { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts") && !/(^|\/)(internal|node|cli)\//.test(name))
  .map((name) => {
    const text = fs.readFileSync(`src/${name}`, "utf8")
    const examples = Array.from(
      text.matchAll(/^ \* @example\n \* ```ts\n([^]*?)^ \* ```/gm),
      ([, lines = ""]) => lines.replaceAll(/^ \* ?/gm, "")
    )
    return { name, examples }
  })
  .filter(({ examples }) => examples.length > 0)

/** A folder that Git and other tools ignore, and from which packages are resolved. */
const folder = Effect.acquireRelease(
  Effect.sync(() => {
    fs.mkdirSync("dist", { recursive: true })
    return fs.mkdtempSync("dist/.examples-")
  }),
  (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
)

const configure = (folder: string, files: ReadonlyArray<string>, compilerOptions: object = {}) =>
  fs.writeFileSync(
    path.join(folder, "tsconfig.json"),
    JSON.stringify({ extends: "../../tsconfig.json", files, include: [], compilerOptions })
  )

const compile = (folder: string) =>
  Effect.callback<string>((resume) => {
    const child = execFile("node_modules/.bin/tsc", ["-p", folder], (_, stdout, stderr) =>
      resume(Effect.succeed(`${stdout}${stderr}`)))
    return Effect.sync(() =>
      child.kill()
    )
  })

describe("docstrings", () => {
  it.live("every example of a public module compiles", () =>
    Effect.gen(function*() {
      const to = yield* folder
      const files = modules.flatMap(({ examples, name }) =>
        examples.map((example, i) => {
          const file = `${name.replaceAll("/", "-").replace(/\.ts$/, "")}.${i + 1}.ts`
          // An example without exports would be a script, whose names are global.
          fs.writeFileSync(path.join(to, file), `${example}\nexport {}\n`)
          return file
        })
      )
      fs.writeFileSync(
        path.join(to, "tsconfig.json"),
        JSON.stringify({ extends: "../../tsconfig.json", files, include: [] })
      )
      assert.strictEqual(yield* compile(to), "")
      assert.isAbove(files.length, 5)
    }).pipe(Effect.scoped), 60_000)
})

/** An expression of each method, and the type that an editor shows for it. */
const shown = [
  ["Files.upload(FileSource.text(\"a\", \"a.txt\"))", "Effect<FileMetadata, UploadError, Files>"],
  ["Files.metadata(file.id)", "Effect<FileMetadata, MetadataError, Files>"],
  ["Files.list()", "Stream<FileMetadata, ListError, Files>"],
  ["Messages.create(request)", "Effect<Message, MessageError, Messages>"],
  ["Messages.stream(request)", "Stream<Event, StreamMessageError, Messages>"],
  ["Messages.collect(Messages.stream(request))", "Effect<Message, StreamMessageError, Messages>"],
  ["Messages.citations(message)", "readonly Citation[]"],
  ["message.content", "readonly Block[]"],
  ["message.usage", "Usage"],
  ["message.container", "Container | null"],
  ["MessageBatches.create([])", "Effect<MessageBatch, CreateBatchError, MessageBatches>"],
  ["MessageBatches.results(\"msgbatch_1\")", "Stream<BatchResult, BatchResultsError, MessageBatches>"],
  ["ContentBlock.document(file)", "Effect<Document, ContentBlockError, never>"],
  ["conversation.ask(\"Why?\")", "Effect<Answer, MessageError, never>"]
] as const

describe("editors", () => {
  it.live("show the types of results by name", () =>
    Effect.gen(function*() {
      const to = yield* folder
      const source = [
        "import {",
        "  ContentBlock, type Conversation, type FileMetadata, Files, FileSource, MessageBatches, Messages",
        "} from \"effect-anthropic-files\"",
        "declare const file: FileMetadata.FileMetadata",
        "declare const request: Messages.Request",
        "declare const message: Messages.Message",
        "declare const conversation: Conversation.Conversation",
        ...shown.map(([expression], i) => `export const v${i} = ${expression}`)
      ]
      fs.writeFileSync(path.join(to, "types.ts"), source.join("\n"))
      const options = { noEmit: false, declaration: true, emitDeclarationOnly: true, rootDir: "../..", outDir: "out" }
      configure(to, ["types.ts"], options)
      assert.strictEqual(yield* compile(to), "")
      const declared = fs.readFileSync(path.join(to, "out", to, "types.d.ts"), "utf8")
      const types = Array.from(
        declared.matchAll(/^export declare const v\d+: ([^]*?);$/gm),
        // Without the modules that the names come from.
        ([, type = ""]) => type.replaceAll(/import\("[^"]*"\)\./g, "").replaceAll(/\b\w+\.(?=\w)/g, "")
      )
      assert.deepStrictEqual(types, shown.map(([, type]) => type))
    }).pipe(Effect.scoped), 60_000)
})

/** Arguments of `Messages.create`, and whether they compile. */
const requests = [
  ["{ ...base, temperature: 0.2, tools: undefined, system: undefined }", true],
  ["Messages.extend({ ...base }, { new_field: true })", true],
  [
    "{ ...base, messages: [{ role: \"user\", content: [Messages.customBlock({ type: \"new_block\", more: 1 })] }] }",
    true
  ],
  ["{ ...base, temprature: 0.2 }", false],
  ["{ ...base, messages: [{ role: \"user\", content: [{ type: \"tekst\", text: \"Hello\" }] }] }", false],
  ["{ ...base, messages: [{ role: \"user\", content: [{ type: \"text\", txt: \"Hello\" }] }] }", false],
  [
    "{ ...base, messages: [{ role: \"user\", content: [{ type: \"document\", source: { type: \"file\", fileid: \"x\" } }] }] }",
    false
  ],
  [
    "{ ...base, messages: [{ role: \"user\", content: [{ type: \"document\", source: { type: \"file\", file_id: \"x\" }, titel: \"\" }] }] }",
    false
  ],
  ["{ ...base, messages: [{ role: \"bot\", content: \"Hello\" }] }", false]
] as const

describe("requests of messages", () => {
  it.live(
    "compile only with fields and types that exist, or with new ones that are passed on purpose",
    () =>
      Effect.gen(function*() {
        const to = yield* folder
        const head = [
          "import { Messages } from \"effect-anthropic-files\"",
          "const base = { model: \"m\", max_tokens: 1, messages: [{ role: \"user\", content: \"Hello\" }] } as const"
        ]
        const lines = requests.map(([request]) => `Messages.create(${request})`)
        fs.writeFileSync(path.join(to, "requests.ts"), [...head, ...lines].join("\n"))
        configure(to, ["requests.ts"])
        const errors = new Set(
          Array.from(
            (yield* compile(to)).matchAll(/requests\.ts\((\d+),/g),
            ([, line]) => Number(line) - head.length - 1
          )
        )
        assert.deepStrictEqual(
          requests.filter((_, i) => !errors.has(i)),
          requests.filter(([, compiles]) => compiles)
        )
      }).pipe(Effect.scoped),
    60_000
  )
})
