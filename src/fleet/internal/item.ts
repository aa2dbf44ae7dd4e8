/**
 * What a runner does with one item:
 *
 *     message of the queue ─ the row is read ─┬─ not pending, or of another generation: there is nothing left to do
 *                                             ├─ the ingest is paused: waits
 *                                             ├─ the ingest is cancelled: the row is cancelled
 *                                             └─ upload, through the cache ─┬─ the row is done
 *        ▲                                                                  ├─ final, or out of tries: the row has failed
 *        │                                                                  ├─ the API is away: waits, and tries again
 *        └── comes again after a wait, by the queue ◄── one try less ───────┴─ other failures
 *
 * The row is written before the message is acknowledged. If a runner dies in between, the next one gets a message whose row is
 * no longer pending, and has nothing to do.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as HttpClient from "effect/http/HttpClient"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { FileId } from "../../FileMetadata.ts"
import type { FileTooLarge, SourceFailed } from "../../FilesError.ts"
import * as FileSource from "../../FileSource.ts"
import type { Failure, UploadOptions } from "../../internal/cache/context.ts"
import type { Detailed } from "../../internal/cache/details.ts"
import { monotonicMillis } from "../../internal/request/silence.ts"
import { isOfValue, reasonOf } from "../../internal/sqlReason.ts"
import * as Database from "./database.ts"
import type { Engine, Settings } from "./engine.ts"
import { type IngestFailed, refused } from "./failed.ts"
import type { RunEvent } from "./model.ts"
import type { Outage } from "./outage.ts"
import { staged } from "./staged.ts"
import { type Shown, shown, shownError, verdictOf } from "./verdict.ts"

/** The message is to be delivered again after a wait. */
export class Redeliver
  extends Schema.TaggedError<Redeliver>("effect-anthropic-files/fleet/internal/Redeliver")("Redeliver", {})
{}

/** What the items of one run share. */
export interface Run<R> {
  readonly engine: Engine
  readonly ingest: string
  readonly settings: Settings<R>
  readonly outage: Outage
  /** Fails if no item would succeed. */
  readonly fatal: Deferred.Deferred<never, IngestFailed>
  readonly tell: (event: RunEvent) => Effect.Effect<unknown>
  /** How many uploads in a row were forbidden. */
  forbidden: number
}

/** Whether an item is in work, until its event is told: a stopping runner waits for that. It does not wait for a wait. */
export interface Activity {
  isBusy: boolean
}

/** A wait for something that may take long, such as the end of a pause. */
const idle = <A, E, R>(activity: Activity, wait: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    activity.isBusy = false
    return Effect.ensuring(wait, Effect.sync(() => void (activity.isBusy = true)))
  })

/** An item that was started so often without an outcome probably kills its runners. */
const maxDeliveries = 100

/** If so many uploads in a row are forbidden, the items are not at fault. */
const maxForbidden = 5

/** How often a paused ingest, or something that is away, is checked. */
const pauseInterval = Duration.seconds(2)

/** A failure of the item that is not one of the upload. */
class ItemFailed
  extends Schema.TaggedError<ItemFailed>("effect-anthropic-files/fleet/internal/ItemFailed")("ItemFailed", {
    tag: Schema.Literals(["InvalidItem", "PresignFailed"]),
    message: Schema.String
  })
{}

const sourceOf = <R>(
  { settings: { presign } }: Run<R>,
  { key, source }: Database.Task
): Effect.Effect<
  FileSource.FileSource<FileSystem.FileSystem>,
  ItemFailed | SourceFailed | FileTooLarge,
  R | FileSystem.FileSystem | HttpClient.HttpClient | Scope.Scope
> => {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(source)?.[1]?.toLowerCase()
  if (scheme === undefined || scheme === "file") return Effect.succeed(FileSource.path(source))
  if (scheme === "http" || scheme === "https") return staged(source)
  if (presign === undefined) {
    return Effect.fail(
      new ItemFailed({
        tag: "InvalidItem",
        message: `A source with ${scheme}:// needs the runner's presign, which gives a URL for it.`
      })
    )
  }
  return Effect.flatMap(
    Effect.mapError(
      presign(source, key),
      (error) => new ItemFailed({ tag: "PresignFailed", message: error instanceof Error ? error.message : `${error}` })
    ),
    staged
  )
}

const upload = Effect.fnUntraced(function*<R>(
  run: Run<R>,
  task: Database.Task
): Effect.fn.Return<
  Database.Uploaded,
  Failure | ItemFailed,
  R | FileSystem.FileSystem | HttpClient.HttpClient | Scope.Scope
> {
  const { engine: { cache, details }, ingest } = run
  const source = yield* sourceOf(run, task)
  const options: UploadOptions = {
    ...(task.filename === null ? undefined : { filename: task.filename }),
    ...(task.mime_type === null ? undefined : { mimeType: task.mime_type }),
    ...(task.expires_in === null ? undefined : { expiresIn: Duration.millis(task.expires_in) })
  }
  // A pending item with a file is to be renewed.
  if (task.file_id !== null) yield* cache.invalidate(FileId.make(task.file_id))
  const owner = `ingest ${ingest}`
  const found: Partial<Detailed> & Pick<Detailed, "file"> = details === undefined
    ? { file: yield* cache.get(source, options) }
    : yield* details.getFor(owner, source, options)
  const { file } = found
  return {
    file_id: file.id,
    filename: file.filename,
    mime_type: file.mime_type,
    size_bytes: file.size_bytes,
    sha256: found.sha256 ?? null,
    isNew: found.uploaded === true,
    uploaded: found.owner === owner,
    // Not computed from the item: its content may have been uploaded before, for another time or for ever.
    expires_at: found.expiresAt ?? file.expires_at?.epochMilliseconds ?? null
  }
})

/** Retries a statement while the database is away, for as long as the lock of the item lasts. */
const patiently = <R, A>({ engine }: Run<R>, statement: Effect.Effect<A, SqlError>): Effect.Effect<A, Redeliver> =>
  statement.pipe(
    // The item is at fault, and fails as with any other defect.
    Effect.catchIf(isOfValue, (error) => Effect.die(error)),
    Effect.retry(
      Schedule.min([Schedule.exponential("200 millis", 1.5), Schedule.spaced("5 seconds")]).pipe(
        Schedule.upTo({ duration: engine.lockExpiration })
      )
    ),
    Effect.catch((error) =>
      Effect.andThen(
        Effect.logWarning(`The row of an item can't be read or written: ${reasonOf(error)}`),
        Effect.fail(new Redeliver())
      )
    )
  )

const failedEvent = (key: string, why: Shown, attempts: number, isFinal: boolean): RunEvent => ({
  _tag: "Failed",
  key,
  error_tag: why.error_tag,
  error_message: why.error_message,
  attempts,
  isFinal
})

const giveUp = <R>(run: Run<R>, ticket: Database.Ticket, key: string, attempts: number, why: Shown) =>
  Effect.as(
    patiently(run, run.engine.database.setFailed(ticket, { ...why, attempts })),
    Option.some(failedEvent(key, why, attempts, true))
  )

/** Ends the run, and returns the message to the queue unchanged. */
const stop = <R>(run: Run<R>, error: { readonly message: string }): Effect.Effect<never> =>
  Effect.andThen(Deferred.fail(run.fatal, refused(run.ingest, error)), Effect.interrupt)

/** Records an attempt that counts. */
const countTry = Effect.fnUntraced(function*<R>(
  run: Run<R>,
  ticket: Database.Ticket,
  { attempts, key }: Database.Task,
  why: Shown
): Effect.fn.Return<Option.Option<RunEvent>, Redeliver> {
  const tried = attempts + 1
  if (tried >= run.settings.maxAttempts) return yield* giveUp(run, ticket, key, tried, why)
  yield* patiently(run, run.engine.database.setTried(ticket, { ...why, attempts: tried }))
  yield* run.tell(failedEvent(key, why, tried, false))
  return yield* new Redeliver()
})

/** Handles a failure. Returns the event if the item is finished, and none if it is to be tried again now. */
const afterFailure = Effect.fnUntraced(function*<R>(
  run: Run<R>,
  activity: Activity,
  ticket: Database.Ticket,
  task: Database.Task,
  error: Failure | ItemFailed,
  since: number
): Effect.fn.Return<Option.Option<RunEvent>, Redeliver> {
  const { attempts, key } = task
  if (error._tag === "ItemFailed") {
    const why = shown(error.tag, error.message)
    return error.tag === "PresignFailed"
      ? yield* countTry(run, ticket, task, why)
      : yield* giveUp(run, ticket, key, attempts, why)
  }
  const why = shownError(error)
  const waiting = run.tell({ _tag: "Waiting", key, message: why.error_message })
  const untilUp = (onAway: Effect.Effect<void>) =>
    Effect.catch(idle(activity, run.outage.wait(since, onAway)), (error) => stop(run, error))
  switch (verdictOf(error)) {
    case "Final":
      return yield* giveUp(run, ticket, key, attempts + 1, why)
    case "Again":
      return yield* countTry(run, ticket, task, why)
    case "Refused":
      return yield* stop(run, error)
    case "Forbidden":
      run.forbidden++
      return run.forbidden > maxForbidden
        ? yield* stop(run, error)
        : yield* giveUp(run, ticket, key, attempts + 1, why)
    case "Away":
      yield* waiting
      yield* idle(activity, Effect.sleep(pauseInterval))
      if (error._tag === "RequestFailed") yield* untilUp(Effect.void)
      return Option.none()
    case "Suspect": {
      const wasAway = yield* untilUp(Effect.asVoid(waiting))
      return wasAway ? Option.none() : yield* countTry(run, ticket, task, why)
    }
  }
})

const uploaded = Effect.fnUntraced(function*<R>(
  run: Run<R>,
  ticket: Database.Ticket,
  key: string,
  file: Database.Uploaded
): Effect.fn.Return<Option.Option<RunEvent>, Redeliver> {
  run.forbidden = 0
  yield* run.outage.succeeded
  yield* patiently(run, run.engine.database.setDone(ticket, file))
  const { file_id, isNew, size_bytes } = file
  return Option.some({ _tag: "Done", key, file_id, size_bytes, uploaded: isNew })
})

const decodeTask = Schema.decodeUnknownEffect(Database.Task)

/** What is wrong with a row, as one sentence. */
const sentenceOf = (error: Schema.SchemaError): string =>
  `The row of the item can't be read: ${error.message.replace(/\s+/g, " ")}`

const defectSentence = (defect: unknown): string => {
  if (isSqlError(defect)) return `The database can't store what became of the item: ${reasonOf(defect)}`
  return defect instanceof Error ? `${defect.name}: ${defect.message}` : String(defect)
}

const isCurrent = (row: Readonly<Record<string, unknown>>, ticket: Database.Ticket): boolean =>
  row["state"] === "pending" && row["generation"] === ticket.generation

/**
 * Handles a message. Returns the outcome of the item, or `None` if there was nothing to do. Fails with `Redeliver` if the
 * message is to be delivered again.
 */
export const handle = <R>(
  run: Run<R>,
  activity: Activity,
  ticket: Database.Ticket,
  deliveries: number
): Effect.Effect<Option.Option<RunEvent>, Redeliver, R> => {
  const { database, sources } = run.engine
  const ofDefect = (key: string, attempts: number) => (cause: Cause.Cause<never>) => {
    if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
    return giveUp(run, ticket, key, attempts + 1, shown("Defect", defectSentence(Cause.squash(cause))))
  }

  const tryOnce = (task: Database.Task): Effect.Effect<Option.Option<RunEvent>, Redeliver, R> =>
    Effect.flatMap(Effect.map(Clock.Clock, monotonicMillis), (since) =>
      Effect.scoped(upload(run, task)).pipe(
        Effect.provideContext(sources),
        Effect.matchEffect({
          onSuccess: (file) => uploaded(run, ticket, task.key, file),
          onFailure: (error) => afterFailure(run, activity, ticket, task, error, since)
        })
      ))

  const look: Effect.Effect<Option.Option<RunEvent>, Redeliver, R> = Effect.gen(function*() {
    for (;;) {
      activity.isBusy = false
      const [row] = yield* patiently(run, database.task(ticket.id))
      if (row === undefined || !isCurrent(row, ticket)) return Option.none()
      if (row["ingest_state"] === "cancelled") {
        yield* patiently(run, database.setCancelled(ticket))
        return Option.none()
      }
      if (row["ingest_state"] === "paused") {
        yield* Effect.sleep(pauseInterval)
        continue
      }
      activity.isBusy = true
      const key = String(row["key"])
      const decoded = yield* Effect.result(decodeTask(row))
      if (decoded._tag === "Failure") {
        return yield* giveUp(run, ticket, key, 0, shown("InvalidItem", sentenceOf(decoded.failure)))
      }
      const task = decoded.success
      if (deliveries - task.attempts > maxDeliveries) {
        const message = `The item was begun ${maxDeliveries} times, and each time its runner ended before it did.`
        return yield* giveUp(run, ticket, key, task.attempts, shown("Defect", message))
      }
      const ended = yield* Effect.catchCause(
        tryOnce(task),
        (cause): Effect.Effect<Option.Option<RunEvent>, Redeliver> => {
          const failure = Cause.findErrorOption(cause)
          return Option.isSome(failure)
            ? Effect.fail(failure.value)
            : ofDefect(key, task.attempts)(cause as Cause.Cause<never>)
        }
      )
      if (Option.isSome(ended)) return ended
      // The API was away and is back. The row is read again, because the ingest may have been paused or cancelled.
    }
  })
  return look
}
