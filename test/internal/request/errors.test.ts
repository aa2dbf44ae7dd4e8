import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Schema } from "effect"
import { Headers, HttpClientError, HttpClientRequest } from "effect/http"
import { inspect } from "node:util"
import {
  FileNotDownloadable,
  FilesError,
  type RateLimited,
  type RequestFailed,
  SourceFailed,
  StorageLimitExceeded,
  type TransferInterrupted
} from "../../../src/FilesError.ts"
import {
  fileTooLarge,
  finish,
  fromEnvelope,
  fromMisplacedEnvelope,
  fromResponse,
  fromTransport,
  noAnswer,
  readEnvelope,
  type Sent,
  type Subject,
  toOperationError,
  unexpected
} from "../../../src/internal/request/errors.ts"
import { isSpendCap } from "../../../src/internal/request/retryable.ts"
import { excerpt } from "../../../src/internal/text.ts"
import { type ErrorRow, errorTable, type FilesOperation } from "./errorTable.ts"

const key = "sk-ant-canary-000102030405060708090a0b0c0d0e0f"

const operations: ReadonlyArray<FilesOperation> = ["upload", "list", "metadata", "download", "delete"]

const subjectOf = (operation: FilesOperation, more?: Partial<Subject>): Subject => ({
  operation,
  dialect: "ga",
  baseUrl: "https://api.anthropic.com",
  scrub: (text) => text.replaceAll(key, "[redacted]"),
  maxFileBytes: 500_000_000,
  ...(operation === "upload" ? { filename: "report.pdf", size: 1234 } : {}),
  ...(operation === "upload" || operation === "list" ? {} : { fileId: "file_011CNha8iCJcU1wXNR6q4V8w" }),
  ...more
})

const envelopeOf = (type: string, code: string | undefined, message = "Some words that change.") => ({
  type: "error",
  error: { type, message, ...(code === undefined ? {} : { details: { error_code: code } }) },
  request_id: "req_body"
})

const answer = (subject: Subject, response: {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly json?: unknown
  readonly body?: string
}): FilesError =>
  fromResponse(subject, {
    status: response.status,
    headers: Headers.fromInput(response.headers),
    body: response.body ?? (response.json === undefined ? "" : JSON.stringify(response.json)),
    json: response.json,
    now: 0
  })

/** The flat tag, or the reason's. */
const outcomeOf = (error: FilesError): string => error._tag === "RequestFailed" ? error.reason._tag : error._tag

const retryAfterOf = (error: FilesError): number | undefined => {
  const wait = "retryAfter" in error ? error.retryAfter : undefined
  return wait === undefined ? undefined : Duration.toMillis(wait)
}

// oxlint-disable-next-line no-control-regex
const unprintable = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/

/** What every message has to be, whatever came from outside. */
const checkMessage = (message: string, bound = 512) => {
  assert.notMatch(message, unprintable, "a control character, a bidirectional one or a line break")
  assert.notMatch(message, /<[a-z!/?]/i, "a tag")
  assert.isAtMost(message.length, 250 + bound)
  assert.notInclude(message, key)
  assert.doesNotThrow(() => encodeURIComponent(message))
}

const cases = errorTable.flatMap((row) => operations.map((operation) => ({ ...row, operation })))

describe("fromResponse and toOperationError, over the service's error table", () => {
  it.effect.each<ErrorRow & { readonly operation: FilesOperation }>(cases)(
    "$operation: $status $code",
    ({ code, operation, outcome, retry, status, type }) =>
      Effect.sync(() => {
        const error = toOperationError(operation)(
          answer(subjectOf(operation), {
            status,
            headers: { "request-id": "req_header" },
            json: envelopeOf(type, code)
          })
        )
        assert.strictEqual(outcomeOf(error), outcome[operation])
        assert.strictEqual(error.operation, operation)
        assert.strictEqual(error.status, status)
        assert.strictEqual(error.requestId, "req_header")
        assert.strictEqual(error.errorCode, code)
        assert.strictEqual(error.isRetryable, retry)
        assert.strictEqual(
          error.isOutcomeUnknown,
          (operation === "upload" || operation === "delete")
            && ((status >= 500 && status !== 529) || status === 408 || status === 409)
        )
        assert.include(error.message, "Some words that change.")
        checkMessage(error.message)
      })
  )

  it.effect.each<ErrorRow & { readonly operation: FilesOperation }>(cases)(
    "$operation: $status $code without a body keeps what the status alone says",
    ({ code, operation, outcome, retry, status }) =>
      Effect.sync(() => {
        const error = toOperationError(operation)(answer(subjectOf(operation), { status }))
        assert.strictEqual(error.errorCode, undefined)
        assert.strictEqual(error.requestId, undefined)
        // Of a bare 404 nobody knows what it is about.
        if (status === 404) {
          assert.strictEqual(outcomeOf(error), "InvalidRequest")
          assert.include(error.message, "Check the base URL")
        } else if (code === undefined) {
          assert.strictEqual(outcomeOf(error), outcome[operation])
          assert.strictEqual(error.isRetryable, retry)
        }
        assert.notInclude(error.message, "The service says")
      })
  )

  it.effect.each<ErrorRow>(errorTable)(
    "x-should-retry is obeyed for $status $code",
    ({ code, status, type }) =>
      Effect.sync(() => {
        for (const operation of operations) {
          for (const value of [true, false]) {
            const error = toOperationError(operation)(answer(subjectOf(operation), {
              status,
              headers: { "x-should-retry": String(value) },
              json: envelopeOf(type, code)
            }))
            // A spend cap is final whatever the header says.
            assert.strictEqual(error.isRetryable, value && !isSpendCap(code))
          }
        }
      })
  )

  it.effect.each(
    [
      [429, "RateLimited"],
      [529, "Overloaded"],
      [500, "ServerFailed"],
      [503, "ServerFailed"],
      [409, "ServerFailed"]
    ] as const
  )("%i carries retry-after", ([status, tag]) =>
    Effect.sync(() => {
      const error = answer(subjectOf("list"), { status, headers: { "retry-after": "1.5" } })
      assert.strictEqual(outcomeOf(error), tag)
      assert.strictEqual(retryAfterOf(error), 1500)
      assert.strictEqual(retryAfterOf(answer(subjectOf("list"), { status })), undefined)
    }))

  it.effect("a 429 says how long to wait, unless the wait is zero", () =>
    Effect.sync(() => {
      const of = (wait: string) => answer(subjectOf("list"), { status: 429, headers: { "retry-after": wait } }).message
      const plain = "Listing files failed: too many requests."
      assert.strictEqual(of("90"), `${plain} Wait 1m 30s before the next request.`)
      assert.strictEqual(of("0"), plain)
      assert.strictEqual(of("Thu, 01 Jan 1970 00:00:00 GMT"), plain)
    }))

  it.effect("a spend cap stays one when the service also asks to wait", () =>
    Effect.sync(() => {
      const error = answer(subjectOf("upload"), {
        status: 429,
        headers: { "retry-after": "60" },
        json: envelopeOf("rate_limit_error", "enforced_spend_limit_reached")
      })
      assert.strictEqual(outcomeOf(error), "BillingBlocked")
      assert.isFalse(error.isRetryable)
    }))

  it.effect("an error has the facts of its answer", () =>
    Effect.sync(() => {
      const unsized = answer(subjectOf("upload", { size: undefined }), { status: 413 })
      assert(unsized._tag === "FileTooLarge")
      assert.isFalse("size" in unsized)
      const notFound = answer(subjectOf("metadata", { fileId: "file_x" }), {
        status: 404,
        json: envelopeOf("not_found_error", undefined)
      })
      assert(notFound._tag === "FileNotFound")
      assert.strictEqual(notFound.fileId, "file_x")
      assert.include(notFound.message, "file_x")
    }))

  it.effect("a 413 claims the documented limit only when the service itself refused a file that may be over it", () =>
    Effect.sync(() => {
      const json = envelopeOf("request_too_large", undefined)
      const of = (size: number | undefined, more: { readonly json?: unknown; readonly body?: string }) => {
        const error = answer(subjectOf("upload", { size }), { status: 413, ...more })
        assert(error._tag === "FileTooLarge")
        assert.strictEqual(error.size, size)
        assert.isFalse(error.isRetryable)
        assert.include(error.message, "report.pdf")
        checkMessage(error.message)
        return error
      }
      for (const size of [undefined, 500_000_001]) {
        assert.strictEqual(of(size, { json }).limit, 500_000_000)
        assert.include(of(size, { json }).message, "500 MB")
      }
      for (const error of [of(1234, { json }), of(1234, { body: "<html>413</html>" }), of(undefined, { body: "" })]) {
        assert.isFalse("limit" in error)
        assert.notInclude(error.message, "500 MB")
      }
      assert.include(of(1234, { body: "<html>413</html>" }).message, "a proxy before https://api.anthropic.com")
    }))

  it.effect("a 403 of the beta dialect means a full storage only for an upload that says so", () =>
    Effect.sync(() => {
      const storage = envelopeOf("permission_error", undefined, "Organization storage limit exceeded")
      const outcome = (operation: FilesOperation, dialect: "ga" | "beta", json: unknown) =>
        outcomeOf(answer(subjectOf(operation, { dialect }), { status: 403, json }))
      assert.strictEqual(outcome("upload", "beta", storage), "StorageLimitExceeded")
      assert.strictEqual(outcome("upload", "ga", storage), "PermissionDenied")
      assert.strictEqual(outcome("delete", "beta", storage), "PermissionDenied")
      assert.strictEqual(outcome("upload", "beta", envelopeOf("permission_error", undefined)), "PermissionDenied")
      assert.strictEqual(outcome("upload", "beta", undefined), "PermissionDenied")
    }))

  it.effect("an unknown code leaves the decision to the status", () =>
    Effect.sync(() => {
      for (const code of ["something_new", "constructor", "__proto__"]) {
        const error = answer(subjectOf("metadata"), { status: 404, json: envelopeOf("not_found_error", code) })
        assert.strictEqual(error._tag, "FileNotFound")
        assert.strictEqual(error.errorCode, code)
      }
    }))

  it.effect("304 is not a redirect", () =>
    Effect.sync(() => {
      const error = answer(subjectOf("metadata"), { status: 304 })
      assert.strictEqual(outcomeOf(error), "UnexpectedResponse")
      assert.notInclude(error.message, "redirect")
      assert.include(error.message, "https://api.anthropic.com answered 304")
    }))

  it.effect.each([301, 302, 303, 307, 308, 0])("%i is a redirect that is not followed", (status) =>
    Effect.sync(() => {
      for (const operation of operations) {
        const error = answer(subjectOf(operation), {
          status,
          headers: { location: `https://elsewhere.example/?token=${key}` }
        })
        assert.strictEqual(outcomeOf(error), "UnexpectedResponse")
        assert.isFalse(error.isRetryable)
        assert.isFalse(error.isOutcomeUnknown)
        assert.include(error.message, "redirects to https://elsewhere.example/,")
      }
    }))

  it.effect.each([202, 204, 206])(
    "%i, a success that no operation has, leaves an upload's outcome open",
    (status) =>
      Effect.sync(() => {
        for (const operation of operations) {
          const error = answer(subjectOf(operation), { status })
          assert.strictEqual(outcomeOf(error), "UnexpectedResponse")
          assert.strictEqual(error.isOutcomeUnknown, operation === "upload" || operation === "delete")
        }
      })
  )
})

describe("a 404", () => {
  const id = "file_011CNha8iCJcU1wXNR6q4V8w"
  const notFound = (message: string) => ({ status: 404, json: envelopeOf("not_found_error", undefined, message) })

  it.effect("from the API for exactly one file is about that file", () =>
    Effect.sync(() => {
      for (const operation of ["metadata", "download", "delete"] as const) {
        assert.strictEqual(outcomeOf(answer(subjectOf(operation), notFound("Not found"))), "FileNotFound")
      }
    }))

  it.effect("from something in front of the service is not about a file", () =>
    Effect.sync(() => {
      for (const operation of operations) {
        for (
          const response of [
            { status: 404 },
            { status: 404, body: "<html><title>404 Not Found</title></html>" },
            { status: 404, json: { message: "no Route matched with those values" } },
            { status: 404, json: { error: { code: "404", message: "Resource not found" } } }
          ]
        ) {
          const error = answer(subjectOf(operation), response)
          assert.strictEqual(outcomeOf(error), "InvalidRequest")
          assert.isFalse(error.isRetryable)
          assert.include(error.message, "https://api.anthropic.com")
        }
      }
    }))

  it.effect("from the service with a broken body is recognized by its request-id", () =>
    Effect.sync(() => {
      const of = (headers: Record<string, string>, body = "") =>
        outcomeOf(answer(subjectOf("delete"), { status: 404, headers, body }))
      assert.strictEqual(of({ "request-id": "req_011" }), "FileNotFound")
      assert.strictEqual(of({ "request-id": "req_011" }, "{\"type\""), "FileNotFound")
      assert.strictEqual(of({ "request-id": "5f1c" }), "InvalidRequest")
      assert.strictEqual(of({ "request-id": "req_011" }, "<html>404</html>"), "InvalidRequest")
    }))

  it.effect("whose message names the file is about it, whoever answers", () =>
    Effect.sync(() => {
      const error = answer(subjectOf("metadata"), { status: 404, body: `{}`, json: { error: { message: `no ${id}` } } })
      assert.strictEqual(error._tag, "FileNotFound")
    }))

  const message = (ids: ReadonlyArray<string>): Subject => ({
    ...subjectOf("list"),
    operation: "createMessage",
    fileIds: () => ids,
    model: "claude-sonnet-5-5"
  })

  it.effect.each<readonly [words: string, ids: ReadonlyArray<string>, fileId: string | undefined]>([
    ["File `file_1` not found.", ["file_1"], "file_1"],
    ["File file_1 not found", ["file_12", "file_1"], "file_1"],
    ["file_2: not found", ["file_1", "file_2"], "file_2"],
    ["File `file_12` not found", ["file_1"], "file_12"],
    ["file_id: not found", ["file_1"], undefined],
    ["x_file_1 not found", ["file_1"], undefined],
    ["Container container_011CX not found", ["file_1"], undefined],
    ["skill_id: skill_01Ab not found", ["file_1"], undefined],
    ["model: claude-sonnet-5-5", ["file_1"], undefined],
    ["Not found", ["file_1"], undefined],
    ["Not found", [], undefined]
  ])("of a message, “%s” with the files %j, is about %s", ([words, ids, fileId]) =>
    Effect.sync(() => {
      const error = answer(message(ids), notFound(words))
      assert.strictEqual(outcomeOf(error), fileId === undefined ? "InvalidRequest" : "FileNotFound")
      if (error._tag === "FileNotFound") assert.strictEqual(error.fileId, fileId)
      assert.include(error.message, words)
    }))

  it.effect("for a later page does not say that there is no API", () =>
    Effect.sync(() => {
      assert.notInclude(answer(subjectOf("list"), notFound("page gone")).message, "API at")
    }))
})

describe("the meaning of a code", () => {
  const details = { error_code: "x", max_side_length_pixels: 2000, paths: ["messages.0.content.1"] }

  it.effect.each<readonly [status: number, code: string, words: RegExp, forbidden?: RegExp]>([
    [400, "image_dimensions_too_large", /image \(messages\.0\.content\.1\) is larger than 2000 pixels/],
    [400, "workspace_human_review_disabled", /human review is disabled in this workspace/],
    [402, "linked_organization_billing_unavailable", /another organization pays/, /no credit/],
    [402, "linked_organization_spend_limit_reached", /organization that pays for this one/, /no credit|next period/],
    [403, "user_profile_billing_not_authorized", /user profile may not be billed/, /key may not/],
    [400, "user_profile_required", /Give userProfileId/],
    [400, "user_profile_not_found", /Check userProfileId/, /no file/i],
    [413, "request_body_too_large_after_decoding", /once it is decoded/, /500 MB/],
    [400, "request_body_encoding_invalid", /can't decode the request's body/],
    [400, "request_body_encoding_unsupported", /content-encoding/],
    [400, "organization_on_hold", /organization is on hold/],
    [400, "cmek_key_disabled", /encryption key is disabled/],
    [400, "cmek_key_network_blocked", /network rule/],
    [503, "cmek_context_unavailable", /encryption key can't be reached/],
    [503, "cmek_key_unreachable", /encryption key can't be reached/],
    [429, "ramp_limit_exceeded", /rises too fast/],
    [429, "enforced_spend_limit_reached", /spend limit has been reached/, /too many requests/i],
    [400, "claude_code_key_creator_not_member", /not a member/]
  ])("%i %s has a sentence of its own", ([status, code, words, forbidden = /^$/]) =>
    Effect.sync(() => {
      const error = answer(subjectOf("upload"), {
        status,
        json: { error: { type: "x_error", message: "m", details: { ...details, error_code: code } }, request_id: "r" }
      })
      assert.match(error.message, words)
      assert.notMatch(error.message, forbidden)
      assert.strictEqual(error.errorCode, code)
      assert.deepStrictEqual(error.details, { max_side_length_pixels: 2000, paths: ["messages.0.content.1"] })
    }))

  it.effect("details that hold a key, a prototype or 20 KB do no harm", () =>
    Effect.sync(() => {
      const of = (details: unknown) =>
        answer(subjectOf("upload"), { status: 400, json: { error: { type: "x_error", message: "m", details } } })
          .details
      assert.deepStrictEqual(of({ echoed: key }), { echoed: "[redacted]" })
      assert.strictEqual(of(JSON.parse(`{"__proto__":{"isRetryable":true}}`)), undefined)
      for (const nothing of [undefined, null, "x", [1], {}, { error_code: "x" }, { text: "x".repeat(20_000) }]) {
        assert.strictEqual(of(nothing), undefined)
      }
    }))

  it.effect("a 400 about the credit balance is about billing, for every operation", () =>
    Effect.sync(() => {
      const words = "Your credit balance is too low to access the Anthropic API."
      for (const operation of operations) {
        const error = answer(subjectOf(operation), {
          status: 400,
          json: envelopeOf("invalid_request_error", undefined, words)
        })
        assert.strictEqual(outcomeOf(error), "BillingBlocked")
        assert.include(error.message, words)
      }
    }))

  it.effect.each<readonly [status: number, words: string, meaning: RegExp]>([
    [400, "You have reached your specified API usage limits. You will regain access on 2026-12-01.", /spend limit/],
    [429, "You have reached your specified workspace API usage limits.", /spend limit/],
    [400, "This organization has been disabled.", /on hold/]
  ])("a %i that says without a code “%s” is about billing, and final", ([status, words, meaning]) =>
    Effect.sync(() => {
      const type = status === 429 ? "rate_limit_error" : "invalid_request_error"
      const error = answer(subjectOf("list"), { status, json: envelopeOf(type, undefined, words) })
      assert.strictEqual(outcomeOf(error), "BillingBlocked")
      assert.isFalse(error.isRetryable)
      assert.match(error.message, meaning)
      assert.isUndefined(error.errorCode)
    }))

  it.effect.each([405, 407, 410, 415, 418, 422, 431, 451, 499])(
    "an unknown %i says what it is",
    (status) =>
      Effect.sync(() => {
        const error = answer(subjectOf("upload"), { status })
        assert.strictEqual(outcomeOf(error), "InvalidRequest")
        assert.include(error.message, String(status))
        assert.include(error.message, "https://api.anthropic.com")
        assert.include(error.message, "report.pdf")
      })
  )
})

describe("what a message says", () => {
  it.effect("an upload that failed with 500 may have been stored, and nothing is quoted where nothing was said", () =>
    Effect.sync(() => {
      const of = (body: string) =>
        answer(subjectOf("upload"), { status: 500, body, json: JSON.parse(body) as unknown }).message
      const plain = "Uploading report.pdf failed: the service answered 500."
        + " report.pdf may have been stored: look for it before you upload it again."
      for (const body of ["{}", "[]", "null", "{\"error\":{}}", "{\"code\":7}"]) assert.strictEqual(of(body), plain)
      assert.strictEqual(of("{\"message\":\"away\"}"), `${plain} The service says: away`)
      assert.strictEqual(of("{\"error\":\"away\"}"), `${plain} The service says: away`)
      assert.strictEqual(of("{\"detail\":\"away\"}"), `${plain} The service says: away`)
      for (
        const body of [
          { detail: [{ loc: ["body", "file"], msg: "away", type: "missing" }] },
          { detail: { error: "away" } },
          { statusCode: 500, message: "away", error: "Internal Server Error" },
          { statusCode: 500, message: ["away", "far"], error: "Internal Server Error" },
          { error: "invalid_grant", error_description: "away" },
          { Message: "away" },
          { errors: [{ code: 7, message: "away" }] },
          { type: "about:blank", title: "away", status: 500 },
          { fault: {}, error: { code: "E1", innererror: {}, description: "away" } },
          [{ error: { code: 500, message: "away" } }]
        ]
      ) assert.strictEqual(of(JSON.stringify(body)), `${plain} The service says: away`)
    }))

  it.effect("before the last byte was sent, nothing was stored", () =>
    Effect.sync(() => {
      for (const status of [500, 408, 409]) {
        const error = answer(subjectOf("upload", { isSent: () => false }), { status })
        assert.isFalse(error.isOutcomeUnknown)
        assert.include(error.message, "Nothing was stored.")
        assert.isTrue(answer(subjectOf("upload", { isSent: () => true }), { status }).isOutcomeUnknown)
      }
    }))

  it.effect("a binary body is not shown", () =>
    Effect.sync(() => {
      for (const body of ["\u001f\ufffd\b\u0000\u0000", "%PDF-1.7 \ufffd\ufffd\ufffd\ufffd", "\ufffdPNG\r\n\u001a\n"]) {
        assert.notInclude(answer(subjectOf("list"), { status: 500, body }).message, "The service says")
        const headers = Headers.fromInput({ "content-encoding": "gzip" })
        const { message } = unexpected(subjectOf("list"), { status: 200, headers }, "The answer is not JSON.", body)
        assert.strictEqual(
          message,
          "The answer is not JSON. It came from https://api.anthropic.com as gzip."
        )
      }
    }))

  it.effect("a page of a proxy names the address and its type", () =>
    Effect.sync(() => {
      const headers = Headers.fromInput({ "content-type": "text/html; charset=utf-8" })
      const { message } = unexpected(
        subjectOf("metadata"),
        { status: 200, headers },
        "The answer is not JSON.",
        "<html>Log in</html>"
      )
      assert.strictEqual(
        message,
        "The answer is not JSON. It came from https://api.anthropic.com as text/html; charset=utf-8:"
          + " is a proxy or a login page in between? It begins: Log in"
      )
    }))

  it.effect("no answer", () =>
    Effect.sync(() => {
      const waited = Duration.seconds(60)
      assert.strictEqual(
        noAnswer(subjectOf("upload"), waited).message,
        "Uploading report.pdf failed: https://api.anthropic.com gave no answer within 1m."
          + " report.pdf may have been stored: look for it before you upload it again."
      )
      const early = noAnswer(subjectOf("upload", { isSent: () => false }), waited)
      assert.isFalse(early.isOutcomeUnknown)
      assert.include(early.message, "Nothing was stored.")
      assert.strictEqual(
        noAnswer(subjectOf("list"), waited).message,
        "Listing files failed: https://api.anthropic.com gave no answer within 1m."
      )
    }))

  it.effect.each<readonly [what: string, cause: unknown, message: string]>([
    [
      "a refused connection",
      Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), { code: "ECONNREFUSED", syscall: "connect" }),
      "https://api.anthropic.com can't be reached, nothing accepts connections there (ECONNREFUSED). Check the base URL."
    ],
    [
      "https on an http port",
      Object.assign(new Error("write EPROTO 4:error:0A00010B:SSL routines:x:wrong version number:a.c:77:\n"), {
        code: "EPROTO"
      }),
      "https://api.anthropic.com can't be reached, it does not speak TLS (EPROTO). It may be an http address."
    ],
    [
      "a certificate",
      Object.assign(new Error("self-signed certificate"), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" }),
      "https://api.anthropic.com can't be reached, its certificate is not trusted (DEPTH_ZERO_SELF_SIGNED_CERT)."
      + " Where a proxy opens TLS, add its certificate (NODE_EXTRA_CA_CERTS)."
    ],
    [
      "a reset",
      Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET", syscall: "read" }),
      "the connection to https://api.anthropic.com broke before an answer came, read ECONNRESET."
    ],
    [
      "nothing that is known",
      undefined,
      "the connection to https://api.anthropic.com broke before an answer came, no cause is known."
    ]
  ])(
    "%s",
    ([, cause, message]) =>
      Effect.sync(() =>
        assert.strictEqual(transport(subjectOf("list"), cause).message, `Listing files failed: ${message}`)
      )
  )
})

describe("finish", () => {
  it.effect("says once how often it was tried", () =>
    Effect.sync(() => {
      const error = answer(subjectOf("list"), { status: 500 })
      const scrub = (text: string) => text
      const five = finish(error, { scrub, tries: 5 })
      assert.strictEqual(five.message, "After 5 tries: Listing files failed: the service answered 500.")
      assert.strictEqual(five.tries, 5)
      assert.strictEqual(five._tag, "RequestFailed")
      assert.strictEqual(five.isRetryable, true)
      assert.strictEqual(finish(five, { scrub, tries: 5 }), five)
      assert.strictEqual(finish(five, { scrub, tries: 6 }).message.match(/tries/g)?.length, 1)
      assert.strictEqual(finish(error, { scrub, tries: 1 }), error)
      assert.strictEqual(finish(error, { scrub }), error)
      assert.include(answer(subjectOf("list", { tries: 3 }), { status: 429 }).message, "After 3 tries: ")
    }))

  it.effect("takes a key out of every field and of the cause, whatever the error", () =>
    Effect.gen(function*() {
      const { scrub } = subjectOf("list")
      const error = new SourceFailed({
        operation: "upload",
        reason: "Failed",
        message: `bad ${key}`,
        source: `https://${key}/`,
        details: { [key]: [key] },
        cause: new Error("x", { cause: { headers: { key } } })
      })
      const finished = finish(error, { scrub })
      assert.strictEqual(finished._tag, "SourceFailed")
      assert.notInclude(inspect(finished, { depth: 20, showHidden: true }), key)
      const clean = new SourceFailed({ operation: "upload", reason: "Failed", message: "m", cause: new Error("x") })
      assert.strictEqual(finish(clean, { scrub }), clean)
    }))

  it.effect("leaves out what is not known", () =>
    Effect.sync(() => {
      for (const operation of operations) {
        for (const status of [404, 413, 429, 500]) {
          assert.notInclude(inspect(answer(subjectOf(operation), { status }), { depth: 5 }), "undefined")
        }
      }
    }))
})

describe("fromMisplacedEnvelope", () => {
  it.effect("an error envelope with status 200 is that error; other JSON is not", () =>
    Effect.sync(() => {
      const subject = subjectOf("list")
      const error = fromMisplacedEnvelope(subject, Headers.empty, envelopeOf("overloaded_error", undefined))
      assert(error !== undefined)
      assert.strictEqual(outcomeOf(error), "Overloaded")
      for (const json of [{}, null, [], { type: "error" }, { error: { type: "x" } }, { data: [], next_page: null }]) {
        assert.strictEqual(fromMisplacedEnvelope(subject, Headers.empty, json), undefined)
      }
    }))
})

describe("the body may be anything", () => {
  const page = `<!DOCTYPE html><html><head><title>502 Bad Gateway</title><style>${
    ".a{color:red}".repeat(1000)
  }</style><script>${"alert('x');".repeat(2000)}</script></head><body><h1>Bad\r\n\tGateway</h1>${
    "<p>The server is away.</p>\n".repeat(2000)
  }</body></html>`

  const bodies: ReadonlyArray<{ readonly what: string; readonly body: string }> = [
    { what: "an HTML page of 100 KB", body: page },
    { what: "an HTML page that breaks off in a script", body: page.slice(0, 14_000) },
    { what: "an HTML page that breaks off in a tag", body: "<html><body>Away <a href=\"https://x.example/" },
    { what: "nothing", body: "" },
    { what: "spaces", body: " \r\n\t " },
    { what: "null", body: "null" },
    { what: "an array", body: "[1,2,[3]]" },
    { what: "a string", body: "\"away\"" },
    { what: "a number", body: "42" },
    { what: "a JSON that breaks off", body: "{\"type\":\"error\",\"error\":{\"type\":\"api_er" },
    { what: "an error that is a string", body: "{\"error\":\"away\"}" },
    { what: "an error that is null", body: "{\"error\":null,\"request_id\":null}" },
    { what: "an error that is an array", body: "{\"error\":[{\"type\":\"x\"}],\"request_id\":[\"r\"]}" },
    {
      what: "an envelope of wrong types",
      body:
        "{\"error\":{\"type\":1,\"message\":{\"a\":1},\"details\":{\"error_code\":[\"file_expired\"]}},\"request_id\":7}"
    },
    {
      what: "details that are a string",
      body: "{\"error\":{\"type\":\"x\",\"message\":\"\",\"details\":\"file_expired\"}}"
    },
    { what: "control characters", body: "a\u0000b\u0007c\u001b[31mred\u001b[0m\u009b32m\u0085d\u007f" },
    { what: "a right-to-left override", body: "invoice\u202etxt.exe\u2066\u2069\u200f\u061c" },
    { what: "line separators", body: "one\u2028two\u2029three" },
    { what: "100 KB of one letter", body: "x".repeat(100_000) },
    { what: "100 KB of pairs", body: "😀".repeat(25_000) },
    { what: "100 KB of pairs after a letter", body: `x${"😀".repeat(25_000)}` },
    { what: "tags in tags", body: "<<b>script>alert(1)<</b>/script><\u0000img src=x>" },
    { what: "many unclosed scripts", body: "<script".repeat(14_000) },
    { what: "many brackets", body: "<".repeat(100_000) }
  ]

  const json = (body: string): unknown => {
    try {
      return JSON.parse(body)
    } catch {
      return undefined
    }
  }

  it.effect.each(bodies)("$what", ({ body }) =>
    Effect.sync(() => {
      for (const operation of operations) {
        for (const status of [400, 404, 413, 429, 500, 502, 529]) {
          const error = toOperationError(operation)(answer(subjectOf(operation), { status, body, json: json(body) }))
          checkMessage(error.message)
          assert.strictEqual(error.status, status)
          assert.strictEqual(error.requestId, undefined)
          assert.strictEqual(error.errorCode, undefined)
        }
      }
    }))

  it.effect("a page's text is shown, its tags, styles and scripts are not", () =>
    Effect.sync(() => {
      const short = page.replaceAll(/(\.a\{color:red\}|alert\('x'\);){100,}/g, "$1")
      const { message } = answer(subjectOf("list"), { status: 502, body: short })
      assert.include(message, "502 Bad Gateway Bad Gateway The server is away.")
      assert.notInclude(message, "color")
      assert.notInclude(message, "alert")
    }))

  it.effect.prop(
    "no text makes a message long, broken over lines or marked up",
    [Schema.String, Schema.String],
    ([a, b]) =>
      Effect.sync(() => {
        checkMessage(excerpt(`${a}<${b}>${a}`), 262)
        assert.isAtMost(excerpt(a.repeat(600)).length, 512)
      })
  )

  it.effect("a comparison in the service's own words is not taken for a tag", () =>
    Effect.sync(() => {
      const said = "filename must not hold any of < > : and 3 < 4 still holds"
      const error = answer(subjectOf("upload"), {
        status: 400,
        json: envelopeOf("invalid_request_error", undefined, said)
      })
      assert.include(error.message, said)
    }))

  it.effect("a request id and a code from outside are bounded and clean as well", () =>
    Effect.sync(() => {
      const error = answer(subjectOf("list"), {
        status: 500,
        json: {
          error: { type: "x", message: "m", details: { error_code: `code\u001b[31m${key}${"c".repeat(9000)}` } },
          request_id: `req\r\nx: y ${key}${"r".repeat(9000)}`
        }
      })
      checkMessage(error.requestId ?? "")
      checkMessage(error.errorCode ?? "")
      assert.match(error.requestId ?? "", /^req/)
      assert.match(error.errorCode ?? "", /^code/)
    }))
})

describe("readEnvelope", () => {
  it.effect("reads what is there", () =>
    Effect.sync(() =>
      assert.deepStrictEqual(readEnvelope(envelopeOf("not_found_error", "file_expired")), {
        type: "not_found_error",
        message: "Some words that change.",
        errorCode: "file_expired",
        requestId: "req_body"
      })
    ))

  it.effect("the body's request_id serves where the header is missing or empty", () =>
    Effect.sync(() => {
      const json = envelopeOf("api_error", undefined)
      assert.strictEqual(answer(subjectOf("list"), { status: 500, json }).requestId, "req_body")
      assert.strictEqual(
        answer(subjectOf("list"), { status: 500, json, headers: { "request-id": "" } }).requestId,
        "req_body"
      )
    }))

  it.effect.prop("takes any JSON", [Schema.Json], ([json]) =>
    Effect.sync(() => {
      const envelope = readEnvelope(json)
      for (const value of Object.values(envelope)) assert.isTrue(value === undefined || typeof value === "string")
    }))
})

describe("fromEnvelope", () => {
  it.effect.each<readonly [type: string, status: number, outcome: string]>([
    ["invalid_request_error", 400, "InvalidRequest"],
    ["authentication_error", 401, "Unauthorized"],
    ["billing_error", 402, "BillingBlocked"],
    ["permission_error", 403, "PermissionDenied"],
    ["request_too_large", 413, "InvalidRequest"],
    ["rate_limit_error", 429, "RateLimited"],
    ["api_error", 500, "ServerFailed"],
    ["timeout_error", 504, "ServerFailed"],
    ["overloaded_error", 529, "Overloaded"],
    ["something_new", 500, "ServerFailed"],
    ["constructor", 500, "ServerFailed"],
    ["__proto__", 500, "ServerFailed"]
  ])("%s means what it means with %i", ([type, status, outcome]) =>
    Effect.sync(() => {
      const error = fromEnvelope(subjectOf("list"), Headers.empty, envelopeOf(type, undefined))
      assert.strictEqual(outcomeOf(error), outcome)
      assert.strictEqual(error.status, status)
      assert.strictEqual(error.requestId, "req_body")
    }))

  it.effect("a malformed envelope is a failure of the service", () =>
    Effect.sync(() => {
      for (const json of [null, [], "x", {}]) {
        assert.strictEqual(outcomeOf(fromEnvelope(subjectOf("list"), Headers.empty, json)), "ServerFailed")
      }
    }))
})

describe("a key that a server echoes", () => {
  it.effect("is scrubbed from every answer", () =>
    Effect.gen(function*() {
      for (const operation of operations) {
        for (const { code, status, type } of errorTable) {
          const bodies = [
            { json: envelopeOf(type, code, `bad key ${key}: denied`) },
            { json: { ...envelopeOf(type, code), request_id: `req ${key}` } },
            { body: `<pre>x-api-key: ${key}</pre>` },
            // Cut off within the key by the bound of the excerpt.
            { body: `${"y".repeat(480)}${key}` },
            { body: `${" ".repeat(16_360)}${key}` }
          ]
          for (const body of bodies) {
            const error = toOperationError(operation)(answer(subjectOf(operation), { status, ...body }))
            yield* checkCanary(error)
          }
        }
      }
    }))

  it.effect("is scrubbed from a malformed success, the request id included", () =>
    Effect.gen(function*() {
      const subject = subjectOf("list")
      yield* checkCanary(
        unexpected(subject, { status: 200, headers: Headers.empty }, "The answer is not JSON.", `you sent ${key}`)
      )
      yield* checkCanary(
        unexpected(
          subject,
          { status: 200, headers: Headers.fromInput({ "request-id": `req ${key}` }) },
          "The answer is not JSON.",
          ""
        )
      )
    }))

  it.effect("is scrubbed from a transport's failure, its cause included", () =>
    Effect.gen(function*() {
      const error = transport(subjectOf("list"), new Error(`bad header x-api-key: ${key}`))
      assert.notInclude(error.message, key)
      yield* checkCanary(error)
    }))

  const encode = Schema.encodeUnknownEffect(Schema.toCodecJson(FilesError))

  const checkCanary = (error: FilesError) =>
    Effect.map(encode(error), (json) => assert.notInclude(JSON.stringify(json), key.slice(0, 16)))
})

const request = HttpClientRequest.get("https://api.anthropic.com/v1/files")

const transport = (subject: Subject, cause: unknown, sent?: Sent): FilesError =>
  fromTransport(
    subject,
    new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) }),
    sent
  )

const withCode = (code: string, message = `connect ${code}`, cause?: unknown) =>
  Object.assign(new Error(message, cause === undefined ? undefined : { cause }), { code })

/** How Node, undici and a TLS proxy wrap a code. */
const wrapped = (code: string): ReadonlyArray<{ readonly how: string; readonly cause: unknown }> => [
  { how: "bare", cause: withCode(code) },
  { how: "under fetch's TypeError", cause: new TypeError("fetch failed", { cause: withCode(code) }) },
  {
    how: "of all addresses",
    cause: new TypeError("fetch failed", {
      cause: Object.assign(new AggregateError([withCode(code), withCode(code)], ""), { code })
    })
  },
  {
    how: "three levels down",
    cause: new Error("a", { cause: new Error("b", { cause: { cause: withCode(code) } }) })
  }
]

const partial: Sent = { bytes: 700, total: 1234, complete: false }
const complete: Sent = { bytes: 1234, total: 1234, complete: true }

describe("fromTransport", () => {
  it.effect.each(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "UND_ERR_CONNECT_TIMEOUT"])(
    "%s: no connection, so nothing happened, and it may work later",
    (code) =>
      Effect.sync(() => {
        for (const operation of operations) {
          for (const { cause } of wrapped(code)) {
            for (const sent of operation === "upload" ? [undefined, partial, complete] : [undefined]) {
              const error = transport(subjectOf(operation), cause, sent)
              assert.strictEqual(outcomeOf(error), "Unreachable")
              assert.isTrue(error.isRetryable)
              assert.isFalse(error.isOutcomeUnknown)
              assert.include(error.message, code)
              assert.include(error.message, "https://api.anthropic.com can't be reached")
              assert.strictEqual(error.cause, cause)
              checkMessage(error.message)
            }
          }
        }
      })
  )

  it.effect.each([
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "SELF_SIGNED_CERT_IN_CHAIN",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    "CERT_HAS_EXPIRED",
    "CERT_NOT_YET_VALID",
    "CERT_UNTRUSTED",
    "ERR_TLS_CERT_ALTNAME_INVALID",
    "HOSTNAME_MISMATCH"
  ])("%s: the certificate is refused for good, before anything was sent", (code) =>
    Effect.sync(() => {
      for (const operation of operations) {
        for (const { cause } of wrapped(code)) {
          const error = transport(subjectOf(operation), cause)
          assert.strictEqual(outcomeOf(error), "Unreachable")
          assert.isFalse(error.isRetryable)
          assert.isFalse(error.isOutcomeUnknown)
        }
      }
    }))

  it.effect.each(["ECONNRESET", "EPIPE", "UND_ERR_SOCKET", "ETIMEDOUT", "HPE_INVALID_CONSTANT"])(
    "%s after the whole request went out: an upload may have been stored",
    (code) =>
      Effect.sync(() => {
        for (const operation of operations) {
          for (const { cause } of wrapped(code)) {
            const error = transport(subjectOf(operation), cause, operation === "upload" ? complete : undefined)
            assert.strictEqual(outcomeOf(error), "Unreachable")
            assert.isTrue(error.isRetryable)
            assert.strictEqual(error.isOutcomeUnknown, operation === "upload" || operation === "delete")
            assert.include(error.message, code)
          }
        }
        // A body of one buffer is not watched: nobody knows how far it came.
        assert.isTrue(transport(subjectOf("upload"), withCode(code)).isOutcomeUnknown)
      })
  )

  it.effect.each(["ECONNRESET", "EPIPE", "UND_ERR_SOCKET"])(
    "%s within the body: nothing was stored, and the error says how far it came",
    (code) =>
      Effect.sync(() => {
        const error = transport(subjectOf("upload"), withCode(code), partial)
        assert.strictEqual(error._tag, "TransferInterrupted")
        const interrupted = error as TransferInterrupted
        assert.strictEqual(interrupted.reason, "Reset")
        assert.strictEqual(interrupted.transferred, 700)
        assert.strictEqual(interrupted.expected, 1234)
        assert.isTrue(interrupted.isRetryable)
        assert.isFalse(interrupted.isOutcomeUnknown)
        assert.include(interrupted.message, "700 of 1234 bytes")
        const unsized = transport(subjectOf("upload"), withCode(code), { ...partial, total: undefined })
        assert.isFalse("expected" in unsized)
        assert.include(unsized.message, "700 of an unknown number of bytes")
      })
  )

  it.effect.each(["ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC", "ERR_SSL_BAD_RECORD_TYPE", "ERR_SSL_SOMETHING_NEW"])(
    "%s may come at any time: after the whole body went out an upload's outcome is open",
    (code) =>
      Effect.sync(() => {
        const error = transport(subjectOf("upload"), withCode(code), complete)
        assert.isTrue(error.isOutcomeUnknown)
        assert.isTrue(transport(subjectOf("delete"), withCode(code)).isOutcomeUnknown)
      })
  )

  it.effect("no code at all is a broken connection", () =>
    Effect.sync(() => {
      for (const cause of [undefined, null, "gone", 7, {}, new Error("socket hang up"), { code: 5 }]) {
        const error = transport(subjectOf("upload"), cause)
        assert.strictEqual(outcomeOf(error), "Unreachable")
        assert.isTrue(error.isRetryable)
        assert.isTrue(error.isOutcomeUnknown)
      }
      assert.include(transport(subjectOf("list"), new Error("socket hang up")).message, "socket hang up")
    }))

  it.effect("a circular cause ends", () =>
    Effect.sync(() => {
      const cause: { cause?: unknown; message: string } = { message: "round" }
      cause.cause = cause
      assert.include(transport(subjectOf("list"), cause).message, "round")
    }))

  it.effect("a long, broken and coloured description becomes one short line", () =>
    Effect.sync(() =>
      checkMessage(transport(subjectOf("list"), new Error(`a\r\n\u001b[31m<b>${"b".repeat(9000)}`)).message)
    ))

  it.effect("a malformed URL is a wrong option", () =>
    Effect.sync(() => {
      const error = fromTransport(
        subjectOf("list"),
        new HttpClientError.HttpClientError({ reason: new HttpClientError.InvalidUrlError({ request }) }),
        undefined
      )
      assert.strictEqual(outcomeOf(error), "InvalidRequest")
      assert.isFalse(error.isRetryable)
    }))
})

describe("unexpected", () => {
  it.effect("may be retried, except for an upload, which would be stored twice", () =>
    Effect.sync(() => {
      for (const operation of operations) {
        const error = unexpected(
          subjectOf(operation),
          { status: 200, headers: Headers.fromInput({ "request-id": "req_1" }) },
          "The answer is not JSON.",
          "<html>hello\nthere</html>"
        )
        assert.strictEqual(error.reason._tag, "UnexpectedResponse")
        assert.strictEqual(
          error.message,
          {
            upload: "The answer is not JSON. report.pdf may have been stored: look for it before you upload it again."
              + " It begins: hello there",
            delete: "The answer is not JSON. file_011CNha8iCJcU1wXNR6q4V8w may have been deleted."
              + " It begins: hello there"
          }[operation as string] ?? "The answer is not JSON. It begins: hello there"
        )
        assert.strictEqual(error.requestId, "req_1")
        assert.strictEqual(error.isRetryable, operation !== "upload")
        assert.strictEqual(error.isOutcomeUnknown, operation === "upload" || operation === "delete")
      }
    }))
})

describe("fileTooLarge", () => {
  it.effect("says the size, the limit and what to do", () =>
    Effect.sync(() => {
      assert.strictEqual(
        fileTooLarge("a.pdf", 512_345_678, 500_000_000).message,
        "a.pdf has 512.3 MB, more than the 500 MB that one file may have: split or compress it."
      )
      assert.strictEqual(
        fileTooLarge("a.pdf", undefined, 100).message,
        "a.pdf is larger than the 100 bytes that one file may have: split or compress it."
      )
    }))

  it.effect("requests that are not uploads have another, unknown limit", () =>
    Effect.sync(() => {
      for (const operation of ["createBatch", "createMessage"] as const) {
        const { message } = answer(
          { ...subjectOf("list"), operation },
          { status: 413, json: envelopeOf("request_too_large", undefined, "sent!") }
        )
        assert.include(message, "the request is larger than the service takes")
        assert.notInclude(message, "500")
      }
    }))

  it.effect("a size just over the limit does not read like the limit", () =>
    Effect.sync(() => {
      const { message } = fileTooLarge("a.pdf", 500_000_001, 500_000_000)
      assert.notInclude(message, "has 500 MB, more than the 500 MB")
    }))

  it.effect("a name can't change the colour or the direction of the line", () =>
    Effect.sync(() => checkMessage(fileTooLarge("a\u202efdp.\u009b31m\u2028\u0085exe", 2, 1).message)))
})

describe("toOperationError", () => {
  const foreign = {
    message: "Storage is full.",
    status: 400,
    requestId: "req_1",
    errorCode: "storage_quota_exceeded",
    isRetryable: false,
    isOutcomeUnknown: false
  }

  it.effect("an error that an operation can't raise becomes an invalid request with the same facts", () =>
    Effect.sync(() => {
      const error = toOperationError("list")(new StorageLimitExceeded({ operation: "list", ...foreign }))
      assert.strictEqual(error._tag, "RequestFailed")
      const failed = error as RequestFailed
      assert.strictEqual(failed.reason._tag, "InvalidRequest")
      assert.strictEqual(failed.operation, "list")
      for (const [name, value] of Object.entries(foreign)) {
        assert.strictEqual(failed[name as keyof typeof foreign], value)
      }
    }))

  it.effect("an error that it can raise stays the same object", () =>
    Effect.sync(() => {
      const error = new FileNotDownloadable({ operation: "download", ...foreign })
      assert.strictEqual(toOperationError("download")(error), error)
      const limited = answer(subjectOf("list"), { status: 429 }) as RateLimited
      for (const operation of operations) assert.strictEqual(toOperationError(operation)(limited), limited)
    }))
})
