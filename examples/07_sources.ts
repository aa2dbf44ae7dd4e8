/** Everything that can be uploaded: a path, text, bytes, a Blob or File, a Stream, a web stream, the body of a URL. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, type FileSystem, Stream } from "effect"
import { Files, FileSource, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import type { HttpClient } from "effect/http"
import { served } from "./shared/served.ts"

const lines = Stream.make("night,lit\n", "1,yes\n").pipe(Stream.encodeText)

type Source = FileSource.FileSource<FileSystem.FileSystem | HttpClient.HttpClient>

const sources = (url: string): ReadonlyArray<Source> => [
  FileSource.path(`${import.meta.dirname}/assets/lighthouse.pdf`),
  FileSource.text("The lamp was lit on 359 nights.", "report.txt"),
  FileSource.bytes(new Uint8Array([0x25, 0x50, 0x44, 0x46]), "empty.pdf"),
  FileSource.blob(new File(["a,b\n"], "table.csv", { type: "text/csv" })),
  FileSource.stream(lines, { filename: "nights.csv", replayable: true }),
  FileSource.readableStream(() => new Blob(["[]"]).stream(), { filename: "rows.json", size: 2 }),
  FileSource.url(`${url}/export.csv`)
]

const program = Effect.gen(function*() {
  const url = yield* served("night,lit\n1,yes\n")
  for (const source of sources(url)) {
    const file = yield* Files.uploadScoped(source)
    yield* Console.log(`${file.filename}: ${file.mime_type}, ${file.size_bytes} bytes`)
  }
})

NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide(NodeFiles.layerConfig({}, Policy.standard()))))
