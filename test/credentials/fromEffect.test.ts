import { assert, describe, it } from "@effect/vitest"
import { Context, DateTime, Duration, Effect, Layer, Redacted } from "effect"
import { Credentials } from "effect-anthropic-files"
import { TestClock } from "effect/testing"
import { headersOf } from "./support.ts"

const open = <E>(
  token: Effect.Effect<Credentials.Token | Redacted.Redacted<string>, E>,
  options?: Credentials.FromEffectOptions
) => Effect.provide(Credentials.Credentials, Layer.fresh(Credentials.fromEffect(token, options)))

/** Keeps the layer open for as long as the test runs. */
const build = <E>(
  token: Effect.Effect<Credentials.Token | Redacted.Redacted<string>, E>,
  options?: Credentials.FromEffectOptions
) =>
  Effect.map(
    Layer.build(Credentials.fromEffect(token, options)),
    (context) => Context.get(context, Credentials.Credentials)
  )

describe("a token from an Effect", () => {
  it.effect("is obtained when it is needed, and again before it expires", () =>
    Effect.gen(function*() {
      let count = 0
      const credentials = yield* build(Effect.gen(function*() {
        const expiresAt = DateTime.addDuration(yield* DateTime.now, Duration.hours(1))
        return { token: Redacted.make(`token-${++count}`), expiresAt }
      }))
      assert.strictEqual(count, 0)
      const headers = yield* headersOf(credentials)
      assert.deepStrictEqual(headers, { authorization: "Bearer token-1", "anthropic-beta": "oauth-2025-04-20" })
      yield* TestClock.adjust("50 minutes")
      assert.strictEqual((yield* headersOf(credentials)).authorization, "Bearer token-1")
      yield* TestClock.adjust("580 seconds")
      assert.strictEqual((yield* headersOf(credentials)).authorization, "Bearer token-2")
    }))

  it.effect("is kept until the service refuses it if it has no expiry", () =>
    Effect.gen(function*() {
      let count = 0
      const credentials = yield* build(Effect.sync(() => Redacted.make(`token-${++count}`)), { betas: [] })
      const used = yield* credentials.headersFor({} as never)
      yield* TestClock.adjust("30 days")
      assert.deepStrictEqual(yield* headersOf(credentials), { authorization: "Bearer token-1" })
      assert.isTrue(yield* credentials.invalidate(used))
      assert.deepStrictEqual(yield* headersOf(credentials), { authorization: "Bearer token-2" })
    }))

  it.effect("is a typed error if its Effect fails or gives nothing", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(headersOf(yield* build(Effect.fail({ message: "vault is sealed" }))))
      assert.strictEqual(error._tag, "CredentialsFailed")
      assert.include(error.message, "vault is sealed")
      for (const value of ["", " ", undefined, "canary canary", 7]) {
        const none = yield* build(Effect.succeed(Redacted.make(value) as Redacted.Redacted<string>))
        const error = yield* Effect.flip(headersOf(none))
        assert.strictEqual(error._tag, "CredentialsFailed")
        assert.notInclude(JSON.stringify(error), "canary")
      }
    }))

  it.effect("is a typed error if its Effect dies, rejects or gives what is no token, which the error does not show", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [token: Effect.Effect<unknown>, said: string]> = [
        [Effect.die(new Error("vault is gone")), "its Effect died: vault is gone"],
        [Effect.promise(() => Promise.reject(new Error("no network"))), "its Effect died: no network"],
        [Effect.die("canary"), "its Effect died: it gives no reason"],
        [Effect.void, "The Effect gave undefined, which is no token"],
        [Effect.succeed(null), "The Effect gave null, which is no token"],
        [Effect.succeed("canary"), "The Effect gave a string, which is no token"],
        [Effect.succeed({ access_token: "canary" }), "The Effect gave an object, which is no token"],
        [Effect.succeed({ token: Redacted.make("canary"), expiresAt: 7 }), "The Effect gave an object"]
      ]
      for (const [token, said] of cases) {
        const credentials = yield* build(token as Effect.Effect<Credentials.Token>)
        const error = yield* Effect.flip(headersOf(credentials))
        assert.strictEqual(error._tag, "CredentialsFailed")
        assert.include(error.message, said)
        assert.notInclude(error.message, "canary")
        assert.isFalse(error.isRetryable)
      }
    }))

  it.effect("has a different identity in each layer unless one is given", () =>
    Effect.gen(function*() {
      const token = Effect.succeed(Redacted.make("t"))
      assert.notStrictEqual((yield* open(token)).identity, (yield* open(token)).identity)
      assert.strictEqual((yield* open(token, { identity: "me" })).identity, "me")
    }))
})

it.effect("without a credential no header is sent", () =>
  Effect.gen(function*() {
    const credentials = yield* Effect.provide(Credentials.Credentials, Credentials.none)
    assert.deepStrictEqual(yield* headersOf(credentials), {})
    assert.isFalse(yield* credentials.invalidate({}))
  }))
