/**
 * What the policies are made of: a client over a client, and a Layer of it.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { InvalidConfig, type PolicyFailed } from "../../FilesError.ts"
import { retryPolicyOf, withRetryPolicy } from "../request/attempt.ts"
import { Overrides, type Problem } from "./options.ts"

/**
 * A Layer that turns an `HttpClient` into one with a policy. A wrong option is `InvalidConfig`; a store that can't be
 * reached when the Layer is built is `PolicyFailed`.
 */
export type Policy = Layer.Layer<HttpClient.HttpClient, InvalidConfig | PolicyFailed, HttpClient.HttpClient>

export type Send = (
  request: HttpClientRequest.HttpClientRequest
) => Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

export interface Sending {
  readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly clock: Clock.Clock
  readonly overrides: Overrides
}

/** What a policy does with a request, which it sends as often and as altered as it likes. */
type Handle = (
  request: HttpClientRequest.HttpClientRequest,
  send: Send,
  sending: Sending
) => ReturnType<Send>

/**
 * A client whose every request goes through `handle`. The retry policy beneath it stays known to the operations above.
 */
export const through = (client: HttpClient.HttpClient, handle: Handle): HttpClient.HttpClient => {
  const send: Send = (request) => client.postprocess(Effect.succeed(request))
  const made = HttpClient.makeWith(
    Effect.flatMap((request: HttpClientRequest.HttpClientRequest) =>
      Effect.withFiber((fiber) =>
        handle(request, send, { fiber, clock: fiber.getRef(Clock.Clock), overrides: fiber.getRef(Overrides) })
      )
    ),
    client.preprocess
  )
  const policy = retryPolicyOf(client)
  return policy === undefined ? made : withRetryPolicy(made, policy)
}

/** A policy from its options, checked when the Layer is built. */
export const policyOf = <R = never>(
  problem: Problem | undefined,
  make: (
    client: HttpClient.HttpClient
  ) => Effect.Effect<HttpClient.HttpClient, InvalidConfig | PolicyFailed, R>
): Layer.Layer<HttpClient.HttpClient, InvalidConfig | PolicyFailed, HttpClient.HttpClient | Exclude<R, Scope.Scope>> =>
  Layer.effect(
    HttpClient.HttpClient,
    problem === undefined
      ? Effect.flatMap(HttpClient.HttpClient, make)
      : Effect.fail(new InvalidConfig({ ...problem, message: `Policy: ${problem.message}` }))
  )

export const urlOf = (request: HttpClientRequest.HttpClientRequest): URL | undefined =>
  Option.getOrUndefined(HttpClientRequest.toUrl(request))

/** How a request is called in a log: no host, no query. */
export const nameOf = (request: HttpClientRequest.HttpClientRequest): string =>
  `${request.method} ${urlOf(request)?.pathname ?? "?"}`

export const responseOf = (
  error: HttpClientError.HttpClientError
): HttpClientResponse.HttpClientResponse | undefined =>
  error.reason._tag === "StatusCodeError" ? error.reason.response : undefined

/** A `Response` of any status: the constructor takes those up to 599 only, and there are services that send others. */
export const webResponse = (body: BodyInit | null, status: number, headers: Record<string, string>): Response =>
  status <= 599
    ? new Response(body, { status, headers })
    : Object.defineProperty(new Response(body, { headers }), "status", { value: status })
