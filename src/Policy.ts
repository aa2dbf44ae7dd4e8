/**
 * Resilience as Layers: each policy takes the `HttpClient` of the context and gives one that does more.
 *
 * A policy is a function that makes a fresh Layer, since Layers are shared by reference. Policies stack in any order
 * under any Effect client; {@link standard} is the stack that most programs want. What they do is seen as events on
 * the current span, in the counter `anthropic_files_policy_total` and in debug logs.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Digest from "effect/crypto/Digest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { dual, identity } from "effect/Function"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { Minute } from "./internal/policy/rateLimitWindow.ts"
import {
  Attempt,
  guard,
  Nested,
  pause,
  startPauseIn,
  type Try,
  type Watch,
  Watches
} from "./internal/request/attempt.ts"
import { decodeText, parseJson, parseLength, readBody } from "./internal/request/body.ts"
import { withValue } from "./internal/request/client.ts"
import { ConnectTimeout } from "./internal/request/connectTimeout.ts"
import { codeOf, isFilesError, isPermanent, isUnsent, readEnvelope } from "./internal/request/errors.ts"
import { Rebodied } from "./internal/request/responseWithBody.ts"
import { isRetryable } from "./internal/request/retryable.ts"
import { unlessStalled } from "./internal/request/silence.ts"
import { report } from "./internal/telemetry.ts"
import { filesBeta, requestsPerMinute } from "./internal/wire/constants.ts"
import { retryAfter } from "./internal/wire/retryAfter.ts"

/**
 * A Layer that turns an `HttpClient` into one with a policy.
 */
export type Policy = Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient>

export interface RetryOptions {
  /**
   * Tries after the first one. An operation that takes several requests, such as a download that is continued, has
   * them once for all.
   *
   * @default 4
   */
  readonly times?: number | undefined
  /**
   * The first wait; each further one is twice as long, up to 8 seconds, less up to a quarter at random.
   *
   * @default "500 millis"
   */
  readonly baseDelay?: Duration.Input | undefined
  /**
   * The longest single wait. A service that asks for a longer one gets none: the failure is given back at once.
   *
   * @default "60 seconds"
   */
  readonly maxDelay?: Duration.Input | undefined
  /**
   * No try begins later than this after the first. A large file may take its time.
   *
   * @default "1 hour"
   */
  readonly maxElapsed?: Duration.Input | undefined
}

export interface RateLimitOptions {
  /**
   * @default 500, or 100 for requests in the beta dialect: the documented rates
   */
  readonly requestsPerMinute?: number | undefined
  /**
   * `token-bucket` never lets more than `requestsPerMinute` through in any 60 seconds: after a pause `burst` requests
   * at once, then evenly. It keeps to 61 seconds, so that what travels at different speeds stays within 60 where it
   * arrives. `fixed-window` lets a whole minute's requests through at once, and up to twice the limit
   * around the edge of two windows.
   *
   * @default "token-bucket"
   */
  readonly algorithm?: "token-bucket" | "fixed-window" | undefined
  /**
   * Requests at once after a pause, for the token bucket. The larger, the slower the even rate: together they make
   * `requestsPerMinute`.
   *
   * @default a tenth of requestsPerMinute
   */
  readonly burst?: number | undefined
  /**
   * A request that would wait longer for its turn fails with `RateLimited` instead.
   *
   * @default "5 minutes"
   */
  readonly maxWait?: Duration.Input | undefined
}

export interface CircuitBreakerOptions {
  /**
   * @default CircuitBreaker.consecutive(5)
   */
  readonly tripPolicy?: CircuitBreaker.TripPolicy | undefined
  /**
   * How long nothing is sent before one request may try.
   *
   * @default "30 seconds"
   */
  readonly openDuration?: Duration.Input | undefined
}

export interface TimeoutOptions {
  /**
   * Until a connection is there, where one has to be made: name resolution, TCP and TLS. Kept by the transport of
   * `NodeFiles`; others have limits of their own (`fetch` on Node 10 seconds, undici its `connectTimeout`).
   *
   * @default "10 seconds"
   */
  readonly connect?: Duration.Input | undefined
  /**
   * From the last byte of the request to the response's headers. While a body is being sent the time starts anew with
   * each chunk; behind a body it is longer by a second for each megabyte, which the service has to store. What other
   * policies beneath this one wait on purpose does not count.
   *
   * @default "60 seconds", and "10 minutes" for a POST: before it answers one, the service stores a file or lets a
   * model write
   */
  readonly headers?: Duration.Input | undefined
  /**
   * Between two chunks of the response's body.
   *
   * @default "60 seconds"
   */
  readonly idleBody?: Duration.Input | undefined
  /**
   * The whole request up to the response's headers, however it moves and whatever it waits for.
   *
   * @default none
   */
  readonly total?: Duration.Input | undefined
}

/**
 * What differs for one effect from the options that its policies were made with. `false` switches a policy off.
 *
 * {@link override} sets them.
 */
export interface Overrides {
  readonly retry?: RetryOptions | false | undefined
  readonly rateLimit?: Pick<RateLimitOptions, "maxWait"> | false | undefined
  readonly circuitBreaker?: false | undefined
  readonly timeout?: TimeoutOptions | false | undefined
  readonly concurrency?: false | undefined
}

export const Overrides = Context.Reference<Overrides>("effect-anthropic-files/Policy/Overrides", {
  defaultValue: () => ({})
})

/**
 * Runs an effect or a stream with other options for the policies beneath it, as far as they are there:
 * `Files.upload(source).pipe(Policy.override({ retry: { times: 10 } }))`. What is left out stays as it is.
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
      Effect.map(Overrides, (outer) => Stream.provideService(self, Overrides, { ...outer, ...overrides }))
    )
    : Effect.flatMap(Overrides, (outer) => Effect.provideService(self, Overrides, { ...outer, ...overrides })))

/** A wrong option is the programmer's: it throws where it is written, as effect's own policies do. */
const checkCount = (name: string, value: number | undefined): void => {
  if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1)) {
    throw new RangeError(`Policy: ${name} has to be a whole number of at least 1, not ${value}.`)
  }
}

const checkDurations = (options: Readonly<Record<string, unknown>>, ...names: ReadonlyArray<string>): void => {
  for (const name of names) {
    const value = options[name]
    const isDuration = value === undefined || Option.isSome(Duration.fromInput(value as Duration.Input))
    if (!isDuration) throw new RangeError(`Policy: ${name} is no duration, such as "5 seconds".`)
  }
}

type Wrap = (client: HttpClient.HttpClient) => HttpClient.HttpClient

const fromWrap = (make: Effect.Effect<Wrap>): Policy =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.flatMap(HttpClient.HttpClient, (client) => Effect.map(make, (wrap) => wrap(client)))
  )

/** A client whose every request goes through `f`, which sends it as often and as altered as it likes. */
const through = (
  client: HttpClient.HttpClient,
  f: (
    request: HttpClientRequest.HttpClientRequest,
    send: (request: HttpClientRequest.HttpClientRequest) => Try,
    context: {
      readonly fiber: Fiber.Fiber<unknown, unknown>
      readonly clock: Clock.Clock
      readonly attempt: Attempt | undefined
      readonly isNested: boolean
      readonly overrides: Overrides
    }
  ) => Try
): HttpClient.HttpClient =>
  HttpClient.makeWith(
    (effect) =>
      withValue(effect, (request) =>
        Effect.withFiber((fiber) =>
          f(request, (altered) =>
            client.postprocess(Effect.succeed(altered)), {
            fiber,
            clock: fiber.getRef(Clock.Clock),
            attempt: fiber.getRef(Attempt),
            isNested: fiber.getRef(Nested),
            overrides: fiber.getRef(Overrides)
          })
        )),
    client.preprocess
  )

interface Failure {
  readonly reason: string
  readonly isOutcomeUnknown: boolean
  readonly wait: Duration.Duration | undefined
}

/** Whether a request that failed without an answer may succeed if sent again, and why it failed. */
const ofError = (error: HttpClientError.HttpClientError): Failure | undefined => {
  const { reason } = error
  switch (reason._tag) {
    case "TransportError": {
      const { cause } = reason
      if (Predicate.isTagged(cause, "ConnectTimeoutError")) {
        return { reason: cause._tag, isOutcomeUnknown: false, wait: undefined }
      }
      if (isFilesError(cause)) {
        if (!cause.isRetryable && !cause.isOutcomeUnknown) return undefined
        return {
          reason: cause._tag === "RequestFailed" ? cause.reason._tag : cause._tag,
          isOutcomeUnknown: cause.isOutcomeUnknown,
          wait: "retryAfter" in cause ? cause.retryAfter : undefined
        }
      }
      if (cause instanceof CircuitBreaker.CircuitBreakerError) {
        return {
          reason: cause.reason._tag,
          isOutcomeUnknown: false,
          wait: cause.reason._tag === "CircuitOpen" ? cause.reason.retryAfter : undefined
        }
      }
      // The limiter has waited as long as it may already.
      if (cause instanceof RateLimiter.RateLimiterError) return undefined
      const code = codeOf(cause)
      return isPermanent(code)
        ? undefined
        : { reason: code ?? reason._tag, isOutcomeUnknown: !isUnsent(code), wait: undefined }
    }
    case "DecodeError":
    case "EmptyBodyError":
      return { reason: reason._tag, isOutcomeUnknown: true, wait: undefined }
    default:
      return undefined
  }
}

const isUpload = (request: HttpClientRequest.HttpClientRequest): boolean =>
  request.method === "POST" && (request.body._tag === "FormData"
    || (request.headers["content-type"] ?? "").startsWith("multipart/form-data"))

/** An error's body is read this far to learn its code. */
const maxErrorBytes = 64 * 1024

/** How long the body of a failed answer may take. */
const bufferPatience = Duration.seconds(10)

/**
 * A failed response with its body read and let go of, so that its socket is free; it can still be read.
 */
const buffered = Effect.fnUntraced(function*(response: HttpClientResponse.HttpClientResponse) {
  const read = yield* readBody(response, maxErrorBytes).pipe(
    Effect.timeoutOption(bufferPatience),
    Effect.orElseSucceed(() => Option.none()),
    pause
  )
  const bytes = Option.isSome(read) ? read.value.bytes : new Uint8Array()
  const json = parseJson(decodeText(bytes))
  return {
    copy: new Rebodied(response, () => bytes.length === 0 ? Stream.empty : Stream.succeed(bytes)),
    errorCode: Result.isSuccess(json) ? readEnvelope(json.success).errorCode : undefined
  }
})

/** A code in a foreign body that may be shown: the API's are of this form, and a key is not. */
const shown = (errorCode: string | undefined): string | undefined =>
  errorCode !== undefined && /^[a-z_]{1,64}$/.test(errorCode) ? errorCode : undefined

const maxBackoff = Duration.seconds(8)

/**
 * Sends a request again when that may help: the table is the one behind `isRetryable` of the errors. It waits as long
 * as the service asks (`retry-after-ms`, `retry-after`), else longer each time.
 *
 * An upload whose outcome is unknown is never simply repeated: `Files.upload` looks for it first, and another client's
 * upload (a POST of `multipart/form-data`) is not repeated at all. A body is sent again only if it can be: a path,
 * bytes and a stream can, a source that can be read only once can't.
 */
export const retry = (options: RetryOptions = {}): Policy => {
  if (options.times !== 0) checkCount("times", options.times)
  checkDurations({ ...options }, "baseDelay", "maxDelay", "maxElapsed")
  return fromWrap(Effect.succeed(withRetry(options)))
}

const withRetry = (options: RetryOptions): Wrap => (client) =>
  through(client, (request, send, { attempt, clock, overrides }) => {
    if (overrides.retry === false) return send(request)
    const { baseDelay, maxDelay, maxElapsed, times } = { ...options, ...overrides.retry }
    const state = attempt ?? { tries: 0, startedAt: undefined }

    /** Waits for another try, unless the budget is used up. */
    const another = (failure: Failure): Effect.Effect<boolean> =>
      Effect.gen(function*() {
        const limit = times ?? 4
        const first = Duration.fromInputUnsafe(baseDelay ?? "500 millis")
        const longest = Duration.fromInputUnsafe(maxDelay ?? "60 seconds")
        const elapsed = Duration.toMillis(Duration.fromInputUnsafe(maxElapsed ?? "1 hour"))
        const n = state.tries
        const random = yield* Random.next
        const full = Duration.min(Duration.times(first, 2 ** (n - 1)), maxBackoff)
        const backoff = Duration.millis(Math.round(Duration.toMillis(full) * (1 - random / 4)))
        const delay = failure.wait ?? Duration.min(backoff, longest)
        const now = clock.currentTimeMillisUnsafe()
        const end = (state.startedAt ?? now) + elapsed
        const what = `${request.method} ${pathOf(request)} failed (${failure.reason})`
        const attributes = { reason: failure.reason, tries: n, delay_ms: Duration.toMillis(delay) }
        if (n > limit || Duration.isGreaterThan(delay, longest) || now + Duration.toMillis(delay) > end) {
          yield* report("gave_up", `${what} and is not tried again`, attributes)
          return false
        }
        yield* report("retry", `${what}, next try in ${Duration.format(delay)}`, attributes)
        yield* pause(Effect.sleep(delay))
        return true
      })

    const again = (failure: Failure, giveUp: Try): Try => {
      const canRepeat = attempt === undefined
        ? !(failure.isOutcomeUnknown && isUpload(request))
        : attempt.canRepeat(failure.isOutcomeUnknown)
      if (!canRepeat) return giveUp
      return Effect.flatMap(another(failure), (granted) => {
        if (!granted) return giveUp
        if (attempt === undefined) return once
        return Effect.flatMap(attempt.verdict(failure.isOutcomeUnknown), (verdict) => {
          switch (verdict._tag) {
            case "Again":
              return once
            case "Done":
              return Effect.succeed(verdict.response)
            case "Never":
              return giveUp
          }
        })
      })
    }

    /** An answer that is no success: sent again, or given up as what it is. */
    const failed = (
      response: HttpClientResponse.HttpClientResponse,
      giveUp: (response: HttpClientResponse.HttpClientResponse) => Try
    ): Try => {
      const { headers, status } = response
      // Only these can turn out either way by the code in their body.
      if (status !== 400 && !isRetryable(status, headers, undefined)) return giveUp(response)
      return Effect.flatMap(buffered(response), ({ copy, errorCode }) =>
        isRetryable(status, headers, errorCode)
          ? again({
            reason: shown(errorCode) ?? String(status),
            isOutcomeUnknown: status >= 500 && status !== 529,
            wait: retryAfter(headers, clock.currentTimeMillisUnsafe())
          }, giveUp(copy))
          : giveUp(copy))
    }

    const once: Try = Effect.suspend(() => {
      state.tries++
      state.startedAt ??= clock.currentTimeMillisUnsafe()
      return Effect.matchEffect(attempt === undefined ? send(request) : attempt.run(send(request)), {
        onFailure: (error) => {
          const { reason } = error
          // A client beneath that makes failed answers failures.
          if (reason._tag === "StatusCodeError") {
            return failed(reason.response, (response) =>
              Effect.fail(
                new HttpClientError.HttpClientError({
                  reason: new HttpClientError.StatusCodeError({
                    request: reason.request,
                    response,
                    description: reason.description
                  })
                })
              ))
          }
          const failure = ofError(error)
          return failure === undefined ? Effect.fail(error) : again(failure, Effect.fail(error))
        },
        onSuccess: (response) => {
          if (response.status >= 400) return failed(response, Effect.succeed)
          if (attempt !== undefined) {
            // The try that is asked for is counted when it begins.
            attempt.again = (error) =>
              another({
                reason: error._tag === "TransferInterrupted" ? error.reason : error._tag,
                isOutcomeUnknown: false,
                wait: undefined
              })
          }
          return Effect.succeed(response)
        }
      })
    })
    return once
  })

const pathOf = (request: HttpClientRequest.HttpClientRequest): string =>
  Option.match(HttpClientRequest.toUrl(request), { onNone: () => "?", onSome: (url) => url.pathname })

interface Base {
  readonly origin: string
  /** Origin, and a prefix of the API's own path, if there is one. */
  readonly url: string
}

const parseBase = (request: HttpClientRequest.HttpClientRequest): Base =>
  Option.match(HttpClientRequest.toUrl(request), {
    onNone: () => ({ origin: "", url: "" }),
    onSome: ({ origin, pathname }) => ({
      origin,
      url: origin + pathname.slice(0, Math.max(0, pathname.indexOf("/v1/")))
    })
  })

/** A client has one base URL, and parsing it each time is most of what a policy costs. */
const makeBaseOf = () => {
  const known = new Map<string, Base>()
  return (request: HttpClientRequest.HttpClientRequest): Base => {
    const at = request.url.indexOf("/v1/")
    if (at < 0) return parseBase(request)
    const prefix = request.url.slice(0, at)
    const base = known.get(prefix) ?? parseBase(request)
    if (known.size < 100) known.set(prefix, base)
    return base
  }
}

const responseOf = (
  error: HttpClientError.HttpClientError
): HttpClientResponse.HttpClientResponse | undefined =>
  error.reason._tag === "StatusCodeError" ? error.reason.response : undefined

/**
 * Keeps requests within a rate, for each credential and base URL, in order of arrival. It learns from answers: after a
 * 429 nothing is sent for as long as `retry-after` says, and after `anthropic-ratelimit-requests-remaining: 0` nothing
 * until `anthropic-ratelimit-requests-reset`.
 *
 * The counts are kept in the `RateLimiterStore` of effect if one is provided, in Redis for many processes, and in
 * memory otherwise, where all clients that are built together share them. What it learned each client keeps for itself.
 * A store that fails, or gives no answer for 2 seconds, lets requests pass, with a warning: the service limits them
 * too.
 */
export const rateLimit = (options: RateLimitOptions = {}): Policy => {
  checkCount("requestsPerMinute", options.requestsPerMinute)
  checkCount("burst", options.burst)
  checkDurations({ ...options }, "maxWait")
  return limited(options)
}

const limited = (options: RateLimitOptions): Policy =>
  Layer.unwrap(Effect.map(Effect.serviceOption(RateLimiter.RateLimiterStore), (store) => {
    const layer = Layer.effect(
      HttpClient.HttpClient,
      Effect.gen(function*() {
        const client = yield* HttpClient.HttpClient
        return withRateLimit(options, yield* RateLimiter.make, yield* Minute, Option.isSome(store))(client)
      })
    )
    return Layer.provide(
      layer,
      Option.isSome(store)
        ? Layer.succeed(RateLimiter.RateLimiterStore, store.value)
        : RateLimiter.layerStoreMemory
    )
  }))

interface Lane {
  /** Its name in the store. */
  readonly key: string
  /** One waits at the store, the others behind it in order. An interrupted one leaves no gap. */
  readonly queue: Semaphore.Semaphore
  /** Between two requests, evenly. */
  readonly interval: Duration.Duration
  readonly budget: { readonly limit: number; readonly window: Duration.Duration }
  /** Epoch milliseconds before which the service wants nothing. */
  notBefore: number
}

/** By how much two requests may differ in the time they travel. */
const spread = Duration.seconds(1)

const storePatience = Duration.seconds(2)

const encoder = new TextEncoder()

/**
 * The store may be one that others read: what it is told of a credential is a digest. MD5, since it is at hand in every
 * runtime without waiting; to find a key from it is as far out of reach as with any other.
 */
const digest = (text: string): string => Hex.encode(Digest.md5.implementation?.(encoder.encode(text)) ?? "")

const withRateLimit = (
  options: RateLimitOptions,
  limiter: RateLimiter.RateLimiter,
  minute: Duration.Duration,
  /** The one in memory always answers. */
  isRemote: boolean
): Wrap => {
  const algorithm = options.algorithm ?? "token-bucket"
  const ownMaxWait = Duration.fromInputUnsafe(options.maxWait ?? "5 minutes")
  const baseOf = makeBaseOf()
  const lanes = new Map<string, Lane>()
  const laneOf = (request: HttpClientRequest.HttpClientRequest, perMinute: number): Lane => {
    const { headers } = request
    // No header holds a line break.
    const identity = [
      headers["x-api-key"] ?? headers["authorization"],
      headers["anthropic-workspace-id"],
      baseOf(request).url,
      perMinute
    ].join("\n")
    const known = lanes.get(identity)
    if (known !== undefined) return known
    const burst = Math.min(Math.max(1, Math.floor(options.burst ?? perMinute / 10)), perMinute)
    // In any stretch of time a bucket lets through what it holds, and what flows into it before the end.
    const interval = Duration.times(Duration.sum(minute, spread), 1 / (perMinute - burst + 1))
    const lane: Lane = {
      key: `anthropic-files:${digest(identity)}`,
      queue: Semaphore.makeUnsafe(1),
      interval,
      budget: algorithm === "fixed-window"
        ? { limit: perMinute, window: minute }
        : { limit: burst, window: Duration.times(interval, burst) },
      notBefore: 0
    }
    lanes.set(identity, lane)
    return lane
  }

  return (client) =>
    through(client, (request, send, { clock, fiber, overrides }) => {
      if (overrides.rateLimit === false) return send(request)
      const isBeta = (request.headers["anthropic-beta"] ?? "").includes(filesBeta)
      const perMinute = Math.max(1, Math.floor(options.requestsPerMinute ?? requestsPerMinute[isBeta ? "beta" : "ga"]))
      const maxWait = overrides.rateLimit?.maxWait === undefined
        ? ownMaxWait
        : Duration.fromInputUnsafe(overrides.rateLimit.maxWait)
      const lane = laneOf(request, perMinute)
      const { budget, interval } = lane
      const now = () => clock.currentTimeMillisUnsafe()

      const exceeded = (wait: Duration.Duration) =>
        new HttpClientError.HttpClientError({
          reason: new HttpClientError.TransportError({
            request,
            description: "rate limit",
            cause: new RateLimiter.RateLimiterError({
              reason: new RateLimiter.RateLimitExceeded({ key: "", retryAfter: wait, limit: perMinute, remaining: 0 })
            })
          })
        })

      const waitFor = (
        wait: number,
        deadline: number,
        reason: string
      ): Effect.Effect<void, HttpClientError.HttpClientError> =>
        now() + wait > deadline
          ? Effect.fail(exceeded(Duration.millis(wait)))
          : Effect.andThen(
            report("wait", `${request.method} ${pathOf(request)} waits ${wait} ms (${reason})`, {
              reason,
              delay_ms: wait
            }),
            Effect.sleep(wait)
          )

      const asked = limiter.consume({ ...budget, algorithm, key: lane.key, onExceeded: "fail" })
      const consume = !isRemote ? asked : Effect.timeoutOrElse(asked, {
        duration: storePatience,
        orElse: () =>
          Effect.fail(
            new RateLimiter.RateLimiterError({
              reason: new RateLimiter.RateLimitStoreError({ message: "The store gives no answer" })
            })
          )
      })

      const turn = (deadline: number): Effect.Effect<void, HttpClientError.HttpClientError> =>
        Effect.suspend(() => {
          const held = lane.notBefore - now()
          if (held > 0) {
            return Effect.flatMap(waitFor(held, deadline, "the service asked to"), () => turn(deadline))
          }
          return Effect.matchEffect(consume, {
            onSuccess: () => Effect.void,
            onFailure: ({ reason }) =>
              reason._tag === "RateLimitExceeded"
                ? Effect.flatMap(
                  waitFor(Math.max(1, Math.ceil(Duration.toMillis(reason.retryAfter))), deadline, "rate limit"),
                  () => turn(deadline)
                )
                : Effect.logWarning(`The rate limiter's store failed, a request is sent unlimited: ${reason.message}`)
          })
        })

      const queued = Effect.suspend(() => {
        const deadline = now() + Duration.toMillis(maxWait)
        let isFirst = false
        const mine = Effect.suspend(() => {
          isFirst = true
          return turn(deadline)
        })
        // Behind one that may wait longer than this one. Whoever has come to the head of the queue is not ended here.
        const late = Effect.suspend(() => isFirst ? Effect.never : Effect.fail(exceeded(interval)))
        // @effect-diagnostics-next-line raceFirstWithSleepToTimeout:off
        const inQueue = Effect.raceFirst(
          Semaphore.withPermit(lane.queue, mine),
          Effect.andThen(Effect.sleep(maxWait), late)
        )
        return Effect.flatMap(
          Semaphore.withPermitsIfAvailable(lane.queue, 1)(mine),
          Option.match({ onNone: () => inQueue, onSome: () => Effect.void })
        )
      })

      const learn = ({ headers, status }: HttpClientResponse.HttpClientResponse) => {
        const wait = status === 429 ? retryAfter(headers, now()) : undefined
        if (wait !== undefined) lane.notBefore = Math.max(lane.notBefore, now() + Duration.toMillis(wait))
        if (headers["anthropic-ratelimit-requests-remaining"]?.trim() === "0") {
          const reset = Date.parse(headers["anthropic-ratelimit-requests-reset"] ?? "")
          if (reset > now()) lane.notBefore = Math.max(lane.notBefore, reset)
        }
      }

      const endPause = startPauseIn(fiber)
      return Effect.andThen(
        Effect.ensuring(queued, Effect.sync(endPause)),
        Effect.matchEffect(send(request), {
          onFailure: (error) => {
            const response = responseOf(error)
            if (response !== undefined) learn(response)
            return Effect.fail(error)
          },
          onSuccess: (response) => {
            learn(response)
            return Effect.succeed(response)
          }
        })
      )
    })
}

/**
 * Sends nothing for a while to a host that keeps failing: requests then fail at once with `CircuitOpen`. 5xx, 529 and
 * broken connections count as failures; 429 and whatever the caller did wrong do not.
 *
 * The state is kept in the `CircuitBreakerStore` of effect if one is provided, and in memory otherwise. A store that
 * fails lets requests pass.
 */
export const circuitBreaker = (options: CircuitBreakerOptions = {}): Policy => {
  checkDurations({ ...options }, "openDuration")
  return breaking(options)
}

const breaking = (options: CircuitBreakerOptions): Policy =>
  Layer.unwrap(Effect.map(Effect.serviceOption(CircuitBreaker.CircuitBreakerStore), (store) =>
    Layer.provide(
      Layer.effect(
        HttpClient.HttpClient,
        Effect.gen(function*() {
          const client = yield* HttpClient.HttpClient
          const breaker = yield* CircuitBreaker.make({
            tripPolicy: options.tripPolicy ?? CircuitBreaker.consecutive(5),
            openDuration: options.openDuration ?? "30 seconds"
          })
          return withCircuitBreaker(breaker)(client)
        })
      ),
      Option.isSome(store)
        ? Layer.succeed(CircuitBreaker.CircuitBreakerStore, store.value)
        : CircuitBreaker.layerStoreMemory()
    )))

const outcomeOf = (clock: Clock.Clock) =>
(
  exit: Exit.Exit<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
): CircuitBreaker.Outcome => {
  const error = Option.getOrUndefined(Exit.findErrorOption(exit))
  const response = Exit.isSuccess(exit) ? exit.value : error === undefined ? undefined : responseOf(error)
  if (response !== undefined) {
    const { headers, status } = response
    if (status === 429) return CircuitBreaker.ignored
    return status >= 500
      ? CircuitBreaker.failure({ retryAfter: retryAfter(headers, clock.currentTimeMillisUnsafe()) })
      : CircuitBreaker.success
  }
  return error === undefined || ofError(error) === undefined ? CircuitBreaker.ignored : CircuitBreaker.failure()
}

const withCircuitBreaker = (breaker: CircuitBreaker.CircuitBreaker): Wrap => (client) => {
  const baseOf = makeBaseOf()
  return through(client, (request, send, { clock, overrides }) => {
    if (overrides.circuitBreaker === false) return send(request)
    const guarded = breaker.execute(send(request), { key: baseOf(request).origin, classify: outcomeOf(clock) })
    return Effect.catchTag(guarded, "CircuitBreakerError", (error) =>
      Effect.andThen(
        report("circuit_open", `${request.method} ${pathOf(request)} was not sent: the circuit is open`, {
          reason: error.reason._tag
        }),
        Effect.fail(
          new HttpClientError.HttpClientError({
            reason: new HttpClientError.TransportError({ request, description: "circuit open", cause: error })
          })
        )
      ))
  })
}

/**
 * Ends a request that does not move. Beneath a retry policy it ends one try, and the next may do better.
 */
export const timeout = (options: TimeoutOptions = {}): Policy => {
  checkDurations({ ...options }, "connect", "headers", "idleBody", "total")
  return fromWrap(Effect.succeed(withTimeout(options)))
}

const sizeOf = (body: HttpBody.HttpBody): number => {
  if (body._tag === "Uint8Array" || body._tag === "Raw") return body.contentLength ?? 0
  if (body._tag !== "FormData") return 0
  let size = 0
  for (const [, value] of body.formData) size += typeof value === "string" ? value.length : value.size
  return size
}

const limitsOf = ({ connect, headers, idleBody, total }: TimeoutOptions) => ({
  connect: Duration.fromInputUnsafe(connect ?? "10 seconds"),
  reading: Duration.toMillis(Duration.fromInputUnsafe(headers ?? "60 seconds")),
  posting: Duration.toMillis(Duration.fromInputUnsafe(headers ?? "10 minutes")),
  idleBody: Duration.fromInputUnsafe(idleBody ?? "60 seconds"),
  total: total === undefined ? undefined : Duration.fromInputUnsafe(total)
})

const withTimeout = (options: TimeoutOptions): Wrap => {
  const own = limitsOf(options)
  return (client) =>
    through(client, (request, send, { clock, overrides }) => {
      if (overrides.timeout === false) return send(request)
      const limits = overrides.timeout === undefined ? own : limitsOf({ ...options, ...overrides.timeout })
      const { connect, idleBody, total } = limits
      const headers = request.method === "POST" ? limits.posting : limits.reading
      const timedOut = (message: string) =>
        new HttpClientError.HttpClientError({
          reason: new HttpClientError.TransportError({
            request,
            description: message,
            cause: new Cause.TimeoutError(message)
          })
        })

      const watch: Watch = { pauses: 0, movedAt: clock.currentTimeMillisUnsafe() }
      let sent = sizeOf(request.body)
      let isSending = request.body._tag === "Stream"
      const watched = request.body._tag !== "Stream" ? request : HttpClientRequest.setBody(
        request,
        HttpBody.stream(
          Stream.suspend(() => {
            const { body } = request
            if (body._tag !== "Stream") return Stream.empty
            sent = 0
            isSending = true
            return Stream.ensuring(
              Stream.map(body.stream, (chunk) => {
                sent += chunk.length
                watch.movedAt = clock.currentTimeMillisUnsafe()
                return chunk
              }),
              Effect.sync(() => {
                isSending = false
                watch.movedAt = clock.currentTimeMillisUnsafe()
              })
            )
          }),
          request.body.contentType,
          request.body.contentLength
        )
      )
      const answered = guard(send(watched), {
        clock,
        watch,
        // Behind a body a second more for each megabyte.
        patience: () => isSending ? headers : headers + sent / 1000,
        fail: (waited) =>
          timedOut(
            isSending
              ? `Sending stopped for ${Duration.format(waited)} after ${sent} bytes.`
              : `No answer came within ${Duration.format(waited)}.`
          ),
        provide: (context) =>
          Context.add(
            Context.add(context, Watches, [...Context.get(context, Watches), watch]),
            ConnectTimeout,
            connect
          )
      })
      const bounded = total === undefined ? answered : Effect.timeoutOrElse(answered, {
        duration: total,
        orElse: () => Effect.fail(timedOut(`The request took longer than ${Duration.format(total)}.`))
      })
      return Effect.map(bounded, (response) => {
        const stalled = () => timedOut(`The answer stalled for ${Duration.format(idleBody)}.`)
        const length = parseLength(response.headers["content-length"])
        return new Rebodied(
          response,
          () => unlessStalled(response.stream, idleBody, stalled),
          length === undefined || length > maxSmallBytes ? undefined : Effect.suspend(() =>
            guard(response.arrayBuffer, {
              clock,
              watch: { pauses: 0, movedAt: clock.currentTimeMillisUnsafe() },
              patience: () => Duration.toMillis(idleBody),
              fail: stalled
            })
          )
        )
      })
    })
}

/** Such a body comes in one piece or two, so that its limit on silence may be one on the whole. */
const maxSmallBytes = 256 * 1024

/**
 * At most so many requests under way at once, the others wait in order. A request is under way until its response's
 * headers have come.
 */
export const concurrency = (permits: number): Policy => {
  checkCount("concurrency", permits)
  return fromWrap(Effect.map(Semaphore.make(permits), withConcurrency))
}

const withConcurrency = (semaphore: Semaphore.Semaphore): Wrap => (client) =>
  through(client, (request, send, { clock, fiber, isNested, overrides }) => {
    // A nested one uses the place of the request that waits for it.
    if (overrides.concurrency === false || isNested) return send(request)
    const endPause = startPauseIn(fiber)
    const since = clock.currentTimeMillisUnsafe()
    const admitted = Effect.suspend(() => {
      endPause()
      const waited = clock.currentTimeMillisUnsafe() - since
      return waited === 0 ? send(request) : Effect.andThen(
        report("wait", `${request.method} ${pathOf(request)} waited ${waited} ms (concurrency)`, {
          reason: "concurrency",
          delay_ms: waited
        }),
        send(request)
      )
    })
    return Effect.ensuring(Semaphore.withPermit(semaphore, admitted), Effect.sync(endPause))
  })

/**
 * Policies into one, outermost first: the first one sees a request first and its answer last.
 */
export const stack = (...policies: ReadonlyArray<Policy>): Policy =>
  policies.reduceRight<Policy>(
    (inner, outer) => Layer.provide(outer, inner),
    fromWrap(Effect.succeed(identity<HttpClient.HttpClient>))
  )

export interface StandardOptions {
  readonly retry?: RetryOptions | false | undefined
  readonly circuitBreaker?: CircuitBreakerOptions | false | undefined
  /** @default 16 */
  readonly concurrency?: number | false | undefined
  readonly rateLimit?: RateLimitOptions | false | undefined
  readonly timeout?: TimeoutOptions | false | undefined
}

/**
 * The stack that most programs want. From the outside in: retry, so that each try passes what follows; circuit breaker,
 * so that an open one fails before anything is waited for; concurrency; rate limit, so that whoever has got its turn is
 * sent at once, and never many together that got theirs one by one; timeout, which ends one try.
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
