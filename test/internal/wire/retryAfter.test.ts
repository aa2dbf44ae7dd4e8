import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Duration, Effect, Schema } from "effect"
import { Headers } from "effect/http"
import { retryAfter } from "../../../src/internal/wire/retryAfter.ts"

const now = Date.UTC(2026, 10, 21, 10, 0, 0)

const millisOf = (headers: Record<string, string>) => {
  const wait = retryAfter(Headers.fromInput(headers), now)
  return wait === undefined ? undefined : Duration.toMillis(wait)
}

describe("retryAfter", () => {
  it.effect.each<{ readonly headers: Record<string, string>; readonly millis: number | undefined }>([
    { headers: {}, millis: undefined },
    { headers: { "retry-after": "0" }, millis: 0 },
    { headers: { "retry-after": "1" }, millis: 1000 },
    { headers: { "retry-after": "120" }, millis: 120_000 },
    { headers: { "retry-after": " 7 " }, millis: 7000 },
    { headers: { "retry-after": "0.5" }, millis: 500 },
    { headers: { "retry-after": "1.25" }, millis: 1250 },
    { headers: { "Retry-After": "2" }, millis: 2000 },
    { headers: { "retry-after-ms": "1500" }, millis: 1500 },
    { headers: { "retry-after-ms": "0" }, millis: 0 },
    { headers: { "retry-after-ms": "0", "retry-after": "9" }, millis: 0 },
    { headers: { "retry-after-ms": "1.5" }, millis: 1.5 },
    // The finer one wins, unless it can't be read.
    { headers: { "retry-after-ms": "250", "retry-after": "9" }, millis: 250 },
    { headers: { "retry-after-ms": "soon", "retry-after": "9" }, millis: 9000 },
    { headers: { "retry-after-ms": "", "retry-after": "9" }, millis: 9000 },
    { headers: { "retry-after-ms": "-5", "retry-after": "9" }, millis: 9000 },
    { headers: { "retry-after": "Sat, 21 Nov 2026 10:00:30 GMT" }, millis: 30_000 },
    { headers: { "retry-after": "Saturday, 21-Nov-26 10:00:30 GMT" }, millis: 30_000 },
    { headers: { "retry-after": "Sat Nov 21 10:00:30 2026" }, millis: 30_000 },
    // A date is compared with the clock of whoever sent it.
    {
      headers: { "retry-after": "Sat, 21 Nov 2026 12:00:30 GMT", "date": "Sat, 21 Nov 2026 12:00:00 GMT" },
      millis: 30_000
    },
    {
      headers: { "retry-after": "Fri, 20 Nov 2026 00:00:30 GMT", "date": "Fri, 20 Nov 2026 00:00:00 GMT" },
      millis: 30_000
    },
    { headers: { "retry-after": "Sat, 21 Nov 2026 10:00:30 GMT", "date": "yesterday" }, millis: 30_000 },
    // No longer than a day, whatever a service writes.
    { headers: { "retry-after": "9999999999" }, millis: 86_400_000 },
    { headers: { "retry-after-ms": "9999999999999" }, millis: 86_400_000 },
    { headers: { "retry-after": "Tue, 24 Nov 2027 10:00:00 GMT" }, millis: 86_400_000 },
    // Past, or now: a wish for no wait.
    { headers: { "retry-after": "Sat, 21 Nov 2026 10:00:00 GMT" }, millis: 0 },
    { headers: { "retry-after": "Sat, 21 Nov 2026 09:59:00 GMT" }, millis: 0 },
    { headers: { "retry-after": "Thu, 01 Jan 1970 00:00:00 GMT" }, millis: 0 },
    { headers: { "retry-after": "" }, millis: undefined },
    { headers: { "retry-after": "-1" }, millis: undefined },
    { headers: { "retry-after": "+1" }, millis: undefined },
    { headers: { "retry-after": "1e3" }, millis: undefined },
    { headers: { "retry-after": "0x10" }, millis: undefined },
    { headers: { "retry-after": "1,5" }, millis: undefined },
    { headers: { "retry-after": ".5" }, millis: undefined },
    { headers: { "retry-after": "5." }, millis: undefined },
    { headers: { "retry-after": "NaN" }, millis: undefined },
    { headers: { "retry-after": "Infinity" }, millis: undefined },
    { headers: { "retry-after": "tomorrow" }, millis: undefined },
    { headers: { "retry-after": "5; 6" }, millis: undefined },
    { headers: { "retry-after": "2026-11-21T10:00:30Z" }, millis: undefined },
    { headers: { "retry-after": "Sat, 31 Feb 2026 10:00:30 GMT" }, millis: undefined }
  ])(
    "$headers is $millis ms",
    ({ headers, millis }) => Effect.sync(() => assert.strictEqual(millisOf(headers), millis))
  )

  it.effect.prop(
    "whatever the headers hold, it is undefined or a wait of at most a day that is not negative",
    {
      millis: Schema.Union([
        Schema.Undefined,
        Schema.String,
        Schema.Literals(["9".repeat(400), "1".repeat(400) + ".5"])
      ]),
      seconds: Schema.Union([Schema.String, Schema.Literals(["9".repeat(400), "1".repeat(306)])])
    },
    ({ millis, seconds }) =>
      Effect.sync(() => {
        const wait = millisOf({ "retry-after": seconds, ...(millis === undefined ? {} : { "retry-after-ms": millis }) })
        assert.isTrue(wait === undefined || (wait >= 0 && wait <= 86_400_000), `${wait}`)
      })
  )

  it.effect.prop(
    "seconds and milliseconds that are written out are read back",
    [Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10_000_000 })))],
    ([millis]) =>
      Effect.sync(() => {
        assert.strictEqual(millisOf({ "retry-after-ms": String(millis) }), millis)
        assert.strictEqual(Math.round(millisOf({ "retry-after": (millis / 1000).toFixed(3) }) ?? NaN), millis)
      })
  )
})
