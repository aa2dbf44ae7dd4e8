import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Telemetry } from "effect-anthropic-files"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"

interface Posted {
  readonly path: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

/** A collector: it takes what is exported as JSON. */
const collector = Effect.acquireRelease(
  Effect.callback<{ readonly url: string; readonly posted: Array<Posted>; readonly server: http.Server }>((resume) => {
    const posted: Array<Posted> = []
    const server = http.createServer((request, response) => {
      let body = ""
      request.setEncoding("utf8")
      request.on("data", (chunk: string) => void (body += chunk))
      request.on("end", () => {
        posted.push({ path: request.url ?? "", headers: request.headers, body })
        response.setHeader("content-type", "application/json").end("{}")
      })
    })
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, posted, server }))
    })
  }),
  ({ server }) =>
    Effect.sync(() => {
      server.closeAllConnections()
      server.close()
    })
)

const run = (file: string, env: Readonly<Record<string, string>>) =>
  Effect.gen(function*() {
    const { apiKey, url } = yield* Emulator.Emulator
    const key = Redacted.value(apiKey)
    const outcome = yield* Effect.callback<{ readonly code: unknown; readonly output: string }>((resume) => {
      const child = execFile(
        process.execPath,
        ["--no-warnings", file],
        { env: { ...process.env, ...env, ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: url }, timeout: 60_000 },
        (error, stdout, stderr) => resume(Effect.succeed({ code: error?.code ?? 0, output: stdout + stderr }))
      )
      return Effect.sync(() => child.kill())
    })
    assert.strictEqual(outcome.code, 0, outcome.output)
    return { output: outcome.output, key, url }
  })

interface Attribute {
  readonly key: string
  readonly value: Readonly<Record<string, unknown>>
}

interface Span {
  readonly name: string
  readonly kind: number
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly attributes: ReadonlyArray<Attribute>
  readonly events: ReadonlyArray<{ readonly name: string; readonly attributes: ReadonlyArray<Attribute> }>
  readonly status: { readonly code: number; readonly message?: string }
}

interface Point {
  readonly attributes: ReadonlyArray<Attribute>
}

interface Exported {
  readonly name: string
  readonly unit: string
  readonly sum?: { readonly dataPoints: ReadonlyArray<Point>; readonly isMonotonic: boolean }
  readonly gauge?: { readonly dataPoints: ReadonlyArray<Point> }
  readonly histogram?: { readonly dataPoints: ReadonlyArray<Point> }
}

const decoded = (posted: ReadonlyArray<Posted>, path: string): ReadonlyArray<Record<string, unknown>> =>
  posted.filter((one) => one.path === path).map(({ body }) => JSON.parse(body) as Record<string, unknown>)

const spansIn = (posted: ReadonlyArray<Posted>): ReadonlyArray<Span> =>
  (decoded(posted, "/v1/traces") as ReadonlyArray<
    {
      readonly resourceSpans: ReadonlyArray<
        { readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<Span> }> }
      >
    }
  >).flatMap(({ resourceSpans }) => resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)))

const metricsIn = (posted: ReadonlyArray<Posted>): ReadonlyArray<Exported> =>
  (decoded(posted, "/v1/metrics") as ReadonlyArray<
    {
      readonly resourceMetrics: ReadonlyArray<
        { readonly scopeMetrics: ReadonlyArray<{ readonly metrics: ReadonlyArray<Exported> }> }
      >
    }
  >).flatMap(({ resourceMetrics }) =>
    resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
  )

const valueOf = (attributes: ReadonlyArray<Attribute>, name: string): unknown =>
  Object.values(attributes.find(({ key }) => key === name)?.value ?? {})[0]

describe("what a program exports", () => {
  it.live(
    "by OTLP reaches a collector: spans, metrics with units, logs, and nothing secret or of a file's name",
    () =>
      Effect.gen(function*() {
        const { posted, url } = yield* collector
        const { key } = yield* run("examples/60_otlp.ts", { OTEL_EXPORTER_OTLP_ENDPOINT: url })

        const spans = spansIn(posted)
        const root = spans.find(({ name }) => name === "a contract")
        assert.deepStrictEqual(
          spans.filter(({ parentSpanId }) => parentSpanId === root?.spanId).map(({ kind, name }) => [name, kind]),
          [
            ["anthropic.files.upload", 3],
            ["anthropic.files.retrieve_metadata", 3],
            ["anthropic.files.delete", 3],
            ["anthropic.files.retrieve_metadata", 3]
          ]
        )
        // Its own requests are not among them, or it would never end.
        assert.strictEqual(spans.length, 5)
        assert.isTrue(spans.every(({ traceId }) => traceId === root?.traceId))
        const failed = spans.find(({ status }) => status.code === 2)
        assert.strictEqual(valueOf(failed?.attributes ?? [], "error.type"), "not_found_error")
        assert.strictEqual(failed?.status.message, "not_found_error")
        assert.strictEqual(String(valueOf(failed?.attributes ?? [], "http.response.status_code")), "404")
        assert.deepStrictEqual(failed?.events.map(({ name }) => name), ["exception"])

        const known = new Map(Telemetry.metrics.map((metric) => [metric.name, metric]))
        const metrics = metricsIn(posted).filter(({ name }) => known.has(name))
        for (
          const name of ["anthropic.client.operation.duration", "anthropic.client.requests", "anthropic.client.errors"]
        ) {
          assert.isTrue(metrics.some((metric) => metric.name === name), name)
        }
        for (const { gauge, histogram, name, sum, unit } of metrics) {
          const metric = known.get(name)
          assert.strictEqual(unit, metric?.unit)
          assert.deepStrictEqual([gauge, histogram, sum].map((one) => one !== undefined), [
            metric?.kind === "gauge",
            metric?.kind === "histogram",
            metric?.kind === "counter"
          ])
          if (sum !== undefined) assert.isTrue(sum.isMonotonic)
          const points = (gauge ?? histogram ?? sum)?.dataPoints ?? []
          for (const { attributes } of points) {
            const names = attributes.map(({ key }) => key).filter((name) => name !== "unit")
            for (const name of names) assert.include(metric?.attributes ?? [], name)
          }
        }

        const logs = decoded(posted, "/v1/logs").map((one) => JSON.stringify(one)).join("\n")
        assert.include(logs, "anthropic.files.retrieve_metadata failed (FileNotFound)")
        assert.include(logs, String(root?.traceId))

        const all = posted.map(({ body, headers }) => body + JSON.stringify(headers)).join("\n")
        assert.notInclude(all, key)
        assert.notInclude(all, "contract.txt")
        assert.notInclude(all, "Nobody reads this")
        for (const { headers } of posted) assert.isUndefined(headers["traceparent"])
      }).pipe(Effect.scoped, Effect.provide(NodeEmulator.layerServer())),
    90_000
  )

  it.live("without a collector is lost, and the program ends as it would", () =>
    Effect.gen(function*() {
      const { output } = yield* run("examples/60_otlp.ts", { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" })
      assert.include(output, "Done")
    }).pipe(Effect.scoped, Effect.provide(NodeEmulator.layerServer())), 90_000)

  it.live("to Prometheus has the documented names, each with its unit", () =>
    Effect.gen(function*() {
      const { key, output } = yield* run("examples/61_prometheus.ts", {})
      const families = new Map(
        Array.from(output.matchAll(/^# TYPE (\S+) (\S+)$/gm), ([, name = "", kind = ""]) => [name, kind])
      )
      assert.strictEqual(families.get("anthropic_client_operation_duration_seconds"), "histogram")
      assert.strictEqual(families.get("anthropic_client_requests_total"), "counter")
      assert.strictEqual(families.get("anthropic_client_file_io_bytes_total"), "counter")
      assert.strictEqual(families.get("anthropic_client_operation_active"), "gauge")
      assert.match(
        output,
        /^anthropic_client_requests_total\{anthropic_operation_name="anthropic\.files\.upload",http_response_status_code="200"\} 1$/m
      )
      const names = new Set(Telemetry.metrics.map(({ name }) => Telemetry.prometheusName(name)))
      for (const name of families.keys()) {
        if (name.startsWith("anthropic")) assert.isTrue(names.has(name), name)
      }
      assert.notInclude(output, key)
      assert.notInclude(output, "contract.txt")
    }).pipe(Effect.scoped, Effect.provide(NodeEmulator.layerServer())), 90_000)
})

describe("docs/grafana-dashboard.json", () => {
  const text = fs.readFileSync("docs/grafana-dashboard.json", "utf8")
  const dashboard = JSON.parse(text) as {
    readonly panels: ReadonlyArray<{
      readonly title: string
      readonly targets?: ReadonlyArray<{ readonly expr: string }>
    }>
  }
  const known = new Map<string, Telemetry.Metric>(Telemetry.metrics.flatMap((metric) => {
    const name = Telemetry.prometheusName(metric.name)
    const names = metric.kind === "histogram" ? ["_bucket", "_sum", "_count"].map((end) => `${name}${end}`) : [name]
    return names.map((name): [string, Telemetry.Metric] => [name, metric])
  }))
  const expressions = dashboard.panels.flatMap(({ targets = [], title }) =>
    targets.map(({ expr }): readonly [string, string] => [title, expr])
  )
  const namesIn = (expr: string): ReadonlyArray<string> =>
    expr.match(/\b(anthropic_\w+|gen_ai_client_\w+)(?=[{[])/g) ?? []

  it("asks only for metrics and attributes that there are", () => {
    assert.isAbove(expressions.length, 5)
    for (const [title, expr] of expressions) {
      const names = namesIn(expr)
      assert.isNotEmpty(names, title)
      const labels = names.flatMap((name) => {
        const metric = known.get(name)
        assert.isDefined(metric, `${title}: ${name}`)
        return metric?.attributes.map((one) => one.replaceAll(".", "_")) ?? []
      })
      for (const [, list = ""] of expr.matchAll(/by \(([^)]*)\)/g)) {
        for (const label of list.split(",").map((one) => one.trim())) {
          if (label !== "le") assert.include(labels, label, `${title}: by (${label})`)
        }
      }
      for (const [, label = ""] of expr.matchAll(/[{,]\s*(\w+)\s*=~?/g)) {
        assert.include([...labels, "job", "le"], label, `${title}: ${label}`)
      }
    }
  })

  it("shows every metric", () => {
    const shown = new Set(expressions.flatMap(([, expr]) => namesIn(expr).map((name) => known.get(name)?.name)))
    assert.deepStrictEqual(Telemetry.metrics.filter(({ name }) => !shown.has(name)).map(({ name }) => name), [])
  })
})

describe("docs/observability.md", () => {
  const page = fs.readFileSync("docs/observability.md", "utf8")

  it("names every metric with its kind, its unit and its attributes, and what it is in Prometheus", () => {
    for (const { attributes, kind, name, unit } of Telemetry.metrics) {
      const row = page.split("\n").find((line) => line.startsWith(`| \`${name}\``))
      assert.isDefined(row, name)
      for (const part of [kind, `\`${unit}\``, `\`${Telemetry.prometheusName(name)}\``, ...attributes]) {
        assert.include(row, part, name)
      }
    }
  })

  it("names every span and every attribute that a span is given", () => {
    const sources = [
      "src/internal/telemetry.ts",
      "src/internal/telemetry/operations.ts",
      "src/internal/messages/spans.ts"
    ]
      .map((file) => fs.readFileSync(file, "utf8")).join("\n")
    const names = new Set(sources.match(/"(?:anthropic|gen_ai|http|url|server|error)\.[\w.]+"/g))
    assert.isAbove(names.size, 40)
    for (const quoted of names) assert.include(page, `\`${quoted.slice(1, -1)}\``)
  })
})
