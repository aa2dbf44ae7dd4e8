/**
 * What an operator would see of a program: its spans, its metrics in a registry of their own, its log lines.
 */
import { Cause, Effect, Exit, Logger, Metric, References, Tracer } from "effect"
import { inspect } from "node:util"
import { recordSpans } from "../support/spans.ts"

export interface Line {
  readonly level: string
  readonly message: string
  readonly annotations: Readonly<Record<string, unknown>>
}

export interface Seen {
  readonly spans: ReadonlyArray<Tracer.NativeSpan>
  readonly metrics: ReadonlyArray<Metric.Metric.Snapshot>
  readonly lines: ReadonlyArray<Line>
  /** All of it, as it is printed and as an exporter would word a failure. */
  readonly text: string
}

const failureOf = ({ status }: Tracer.NativeSpan): string =>
  status._tag === "Ended" && Exit.isFailure(status.exit) ? Cause.pretty(status.exit.cause) : ""

/** Runs a program, whatever becomes of it. */
export const see = <A, E, R>(
  program: Effect.Effect<A, E, R>
): Effect.Effect<Seen & { readonly exit: Exit.Exit<A, E> }, never, R> =>
  Effect.gen(function*() {
    const { spans, tracer } = recordSpans()
    const lines: Array<Line> = []
    const logger = Logger.make(({ fiber, logLevel, message }) => {
      lines.push({
        level: logLevel,
        message: (Array.isArray(message) ? message : [message]).join(" "),
        annotations: { ...fiber.getRef(References.CurrentLogAnnotations) }
      })
    })
    const registry: Metric.MetricRegistry = new Map()
    const exit = yield* Effect.exit(program).pipe(
      Effect.provideService(Tracer.Tracer, tracer),
      Effect.provideService(Metric.MetricRegistry, registry),
      Effect.provide(Logger.layer([logger, Logger.tracerLogger])),
      Effect.provideService(References.MinimumLogLevel, "Debug")
    )
    const metrics = yield* Effect.provideService(Metric.snapshot, Metric.MetricRegistry, registry)
    const text = [
      inspect([spans, metrics, lines], { depth: 14 }),
      ...spans.map(({ status }) => status._tag === "Ended" ? JSON.stringify(status.exit) : ""),
      ...spans.map(failureOf)
    ].join("\n")
    return { spans, metrics, lines, text, exit }
  })

/** The one span of that name, with its attributes. */
export const spanNamed = ({ spans }: Seen, name: string) => {
  const found = spans.filter((span) => span.name === name)
  const [span] = found
  if (span === undefined || found.length > 1) {
    throw new Error(`${found.length} spans are called ${name}: ${spans.map(({ name }) => name).join(", ")}`)
  }
  return { span, attributes: Object.fromEntries(span.attributes), kind: span.kind, failure: failureOf(span) }
}

/** The series of a metric: what they count, or how many values they hold, by the values of their attributes. */
export const seriesOf = ({ metrics }: Seen, name: string): Readonly<Record<string, number>> =>
  Object.fromEntries(
    metrics.filter(({ id }) => id === name).map(({ attributes, state }): [string, number] => {
      const { unit: _, ...labels } = attributes ?? {}
      const value = "count" in state ? Number(state.count) : "value" in state ? Number(state.value) : NaN
      return [Object.values(labels).join(" "), value]
    })
  )
