/**
 * Retries of an operation. The policy is data that the operation reads, the loop stands where the operation knows what
 * a failure means, and one function decides what comes next.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Random from "effect/Random"
import type { FilesError } from "../../FilesError.ts"
import { millisOr, Overrides, type RetryOptions } from "../policy/options.ts"
import { report } from "../telemetry.ts"
import { codeOf } from "./evidence.ts"
import { monotonicMillis } from "./silence.ts"

/** What a retry policy allows. Milliseconds. */
export interface RetryPolicy {
  readonly times: number
  readonly baseDelay: number
  readonly maxDelay: number
  readonly maxElapsed: number
  /** Set where a timeout policy stands around the retries. `total` is the whole operation up to its answer. */
  readonly timeout?: { readonly total: Duration.Duration | undefined }
}

const key = Symbol("effect-anthropic-files/internal/request/RetryPolicy")

/** A client whose operations retry by this policy. */
export const withRetryPolicy = (client: HttpClient.HttpClient, policy: RetryPolicy): HttpClient.HttpClient =>
  Object.assign(client, { [key]: policy })

/** The retry policy that a client was made with. */
export const retryPolicyOf = (client: HttpClient.HttpClient): RetryPolicy | undefined =>
  key in client ? (client as { readonly [key]?: RetryPolicy })[key] : undefined

/** The tries of one operation, over all requests that it takes. */
export interface Attempt {
  tries: number
  /** Requests sent, those with a renewed credential included. */
  requests: number
  /** Monotonic milliseconds. */
  startedAt: number | undefined
  /** A connection failed or fell silent: the others that are kept alive may be as dead. */
  needsFreshSocket: boolean
}

export const retryPolicy = (options: RetryOptions): RetryPolicy => ({
  times: options.times ?? 4,
  baseDelay: millisOr(options.baseDelay, 500),
  maxDelay: millisOr(options.maxDelay, 60_000),
  maxElapsed: millisOr(options.maxElapsed, 3_600_000)
})

/** A policy as one effect overrides it. */
export const overridden = (policy: RetryPolicy, { retry }: Overrides): RetryPolicy | undefined => {
  if (retry === undefined) return policy
  if (retry === false) return undefined
  return {
    ...policy,
    times: retry.times ?? policy.times,
    baseDelay: millisOr(retry.baseDelay, policy.baseDelay),
    maxDelay: millisOr(retry.maxDelay, policy.maxDelay),
    maxElapsed: millisOr(retry.maxElapsed, policy.maxElapsed)
  }
}

/** The limit on all tries of an operation together, waits included. */
export const totalOf = (
  policy: RetryPolicy | undefined,
  { timeout }: Overrides
): Duration.Duration | undefined => {
  if (policy?.timeout === undefined || timeout === false) return undefined
  return timeout?.total === undefined ? policy.timeout.total : Duration.fromInputUnsafe(timeout.total)
}

export const newAttempt = (): Attempt => ({ tries: 0, requests: 0, startedAt: undefined, needsFreshSocket: false })

export const begin = (attempt: Attempt, clock: Clock.Clock): void => {
  attempt.tries++
  attempt.requests++
  attempt.startedAt ??= monotonicMillis(clock)
}

/** What an operation says of its request being sent again. */
export interface Repetition<A> {
  /** Whether it can be sent again at all, asked before waiting: a source that was read once can't. */
  readonly canRepeat?: (error: FilesError) => boolean
  /** Finds out, after the wait, what became of a request whose outcome is unknown. Absent: repeating changes nothing. */
  readonly resolve?: (error: FilesError) => Effect.Effect<Resolution<A>>
}

/** What became of a request whose outcome was unknown. */
export type Resolution<A> =
  | { readonly _tag: "NotDone" }
  | { readonly _tag: "Done"; readonly value: A }
  | { readonly _tag: "Unclear" }

export type RetryDecision<A> =
  | { readonly _tag: "Retry" }
  | { readonly _tag: "Done"; readonly value: A }
  | { readonly _tag: "GiveUp" }

export const retryAgain: RetryDecision<never> = { _tag: "Retry" }

const giveUp: RetryDecision<never> = { _tag: "GiveUp" }

const maxBackoff = 8_000

/** How much requests that were told the same time to wait are spread over, and a circuit's waiters over its opening. */
const spread = 1_000

/**
 * The wait before a further try, in milliseconds: twice as long each time, less up to a quarter at random. A wish of
 * the service lengthens it and never shortens it, and what many were told at once they do not do at once.
 */
export const delayBefore = (
  policy: RetryPolicy,
  tries: number,
  wish: Duration.Duration | undefined,
  random: number
): number => {
  const full = Math.min(policy.baseDelay * 2 ** (tries - 1), maxBackoff)
  const backoff = Math.min(Math.round(full * (1 - random / 4)), policy.maxDelay)
  if (wish === undefined) return backoff
  return Math.max(backoff, Math.round(Duration.toMillis(wish) + random * Math.min(full, spread)))
}

const retryAfterOf = (error: FilesError): Duration.Duration | undefined =>
  "retryAfter" in error ? error.retryAfter : undefined

const isCircuitOpen = (error: FilesError): boolean =>
  error._tag === "RequestFailed" && error.reason._tag === "CircuitOpen"

const isConnectionLost = (error: FilesError): boolean => {
  if (error._tag === "TransferInterrupted") return error.reason === "Reset" || error.reason === "Stalled"
  if (error._tag !== "RequestFailed" || error.status !== undefined) return false
  return error.reason._tag === "Unreachable" || error.reason._tag === "TimedOut"
}

/** A word for what went wrong: never a body, never a key. */
export const reasonOf = (error: FilesError): string => {
  if (error.errorCode !== undefined && /^[a-z_]{1,64}$/.test(error.errorCode)) return error.errorCode
  if (error.status !== undefined && error.status >= 400) return String(error.status)
  const code = codeOf(error.cause)
  if (code !== undefined) return code
  if (error._tag === "RequestFailed") return error.reason._tag
  return error._tag === "TransferInterrupted" ? error.reason : error._tag
}

const mayBeRepeated = (error: FilesError): boolean => {
  // The client's own rate limit: it has waited as long as it may already.
  if (error._tag === "RateLimited" && error.status === undefined) return false
  // Whatever gives the token has tried again by itself.
  if (error._tag === "RequestFailed" && error.reason._tag === "CredentialsFailed") return false
  if (error.isRetryable) return true
  // An answer says by its status and headers; what came instead of one may still turn out well.
  return error.isOutcomeUnknown && !(error.status !== undefined && error.status >= 400)
}

/**
 * What comes after a failure. It waits as long as it has to, so that the next try can begin at once.
 */
export const decide = <A>(
  policy: RetryPolicy,
  attempt: Attempt,
  repetition: Repetition<A>,
  error: FilesError,
  clock: Clock.Clock
): Effect.Effect<RetryDecision<A>> => {
  if (!mayBeRepeated(error) || repetition.canRepeat?.(error) === false) return Effect.succeed(giveUp)
  return Effect.gen(function*() {
    const random = yield* Random.next
    attempt.needsFreshSocket ||= isConnectionLost(error)
    // Nothing was sent: it costs no try.
    const isFree = isCircuitOpen(error)
    if (isFree) {
      attempt.tries--
      attempt.requests--
    }
    const wish = retryAfterOf(error)
    const delay = isFree
      ? Math.round((wish === undefined ? policy.baseDelay : Duration.toMillis(wish)) + random * spread)
      : delayBefore(policy, attempt.tries, wish, random)
    const now = monotonicMillis(clock)
    const end = (attempt.startedAt ?? now) + policy.maxElapsed
    const isTooLong = wish !== undefined && Duration.toMillis(wish) > policy.maxDelay
    const reason = reasonOf(error)
    const attributes = { reason, tries: attempt.tries, delay_ms: delay }
    if ((!isFree && attempt.tries > policy.times) || isTooLong || now + delay > end) {
      yield* report("gave_up", `${error.operation} failed (${reason}) and is not tried again`, attributes, error)
      return giveUp
    }
    yield* report("retry", `${error.operation} failed (${reason}), next try in ${delay} ms`, attributes, error)
    yield* Effect.sleep(delay)
    if (!error.isOutcomeUnknown || repetition.resolve === undefined) return retryAgain
    const resolution = yield* repetition.resolve(error)
    if (resolution._tag === "Done") return resolution
    return resolution._tag === "NotDone" ? retryAgain : giveUp
  })
}

/** Whether a body that broke off may be asked for again. It waits as long as it has to. */
export const mayContinue = (
  policy: RetryPolicy | undefined,
  attempt: Attempt,
  error: FilesError
): Effect.Effect<boolean> =>
  Effect.gen(function*() {
    const current = policy && overridden(policy, yield* Overrides)
    if (current === undefined) return false
    const decision = yield* decide(current, attempt, {}, error, yield* Clock.Clock)
    return decision._tag === "Retry"
  })
