/**
 * The package's metrics, for dashboards and alerts, and their names in Prometheus.
 *
 * Spans, metrics and debug logs are recorded with Effect's own `Tracer`, `Metric` and `Logger`. Whatever exports those
 * exports these as well; nothing has to be switched on.
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
 * A metric's name in Prometheus: with its unit, and `total` for a counter, as an OpenTelemetry collector names it. Names
 * of other metrics are returned unchanged.
 */
export const prometheusName: (name: string) => string = Metrics.prometheusName
