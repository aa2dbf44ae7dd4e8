/**
 * What an ingest tells of itself; public as `Ingest`.
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { FileId } from "../../FileMetadata.ts"
import type { DeleteError } from "../../FilesError.ts"
import type { Failure } from "../../internal/cache/context.ts"

/** What an item is. */
export const State = Schema.Literals(["pending", "done", "failed", "cancelled", "deleted"])

/** @see {@link State:var} */
export type State = typeof State.Type

/** One item, as it stands in the table `ingest_items`. */
export const ItemRow = Schema.Struct({
  ingest: Schema.String,
  key: Schema.String,
  state: State,
  /** `null` for a line of a manifest that was not an item. */
  source: Schema.NullOr(Schema.String),
  filename: Schema.NullOr(Schema.String),
  mime_type: Schema.NullOr(Schema.String),
  metadata: Schema.NullOr(Schema.Record(Schema.String, Schema.Json)),
  file_id: Schema.NullOr(FileId),
  sha256: Schema.NullOr(Schema.String),
  size_bytes: Schema.NullOr(Schema.Finite),
  /** Whether this ingest uploaded the file; `false` where the content was there already. */
  uploaded: Schema.Boolean,
  /** Tries that failed because of the item itself. */
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

/** A runner, as it was last heard of. */
export const Runner = Schema.Struct({
  id: Schema.String,
  ingest: Schema.String,
  /** What the runner says it is: host and process id, unless named otherwise. */
  name: Schema.String,
  concurrency: Schema.Int,
  /** Items under way. */
  in_flight: Schema.Int,
  /** Since it began. */
  done: Schema.Int,
  failed: Schema.Int,
  bytes: Schema.Finite,
  started_at: Schema.DateTimeUtcFromString,
  last_seen_at: Schema.DateTimeUtcFromString,
  /** Whether it was heard of within the last 15 seconds, by the clock of the database. */
  is_alive: Schema.Boolean
})

/** @see {@link Runner:var} */
export type Runner = typeof Runner.Type

/** An ingest at one moment. */
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
  /** Of items that are done. */
  bytes: Schema.Finite,
  /** Items that were done or failed within the last minute. */
  last_minute: Schema.Int,
  /** How long the pending items take at the rate of the last minute, in milliseconds; `null` where none ended. */
  time_left: Schema.NullOr(Schema.Finite),
  runners: Schema.Array(Runner),
  /** By the clock of the database. */
  at: Schema.DateTimeUtcFromString
})

/** @see {@link Status:var} */
export type Status = typeof Status.Type

/** What came of adding. */
export interface Added {
  /** Items that are new. */
  readonly added: number
  /** Items that were there already, and stay as they are. */
  readonly existing: number
  /** New items among `added` that failed at once since their line was not an item. */
  readonly malformed: number
}

/** What became of one item, or of one try of it. */
export type RunEvent =
  | {
    readonly _tag: "Done"
    readonly key: string
    readonly file_id: FileId
    readonly size_bytes: number
    /** `false` where the same content was there already. */
    readonly uploaded: boolean
  }
  | {
    /** `isFinal` is `false` where the item will be tried again. */
    readonly _tag: "Failed"
    readonly key: string
    readonly error_tag: string
    readonly error_message: string
    readonly attempts: number
    readonly isFinal: boolean
  }
  /** The API or the network is away. The try does not count, and the item is tried again when they are back. */
  | { readonly _tag: "Waiting"; readonly key: string; readonly message: string }

/** How a runner works. */
export interface RunOptions<out E = never, out R = never> {
  /**
   * Items under way at the same time.
   *
   * @default 16
   */
  readonly concurrency?: number | undefined
  /**
   * Tries of one item before it has failed. What ends because the API is away, the rate is used up or a runner dies is
   * not counted.
   *
   * @default 8
   */
  readonly maxAttempts?: number | undefined
  /**
   * The wait after a first failed try; each further one is three times as long, up to 10 minutes.
   *
   * @default "5 seconds"
   */
  readonly retryDelay?: Duration.Input | undefined
  /**
   * Goes on when nothing is pending, until it is stopped.
   *
   * @default false
   */
  readonly keepRunning?: boolean | undefined
  /**
   * When this ends, the runner takes no more items. What is under way has `grace` to end; the rest is given back.
   *
   * @default never
   */
  readonly stopWhen?: Effect.Effect<unknown> | undefined
  /** @default "3 seconds" */
  readonly grace?: Duration.Input | undefined
  /**
   * Turns sources such as `s3://bucket/key` into URLs, right before each is fetched. Its failure is one of the item.
   *
   * @default such sources fail
   */
  readonly presign?: ((source: string, key: string) => Effect.Effect<string | URL, E, R>) | undefined
  /**
   * Uploads anew what expires within that time, as long as the runner runs.
   *
   * @default nothing is renewed
   */
  readonly renewWithin?: Duration.Input | undefined
  /**
   * What the runner is called in the status.
   *
   * @default "runner"
   */
  readonly name?: string | undefined
}

/** Which items. */
export interface Selection {
  /** @default items of every state */
  readonly states?: ReadonlyArray<State> | undefined
}

/** Which failed items are tried again. */
export interface RetryOptions {
  /** Only items that failed with that tag. */
  readonly tag?: string | undefined
  /** Only the item with that key. */
  readonly key?: string | undefined
}

/** How much may be deleted. */
export interface DeleteOptions {
  /**
   * If there is more to delete than that, nothing is deleted.
   *
   * @default 100
   */
  readonly maxDeletions?: number | undefined
  /**
   * Files that are deleted at the same time.
   *
   * @default 8
   */
  readonly concurrency?: number | undefined
}

/** What became of one file. */
export type DeleteEvent =
  | { readonly _tag: "Deleted"; readonly file_id: FileId; readonly keys: ReadonlyArray<string> }
  /** Another ingest has items with this file. */
  | { readonly _tag: "Kept"; readonly file_id: FileId; readonly keys: ReadonlyArray<string> }
  | {
    readonly _tag: "DeleteFailed"
    readonly file_id: FileId
    readonly keys: ReadonlyArray<string>
    readonly error: DeleteError | Failure
  }

/** What is removed. */
export interface CleanOptions {
  /**
   * How long ago messages have to have ended, and runners to have been heard of.
   *
   * @default "1 hour"
   */
  readonly olderThan?: Duration.Input | undefined
  /**
   * Only counts what would be removed.
   *
   * @default false
   */
  readonly dryRun?: boolean | undefined
}

/** What was removed. */
export interface Cleaned {
  /** Messages of the queue whose items ended. */
  readonly messages: number
  /** Runners that were not heard of again. */
  readonly runners: number
  /**
   * Files of which the upload cache forgot all it knew: those that expired more than 30 days ago, since until then the
   * service lists them.
   */
  readonly notes: number
}

/** An ingest by its name. */
export const Summary = Schema.Struct({
  name: Schema.String,
  state: Schema.Literals(["running", "paused", "cancelled"]),
  created_at: Schema.DateTimeUtcFromString
})

/** @see {@link Summary:var} */
export type Summary = typeof Summary.Type
