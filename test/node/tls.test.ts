import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Files, FileSource } from "effect-anthropic-files"
import type { FileId } from "effect-anthropic-files/FileMetadata"
import * as NodeFiles from "effect-anthropic-files/NodeFiles"
import * as fs from "node:fs"
import * as https from "node:https"
import * as net from "node:net"
import type { AddressInfo } from "node:net"
import { wire } from "../support/wire.ts"

const fixture = (name: string) => fs.readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8")

const identity = { cert: fixture("cert.pem"), key: fixture("key.pem") }

const listening = <S extends net.Server>(server: S) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly server: S; readonly port: number }>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        resume(Effect.succeed({ server, port: (server.address() as AddressInfo).port }))
      })
    }),
    () => Effect.sync(() => server.close())
  )

/** A service over TLS that stores what it gets, and breaks the connection instead of one answer. */
const service = Effect.fn(function*(options: https.ServerOptions & { readonly spoilsRequest: number }) {
  const stored: Array<string> = []
  let requests = 0
  let spoil = () => {}
  const api = yield* listening(
    https.createServer({ ...identity, ...options }, (request, response) =>
      request.resume().on("end", () => {
        if (request.method === "POST") stored.push("a.txt")
        if (++requests === options.spoilsRequest) return spoil()
        response.end(JSON.stringify(wire({ size_bytes: 5 })))
      })).on("clientError", (_, socket) => socket.destroy())
  )
  const sockets = new Set<net.Socket>()
  const between = yield* listening(net.createServer((client) => {
    const upstream = net.connect(api.port, "127.0.0.1")
    for (const socket of [client, upstream]) socket.on("error", () => {})
    sockets.add(client)
    client.pipe(upstream)
    upstream.pipe(client)
    // A record of a length that TLS does not have: the service answers it with an alert, and ends.
    spoil = () => upstream.write(Buffer.from([0x17, 3, 3, 0xff, 0xff, 1]))
  }))
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      api.server.closeAllConnections()
      for (const socket of sockets) socket.destroy()
    })
  )
  return { url: `https://127.0.0.1:${between.port}`, stored }
})

const layer = (baseUrl: string) =>
  Layer.orDie(NodeFiles.layer({ apiKey: Redacted.make("sk-ant-test"), baseUrl, ca: fixture("ca.pem"), proxy: false }))

const upload = Files.upload(FileSource.text("hello", "a.txt"))

describe("a connection over TLS that breaks with an alert", () => {
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    it.live(`after the request was sent leaves the outcome unknown, ${maxVersion}`, () =>
      Effect.scoped(Effect.gen(function*() {
        const { stored, url } = yield* service({ maxVersion, spoilsRequest: 1 })
        const error = yield* Effect.flip(Effect.provide(upload, layer(url)))
        assert.strictEqual(error.isOutcomeUnknown, true)
        assert.include(error.message, "a.txt may have been stored")
        assert.lengthOf(stored, 1)
      })))

    it.live(`on a connection that is used again leaves the outcome unknown too, ${maxVersion}`, () =>
      Effect.scoped(Effect.gen(function*() {
        const { stored, url } = yield* service({ maxVersion, spoilsRequest: 2 })
        const error = yield* Effect.flip(
          Effect.provide(Effect.andThen(Files.metadata("file_1" as FileId), upload), layer(url))
        )
        assert.strictEqual(error.isOutcomeUnknown, true)
        assert.lengthOf(stored, 1)
      })))

    it.live(`because the service wants a certificate of its client has sent nothing, ${maxVersion}`, () =>
      Effect.scoped(Effect.gen(function*() {
        const { stored, url } = yield* service({
          maxVersion,
          requestCert: true,
          rejectUnauthorized: true,
          spoilsRequest: 0
        })
        const error = yield* Effect.flip(Effect.provide(upload, layer(url)))
        assert.strictEqual(error.isOutcomeUnknown, false)
        assert.include(error.message, "Nothing was stored")
        assert.lengthOf(stored, 0)
      })))
  }
})
