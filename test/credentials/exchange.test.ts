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

/** Runs an effect to the end, however long it waits. */
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
    "is asked again a few times if it answers %i",
    (status) =>
      Effect.gen(function*() {
        const { error, exchanges } = yield* failure(() => json(status, { error: "server_error" }))
        assert.strictEqual(exchanges, 4)
        assert.isTrue(error.isRetryable)
        assert.strictEqual(error.status, status)
        assert.include(error.message, "try again later")
      })
  )

  it.effect("is not asked more often because of the client's retry policy", () =>
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

  it.effect("gives a token after answering 503 for a while", () =>
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

  it.effect("is not asked again if it requests a longer wait than a caller accepts", () =>
    Effect.gen(function*() {
      const { error, exchanges } = yield* failure(() => json(429, {}, { "retry-after": "3600" }))
      assert.strictEqual(exchanges, 1)
      assert.deepStrictEqual(error.retryAfter, Duration.hours(1))
    }))

  it.effect("is asked once if it refuses, and the error says what to check", () =>
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
  ])("fails without repeating its answer if that holds %s", ([, body]) =>
    Effect.gen(function*() {
      const { error } = yield* failure(() => json(200, body))
      assert.isFalse(error.isRetryable)
    }))

  it.effect("may send the lifetime as a string, and the type in any letter case", () =>
    Effect.gen(function*() {
      const server = endpoint()
      server.state.answer = () => json(200, { access_token: "a", expires_in: "3600", token_type: "bEARER" })
      assert.strictEqual((yield* headersOf(yield* open(server))).authorization, "Bearer a")
    }))

  it.effect("is not read beyond a MiB of its answer", () =>
    Effect.gen(function*() {
      const server = endpoint()
      server.state.answer = () => Effect.sync(() => new Response("x".repeat((1 << 20) + 1)))
      const error = yield* Effect.flip(headersOf(yield* open(server)))
      assert.include(error.message, "longer than")
    }))

  it.effect("is not followed if it redirects", () =>
    Effect.gen(function*() {
      const { error, exchanges } = yield* failure(() =>
        Effect.sync(() => new Response(null, { status: 307, headers: { location: "https://evil.example" } }))
      )
      assert.strictEqual(exchanges, 1)
      assert.include(error.message, "redirects")
    }))

  it.effect("fails after a minute without an answer", () =>
    Effect.gen(function*() {
      const server = endpoint()
      server.state.answer = () => Effect.never
      const fiber = yield* Effect.forkChild(Effect.flip(headersOf(yield* open(server))), { startImmediately: true })
      yield* TestClock.adjust("61 seconds")
      const error = yield* Fiber.join(fiber)
      assert.isTrue(error.isRetryable)
      assert.include(error.message, "within")
    }))

  it.effect("is named in the error if it can't be reached, and the request's body is not", () =>
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

  it.effect("is not asked over plain http on another machine, unless that is allowed", () =>
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

  it.effect("says why its identity token can't be obtained", () =>
    Effect.gen(function*() {
      const credentials = yield* open(endpoint(), { identityToken: Effect.fail({ message: "no metadata server" }) })
      const error = yield* Effect.flip(headersOf(credentials))
      assert.include(error.message, "no metadata server")
    }))

  it.effect.each(["ruleId", "organizationId"] as const)(
    "is refused at once without %s",
    (option) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(open(endpoint(), { [option]: " " }))
        assert.deepInclude(error, { _tag: "InvalidConfig", option })
      })
  )

  it.effect("is refused at once with a token file but no file system", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(open(endpoint(), { identityToken: { file: "/x" } }))
      assert.include(error.message, "FileSystem")
    }))
})
