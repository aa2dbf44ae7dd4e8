/**
 * The whole life of a file: upload it once, use it in several messages, download a generated one, and delete
 * everything.
 *
 * `npm run demo` runs it against the embedded emulator, with no key and no network; `npm run demo -- --live` against
 * the real service, with ANTHROPIC_API_KEY set.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, FileSystem, Layer, Path, Stream } from "effect"
import { ContentBlock, Files, FileSource, Messages, Policy, Transfer } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { model } from "./shared/example.ts"

const isLive = process.argv.includes("--live")

const style = (code: number) => (text: string) => process.stdout.isTTY ? `\u001b[${code}m${text}\u001b[0m` : text
const [bold, dim, green, blue] = [style(1), style(2), style(32), style(34)]

const heading = (text: string) => Console.log(`\n${bold(text)}`)

const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`

/** Deletes the file when the scope closes: at the end, after a failure, or on Ctrl-C. */
const uploadForNow = Effect.fnUntraced(function*(name: string) {
  const path = yield* Path.Path
  const location = path.join(import.meta.dirname, "assets", name)
  const { size } = yield* (yield* FileSystem.FileSystem).stat(location)
  let sent = 0
  const source = FileSource.tap(FileSource.path(location), (chunk) =>
    Effect.sync(() => {
      sent += chunk.length
      const share = sent / Number(size)
      const bar = "█".repeat(Math.round(share * 20)).padEnd(20, "░")
      if (process.stdout.isTTY) process.stdout.write(`\r  ${bar} ${Math.round(share * 100)} %  ${name}`)
    }))
  const file = yield* Effect.acquireRelease(
    Files.upload(source),
    (file) =>
      Files.delete(file.id).pipe(
        Effect.andThen(Console.log(`  ${green("✓")} ${file.filename} deleted`)),
        Effect.catch((error) => Console.error(`  ${file.filename} could not be deleted: ${error.message}`))
      ),
    { interruptible: true }
  )
  if (process.stdout.isTTY) process.stdout.write("\r\u001b[2K")
  yield* Console.log(
    `  ${green("✓")} ${file.filename.padEnd(16)} ${kilobytes(file.size_bytes).padStart(7)}  ${dim(file.mime_type)}  ${
      blue(file.id)
    }`
  )
  return file
})

const ask = Effect.fnUntraced(function*(
  block: ContentBlock.ContentBlock,
  question: string,
  tools?: ReadonlyArray<{ readonly type: string; readonly name: string }>
) {
  yield* Console.log(`\n  ${bold("?")} ${question}`)
  const answer = yield* Messages.create({
    model,
    max_tokens: 1024,
    messages: [{ role: "user", content: [block, { type: "text", text: question }] }],
    ...(tools === undefined ? {} : { tools })
  })
  for (const block of answer.content) {
    if (block.type !== "text") continue
    yield* Console.log(`  ${block.text.trim().replaceAll("\n", "\n  ")}`)
    for (const citation of block.citations ?? []) {
      const place = citation.type === "page_location" ? `page ${citation.start_page_number}` : "text"
      yield* Console.log(dim(`    ↳ ${place}: “${(citation.cited_text ?? "").trim()}”`))
    }
  }
  return answer
})

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem

  yield* heading("Upload, each file once")
  const pdf = yield* uploadForNow("lighthouse.pdf")
  const png = yield* uploadForNow("visitors.png")
  const csv = yield* uploadForNow("lighthouse.csv")

  yield* heading("List, newest first")
  yield* Stream.runForEach(
    Stream.take(Files.list(), 5),
    (file) => Console.log(`  ${blue(file.id)}  ${file.filename}`)
  )

  yield* heading("Ask about the PDF twice, by its id")
  const report = yield* ContentBlock.document(pdf, { title: "Annual report", citations: true })
  yield* ask(report, "On how many nights was the lamp lit?")
  yield* ask(report, "What does the keeper ask for before the summer?")

  yield* heading("Show the picture")
  yield* ask(yield* ContentBlock.image(png), "Which month stands out, and how?")

  yield* heading("Give the table to the code tool, and fetch what it makes")
  const answer = yield* ask(
    yield* ContentBlock.containerUpload(csv),
    "Sum up this table and save the result as a file.",
    [{ type: "code_execution_20250825", name: "code_execution" }]
  )
  const directory = yield* fs.makeTempDirectory({ prefix: "effect-anthropic-files-" })
  yield* Stream.runForEach(Messages.downloads(answer), ({ file }) =>
    Effect.gen(function*() {
      const saved = yield* Transfer.downloadToDirectory(file, directory)
      yield* Console.log(`  ${green("✓")} ${file.filename}, ${kilobytes(saved.bytes)}, saved as ${saved.path}`)
      yield* Files.delete(file.id)
    }))

  yield* heading("Clean up")
}).pipe(Effect.scoped)

const emulated = Layer.unwrap(Effect.gen(function*() {
  const { apiKey, url } = yield* Emulator.Emulator
  yield* Console.log(dim(`The embedded emulator serves at ${url}. Answers are its own; no model is involved.`))
  return NodeFiles.layer({ apiKey, baseUrl: url }, Policy.standard())
})).pipe(Layer.provide(NodeEmulator.layerServer()))

NodeRuntime.runMain(
  program.pipe(Effect.provide(isLive ? NodeFiles.layerConfig({}, Policy.standard()) : emulated))
)
