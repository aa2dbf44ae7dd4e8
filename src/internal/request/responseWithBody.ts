/**
 * A response with another body: all that reads its body reads that one.
 */
import * as Effect from "effect/Effect"
import type * as Cookies from "effect/http/Cookies"
import type * as Headers from "effect/http/Headers"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as UrlParams from "effect/http/UrlParams"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import { pipeArguments } from "effect/Pipeable"
import type * as Schema from "effect/Schema"
import type * as Socket from "effect/socket/Socket"
import type * as Stream from "effect/Stream"
import { decodeText, readBody } from "./body.ts"

type Failed = HttpClientError.HttpClientError

/** The name under which effect asks a response of fetch for its `Response`: see `HttpClientResponse.toWeb`. */
const webSource = "~effect/http/HttpClientResponse/WebSource"

export class Rebodied extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpClientResponse.TypeId]: typeof HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly [HttpIncomingMessage.TypeId]: typeof HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  private readonly original: HttpClientResponse.HttpClientResponse
  private readonly makeStream: () => Stream.Stream<Uint8Array, Failed>
  private whole: Effect.Effect<ArrayBuffer, Failed> | undefined

  /**
   * @param whole the same body at once, where that is cheaper than its stream
   */
  constructor(
    original: HttpClientResponse.HttpClientResponse,
    stream: () => Stream.Stream<Uint8Array, Failed>,
    whole?: Effect.Effect<ArrayBuffer, Failed>
  ) {
    super()
    this.original = original
    this.makeStream = stream
    this.whole = whole
  }

  get request(): HttpClientRequest.HttpClientRequest {
    return this.original.request
  }

  get url(): string {
    return this.original.url
  }

  get status(): number {
    return this.original.status
  }

  get headers(): Headers.Headers {
    return this.original.headers
  }

  get cookies(): Cookies.Cookies {
    return this.original.cookies
  }

  get remoteAddress(): Option.Option<string> {
    return this.original.remoteAddress
  }

  get upgrade(): Effect.Effect<Socket.Socket, Failed> {
    return this.original.upgrade
  }

  get stream(): Stream.Stream<Uint8Array, Failed> {
    return this.makeStream()
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, Failed> {
    return this.whole ??= Effect.runSync(Effect.cached(Effect.flatMap(
      HttpIncomingMessage.MaxBodySize,
      (maximum) =>
        Effect.flatMap(readBody(this, maximum === undefined ? Infinity : Number(maximum)), ({ bytes, isCut }) =>
          isCut
            ? Effect.fail(this.decodeError(new Error("The body is larger than MaxBodySize")))
            : Effect.succeed(new Uint8Array(bytes).buffer))
    )))
  }

  get text(): Effect.Effect<string, Failed> {
    return Effect.map(this.arrayBuffer, (bytes) => decodeText(new Uint8Array(bytes)))
  }

  get json(): Effect.Effect<Schema.Json, Failed> {
    return Effect.flatMap(this.text, (json) =>
      Effect.try({
        try: () => json === "" ? null : JSON.parse(json),
        catch: (cause) => this.decodeError(cause)
      }))
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, Failed> {
    return Effect.map(this.text, (form) => UrlParams.fromInput(new URLSearchParams(form)))
  }

  get formData(): Effect.Effect<FormData, Failed> {
    return Effect.flatMap(this.arrayBuffer, (bytes) =>
      Effect.tryPromise({
        try: () => new Response(bytes, { headers: this.headers }).formData(),
        catch: (cause) => this.decodeError(cause)
      }))
  }

  [webSource](): Response | undefined {
    return Option.getOrUndefined(HttpClientResponse.toWeb(this.original))
  }

  override toJSON(): unknown {
    return this.original.toJSON()
  }

  pipe() {
    return pipeArguments(this, arguments)
  }

  private decodeError(cause: unknown): Failed {
    return new HttpClientError.HttpClientError({
      reason: new HttpClientError.DecodeError({ request: this.request, response: this, cause })
    })
  }
}
