import { assert, describe, it } from "@effect/vitest"
import { inspect } from "node:util"
import { codeOf, evidenceOf, explain, wordsOf } from "../../../src/internal/request/evidence.ts"
import { BrokenConnectionError, ProxyError, UnsentError } from "../../../src/internal/request/transportErrors.ts"

const withFields = (message: string, fields: object) => Object.assign(new Error(message), fields)

const openssl = "0A00010B:SSL routines:tls_validate_record_header:wrong version number:../deps/record.c:77:\n"

const errors = {
  refused: withFields("connect ECONNREFUSED 127.0.0.1:1", { code: "ECONNREFUSED", syscall: "connect" }),
  connectTimedOut: withFields("connect ETIMEDOUT 10.0.0.1:443", { code: "ETIMEDOUT", syscall: "connect" }),
  readTimedOut: withFields("read ETIMEDOUT", { code: "ETIMEDOUT", syscall: "read" }),
  reset: withFields("read ECONNRESET", { code: "ECONNRESET", syscall: "read" }),
  wrongVersion: withFields(`write EPROTO 404D:error:${openssl}`, { code: "EPROTO", syscall: "write" }),
  tlsAlert: withFields("write EPROTO 1:error:0A000438:SSL routines:x:tlsv1 alert internal error:a.c:1:", {
    code: "EPROTO"
  })
}

const summedUp = (...parts: ReadonlyArray<Error>) => Object.assign(new AggregateError(parts, ""), { code: "ETIMEDOUT" })

describe("isUnsent", () => {
  it.each<readonly [what: string, error: unknown]>([
    ["a refused connection", errors.refused],
    ["a connection that timed out", errors.connectTimedOut],
    ["too many open files", withFields("connect EMFILE", { code: "EMFILE", syscall: "connect" })],
    ["a firewall", withFields("connect EACCES", { code: "EACCES", syscall: "connect" })],
    ["a network that is down", withFields("connect ENETDOWN", { code: "ENETDOWN", syscall: "connect" })],
    ["a code that nobody has seen", withFields("connect EWEIRD", { code: "EWEIRD", syscall: "connect" })],
    ["a reset while connecting", withFields("connect ECONNRESET", { code: "ECONNRESET", syscall: "connect" })],
    ["a name server that failed", withFields("getaddrinfo EAI_FAIL x", { code: "EAI_FAIL", syscall: "getaddrinfo" })],
    ["too many files for a look-up", withFields("getaddrinfo EMFILE", { code: "EMFILE", syscall: "getaddrinfo" })],
    ["https on an http port, Node", errors.wrongVersion],
    ["https on an http port, fetch", withFields(`error:${openssl}`, { code: "ERR_SSL_WRONG_VERSION_NUMBER" })],
    ["an alert in the handshake", errors.tlsAlert],
    [
      "an end in the handshake",
      withFields("Client network socket disconnected before secure TLS connection was established", {
        code: "ECONNRESET"
      })
    ],
    ["a transport that knows", new UnsentError(errors.reset)],
    ["a certificate", withFields("self-signed certificate", { code: "DEPTH_ZERO_SELF_SIGNED_CERT" })],
    ["all addresses of a host", summedUp(errors.refused, errors.connectTimedOut)],
    ["undici's limit on connecting", withFields("Connect Timeout Error", { code: "UND_ERR_CONNECT_TIMEOUT" })],
    ["a proxy that can't be reached", new ProxyError("http://p:1", undefined, errors.reset)],
    ["a proxy's tunnel", withFields("Failed to establish tunnel", { code: "ERR_PROXY_TUNNEL" })],
    ["Bun", withFields("Unable to connect. Is the computer able to access the url?", { code: "ConnectionRefused" })],
    ["Deno", new TypeError("error sending request for url (https://x/): client error (Connect): tcp connect error")],
    ["a header that can't be sent", withFields("Invalid character in header", { code: "ERR_INVALID_CHAR" })],
    ["a code alone", { code: "EHOSTUNREACH" }]
  ])("%s: nothing was sent, however deep the error lies", (_, error) => {
    const nested = new TypeError("fetch failed", { cause: error })
    const summed = new TypeError("fetch failed", { cause: new AggregateError([error, error], "") })
    for (const one of [error, nested, { cause: { cause: nested } }, summed]) assert.isTrue(evidenceOf(one).isUnsent)
  })

  it.each<readonly [what: string, error: unknown]>([
    ["a reset", errors.reset],
    ["a timeout while reading", errors.readTimedOut],
    ["a host that went away while reading", withFields("read EHOSTUNREACH", { code: "EHOSTUNREACH", syscall: "read" })],
    ["a network that went away while writing", withFields("write ENETDOWN", { code: "ENETDOWN", syscall: "write" })],
    ["a broken pipe", withFields("write EPIPE", { code: "EPIPE", syscall: "write" })],
    ...["INTERNAL_ERROR", "DECODE_ERROR", "RECORD_OVERFLOW", "UNEXPECTED_MESSAGE"].map((alert) =>
      [
        `an alert that can come at any time, ${alert}`,
        withFields("", { code: `ERR_SSL_TLSV1_ALERT_${alert}` })
      ] as const
    ),
    ["what looks like a handshake on a connection that was made", new BrokenConnectionError(errors.wrongVersion)],
    ["a damaged record", withFields("bad record mac", { code: "ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC" })],
    ["a damaged record, as EPROTO", withFields("write EPROTO 1:error:2:SSL:x:bad record mac:a:1", { code: "EPROTO" })],
    ["one of several addresses", summedUp(errors.refused, errors.reset)],
    ["undici's socket", withFields("other side closed", { code: "UND_ERR_SOCKET" })],
    ["a browser", new TypeError("Failed to fetch")],
    ["nothing", undefined],
    ["a text", "ECONNREFUSED"],
    ["an empty summary", new AggregateError([], "")]
  ])("%s: something may have been sent", (_, error) => {
    for (const one of [error, new TypeError("fetch failed", { cause: error })]) {
      assert.isFalse(evidenceOf(one).isUnsent)
    }
  })

  it("ends for circular errors", () => {
    const error: { cause?: unknown; errors?: unknown } = {}
    error.cause = error
    error.errors = [error]
    assert.isFalse(evidenceOf(error).isUnsent)
  })
})

describe("isPermanent", () => {
  it.each<readonly [what: string, error: unknown, isPermanent: boolean]>([
    ["https on an http port", errors.wrongVersion, true],
    ["no common version", withFields("", { code: "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION" }), true],
    ["a certificate", { code: "CERT_HAS_EXPIRED" }, true],
    ["a header that can't be sent", { code: "ERR_INVALID_CHAR" }, true],
    ["a server that fails in its handshake", errors.tlsAlert, false],
    ["a proxy that asks for a password", new ProxyError("http://p:1", 407, errors.reset), true],
    ["a proxy that failed", new ProxyError("http://p:1", 502, errors.reset), false],
    ["a refused connection", errors.refused, false],
    ["a reset", errors.reset, false],
    ["too many open files", { code: "EMFILE", syscall: "connect" }, false],
    ["nothing", undefined, false]
  ])("%s is %s", (_, error, isPermanent) => assert.strictEqual(evidenceOf(error).isPermanent, isPermanent))
})

describe("the description of a failure", () => {
  it("the code is the first one in the error, its causes and its aggregated errors", () => {
    assert.strictEqual(codeOf(new TypeError("fetch failed", { cause: errors.reset })), "ECONNRESET")
    assert.strictEqual(codeOf(new AggregateError([new Error("a"), errors.refused])), "ECONNREFUSED")
    assert.strictEqual(codeOf(new Error("a")), undefined)
    assert.strictEqual(codeOf({ code: 7 }), undefined)
  })

  it("the words are the innermost ones, without the lines of OpenSSL", () => {
    assert.strictEqual(wordsOf(new TypeError("fetch failed", { cause: errors.reset })), "read ECONNRESET")
    assert.strictEqual(wordsOf(summedUp(errors.refused)), "connect ECONNREFUSED 127.0.0.1:1")
    assert.strictEqual(wordsOf(errors.wrongVersion), "wrong version number")
  })

  it("the failure of a proxy is distinguished from the service's", () => {
    const explained = explain(new ProxyError("http://p:1", 502, errors.reset))
    assert.strictEqual(explained?.what, "the proxy http://p:1 made no connection to the service (502)")
  })

  it("https to an http port is described as not speaking TLS", () => {
    assert.strictEqual(explain(errors.wrongVersion)?.what, "it does not speak TLS")
  })
})

it("the error of a proxy keeps no user name and no password of what it was caused by", () => {
  const cause = withFields("Failed to establish tunnel to h:443 via http://some%40one:canary@p:1/: HTTP/1.1 407", {
    code: "ERR_PROXY_TUNNEL",
    statusCode: 407
  })
  const error = new ProxyError("http://p:1", 407, cause)
  assert.notMatch(inspect(error, { showHidden: true, depth: 9 }), /canary|some/)
  assert.deepInclude(error.cause, { message: "Failed to establish tunnel to h:443 via http://p:1/: HTTP/1.1 407" })
  assert.isTrue(evidenceOf(error).isUnsent)
})
