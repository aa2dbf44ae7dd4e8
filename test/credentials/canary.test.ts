import { assert, it } from "@effect/vitest"
import { Cause, Effect, Exit, FileSystem, Layer, Logger, Redacted, References, Stream, Tracer } from "effect"
import { Credentials, FileMetadata, Files, FileSource } from "effect-anthropic-files"
import * as Aws from "effect-anthropic-files/platform/Aws"
import * as Foundry from "effect-anthropic-files/platform/Foundry"
import * as GoogleCloud from "effect-anthropic-files/platform/GoogleCloud"
import * as HttpMock from "effect-anthropic-files/testing/HttpMock"
import * as Recorder from "effect-anthropic-files/testing/Recorder"
import { HttpClient, HttpClientError } from "effect/http"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import { recordSpans } from "../support/spans.ts"
import { driven, environment, Folder, folder, writeLogin } from "./support.ts"

// Every secret in full, and a half of it that would help to guess it.
const secrets = {
  key: "sk-ant-canary-key-0123456789abcdef",
  authToken: "canary-auth-token-0123456789abcdef",
  header: "canary-header-0123456789abcdef",
  access: "canary-access-token-0123456789abcdef",
  renewed: "canary-renewed-token-0123456789abcdef",
  refresh: "canary-refresh-token-0123456789abcdef",
  nextRefresh: "canary-next-refresh-0123456789abcdef",
  assertion: "canary-assertion-0123456789abcdef",
  awsSecret: "canary-aws-secret-0123456789abcdef",
  awsSession: "canary-aws-session-0123456789abcdef",
  entra: "canary-entra-token-0123456789abcdef",
  google: "ya29.canary-google-token-0123456789abcdef"
}

/** A login in the profile `work` whose token expires at this time, in epoch seconds. */
const loginUntil = (expires_at: number) =>
  writeLogin(
    { authentication: { type: "user_oauth", client_id: "c" } },
    { access_token: secrets.access, expires_at, refresh_token: secrets.refresh }
  )

/** Repeats whatever it was sent in everything that it answers, and issues tokens. */
const echo = (mode: { status: number; grants: boolean; isBroken: boolean }) =>
  HttpMock.answering(({ bytes, request }) =>
    Effect.gen(function*() {
      const said = `${JSON.stringify(request.headers)} ${new TextDecoder().decode(bytes)}`
      const isToken = request.url.endsWith("/oauth/token")
      if (mode.isBroken && !isToken) {
        return yield* new HttpClientError.HttpClientError({
          reason: new HttpClientError.TransportError({ request, cause: new Error(`broken: ${said}`) })
        })
      }
      if (isToken && mode.grants) {
        return Response.json({
          access_token: secrets.renewed,
          refresh_token: secrets.nextRefresh,
          expires_in: 3600,
          token_type: "Bearer"
        })
      }
      if (isToken) {
        const error = { error: "invalid_grant", error_description: said, access_token: secrets.access }
        return Response.json(error, { status: 400 })
      }
      const error = { type: "error", error: { type: "invalid_request_error", message: said }, request_id: said }
      const headers = { "request-id": "req_1" }
      return mode.status === 200
        ? new Response(said, { headers })
        : Response.json(error, { status: mode.status, headers })
    })
  ).client

const kinds: ReadonlyArray<
  readonly [
    what: string,
    layer: Effect.Effect<
      Layer.Layer<Credentials.Credentials, unknown, HttpClient.HttpClient | FileSystem.FileSystem>,
      never,
      Folder
    >
  ]
> = [
  ["a key", Effect.succeed(Credentials.apiKey(Redacted.make(secrets.key)))],
  ["a token", Effect.succeed(Credentials.authToken(Redacted.make(secrets.authToken)))],
  ["a token out of an Effect", Effect.succeed(Credentials.fromEffect(Effect.succeed(Redacted.make(secrets.access))))],
  [
    "a profile",
    Effect.gen(function*() {
      const { path } = yield* Folder
      yield* loginUntil(90)
      return Credentials.profile({ name: "work", configDir: path }) as Layer.Layer<
        Credentials.Credentials,
        unknown,
        HttpClient.HttpClient | FileSystem.FileSystem
      >
    })
  ],
  [
    "workload identity",
    Effect.succeed(Credentials.federation({
      ruleId: "fdrl_1",
      organizationId: "org_1",
      identityToken: Effect.succeed(Redacted.make(secrets.assertion))
    }))
  ],
  [
    "AWS credentials",
    Effect.succeed(Aws.layer({
      region: "us-east-1",
      workspaceId: "wrkspc_1",
      credentials: {
        accessKeyId: "AKIA",
        secretAccessKey: Redacted.make(secrets.awsSecret),
        sessionToken: Redacted.make(secrets.awsSession)
      }
    }))
  ],
  [
    "a key of AWS",
    Effect.succeed(Aws.layer({ region: "us-east-1", workspaceId: "w", apiKey: Redacted.make(secrets.key) }))
  ],
  [
    "Google's token",
    Effect.succeed(GoogleCloud.layer({
      project: "p",
      workspaceId: "w",
      token: Effect.succeed(Redacted.make(secrets.google))
    }))
  ],
  [
    "Entra's token",
    Effect.succeed(Foundry.layer({ resource: "r", token: Effect.succeed(Redacted.make(secrets.entra)) }))
  ],
  ["a key of Foundry", Effect.succeed(Foundry.layer({ resource: "r", apiKey: Redacted.make(secrets.key) }))]
]

const pieces = Object.values(secrets).flatMap((secret) => [secret, secret.slice(0, 22)])

for (const [what, make] of kinds) {
  it.effect(
    `${what} is in no span, log, error or printed value, whatever a server repeats`,
    () =>
      Effect.gen(function*() {
        const { spans, tracer } = recordSpans()
        const seen: Array<unknown> = []
        const logger = Logger.make((options) => void seen.push(options.message, Cause.pretty(options.cause)))
        const mode = { status: 400, grants: true, isBroken: false }
        const credentials = (yield* make).pipe(Layer.provide(environment({})))
        const live = Files.layerCredentials().pipe(
          Layer.provideMerge(credentials),
          Layer.provideMerge(Layer.succeed(HttpClient.HttpClient, echo(mode)))
        )
        yield* Effect.gen(function*() {
          const files = yield* Files.Files
          const service = yield* Credentials.Credentials
          // Not the HttpClient, because the scripted one remembers its requests with their headers.
          seen.push(files, service)
          const id = FileMetadata.FileId.make("file_1")
          const operations: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
            files.listPage(),
            files.metadata(id),
            files.upload(FileSource.text("x", "x.txt")),
            Stream.runDrain(files.download(id))
          ]
          for (const status of [400, 401, 403, 500, 200]) {
            for (const [grants, isBroken] of [[true, false], [false, false], [true, true]] as const) {
              Object.assign(mode, { status, grants, isBroken })
              for (const operation of operations) {
                const exit = yield* driven(Effect.exit(operation))
                seen.push(exit)
                if (Exit.isFailure(exit)) seen.push(Cause.pretty(exit.cause), JSON.stringify(exit))
              }
              yield* TestClock.adjust("1 hour")
            }
          }
        }).pipe(
          Effect.provide(live),
          Effect.provideService(Tracer.Tracer, tracer),
          Effect.provide(Logger.layer([logger])),
          Effect.provideService(References.MinimumLogLevel, "Trace"),
          // The most revealing way to print it.
          Effect.provideService(HttpClient.TracerHeaderFilter, () => true)
        )
        const exported = spans.map(({ attributes, events, name }) => ({ name, attributes, events }))
        const printed = [...seen, ...exported].map((value) => inspect(value, { depth: 12 })).join("\n")
        assert.isAbove(printed.length, 1000)
        for (const secret of pieces) assert.notInclude(printed, secret)
        // A whole span, which no exporter prints, holds Effect's own request, in which Effect hides the headers that it knows.
        const whole = spans.map((span) => inspect(span, { depth: 12 })).join("\n")
        for (const secret of pieces.filter((piece) => !secrets.awsSession.startsWith(piece))) {
          assert.notInclude(whole, secret)
        }
      }).pipe(Effect.provide(folder)),
    60_000
  )
}

for (const redactBodies of [true, false]) {
  it.effect(`what is exchanged at the token endpoint is in no recording, with redactBodies ${redactBodies}`, () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { path } = yield* Folder
      const cassette = `${path}/cassette.json`
      const { client: service } = HttpMock.answering(({ path }) =>
        path.endsWith("/oauth/token")
          ? Response.json({
            access_token: secrets.renewed,
            refresh_token: secrets.nextRefresh,
            expires_in: 3600,
            token_type: "Bearer"
          })
          : Response.json({ data: [], next_page: null })
      )
      yield* loginUntil(-1)
      const recorder = Recorder.layerRecord(cassette, { redactBodies }).pipe(
        Layer.provide(Layer.succeed(HttpClient.HttpClient, service))
      )
      const federation = Credentials.federation({
        ruleId: "fdrl_1",
        organizationId: "org_1",
        identityToken: Effect.succeed(Redacted.make(secrets.assertion))
      })
      for (const credentials of [Credentials.profile({ name: "work", configDir: path }), federation]) {
        const live = Files.layerCredentials().pipe(
          Layer.provide(credentials),
          Layer.provide(recorder),
          Layer.provide(environment({}))
        )
        yield* driven(Effect.provide(Files.listPage(), live, { local: true }))
        const recorded = yield* fs.readFileString(cassette)
        assert.include(recorded, "/v1/files")
        for (const secret of pieces) assert.notInclude(recorded, secret)
      }
    }).pipe(Effect.provide(folder)))
}
