/**
 * Requests within a rate. The counts are effect's own `RateLimiter`; what is added here is a queue in order of arrival,
 * a lane for each kind of request, and what the service says of its limits.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Headers from "effect/http/Headers"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Semaphore from "effect/Semaphore"
import type { Operation } from "../../FilesError.ts"
import { CurrentOwnRequest, type OwnRequest } from "../request/ownRequest.ts"
import { serviceTime } from "../request/serviceTime.ts"
import { monotonicMillis, pauseIn } from "../request/silence.ts"
import { ofLines } from "../sha256.ts"
import { report } from "../telemetry.ts"
import { filesBeta, requestsPerMinute } from "../wire/constants.ts"
import { retryAfter } from "../wire/retryAfter.ts"
import { millisOr, type RateLimitOptions, rateLimitProblem } from "./options.ts"
import { RateLimitWindow } from "./rateLimitWindow.ts"
import { makeSteadyClock } from "./steadyClock.ts"
import { nameOf, type Policy, policyOf, responseOf, type Sending, through, urlOf } from "./through.ts"

/**
 * Keeps requests within a rate, in order of arrival. For every credential and base URL, files, messages and batches each
 * have a lane of their own, and so has every other host. Lanes do not wait for each other.
 *
 * It learns from answers. After a 429, nothing is sent in that lane until `retry-after` has passed. After
 * `anthropic-ratelimit-requests-remaining: 0`, nothing is sent until `anthropic-ratelimit-requests-reset`. It never waits
 * longer than a minute before it asks again.
 *
 * The counts are kept in the `RateLimiterStore` of effect if one is provided, for example in Redis for many processes, and
 * otherwise in memory. Clients that share a store take turns, however far away from it they are. What a client learned from
 * answers is not shared. If a store fails, or does not answer within 2 seconds, requests pass with a warning, because the
 * service limits them too.
 */
export const rateLimit = (options: RateLimitOptions = {}): Policy =>
  Layer.unwrap(Effect.map(Effect.serviceOption(RateLimiter.RateLimiterStore), (store) =>
    Layer.provide(
      policyOf(rateLimitProblem(options), (client) =>
        Effect.gen(function*() {
          const limiter = yield* RateLimiter.make
          const clock = yield* Clock.Clock
          const context: Limited = {
            options,
            minute: yield* RateLimitWindow,
            consume: Option.isSome(store) ? remotely(limiter) : locally(limiter, makeSteadyClock(clock))
          }
          return withRateLimit(context, client)
        })),
      Option.isSome(store)
        ? Layer.succeed(RateLimiter.RateLimiterStore, store.value)
        : RateLimiter.layerStoreMemory
    )))

type Consume = RateLimiter.RateLimiter["consume"]

interface Limited {
  readonly options: RateLimitOptions
  readonly minute: Duration.Duration
  readonly consume: Consume
}

const storeTimeout = Duration.seconds(2)

const remotely = (limiter: RateLimiter.RateLimiter): Consume => (options) =>
  Effect.timeoutOrElse(limiter.consume(options), {
    duration: storeTimeout,
    orElse: () =>
      Effect.fail(
        new RateLimiter.RateLimiterError({
          reason: new RateLimiter.RateLimitStoreError({ message: "The store gives no answer" })
        })
      )
  })

const locally = (limiter: RateLimiter.RateLimiter, steady: Clock.Clock): Consume => (options) =>
  Effect.provideService(limiter.consume(options), Clock.Clock, steady)

interface Lane {
  /** Its name in the store. */
  readonly key: string
  /** `undefined` where only what the service says counts. */
  readonly budget: { readonly limit: number; readonly window: Duration.Duration } | undefined
  readonly perMinute: number
  /** One waits at the store, the others behind it in order. An interrupted one leaves no gap. */
  readonly queue: Semaphore.Semaphore
  /** Between two requests, evenly. */
  readonly interval: Duration.Duration
  /** Until when the service wants nothing, and which header said so. */
  hold: { readonly until: number; readonly header: string } | undefined
  /**
   * When the head of the queue may send, in monotonic milliseconds: the store has reserved a token for it. Without a
   * reservation, the client that is nearest to a shared store would take every token. If the head is interrupted, the next
   * request uses the token.
   */
  turnAt: number | undefined
}

/** By how much two requests may differ in the time they travel. */
const travelTime = Duration.seconds(1)

/** The service's word is taken for as long as this, in milliseconds; then a request asks again. */
const maxHold = 60_000

type Kind = "files" | "messages" | "batches" | "other"

const kindOf = (path: string): Kind => {
  if (/\/v1\/files(\/|$)/.test(path)) return "files"
  if (/\/v1\/messages\/batches(\/|$)/.test(path)) return "batches"
  return /\/v1\/messages(\/|$)/.test(path) ? "messages" : "other"
}

/** What a request of another program asks for, and where. */
const addressed = (request: HttpClientRequest.HttpClientRequest): { readonly baseUrl: string; readonly kind: Kind } => {
  const url = urlOf(request)
  const path = url?.pathname ?? ""
  const kind = kindOf(path)
  const base = kind === "other" ? "" : path.slice(0, path.indexOf("/v1/"))
  return { baseUrl: `${url?.origin ?? ""}${base}`, kind }
}

const kinds: Readonly<Record<Operation, Kind>> = {
  upload: "files",
  list: "files",
  metadata: "files",
  download: "files",
  delete: "files",
  contentBlock: "files",
  createMessage: "messages",
  streamMessage: "messages",
  createBatch: "batches",
  getBatch: "batches",
  listBatches: "batches",
  cancelBatch: "batches",
  deleteBatch: "batches",
  batchResults: "batches"
}

const limitOf = (kind: Kind, isBeta: boolean, options: RateLimitOptions): number | undefined => {
  switch (kind) {
    case "files":
      return options.requestsPerMinute ?? requestsPerMinute[isBeta ? "beta" : "ga"]
    case "messages":
      return options.messagesPerMinute
    case "batches":
      return options.batchesPerMinute
    case "other":
      return options.requestsPerMinute
  }
}

const makeLane = (identity: string, limit: number | undefined, { minute, options }: Limited): Lane => {
  const perMinute = limit ?? 0
  const burst = Math.min(Math.max(1, options.burst ?? Math.floor(perMinute / 10)), Math.max(1, perMinute))
  // In any window a bucket admits its capacity plus its refill.
  const interval = Duration.times(Duration.sum(minute, travelTime), 1 / Math.max(1, perMinute - burst + 1))
  const bucket = options.algorithm === "fixed-window"
    ? { limit: perMinute, window: minute }
    : { limit: burst, window: Duration.times(interval, burst) }
  return {
    // The store may be one that others read: of a credential it is told a digest.
    key: `anthropic-files:${ofLines(identity)}`,
    budget: limit === undefined ? undefined : bucket,
    perMinute,
    queue: Semaphore.makeUnsafe(1),
    interval,
    hold: undefined,
    turnAt: undefined
  }
}

const makeLanes = (context: Limited) => {
  const lanes = new Map<string, Lane>()
  return (request: HttpClientRequest.HttpClientRequest, own: OwnRequest | undefined): Lane => {
    const { headers } = request
    const { baseUrl, kind } = own === undefined
      ? addressed(request)
      : { baseUrl: own.baseUrl, kind: kinds[own.operation] }
    const isBeta = (headers["anthropic-beta"] ?? "").includes(filesBeta)
    const limit = limitOf(kind, isBeta, context.options)
    // No header holds a line break.
    const name = [
      kind,
      baseUrl,
      // A token changes, and whoever is asking does not.
      own === undefined ? headers["x-api-key"] ?? headers["authorization"] ?? "" : JSON.stringify(own.identity),
      headers["anthropic-workspace-id"] ?? "",
      limit
    ].join("\n")
    const known = lanes.get(name)
    if (known !== undefined) return known
    const lane = makeLane(name, limit, context)
    lanes.set(name, lane)
    return lane
  }
}

/** A turn that did not come in time. `header` is the one by which the service asked to wait, if it did. */
const exceeded = (
  request: HttpClientRequest.HttpClientRequest,
  { perMinute }: Lane,
  wait: Duration.Duration,
  header: string | undefined
) =>
  new HttpClientError.HttpClientError({
    reason: new HttpClientError.TransportError({
      request,
      ...(header === undefined ? undefined : { description: header }),
      cause: new RateLimiter.RateLimiterError({
        reason: new RateLimiter.RateLimitExceeded({ key: "", retryAfter: wait, limit: perMinute, remaining: 0 })
      })
    })
  })

const unlimited = (why: string) =>
  Effect.logWarning(`The rate limiter's store failed, a request is sent unlimited: ${why}`)

/** Waits for a turn in the lane, until `deadline` (monotonic milliseconds) at most. */
const waitForTurn = (
  request: HttpClientRequest.HttpClientRequest,
  lane: Lane,
  deadline: number,
  { consume, options }: Limited,
  clock: Clock.Clock
): Effect.Effect<void, HttpClientError.HttpClientError> => {
  const waitFor = (wait: number, reason: string, header: string | undefined) =>
    monotonicMillis(clock) + wait > deadline
      ? Effect.fail(exceeded(request, lane, Duration.millis(wait), header))
      : Effect.andThen(
        report("wait", `${nameOf(request)} waits ${wait} ms (${reason})`, { reason, delay_ms: wait }),
        Effect.sleep(wait)
      )
  const turn: Effect.Effect<void, HttpClientError.HttpClientError> = Effect.suspend(() => {
    const { budget, hold } = lane
    const held = hold === undefined ? 0 : Math.ceil(hold.until - monotonicMillis(clock))
    if (hold !== undefined && held > 0) {
      return Effect.flatMap(waitFor(held, "the service asked to", hold.header), () => turn)
    }
    if (budget === undefined) return Effect.void
    const due = lane.turnAt === undefined ? undefined : Math.ceil(lane.turnAt - monotonicMillis(clock))
    if (due !== undefined && due > 0) return Effect.flatMap(waitFor(due, "rate limit", undefined), () => turn)
    lane.turnAt = undefined
    // An older token would add to those of a later minute.
    if (due !== undefined && -due < Duration.toMillis(travelTime)) return Effect.void
    const algorithm = options.algorithm ?? "token-bucket"
    const ask = { ...budget, algorithm, key: lane.key }
    const setAside = () =>
      Effect.matchEffect(consume({ ...ask, onExceeded: "delay" }), {
        onSuccess: ({ delay }) => {
          lane.turnAt = monotonicMillis(clock) + Duration.toMillis(delay)
          return turn
        },
        onFailure: ({ reason }) => unlimited(reason.message)
      })
    return Effect.matchEffect(consume({ ...ask, onExceeded: "fail" }), {
      onSuccess: () => Effect.void,
      onFailure: ({ reason }) => {
        if (reason._tag !== "RateLimitExceeded") return unlimited(reason.message)
        const wait = Math.max(1, Math.ceil(Duration.toMillis(reason.retryAfter)))
        // No token is reserved for a request that gives up.
        return algorithm === "token-bucket" && monotonicMillis(clock) + wait <= deadline
          ? setAside()
          : Effect.flatMap(waitFor(wait, "rate limit", undefined), () => turn)
      }
    })
  })
  return turn
}

const withRateLimit = (context: Limited, client: HttpClient.HttpClient): HttpClient.HttpClient => {
  const laneOf = makeLanes(context)
  return through(client, (request, send, { clock, fiber, overrides }) => {
    if (overrides.rateLimit === false) return send(request)
    const lane = laneOf(request, fiber.getRef(CurrentOwnRequest))
    const maxWait = millisOr(overrides.rateLimit?.maxWait, millisOr(context.options.maxWait, 300_000))
    const sent = () =>
      Effect.matchEffect(send(request), {
        onFailure: (error) => {
          const response = responseOf(error)
          if (response !== undefined) learn(lane, clock, response)
          return Effect.fail(error)
        },
        onSuccess: (response) => {
          learn(lane, clock, response)
          return Effect.succeed(response)
        }
      })
    if (lane.budget === undefined && lane.hold === undefined) return sent()
    return Effect.flatMap(queued(request, lane, maxWait, context, clock, fiber), sent)
  })
}

const queued = (
  request: HttpClientRequest.HttpClientRequest,
  lane: Lane,
  maxWait: number,
  context: Limited,
  clock: Clock.Clock,
  fiber: Sending["fiber"]
): Effect.Effect<void, HttpClientError.HttpClientError> =>
  Effect.suspend(() => {
    const endPause = pauseIn(fiber)
    const deadline = monotonicMillis(clock) + maxWait
    let isFirst = false
    const mine = Effect.suspend(() => {
      isFirst = true
      return waitForTurn(request, lane, deadline, context, clock)
    })
    // Behind one that may wait longer than this one. A request at the head of the queue is not ended here.
    const late = Effect.suspend(() =>
      isFirst ? Effect.never : Effect.fail(exceeded(request, lane, lane.interval, lane.hold?.header))
    )
    // @effect-diagnostics-next-line raceFirstWithSleepToTimeout:off
    const inQueue = Effect.raceFirst(
      Semaphore.withPermit(lane.queue, mine),
      Effect.andThen(Effect.sleep(maxWait), late)
    )
    const turn = Effect.flatMap(
      Semaphore.withPermitsIfAvailable(lane.queue, 1)(mine),
      Option.match({ onNone: () => inQueue, onSome: () => Effect.void })
    )
    return Effect.onExitPrimitive(turn, () => void endPause())
  })

/** Times of the service are compared with its own `date`: its clock and this machine's may differ. */
const learn = (
  lane: Lane,
  clock: Clock.Clock,
  { headers, status }: { readonly headers: Headers.Headers; readonly status: number }
): void => {
  const isUsedUp = headers["anthropic-ratelimit-requests-remaining"]?.trim() === "0"
  if (status !== 429 && !isUsedUp) return
  const now = serviceTime(headers) ?? clock.currentTimeMillisUnsafe()
  const hold = (wait: number, header: string) => {
    const until = monotonicMillis(clock) + Math.min(wait, maxHold)
    if (wait > 0 && until > (lane.hold?.until ?? -Infinity)) lane.hold = { until, header }
  }
  const wait = status === 429 ? retryAfter(headers, now) : undefined
  if (wait !== undefined) hold(Duration.toMillis(wait), "retry-after")
  if (!isUsedUp) return
  const reset = Date.parse(headers["anthropic-ratelimit-requests-reset"] ?? "")
  if (reset > now) hold(reset - now, "anthropic-ratelimit-requests-reset")
}
