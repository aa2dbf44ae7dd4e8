/**
 * A runner: takers that each handle one item at a time, a heartbeat, and a sweep that keeps the queue filled and repairs
 * differences between queue and table.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { monotonicMillis } from "../../internal/request/silence.ts"
import { isOfValue, mayPass, reasonOf } from "../../internal/sqlReason.ts"
import { token } from "../../internal/token.ts"
import type * as Database from "./database.ts"
import { type Engine, type IngestQueue, mend, offerAhead, queueOf, type Settings } from "./engine.ts"
import { anotherRunner, databaseFailed, type IngestFailed, noSuchIngest } from "./failed.ts"
import { type Activity, handle, type Run } from "./item.ts"
import type { RunEvent } from "./model.ts"
import * as Outage from "./outage.ts"

/** The interval of heartbeats. */
const heartbeat = Duration.seconds(5)

/** How often the runner checks what is left. */
const tick = Duration.seconds(1)

/** How long returning items may take. A database that is away must not delay the end of the runner. */
const closeLimit = Duration.seconds(1)

/** How long finished messages are kept. */
const messagesKept = Duration.minutes(10)

/** How long runners that are gone are shown. */
const runnersKept = Duration.hours(1)

interface Taker extends Activity {
  readonly fiber: Fiber.Fiber<void>
}

/** What a runner reports with its heartbeat. */
interface Counts {
  inFlight: number
  done: number
  failed: number
  bytes: number
}

const count = (counts: Counts, event: RunEvent): void => {
  if (event._tag === "Done") {
    counts.done++
    counts.bytes += event.uploaded ? event.size_bytes : 0
  }
  if (event._tag === "Failed" && event.isFinal) counts.failed++
}

/** Waits for an effect for a limited time. After that it continues in the background. */
type ForAMoment = (effect: Effect.Effect<unknown>) => Effect.Effect<void>

/** All waits at the end of a runner take no longer than `limit` together. */
const makeForAMoment = (limit: Duration.Duration): ForAMoment => {
  let until: number | undefined
  const left = Effect.map(Clock.Clock, (clock) => {
    const now = monotonicMillis(clock)
    until ??= now + Duration.toMillis(limit)
    return Duration.min(closeLimit, Duration.millis(Math.max(0, until - now)))
  })
  return (effect) =>
    Effect.gen(function*() {
      const limit = yield* left
      const fiber = yield* Effect.forkDetach(Effect.interruptible(effect))
      yield* Effect.interruptible(Effect.timeoutOption(Fiber.await(fiber), limit))
    })
}

/** What went wrong, and whether only the database is away. */
const explain = (
  cause: Cause.Cause<unknown>
): { readonly why: string; readonly isAway: boolean; readonly refusal?: SqlError } => {
  const error = Cause.squash(cause)
  if (isSqlError(error)) {
    const isAway = mayPass(error)
    return { why: reasonOf(error), isAway, ...(isAway || isOfValue(error) ? undefined : { refusal: error }) }
  }
  // The queue wraps the error.
  if (Predicate.hasProperty(error, "cause") && Cause.isCause(error.cause)) return explain(error.cause)
  return { why: error instanceof Error ? `${error.name}: ${error.message}` : String(error), isAway: false }
}

/** Logs a failure of something that is repeated. The heartbeat reports that the database is away. */
const logged = <A, E>(what: string, effect: Effect.Effect<A, E>): Effect.Effect<void> =>
  Effect.ignoreCause(
    Effect.tapCause(effect, (cause) => {
      if (Cause.hasInterruptsOnly(cause)) return Effect.void
      const { isAway, why } = explain(cause)
      return isAway ? Effect.logDebug(`${what}: ${why}`) : Effect.logWarning(`${what} failed: ${why}`)
    })
  )

/** Logs once that the database is away, and once that it is back. */
const tellOutage = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> => {
  let isAway = false
  return effect.pipe(
    Effect.tap(() => {
      if (!isAway) return Effect.void
      isAway = false
      return Effect.logWarning("The database of the ingest is back")
    }),
    Effect.tapCause((cause) => {
      const found = explain(cause)
      if (isAway || !found.isAway || Cause.hasInterruptsOnly(cause)) return Effect.void
      isAway = true
      return Effect.logWarning(`The database of the ingest is away, and this runner waits for it: ${found.why}`)
    })
  )
}

/**
 * Registers the runner. If it must be alone, another runner that was killed a moment ago still counts as alive. So it fails
 * only if it sees another heartbeat of that runner.
 */
const register = (
  engine: Engine,
  row: Database.RunnerRow,
  forAMoment: ForAMoment
): Effect.Effect<void, IngestFailed, Scope.Scope> => {
  const untilFree = Effect.gen(function*() {
    const seen = new Map<string, string>()
    for (;;) {
      const other = yield* Effect.mapError(engine.database.register(row), databaseFailed)
      if (Option.isNone(other)) return
      const before = seen.get(other.value.id)
      if (before !== undefined && before !== other.value.seen) return yield* anotherRunner(row.ingest, other.value.name)
      seen.set(other.value.id, other.value.seen)
      yield* Effect.sleep(tick)
    }
  })
  return Effect.acquireRelease(
    untilFree,
    () => forAMoment(Effect.ignore(engine.database.leave(row.id))),
    { interruptible: true }
  )
}

export const run = <R>(
  engine: Engine,
  ingest: string,
  settings: Settings<R>,
  events: Queue.Enqueue<RunEvent, IngestFailed | Cause.Done>
): Effect.Effect<void, IngestFailed, R | Scope.Scope> =>
  Effect.gen(function*() {
    const { database } = engine
    const exists = yield* Effect.mapError(database.stateOf(ingest), databaseFailed)
    if (Option.isNone(exists)) return yield* noSuchIngest(ingest)

    const id = yield* token
    const counts: Counts = { inFlight: 0, done: 0, failed: 0, bytes: 0 }
    const row = (): Database.RunnerRow => ({
      id,
      ingest,
      name: settings.name,
      concurrency: settings.concurrency,
      isAlone: engine.isAlone,
      ...counts
    })
    const forAMoment = makeForAMoment(Duration.sum(settings.grace, closeLimit))
    yield* register(engine, row(), forAMoment)

    // Items that it can't return in time are delivered again when their lock has expired.
    const storeScope = yield* Scope.make()
    yield* Effect.addFinalizer((exit) => forAMoment(Scope.close(storeScope, exit)))
    const store = yield* Effect.mapError(Scope.provide(engine.makeStore, storeScope), databaseFailed)
    const queue = yield* queueOf(store, ingest, settings.retryDelay)

    const current: Run<R> = {
      engine,
      ingest,
      settings,
      outage: Outage.make(engine.files),
      fatal: yield* Deferred.make<never, IngestFailed>(),
      tell: (event) => Queue.offer(events, event),
      forbidden: 0
    }
    const isStopping = yield* Deferred.make<void>()

    /** Interrupted at the end, before the runner leaves, so that no late heartbeat registers it again. */
    const inBackground = (effect: Effect.Effect<void>) =>
      Effect.acquireRelease(
        Effect.forkDetach(Effect.interruptible(effect)),
        (fiber) => forAMoment(Fiber.interrupt(fiber))
      )
    yield* inBackground(beat(engine, row, current.fatal))
    const takers = yield* startTakers(current, queue, counts, isStopping, forAMoment)
    const drained = yield* inBackground(sweep(current, queue, counts))

    yield* Effect.raceFirst(
      Effect.raceFirst(Deferred.await(current.fatal), Effect.asVoid(settings.stopWhen)),
      settings.keepRunning ? Effect.never : Fiber.join(drained)
    ).pipe(Effect.ensuring(Deferred.succeed(isStopping, undefined)))
    yield* letEnd(takers, settings.grace, forAMoment)
  })

/**
 * A runner that stalled, and that others considered dead, registers again. If it must be alone and another one has taken its
 * place, it ends.
 */
const beat = (
  { database, isAlone }: Engine,
  row: () => Database.RunnerRow,
  fatal: Deferred.Deferred<never, IngestFailed>
): Effect.Effect<void> => {
  /** Whether no other runner has taken its place. */
  const register = Effect.flatMap(
    Effect.suspend(() => database.register(row())),
    Option.match({
      onNone: () => Effect.succeed(true),
      onSome: ({ name }) => Effect.as(Deferred.fail(fatal, anotherRunner(row().ingest, name)), false)
    })
  )
  const live = Effect.flatMap(
    Effect.suspend(() => database.beat(row())),
    (isKnown) => isKnown ? Effect.void : Effect.asVoid(register)
  )
  return (isAlone ? Effect.flatMap(register, (isFree) => isFree ? live : Effect.void) : live).pipe(
    tellOutage,
    (beat) => logged("The heartbeat of a runner", beat),
    Effect.repeat(Schedule.spaced(heartbeat)),
    Effect.asVoid
  )
}

const startTakers = <R>(
  current: Run<R>,
  queue: IngestQueue,
  counts: Counts,
  isStopping: Deferred.Deferred<void>,
  forAMoment: ForAMoment
): Effect.Effect<ReadonlyArray<Taker>, never, R | Scope.Scope> =>
  Effect.gen(function*() {
    const take = (activity: Activity) =>
      queue.take(({ generation, id }, { attempts }) => {
        counts.inFlight++
        return Effect.ensuring(
          handle(current, activity, { id, generation }, attempts),
          Effect.sync(() => void counts.inFlight--)
        )
      })

    const loop = (activity: Activity): Effect.Effect<void, never, R> =>
      take(activity).pipe(
        Effect.flatMap(
          Option.match({
            onNone: () => Effect.void,
            onSome: (event) => Effect.andThen(Effect.sync(() => count(counts, event)), current.tell(event))
          })
        ),
        Effect.catchTag("Redeliver", () => Effect.void),
        // An acknowledgement that can't be written is a defect. The item is delivered again, and this taker continues.
        Effect.catchCause((cause) =>
          Cause.hasInterruptsOnly(cause)
            ? Effect.interrupt
            : Effect.andThen(logged("A taker of the queue", Effect.failCause(cause)), Effect.sleep(tick))
        ),
        Effect.ensuring(Effect.sync(() => void (activity.isBusy = false))),
        Effect.repeat({ until: () => Deferred.isDone(isStopping) }),
        Effect.asVoid
      )

    const takers: Array<Taker> = []
    for (let n = 0; n < current.settings.concurrency; n++) {
      const activity: Activity = { isBusy: false }
      const fiber = yield* Effect.forkDetach(loop(activity))
      takers.push(Object.assign(activity, { fiber }))
    }
    yield* Effect.addFinalizer(() => forAMoment(Fiber.interruptAll(takers.map(({ fiber }) => fiber))))
    return takers
  })

/** Interrupts takers that wait for an item, and after `grace` those that still upload. */
const letEnd = (
  takers: ReadonlyArray<Taker>,
  grace: Duration.Duration,
  forAMoment: ForAMoment
): Effect.Effect<void> =>
  Effect.gen(function*() {
    const fibersOf = (some: ReadonlyArray<Taker>) => some.map(({ fiber }) => fiber)
    const [passed] = yield* Effect.timed(
      forAMoment(Fiber.interruptAll(fibersOf(takers.filter(({ isBusy }) => !isBusy))))
    )
    const busy = fibersOf(takers.filter(({ isBusy }) => isBusy))
    yield* Effect.timeoutOption(Fiber.awaitAll(busy), Duration.subtract(grace, passed))
    yield* forAMoment(Fiber.interruptAll(fibersOf(takers)))
  })

/** Runs until nothing is pending. */
const sweep = <R>(
  { engine, fatal, ingest, settings }: Run<R>,
  queue: IngestQueue,
  counts: Counts
): Effect.Effect<void> => {
  const { database, sweepInterval, window } = engine
  const { concurrency, keepRunning, renewWithin } = settings
  const ticksPerSweep = Math.max(1, Math.round(Duration.toMillis(sweepInterval) / Duration.toMillis(tick)))
  let refilledAt = 0

  const refill = Effect.suspend(() => {
    refilledAt = counts.done + counts.failed
    return offerAhead(engine, queue, ingest)
  })

  const whole = Effect.gen(function*() {
    if (renewWithin !== undefined) yield* database.renew(ingest, Duration.toMillis(renewWithin))
    yield* mend(engine, ingest)
    yield* refill
    yield* database.removeMessages(Duration.toSeconds(messagesKept))
    yield* database.removeRunners(Duration.toSeconds(runnersKept))
  })

  /** Whether anything is pending. First fills the queue, if it is empty or soon will be. */
  const look = Effect.suspend(() => {
    const isIdle = counts.inFlight < concurrency
    const isFar = counts.done + counts.failed - refilledAt >= window / 4
    if (!isIdle && !isFar) return Effect.succeed(true)
    return Effect.flatMap(
      refill,
      (offered) => offered > 0 || !isIdle ? Effect.succeed(true) : database.hasPending(ingest)
    )
  })

  /** A database that refuses for good, because a right is missing for example, would be waited for without end. */
  const endIfRefused = (cause: Cause.Cause<unknown>): Effect.Effect<unknown> => {
    const { refusal } = explain(cause)
    return refusal === undefined ? Effect.void : Deferred.fail(fatal, databaseFailed(refusal))
  }

  return Effect.gen(function*() {
    for (let ticks = 0;; ticks++) {
      if (ticks % ticksPerSweep === 0) yield* logged("The sweep of an ingest", Effect.tapCause(whole, endIfRefused))
      const isPending = yield* Effect.catchCause(
        Effect.tapCause(look, endIfRefused),
        (cause) => Cause.hasInterruptsOnly(cause) ? Effect.interrupt : Effect.succeed(true)
      )
      if (!isPending && !keepRunning) return
      yield* Effect.sleep(tick)
    }
  })
}
