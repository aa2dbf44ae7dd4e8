import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Redacted, Stream } from "effect"
import {
  Credentials,
  FileMetadata,
  Files,
  type FilesError,
  FileSource,
  MessageBatches,
  Messages,
  Policy
} from "effect-anthropic-files"
import { Emulator, layer as emulatorLayer } from "effect-anthropic-files/emulator/Emulator"
import * as Foundry from "effect-anthropic-files/platform/Foundry"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { driven, environment, Folder, folder, writeLogin } from "./support.ts"

interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

const page = () => Response.json({ data: [], next_page: null })

const unauthorized = () =>
  Response.json({ type: "error", error: { type: "authentication_error", message: "no" } }, { status: 401 })

/** A service that refuses tokens below a number, and records its requests. */
const service = (answer?: (received: HttpMock.Received) => HttpMock.Reply) => {
  const seen: Array<Seen> = []
  const state = { from: 1, isAsked: 0 }
  const { client } = HttpMock.answering((received) => {
    const { headers, method, url } = received.request
    seen.push({ method, url, headers: { ...headers } })
    const number = Number(/token-(\d+)/.exec(headers["authorization"] ?? "")?.[1] ?? 0)
    if (number < state.from) return unauthorized()
    return answer === undefined ? page() : answer(received)
  })
  /** `token-1`, `token-2` …, each until it expires. */
  const token = Effect.clockWith((clock) =>
    Effect.sync((): Credentials.Token => ({
      token: Redacted.make(`token-${++state.isAsked}`),
      expiresAt: new Date(clock.currentTimeMillisUnsafe() + 3_600_000)
    }))
  )
  return { seen, state, http: Layer.succeed(HttpClient.HttpClient, client), token }
}

const clientOf = (
  { http, token }: ReturnType<typeof service>,
  options?: Files.ClientOptions,
  policy?: Policy.Policy
) =>
  Effect.map(
    Layer.build(
      Layer.fresh(Files.layerCredentials(options)).pipe(
        Layer.provide(Credentials.fromEffect(token)),
        Layer.provide(policy === undefined ? http : Layer.provide(policy, http))
      )
    ),
    (context) => Context.get(context, Files.Files)
  )

const reasonOf = (error: FilesError.RequestFailed | FilesError.RateLimited) =>
  error._tag === "RequestFailed" ? error.reason._tag : error._tag

describe("a token that the service refuses", () => {
  it.effect("is renewed once, and the request is sent again, without a retry policy", () =>
    Effect.gen(function*() {
      const api = service()
      const files = yield* clientOf(api)
      api.state.from = 2
      yield* files.listPage()
      assert.deepStrictEqual(api.seen.map(({ headers }) => headers["authorization"]), [
        "Bearer token-1",
        "Bearer token-2"
      ])
    }))

  it.effect("is hidden in the error, and so is the one that it was replaced by, whatever the service repeats", () =>
    Effect.gen(function*() {
      let count = 0
      const { client } = HttpMock.answering(({ request }) =>
        Response.json({
          type: "error",
          error: { type: "authentication_error", message: `no: ${request.headers["authorization"]}` }
        }, { status: 401 })
      )
      const files = Files.layerCredentials().pipe(
        Layer.provide(Credentials.fromEffect(Effect.sync(() => Redacted.make(`canary-token-${++count}`)))),
        Layer.provide(Layer.succeed(HttpClient.HttpClient, client))
      )
      const error = yield* Effect.flip(Effect.provide(Files.listPage(), files))
      assert.strictEqual(count, 2)
      assert.include(error.message, "[redacted]")
      assert.notInclude(JSON.stringify(error), "canary-token")
    }))

  it.effect("is final if it is refused a second time, and the next call obtains another one", () =>
    Effect.gen(function*() {
      const api = service()
      const files = yield* clientOf(api, {}, Policy.retry())
      api.state.from = 99
      const error = yield* Effect.flip(files.listPage())
      assert.strictEqual(reasonOf(error), "Unauthorized")
      assert.strictEqual(api.seen.length, 2)
      api.state.from = 3
      yield* files.listPage()
      assert.strictEqual(api.seen.length, 4)
    }))

  it.effect("costs no try of a retry policy", () =>
    Effect.gen(function*() {
      let failures = 1
      const api = service(() => failures-- > 0 ? new Response("", { status: 503 }) : page())
      const files = yield* clientOf(api, {}, Policy.retry({ times: 1 }))
      api.state.from = 2
      const fiber = yield* Effect.forkChild(files.listPage(), { startImmediately: true })
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.strictEqual(api.seen.length, 3)
    }))

  it.effect("is renewed once for 64 concurrent requests", () =>
    Effect.gen(function*() {
      const api = service(() => Effect.as(Effect.yieldNow, page()))
      const files = yield* clientOf(api)
      yield* files.listPage()
      yield* TestClock.adjust("10 seconds")
      api.state.from = 2
      yield* Effect.forEach(Array.from({ length: 64 }), () => files.listPage(), { concurrency: "unbounded" })
      assert.strictEqual(api.state.isAsked, 2)
    }))

  it.effect("leaves the service's error if it can't be renewed", () =>
    Effect.gen(function*() {
      const api = service()
      let count = 0
      const token = Effect.suspend(() => count++ === 0 ? api.token : Effect.fail({ message: "logged out" }))
      const context = yield* Layer.build(
        Files.layerCredentials().pipe(Layer.provide(Credentials.fromEffect(token)), Layer.provide(api.http))
      )
      const files = Context.get(context, Files.Files)
      api.state.from = 9
      const error = yield* Effect.flip(files.listPage())
      assert.strictEqual(reasonOf(error), "Unauthorized")
      assert.include(error.message, "the service refused the token: check the Effect that provides it.")
    }))

  it.effect("is not sent again if it is a key, and the error names it", () =>
    Effect.gen(function*() {
      const api = service()
      api.state.from = 1
      const error = yield* Effect.flip(
        Files.listPage().pipe(
          Effect.provide(Layer.provide(Files.layer({ apiKey: Redacted.make("sk-ant-canary") }), api.http))
        )
      )
      assert.strictEqual(api.seen.length, 1)
      assert.include(error.message, "the service refused the key.")
    }))

  it.effect("is not renewed for a forbidden request (403)", () =>
    Effect.gen(function*() {
      const api = service(() =>
        Effect.sync(() =>
          Response.json({ type: "error", error: { type: "permission_error", message: "no" } }, { status: 403 })
        )
      )
      yield* Effect.flip((yield* clientOf(api)).listPage())
      assert.strictEqual(api.state.isAsked, 1)
    }))
})

describe("an upload whose token expires midway", () => {
  const size = 500_000

  const stored = () =>
    Response.json({
      id: "file_1",
      type: "file",
      filename: "a.bin",
      mime_type: "application/octet-stream",
      size_bytes: size,
      created_at: "2026-11-25T10:00:00Z",
      downloadable: false,
      expires_at: null
    })

  const uploads = () => {
    const bodies: Array<number> = []
    const api = service(({ bytes }) => {
      bodies.push(bytes.length)
      return stored()
    })
    return { api, bodies }
  }

  const chunks = Array.from({ length: 50 }, () => new Uint8Array(size / 50))

  it.effect("is sent again from a source that can be read again", () =>
    Effect.gen(function*() {
      const { api, bodies } = uploads()
      const files = yield* clientOf(api)
      api.state.from = 2
      const source = FileSource.stream(Stream.fromIterable(chunks), { filename: "a.bin", size, replayable: true })
      const file = yield* files.upload(source)
      assert.strictEqual(file.size_bytes, size)
      assert.strictEqual(bodies.length, 1)
      assert.strictEqual(api.seen.length, 2)
    }))

  it.effect("fails with the 401 if the source is spent, and the next upload succeeds", () =>
    Effect.gen(function*() {
      const { api } = uploads()
      // A service that reads a body before it refuses it.
      const reading = {
        ...api,
        http: Layer.succeed(
          HttpClient.HttpClient,
          HttpMock.answering(({ request }) =>
            request.headers["authorization"] === "Bearer token-1" ? unauthorized() : stored()
          ).client
        )
      }
      const files = yield* clientOf(reading)
      const once = () => FileSource.readableStream(new Blob(chunks).stream(), { filename: "a.bin", size })
      const error = yield* Effect.flip(files.upload(once()))
      assert.strictEqual(error._tag === "RequestFailed" ? error.reason._tag : error._tag, "Unauthorized")
      assert.isFalse(error.isRetryable)
      assert.strictEqual((yield* files.upload(once())).size_bytes, size)
      assert.strictEqual(api.state.isAsked, 2)
    }))
})

describe("with the emulator", () => {
  const refreshTokens = { "refresh-0": "wrkspc_1" }
  const federationRules = { fdrl_1: "wrkspc_1" }

  const jwt = (claims: object) =>
    ["{}", JSON.stringify(claims), "signature"].map((part) => Buffer.from(part).toString("base64url")).join(".")

  const world = Layer.merge(
    folder,
    emulatorLayer({ credentials: { refreshTokens, federationRules, tokenLifetime: "10 minutes" } })
  )

  const build = (options: Files.ClientOptions = {}) =>
    Effect.gen(function*() {
      const emulator = yield* Emulator
      const { path } = yield* Folder
      const context = yield* Layer.build(
        Layer.fresh(Layer.mergeAll(
          Files.layerCredentials({ baseUrl: emulator.url, ...options }),
          Messages.layerCredentials({ baseUrl: emulator.url, ...options })
        )).pipe(
          Layer.provide(Credentials.profile({ name: "work", baseUrl: emulator.url })),
          Layer.provide(environment({ ANTHROPIC_CONFIG_DIR: path }))
        )
      )
      return Context.get(context, Files.Files)
    })

  const login = Effect.gen(function*() {
    const emulator = yield* Emulator
    const { write } = yield* Folder
    const config = {
      base_url: emulator.url,
      organization_id: emulator.organization,
      authentication: { type: "user_oauth", client_id: "client-1" }
    }
    yield* writeLogin(config, { access_token: "expired", expires_at: -1, refresh_token: "refresh-0" })
    return { emulator, write }
  })

  it.effect(
    "a login is renewed, used, and expires in the middle of a listing of a thousand pages",
    () =>
      Effect.gen(function*() {
        const { emulator } = yield* login
        for (let count = 0; count < 1000; count++) {
          yield* emulator.seed({ filename: `${count}.txt`, content: "x", workspace: "wrkspc_1" })
        }
        const files = yield* build()
        let count = 0
        const all = files.list({ limit: 1 }).pipe(
          Stream.tap(() => {
            count++
            // Five minutes for each half of a token's ten, and one token that is revoked.
            if (count === 777) {
              return emulator.expireTokens()
            }
            return count % 100 === 0 ? TestClock.adjust("5 minutes") : Effect.void
          }),
          Stream.runCount
        )
        assert.strictEqual(yield* driven(all), 1000)
        const { length } = yield* emulator.tokens
        assert.isAtLeast(length, 5)
        assert.isAtMost(length, 9)
        const refused = (yield* emulator.requests).filter(({ status }) => status === 401)
        assert.isAtMost(refused.length, 1)
      }).pipe(Effect.provide(world)),
    120_000
  )

  it.effect("a login whose tokens are revoked during an upload is renewed, and one file is stored", () =>
    Effect.gen(function*() {
      const { emulator } = yield* login
      const files = yield* build()
      yield* driven(files.listPage())
      yield* emulator.revokeTokens()
      const file = yield* driven(files.upload(FileSource.bytes(new Uint8Array(100_000), "a.bin")))
      assert.strictEqual(file.size_bytes, 100_000)
      assert.strictEqual((yield* emulator.files).length, 1)
    }).pipe(Effect.provide(world)))

  it.effect("workload identity works end to end", () =>
    Effect.gen(function*() {
      const { emulator, write } = yield* login
      const { writeConfig } = yield* Folder
      yield* writeConfig("work", {
        base_url: emulator.url,
        organization_id: emulator.organization,
        authentication: {
          type: "oidc_federation",
          federation_rule_id: "fdrl_1",
          identity_token: { source: "file", path: yield* write("identity", jwt({ sub: "workload" })) }
        }
      })
      const files = yield* build()
      yield* driven(files.upload(FileSource.text("hello", "a.txt")))
      yield* TestClock.adjust("1 hour")
      const page = yield* driven(files.listPage())
      assert.strictEqual(page.data.length, 1)
      assert.strictEqual((yield* emulator.tokens).length, 2)
    }).pipe(Effect.provide(world)))

  it.effect("an ended login is an error that says to log in again", () =>
    Effect.gen(function*() {
      const { emulator } = yield* login
      const files = yield* build()
      yield* emulator.revokeTokens("refresh-0")
      const error = yield* Effect.flip(driven(files.listPage()))
      assert.strictEqual(reasonOf(error), "CredentialsFailed")
      assert.include(error.message, "log in again")
      assert.notInclude(JSON.stringify(error), "refresh-0")
    }).pipe(Effect.provide(world)))

  it.effect("64 fibers on an expired login exchange one token", () =>
    Effect.gen(function*() {
      const { emulator } = yield* login
      const files = yield* build()
      yield* driven(
        Effect.forEach(Array.from({ length: 64 }), () => files.listPage(), { concurrency: "unbounded" })
      )
      assert.strictEqual((yield* emulator.tokens).length, 1)
    }).pipe(Effect.provide(world)))
})

describe("a request carries one credential, to one address", () => {
  it.effect("Files, Messages and MessageBatches of one layer share a token", () =>
    Effect.gen(function*() {
      const api = service(() => Response.json({ data: [], has_more: false, next_page: null }))
      const credentials = Credentials.fromEffect(api.token)
      const live = Layer.mergeAll(
        Files.layerCredentials(),
        Messages.layerCredentials(),
        MessageBatches.layerCredentials()
      ).pipe(Layer.provide(credentials), Layer.provide(api.http))
      yield* Effect.provide(
        Effect.gen(function*() {
          yield* Files.listPage()
          yield* Stream.runDrain(MessageBatches.list())
          yield* Effect.ignore(Messages.create({
            model: "claude-sonnet-5-5",
            max_tokens: 1,
            messages: [{ role: "user", content: "hi" }]
          }))
        }),
        live
      )
      assert.strictEqual(api.seen.length, 3)
      assert.strictEqual(api.state.isAsked, 1)
      for (const { headers } of api.seen) {
        assert.strictEqual(headers["authorization"], "Bearer token-1")
        assert.isUndefined(headers["x-api-key"])
        assert.include(headers["anthropic-beta"], "oauth-2025-04-20")
      }
    }))

  it.effect("the client's betas are kept, without duplicates", () =>
    Effect.gen(function*() {
      const api = service()
      const files = yield* clientOf(api, { betas: ["one", "oauth-2025-04-20"], dialect: "beta" })
      yield* Effect.ignore(files.listPage())
      assert.strictEqual(
        api.seen[0]?.headers["anthropic-beta"],
        "files-api-2025-04-14,one,oauth-2025-04-20"
      )
    }))

  it.effect("a credential header and credentials exclude each other; with Credentials.none the header is the credential", () =>
    Effect.gen(function*() {
      const api = service()
      const headers = { Authorization: "Bearer token-5" }
      const error = yield* Effect.flip(clientOf(api, { headers }))
      assert.strictEqual(error._tag, "InvalidConfig")
      yield* Files.listPage().pipe(
        Effect.provide(
          Files.layerCredentials({ headers }).pipe(Layer.provide(Credentials.none), Layer.provide(api.http))
        )
      )
      assert.strictEqual(api.seen[0]?.headers["authorization"], "Bearer token-5")
    }))

  it.effect("with Credentials.none requests have no credential, for a gateway that authorizes", () =>
    Effect.gen(function*() {
      const seen: Array<Seen> = []
      const http = Layer.succeed(
        HttpClient.HttpClient,
        HttpMock.answering(({ request: { headers, method, url } }) => {
          seen.push({ method, url, headers: { ...headers } })
          return page()
        }).client
      )
      yield* Files.listPage().pipe(
        Effect.provide(
          Files.layerCredentials({ baseUrl: "https://gateway.example" }).pipe(
            Layer.provide(Credentials.none),
            Layer.provide(http)
          )
        )
      )
      const names = Object.keys(seen[0]?.headers ?? {})
      assert.deepStrictEqual(names.filter((name) => /key|auth|token/.test(name)), [])
    }))

  it.effect("a redirect to another address receives nothing", () =>
    Effect.gen(function*() {
      const api = service(() => new Response(null, { status: 307, headers: { location: "https://evil.example/" } }))
      const error = yield* Effect.flip((yield* clientOf(api)).listPage())
      assert.strictEqual(reasonOf(error), "UnexpectedResponse")
      assert.strictEqual(api.seen.length, 1)
    }))

  it.effect("a batch's results come from the base URL, wherever the batch says they are", () =>
    Effect.gen(function*() {
      const api = service(({ path }) =>
        path.endsWith("/results")
          ? new Response("")
          : Response.json({
            id: "msgbatch_1",
            type: "message_batch",
            processing_status: "ended",
            request_counts: { processing: 0, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
            created_at: "2026-11-25T10:00:00Z",
            expires_at: "2026-11-26T10:00:00Z",
            ended_at: null,
            cancel_initiated_at: null,
            archived_at: null,
            results_url: "https://evil.example/v1/messages/batches/msgbatch_1/results"
          })
      )
      const live = MessageBatches.layerCredentials().pipe(
        Layer.provide(Credentials.fromEffect(api.token)),
        Layer.provide(api.http)
      )
      yield* Effect.provide(
        Effect.gen(function*() {
          yield* MessageBatches.get("msgbatch_1")
          yield* Effect.ignore(Stream.runDrain(MessageBatches.results("msgbatch_1")))
        }),
        live
      )
      for (const { url } of api.seen) assert.match(url, /^https:\/\/api\.anthropic\.com\//)
    }))

  it.effect("the base URL of credentials is used unless the client has one", () =>
    Effect.gen(function*() {
      const api = service()
      const credentials = Layer.succeed(
        Credentials.Credentials,
        Credentials.make({
          headersFor: () => Effect.succeed({ authorization: Redacted.make("Bearer token-1") }),
          identity: "mine",
          baseUrl: "https://platform.example/x"
        })
      )
      for (const baseUrl of [undefined, "", "https://own.example"]) {
        yield* Files.listPage().pipe(
          Effect.provide(
            Files.layerCredentials({ baseUrl }).pipe(Layer.provide(credentials), Layer.provide(api.http), Layer.fresh)
          )
        )
      }
      assert.deepStrictEqual(api.seen.map(({ url }) => new URL(url).origin), [
        "https://platform.example",
        "https://platform.example",
        "https://own.example"
      ])
    }))
})

describe("Foundry", () => {
  const live = (http: Layer.Layer<HttpClient.HttpClient>) =>
    Layer.mergeAll(Files.layerCredentials(), MessageBatches.layerCredentials()).pipe(
      Layer.provide(Foundry.layer({ resource: "r", apiKey: Redacted.make("canary-key") })),
      Layer.provide(http),
      Layer.provide(environment({}))
    )

  it.effect("has files, and no batches: they fail before anything is sent", () =>
    Effect.gen(function*() {
      const api = service()
      api.state.from = 0
      const operations: ReadonlyArray<
        Effect.Effect<unknown, { readonly message: string }, MessageBatches.MessageBatches>
      > = [
        MessageBatches.create([{
          custom_id: "a",
          params: { model: "m", max_tokens: 1, messages: [{ role: "user", content: "x" }] }
        }]),
        MessageBatches.get("msgbatch_1"),
        Stream.runDrain(MessageBatches.list()),
        MessageBatches.cancel("msgbatch_1"),
        MessageBatches.delete("msgbatch_1"),
        Stream.runDrain(MessageBatches.results("msgbatch_1"))
      ]
      yield* Effect.provide(
        Effect.gen(function*() {
          for (const operation of operations) {
            const error = yield* Effect.flip(operation)
            assert.include(error.message, "Microsoft Foundry has no message batches")
          }
          assert.strictEqual(api.seen.length, 0)
          yield* Files.listPage()
        }),
        live(api.http)
      )
      assert.match(api.seen[0]?.url ?? "", /^https:\/\/r\.services\.ai\.azure\.com\/anthropic\/v1\/files/)
      assert.strictEqual(api.seen[0]?.headers["x-api-key"], "canary-key")
    }))
})

describe("the identity of the caller", () => {
  it.effect("is the same to the rate limit with every token", () =>
    Effect.gen(function*() {
      const api = service()
      const files = yield* clientOf(
        api,
        {},
        Policy.rateLimit({ requestsPerMinute: 6, burst: 1, maxWait: "10 minutes" })
      )
      const fiber = yield* Effect.forkChild(
        Effect.gen(function*() {
          for (let count = 0; count < 4; count++) {
            api.state.from = api.state.isAsked + 1
            yield* files.listPage()
          }
        }),
        { startImmediately: true }
      )
      yield* TestClock.adjust("45 seconds")
      assert.isAtMost(api.seen.length, 5)
      for (let steps = 0; steps < 10; steps++) yield* TestClock.adjust("20 seconds")
      yield* Fiber.join(fiber)
      assert.isAtLeast(api.state.isAsked, 4)
    }))

  it.effect("opens its own circuit, not that of others at the same host", () =>
    Effect.gen(function*() {
      const http = Layer.succeed(
        HttpClient.HttpClient,
        HttpMock.answering(({ request }) =>
          request.headers["x-api-key"] === "sk-broken" ? new Response("", { status: 500 }) : page()
        ).client
      )
      const context = yield* Layer.build(Layer.provide(Policy.circuitBreaker(), http))
      const of = (key: string) => Effect.provideContext(Files.make({ apiKey: Redacted.make(key) }), context)
      const broken = yield* of("sk-broken")
      const sound = yield* of("sk-sound")
      for (let count = 0; count < 6; count++) yield* Effect.ignore(broken.listPage())
      assert.strictEqual(reasonOf(yield* Effect.flip(broken.listPage())), "CircuitOpen")
      yield* sound.listPage()
    }))
})

describe("one call", () => {
  const id = FileMetadata.FileId.make("file_1")

  it.effect("of Files may name a workspace and headers", () =>
    Effect.gen(function*() {
      const api = service()
      const files = yield* clientOf(api, { workspaceId: "wrkspc_client" })
      const options = { workspaceId: "wrkspc_call", headers: { "X-Tenant": "a", "anthropic-beta": "some-beta" } }
      yield* files.listPage(options)
      yield* Effect.ignore(Stream.runDrain(files.list(options)))
      yield* Effect.ignore(files.metadata(id, options))
      yield* Effect.ignore(files.delete(id, options))
      yield* Effect.ignore(Stream.runDrain(files.download(id, options)))
      yield* Effect.ignore(files.upload(FileSource.text("x", "x.txt"), options))
      assert.isAtLeast(api.seen.length, 6)
      for (const { headers, method, url } of api.seen) {
        assert.strictEqual(headers["anthropic-workspace-id"], "wrkspc_call", `${method} ${url}`)
        assert.strictEqual(headers["x-tenant"], "a")
        assert.include(headers["anthropic-beta"], "some-beta")
        assert.include(headers["anthropic-beta"], "oauth-2025-04-20")
      }
      yield* files.listPage()
      assert.strictEqual(api.seen.at(-1)?.headers["anthropic-workspace-id"], "wrkspc_client")
    }))

  it.effect("can't set a credential of its own", () =>
    Effect.gen(function*() {
      const api = service()
      const files = yield* clientOf(api)
      for (const name of ["Authorization", "x-api-key", "API-Key"]) {
        const error = yield* Effect.flip(files.listPage({ headers: { [name]: "canary" } }))
        assert.strictEqual(reasonOf(error), "InvalidRequest")
      }
      assert.strictEqual(api.seen.length, 0)
    }))
})

it.effect("a token that can't be obtained is an error of the call, and nothing is sent", () =>
  Effect.gen(function*() {
    const api = service()
    const token: typeof api.token = Effect.die("unused")
    const failing = Effect.andThen(Effect.fail({ message: "the vault is sealed" }), token)
    const context = yield* Layer.build(
      Files.layerCredentials().pipe(Layer.provide(Credentials.fromEffect(failing)), Layer.provide(api.http))
    )
    const error = yield* Effect.flip(Context.get(context, Files.Files).listPage())
    assert.strictEqual(reasonOf(error), "CredentialsFailed")
    assert.include(error.message, "the vault is sealed")
    assert.strictEqual(api.seen.length, 0)
  }))
