/**
 * The options of the policies, and what is wrong with them.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import { durationOf } from "../duration.ts"

/** How often something is tried again, and how long it waits. */
export interface RetryOptions {
  /**
   * Tries after the first one; 0 makes none. An operation that takes several requests, such as a download that is
   * continued, has them once for all. A try that an open circuit refused does not count.
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
   * The longest single wait. When the service asks for a longer one, the failure is returned at once.
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

/** How many requests go out, and how long one waits for its turn. */
export interface RateLimitOptions {
  /**
   * Requests of the Files API a minute, a whole number of at least 1. When it is given, it also limits the requests of
   * any other Effect client to one host.
   *
   * @default 500, or 100 for requests in the beta dialect: the documented rates
   */
  readonly requestsPerMinute?: number | undefined
  /**
   * Requests to create or count messages a minute; the organization's own limit, which depends on its tier.
   *
   * @default none: only what the service says of them counts
   */
  readonly messagesPerMinute?: number | undefined
  /**
   * Requests of Message Batches a minute.
   *
   * @default none: only what the service says of them counts
   */
  readonly batchesPerMinute?: number | undefined
  /**
   * `token-bucket` never admits more than the limit in any 60 seconds: `burst` requests at once after a pause, then
   * evenly. It aims at 61 seconds, since requests travel at different speeds. `fixed-window` admits a whole minute's
   * requests at once, and up to twice the limit around the edge of two windows.
   *
   * @default "token-bucket"
   */
  readonly algorithm?: "token-bucket" | "fixed-window" | undefined
  /**
   * Requests at once after a pause, for the token bucket; less than the limit. The larger it is, the slower the even
   * rate: together they make the limit.
   *
   * @default a tenth of the limit
   */
  readonly burst?: number | undefined
  /**
   * A request that would wait longer for its turn fails with `RateLimited` instead.
   *
   * @default "5 minutes"
   */
  readonly maxWait?: Duration.Input | undefined
}

/** When a circuit opens, and for how long. */
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

/** How long a request may take, part by part. */
export interface TimeoutOptions {
  /**
   * Until a connection is there, where one has to be made: name resolution, TCP and TLS. Kept by the transport of
   * `NodeFiles`; others have limits of their own (`fetch` on Node 10 seconds, undici its `connectTimeout`).
   *
   * @default "10 seconds"
   */
  readonly connect?: Duration.Input | undefined
  /**
   * Silence up to the answer's headers. It begins anew whenever the body of the request makes progress, and is a second
   * longer for each megabyte of an upload, which the service has to store. What other policies wait on purpose does not
   * count.
   *
   * @default the client's `idleTimeout`, ten times as long for an upload, a message and a batch. Beneath another client
   * 60 seconds, 10 minutes for a POST
   */
  readonly headers?: Duration.Input | undefined
  /**
   * Silence between two chunks of the answer's body.
   *
   * @default the client's `idleTimeout`; beneath another client 60 seconds
   */
  readonly idleBody?: Duration.Input | undefined
  /**
   * The whole request up to the answer's headers, however it moves and whatever it waits for. Around a retry policy it
   * limits all tries together.
   *
   * @default none
   */
  readonly total?: Duration.Input | undefined
}

/**
 * What differs for one effect from the options that its policies were made with. `false` switches a policy off.
 */
export interface Overrides {
  readonly retry?: RetryOptions | false | undefined
  readonly rateLimit?: Pick<RateLimitOptions, "maxWait"> | false | undefined
  readonly circuitBreaker?: false | undefined
  readonly timeout?: TimeoutOptions | false | undefined
  readonly concurrency?: false | undefined
}

export const noOverrides: Overrides = {}

/** What both name with what only one of them names: the inner one takes precedence, and what it leaves out stays. */
const within = <A extends object>(outer: A | false | undefined, inner: A | false | undefined): A | false | undefined =>
  outer === undefined || outer === false || inner === undefined || inner === false
    ? inner ?? outer
    : withDefined(outer, inner)

/** Options with those of `more` that are given in place of their own. */
export const withDefined = <A extends object>(options: A, more: A): A => ({
  ...options,
  ...Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined))
})

/** What holds for an effect that has overrides within one that has. */
export const mergedOverrides = (outer: Overrides, inner: Overrides): Overrides => ({
  retry: within(outer.retry, inner.retry),
  rateLimit: within(outer.rateLimit, inner.rateLimit),
  circuitBreaker: inner.circuitBreaker ?? outer.circuitBreaker,
  timeout: within(outer.timeout, inner.timeout),
  concurrency: inner.concurrency ?? outer.concurrency
})

/** What the current effect changes of the policies beneath it. */
export const Overrides = Context.Reference<Overrides>("effect-anthropic-files/Policy/Overrides", {
  defaultValue: () => noOverrides
})

/** What is wrong with an option. */
export interface Problem {
  readonly option: string
  readonly message: string
}

const wholeNumber = (option: string, value: unknown, least: number): Problem | undefined =>
  value === undefined ? undefined : requiredWholeNumber(option, value, least)

const requiredWholeNumber = (option: string, value: unknown, least: number): Problem | undefined =>
  Number.isSafeInteger(value) && Number(value) >= least
    ? undefined
    : { option, message: `${option} is ${String(value)}; it has to be a whole number of at least ${least}.` }

const duration = (option: string, value: unknown): Problem | undefined => {
  if (value === undefined) return undefined
  const parsed = durationOf(value)
  return Option.isSome(parsed) && Duration.toMillis(parsed.value) >= 0
    ? undefined
    : {
      option,
      message: `${option} is ${
        Number.isNaN(value) ? "NaN" : JSON.stringify(value)
      }; it has to be a duration of at least 0, for example "5 seconds".`
    }
}

const oneOf = (option: string, value: unknown, names: ReadonlyArray<string>): Problem | undefined =>
  value === undefined || names.includes(String(value))
    ? undefined
    : { option, message: `${option} is ${JSON.stringify(value)}; it has to be one of ${names.join(", ")}.` }

const named = (option: string, problem: Problem | undefined): Problem | undefined =>
  problem === undefined ? undefined : { option, message: `${option}: ${problem.message}` }

export const retryProblem = (options: RetryOptions): Problem | undefined =>
  wholeNumber("times", options.times, 0) ?? duration("baseDelay", options.baseDelay)
    ?? duration("maxDelay", options.maxDelay) ?? duration("maxElapsed", options.maxElapsed)

export const rateLimitProblem = (options: RateLimitOptions): Problem | undefined => {
  const problem = wholeNumber("requestsPerMinute", options.requestsPerMinute, 1)
    ?? wholeNumber("messagesPerMinute", options.messagesPerMinute, 1)
    ?? wholeNumber("batchesPerMinute", options.batchesPerMinute, 1)
    ?? wholeNumber("burst", options.burst, 1)
    ?? oneOf("algorithm", options.algorithm, ["token-bucket", "fixed-window"])
    ?? duration("maxWait", options.maxWait)
  if (problem !== undefined) return problem
  const { burst, requestsPerMinute } = options
  return burst !== undefined && requestsPerMinute !== undefined && burst > 1 && burst >= requestsPerMinute
    ? {
      option: "burst",
      message: `burst is ${burst}, but only ${requestsPerMinute} requests a minute are allowed: it has to be smaller.`
    }
    : undefined
}

export const circuitBreakerProblem = (options: CircuitBreakerOptions): Problem | undefined =>
  duration("openDuration", options.openDuration)

export const timeoutProblem = (options: TimeoutOptions): Problem | undefined =>
  duration("connect", options.connect) ?? duration("headers", options.headers)
    ?? duration("idleBody", options.idleBody) ?? duration("total", options.total)

export const concurrencyProblem = (permits: number): Problem | undefined =>
  requiredWholeNumber("concurrency", permits, 1)

/** What is wrong with what one call overrides. */
export const overridesProblem = ({ rateLimit, retry, timeout }: Overrides): Problem | undefined =>
  named("retry", retry === false || retry === undefined ? undefined : retryProblem(retry))
    ?? named("timeout", timeout === false || timeout === undefined ? undefined : timeoutProblem(timeout))
    ?? named(
      "rateLimit",
      rateLimit === false || rateLimit === undefined ? undefined : duration("maxWait", rateLimit.maxWait)
    )

export const millisOr = (input: Duration.Input | undefined, otherwise: number): number =>
  input === undefined ? otherwise : Duration.toMillis(Duration.fromInputUnsafe(input))
