/**
 * Schemas of what the command line prints with `--json` and `--jsonl`, for programs that read it.
 *
 * `--jsonl` prints one {@link Event} per line as things happen; `--json` prints one {@link Report} at the end. Within
 * version 1 fields may be added, but none is renamed or removed.
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
 * Progress of the transfers, about once a second.
 */
export const Status = Schema.Struct({
  version,
  kind: Schema.Literal("status"),
  files: Schema.Struct({
    done: Schema.Natural,
    failed: Schema.Natural,
    /** Absent if not known. */
    total: Schema.optionalKey(Schema.Natural)
  }),
  bytes: Schema.Struct({
    done: Schema.Natural,
    /** Absent if not known. */
    total: Schema.optionalKey(Schema.Natural)
  }),
  /** Bytes per second. */
  rate: Schema.Finite,
  /** Seconds left at that rate; absent if the total is not known. */
  remaining: Schema.optionalKey(Schema.Finite)
})

/** @see {@link Status:var} */
export type Status = typeof Status.Type

/**
 * The outcome for one file, or one finding.
 *
 * - `listed`: `ls` and `info`;
 * - `uploaded`, `reused` (the same content was uploaded before), `downloaded`, `skipped` (already on disk), `deleted`;
 * - `unchanged`, `new`, `changed`, `gone`: the results of `check`;
 * - `planned`: what would be done without `--dry-run`, in `would`;
 * - `answered`: a model's answer, in `data`;
 * - `counted`: the figures of `usage`, in `data`;
 * - `checked`: a finding of `doctor`, in `data`;
 * - `cached`, `forgotten`: entries of the upload cache;
 * - `added`, `paused`, `resumed`, `cancelled`, `retried`, `renewed`, `cleaned`: what was done to an ingest, with the
 *   figures in `data`.
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
  /** What a `planned` item would do. */
  would: Schema.optionalKey(Schema.Literals([
    "upload",
    "download",
    "delete",
    "forget",
    "ask",
    "add",
    "pause",
    "resume",
    "cancel",
    "retry",
    "renew",
    "clean"
  ])),
  /** A path on this machine, or the URL that was read. */
  path: Schema.optionalKey(Schema.String),
  /** The item's key in its ingest. */
  key: Schema.optionalKey(Schema.String),
  id: Schema.optionalKey(Schema.String),
  file: Schema.optionalKey(FileMetadata),
  bytes: Schema.optionalKey(Schema.Natural),
  /** Specific to the command; see its page. */
  data: Schema.optionalKey(Schema.Json)
})

/** @see {@link Item:var} */
export type Item = typeof Item.Type

/**
 * A failure. One input can fail while the others succeed.
 */
export const Problem = Schema.Struct({
  version,
  kind: Schema.Literal("error"),
  /** The error's tag, or for `RequestFailed` its reason's tag: `FileNotFound`, `Unauthorized`. */
  error: Schema.String,
  /** One sentence. */
  message: Schema.String,
  /** The exit code if this were the only failure. */
  exitCode: Schema.Natural,
  /** Whether the same command may succeed later. */
  isRetryable: Schema.Boolean,
  /** Whether the service may have carried out the request anyway. */
  isOutcomeUnknown: Schema.Boolean,
  path: Schema.optionalKey(Schema.String),
  /** The item's key in its ingest. */
  key: Schema.optionalKey(Schema.String),
  id: Schema.optionalKey(Schema.String),
  requestId: Schema.optionalKey(Schema.String)
})

/** @see {@link Problem:var} */
export type Problem = typeof Problem.Type

/**
 * The last line: totals of the run.
 */
export const Summary = Schema.Struct({
  version,
  kind: Schema.Literal("summary"),
  command: Schema.String,
  /** The number of items by action. */
  items: Schema.Record(Schema.String, Schema.Natural),
  /** Bytes transferred, or the total size of the listed files. */
  bytes: Schema.Natural,
  errors: Schema.Natural,
  /** Seconds. */
  elapsed: Schema.Finite,
  /** Whether a signal ended the run early. */
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
