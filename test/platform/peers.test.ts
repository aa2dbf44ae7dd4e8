import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, type Scope } from "effect"
import { Credentials } from "effect-anthropic-files"
import * as Foundry from "effect-anthropic-files/platform/Foundry"
import * as GoogleCloud from "effect-anthropic-files/platform/GoogleCloud"
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { peer } from "../../src/internal/credentials/peer.ts"
import { environment, headersOf } from "../credentials/support.ts"

interface Served {
  readonly port: number
  readonly requests: Array<string>
}

/** A platform's token endpoint, on this machine. */
const serve = (
  answer: (url: URL, response: http.ServerResponse, headers: http.IncomingHttpHeaders) => void
): Effect.Effect<Served, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly server: http.Server; readonly requests: Array<string> }>((resume) => {
        const requests: Array<string> = []
        const server = http.createServer((incoming, response) => {
          const url = new URL(incoming.url ?? "/", "http://localhost")
          requests.push(`${url.pathname}${url.search}`)
          answer(url, response, incoming.headers)
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed({ server, requests })))
      }),
      ({ server }) =>
        Effect.sync(() => {
          server.closeAllConnections()
          server.close()
        })
    ),
    ({ requests, server }) => ({ port: (server.address() as AddressInfo).port, requests })
  )

/** Environment variables of the process, which the platforms' packages read. */
const withEnv = (env: Record<string, string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = { ...process.env }
      for (const name of Object.keys(process.env)) {
        if (/^(AZURE|IDENTITY|MSI|GOOGLE|GCLOUD|GCE|CLOUDSDK|HTTPS?_PROXY)/i.test(name)) delete process.env[name]
      }
      Object.assign(process.env, env)
      return before
    }),
    (before) =>
      Effect.sync(() => {
        for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name]
        Object.assign(process.env, before)
      })
  )

const build = <E>(layer: Layer.Layer<Credentials.Credentials, E>) =>
  Effect.map(
    Layer.build(Layer.fresh(layer).pipe(Layer.provide(environment({})))),
    (context) => Context.get(context, Credentials.Credentials)
  )

const json = (response: http.ServerResponse, body: unknown, headers: Record<string, string> = {}) => {
  response.writeHead(200, { "content-type": "application/json", ...headers })
  response.end(JSON.stringify(body))
}

it.live("the Entra token comes from @azure/identity, here from a managed identity", () =>
  Effect.gen(function*() {
    const served = yield* serve((_, response) =>
      json(response, {
        access_token: "entra-token",
        expires_on: String(Math.floor(Date.now() / 1000) + 3600),
        resource: "https://ai.azure.com",
        token_type: "Bearer"
      })
    )
    yield* withEnv({ IDENTITY_ENDPOINT: `http://127.0.0.1:${served.port}/msi`, IDENTITY_HEADER: "secret" })
    const foundry = yield* build(Foundry.layer({ resource: "r" }))
    assert.strictEqual((yield* headersOf(foundry)).authorization, "Bearer entra-token")
    yield* headersOf(foundry)
    assert.strictEqual(served.requests.length, 1)
    assert.include(decodeURIComponent(served.requests[0] ?? ""), "resource=https://ai.azure.com")
  }), 60_000)

it.live("the Google token comes from google-auth-library, here from the metadata server", () =>
  Effect.gen(function*() {
    const served = yield* serve((url, response) => {
      const flavor = { "metadata-flavor": "Google" }
      if (url.pathname.endsWith("/token")) {
        return json(response, { access_token: "ya29.token", expires_in: 3600, token_type: "Bearer" }, flavor)
      }
      response.writeHead(200, { ...flavor, "content-type": "text/plain" })
      response.end(url.pathname.endsWith("/project-id") ? "from-metadata" : "computeMetadata/")
    })
    yield* withEnv({
      GCE_METADATA_HOST: `127.0.0.1:${served.port}`,
      CLOUDSDK_CONFIG: "/nonexistent",
      METADATA_SERVER_DETECTION: "assume-present"
    })
    const google = yield* build(GoogleCloud.layer({ workspaceId: "wrkspc_1" }))
    assert.include(google.baseUrl, "/projects/from-metadata/")
    assert.strictEqual((yield* headersOf(google)).authorization, "Bearer ya29.token")
    yield* headersOf(google)
    assert.strictEqual(served.requests.filter((path) => path.includes("/token")).length, 1)
    const given = yield* build(GoogleCloud.layer({ workspaceId: "wrkspc_1", project: "given" }))
    const before = served.requests.length
    yield* headersOf(given)
    assert.isTrue(served.requests.slice(before).every((path) => path.includes("/token")), served.requests.join())
  }), 60_000)

describe("a package that only some platforms need", () => {
  it.effect("says what to install if it is missing", () =>
    Effect.gen(function*() {
      const name = "effect-anthropic-files-missing-peer"
      const error = yield* Effect.flip(peer("the token", name, () => import(/* @vite-ignore */ name)))
      assert.strictEqual(error._tag, "CredentialsFailed")
      assert.include(error.message, `npm install ${name}`)
      assert.include(error.message, `npx with -p ${name}`)
      assert.isFalse(error.isRetryable)
    }))

  it("is loaded by nothing but the Effect that uses it", () => {
    const names = ["aws4fetch", "@aws-sdk/credential-provider-node", "google-auth-library", "@azure/identity"]
    for (const file of fs.readdirSync("src", { recursive: true, encoding: "utf8" })) {
      if (!file.endsWith(".ts")) continue
      const text = fs.readFileSync(`src/${file}`, "utf8")
      for (const name of names) {
        const loads = text.match(new RegExp(`(from|import)\\s*\\(?\\s*"${name}"`, "g")) ?? []
        assert.isTrue(loads.every((load) => load === `import("${name}"`), `${file} loads ${name}`)
      }
    }
    for (const module of ["Aws", "GoogleCloud", "Foundry"]) {
      assert.isAbove(fs.readFileSync(`src/platform/${module}.ts`, "utf8").split("import(\"").length, 1)
    }
  })
})
