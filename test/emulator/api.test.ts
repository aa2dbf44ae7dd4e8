import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Emulator from "effect-anthropic-files/emulator/Emulator"
import * as NodeFs from "node:fs"
import * as NodePath from "node:path"
import { fileURLToPath } from "node:url"
import * as Endpoints from "../../src/emulator/internal/http/endpoints.ts"
import { call, get, socket } from "./support.ts"

const operations = Object.entries(Emulator.openApi().paths).flatMap(([path, methods]) =>
  Object.keys(methods).map((method) => ({ path, method: method.toUpperCase() as "GET" | "POST" | "PUT" | "DELETE" }))
)

describe("the API definition", () => {
  it.effect("lists the endpoints that are served", () =>
    Effect.gen(function*() {
      assert.isAbove(operations.length, 25)
      for (const { method, path } of operations) {
        const concrete = path.replace(/\{[^}]+\}/g, "some_id")
        // Without a key a route that exists answers 401, one that does not 404.
        const open = { "/v1/oauth/token": 400, "/_emulator/health": 200 }[path]
        assert.strictEqual((yield* call(method, concrete, { key: null })).status, open ?? 401, `${method} ${path}`)
        const answer = yield* call(method, concrete)
        assert.notInclude(["Not found", "Method Not Allowed"], answer.json.error?.message, `${method} ${path}`)
      }
      assert.strictEqual((yield* call("GET", "/v1/file", { key: null })).status, 404)
    }).pipe(Effect.provide(socket({ adminRoute: true }))))

  it("distinguishes fixed paths from ids", () => {
    assert.strictEqual(Endpoints.operationOf("GET", "/v1/messages/batches"), "listBatches")
    assert.strictEqual(Endpoints.operationOf("GET", "/v1/messages/batches/x"), "getBatch")
    assert.strictEqual(Endpoints.operationOf("GET", "/v1/messages/batches/x/results"), "batchResults")
    assert.strictEqual(Endpoints.operationOf("POST", "/v1/messages/count_tokens"), "countTokens")
    assert.strictEqual(Endpoints.operationOf("HEAD", "/v1/files/x/content"), "content")
    assert.strictEqual(Endpoints.operationOf("GET", "/v1/files/x/y"), undefined)
    assert.deepStrictEqual(Endpoints.match("PUT", "/v1/files/x"), { allow: ["GET", "DELETE"] })
    assert.deepStrictEqual(Endpoints.match("GET", "/v1/files/%"), { allow: [] })
  })

  it("emits an OpenAPI document with the Schemas of the client", () => {
    const document = Emulator.openApi()
    assert.match(document.openapi, /^3\.1/)
    const upload = document.paths["/v1/files"]?.post
    const content = JSON.stringify(upload?.requestBody)
    for (const field of ["multipart/form-data", "\"file\"", "expires_in_seconds", "purpose"]) {
      assert.include(content, field)
    }
    const metadata = JSON.stringify(document.paths["/v1/files/{file_id}"]?.get)
    for (const field of ["size_bytes", "mime_type", "created_at", "expires_at", "downloadable"]) {
      assert.include(metadata, field)
    }
    for (const status of ["400", "401", "403", "404", "429"]) assert.include(metadata, `"${status}"`)
    const parameters = JSON.stringify(document.paths["/v1/files"]?.get?.parameters)
    for (const parameter of ["limit", "page", "ids[]", "scope_id", "after_id", "before_id"]) {
      assert.include(parameters, `"${parameter}"`)
    }
    assert.deepStrictEqual(Object.keys(document.components.securitySchemes), ["apiKey", "bearer"])
    assert.deepStrictEqual(JSON.parse(JSON.stringify(document)), document)
  })

  it.effect("is served by the admin route", () =>
    Effect.gen(function*() {
      const answer = yield* get("/_emulator/openapi.json")
      assert.deepStrictEqual(JSON.parse(answer.text), JSON.parse(JSON.stringify(Emulator.openApi())))
    }).pipe(Effect.provide(socket({ adminRoute: true }))))
})

describe("the emulator in process", () => {
  it("imports nothing from Node", () => {
    const seen = new Set<string>()
    const visit = (file: string) => {
      if (seen.has(file)) return
      seen.add(file)
      for (
        const [, specifier = ""] of NodeFs.readFileSync(file, "utf8").matchAll(
          /^(?:import|export)[^"]*from "([^"]+)"/gm
        )
      ) {
        assert.isFalse(/^node:|platform-node/.test(specifier), `${file} imports ${specifier}`)
        if (specifier.startsWith(".")) visit(NodePath.resolve(NodePath.dirname(file), specifier))
      }
    }
    visit(fileURLToPath(new URL("../../src/emulator/Emulator.ts", import.meta.url)))
    visit(fileURLToPath(new URL("../../src/emulator/DirectoryStore.ts", import.meta.url)))
    assert.isAbove(seen.size, 15)
  })
})
