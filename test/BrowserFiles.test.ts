import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as BrowserFiles from "effect-anthropic-files/BrowserFiles"

const apiKey = Redacted.make("sk-ant-canary-key")

const built = (options: Parameters<typeof BrowserFiles.layer>[0]) =>
  Effect.scoped(Effect.asVoid(Layer.build(BrowserFiles.layer(options))))

describe("BrowserFiles.layer", () => {
  it.effect("refuses a key for the service itself that nobody has accepted to be readable, without showing it", () =>
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

  it.effect("takes one with the header that accepts it, in any case, and one for another address", () =>
    Effect.gen(function*() {
      yield* built({ apiKey, headers: { "Anthropic-Dangerous-Direct-Browser-Access": "true" } })
      yield* built({ apiKey, baseUrl: "https://gateway.example.com" })
    }))
})
