/**
 * effect's `CircuitBreaker` for requests, by host and by who is asking.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as Predicate from "effect/Predicate"
import { CurrentOwnRequest } from "../request/ownRequest.ts"
import { serviceTime } from "../request/serviceTime.ts"
import { report } from "../telemetry.ts"
import { retryAfter } from "../wire/retryAfter.ts"
import { type CircuitBreakerOptions, circuitBreakerProblem, millisOr } from "./options.ts"
import { failureOf } from "./retry.ts"
import { makeSteadyClock } from "./steadyClock.ts"
import { nameOf, type Policy, policyOf, responseOf, through, urlOf } from "./through.ts"

/**
 * Sends nothing for a while to a host that keeps failing: requests then fail at once with `CircuitOpen`. 5xx, 529 and
 * broken connections count as failures; 429 and what the caller did wrong do not. A retry waits for an open circuit
 * without using up a try.
 *
 * The state is kept in the `CircuitBreakerStore` of effect if one is provided, and in memory otherwise. A store that
 * fails lets requests pass.
 */
export const circuitBreaker = (options: CircuitBreakerOptions = {}): Policy =>
  Layer.unwrap(Effect.map(Effect.serviceOption(CircuitBreaker.CircuitBreakerStore), (store) =>
    Layer.provide(
      policyOf(circuitBreakerProblem(options), (client) =>
        Effect.gen(function*() {
          const breaker = yield* CircuitBreaker.make({
            tripPolicy: options.tripPolicy ?? CircuitBreaker.consecutive(5),
            openDuration: options.openDuration ?? "30 seconds",
            // A host's `retry-after` counts as far as this.
            maxOpenDuration: Duration.millis(Math.max(60_000, millisOr(options.openDuration, 0)))
          })
          const steady = Option.isSome(store) ? undefined : makeSteadyClock(yield* Clock.Clock)
          return withCircuitBreaker(breaker, steady, client)
        })),
      Option.isSome(store)
        ? Layer.succeed(CircuitBreaker.CircuitBreakerStore, store.value)
        : CircuitBreaker.layerStoreMemory()
    )))

const outcomeOf = (clock: Clock.Clock) =>
(
  exit: Exit.Exit<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
): CircuitBreaker.Outcome => {
  const error = Option.getOrUndefined(Exit.findErrorOption(exit))
  const response = Exit.isSuccess(exit) ? exit.value : error && responseOf(error)
  if (response !== undefined) {
    const { headers, status } = response
    if (status === 429) return CircuitBreaker.ignored
    return status >= 500
      ? CircuitBreaker.failure({
        retryAfter: retryAfter(headers, serviceTime(headers) ?? clock.currentTimeMillisUnsafe())
      })
      : CircuitBreaker.success
  }
  if (error === undefined || failureOf(error) === undefined) return CircuitBreaker.ignored
  // A kept-alive socket that the server had closed says nothing of its health.
  const cause = error.reason._tag === "TransportError" ? error.reason.cause : undefined
  return Predicate.isTagged(cause, "StaleSocketError") ? CircuitBreaker.ignored : CircuitBreaker.failure()
}

const withCircuitBreaker = (
  breaker: CircuitBreaker.CircuitBreaker,
  /** The breaker's own clock, where its state is kept in memory. */
  steady: Clock.Clock | undefined,
  client: HttpClient.HttpClient
): HttpClient.HttpClient =>
  through(client, (request, send, { clock, fiber, overrides }) => {
    if (overrides.circuitBreaker === false) return send(request)
    const own = fiber.getRef(CurrentOwnRequest)
    const origin = own?.origin ?? urlOf(request)?.origin ?? ""
    // What fails for one of several that ask, an encryption key of its own for example, must not stop the others.
    const key = own === undefined ? origin : `${origin} ${own.identity}`
    const sent = steady === undefined ? send(request) : Effect.provideService(send(request), Clock.Clock, clock)
    const guarded = breaker.execute(sent, { key, classify: outcomeOf(clock) })
    const timed = steady === undefined ? guarded : Effect.provideService(guarded, Clock.Clock, steady)
    return Effect.catchTag(timed, "CircuitBreakerError", (error) =>
      Effect.andThen(
        report("circuit_open", `${nameOf(request)} was not sent: the circuit is open`, { reason: error.reason._tag }),
        Effect.fail(
          new HttpClientError.HttpClientError({
            reason: new HttpClientError.TransportError({ request, description: "circuit open", cause: error })
          })
        )
      ))
  })
