/** Spans, metrics and logs to an OpenTelemetry collector, by OTLP. */
import { NodeRuntime } from "@effect/platform-node"
import { Config, Console, Effect, Layer, References } from "effect"
import { Files, FileSource, Policy } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { FetchHttpClient } from "effect/http"
import { Otlp } from "effect/observability"

/** The exporter has its own HTTP client, without the program's policies. */
const exported = (baseUrl: string) =>
  Otlp.layerJson({ baseUrl, resource: { serviceName: "contracts" } }).pipe(Layer.provide(FetchHttpClient.layer))

/** A line for each retry, wait and failure. */
const chatty = Effect.provideService(References.MinimumLogLevel, "Debug")

const collector = Config.String("OTEL_EXPORTER_OTLP_ENDPOINT").pipe(Config.withDefault("http://localhost:4318"))

const program = Effect.gen(function*() {
  const file = yield* Files.upload(FileSource.text("Nobody reads this.", "contract.txt"))
  yield* Files.metadata(file.id)
  yield* Files.delete(file.id)
  // This fails, to show how a failure looks.
  yield* Effect.ignore(Files.metadata(file.id))
  yield* Console.log("Done: look for the trace of “a contract”.")
}).pipe(Effect.withSpan("a contract"))

program.pipe(
  chatty,
  Effect.provide(
    NodeFiles.layerConfig({}, Policy.standard()).pipe(
      // Outermost, so that the last spans are exported before the program ends.
      Layer.provideMerge(Layer.unwrap(Effect.map(collector, exported)))
    )
  ),
  NodeRuntime.runMain
)
