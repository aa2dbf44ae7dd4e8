/**
 * The error of an ingest; public as `Ingest.IngestFailed`.
 */
import * as Schema from "effect/Schema"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { UploadStoreFailed } from "../../internal/cache/store.ts"
import { mayPass, reasonOf } from "../../internal/sqlReason.ts"
import { printable } from "../../internal/text.ts"

/** An operation of an ingest failed; `reason` says why. */
export class IngestFailed extends Schema.TaggedError<IngestFailed>("effect-anthropic-files/fleet/IngestFailed")(
  "IngestFailed",
  {
    operation: Schema.Literal("ingest"),
    reason: Schema.Literals(["DatabaseFailed", "NoSuchIngest", "AnotherRunner", "Refused", "TooManyDeletions"]),
    message: Schema.String,
    /** The name of the ingest, if there is one. */
    ingest: Schema.optional(Schema.String),
    isRetryable: Schema.Boolean,
    isOutcomeUnknown: Schema.Boolean,
    cause: Schema.optionalKey(Schema.Defect())
  }
) {}

const make = (
  reason: IngestFailed["reason"],
  message: string,
  options: { readonly ingest?: string | undefined; readonly cause?: unknown; readonly isRetryable?: boolean } = {}
): IngestFailed =>
  new IngestFailed({
    operation: "ingest",
    reason,
    message,
    isRetryable: options.isRetryable ?? false,
    isOutcomeUnknown: false,
    ...(options.ingest === undefined ? undefined : { ingest: options.ingest }),
    ...(options.cause === undefined ? undefined : { cause: options.cause })
  })

export const databaseFailed = (error: SqlError): IngestFailed =>
  make("DatabaseFailed", `The database of the ingest failed: ${reasonOf(error)}.`, {
    cause: error,
    isRetryable: mayPass(error)
  })

export const storeFailed = (error: UploadStoreFailed): IngestFailed =>
  make("DatabaseFailed", error.message, { cause: error, isRetryable: error.isRetryable })

export const unreachable = (error: SqlError): IngestFailed =>
  make("DatabaseFailed", `The database of the ingest can't be used: ${reasonOf(error)}.`, {
    cause: error,
    isRetryable: mayPass(error)
  })

export const migrationFailed = (error: { readonly message: string; readonly cause?: unknown }): IngestFailed => {
  const why = isSqlError(error.cause) ? reasonOf(error.cause) : error.message
  return make("DatabaseFailed", `The tables of ingests could not be made or brought up to date: ${why}.`, {
    cause: error
  })
}

export const madeByNewer = (version: number, known: number): IngestFailed =>
  make(
    "DatabaseFailed",
    `The tables of ingests were made by a newer version of this package (${version}, and this one knows ${known}): update this one.`
  )

export const noSuchIngest = (ingest: string): IngestFailed =>
  make("NoSuchIngest", `There is no ingest ${printable(ingest)}: add items to it, or look for its name among all.`, {
    ingest
  })

export const anotherRunner = (ingest: string, runner: string): IngestFailed =>
  make(
    "AnotherRunner",
    `Another runner is at work (${
      printable(runner)
    }), and without Redis nothing keeps both within the rate limit: give both a Redis, or stop the other one.`,
    { ingest, isRetryable: true }
  )

export const refused = (ingest: string, error: { readonly message: string }): IngestFailed =>
  make("Refused", `No upload would succeed now, and no item was given up: ${error.message}`, { ingest, cause: error })

export const tooManyDeletions = (ingest: string, count: number, limit: number): IngestFailed =>
  make(
    "TooManyDeletions",
    `Of ${
      printable(ingest)
    } there are ${count} files to delete, more than the ${limit} that may be deleted: nothing was deleted.`,
    { ingest }
  )
