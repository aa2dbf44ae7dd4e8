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

export type {
  /** A metric. */
  Definition as Metric
} from "./internal/telemetry/metrics.ts"

/**
 * Every metric of the package.
 */
export const metrics: ReadonlyArray<Metrics.Definition> = Metrics.definitions

/**
 * The name that a metric has in Prometheus: with its unit, and `total` for a counter, as an OpenTelemetry collector
 * names it. Names of other metrics are given back as they are.
 */
export const prometheusName: (name: string) => string = Metrics.prometheusName
