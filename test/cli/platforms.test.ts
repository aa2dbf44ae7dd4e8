import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, type Scope } from "effect"
import { Emulator } from "effect-anthropic-files/emulator/Emulator"
import * as NodeEmulator from "effect-anthropic-files/emulator/NodeEmulator"
import { createHash, createHmac } from "node:crypto"
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { type Ended, folder, run } from "./run.ts"

type Headers = http.IncomingHttpHeaders

/** Why a request is refused, or `undefined`. */
type Check = (request: http.IncomingMessage, body: Buffer) => string | undefined

const listen = (listener: http.RequestListener): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<http.Server>((resume) => {
        const server = http.createServer(listener)
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.sync(() => {
          server.closeAllConnections()
          server.close()
        })
    ),
    (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  )

const json = (response: http.ServerResponse, status: number, body: unknown) =>
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))

/** A platform's door: it looks at the credential as the platform would, and hands the request on to the emulator. */
const door = (check: Check) =>
  Effect.gen(function*() {
    const { apiKey, url } = yield* Emulator
    const refused: Array<string> = []
    const at = yield* listen((request, response) => {
      const chunks: Array<Buffer> = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk)).on("end", () => {
        const body = Buffer.concat(chunks)
        const why = check(request, body)
        if (why !== undefined) {
          refused.push(why)
          return json(response, 401, { type: "error", error: { type: "authentication_error", message: why } })
        }
        const { authorization: _, host: __, "x-api-key": ___, "anthropic-workspace-id": ____, ...headers } =
          request.headers
        const handedOn = http.request(`${url}${request.url?.replace(/^\/anthropic/, "")}`, {
          method: request.method ?? "GET",
          headers: { ...headers, "x-api-key": Redacted.value(apiKey), "content-length": body.length }
        })
        handedOn.on("response", (answer) => {
          response.writeHead(answer.statusCode ?? 500, answer.headers)
          answer.pipe(response)
        })
        handedOn.end(body)
      })
    })
    return { url: at, refused }
  })

const hmac = (key: string | Buffer, data: string) => createHmac("sha256", key).update(data).digest()

const sha256 = (data: string | Buffer) => createHash("sha256").update(data).digest("hex")

const secret = "aws-canary-secret-4711"

/** Signature version 4, as the service checks it: from the request as it arrived. */
const signature: Check = ({ headers, method, url }, body) => {
  const found =
    /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/(\d{8})\/eu-west-1\/aws-external-anthropic\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/
      .exec(headers.authorization ?? "")
  if (found === null) return `no signature: ${headers.authorization}`
  const [, day = "", names = "", given] = found
  const hash = String(headers["x-amz-content-sha256"])
  if (hash !== "UNSIGNED-PAYLOAD" && hash !== sha256(body)) return "another body than was signed"
  for (const needed of ["host", "x-amz-date", "x-amz-content-sha256", "anthropic-version", "anthropic-workspace-id"]) {
    if (!names.split(";").includes(needed)) return `${needed} is not signed`
  }
  if (headers["anthropic-workspace-id"] !== "wrkspc_night") return "another workspace"
  const { pathname, searchParams } = new URL(url ?? "/", "http://localhost")
  const query = Array.from(searchParams, (pair) => pair.map(encodeURIComponent).join("=")).sort().join("&")
  const canonical = [
    method,
    pathname.split("/").map(encodeURIComponent).join("/"),
    query,
    ...names.split(";").map((name) => `${name}:${String(headers[name]).trim().replace(/ +/g, " ")}`),
    "",
    names,
    hash
  ].join("\n")
  const scope = `${day}/eu-west-1/aws-external-anthropic/aws4_request`
  const text = ["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, sha256(canonical)].join("\n")
  const key = ["eu-west-1", "aws-external-anthropic", "aws4_request"].reduce<Buffer>(
    hmac,
    hmac(`AWS4${secret}`, day)
  )
  return hmac(key, text).toString("hex") === given ? undefined : "the signature is another one"
}

const header = (name: keyof Headers & string, value: string): Check => ({ headers }) =>
  headers[name] === value ? undefined : `${name} is ${String(headers[name])}`

const nowhere = { HOME: "/nonexistent", XDG_CONFIG_HOME: "/nonexistent", AWS_EC2_METADATA_DISABLED: "true" }

interface Setup {
  readonly env: Readonly<Record<string, string>>
  readonly refused: ReadonlyArray<string>
}

const awsKey = Effect.gen(function*() {
  const { refused, url } = yield* door((request, body) =>
    header("authorization", "Bearer aws-canary-key-4711")(request, body)
      ?? header("anthropic-workspace-id", "wrkspc_night")(request, body)
  )
  const env = {
    ANTHROPIC_AWS_API_KEY: "aws-canary-key-4711",
    ANTHROPIC_AWS_WORKSPACE_ID: "wrkspc_night",
    ANTHROPIC_AWS_BASE_URL: url
  }
  const setup: Setup = { env, refused }
  return setup
})

const awsSigned = Effect.gen(function*() {
  const { refused, url } = yield* door(signature)
  const env = {
    AWS_ACCESS_KEY_ID: "AKIDEXAMPLE",
    AWS_SECRET_ACCESS_KEY: secret,
    AWS_REGION: "eu-west-1",
    ANTHROPIC_AWS_WORKSPACE_ID: "wrkspc_night",
    ANTHROPIC_AWS_BASE_URL: url
  }
  const setup: Setup = { env, refused }
  return setup
})

const googleMetadata = Effect.gen(function*() {
  const { refused, url } = yield* door(header("authorization", "Bearer ya29.canary-4711"))
  const metadata = yield* listen((request, response) => {
    response.setHeader("metadata-flavor", "Google")
    if (request.url?.includes("/token") === true) {
      return json(response, 200, { access_token: "ya29.canary-4711", expires_in: 3600, token_type: "Bearer" })
    }
    response.end("p")
  })
  const env = {
    GCE_METADATA_HOST: metadata.replace("http://", ""),
    METADATA_SERVER_DETECTION: "assume-present",
    CLOUDSDK_CONFIG: "/nonexistent",
    ANTHROPIC_GOOGLE_CLOUD_PROJECT: "p",
    ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID: "wrkspc_night",
    ANTHROPIC_GOOGLE_CLOUD_BASE_URL: url
  }
  const setup: Setup = { env, refused }
  return setup
})

const googleFederation = Effect.gen(function*() {
  const { refused, url } = yield* door(header("authorization", "Bearer ya29.canary-4711"))
  const tokens = yield* listen((_, response) =>
    json(response, 200, {
      access_token: "ya29.canary-4711",
      expires_in: 3600,
      token_type: "Bearer",
      issued_token_type: "urn:ietf:params:oauth:token-type:access_token"
    })
  )
  const cwd = yield* folder({ "assertion": "jwt-canary-4711" })
  fs.writeFileSync(
    `${cwd}/config.json`,
    JSON.stringify({
      type: "external_account",
      audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/p",
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      token_url: tokens,
      credential_source: { file: `${cwd}/assertion` }
    })
  )
  const env = {
    GOOGLE_APPLICATION_CREDENTIALS: `${cwd}/config.json`,
    GOOGLE_CLOUD_PROJECT: "p",
    ANTHROPIC_GOOGLE_CLOUD_BASE_URL: url
  }
  const setup: Setup = { env, refused }
  return setup
})

const foundryKey = Effect.gen(function*() {
  const { refused, url } = yield* door(header("x-api-key", "foundry-canary-4711"))
  const env = { ANTHROPIC_FOUNDRY_API_KEY: "foundry-canary-4711", ANTHROPIC_FOUNDRY_BASE_URL: `${url}/anthropic` }
  const setup: Setup = { env, refused }
  return setup
})

const foundryEntra = Effect.gen(function*() {
  const { refused, url } = yield* door(header("authorization", "Bearer entra-canary-4711"))
  const identity = yield* listen((_, response) =>
    json(response, 200, {
      access_token: "entra-canary-4711",
      expires_on: String(Math.floor(Date.now() / 1000) + 3600),
      resource: "https://ai.azure.com",
      token_type: "Bearer"
    })
  )
  const env = {
    IDENTITY_ENDPOINT: `${identity}/msi`,
    IDENTITY_HEADER: "identity-canary",
    ANTHROPIC_FOUNDRY_BASE_URL: `${url}/anthropic`
  }
  const setup: Setup = { env, refused }
  return setup
})

const platforms: ReadonlyArray<
  readonly [
    title: string,
    platform: string,
    setup: Effect.Effect<Setup, never, Emulator | Scope.Scope>,
    credential: RegExp
  ]
> = [
  ["AWS with a key", "aws", awsKey, /The key.*, from ANTHROPIC_AWS_API_KEY\. It ends in …4711\./],
  ["AWS with signed requests", "aws", awsSigned, /The AWS credentials, from AWS_ACCESS_KEY_ID/],
  ["Google Cloud on one of its machines", "google-cloud", googleMetadata, /Google.* from where the platform's/],
  [
    "Google Cloud with workload identity",
    "google-cloud",
    googleFederation,
    /Google.* from GOOGLE_APPLICATION_CREDENTIALS\./
  ],
  ["Foundry with a key", "foundry", foundryKey, /The key of the Foundry resource, from .* It ends in …4711\./],
  ["Foundry with Entra", "foundry", foundryEntra, /The Entra token, from where the platform's package/]
]

const code = (ended: Ended, expected: number) => assert.strictEqual(ended.code, expected, ended.out + ended.err)

describe("--platform", () => {
  for (const [title, platform, setup, credential] of platforms) {
    it.live(
      `${title}: uploads, lists and deletes, and doctor tells who asks where; no secret is printed`,
      () =>
        Effect.gen(function*() {
          const { env: own, refused } = yield* setup
          const cwd = yield* folder({ "a.txt": "a", "b c.txt": "b" })
          const env = { ...nowhere, XDG_CACHE_HOME: `${cwd}/cache`, ...own, ANTHROPIC_FILES_PLATFORM: platform }
          const { files } = yield* Emulator
          const uploaded = yield* run(["upload", "a.txt", "b c.txt"], { env, cwd })
          code(uploaded, 0)
          const listed = yield* run(["ls", "-q", "--limit", "2"], { env })
          assert.sameMembers(
            listed.out.trim().split("\n"),
            (yield* files).map(({ id }) => String(id))
          )
          const doctor = yield* run(["doctor"], { env })
          code(doctor, 0)
          assert.match(doctor.out, credential)
          assert.match(doctor.out, new RegExp(`✓ platform +${platform}, set up by ANTHROPIC_|✓ platform .* AWS_`))
          assert.match(doctor.out, /✓ endpoint +http:\/\/127\.0\.0\.1:\d+\S*, from ANTHROPIC_\w+_BASE_URL/)
          assert.match(doctor.out, /✓ authorization +files can be listed/)
          const removed = yield* run(["rm", "--name", "*", "--yes"], { env })
          code(removed, 0)
          assert.lengthOf(yield* files, 0)
          assert.deepStrictEqual(refused.filter((why) => !/undefined/.test(why)), [])
          const all = [uploaded, listed, doctor, removed].map(({ err, out }) => out + err).join("")
          assert.notInclude(all, "canary")
        }).pipe(Effect.scoped, Effect.provide(NodeEmulator.layerServer())),
      120_000
    )
  }

  it.live("Foundry has no batches and no workspaces: both are refused before anything is sent", () =>
    Effect.gen(function*() {
      const cwd = yield* folder({ "a.txt": "a", "q.jsonl": "\"What?\"\n" })
      const env = {
        ...nowhere,
        ANTHROPIC_FOUNDRY_API_KEY: "foundry-canary-4711",
        ANTHROPIC_FOUNDRY_BASE_URL: "http://127.0.0.1:9"
      }
      const batch = yield* run(["batch", "q.jsonl", "--file", "a.txt", "--platform", "foundry"], { env, cwd })
      code(batch, 2)
      assert.match(batch.err, /^Microsoft Foundry has no message batches: ask one by one, with ask\.\n/)
      const workspace = yield* run(["ls", "--platform", "foundry", "--workspace", "wrkspc_1"], { env })
      code(workspace, 2)
      assert.match(workspace.err, /^--workspace is not for Microsoft Foundry, which has no workspaces\.\n/)
    }).pipe(Effect.scoped))
})
