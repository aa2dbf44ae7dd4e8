/**
 * Clients of this package that lie on each other hand a request on as it is, without the steps between two clients:
 * about ten fewer of some hundred under `Policy.standard()` (docs/performance.md).
 */
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"

/** Sends a request that has been through whatever the client does to requests first. */
export type Send = (
  request: HttpClientRequest.HttpClientRequest
) => Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

const key = Symbol("effect-anthropic-files/internal/request/Send")

/** How a client sends, after its preprocessing. */
export const sendOf = (client: HttpClient.HttpClient): Send =>
  (client as { readonly [key]?: Send })[key] ?? ((request) => client.postprocess(Effect.succeed(request)))

/** A client that sends so. */
export const makeClient = (
  send: Send,
  preprocess: HttpClient.HttpClient["preprocess"] = Effect.succeed
): HttpClient.HttpClient => Object.assign(HttpClient.makeWith(Effect.flatMap(send), preprocess), { [key]: send })
