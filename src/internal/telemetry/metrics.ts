/**
 * The metrics: their names, units and attributes in one table, and how they are recorded. A figure is recorded where a
 * fiber is at hand, without an effect of its own. The values of every attribute are few: no id, no path, no name.
 */
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"

/** What is known of a metric. */
export interface Definition {
  readonly name: string
  readonly kind: "counter" | "gauge" | "histogram"
  /** As UCUM has it: `s`, `By`, `{request}`. */
  readonly unit: string
  readonly description: string
  /** Names of its attributes. */
  readonly attributes: ReadonlyArray<string>
  /** Upper bounds of a histogram's buckets. */
  readonly boundaries?: ReadonlyArray<number> | undefined
}

const operation = "anthropic.operation.name"

/** Seconds: from an answer out of a cache nearby to a large file over a slow link. */
const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]

/** Tokens, as OpenTelemetry's conventions for generative AI have them. */
const tokens = Array.from({ length: 14 }, (_, power) => 4 ** power)

const define = <const Name extends string>(definition: Definition & { readonly name: Name }) => definition

export const operationDuration = define({
  name: "anthropic.client.operation.duration",
  kind: "histogram",
  unit: "s",
  description: "How long operations took, with all tries and waits; a stream's until it ended",
  attributes: [operation, "error.type"],
  boundaries: seconds
})

export const operationActive = define({
  name: "anthropic.client.operation.active",
  kind: "gauge",
  unit: "{operation}",
  description: "Operations under way",
  attributes: [operation]
})

export const requests = define({
  name: "anthropic.client.requests",
  kind: "counter",
  unit: "{request}",
  description: "HTTP requests that were sent, each try counted, by the status of the answer or why there was none",
  attributes: [operation, "http.response.status_code", "error.type"]
})

export const errors = define({
  name: "anthropic.client.errors",
  kind: "counter",
  unit: "{error}",
  description: "Operations that failed, retries included, by the error's tag",
  attributes: [operation, "anthropic.error.tag", "error.type"]
})

export const retries = define({
  name: "anthropic.client.retries",
  kind: "counter",
  unit: "{retry}",
  description: "Tries after the first one, by what the try before failed with",
  attributes: [operation, "error.type"]
})

export const waitDuration = define({
  name: "anthropic.client.wait.duration",
  kind: "histogram",
  unit: "s",
  description: "How long requests were held back by a policy",
  attributes: ["anthropic.wait.reason"],
  boundaries: seconds
})

export const circuitRejections = define({
  name: "anthropic.client.circuit_breaker.rejections",
  kind: "counter",
  unit: "{request}",
  description: "Requests that were not sent because the circuit was open",
  attributes: []
})

export const fileBytes = define({
  name: "anthropic.client.file.io",
  kind: "counter",
  unit: "By",
  description: "Bytes of files' contents that were sent and received, those of every try",
  attributes: ["network.io.direction"]
})

export const adopted = define({
  name: "anthropic.client.uploads.adopted",
  kind: "counter",
  unit: "{file}",
  description: "Uploads whose answer was lost and whose file was found",
  attributes: []
})

export const resumed = define({
  name: "anthropic.client.downloads.resumed",
  kind: "counter",
  unit: "{resumption}",
  description: "Downloads that broke off and went on",
  attributes: []
})

export const cacheLookups = define({
  name: "anthropic.client.cache.lookups",
  kind: "counter",
  unit: "{lookup}",
  description: "Contents that the upload cache was asked for: hit where none had to be uploaded",
  attributes: ["anthropic.cache.result"]
})

export const tokenUsage = define({
  name: "gen_ai.client.token.usage",
  kind: "histogram",
  unit: "{token}",
  description: "Tokens of messages, by kind and model",
  attributes: ["gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.token.type", "gen_ai.request.model"],
  boundaries: tokens
})

export const ingestItems = define({
  name: "anthropic.ingest.items",
  kind: "gauge",
  unit: "{item}",
  description: "Items of durable ingest, by their state, when its status was last read",
  attributes: ["anthropic.ingest.name", "anthropic.ingest.state"]
})

/** All of them. */
export const definitions = [
  operationDuration,
  operationActive,
  requests,
  errors,
  retries,
  waitDuration,
  circuitRejections,
  fileBytes,
  adopted,
  resumed,
  cacheLookups,
  tokenUsage,
  ingestItems
] as const

/** Where what is recorded goes to: a fiber's context, with the registry and the attributes that its program set. */
type Where = Context.Context<never>

type Series = Metric.Metric<number, unknown>

/** As OpenTelemetry calls what is left out to keep series few. */
export const other = "_OTHER"

/** More would be a mistake, or somebody's doing: a model's name is the caller's, a status the answer's. */
const maxSeries = 500

const make = (definition: Definition, attributes: Readonly<Record<string, string>>): Series => {
  const { boundaries = [], description, kind, name } = definition
  if (kind === "counter") return Metric.counter(name, { description, attributes, incremental: true })
  if (kind === "gauge") return Metric.gauge(name, { description, attributes })
  return Metric.histogram(name, { description, attributes, boundaries })
}

/** The series of a metric by the values of its attributes, in the order of its definition; an empty one is absent. */
const seriesOf = (definition: Definition) => {
  const made = new Map<string, Series>()
  const { attributes, unit } = definition
  const add = (key: string, values: ReadonlyArray<string>): Series => {
    const given: Record<string, string> = { unit }
    attributes.forEach((name, at) => {
      const value = values[at]
      if (value !== undefined && value !== "") given[name] = value
    })
    const series = make(definition, given)
    made.set(key, series)
    return series
  }
  return (values: ReadonlyArray<string>): Series => {
    const key = values.length === 1 ? values[0] ?? "" : values.join("\n")
    const known = made.get(key)
    if (known !== undefined) return known
    if (made.size < maxSeries) return add(key, values)
    const rest = values.map(() => other)
    return made.get(rest.join("\n")) ?? add(rest.join("\n"), rest)
  }
}

/** Adds to a counter, notes a value in a histogram, sets a gauge. */
export const recorder = (definition: Definition) => {
  const series = seriesOf(definition)
  return (where: Where, value: number, ...values: ReadonlyArray<string>): void =>
    series(values).updateUnsafe(value, where)
}

/** Adds to a gauge, or takes from it. */
export const adder = (definition: Definition) => {
  const series = seriesOf(definition)
  return (where: Where, value: number, ...values: ReadonlyArray<string>): void =>
    series(values).modifyUnsafe(value, where)
}

const units: ReadonlyMap<string, string> = new Map([["s", "seconds"], ["By", "bytes"]])

const prometheusNames: ReadonlyMap<string, string> = new Map(
  definitions.map(({ kind, name, unit }) => {
    const parts = [name.replaceAll(".", "_"), units.get(unit), kind === "counter" ? "total" : undefined]
    return [name, parts.filter((part) => part !== undefined).join("_")]
  })
)

/** A metric's name with the unit and `total`, as Prometheus has it. Other names are given back as they are. */
export const prometheusName = (name: string): string => prometheusNames.get(name) ?? name
