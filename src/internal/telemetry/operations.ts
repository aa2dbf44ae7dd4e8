/**
 * What the operations are called by the service's own API reference, so that their spans and metrics join the
 * service's.
 */
import type { FilesError, Operation } from "../../FilesError.ts"

/** An operation that sends requests. */
export type Sending = Exclude<Operation, "contentBlock">

export interface Named {
  /** Of the span, and of the operation in metrics and logs. */
  readonly name: string
  readonly method: "GET" | "POST" | "DELETE"
  readonly route: string
  /** Query parameters that may be recorded. Others could hold contents. */
  readonly query: ReadonlyArray<string>
}

const file = "/v1/files/{file_id}"
const batch = "/v1/messages/batches/{message_batch_id}"

const named = (
  name: string,
  method: Named["method"],
  route: string,
  query: ReadonlyArray<string> = []
): Named => ({ name, method, route, query })

export const operations: Readonly<Record<Sending, Named>> = {
  upload: named("anthropic.files.upload", "POST", "/v1/files"),
  list: named("anthropic.files.list", "GET", "/v1/files", ["ids[]", "limit", "page", "scope_id"]),
  metadata: named("anthropic.files.retrieve_metadata", "GET", file),
  delete: named("anthropic.files.delete", "DELETE", file),
  download: named("anthropic.files.download", "GET", `${file}/content`),
  createMessage: named("anthropic.messages.create", "POST", "/v1/messages"),
  streamMessage: named("anthropic.messages.create", "POST", "/v1/messages"),
  createBatch: named("anthropic.messages.batches.create", "POST", "/v1/messages/batches"),
  listBatches: named("anthropic.messages.batches.list", "GET", "/v1/messages/batches", [
    "after_id",
    "before_id",
    "limit"
  ]),
  getBatch: named("anthropic.messages.batches.retrieve", "GET", batch),
  cancelBatch: named("anthropic.messages.batches.cancel", "POST", `${batch}/cancel`),
  deleteBatch: named("anthropic.messages.batches.delete", "DELETE", batch),
  batchResults: named("anthropic.messages.batches.results", "GET", `${batch}/results`)
}

export const nameOf = (operation: Operation): string =>
  operation === "contentBlock" ? "contentBlock" : operations[operation].name

/** The tag of an error; of a request that failed, its reason's. A closed list. */
export const tagOf = (error: FilesError): string => error._tag === "RequestFailed" ? error.reason._tag : error._tag

/** The connection was there, or should have been, and no answer came of it. */
const transportType = (error: FilesError): string | undefined => {
  if (error._tag === "TransferInterrupted") {
    if (error.reason === "Stalled") return "client_timeout_error"
    // A stream of events without its last one.
    if (error.operation === "streamMessage" && error.reason === "Truncated") return "api_error"
    return error.reason === "SizeMismatch" ? undefined : "connection_error"
  }
  if (error._tag !== "RequestFailed") return undefined
  if (error.reason._tag === "TimedOut") return "client_timeout_error"
  return error.reason._tag === "Unreachable" ? "connection_error" : undefined
}

/**
 * `error.type` of OpenTelemetry's conventions: the service's own word for what went wrong, else the status, else what
 * happened here.
 */
export const errorTypeOf = (error: FilesError): string => {
  if (error.errorType !== undefined) return error.errorType
  if (error.status !== undefined && error.status >= 400) return String(error.status)
  return transportType(error) ?? "client_error"
}
