import { assert, describe, it } from "@effect/vitest"
import { SignatureV4 } from "@smithy/signature-v4"
import { Context, Effect, Layer, Redacted, Schema, Stream } from "effect"
import { Credentials } from "effect-anthropic-files"
import * as Aws from "effect-anthropic-files/platform/Aws"
import { HttpBody, HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import { createHash, createHmac } from "node:crypto"
import { environment, headersOf } from "../credentials/support.ts"

const credentials: Aws.AwsCredentials = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: Redacted.make("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
}

const at = Date.UTC(2015, 7, 30, 12, 36)

describe("the published test suite of SigV4", () => {
  const session =
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="

  it.effect.each<
    readonly [
      name: string,
      request: {
        readonly method: string
        readonly path: string
        readonly headers?: Record<string, string>
        readonly session?: string
      },
      signature: string
    ]
  >([
    [
      "get-vanilla",
      { method: "GET", path: "/" },
      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    ],
    [
      "get-vanilla-query-order-key-case",
      { method: "GET", path: "/?Param2=value2&Param1=value1" },
      "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
    ],
    [
      "post-vanilla",
      { method: "POST", path: "/" },
      "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
    ],
    [
      "post-header-key-sort",
      { method: "POST", path: "/", headers: { "My-Header1": "value1" } },
      "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"
    ],
    [
      "post-sts-header-before",
      { method: "POST", path: "/", session },
      "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"
    ]
  ])("%s", ([, { headers = {}, method, path, session }, signature]) =>
    Effect.gen(function*() {
      const signed = yield* Aws.sign({
        method,
        url: `https://example.amazonaws.com${path}`,
        headers,
        credentials: session === undefined ? credentials : { ...credentials, sessionToken: Redacted.make(session) },
        region: "us-east-1",
        service: "service",
        at
      })
      assert.strictEqual(signed["x-amz-date"], "20150830T123600Z")
      assert.strictEqual(signed["x-amz-security-token"], session)
      assert.match(
        signed["authorization"] ?? "",
        new RegExp(
          `^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=[a-z0-9;-]+, Signature=${signature}$`
        )
      )
    }))
})

/** Node's SHA-256 as AWS's signer takes it. */
class Sha256 {
  #hash
  constructor(secret?: unknown) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", secret as Uint8Array)
  }
  update(data: string | ArrayBuffer | ArrayBufferView) {
    this.#hash.update(ArrayBuffer.isView(data) || typeof data === "string" ? data as Uint8Array : new Uint8Array(data))
  }
  digest() {
    return Promise.resolve(new Uint8Array(this.#hash.digest()))
  }
  reset() {}
}

const build = (options: Aws.Options) =>
  Effect.map(
    Layer.build(Layer.fresh(Aws.layer(options)).pipe(Layer.provide(environment({})))),
    (context) => Context.get(context, Credentials.Credentials)
  )

/** A request as signed by the signer of AWS's own packages. */
const referee = (
  request: HttpClientRequest.HttpClientRequest,
  own: Record<string, string>,
  sessionToken: string | undefined
) =>
  Effect.promise(async () => {
    const signer = new SignatureV4({
      credentials: {
        accessKeyId: credentials.accessKeyId,
        secretAccessKey: Redacted.value(credentials.secretAccessKey),
        ...(sessionToken === undefined ? undefined : { sessionToken })
      },
      region: "eu-west-1",
      service: "aws-external-anthropic",
      sha256: Sha256
    })
    const url = new URL(request.url)
    const query: Record<string, Array<string>> = {}
    for (const [name, value] of request.urlParams) (query[name] ??= []).push(String(value))
    const { body } = request
    const signed = await signer.sign({
      method: request.method,
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query,
      headers: { ...own, host: url.host },
      body: body._tag === "Uint8Array" ? body.body : undefined
    }, { signingDate: new Date(at) })
    return signed.headers
  })

const Text = Schema.Array(Schema.Literals(["a", "Z", "9", "-", "_", ".", "~", " ", "/", "%", "+", "é", "😀", "=", "&"]))

const Requests = {
  method: Schema.Literals(["GET", "POST", "DELETE"]),
  segments: Schema.Array(Text),
  query: Schema.Array(Schema.Tuple([Text, Text])),
  value: Schema.Array(Schema.Literals(["a", " ", "  ", "b;c", ","])),
  body: Schema.Literals(["none", "json", "bytes", "stream"]),
  isTemporary: Schema.Boolean
}

it.effect.prop(
  "a request is signed as AWS's own signer signs it",
  Requests,
  ({ body, isTemporary, method, query, segments, value }) =>
    Effect.gen(function*() {
      yield* TestClock.setTime(at)
      const sessionToken = isTemporary ? "session+token/==" : undefined
      const client = yield* build({
        region: "eu-west-1",
        workspaceId: "wrkspc_1",
        credentials: sessionToken === undefined
          ? credentials
          : { ...credentials, sessionToken: Redacted.make(sessionToken) }
      })
      const path = segments.map((parts) => encodeURIComponent(parts.join(""))).filter((part) => !/^\.*$/.test(part))
      const own = {
        accept: "application/json",
        "anthropic-version": "2023-06-01",
        "x-team": value.join("").trim(),
        ...(body === "json" ? { "content-type": "application/json" } : undefined)
      }
      const bytes = new TextEncoder().encode(JSON.stringify({ value }))
      const made = HttpClientRequest.make(method)(
        `https://aws-external-anthropic.eu-west-1.api.aws/v1/${path.join("/")}`,
        {
          headers: {
            ...own,
            "user-agent": "x/1",
            "accept-encoding": "identity",
            "traceparent": "00-1-2-01",
            "proxy-authorization": "Basic canary"
          },
          urlParams: query.map(([name, value]) => [`q${name.join("")}`, value.join("")] as const)
        }
      )
      const bodies = {
        none: HttpBody.empty,
        json: HttpBody.uint8Array(bytes, "application/json"),
        bytes: HttpBody.uint8Array(bytes, "multipart/form-data; boundary=x"),
        stream: HttpBody.stream(Stream.make(bytes), "multipart/form-data; boundary=x", bytes.length)
      }
      const request = body === "none" ? made : HttpClientRequest.setBody(made, bodies[body])
      const headers = yield* headersOf(client, request)
      const expected = yield* referee(
        request,
        {
          ...own,
          "anthropic-workspace-id": "wrkspc_1",
          ...(body === "stream" ? { "x-amz-content-sha256": "UNSIGNED-PAYLOAD" } : undefined)
        },
        sessionToken
      )
      for (const name of ["x-amz-content-sha256", "x-amz-date", "x-amz-security-token", "authorization"]) {
        assert.strictEqual(headers[name], expected[name], name)
      }
    })
)

describe("the signed digest of a body", () => {
  const hashOf = (body: HttpBody.HttpBody) =>
    Effect.gen(function*() {
      const client = yield* build({ region: "eu-west-1", workspaceId: "wrkspc_1", credentials })
      const request = HttpClientRequest.setBody(HttpClientRequest.post("https://h.example/v1/files"), body)
      return (yield* headersOf(client, request))["x-amz-content-sha256"]
    })

  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex")

  it.effect("is computed in memory, and left out of a stream", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* hashOf(HttpBody.empty), sha256(""))
      assert.strictEqual(yield* hashOf(HttpBody.text("abc")), sha256("abc"))
      assert.strictEqual(yield* hashOf(HttpBody.raw("abc")), sha256("abc"))
      assert.strictEqual(yield* hashOf(HttpBody.stream(Stream.empty)), "UNSIGNED-PAYLOAD")
      assert.strictEqual(yield* hashOf(HttpBody.formData(new FormData())), "UNSIGNED-PAYLOAD")
    }))
})
