/**
 * Durable ingest: files by the million, on any number of machines, through crashes and deployments. Work is added to a
 * table, any number of runners upload it, and the table says at any time what became of each item.
 *
 * This is the service. `IngestSql` makes it over Postgres, and `NodeIngest` is one ready-made Layer for Node.
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
   * An ingest could not do what it was asked for.
   *
   * - `DatabaseFailed`: the database is away, or refuses; runners wait for it and do not fail with this;
   * - `NoSuchIngest`: nothing was ever added under that name;
   * - `AnotherRunner`: one runs already, and nothing shares the rate limit between them;
   * - `Refused`: the key is refused, the storage is full or the account is blocked, in `cause`: every item would fail;
   * - `TooManyDeletions`: nothing was deleted.
   */
  IngestFailed
} from "./internal/failed.ts"
export type {
  /** What came of adding. */
  Added,
  /** What was removed. */
  Cleaned,
  /** What is removed. */
  CleanOptions,
  /** What became of one file. */
  DeleteEvent,
  /** How much may be deleted. */
  DeleteOptions,
  /** Which failed items are tried again. */
  RetryOptions,
  /** What became of one item, or of one try of it. */
  RunEvent,
  /** How a runner works. */
  RunOptions,
  /** Which items. */
  Selection
} from "./internal/model.ts"
export {
  /** One item, as it stands in the table `ingest_items`. */
  ItemRow,
  /** A runner, as it was last heard of. */
  Runner,
  /**
   * What an item is. `pending` until it is `done` or has `failed`; `cancelled` where it was given up on request;
   * `deleted` where the file was deleted again.
   */
  State,
  /** An ingest at one moment. */
  Status,
  /** An ingest by its name. */
  Summary
} from "./internal/model.ts"

/** The database, or an option. */
export type Failure = IngestFailed | RequestFailed

/**
 * Ingests by their names: at most 200 bytes each, made when something is first added.
 */
export class Ingest extends Context.Service<Ingest, {
  /**
   * Adds items. One whose key the ingest has already stays as it is, so that adding the same manifest again, or one that
   * was broken off, does no harm. Memory stays flat however long the manifest is.
   */
  readonly add: <E, R>(
    ingest: string,
    manifest: Stream.Stream<Entry, E, R>
  ) => Effect.Effect<Added, E | Failure, R>
  /**
   * Uploads what is pending, and tells of each item what became of it. Ends when nothing is pending any more, on no
   * machine. Ending the stream early gives back what is under way.
   */
  readonly run: <E = never, R = never>(
    ingest: string,
    options?: RunOptions<E, R>
  ) => Stream.Stream<RunEvent, Failure, R>
  /** An ingest at this moment. */
  readonly status: (ingest: string) => Effect.Effect<Status, Failure>
  /** The items, by key. Read a page at a time, so that no transaction stays open. */
  readonly items: (ingest: string, selection?: Selection) => Stream.Stream<ItemRow, Failure>
  /** All ingests, by name. */
  readonly list: Effect.Effect<ReadonlyArray<Summary>, IngestFailed>
  /** No runner begins another item until the ingest is resumed. */
  readonly pause: (ingest: string) => Effect.Effect<void, Failure>
  /** Goes on after a pause. Items that were cancelled are pending again; their number is given. */
  readonly resume: (ingest: string) => Effect.Effect<number, Failure>
  /** Gives up what is pending. What is under way ends as it ends. Gives the number of items. */
  readonly cancel: (ingest: string) => Effect.Effect<number, Failure>
  /** Makes failed items pending again, with all their tries. Gives their number. Lines that were no items stay failed. */
  readonly retry: (ingest: string, options?: RetryOptions) => Effect.Effect<number, Failure>
  /**
   * Uploads anew what expires within that time: makes the items pending, and gives their number. The files that there
   * are stay until they expire.
   */
  readonly renew: (ingest: string, within: Duration.Input) => Effect.Effect<number, Failure>
  /**
   * Deletes the files that this ingest uploaded, and no others: not those that were there before, nor those that another
   * ingest has as well.
   */
  readonly deleteUploaded: (ingest: string, options?: DeleteOptions) => Stream.Stream<DeleteEvent, Failure>
  /**
   * Removes what is left of items that ended: messages of the queue and runners that are gone, which runners remove by
   * themselves, and what the upload cache knows of files that expired. The items stay.
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
 * {@link status} again and again: at once, and after each interval.
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

/** How rows are written down. */
export interface ExportOptions extends Selection {
  /** @default "jsonl" */
  readonly format?: "jsonl" | "csv" | undefined
}

const columns = Object.keys(ItemRow.fields) as ReadonlyArray<keyof ItemRow>

const encodeRow = Schema.encodeSync(ItemRow)

/** A cell is text; what is not there is an empty one. */
const cellsOf = (row: ItemRow): Record<string, string> => {
  const encoded = encodeRow(row)
  return Object.fromEntries(columns.map((column) => {
    const value = encoded[column]
    if (value === null) return [column, ""]
    return [column, typeof value === "object" ? JSON.stringify(value) : String(value)]
  }))
}

/** The items as text, by key: an object a line, or CSV whose first record names the columns. */
const export_ = (ingest: string, options: ExportOptions = {}): Stream.Stream<string, Failure, Ingest> => {
  const rows = items(ingest, options)
  return options.format === "csv"
    ? Stream.pipeThroughChannel(Stream.map(rows, cellsOf), Csv.encodeString({ columns, headers: true, newline: "\n" }))
    : Stream.pipeThroughChannel(Stream.map(rows, (row) => encodeRow(row)), Ndjson.encodeString<Failure>()).pipe(
      // What came out of JSON goes into it again.
      Stream.catchTag("NdjsonError", (error) => Stream.die(error))
    )
}

export { export_ as export }
