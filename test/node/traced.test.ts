import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Option, Redacted, Stream } from "effect"
import { Files, FileSource } from "effect-anthropic-files"
import type { FileId } from "effect-anthropic-files/FileMetadata"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { FetchHttpClient, HttpClient } from "effect/http"
import { inspect } from "node:util"
import { http, rawServer } from "../support/rawServer.ts"
import { recordSpans } from "../support/spans.ts"

const metadata = JSON.stringify({
  id: "file_1",
  type: "file",
  filename: "a.txt",
  mime_type: "text/plain",
  size_bytes: 3,
  created_at: "2026-11-21T00:00:00Z"
})

/** What an exporter would see of the requests. */
const spansOf = (
  effect: Effect.Effect<unknown, unknown, Files.Files>,
  client: Layer.Layer<HttpClient.HttpClient, unknown>,
  status: number,
  disabledWhen: (() => boolean) | "unset" = () => false
) =>
  Effect.scoped(Effect.gen(function*() {
    const server = yield* rawServer(({ socket, head }) =>
      void socket.end(http(
        status,
        status === 200 ? (head.startsWith("GET /v1/files?") ? `{"data":[]}` : metadata) : "{}",
        { "request-id": "req_1", connection: "close" }
      ))
    )
    const { spans, tracer } = recordSpans()
    yield* Effect.exit(effect).pipe(
      (asked) =>
        disabledWhen === "unset"
          ? asked
          : Effect.provideService(asked, HttpClient.TracerDisabledWhen, disabledWhen),
      Effect.provideService(HttpClient.TracerHeaderFilter, (name) =>
        !["date", "connection", "host", "traceparent"].includes(name)),
      Effect.provide(
        Layer.provide(
          Files.layer({ apiKey: Redacted.make("sk-ant-canary"), baseUrl: server.url, propagateTrace: true }),
          client
        )
      ),
      Effect.withTracer(tracer)
    )
    const port = new URL(server.url).port
    const traceparents = server.heads.map((head) =>
      /^traceparent: (.*)$/mi.exec(head)?.[1]?.split("-")[2]
    )
    return spans.map((span) => ({
      name: span.name,
      kind: span.kind,
      parent: Option.getOrUndefined(Option.map(span.parent, (parent) => parent._tag === "Span" ? parent.name : "")),
      isPropagated: traceparents.includes(span.spanId),
      attributes: Array.from(span.attributes, ([key, value]) => [
        key,
        String(value).replaceAll(port, "PORT").replace(/effect-anthropic-files-[\w-]+/, "BOUNDARY")
      ]).filter(([key]) => key !== "http.request.header.content-length"),
      status: span.status._tag === "Ended"
        ? Exit.isSuccess(span.status.exit)
          ? "Success"
          : Cause.pretty(span.status.exit.cause).replaceAll(port, "PORT").split(/[\n(]/)[0]
        : span.status._tag
    }))
  }))

const id = "file_1" as FileId

const requests: Readonly<Record<string, Effect.Effect<unknown, unknown, Files.Files>>> = {
  metadata: Files.metadata(id),
  "a strange id": Files.metadata("a%b'c" as FileId),
  "a page": Files.listPage({ limit: 7, page: "a b&c=d" }),
  "a plain page": Files.listPage({ limit: 7, page: "p20" }),
  "an upload": Files.upload(FileSource.text("abc", "a.txt")),
  "a streamed upload": Files.upload(FileSource.stream(
    Stream.fromEffect(Effect.withSpan(Effect.succeed(new Uint8Array(3)), "read")),
    { filename: "a.txt", size: 3, replayable: true }
  ))
}

describe("a program that sets TracerDisabledWhen has a span of effect's own for each try", () => {
  for (const [what, request] of Object.entries(requests)) {
    for (const status of [200, 404]) {
      it.live(`${what}, ${status}`, () =>
        Effect.gen(function*() {
          const [own, effects] = [
            yield* spansOf(request, NodeFiles.layerHttpClient, status),
            yield* spansOf(request, FetchHttpClient.layer, status)
          ]
          assert.isNotEmpty(own)
          assert.deepStrictEqual(own, effects)
          assert.notInclude(JSON.stringify(own), "sk-ant-canary")
        }))
    }
  }

  for (const disabledWhen of ["unset", () => true] as const) {
    it.live(`none ${disabledWhen === "unset" ? "where it is not set" : "where it says so"}`, () =>
      Effect.gen(function*() {
        const spans = yield* spansOf(Files.metadata(id), NodeFiles.layerHttpClient, 200, disabledWhen)
        assert.deepStrictEqual(spans.map(({ name }) => name), ["anthropic.files.retrieve_metadata"])
      }))
  }

  it.live("in which no secret shows, printed whole, where a trace is propagated", () =>
    Effect.scoped(Effect.gen(function*() {
      const server = yield* rawServer(({ socket }) =>
        void socket.end(http(200, `{"data":[]}`, { connection: "close" }))
      )
      const { spans, tracer } = recordSpans()
      yield* Files.listPage().pipe(
        Effect.provide(Layer.provide(
          Files.layer({
            apiKey: Redacted.make("sk-ant-canary"),
            headers: { "x-gateway-token": "gateway-canary" },
            baseUrl: server.url,
            propagateTrace: true
          }),
          NodeFiles.layerHttpClient
        )),
        Effect.provideService(HttpClient.TracerDisabledWhen, () => false),
        Effect.withTracer(tracer)
      )
      assert.include(server.heads[0], "x-gateway-token: gateway-canary")
      assert.include(server.heads[0], "traceparent: ")
      const text = inspect(spans, { depth: 14, showHidden: true })
      assert.include(text, "x-gateway-token")
      assert.notInclude(text, "canary")
    })))

  it.live("named and propagated as asked", () =>
    Effect.gen(function*() {
      const [, span] = yield* spansOf(
        Files.metadata(id).pipe(
          Effect.provideService(HttpClient.SpanNameGenerator, (request) => `anthropic ${request.method}`),
          Effect.provideService(HttpClient.TracerPropagationEnabled, false)
        ),
        NodeFiles.layerHttpClient,
        200
      )
      assert.deepStrictEqual([span?.name, span?.isPropagated], ["anthropic GET", false])
    }))
})
