/**
 * What runners use: the tables, the queue and the cache.
 */
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as HttpClient from "effect/http/HttpClient"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import type * as Files from "../../Files.ts"
import type { Details } from "../../internal/cache/details.ts"
import type * as UploadCache from "../../UploadCache.ts"
import * as Database from "./database.ts"

/** What all runners of a Layer share. */
export interface Engine {
  readonly database: Database.Database
  readonly files: Files.Files["Service"]
  readonly cache: UploadCache.UploadCache["Service"]
  /** `undefined` if the cache is not an implementation of this package. */
  readonly details: Details | undefined
  readonly sources: Context.Context<FileSystem.FileSystem | HttpClient.HttpClient>
  readonly makeStore: Effect.Effect<PersistedQueue.PersistedQueueStore["Service"], SqlError, Scope.Scope>
  /** How long the database may be away before an item is delivered a second time. */
  readonly lockExpiration: Duration.Duration
  /** The maximum number of items in the queue ahead of the runners. */
  readonly window: number
  readonly sweepInterval: Duration.Duration
  /** Whether only one runner may run, because nothing else enforces the rate. */
  readonly isAlone: boolean
}

/** The options of a run, with defaults applied. */
export interface Settings<R> {
  readonly concurrency: number
  readonly maxAttempts: number
  readonly retryDelay: Duration.Duration
  readonly keepRunning: boolean
  readonly stopWhen: Effect.Effect<unknown>
  readonly grace: Duration.Duration
  readonly presign: ((source: string, key: string) => Effect.Effect<string | URL, unknown, R>) | undefined
  readonly renewWithin: Duration.Duration | undefined
  readonly name: string
}

/** A message of the queue. */
const Message = Schema.Struct({ id: Schema.String, generation: Schema.Int })

type Store = PersistedQueue.PersistedQueueStore["Service"]

export const queueOf = (store: Store, ingest: string, retryDelay: Duration.Duration = Duration.seconds(5)) =>
  PersistedQueue.make({
    name: ingest,
    schema: Message,
    // The queue counts every delivery, even to a runner that is killed. Attempts are counted in the row.
    maxAttempts: 2_147_483_647,
    retrySchedule: Schedule.min([Schedule.exponential(retryDelay, 3), Schedule.spaced("10 minutes")])
  }).pipe(
    Effect.provideServiceEffect(PersistedQueue.PersistedQueueFactory, PersistedQueue.makeFactory),
    Effect.provideService(PersistedQueue.PersistedQueueStore, store)
  )

export type IngestQueue = Effect.Success<ReturnType<typeof queueOf>>

/** How many items are offered in one transaction. */
const offeredAtOnce = 500

/** Offers items to the queue until it holds `window` of them. */
export const offerAhead = (
  { database, window }: Pick<Engine, "database" | "window">,
  queue: IngestQueue,
  ingest: string
): Effect.Effect<number, SqlError | PersistedQueue.PersistedQueueError | Schema.SchemaError> =>
  Effect.gen(function*() {
    let offered = 0
    let room = window - (yield* database.countOffered(ingest, window))
    while (room > 0) {
      const tickets = yield* database.inTransaction(
        Effect.tap(
          database.takeWaiting(ingest, Math.min(offeredAtOnce, room)),
          Effect.forEach((ticket) => queue.offer(ticket, { id: Database.ticketId(ticket) }), { discard: true })
        )
      )
      if (tickets.length === 0) break
      room -= tickets.length
      offered += tickets.length
    }
    return offered
  })

/**
 * Repairs differences between queue and table: after a crash, after a row or message was edited by hand, or if a message
 * can't be read.
 */
export const mend = Effect.fnUntraced(function*({ database }: Pick<Engine, "database">, ingest: string) {
  const lost = yield* database.findLost(ingest)
  yield* Effect.forEach(lost, (ticket) =>
    ticket.state === "failed"
      ? database.setFailed(ticket, {
        attempts: 0,
        error_tag: "Defect",
        error_message: `The queue could not hand the item out: ${(ticket.last_failure ?? "").slice(0, 900)}`,
        request_id: null
      })
      : database.offerAnew(ticket), { discard: true })
  return lost.length
})
