import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Schema } from "effect"
import { Headers, HttpClientError, HttpClientRequest } from "effect/http"
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
  fromEnvelope,
  fromResponse,
  fromTransport,
  narrow,
  readEnvelope,
  type Sent,
  type Subject,
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

describe("fromResponse and narrow, over the service's error table", () => {
  it.effect.each<ErrorRow & { readonly operation: FilesOperation }>(cases)(
    "$operation: $status $code",
    ({ code, operation, outcome, retry, status, type }) =>
      Effect.sync(() => {
        const error = narrow(operation)(
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
          (operation === "upload" || operation === "delete") && status >= 500 && status !== 529
        )
        assert.include(error.message, "Some words that change.")
        checkMessage(error.message)
      })
  )

  it.effect.each<ErrorRow & { readonly operation: FilesOperation }>(cases)(
    "$operation: $status $code without a body keeps what the status alone says",
    ({ code, operation, outcome, retry, status }) =>
      Effect.sync(() => {
        const error = narrow(operation)(answer(subjectOf(operation), { status }))
        assert.strictEqual(error.errorCode, undefined)
        assert.strictEqual(error.requestId, undefined)
        if (code === undefined) {
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
            const error = narrow(operation)(answer(subjectOf(operation), {
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

  it.effect("a 429 says how long to wait, unless that is no time at all", () =>
    Effect.sync(() => {
      const of = (wait: string) => answer(subjectOf("list"), { status: 429, headers: { "retry-after": wait } }).message
      assert.strictEqual(of("90"), "Too many requests, wait 1m 30s before the next.")
      assert.strictEqual(of("0"), "Too many requests.")
      assert.strictEqual(of("Thu, 01 Jan 1970 00:00:00 GMT"), "Too many requests.")
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

  it.effect("what an error carries besides", () =>
    Effect.sync(() => {
      const tooLarge = answer(subjectOf("upload"), { status: 413, body: "<html>413</html>" })
      assert(tooLarge._tag === "FileTooLarge")
      assert.strictEqual(tooLarge.size, 1234)
      assert.strictEqual(tooLarge.limit, 500_000_000)
      assert.include(tooLarge.message, "report.pdf")
      const unsized = answer(subjectOf("upload", { size: undefined }), { status: 413 })
      assert(unsized._tag === "FileTooLarge")
      assert.isFalse("size" in unsized)
      const notFound = answer(subjectOf("metadata", { fileId: "file_x" }), { status: 404 })
      assert(notFound._tag === "FileNotFound")
      assert.strictEqual(notFound.fileId, "file_x")
      assert.include(notFound.message, "file_x")
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

  it.effect.each([301, 302, 307, 308, 304, 0])("%i is a redirect that is not followed", (status) =>
    Effect.sync(() => {
      for (const operation of operations) {
        const error = answer(subjectOf(operation), { status, headers: { location: "https://elsewhere.example/" } })
        assert.strictEqual(outcomeOf(error), "UnexpectedResponse")
        assert.isFalse(error.isRetryable)
        assert.isFalse(error.isOutcomeUnknown)
        assert.include(error.message, "redirects elsewhere")
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
          const error = narrow(operation)(answer(subjectOf(operation), { status, body, json: json(body) }))
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

  it.effect("a comparison in the service's own words is no tag", () =>
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

  it.effect("an envelope that is none is a failure of the service", () =>
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
            const error = narrow(operation)(answer(subjectOf(operation), { status, ...body }))
            yield* checkCanary(error)
          }
        }
      }
    }))

  it.effect("is scrubbed from a success that is none, the request id included", () =>
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

  it.effect.each(["ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC", "ERR_SSL_BAD_RECORD_TYPE", "EPROTO"])(
    "%s is no certificate: after the whole body went out an upload's outcome is open",
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

  it.effect("a cause that goes round ends", () =>
    Effect.sync(() => {
      const cause: { cause?: unknown; message: string } = { message: "round" }
      cause.cause = cause
      assert.include(transport(subjectOf("list"), cause).message, "round")
    }))

  it.effect("a long, broken and coloured description becomes one short line", () =>
    Effect.sync(() =>
      checkMessage(transport(subjectOf("list"), new Error(`a\r\n\u001b[31m<b>${"b".repeat(9000)}`)).message)
    ))

  it.effect("the client's own failure comes through as it is", () =>
    Effect.sync(() => {
      const cause = new SourceFailed({
        operation: "upload",
        reason: "Changed",
        message: "changed",
        isRetryable: false,
        isOutcomeUnknown: false
      })
      assert.strictEqual(transport(subjectOf("upload"), cause, partial), cause)
    }))

  it.effect("an URL that is none is a wrong option", () =>
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
  it.effect("may be asked again, except for an upload, which would be stored twice", () =>
    Effect.sync(() => {
      for (const operation of operations) {
        const error = unexpected(
          subjectOf(operation),
          { status: 200, headers: Headers.fromInput({ "request-id": "req_1" }) },
          "The answer is not JSON.",
          "<html>hello\nthere</html>"
        )
        assert.strictEqual(error.reason._tag, "UnexpectedResponse")
        assert.strictEqual(error.message, "The answer is not JSON. It begins: hello there")
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

  it.effect("a size just over the limit does not read like the limit", () =>
    Effect.sync(() => {
      const { message } = fileTooLarge("a.pdf", 500_000_001, 500_000_000)
      assert.notInclude(message, "has 500 MB, more than the 500 MB")
    }))

  it.effect("a name can't colour or turn the line", () =>
    Effect.sync(() => checkMessage(fileTooLarge("a\u202efdp.\u009b31m\u2028\u0085exe", 2, 1).message)))
})

describe("narrow", () => {
  const foreign = {
    message: "Storage is full.",
    status: 400,
    requestId: "req_1",
    errorCode: "storage_quota_exceeded",
    isRetryable: false,
    isOutcomeUnknown: false
  }

  it.effect("what an operation can't raise becomes a refused request with the same facts", () =>
    Effect.sync(() => {
      const error = narrow("list")(new StorageLimitExceeded({ operation: "list", ...foreign }))
      assert.strictEqual(error._tag, "RequestFailed")
      const failed = error as RequestFailed
      assert.strictEqual(failed.reason._tag, "InvalidRequest")
      assert.strictEqual(failed.operation, "list")
      for (const [name, value] of Object.entries(foreign)) {
        assert.strictEqual(failed[name as keyof typeof foreign], value)
      }
    }))

  it.effect("what it can raise stays the same object", () =>
    Effect.sync(() => {
      const error = new FileNotDownloadable({ operation: "download", ...foreign })
      assert.strictEqual(narrow("download")(error), error)
      const limited = answer(subjectOf("list"), { status: 429 }) as RateLimited
      for (const operation of operations) assert.strictEqual(narrow(operation)(limited), limited)
    }))
})
