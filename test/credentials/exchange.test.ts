import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Redacted } from "effect"
import { Credentials, Files, Policy } from "effect-anthropic-files"
import { HttpClient, HttpClientError } from "effect/http"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import { endpoint, environment, headersOf } from "./support.ts"

const assertion = "assertion-canary-0123456789"

const options = {
  ruleId: "fdrl_1",
  organizationId: "org_1",
  identityToken: Effect.succeed(Redacted.make(assertion))
}

const open = (server: ReturnType<typeof endpoint>, more: Partial<Credentials.FederationOptions> = {}) =>
  Effect.gen(function*() {
    const context = yield* Layer.build(
      Credentials.federation({ ...options, ...more }).pipe(
        Layer.provide(server.layer),
        Layer.provide(environment({})),
        Layer.fresh
      )
    )
    return yield* Effect.provideContext(Credentials.Credentials, context)
  })

/** Runs to the end, however long that waits. */
const patiently = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    yield* TestClock.adjust("10 minutes")
    return yield* Fiber.join(fiber)
  })

const json = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  Effect.sync(() => Response.json(body, { status, headers }))

const failure = (answer: () => Effect.Effect<Response>) =>
  Effect.gen(function*() {
    const server = endpoint()
    server.state.answer = answer
    const error = yield* Effect.flip(patiently(headersOf(yield* open(server))))
    assert.strictEqual(error._tag, "CredentialsFailed")
    assert.notInclude(`${error.message}\n${JSON.stringify(error)}\n${inspect(error, { depth: 9 })}`, "canary")
    return { error, exchanges: server.state.exchanges.length }
  })

describe("the token endpoint", () => {
  it.effect.each([500, 502, 503, 504, 529, 429, 408])(
    "that answers %i is asked again, a few times",
    (status) =>
      Effect.gen(function*() {
        const { error, exchanges } = yield* failure(() => json(status, { error: "server_error" }))
        assert.strictEqual(exchanges, 4)
        assert.isTrue(error.isRetryable)
        assert.strictEqual(error.status, status)
        assert.include(error.message, "try again later")
      })
  )

  it.effect("is asked no more often for the retry policy of the client that waits for its token", () =>
    Effect.gen(function*() {
      const server = endpoint()
      server.state.answer = () => json(503, { error: "server_error" })
      const layer = Files.layerCredentials({}).pipe(
        Layer.provide(Credentials.federation(options)),
        Layer.provide(environment({})),
        Layer.provide(Layer.provide(Policy.standard({ circuitBreaker: false }), server.layer)),
        Layer.fresh
      )
      const error = yield* patiently(Effect.flip(Effect.provide(Files.listPage(), layer)))
      assert.strictEqual(error._tag === "RequestFailed" ? error.reason._tag : error._tag, "CredentialsFailed")
      assert.strictEqual(server.state.exchanges.length, 4)
    }))

  it.effect("that answers for a while only with 503 gives a token in the end", () =>
    Effect.gen(function*() {
      const server = endpoint()
      server.state.answer = () => {
        server.state.answer = undefined
        return json(503, {}, { "retry-after": "7" })
      }
      const credentials = yield* open(server)
      const fiber = yield* Effect.forkChild(headersOf(credentials), { startImmediately: true })
      yield* TestClock.adjust("6900 millis")
      assert.strictEqual(server.state.exchanges.length, 1)
      yield* TestClock.adjust("100 millis")
      assert.strictEqual((yield* Fiber.join(fiber)).authorization, "Bearer token-2")
    }))

  it.effect("that wants to be left alone for longer than a caller waits is left alone", () =>
    Effect.gen(function*() {
      const { error, exchanges } = yield* failure(() => json(429, {}, { "retry-after": "3600" }))
      assert.strictEqual(exchanges, 1)
      assert.deepStrictEqual(error.retryAfter, Duration.hours(1))
    }))

  it.effect("that refuses is asked once, and the error says what to look at", () =>
    Effect.gen(function*() {
      const { error, exchanges } = yield* failure(() =>
        json(401, {
          error: "invalid_grant",
          error_description: `assertion ${assertion} has expired`,
          assertion,
          access_token: "token-canary"
        }, { "request-id": "req_1" })
      )
      assert.strictEqual(exchanges, 1)
      assert.isFalse(error.isRetryable)
      assert.strictEqual(error.requestId, "req_1")
      assert.include(error.message, "fdrl_1")
      assert.include(error.message, "invalid_grant")
      assert.deepStrictEqual(JSON.parse(error.body ?? ""), {
        error: "invalid_grant",
        error_description: "assertion [redacted] has expired"
      })
    }))

  it.effect.each<readonly [what: string, body: unknown]>([
    ["no token", { expires_in: 3600 }],
    ["an empty token", { access_token: "", expires_in: 3600 }],
    ["a token of two words", { access_token: "canary canary", expires_in: 3600 }],
    ["no lifetime", { access_token: "token-canary" }],
    ["a lifetime in words", { access_token: "token-canary", expires_in: "soon" }],
    ["another type of token", { access_token: "token-canary", expires_in: 3600, token_type: "mac" }],
    ["a list", ["token-canary"]],
    ["a number", 1],
    ["nothing", null]
  ])("whose answer holds %s is an error that repeats none of it", ([, body]) =>
    Effect.gen(function*() {
      const { error } = yield* failure(() => json(200, body))
      assert.isFalse(error.isRetryable)
    }))

  it.effect("may write the lifetime as a text, and the type in any case", () =>
    Effect.gen(function*() {
      const server = endpoint()
      server.state.answer = () => json(200, { access_token: "a", expires_in: "3600", token_type: "bEARER" })
      assert.strictEqual((yield* headersOf(yield* open(server))).authorization, "Bearer a")
    }))

  it.effect("that answers with more than a MiB is read no further", () =>
    Effect.gen(function*() {
      const server = endpoint()
      server.state.answer = () => Effect.sync(() => new Response("x".repeat((1 << 20) + 1)))
      const error = yield* Effect.flip(headersOf(yield* open(server)))
      assert.include(error.message, "longer than")
    }))

  it.effect("that redirects is not followed", () =>
    Effect.gen(function*() {
      const { error, exchanges } = yield* failure(() =>
        Effect.sync(() => new Response(null, { status: 307, headers: { location: "https://evil.example" } }))
      )
      assert.strictEqual(exchanges, 1)
      assert.include(error.message, "redirects")
    }))

  it.effect("that gives no answer is given up after a minute", () =>
    Effect.gen(function*() {
      const server = endpoint()
      server.state.answer = () => Effect.never
      const fiber = yield* Effect.forkChild(Effect.flip(headersOf(yield* open(server))), { startImmediately: true })
      yield* TestClock.adjust("61 seconds")
      const error = yield* Fiber.join(fiber)
      assert.isTrue(error.isRetryable)
      assert.include(error.message, "within")
    }))

  it.effect("that can't be reached is named, and the request's body is not", () =>
    Effect.gen(function*() {
      let count = 0
      const client = HttpClient.make((request) => {
        count++
        return Effect.fail(
          new HttpClientError.HttpClientError({
            reason: new HttpClientError.TransportError({
              request,
              cause: Object.assign(new Error("connect"), { code: "ECONNREFUSED" })
            })
          })
        )
      })
      const server = { ...endpoint(), layer: Layer.succeed(HttpClient.HttpClient, client) }
      const error = yield* Effect.flip(patiently(headersOf(yield* open(server))))
      assert.strictEqual(count, 4)
      assert.include(error.message, "ECONNREFUSED")
      assert.isTrue(error.isRetryable)
      assert.notInclude(inspect(error, { depth: 9 }), "canary")
    }))

  it.effect("is not asked over plain http to another machine, unless that is allowed", () =>
    Effect.gen(function*() {
      const baseUrl = "http://gateway:4000"
      const error = yield* Effect.flip(open(endpoint(), { baseUrl }))
      assert.strictEqual(error._tag, "InvalidConfig")
      const server = endpoint()
      yield* headersOf(yield* open(server, { baseUrl, allowPlainHttp: true }))
      assert.strictEqual(server.state.exchanges[0]?.url, "http://gateway:4000/v1/oauth/token")
      yield* open(endpoint(), { baseUrl: "http://127.0.0.1:4000" })
    }))
})

describe("a federation in code", () => {
  it.effect("asks for the identity token at each exchange", () =>
    Effect.gen(function*() {
      let count = 0
      const server = endpoint()
      const credentials = yield* open(server, {
        identityToken: Effect.sync(() => Redacted.make(`assertion-${++count}`))
      })
      yield* headersOf(credentials)
      yield* TestClock.adjust("1 hour")
      yield* headersOf(credentials)
      assert.deepStrictEqual(server.state.exchanges.map(({ body }) => body.assertion), ["assertion-1", "assertion-2"])
      assert.strictEqual(credentials.identity, "organization org_1 workspace default")
    }))

  it.effect("whose identity token can't be had says why", () =>
    Effect.gen(function*() {
      const credentials = yield* open(endpoint(), { identityToken: Effect.fail({ message: "no metadata server" }) })
      const error = yield* Effect.flip(headersOf(credentials))
      assert.include(error.message, "no metadata server")
    }))

  it.effect.each(["ruleId", "organizationId"] as const)(
    "without %s is refused at once",
    (option) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(open(endpoint(), { [option]: " " }))
        assert.deepInclude(error, { _tag: "InvalidConfig", option })
      })
  )

  it.effect("with a file and no file system is refused at once", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(open(endpoint(), { identityToken: { file: "/x" } }))
      assert.include(error.message, "FileSystem")
    }))
})
