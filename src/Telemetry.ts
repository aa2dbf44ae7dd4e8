/**
 * What the package tells an operator: the names of its metrics, for dashboards and alerts, and their form in Prometheus.
 *
 * Spans, metrics and debug logs are recorded with effect's own `Tracer`, `Metric` and `Logger`: what exports those
 * exports these, and nothing has to be switched on.
 *
 * @example
 * ```ts
 * import { Telemetry } from "effect-anthropic-files"
 * import { PrometheusMetrics } from "effect/observability"
 *
 * export const scraped = PrometheusMetrics.format({ metricNameMapper: Telemetry.prometheusName })
 * ```
 */
import * as Metrics from "./internal/telemetry/metrics.ts"

/**
 * A metric.
 */
export interface Metric {
  /** By OpenTelemetry's conventions: `anthropic.client.operation.duration` for example. */
  readonly name: string
  readonly kind: "counter" | "gauge" | "histogram"
  /** By UCUM: `s`, `By`, or what is counted, in braces. */
  readonly unit: string
  readonly description: string
  /** Names of the attributes that its series have. */
  readonly attributes: ReadonlyArray<string>
  /** Upper bounds of a histogram's buckets, in the metric's unit. */
  readonly boundaries?: ReadonlyArray<number> | undefined
}

/**
 * Every metric of the package.
 */
export const metrics: ReadonlyArray<Metric> = Metrics.definitions

/**
 * The name that a metric has in Prometheus: with its unit, and `total` for a counter, as an OpenTelemetry collector
 * names it. Names of other metrics are given back as they are.
 */
export const prometheusName: (name: string) => string = Metrics.prometheusName
