import { Config, Console, Effect, Layer } from "effect"
import { Files, FileSource } from "effect-anthropic-files"
import { FetchHttpClient } from "effect/http"

// The core needs an HttpClient, and nothing from Node. Over fetch it runs in Bun, Deno, browsers and workers alike.
const FilesLive = Layer.unwrap(Effect.gen(function*() {
  const apiKey = yield* Config.Redacted("ANTHROPIC_API_KEY")
  const baseUrl = yield* Config.String("ANTHROPIC_BASE_URL").pipe(Config.withDefault("https://api.anthropic.com"))
  return Files.layer({ apiKey, baseUrl })
})).pipe(Layer.provide(FetchHttpClient.layer))

const program = Effect.gen(function*() {
  const file = yield* Files.upload(FileSource.blob(new File(["a,b\n1,2\n"], "table.csv", { type: "text/csv" })))
  yield* Console.log(file.mime_type)
  yield* Files.delete(file.id)
})

await Effect.runPromise(Effect.provide(program, FilesLive))
