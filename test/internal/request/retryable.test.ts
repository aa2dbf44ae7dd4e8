import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Headers } from "effect/http"
import { isRetryable, isSpendCap } from "../../../src/internal/request/retryable.ts"
import { type ErrorRow, errorTable } from "./errorTable.ts"

const none = Headers.empty

describe("isRetryable", () => {
  it.effect.each<ErrorRow>(errorTable)(
    "$status $code is $retry",
    ({ code, retry, status }) => Effect.sync(() => assert.strictEqual(isRetryable(status, none, code), retry))
  )

  it.effect.each<ErrorRow>(errorTable)(
    "x-should-retry overrides $status $code both ways",
    ({ code, status }) =>
      Effect.sync(() => {
        // But a spend cap, which no wait lifts.
        const asked = isRetryable(status, Headers.fromInput({ "x-should-retry": "true" }), code)
        assert.strictEqual(asked, !isSpendCap(code))
        assert.isFalse(isRetryable(status, Headers.fromInput({ "X-Should-Retry": "false" }), code))
      })
  )

  it.effect.each<ErrorRow>(errorTable)(
    "an x-should-retry that is neither leaves $status $code as it is",
    (row) =>
      Effect.sync(() => {
        for (const value of ["", "1", "yes", "null"]) {
          assert.strictEqual(
            isRetryable(row.status, Headers.fromInput({ "x-should-retry": value }), row.code),
            row.retry
          )
        }
      })
  )

  it.effect.each(
    [
      [200, false],
      [301, false],
      [400, false],
      [405, false],
      [418, false],
      [422, false],
      [451, false],
      [501, false],
      // A gateway's own, of which each means that the service was not reached.
      [520, true],
      [522, true],
      [524, true],
      [599, true]
    ] as const
  )(
    "%i, which the table does not have",
    ([status, retry]) => Effect.sync(() => assert.strictEqual(isRetryable(status, none, undefined), retry))
  )

  it.effect("an unknown code does not change the decision", () =>
    Effect.sync(() => {
      assert.isTrue(isRetryable(503, none, "something_new"))
      assert.isFalse(isRetryable(400, none, "something_new"))
    }))
})

describe("isSpendCap", () => {
  it.effect("knows the two codes, and no other", () =>
    Effect.sync(() => {
      assert.isTrue(isSpendCap("enforced_spend_limit_reached"))
      assert.isTrue(isSpendCap("contract_spend_limit_reached"))
      for (const other of [undefined, "", "ramp_limit_exceeded", "spend_limit", "toString", "constructor"]) {
        assert.isFalse(isSpendCap(other))
      }
    }))
})
