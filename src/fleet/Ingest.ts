/**
 * Durable ingest: uploads files by the million, on any number of machines, through crashes and deployments. Items are added
 * to a table, any number of runners upload them, and the table always shows the state of each item.
 *
 * This is the service. `IngestSql` implements it on Postgres, and `NodeIngest` is a ready-made Layer for Node.
 *
 * @example
 * ```ts
 * import { Effect, FileSystem, Stream } from "effect"
 * import * as Ingest from "effect-anthropic-files/fleet/Ingest"
 * import * as Manifest from "effect-anthropic-files/fleet/Manifest"
 *
 * export const program = Effect.gen(function*() {
 *   const fs = yield* FileSystem.FileSystem
 *   yield* Ingest.add("corpus", Manifest.jsonl(fs.stream("corpus.jsonl")))
 *   yield* Stream.runForEach(Ingest.run("corpus"), (event) => Effect.log(event))
 * })
 * ```
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Csv from "effect/encoding/Csv"
import * as Ndjson from "effect/encoding/Ndjson"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { RequestFailed } from "../FilesError.ts"
import * as accessor from "../internal/accessor.ts"
import type { IngestFailed } from "./internal/failed.ts"
import type { Entry } from "./internal/manifestItem.ts"
import {
  type Added,
  type Cleaned,
  type CleanOptions,
  type DeleteEvent,
  type DeleteOptions,
  ItemRow,
  type RetryOptions,
  type RunEvent,
  type RunOptions,
  type Selection,
  type Status,
  type Summary
} from "./internal/model.ts"

export {
  /**
   * An operation of an ingest failed.
   *
   * - `DatabaseFailed`: the database can't be reached, or refuses; a runner that has started waits for it instead;
   * - `NoSuchIngest`: no ingest has that name;
   * - `AnotherRunner`: another runner is running, and without Redis they can't share the rate limit;
   * - `Refused`: every upload would fail, for example because the key is wrong or the storage is full; see `cause`;
   * - `TooManyDeletions`: more files would be deleted than allowed; nothing was deleted.
   */
  IngestFailed
} from "./internal/failed.ts"
export type {
  /** The result of adding items. */
  Added,
  /** What {@link clean} removed. */
  Cleaned,
  /** Options of {@link clean}. */
  CleanOptions,
  /** The outcome of one deletion. */
  DeleteEvent,
  /** Options of {@link deleteUploaded}. */
  DeleteOptions,
  /** Which failed items {@link retry} makes pending. */
  RetryOptions,
  /** The outcome of one item, or of one attempt. */
  RunEvent,
  /** Options of {@link run}. */
  RunOptions,
  /** Selects items. */
  Selection
} from "./internal/model.ts"
export {
  /** One item, as a row of the table `ingest_items`. */
  ItemRow,
  /** A runner, as of its last heartbeat. */
  Runner,
  /**
   * The state of an item: `pending` until it is `done` or has `failed`; `cancelled` if it was given up on request;
   * `deleted` if its file was deleted again.
   */
  State,
  /** A snapshot of an ingest. */
  Status,
  /** The name and state of an ingest. */
  Summary
} from "./internal/model.ts"

/** Why an operation failed: the ingest or its database, or an invalid option. */
export type Failure = IngestFailed | RequestFailed

/**
 * Ingests, each with a name of at most 200 bytes. An ingest is created when items are first added to it.
 */
export class Ingest extends Context.Service<Ingest, {
  /**
   * Adds items. An item whose key exists already stays as it is, so the same manifest can be added again, for example
   * after an interruption. Memory stays flat, however long the manifest is.
   */
  readonly add: <E, R>(
    ingest: string,
    manifest: Stream.Stream<Entry, E, R>
  ) => Effect.Effect<Added, E | Failure, R>
  /**
   * Uploads pending items, and emits the outcome of each. Ends when no item is pending on any machine. If the stream ends
   * early, items in progress are returned to the queue.
   */
  readonly run: <E = never, R = never>(
    ingest: string,
    options?: RunOptions<E, R>
  ) => Stream.Stream<RunEvent, Failure, R>
  /** A snapshot of an ingest. */
  readonly status: (ingest: string) => Effect.Effect<Status, Failure>
  /** The items, ordered by key. They are read page by page, so no transaction stays open. */
  readonly items: (ingest: string, selection?: Selection) => Stream.Stream<ItemRow, Failure>
  /** All ingests, ordered by name. */
  readonly list: Effect.Effect<ReadonlyArray<Summary>, IngestFailed>
  /** Keeps runners from starting another item until the ingest is resumed. */
  readonly pause: (ingest: string) => Effect.Effect<void, Failure>
  /** Continues after a pause or a cancellation. Cancelled items become pending; returns their number. */
  readonly resume: (ingest: string) => Effect.Effect<number, Failure>
  /** Gives up pending items, and returns their number. Uploads in progress are finished. */
  readonly cancel: (ingest: string) => Effect.Effect<number, Failure>
  /** Makes failed items pending, with all their attempts. Returns their number. Malformed lines stay failed. */
  readonly retry: (ingest: string, options?: RetryOptions) => Effect.Effect<number, Failure>
  /**
   * Makes items pending whose files expire within that time, so that they are uploaded again. Returns their number. The
   * old files stay until they expire.
   */
  readonly renew: (ingest: string, within: Duration.Input) => Effect.Effect<number, Failure>
  /**
   * Deletes the files that this ingest uploaded. Files that existed before, or that another ingest uses too, are kept.
   */
  readonly deleteUploaded: (ingest: string, options?: DeleteOptions) => Stream.Stream<DeleteEvent, Failure>
  /**
   * Removes what is no longer needed: finished messages of the queue and runners that are gone (runners remove both too),
   * and records of the upload cache for files that expired. Items are kept.
   */
  readonly clean: (options?: CleanOptions) => Effect.Effect<Cleaned, Failure>
}>()("effect-anthropic-files/fleet/Ingest") {}

/** `add` of the service in the context. */
export const add: <E, R>(
  ingest: string,
  manifest: Stream.Stream<Entry, E, R>
) => Effect.Effect<Added, E | Failure, Ingest | R> = accessor.effect(Ingest, "Ingest.add")((service) => service.add)

/** `run` of the service in the context. */
export const run: <E = never, R = never>(
  ingest: string,
  options?: RunOptions<E, R>
) => Stream.Stream<RunEvent, Failure, Ingest | R> = accessor.stream(Ingest, "Ingest.run")((service) => service.run)

/** `status` of the service in the context. */
export const status: (ingest: string) => Effect.Effect<Status, Failure, Ingest> = accessor.effect(
  Ingest,
  "Ingest.status"
)((service) => service.status)

/**
 * Emits {@link status} at once, and again after each interval.
 *
 * @default interval "2 seconds"
 */
export const watch = (
  ingest: string,
  interval: Duration.Input = "2 seconds"
): Stream.Stream<Status, Failure, Ingest> =>
  Stream.unwrap(
    Effect.map(Ingest, (service) =>
      Stream.concat(
        Stream.fromEffect(service.status(ingest)),
        Stream.fromEffectRepeat(Effect.delay(service.status(ingest), interval))
      ))
  )

/** `items` of the service in the context. */
export const items: (ingest: string, selection?: Selection) => Stream.Stream<ItemRow, Failure, Ingest> = accessor
  .stream(Ingest, "Ingest.items")((service) => service.items)

/** `list` of the service in the context. */
export const list: Effect.Effect<ReadonlyArray<Summary>, IngestFailed, Ingest> = Effect.flatMap(
  Ingest,
  (service) => service.list
)

/** `pause` of the service in the context. */
export const pause: (ingest: string) => Effect.Effect<void, Failure, Ingest> = accessor.effect(
  Ingest,
  "Ingest.pause"
)((service) => service.pause)

/** `resume` of the service in the context. */
export const resume: (ingest: string) => Effect.Effect<number, Failure, Ingest> = accessor.effect(
  Ingest,
  "Ingest.resume"
)((service) => service.resume)

/** `cancel` of the service in the context. */
export const cancel: (ingest: string) => Effect.Effect<number, Failure, Ingest> = accessor.effect(
  Ingest,
  "Ingest.cancel"
)((service) => service.cancel)

/** `retry` of the service in the context. */
export const retry: (ingest: string, options?: RetryOptions) => Effect.Effect<number, Failure, Ingest> = accessor
  .effect(Ingest, "Ingest.retry")((service) => service.retry)

/** `renew` of the service in the context. */
export const renew: (ingest: string, within: Duration.Input) => Effect.Effect<number, Failure, Ingest> = accessor
  .effect(Ingest, "Ingest.renew")((service) => service.renew)

/** `deleteUploaded` of the service in the context. */
export const deleteUploaded: (
  ingest: string,
  options?: DeleteOptions
) => Stream.Stream<DeleteEvent, Failure, Ingest> = accessor.stream(
  Ingest,
  "Ingest.deleteUploaded"
)((service) => service.deleteUploaded)

/** `clean` of the service in the context. */
export const clean: (options?: CleanOptions) => Effect.Effect<Cleaned, Failure, Ingest> = accessor.effect(
  Ingest,
  "Ingest.clean"
)((service) => service.clean)

/** How rows are exported. */
export interface ExportOptions extends Selection {
  /** @default "jsonl" */
  readonly format?: "jsonl" | "csv" | undefined
}

const columns = Object.keys(ItemRow.fields) as ReadonlyArray<keyof ItemRow>

const encodeRow = Schema.encodeSync(ItemRow)

/** A cell is text; null is an empty cell. */
const cellsOf = (row: ItemRow): Record<string, string> => {
  const encoded = encodeRow(row)
  return Object.fromEntries(columns.map((column) => {
    const value = encoded[column]
    if (value === null) return [column, ""]
    return [column, typeof value === "object" ? JSON.stringify(value) : String(value)]
  }))
}

/** The items as text, ordered by key: one JSON object per line, or CSV with a header. */
const export_ = (ingest: string, options: ExportOptions = {}): Stream.Stream<string, Failure, Ingest> => {
  const rows = items(ingest, options)
  return options.format === "csv"
    ? Stream.pipeThroughChannel(Stream.map(rows, cellsOf), Csv.encodeString({ columns, headers: true, newline: "\n" }))
    : Stream.pipeThroughChannel(Stream.map(rows, (row) => encodeRow(row)), Ndjson.encodeString<Failure>()).pipe(
      // The rows were decoded from JSON, so they can be encoded.
      Stream.catchTag("NdjsonError", (error) => Stream.die(error))
    )
}

export { export_ as export }
