import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as BrowserFiles from "effect-anthropic-files/BrowserFiles"

const apiKey = Redacted.make("sk-ant-canary-key")

const built = (options: Parameters<typeof BrowserFiles.layer>[0]) =>
  Effect.scoped(Effect.asVoid(Layer.build(BrowserFiles.layer(options))))

describe("BrowserFiles.layer", () => {
  it.effect("refuses to send a key to the service itself without the header that accepts the risk, and does not show the key", () =>
    Effect.gen(function*() {
      for (
        const options of [
          { apiKey },
          { authToken: apiKey, baseUrl: "" },
          { apiKey, baseUrl: new URL("https://api.anthropic.com/v1") },
          { apiKey, headers: { "x-tenant": "a" } }
        ]
      ) {
        const error = yield* Effect.flip(built(options))
        assert.deepInclude(error, { _tag: "InvalidConfig", option: "headers" })
        assert.include(error.message, "anthropic-dangerous-direct-browser-access")
        assert.notInclude(JSON.stringify(error), "canary")
      }
    }))

  it.effect("accepts a key with that header, in any letter case, and a key for another address", () =>
    Effect.gen(function*() {
      yield* built({ apiKey, headers: { "Anthropic-Dangerous-Direct-Browser-Access": "true" } })
      yield* built({ apiKey, baseUrl: "https://gateway.example.com" })
    }))
})
