/** Metrics for Prometheus: `GET /metrics`, asked once here. */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { Files, FileSource, Policy, Telemetry } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { HttpRouter, HttpServer } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { createServer } from "node:http"

const metrics = PrometheusMetrics.layerHttp({ metricNameMapper: Telemetry.prometheusName })

const served = HttpRouter.serve(metrics).pipe(
  // In a program that keeps running, this would be the port that Prometheus scrapes.
  Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }))
)

const program = Effect.gen(function*() {
  const file = yield* Files.upload(FileSource.text("Nobody reads this.", "contract.txt"))
  yield* Files.delete(file.id)
  const { address } = yield* HttpServer.HttpServer
  const answer = yield* Effect.promise(() => fetch(`${HttpServer.formatAddress(address)}/metrics`))
  yield* Console.log(yield* Effect.promise(() => answer.text()))
})

program.pipe(
  Effect.provide(Layer.merge(NodeFiles.layerConfig({}, Policy.standard()), served)),
  NodeRuntime.runMain
)
