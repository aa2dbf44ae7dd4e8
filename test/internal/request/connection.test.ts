import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted, Stream } from "effect"
import { Credentials, type FileMetadata, Files } from "effect-anthropic-files"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import { connect, send } from "../../../src/internal/request/send.ts"
import { recordSpans } from "../../support/spans.ts"

const key = "sk-ant-canary-000102030405060708090a0b0c0d0e0f"

const id = "file_1" as FileMetadata.FileId

const serving = (answer: () => Response, options?: Partial<Files.Options>) =>
  Files.layer({ apiKey: Redacted.make(key), ...options }).pipe(
    Layer.provide(Layer.succeed(HttpClient.HttpClient, HttpMock.answering(answer).client))
  )

const shown = (error: unknown) => `${inspect(error, { depth: 20, showHidden: true })} ${JSON.stringify(error)}`

it.effect("an answer tells when its request was sent and when its headers came", () =>
  Effect.gen(function*() {
    const connection = yield* connect({ apiKey: Redacted.make(key) })
    const { baseUrl, dialect, maxFileBytes, scrub } = connection.settings
    const subject = { operation: "metadata", dialect, baseUrl, maxFileBytes, scrub } as const
    const asked = yield* Effect.forkChild(send(connection, { subject, method: "GET", path: "/v1/files/file_1" }), {
      startImmediately: true
    })
    yield* TestClock.adjust("3 seconds")
    const { receivedAt, sentAt } = yield* Fiber.join(asked)
    assert.strictEqual(receivedAt - sentAt, 3000)
  }).pipe(Effect.provideService(
    HttpClient.HttpClient,
    HttpClient.make((request) =>
      Effect.delay(Effect.succeed(HttpClientResponse.fromWeb(request, new Response("{}"))), "3 seconds")
    )
  )))

describe("a key that a server echoes in a success", () => {
  /** Half of the key would do for a guess. */
  const checkCanary = (error: unknown) => assert.notInclude(shown(error), key.slice(0, 16))

  it.effect.each<{ readonly what: string; readonly body: string }>([
    { what: "no JSON", body: `your key is ${key}` },
    { what: "wrong types", body: JSON.stringify({ data: key, next_page: [key] }) },
    { what: "an envelope", body: JSON.stringify({ type: "error", error: { type: "x", message: `no ${key}` } }) },
    // Of a long answer only the beginning is looked at: the cut must not leave a piece of the key that is not known.
    ...[4096, 16_384].flatMap((end) =>
      [20, 46].map((piece) => ({
        what: `a page of which ${end} characters are read, ${piece} of them of the key`,
        body: `${"<i>".repeat(end / 4).padEnd(end - piece, " ")}${key}`
      }))
    )
  ])("$what", ({ body }) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Files.listPage())
      assert.strictEqual(error._tag, "RequestFailed")
      checkCanary(error)
    }).pipe(Effect.provide(serving(() => new Response(body)))))

  it.effect("in the request id of a malformed answer", () =>
    Effect.gen(function*() {
      checkCanary(yield* Effect.flip(Files.metadata(id)))
      checkCanary(yield* Effect.flip(Files.delete(id)))
    }).pipe(
      Effect.provide(serving(() => new Response("<html></html>", { headers: { "request-id": `req ${key}` } })))
    ))

  it.effect("in the request id of a download that breaks off", () =>
    Effect.gen(function*() {
      checkCanary(yield* Effect.flip(Stream.runDrain(Files.download(id))))
    }).pipe(
      Effect.provide(
        serving(() => new Response("abc", { headers: { "content-length": "10", "request-id": `req ${key}` } }))
      )
    ))
})

describe("spans, printed whole, hold no secret, among the headers given by hand neither", () => {
  const answers: Readonly<Record<string, () => Response>> = {
    "a success": () => Response.json({ data: [] }),
    "a refusal": () => Response.json({ type: "error", error: { type: "not_found_error" } }, { status: 404 }),
    "something else": () => new Response("<html>")
  }
  for (const [what, answer] of Object.entries(answers)) {
    for (const isTried of [false, true]) {
      it.effect(`${what}${isTried ? ", with a span for each try" : ""}`, () =>
        Effect.gen(function*() {
          const { spans, tracer } = recordSpans()
          yield* Effect.ignore(Files.listPage()).pipe(
            Effect.provide(serving(answer, {
              apiKey: undefined,
              authToken: Redacted.make(`${key}-token`),
              headers: {
                "x-gateway-token": "gateway-canary",
                "proxy-authorization": "Basic proxy-canary",
                "x-amz-security-token": "aws-canary",
                "x-goog-iap-jwt-assertion": "google-canary",
                "ocp-apim-subscription-key": "azure-canary",
                cookie: "a=canary"
              }
            })),
            Effect.withTracer(tracer),
            (request) => isTried ? Effect.provideService(request, HttpClient.TracerDisabledWhen, () => false) : request,
            // By default no header is traced at all.
            Effect.provideService(HttpClient.TracerHeaderFilter, () => true)
          )
          assert.strictEqual(spans.length, isTried ? 2 : 1)
          const text = inspect(spans, { depth: 14, showHidden: true })
            + spans.map(({ status }) => status._tag === "Ended" ? JSON.stringify(status.exit) : "").join("\n")
          assert.notInclude(text, "canary")
          if (isTried) assert.include(text, "http.request.header.anthropic-version")
        }))
    }
  }

  it.effect("nor among those of a credential under names of its own", () =>
    Effect.gen(function*() {
      const { spans, tracer } = recordSpans()
      const headers = { "X-Corp-Ticket": Redacted.make("ticket-canary") }
      const credentials = Credentials.make({ headersFor: () => Effect.succeed(headers), identity: "corp" })
      const mock = HttpMock.answering(() => Response.json({ data: [] }))
      yield* Files.listPage().pipe(
        Effect.provide(
          Files.layerCredentials().pipe(
            Layer.provide(Layer.succeed(Credentials.Credentials, credentials)),
            Layer.provide(Layer.succeed(HttpClient.HttpClient, mock.client))
          )
        ),
        Effect.withTracer(tracer),
        Effect.provideService(HttpClient.TracerDisabledWhen, () => false),
        Effect.provideService(HttpClient.TracerHeaderFilter, () => true)
      )
      assert.strictEqual(mock.requests()[0]?.headers["x-corp-ticket"], "ticket-canary")
      const text = inspect(spans, { depth: 14, showHidden: true })
      assert.notInclude(text, "canary")
      assert.include(text, "http.request.header.x-corp-ticket")
    }))
})
