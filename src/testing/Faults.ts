/**
 * The emulator's faults over any `HttpClient`: latency, resets, stalls, truncation, storms of 429. They are values of
 * `emulator/Fault`, so that a fault that was tried in process can be applied to a server too.
 *
 * Delays use the `Clock`, probabilities the `Random` of the context in which the Layer is built: under `TestClock` and
 * `Random.withSeed` a run can be repeated exactly.
 */
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import type * as Fault from "../emulator/Fault.ts"
import * as Engine from "../emulator/internal/faults.ts"
import { envelope } from "../emulator/internal/http/apiError.ts"
import { operationOf } from "../emulator/internal/http/endpoints.ts"
import type { Policy } from "../Policy.ts"
import { connectionReset, through, transportError, type Try, urlOf } from "./internal/request.ts"
import { respond } from "./internal/response.ts"

/** The path from `/v1/` on, since a base URL may have a path of its own. */
const pathOf = (url: URL): string => url.pathname.slice(Math.max(0, url.pathname.indexOf("/v1/")))

type Request = HttpClientRequest.HttpClientRequest

type Response = HttpClientResponse.HttpClientResponse

/** The response, damaged by the faults. */
const damaged = (request: Request, response: Response, faults: ReadonlyArray<Fault.Fault>): Response => {
  const damaged = Engine.damage(faults, response.stream, connectionReset)
  if (damaged === undefined) return response
  const { "content-length": length, ...headers } = response.headers
  return respond(request, {
    status: response.status,
    headers: damaged.keepsLength && length !== undefined ? { ...headers, "content-length": length } : headers,
    body: damaged.body
  })
}

const encoder = new TextEncoder()

const answer = (request: Request, fault: Fault.Answer): Response => {
  const { errorCode, message = "Internal server error", type = "api_error" } = fault
  const body = fault.body ?? JSON.stringify(envelope({ type, message, errorCode }, "req_fault"))
  const bytes = encoder.encode(body)
  return respond(request, {
    status: fault.status,
    headers: {
      "content-type": fault.contentType ?? "application/json",
      "content-length": String(bytes.length),
      "request-id": "req_fault",
      ...fault.headers
    },
    body: bytes
  })
}

/** Reads the first bytes of a request body, and sends nothing. */
const take = (request: Request, bytes: number): Effect.Effect<void, HttpClientError.HttpClientError> => {
  const { body } = request
  if (body._tag !== "Stream") return Effect.void
  let taken = 0
  return Stream.runForEachWhile(body.stream, (chunk) => Effect.sync(() => (taken += chunk.length) < bytes)).pipe(
    Effect.mapError((cause) => transportError(request, cause))
  )
}

const apply = (request: Request, faults: ReadonlyArray<Fault.Fault>, send: (request: Request) => Try): Try => {
  const reset = (description: string) => transportError(request, connectionReset(description))
  const during = Engine.endingAt(faults, "during")
  const carryOut = during === undefined
    ? send(request)
    : Effect.andThen(
      take(request, during.after ?? 0),
      Engine.end(during, reset, "Reset while the request was sent")
    )
  return Engine.applyFaults(faults, {
    reset,
    answer: (fault) => answer(request, fault),
    // Frees the connection.
    discard: (response) => Effect.ignore(Stream.runDrain(response.stream))
  }, carryOut).pipe(Effect.map((response) => damaged(request, response, faults)))
}

/**
 * A policy that applies faults. It belongs innermost, next to the network:
 * `Policy.stack(Policy.standard(), Faults.layer(Fault.rateLimited({ retryAfter: "1 second", times: 20 })))`.
 *
 * A fault without a `seed` gets one from `Random`. A request that breaks in the middle is not sent at all.
 */
export const layer = (...faults: ReadonlyArray<Fault.Fault>): Policy =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      const seeded = yield* Effect.forEach(
        faults,
        (fault) =>
          fault.seed === undefined ? Effect.map(Random.nextInt, (seed) => ({ ...fault, seed })) : Effect.succeed(fault)
      )
      const engine = Engine.make(seeded)
      return through(client, (request, send) =>
        Effect.suspend(() => {
          const path = pathOf(urlOf(request))
          const hit = engine.hit({ method: request.method, operation: operationOf(request.method, path), path })
          return hit.length === 0 ? send(request) : apply(request, hit, send)
        }))
    })
  )
