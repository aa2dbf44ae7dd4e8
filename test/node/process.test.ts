import { assert, it } from "@effect/vitest"
import { Effect, Redacted, type Scope } from "effect"
import { FileMetadata, Files } from "effect-anthropic-files"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as https from "node:https"
import type { AddressInfo } from "node:net"
import * as tls from "node:tls"
import { fileURLToPath } from "node:url"
import { http, rawServer } from "../support/rawServer.ts"
import { wire } from "../support/wire.ts"

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))

const file = JSON.stringify(wire({ size_bytes: 5, downloadable: true }))

/** What another process prints until it ends by itself. */
const lookup = (baseUrl: string, patience: number, env: Readonly<Record<string, string>> = {}) =>
  Effect.callback<string, Error>((resume) => {
    const child = execFile(process.execPath, [fixture("lookup.mjs"), baseUrl, String(patience)], {
      env: { ...process.env, ...env }
    }, (error, stdout) => resume(error === null ? Effect.succeed(stdout) : Effect.fail(error)))
    return Effect.sync(() => void child.kill())
  })

it.live("P7: a process ends once its requests are interrupted, although the server is silent", () =>
  Effect.scoped(Effect.gen(function*() {
    const server = yield* rawServer(({ head, socket }) => {
      if (head.includes("file_1")) socket.write(http(200, file))
    })
    assert.strictEqual(yield* Effect.timeout(lookup(server.url, 300), "20 seconds"), "given up")
    assert.strictEqual(server.heads.length, 4)
  })))

const secure: Effect.Effect<string, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.callback<https.Server>((resume) => {
      const server = https.createServer(
        { cert: fs.readFileSync(fixture("cert.pem")), key: fs.readFileSync(fixture("key.pem")) },
        (request, response) => response.end(file.replace("file_1", request.url?.split("/").at(-1) ?? ""))
      )
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.closeAllConnections()
        server.close(() => resume(Effect.void))
      })
  ),
  (server) => `https://127.0.0.1:${(server.address() as AddressInfo).port}`
)

it.live("NODE_EXTRA_CA_CERTS names authorities that are trusted", () =>
  Effect.scoped(Effect.gen(function*() {
    const url = yield* secure
    assert.match(yield* lookup(url, 10_000), /certificate/)
    assert.strictEqual(yield* lookup(url, 10_000, { NODE_EXTRA_CA_CERTS: fixture("ca.pem") }), "answered")
  })))

it.live("an authority that is given is trusted besides those that Node trusts, not instead of them", () =>
  Effect.scoped(Effect.gen(function*() {
    const url = yield* secure
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const before = tls.getCACertificates("default")
        tls.setDefaultCACertificates([fs.readFileSync(fixture("ca.pem"), "utf8")])
        return before
      }),
      (before) => Effect.sync(() => tls.setDefaultCACertificates(before))
    )
    const options = { apiKey: Redacted.make("sk-ant-test-key"), baseUrl: url, ca: tls.rootCertificates[0] }
    const found = yield* Effect.provide(
      Files.metadata(FileMetadata.FileId.make("file_1")),
      NodeFiles.layer(options)
    )
    assert.strictEqual(found.id, "file_1")
  })))
