/**
 * Small programs bundled as users would: their size, and on Node how long one takes from start to end over an empty
 * program.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { gzipSync } from "node:zlib"
import { build } from "rolldown"
import { directory, json, native } from "./run.mjs"
import { summary } from "./statistics.mjs"

const browser = `
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Files from "effect-anthropic-files/Files"

const layer = Layer.provide(
  Files.layer({ apiKey: Redacted.make(prompt("key") ?? ""), baseUrl: "https://localhost" }),
  FetchHttpClient.layer
)
Effect.runPromise(Effect.provide(
  Stream.runForEach(Files.list(), (file) => Effect.sync(() => document.body.append(file.filename))),
  layer
))
`

const policies = browser
  .replace(`import * as Files`, `import * as Policy from "effect-anthropic-files/Policy"\nimport * as Files`)
  .replace("FetchHttpClient.layer\n", "Layer.provide(Policy.standard(), FetchHttpClient.layer)\n")

const nothing = `
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const body = Schema.Struct({ data: Schema.Array(Schema.Struct({ filename: Schema.String })) })
Effect.runPromise(Effect.provide(
  Effect.flatMap(HttpClient.get("https://localhost"), (response) =>
    Stream.runForEach(Stream.fromEffect(Effect.flatMap(response.json, Schema.decodeUnknownEffect(body))), (page) =>
      Effect.sync(() => document.body.append(page.data.length)))),
  FetchHttpClient.layer
))
`

const node = `
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Files from "effect-anthropic-files/Files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import * as Policy from "effect-anthropic-files/Policy"

await Effect.runPromise(Effect.provide(
  Files.listPage(),
  NodeFiles.layer({ apiKey: Redacted.make("sk-ant-bench"), baseUrl: process.argv[2] }, Policy.standard())
))
process.exit(0)
`

const programs = [
  {
    id: "effect",
    title: "browser, for comparison: a request with effect alone, decoded",
    platform: "browser",
    text: nothing
  },
  { id: "browser", title: "browser: lists files", platform: "browser", text: browser },
  { id: "policies", title: "browser: the same with `Policy.standard()`", platform: "browser", text: policies },
  { id: "node", title: "Node: lists a page with `Policy.standard()`", platform: "node", text: node }
]

/** The command line, once there is one. */
const commandLine = path.resolve("dist/cli/bin.js")

const bundle = async (program) => {
  const id = "bench:program"
  const file = path.join(directory, `${program.id}.mjs`)
  await build({
    cwd: process.cwd(),
    input: id,
    platform: program.platform,
    logLevel: "silent",
    plugins: [{
      name: "program",
      resolveId: (source, importer) =>
        source === id
          ? id
          : importer === id
          ? { id: resolve(source) }
          : undefined,
      load: (source) => source === id ? program.text : undefined
    }],
    output: { file, minify: true, codeSplitting: false }
  })
  const bytes = fs.readFileSync(file)
  return { file, bytes: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length }
}

/** The command line is a bundle already, whose chunks are loaded on demand. */
const shipped = () => {
  const folder = path.dirname(commandLine)
  const chunks = fs.readdirSync(folder).filter((name) => name.endsWith(".js"))
  const bytes = Buffer.concat(chunks.map((name) => fs.readFileSync(path.join(folder, name))))
  return { file: commandLine, bytes: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length }
}

const resolve = (specifier) => new URL(import.meta.resolve(specifier)).pathname

const time = (args) => json([native, "run", process.execPath, ...args]).then(({ ms }) => ms)

/**
 * @param {number} rounds
 * @param {string} baseUrl
 */
export const measureBundle = async (rounds, baseUrl) => {
  const empty = path.join(directory, "empty.mjs")
  fs.writeFileSync(empty, "process.exit(0)\n")
  const measured = []
  for (
    const program of [
      ...programs,
      ...(fs.existsSync(commandLine)
        ? [{
          id: "cli",
          title: "Node: the command line as shipped, all its chunks; its `--version`",
          platform: "node",
          args: ["--version"]
        }]
        : [])
    ]
  ) {
    const { bytes, file, gzip } = program.id === "cli" ? shipped() : await bundle(program)
    const over = []
    const starts = native === undefined || program.platform !== "node" ? 0 : rounds
    for (let round = 0; round < starts; round++) {
      over.push(await time([file, ...(program.args ?? [baseUrl])]) - await time([empty]))
    }
    measured.push({
      id: program.id,
      title: program.title,
      bytes,
      gzip,
      startMs: over.length === 0 ? undefined : summary(over)
    })
  }
  return { programs: measured }
}
