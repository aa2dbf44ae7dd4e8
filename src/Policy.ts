/**
 * Resilience as Layers: each policy wraps the `HttpClient` in the context.
 *
 * A policy is a function that makes a fresh Layer, because Layers are shared by reference. Policies stack in any order
 * under any Effect client; {@link standard} is the stack that most programs want. Their actions appear as events on the
 * current span, in the metrics and in debug logs.
 *
 * @example
 * ```ts
 * import { Policy } from "effect-anthropic-files"
 * import * as NodeFiles from "effect-anthropic-files/NodeFiles"
 *
 * export const layer = NodeFiles.layerConfig({}, Policy.standard({ retry: { times: 9 } }))
 * ```
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { PolicyFailed } from "./FilesError.ts"
import { circuitBreaker } from "./internal/policy/circuitBreaker.ts"
import { concurrency } from "./internal/policy/concurrency.ts"
import {
  type CircuitBreakerOptions,
  mergedOverrides,
  Overrides,
  type RateLimitOptions,
  type RetryOptions,
  type TimeoutOptions
} from "./internal/policy/options.ts"
import { rateLimit } from "./internal/policy/rateLimit.ts"
import { retry } from "./internal/policy/retry.ts"
import type { Policy } from "./internal/policy/through.ts"
import { timeout } from "./internal/policy/timeout.ts"

export {
  circuitBreaker,
  /** Options of {@link circuitBreaker}. */
  type CircuitBreakerOptions,
  concurrency,
  /** The current effect's changes to the policies beneath it; {@link override} sets them. */
  Overrides,
  type Policy,
  rateLimit,
  /** Options of {@link rateLimit}. */
  type RateLimitOptions,
  retry,
  /** Options of {@link retry}. */
  type RetryOptions,
  timeout,
  /** Options of {@link timeout}. */
  type TimeoutOptions
}

/**
 * Runs an effect or a stream with other options for those policies that are beneath it:
 * `Files.upload(source).pipe(Policy.override({ retry: { times: 10 } }))`. Options that are left out keep their values.
 * An invalid option fails the operation with `InvalidRequest`.
 */
export const override: {
  (
    overrides: Overrides
  ): <Self extends Effect.Effect<unknown, unknown, unknown> | Stream.Stream<unknown, unknown, unknown>>(
    self: Self
  ) => Self extends Stream.Stream<infer A, infer E, infer R> ? Stream.Stream<A, E, R>
    : Self extends Effect.Effect<infer A, infer E, infer R> ? Effect.Effect<A, E, R>
    : never
  <A, E, R>(self: Effect.Effect<A, E, R>, overrides: Overrides): Effect.Effect<A, E, R>
  <A, E, R>(self: Stream.Stream<A, E, R>, overrides: Overrides): Stream.Stream<A, E, R>
} = dual(2, <A, E, R>(
  self: Effect.Effect<A, E, R> | Stream.Stream<A, E, R>,
  overrides: Overrides
): Effect.Effect<A, E, R> | Stream.Stream<A, E, R> =>
  Stream.isStream(self)
    ? Stream.unwrap(
      Effect.map(Overrides, (outer) => Stream.provideService(self, Overrides, mergedOverrides(outer, overrides)))
    )
    : Effect.flatMap(Overrides, (outer) => Effect.provideService(self, Overrides, mergedOverrides(outer, overrides))))

/**
 * Combines policies, outermost first: the first one sees a request first and its answer last.
 */
export const stack = (...policies: ReadonlyArray<Policy>): Policy =>
  policies.reduceRight<Policy>(
    (inner, outer) => Layer.provide(outer, inner),
    Layer.effect(HttpClient.HttpClient, HttpClient.HttpClient)
  )

/**
 * A policy that keeps its counts or its circuit in a store that many processes share. If the store can't be reached when
 * the Layer is built, the Layer fails with `PolicyFailed`. If it is lost later, requests pass, with a warning.
 *
 * @example
 * ```ts
 * import { NodeRedis } from "@effect/platform-node"
 * import { Policy } from "effect-anthropic-files"
 * import { Layer } from "effect"
 * import { RateLimiter } from "effect/persistence"
 *
 * const redis = NodeRedis.layer({ url: "redis://localhost:6379", disableOfflineQueue: true })
 *
 * export const shared = Policy.standard().pipe(
 *   Policy.withStore(Layer.provide(RateLimiter.layerStoreRedis(), redis))
 * )
 * ```
 */
export const withStore: {
  <I extends RateLimiter.RateLimiterStore | CircuitBreaker.CircuitBreakerStore, E>(
    store: Layer.Layer<I, E>
  ): (policy: Policy) => Policy
  <I extends RateLimiter.RateLimiterStore | CircuitBreaker.CircuitBreakerStore, E>(
    policy: Policy,
    store: Layer.Layer<I, E>
  ): Policy
} = dual(2, <E>(policy: Policy, store: Layer.Layer<never, E>): Policy =>
  Layer.provide(
    policy,
    Layer.catchCause(store, (cause) =>
      Layer.effectDiscard(
        Cause.hasInterruptsOnly(cause)
          ? Effect.interrupt
          : Effect.fail(storeFailed(Cause.squash(cause)))
      ))
  ))

/** The store's own error if it explains the failure, else a general one. */
const storeFailed = (error: unknown): PolicyFailed =>
  error instanceof PolicyFailed ? error : new PolicyFailed({
    message: "A policy's store can't be reached: check its address, or leave the store out.",
    cause: error
  })

/**
 * Options of {@link standard}, by policy. `false` leaves a policy out.
 */
export interface StandardOptions {
  /** @default {} */
  readonly retry?: RetryOptions | false | undefined
  /** @default {} */
  readonly circuitBreaker?: CircuitBreakerOptions | false | undefined
  /** @default 16 */
  readonly concurrency?: number | false | undefined
  /** @default {} */
  readonly rateLimit?: RateLimitOptions | false | undefined
  /** @default {} */
  readonly timeout?: TimeoutOptions | false | undefined
}

/**
 * The stack that most programs want. From the outside in:
 *
 * 1. retry, so that each try goes through the policies below;
 * 2. circuit breaker, so that an open circuit fails a request before it waits for anything;
 * 3. concurrency, outside of the rate limit: a request whose turn has come is sent at once, so turns can't pile up;
 * 4. rate limit;
 * 5. timeout, which limits each try.
 */
export const standard = (options: StandardOptions = {}): Policy =>
  stack(
    ...[
      options.retry === false ? undefined : retry(options.retry),
      options.circuitBreaker === false ? undefined : circuitBreaker(options.circuitBreaker),
      options.concurrency === false ? undefined : concurrency(options.concurrency ?? 16),
      options.rateLimit === false ? undefined : rateLimit(options.rateLimit),
      options.timeout === false ? undefined : timeout(options.timeout)
    ].filter(Predicate.isNotUndefined)
  )
