/**
 * `node examples/contracts/main.ts manifest.jsonl folder`: one JSON object a line, `{"key": …, "source": path or URL}`.
 * Without arguments, it uses two contracts of its own; without ANTHROPIC_API_KEY, an emulator.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Config, Console, Effect, FileSystem, Layer, Option } from "effect"
import { Policy } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { FetchHttpClient } from "effect/http"
import { Otlp } from "effect/observability"
import { answerAll, claim, cleanUp, layerCache, readManifest, Unfinished } from "./contracts.ts"

const [manifest = `${import.meta.dirname}/assets/manifest.jsonl`, given] = process.argv.slice(2)

/** Exports spans, metrics and logs if the environment names a collector. */
const Exported = Layer.unwrap(Effect.map(
  Effect.option(Config.String("OTEL_EXPORTER_OTLP_ENDPOINT")),
  Option.match({
    onNone: () => Layer.empty,
    onSome: (baseUrl) =>
      Layer.provide(Otlp.layerJson({ baseUrl, resource: { serviceName: "contracts" } }), FetchHttpClient.layer)
  })
))

const FilesLive = (process.env["ANTHROPIC_API_KEY"] ?? "") !== ""
  ? NodeFiles.layerConfig({}, Policy.standard())
  : Layer.unwrap(
    Effect.map(Emulator.Emulator, ({ apiKey, url }) => NodeFiles.layer({ apiKey, baseUrl: url }, Policy.standard()))
  ).pipe(Layer.provide(NodeEmulator.layerServer()))

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const folder = given ?? (yield* fs.makeTempDirectoryScoped())
  const contracts = yield* readManifest(manifest)
  yield* claim(folder)
  yield* cleanUp(folder, "expired")
  const failed = yield* Effect.provide(answerAll(contracts, folder), layerCache(folder))
  for (const { contract, error } of failed) yield* Console.error(`${contract.key}: ${error.message}`)
  if (failed.length > 0) {
    return yield* new Unfinished({ message: `${failed.length} contracts are not answered: run it again.` })
  }
  if (given === undefined) yield* Console.log(yield* fs.readFileString(`${folder}/answers.jsonl`))
  yield* Console.log(`All is answered; ${yield* cleanUp(folder, "all")} files deleted.`)
})

NodeRuntime.runMain(
  program.pipe(
    Effect.scoped,
    Effect.provide(Layer.provideMerge(FilesLive, Exported)),
    Effect.tapError(({ message }) => Console.error(message))
  ),
  { disableErrorReporting: true }
)
