import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { Credentials, type FilesError } from "effect-anthropic-files"
import * as Aws from "effect-anthropic-files/platform/Aws"
import * as Foundry from "effect-anthropic-files/platform/Foundry"
import * as GoogleCloud from "effect-anthropic-files/platform/GoogleCloud"
import { HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import { environment, Folder, folder, headersOf } from "../credentials/support.ts"

type Env = Record<string, string>

const build = (layer: Layer.Layer<Credentials.Credentials, FilesError.InvalidConfig>, env: Env = {}) =>
  Effect.map(
    Layer.build(Layer.fresh(layer).pipe(Layer.provide(environment(env)))),
    (context) => Context.get(context, Credentials.Credentials)
  )

const refused = (layer: Layer.Layer<Credentials.Credentials, FilesError.InvalidConfig>, env: Env = {}) =>
  Effect.map(Effect.flip(build(layer, env)), (error) => {
    assert.strictEqual(error._tag, "InvalidConfig")
    assert.notInclude(JSON.stringify(error), "canary")
    return error
  })

const key = Redacted.make("canary-key")

describe("AWS", () => {
  const credentials: Aws.AwsCredentials = { accessKeyId: "AKIA", secretAccessKey: Redacted.make("canary-secret") }
  const place = { region: "us-east-1", workspaceId: "wrkspc_1" }
  const request = HttpClientRequest.get("https://aws-external-anthropic.us-east-1.api.aws/v1/files")

  it.effect("signs requests to the region's endpoint, with the workspace", () =>
    Effect.gen(function*() {
      const aws = yield* build(Aws.layer({ ...place, credentials }))
      assert.strictEqual(aws.baseUrl, "https://aws-external-anthropic.us-east-1.api.aws")
      assert.strictEqual(aws.identity, "aws us-east-1 workspace wrkspc_1")
      const headers = yield* headersOf(aws, request)
      assert.match(headers.authorization ?? "", /^AWS4-HMAC-SHA256 Credential=AKIA\/19700101\/us-east-1\/aws-external/)
      assert.match(headers.authorization ?? "", /anthropic-workspace-id/)
      assert.strictEqual(headers["anthropic-workspace-id"], "wrkspc_1")
    }))

  it.effect("a call's own workspace is signed in place of the client's", () =>
    Effect.gen(function*() {
      const aws = yield* build(Aws.layer({ ...place, credentials }))
      const other = HttpClientRequest.setHeader(request, "anthropic-workspace-id", "wrkspc_2")
      const headers = yield* headersOf(aws, other)
      assert.isUndefined(headers["anthropic-workspace-id"])
      assert.notStrictEqual(headers.authorization, (yield* headersOf(aws, request)).authorization)
    }))

  it.effect("takes region, workspace and credentials from the environment", () =>
    Effect.gen(function*() {
      const env = {
        AWS_DEFAULT_REGION: "eu-west-1",
        ANTHROPIC_AWS_WORKSPACE_ID: "wrkspc_e",
        AWS_ACCESS_KEY_ID: "AKIAENV",
        AWS_SECRET_ACCESS_KEY: "canary-secret",
        AWS_SESSION_TOKEN: "canary-session"
      }
      const aws = yield* build(Aws.layer(), env)
      const headers = yield* headersOf(aws, request)
      assert.include(headers.authorization, "Credential=AKIAENV/19700101/eu-west-1/")
      assert.strictEqual(headers["x-amz-security-token"], "canary-session")
      const secret = yield* aws.headersFor(request)
      for (const name of ["authorization", "x-amz-security-token"]) {
        assert.isTrue(Redacted.isRedacted(secret[name]), name)
      }
      assert.include((yield* build(Aws.layer(), { ...env, AWS_REGION: "us-west-2" })).baseUrl, "us-west-2")
      assert.include((yield* build(Aws.layer({ region: "ap-1" }), env)).baseUrl, "ap-1")
    }))

  it.effect("a key is sent as Bearer, and a key in code takes precedence over AWS credentials in the environment", () =>
    Effect.gen(function*() {
      const env = {
        AWS_ACCESS_KEY_ID: "AKIAENV",
        AWS_SECRET_ACCESS_KEY: "canary-secret",
        ANTHROPIC_AWS_API_KEY: "environment-key",
        ANTHROPIC_API_KEY: "first-party-key"
      }
      const expected = { "anthropic-workspace-id": "wrkspc_1", authorization: "Bearer canary-key" }
      assert.deepStrictEqual(yield* headersOf(yield* build(Aws.layer({ ...place, apiKey: key }), env)), expected)
      const fromEnv = yield* headersOf(yield* build(Aws.layer(place), env))
      assert.strictEqual(fromEnv.authorization, "Bearer environment-key")
      const signed = yield* headersOf(yield* build(Aws.layer({ ...place, credentials }), env), request)
      assert.include(signed.authorization, "Credential=AKIA/")
    }))

  it.effect("temporary credentials are obtained once, and again before they expire", () =>
    Effect.gen(function*() {
      let count = 0
      const aws = yield* build(Aws.layer({
        ...place,
        credentials: Effect.clockWith((clock) =>
          Effect.sync(() => ({
            accessKeyId: `AKIA${++count}`,
            secretAccessKey: Redacted.make("canary-secret"),
            expiresAt: new Date(clock.currentTimeMillisUnsafe() + 3_600_000)
          }))
        )
      }))
      for (let request_ = 0; request_ < 5; request_++) yield* headersOf(aws, request)
      assert.strictEqual(count, 1)
      yield* TestClock.adjust("3590 seconds")
      assert.include((yield* headersOf(aws, request)).authorization, "Credential=AKIA2/")
      const used = yield* aws.headersFor(request)
      assert.isTrue(yield* aws.invalidate(used))
      assert.include((yield* headersOf(aws, request)).authorization, "Credential=AKIA3/")
    }))

  it.effect("a custom signer receives the request and its signed headers", () =>
    Effect.gen(function*() {
      const seen: Array<Aws.Unsigned> = []
      const aws = yield* build(Aws.layer({
        ...place,
        credentials,
        sign: (unsigned) => {
          seen.push(unsigned)
          return Effect.succeed({ Authorization: "mine" })
        }
      }))
      const with_ = HttpClientRequest.setHeaders(request, { "user-agent": "x", accept: "application/json" })
      assert.strictEqual((yield* headersOf(aws, with_)).authorization, "mine")
      assert.deepStrictEqual(Object.keys(seen[0]?.headers ?? {}).toSorted(), [
        "accept",
        "anthropic-workspace-id",
        "x-amz-content-sha256"
      ])
      const broken = yield* build(
        Aws.layer({ ...place, credentials, sign: () => Effect.fail({ message: "HSM away" }) })
      )
      const error = yield* Effect.flip(headersOf(broken, request))
      assert.include(error.message, "HSM away")
    }))

  it.effect("the region may come from AWS's shared files, the credentials file first", () =>
    Effect.gen(function*() {
      const { path, write } = yield* Folder
      const config = yield* write(
        "config",
        "[default]\nregion = us-east-2\n[profile dev]\n  region=x\nregion=eu-north-1\n"
      )
      const shared = yield* write("shared", "[default]\n# region = no\naws_access_key_id = A\n")
      const env = { HOME: path, AWS_CONFIG_FILE: config, AWS_SHARED_CREDENTIALS_FILE: shared }
      const options = { workspaceId: "wrkspc_1", credentials }
      assert.include((yield* build(Aws.layer(options), env)).baseUrl, ".us-east-2.")
      assert.include((yield* build(Aws.layer(options), { ...env, AWS_PROFILE: "dev" })).baseUrl, ".eu-north-1.")
      yield* write("shared", "[default]\nregion = ca-central-1\n")
      assert.include((yield* build(Aws.layer(options), env)).baseUrl, ".ca-central-1.")
    }).pipe(Effect.provide(folder)))

  it.effect.each<readonly [what: string, options: Aws.Options, env: Env, option: string]>([
    ["no workspace", { region: "us-east-1", credentials }, {}, "workspaceId"],
    ["no region", { workspaceId: "w", credentials }, {}, "region"],
    ["no region for SigV4 at an own address", { workspaceId: "w", credentials, baseUrl: "https://h" }, {}, "region"],
    ["a region that is none", { ...place, region: "us-east-1.evil.example/" }, {}, "region"],
    ["half a key pair", place, { AWS_ACCESS_KEY_ID: "A" }, "AWS_SECRET_ACCESS_KEY"],
    ["the other half", place, { AWS_SECRET_ACCESS_KEY: "canary" }, "AWS_ACCESS_KEY_ID"],
    ["two credentials", { ...place, credentials, apiKey: key }, {}, "apiKey"],
    ["a credential and none", { ...place, skipAuth: true, apiKey: key, baseUrl: "https://h" }, {}, "apiKey"],
    ["no address without authorization", { ...place, skipAuth: true }, {}, "baseUrl"],
    ["plain http", { ...place, apiKey: key, baseUrl: "http://gateway" }, {}, "baseUrl"],
    [
      "an empty secret",
      { ...place, credentials: { accessKeyId: "A", secretAccessKey: Redacted.make("") } },
      {},
      "secretAccessKey"
    ]
  ])("%s is refused", ([, options, env, option]) =>
    Effect.gen(function*() {
      assert.strictEqual((yield* refused(Aws.layer(options), env)).option, option)
    }))

  it.effect("skipAuth sends the workspace and nothing else", () =>
    Effect.gen(function*() {
      const aws = yield* build(Aws.layer({ skipAuth: true, baseUrl: "https://gateway.example" }))
      assert.deepStrictEqual(yield* headersOf(aws), {})
      assert.strictEqual(aws.baseUrl, "https://gateway.example")
    }))

  it.effect("AWS's own chain is used last, and says what to do if it finds nothing", () =>
    Effect.gen(function*() {
      const { path, write } = yield* Folder
      yield* write("nothing", "")
      const before = { ...process.env }
      Object.assign(process.env, {
        AWS_SHARED_CREDENTIALS_FILE: `${path}/nothing`,
        AWS_CONFIG_FILE: `${path}/nothing`,
        AWS_EC2_METADATA_DISABLED: "true"
      })
      for (const name of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"]) delete process.env[name]
      const error = yield* Effect.flip(headersOf(yield* build(Aws.layer(place)), request)).pipe(
        Effect.ensuring(Effect.sync(() => {
          for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name]
          Object.assign(process.env, before)
        }))
      )
      assert.strictEqual(error._tag, "CredentialsFailed")
      assert.include(error.message, "AWS_ACCESS_KEY_ID")
    }).pipe(Effect.provide(folder)))

  it.effect("AWS's own chain uses a profile of the shared files", () =>
    Effect.gen(function*() {
      const { write } = yield* Folder
      const shared = yield* write("shared", "[dev]\naws_access_key_id = AKIADEV\naws_secret_access_key = canary\n")
      const before = process.env["AWS_SHARED_CREDENTIALS_FILE"]
      process.env["AWS_SHARED_CREDENTIALS_FILE"] = shared
      const headers = yield* headersOf(yield* build(Aws.layer({ ...place, profile: "dev" })), request).pipe(
        Effect.ensuring(Effect.sync(() => {
          if (before === undefined) delete process.env["AWS_SHARED_CREDENTIALS_FILE"]
          else process.env["AWS_SHARED_CREDENTIALS_FILE"] = before
        }))
      )
      assert.include(headers.authorization, "Credential=AKIADEV/")
    }).pipe(Effect.provide(folder)))
})

describe("Google Cloud", () => {
  const token = Effect.succeed(Redacted.make("ya29.canary"))
  const place = { project: "my-project", workspaceId: "wrkspc_1" }

  it.effect("sends the Google token to the workspace's base URL", () =>
    Effect.gen(function*() {
      const google = yield* build(GoogleCloud.layer({ ...place, token }))
      assert.strictEqual(
        google.baseUrl,
        "https://claude.googleapis.com/v1/projects/my-project/locations/global/workspaces/wrkspc_1/invoke"
      )
      assert.deepStrictEqual(yield* headersOf(google), { authorization: "Bearer ya29.canary" })
      assert.strictEqual(google.identity, "google project my-project location global workspace wrkspc_1")
    }))

  it.effect("takes project, location and workspace from the environment", () =>
    Effect.gen(function*() {
      const env = {
        GOOGLE_CLOUD_PROJECT: "general",
        ANTHROPIC_GOOGLE_CLOUD_LOCATION: "europe-west1",
        ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID: "wrkspc_e",
        ANTHROPIC_API_KEY: "first-party-key"
      }
      const layer = GoogleCloud.layer({ token })
      assert.include((yield* build(layer, env)).baseUrl, "projects/general/locations/europe-west1/workspaces/wrkspc_e/")
      const own = { ...env, ANTHROPIC_GOOGLE_CLOUD_PROJECT: "own" }
      assert.include((yield* build(layer, own)).baseUrl, "projects/own/")
      assert.deepStrictEqual(Object.keys(yield* headersOf(yield* build(layer, own))), ["authorization"])
    }))

  it.effect("a token is obtained again before it expires, not for each request", () =>
    Effect.gen(function*() {
      let count = 0
      const client: GoogleCloud.AuthClient = {
        getAccessToken: () => Promise.resolve({ token: `ya29.${++count}` }),
        credentials: { expiry_date: 3_600_000 }
      }
      const google = yield* build(GoogleCloud.layer({ ...place, token: GoogleCloud.fromAuthClient(client) }))
      for (let request = 0; request < 5; request++) yield* headersOf(google)
      assert.strictEqual(count, 1)
      yield* TestClock.adjust("3590 seconds")
      assert.strictEqual((yield* headersOf(google)).authorization, "Bearer ya29.2")
    }))

  it.effect("a token without a known expiry is obtained again after five minutes", () =>
    Effect.gen(function*() {
      let count = 0
      const getAccessToken = () => Promise.resolve({ token: `ya29.${++count}` })
      const google = yield* build(
        GoogleCloud.layer({ ...place, token: GoogleCloud.fromAuthClient({ getAccessToken }) })
      )
      assert.strictEqual((yield* headersOf(google)).authorization, "Bearer ya29.1")
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* headersOf(google)).authorization, "Bearer ya29.2")
    }))

  it.effect("a missing token and a failure are typed errors", () =>
    Effect.gen(function*() {
      const of = (getAccessToken: GoogleCloud.AuthClient["getAccessToken"]) =>
        Effect.flatMap(
          build(GoogleCloud.layer({ ...place, token: GoogleCloud.fromAuthClient({ getAccessToken }) })),
          (google) => Effect.flip(headersOf(google))
        )
      assert.include((yield* of(() => Promise.resolve({ token: null }))).message, "gcloud auth")
      assert.include((yield* of(() => Promise.reject(new Error("metadata away")))).message, "metadata away")
    }))

  it.effect.each<readonly [what: string, options: GoogleCloud.Options, option: string]>([
    ["no workspace", { project: "p", token }, "workspaceId"],
    ["a project that leads elsewhere", { ...place, project: "../evil", token }, "project"],
    ["a location that leads elsewhere", { ...place, location: "a/b", token }, "location"],
    ["a token and none", { ...place, token, skipAuth: true, baseUrl: "https://h" }, "skipAuth"],
    ["no address without authorization", { ...place, skipAuth: true }, "baseUrl"],
    ["plain http", { token, baseUrl: "http://gateway" }, "baseUrl"]
  ])("%s is refused", ([, options, option]) =>
    Effect.gen(function*() {
      assert.strictEqual((yield* refused(GoogleCloud.layer(options))).option, option)
    }))

  it.effect("a custom base URL needs no project and no workspace", () =>
    Effect.gen(function*() {
      const google = yield* build(GoogleCloud.layer({ baseUrl: "https://gateway.example/", skipAuth: true }))
      assert.strictEqual(google.baseUrl, "https://gateway.example")
      assert.deepStrictEqual(yield* headersOf(google), {})
    }))

  it.effect("Google's library reads the project and the token endpoint from a key file", () =>
    Effect.gen(function*() {
      const { path, write } = yield* Folder
      const file = yield* write(
        "adc.json",
        JSON.stringify({
          type: "authorized_user",
          client_id: "c",
          client_secret: "canary",
          refresh_token: "canary",
          quota_project_id: "from-file"
        })
      )
      const names = ["GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "GCLOUD_PROJECT", "NO_GCE_CHECK"]
      const before = names.map((name) => [name, process.env[name]] as const)
      Object.assign(process.env, {
        GOOGLE_APPLICATION_CREDENTIALS: file,
        CLOUDSDK_CONFIG: path,
        GCLOUD_PROJECT: "from-library",
        NO_GCE_CHECK: "true"
      })
      const google = yield* build(GoogleCloud.layer({ workspaceId: "wrkspc_1" })).pipe(
        Effect.ensuring(Effect.sync(() => {
          for (const [name, value] of before) {
            if (value === undefined) delete process.env[name]
            else process.env[name] = value
          }
        }))
      )
      assert.include(google.baseUrl, "projects/from-library/")
    }).pipe(Effect.provide(folder)))
})

describe("Foundry", () => {
  it.effect("sends a key as x-api-key to the resource's base URL", () =>
    Effect.gen(function*() {
      const foundry = yield* build(Foundry.layer({ resource: "my-resource", apiKey: key }))
      assert.strictEqual(foundry.baseUrl, "https://my-resource.services.ai.azure.com/anthropic")
      assert.deepStrictEqual(yield* headersOf(foundry), { "x-api-key": "canary-key" })
    }))

  it.effect("sends an Entra token as Bearer, and a token in code takes precedence over the key in the environment", () =>
    Effect.gen(function*() {
      const env = { ANTHROPIC_FOUNDRY_API_KEY: "environment-key", ANTHROPIC_FOUNDRY_RESOURCE: "r" }
      const token = Effect.succeed(Redacted.make("canary-token"))
      const foundry = yield* build(Foundry.layer({ token }), env)
      assert.deepStrictEqual(yield* headersOf(foundry), { authorization: "Bearer canary-token" })
      const keyed = yield* build(Foundry.layer(), env)
      assert.deepStrictEqual(yield* headersOf(keyed), { "x-api-key": "environment-key" })
    }))

  it.effect.each(["my-resource", "my-resource.services.ai.azure.com", "https://my-resource.services.ai.azure.com/x"])(
    "accepts %s as the resource",
    (resource) =>
      Effect.gen(function*() {
        const foundry = yield* build(Foundry.layer({ resource, apiKey: key }))
        assert.strictEqual(foundry.baseUrl, "https://my-resource.services.ai.azure.com/anthropic")
      })
  )

  it.effect("has no message batches", () =>
    Effect.gen(function*() {
      const { refusalOf } = yield* build(Foundry.layer({ resource: "r", apiKey: key }))
      for (
        const operation of ["createBatch", "getBatch", "listBatches", "cancelBatch", "deleteBatch", "batchResults"]
      ) {
        assert.include(refusalOf(operation as FilesError.Operation), "no message batches")
      }
      for (const operation of ["upload", "list", "download", "createMessage"]) {
        assert.isUndefined(refusalOf(operation as FilesError.Operation))
      }
    }))

  it.effect.each<readonly [what: string, options: Foundry.Options, env: Env, option: string]>([
    ["no resource", { apiKey: key }, {}, "resource"],
    ["a resource and an address", { resource: "r", baseUrl: "https://h", apiKey: key }, {}, "baseUrl"],
    [
      "both in the environment",
      { apiKey: key },
      { ANTHROPIC_FOUNDRY_RESOURCE: "r", ANTHROPIC_FOUNDRY_BASE_URL: "https://h" },
      "baseUrl"
    ],
    ["a key and a token", { resource: "r", apiKey: key, token: Effect.succeed(key) }, {}, "apiKey"],
    ["a resource that is none", { resource: "r@evil.example", apiKey: key }, {}, "resource"],
    ["plain http", { baseUrl: "http://gateway", apiKey: key }, {}, "baseUrl"]
  ])("%s is refused", ([, options, env, option]) =>
    Effect.gen(function*() {
      assert.strictEqual((yield* refused(Foundry.layer(options), env)).option, option)
    }))

  it.effect("a resource or base URL in code takes precedence over the environment", () =>
    Effect.gen(function*() {
      const foundry = yield* build(Foundry.layer({ baseUrl: "https://h.example/x", apiKey: key }), {
        ANTHROPIC_FOUNDRY_RESOURCE: "r"
      })
      assert.strictEqual(foundry.baseUrl, "https://h.example/x")
    }))
})
