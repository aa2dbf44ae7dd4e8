/**
 * What the command line prints with `--json` and `--jsonl`, as Schemas: a program that reads it decodes with these.
 *
 * `--jsonl` prints an {@link Event} a line as things happen; `--json` prints one {@link Report} at the end. Fields may be
 * added within version 1; none is renamed or removed.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import * as CliEvent from "effect-anthropic-files/CliEvent"
 *
 * const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(CliEvent.Event))
 *
 * export const idsOf = (lines: ReadonlyArray<string>) =>
 *   Effect.map(
 *     Effect.forEach(lines, (line) => decode(line)),
 *     (events) => events.flatMap((event) => event.kind === "item" && event.id !== undefined ? [event.id] : [])
 *   )
 * ```
 */
import * as Schema from "effect/Schema"
import { FileMetadata } from "./FileMetadata.ts"

const version = Schema.Literal(1)

/**
 * How far transfers have come, about once a second.
 */
export const Status = Schema.Struct({
  version,
  kind: Schema.Literal("status"),
  files: Schema.Struct({
    done: Schema.Natural,
    failed: Schema.Natural,
    /** Absent where it is not known. */
    total: Schema.optionalKey(Schema.Natural)
  }),
  bytes: Schema.Struct({
    done: Schema.Natural,
    /** Absent where it is not known. */
    total: Schema.optionalKey(Schema.Natural)
  }),
  /** Bytes a second. */
  rate: Schema.Finite,
  /** Seconds that are left at that rate, where the total is known. */
  remaining: Schema.optionalKey(Schema.Finite)
})

/** @see {@link Status:var} */
export type Status = typeof Status.Type

/**
 * What became of one file, or one finding.
 *
 * - `listed`: `ls` and `info`;
 * - `uploaded`, `reused` (the same content was there already), `downloaded`, `skipped` (there already), `deleted`;
 * - `unchanged`, `new`, `changed`, `gone`: what `check` compares;
 * - `planned`: what would be done without `--dry-run`, in `would`;
 * - `answered`: an answer of a model, in `data`;
 * - `counted`: the figures of `usage`, in `data`;
 * - `checked`: a finding of `doctor`, in `data`;
 * - `cached`, `forgotten`: entries of the upload cache;
 * - `added`, `paused`, `resumed`, `cancelled`, `retried`, `renewed`, `cleaned`: what was done to an ingest, with its figures
 *   in `data`.
 */
export const Item = Schema.Struct({
  version,
  kind: Schema.Literal("item"),
  action: Schema.Literals([
    "listed",
    "uploaded",
    "reused",
    "downloaded",
    "skipped",
    "deleted",
    "unchanged",
    "new",
    "changed",
    "gone",
    "planned",
    "answered",
    "counted",
    "checked",
    "cached",
    "forgotten",
    "added",
    "paused",
    "resumed",
    "cancelled",
    "retried",
    "renewed",
    "cleaned"
  ]),
  /** What `planned` stands for. */
  would: Schema.optionalKey(Schema.Literals(["upload", "download", "delete", "forget", "add", "cancel", "retry"])),
  /** A path on this machine, or the URL that was read. */
  path: Schema.optionalKey(Schema.String),
  /** What the item is called in its ingest. */
  key: Schema.optionalKey(Schema.String),
  id: Schema.optionalKey(Schema.String),
  file: Schema.optionalKey(FileMetadata),
  bytes: Schema.optionalKey(Schema.Natural),
  /** What belongs to the command alone; its page tells. */
  data: Schema.optionalKey(Schema.Json)
})

/** @see {@link Item:var} */
export type Item = typeof Item.Type

/**
 * A failure. Of several inputs one can fail while the others are dealt with.
 */
export const Problem = Schema.Struct({
  version,
  kind: Schema.Literal("error"),
  /** The error's tag, and for `RequestFailed` its reason's: `FileNotFound`, `Unauthorized`. */
  error: Schema.String,
  /** One sentence. */
  message: Schema.String,
  /** The exit code that this failure alone would have. */
  exitCode: Schema.Natural,
  /** Whether the same command may succeed later. */
  isRetryable: Schema.Boolean,
  /** Whether the service may have done what was asked for all the same. */
  isOutcomeUnknown: Schema.Boolean,
  path: Schema.optionalKey(Schema.String),
  /** What the item is called in its ingest. */
  key: Schema.optionalKey(Schema.String),
  id: Schema.optionalKey(Schema.String),
  requestId: Schema.optionalKey(Schema.String)
})

/** @see {@link Problem:var} */
export type Problem = typeof Problem.Type

/**
 * The last line.
 */
export const Summary = Schema.Struct({
  version,
  kind: Schema.Literal("summary"),
  command: Schema.String,
  /** How many items of each action there were. */
  items: Schema.Record(Schema.String, Schema.Natural),
  /** Bytes that were moved, or that the listed files have. */
  bytes: Schema.Natural,
  errors: Schema.Natural,
  /** Seconds. */
  elapsed: Schema.Finite,
  /** Whether a signal ended it early. */
  interrupted: Schema.Boolean,
  exitCode: Schema.Natural
})

/** @see {@link Summary:var} */
export type Summary = typeof Summary.Type

/**
 * A line of `--jsonl`.
 */
export const Event = Schema.Union([Status, Item, Problem, Summary])

/** @see {@link Event:var} */
export type Event = typeof Event.Type

/**
 * The value of `--json`.
 */
export const Report = Schema.Struct({
  version,
  items: Schema.Array(Item),
  errors: Schema.Array(Problem),
  summary: Summary
})

/** @see {@link Report:var} */
export type Report = typeof Report.Type
