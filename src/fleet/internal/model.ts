/**
 * The data types of an ingest; public in `Ingest`.
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { FileId } from "../../FileMetadata.ts"
import type { DeleteError } from "../../FilesError.ts"
import type { Failure } from "../../internal/cache/context.ts"

/** The state of an item. */
export const State = Schema.Literals(["pending", "done", "failed", "cancelled", "deleted"])

/** @see {@link State:var} */
export type State = typeof State.Type

/** One item, as a row of the table `ingest_items`. */
export const ItemRow = Schema.Struct({
  ingest: Schema.String,
  key: Schema.String,
  state: State,
  /** `null` for a malformed line of a manifest. */
  source: Schema.NullOr(Schema.String),
  filename: Schema.NullOr(Schema.String),
  mime_type: Schema.NullOr(Schema.String),
  metadata: Schema.NullOr(Schema.Record(Schema.String, Schema.Json)),
  file_id: Schema.NullOr(FileId),
  sha256: Schema.NullOr(Schema.String),
  size_bytes: Schema.NullOr(Schema.Finite),
  /** Whether this ingest uploaded the file; `false` if the content existed already. */
  uploaded: Schema.Boolean,
  /** Attempts that failed because of the item itself. */
  attempts: Schema.Int,
  /** The tag of the last failure: one of `FilesError`, `InvalidItem` or `Defect`. */
  error_tag: Schema.NullOr(Schema.String),
  error_message: Schema.NullOr(Schema.String),
  request_id: Schema.NullOr(Schema.String),
  created_at: Schema.DateTimeUtcFromString,
  updated_at: Schema.DateTimeUtcFromString,
  expires_at: Schema.NullOr(Schema.DateTimeUtcFromString)
})

/** @see {@link ItemRow:var} */
export type ItemRow = typeof ItemRow.Type

/** A runner, as of its last heartbeat. */
export const Runner = Schema.Struct({
  id: Schema.String,
  ingest: Schema.String,
  /** The name that the runner was given. */
  name: Schema.String,
  concurrency: Schema.Int,
  /** Items in progress. */
  in_flight: Schema.Int,
  /** Since it started. */
  done: Schema.Int,
  failed: Schema.Int,
  bytes: Schema.Finite,
  started_at: Schema.DateTimeUtcFromString,
  last_seen_at: Schema.DateTimeUtcFromString,
  /** Whether its last heartbeat was within 15 seconds, by the clock of the database. */
  is_alive: Schema.Boolean
})

/** @see {@link Runner:var} */
export type Runner = typeof Runner.Type

/** A snapshot of an ingest. */
export const Status = Schema.Struct({
  ingest: Schema.String,
  state: Schema.Literals(["running", "paused", "cancelled"]),
  /** Items by state. */
  counts: Schema.Struct({
    pending: Schema.Int,
    done: Schema.Int,
    failed: Schema.Int,
    cancelled: Schema.Int,
    deleted: Schema.Int
  }),
  total: Schema.Int,
  /** Failed items by the tag of their failure. */
  failures: Schema.Record(Schema.String, Schema.Int),
  /** The size of all items that are done. */
  bytes: Schema.Finite,
  /** Items that were finished within the last minute. */
  last_minute: Schema.Int,
  /** How long the pending items take at the rate of the last minute, in milliseconds; `null` if the rate is 0. */
  time_left: Schema.NullOr(Schema.Finite),
  runners: Schema.Array(Runner),
  /** By the clock of the database. */
  at: Schema.DateTimeUtcFromString
})

/** @see {@link Status:var} */
export type Status = typeof Status.Type

/** The result of adding items. */
export interface Added {
  /** Items that are new. */
  readonly added: number
  /** Items that existed already, and are unchanged. */
  readonly existing: number
  /** Items among `added` that failed at once because their line was malformed. */
  readonly malformed: number
}

/** The outcome of one item, or of one attempt. */
export type RunEvent =
  | {
    readonly _tag: "Done"
    readonly key: string
    readonly file_id: FileId
    readonly size_bytes: number
    /** `false` if the same content existed already. */
    readonly uploaded: boolean
  }
  | {
    /** `isFinal` is `false` if the item will be tried again. */
    readonly _tag: "Failed"
    readonly key: string
    readonly error_tag: string
    readonly error_message: string
    readonly attempts: number
    readonly isFinal: boolean
  }
  /** The API or the network is away. The attempt does not count, and the item is tried again when they are back. */
  | { readonly _tag: "Waiting"; readonly key: string; readonly message: string }

/** Options of a run. */
export interface RunOptions<out E = never, out R = never> {
  /**
   * How many items are uploaded at the same time.
   *
   * @default 16
   */
  readonly concurrency?: number | undefined
  /**
   * How often an item is tried before it fails. Attempts that fail because the API is away, the rate limit is reached or
   * the runner dies are not counted.
   *
   * @default 8
   */
  readonly maxAttempts?: number | undefined
  /**
   * The wait after the first failed attempt. Each further wait is three times as long, up to 10 minutes.
   *
   * @default "5 seconds"
   */
  readonly retryDelay?: Duration.Input | undefined
  /**
   * Keeps running when nothing is pending, until it is stopped.
   *
   * @default false
   */
  readonly keepRunning?: boolean | undefined
  /**
   * When this effect ends, the runner takes no more items. Uploads in progress have `grace` to finish; the rest is returned to
   * the queue.
   *
   * @default never
   */
  readonly stopWhen?: Effect.Effect<unknown> | undefined
  /** @default "3 seconds" */
  readonly grace?: Duration.Input | undefined
  /**
   * Turns a source such as `s3://bucket/key` into a URL, right before it is fetched. If it fails, the item fails.
   *
   * @default none: such sources fail
   */
  readonly presign?: ((source: string, key: string) => Effect.Effect<string | URL, E, R>) | undefined
  /**
   * While running, uploads items again whose files expire within that time.
   *
   * @default nothing is renewed
   */
  readonly renewWithin?: Duration.Input | undefined
  /**
   * The name of the runner in the status.
   *
   * @default "runner"
   */
  readonly name?: string | undefined
}

/** Selects items. */
export interface Selection {
  /** @default items of every state */
  readonly states?: ReadonlyArray<State> | undefined
}

/** Which failed items become pending. */
export interface RetryOptions {
  /** Only items that failed with that tag. */
  readonly tag?: string | undefined
  /** Only the item with that key. */
  readonly key?: string | undefined
}

/** Options of a deletion. */
export interface DeleteOptions {
  /**
   * If there are more files to delete, nothing is deleted.
   *
   * @default 100
   */
  readonly maxDeletions?: number | undefined
  /**
   * How many files are deleted at the same time.
   *
   * @default 8
   */
  readonly concurrency?: number | undefined
}

/** The outcome of one deletion. */
export type DeleteEvent =
  | { readonly _tag: "Deleted"; readonly file_id: FileId; readonly keys: ReadonlyArray<string> }
  /** Another ingest has items with this file, so it is kept. */
  | { readonly _tag: "Kept"; readonly file_id: FileId; readonly keys: ReadonlyArray<string> }
  | {
    readonly _tag: "DeleteFailed"
    readonly file_id: FileId
    readonly keys: ReadonlyArray<string>
    readonly error: DeleteError | Failure
  }

/** Options of the cleanup. */
export interface CleanOptions {
  /**
   * The minimum age of finished messages, and of the last heartbeat of runners.
   *
   * @default "1 hour"
   */
  readonly olderThan?: Duration.Input | undefined
  /**
   * Counts what would be removed, and removes nothing.
   *
   * @default false
   */
  readonly dryRun?: boolean | undefined
}

/** What the cleanup removed. */
export interface Cleaned {
  /** Finished messages of the queue. */
  readonly messages: number
  /** Runners that are gone. */
  readonly runners: number
  /**
   * Files whose records were removed from the upload cache: those that expired more than 30 days ago. Until then the service
   * lists them.
   */
  readonly notes: number
}

/** The name and state of an ingest. */
export const Summary = Schema.Struct({
  name: Schema.String,
  state: Schema.Literals(["running", "paused", "cancelled"]),
  created_at: Schema.DateTimeUtcFromString
})

/** @see {@link Summary:var} */
export type Summary = typeof Summary.Type
