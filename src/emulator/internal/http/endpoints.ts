/**
 * All endpoints of the emulator. Requests are matched with them, `handlers.ts` has a handler for each, and the OpenAPI
 * document is made from them.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { DeletedFile, FileMetadata, FilePage } from "../../../FileMetadata.ts"
import { maxPageLimit } from "../../../internal/wire/constants.ts"
import { Faults } from "../../Fault.ts"
import { Rules } from "../../Rule.ts"
import * as Admin from "./adminSchemas.ts"
import * as Parameters from "./parameters.ts"
import { Grant, TokenAnswer } from "./tokens.ts"

/**
 * Who may call an endpoint: `key`, callers with a key of a workspace that name a version; `admin`, callers with a key, if the
 * admin route is on; or anyone.
 */
export type Access = "key" | "admin" | "anyone"

/** The content of a body: JSON of a schema, or another type. */
export type Content =
  | { readonly type: "application/json"; readonly schema: Schema.Top }
  | { readonly type: string; readonly schema?: undefined }

/** A multipart body: its parts, each with its description. */
export interface Form {
  readonly type: "multipart/form-data"
  readonly parts: Readonly<Record<string, string>>
}

export interface Endpoint {
  readonly method: "GET" | "POST" | "PUT" | "DELETE"
  /** Segments that start with a colon are parameters. */
  readonly path: string
  readonly summary: string
  readonly access: Access
  readonly query?: Parameters.Parameters
  readonly body?: Content | Form
  readonly answer: Content
  /** Statuses of errors, besides those of every endpoint with this access. */
  readonly errors?: ReadonlyArray<number>
}

const json = (schema: Schema.Top): Content => ({ type: "application/json", schema })

const bytes: Content = { type: "application/octet-stream" }

const lines: Content = { type: "application/x-jsonl" }

const nothing = json(Schema.Struct({}))

const data = json(Schema.Struct({ data: Schema.Array(Schema.Json) }))

const clock = json(Schema.Struct({ now: Schema.String }))

const limit = Parameters.integer(1, maxPageLimit)

/** A batch on the wire. */
export const MessageBatch = Schema.Struct({
  id: Schema.String,
  type: Schema.Literal("message_batch"),
  processing_status: Schema.Literals(["in_progress", "canceling", "ended"]),
  request_counts: Schema.Struct({
    processing: Schema.Natural,
    succeeded: Schema.Natural,
    errored: Schema.Natural,
    canceled: Schema.Natural,
    expired: Schema.Natural
  }),
  created_at: Schema.String,
  expires_at: Schema.String,
  ended_at: Schema.NullOr(Schema.String),
  cancel_initiated_at: Schema.NullOr(Schema.String),
  archived_at: Schema.NullOr(Schema.String),
  results_url: Schema.NullOr(Schema.String)
}).annotate({ identifier: "MessageBatch" })

/** @see {@link MessageBatch:var} */
export type MessageBatch = typeof MessageBatch.Type

/** The fields of a message request that readers of the document need. */
const MessageRequest = Schema.Struct({
  model: Schema.String,
  max_tokens: Schema.Int.check(Schema.isGreaterThan(0)),
  messages: Schema.Array(Schema.Struct({
    role: Schema.Literals(["user", "assistant", "system"]),
    content: Schema.Union([Schema.String, Schema.Array(Schema.Record(Schema.String, Schema.Json))])
  })),
  system: Schema.optionalKey(Schema.Json),
  tools: Schema.optionalKey(Schema.Array(Schema.Record(Schema.String, Schema.Json))),
  container: Schema.optionalKey(Schema.Json),
  stream: Schema.optionalKey(Schema.Boolean)
})

const BatchRequest = Schema.Struct({
  requests: Schema.Array(Schema.Struct({ custom_id: Schema.String, params: Schema.Json }))
})

const BatchPage = Schema.Struct({
  data: Schema.Array(MessageBatch),
  has_more: Schema.Boolean,
  first_id: Schema.NullOr(Schema.String),
  last_id: Schema.NullOr(Schema.String)
})

/** A model on the wire. */
export const ModelInfo = Schema.Struct({
  id: Schema.String,
  type: Schema.Literal("model"),
  display_name: Schema.String,
  created_at: Schema.String,
  capabilities: Schema.Null,
  deprecated_at: Schema.NullOr(Schema.String),
  lifecycle: Schema.Literal("active"),
  line: Schema.NullOr(Schema.Literals(["haiku", "sonnet", "opus", "fable", "mythos"])),
  max_input_tokens: Schema.NullOr(Schema.Natural),
  max_tokens: Schema.NullOr(Schema.Natural),
  retires_at: Schema.NullOr(Schema.String)
}).annotate({ identifier: "ModelInfo" })

/** @see {@link ModelInfo:var} */
export type ModelInfo = typeof ModelInfo.Type

const ModelPage = Schema.Struct({
  data: Schema.Array(ModelInfo),
  has_more: Schema.Boolean,
  first_id: Schema.NullOr(Schema.String),
  last_id: Schema.NullOr(Schema.String)
})

/** All endpoints by their names. Faults, rules and recorded requests use these names. */
export const endpoints = {
  upload: {
    method: "POST",
    path: "/v1/files",
    summary: "Upload a file",
    access: "key",
    body: {
      type: "multipart/form-data",
      parts: {
        file: "The file, with its name and, in the beta dialect, its type",
        expires_in_seconds: "Seconds until the content is gone, from 3600 to 7776000",
        purpose: "Kept and answered as it was given"
      }
    },
    answer: json(FileMetadata),
    errors: [413]
  },
  list: {
    method: "GET",
    path: "/v1/files",
    summary: "List files, newest first",
    access: "key",
    query: {
      limit,
      page: Parameters.text,
      "ids[]": Parameters.list,
      scope_id: Parameters.text,
      after_id: Parameters.text,
      before_id: Parameters.text
    },
    answer: json(FilePage)
  },
  metadata: {
    method: "GET",
    path: "/v1/files/:file_id",
    summary: "Metadata of a file",
    access: "key",
    answer: json(FileMetadata),
    errors: [404]
  },
  content: {
    method: "GET",
    path: "/v1/files/:file_id/content",
    summary: "Download a file created by a tool or a skill",
    access: "key",
    answer: bytes,
    errors: [404]
  },
  delete: {
    method: "DELETE",
    path: "/v1/files/:file_id",
    summary: "Delete a file",
    access: "key",
    answer: json(DeletedFile),
    errors: [404]
  },
  createMessage: {
    method: "POST",
    path: "/v1/messages",
    summary: "Ask about files; the emulator answers, not a model",
    access: "key",
    body: json(MessageRequest),
    answer: json(Schema.Json),
    errors: [404, 413]
  },
  countTokens: {
    method: "POST",
    path: "/v1/messages/count_tokens",
    summary: "Count the tokens of a request that has no file sources",
    access: "key",
    body: json(Schema.Json),
    answer: json(Schema.Struct({ input_tokens: Schema.Natural })),
    errors: [413]
  },
  createBatch: {
    method: "POST",
    path: "/v1/messages/batches",
    summary: "Send many message requests at once",
    access: "key",
    body: json(BatchRequest),
    answer: json(MessageBatch),
    errors: [413]
  },
  listBatches: {
    method: "GET",
    path: "/v1/messages/batches",
    summary: "List batches, newest first",
    access: "key",
    query: { limit, after_id: Parameters.text, before_id: Parameters.text },
    answer: json(BatchPage)
  },
  getBatch: {
    method: "GET",
    path: "/v1/messages/batches/:message_batch_id",
    summary: "The state of a batch",
    access: "key",
    answer: json(MessageBatch),
    errors: [404]
  },
  cancelBatch: {
    method: "POST",
    path: "/v1/messages/batches/:message_batch_id/cancel",
    summary: "Stop a batch",
    access: "key",
    answer: json(MessageBatch),
    errors: [404]
  },
  deleteBatch: {
    method: "DELETE",
    path: "/v1/messages/batches/:message_batch_id",
    summary: "Delete a batch that has ended",
    access: "key",
    answer: json(Schema.Struct({ id: Schema.String, type: Schema.Literal("message_batch_deleted") })),
    errors: [404]
  },
  batchResults: {
    method: "GET",
    path: "/v1/messages/batches/:message_batch_id/results",
    summary: "The results of a batch that has ended, one JSON object per line",
    access: "key",
    answer: lines,
    errors: [404]
  },
  listModels: {
    method: "GET",
    path: "/v1/models",
    summary: "List models, newest first",
    access: "key",
    query: { limit, after_id: Parameters.text, before_id: Parameters.text },
    answer: json(ModelPage)
  },
  getModel: {
    method: "GET",
    path: "/v1/models/:model_id",
    summary: "One model",
    access: "key",
    answer: json(ModelInfo),
    errors: [404]
  },
  token: {
    method: "POST",
    path: "/v1/oauth/token",
    summary: "Exchange a refresh token or a workload's identity token for an access token",
    access: "anyone",
    body: json(Grant),
    answer: json(TokenAnswer),
    errors: [401]
  },
  health: {
    method: "GET",
    path: "/_emulator/health",
    summary: "Whether the emulator is running; needs no key, and takes any host",
    access: "anyone",
    answer: json(Schema.Struct({ status: Schema.Literal("ok") }))
  },
  openApi: {
    method: "GET",
    path: "/_emulator/openapi.json",
    summary: "This document",
    access: "admin",
    answer: json(Schema.Json)
  },
  adminFiles: {
    method: "GET",
    path: "/_emulator/files",
    summary: "All files of all workspaces and sessions, newest first",
    access: "admin",
    answer: data
  },
  adminSeed: {
    method: "POST",
    path: "/_emulator/files",
    summary: "Store a file without an upload: downloadable, expiring, expired, of any age, in a session",
    access: "admin",
    body: json(Admin.Seed),
    answer: json(FileMetadata)
  },
  adminContent: {
    method: "GET",
    path: "/_emulator/files/:file_id/content",
    summary: "The bytes of any file, downloadable or not",
    access: "admin",
    answer: bytes,
    errors: [404]
  },
  adminMount: {
    method: "POST",
    path: "/_emulator/sessions/:session_id/files",
    summary: "Copy a file into a session",
    access: "admin",
    body: json(Admin.Mount),
    answer: json(FileMetadata),
    errors: [404]
  },
  adminRequests: {
    method: "GET",
    path: "/_emulator/requests",
    summary: "The requests so far, oldest first, with their bodies; those of the admin route are left out",
    access: "admin",
    answer: data
  },
  adminFaults: {
    method: "GET",
    path: "/_emulator/faults",
    summary: "The faults, each with the number of requests that it has hit",
    access: "admin",
    answer: data
  },
  adminSetFaults: {
    method: "PUT",
    path: "/_emulator/faults",
    summary: "Replace all faults",
    access: "admin",
    body: json(Faults),
    answer: nothing
  },
  adminAddFaults: {
    method: "POST",
    path: "/_emulator/faults",
    summary: "Add faults",
    access: "admin",
    body: json(Faults),
    answer: nothing
  },
  adminClearFaults: {
    method: "DELETE",
    path: "/_emulator/faults",
    summary: "Remove all faults",
    access: "admin",
    answer: nothing
  },
  adminRules: {
    method: "GET",
    path: "/_emulator/rules",
    summary: "The rules for answers, each with the number of requests that it has answered",
    access: "admin",
    answer: data
  },
  adminSetRules: {
    method: "PUT",
    path: "/_emulator/rules",
    summary: "Replace all rules",
    access: "admin",
    body: json(Rules),
    answer: nothing
  },
  adminAddRules: {
    method: "POST",
    path: "/_emulator/rules",
    summary: "Add rules",
    access: "admin",
    body: json(Rules),
    answer: nothing
  },
  adminClearRules: {
    method: "DELETE",
    path: "/_emulator/rules",
    summary: "Remove all rules",
    access: "admin",
    answer: nothing
  },
  adminClock: {
    method: "GET",
    path: "/_emulator/clock",
    summary: "The emulator's time",
    access: "admin",
    answer: clock
  },
  adminAdvance: {
    method: "POST",
    path: "/_emulator/clock",
    summary: "Move the emulator's time on: by milliseconds, or by a duration as a text (2 hours)",
    access: "admin",
    body: json(Admin.Advance),
    answer: clock
  },
  adminTokens: {
    method: "GET",
    path: "/_emulator/tokens",
    summary: "The access tokens that were issued, oldest first",
    access: "admin",
    answer: data
  },
  adminIssueToken: {
    method: "POST",
    path: "/_emulator/tokens",
    summary: "Issue an access token and a refresh token",
    access: "admin",
    body: json(Admin.Issue),
    answer: json(Schema.Json)
  },
  adminExpireTokens: {
    method: "POST",
    path: "/_emulator/tokens/expire",
    summary: "End the lifetime of one access token, or of all",
    access: "admin",
    body: json(Admin.Which),
    answer: nothing
  },
  adminRevokeTokens: {
    method: "POST",
    path: "/_emulator/tokens/revoke",
    summary: "Refuse one access token or refresh token from now on, or all access tokens",
    access: "admin",
    body: json(Admin.Which),
    answer: nothing
  },
  adminReset: {
    method: "POST",
    path: "/_emulator/reset",
    summary: "Forget files, batches, requests, faults, rules, tokens and what was added to the clock",
    access: "admin",
    answer: nothing
  }
} as const satisfies Record<string, Endpoint>

/** The name of an endpoint. */
export type Operation = keyof typeof endpoints

/** The endpoints with this access. */
export type OperationWith<A extends Access> = {
  readonly [O in Operation]: (typeof endpoints)[O]["access"] extends A ? O : never
}[Operation]

type ParamNames<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | ParamNames<`/${Rest}`>
  : Path extends `${string}:${infer Name}` ? Name
  : never

/** The parameters of an endpoint's path. */
export type Params<O extends Operation> = Readonly<Record<ParamNames<(typeof endpoints)[O]["path"]>, string>>

/** The parameters of an endpoint's query. */
export type Query<O extends Operation> = (typeof endpoints)[O] extends
  { readonly query: infer P extends Parameters.Parameters } ? Parameters.Read<P>
  : Record<never, never>

interface Row {
  readonly operation: Operation
  readonly endpoint: Endpoint
  readonly segments: ReadonlyArray<string>
}

const isFixed = (segment: string): boolean => !segment.startsWith(":")

const segmentsOf = (path: string): ReadonlyArray<string> => path.replace(/\/$/, "").split("/").slice(1)

/** Sorted by the number of fixed segments, so that `/v1/messages/batches` is the listing, not a batch of that name. */
const rows: ReadonlyArray<Row> = Object.entries(endpoints).map(([operation, endpoint]) => ({
  operation: operation as Operation,
  endpoint,
  segments: segmentsOf(endpoint.path)
})).sort((a, b) => b.segments.filter(isFixed).length - a.segments.filter(isFixed).length)

const decodeSegment = Option.liftThrowable(decodeURIComponent)

/** The parameters of a path, or `undefined` if it does not match the row. */
const paramsOf = (row: Row, segments: ReadonlyArray<string>): Readonly<Record<string, string>> | undefined => {
  if (segments.length !== row.segments.length) return undefined
  const params: Record<string, string> = {}
  for (const [i, expected] of row.segments.entries()) {
    const given = segments[i] ?? ""
    if (isFixed(expected)) {
      if (given !== expected) return undefined
      continue
    }
    const value = decodeSegment(given)
    if (given === "" || Option.isNone(value)) return undefined
    params[expected.slice(1)] = value.value
  }
  return params
}

export interface Match {
  readonly operation: Operation
  readonly endpoint: Endpoint
  readonly params: Readonly<Record<string, string>>
}

/**
 * The endpoint of a request, or the methods that its path takes: none for an unknown path.
 *
 * @param hasAdmin whether the admin route is on
 */
export const match = (
  method: string,
  path: string,
  hasAdmin = false
): Match | { readonly allow: ReadonlyArray<string> } => {
  const segments = segmentsOf(path)
  const wanted = method === "HEAD" ? "GET" : method
  const allow: Array<string> = []
  for (const row of rows) {
    const params = paramsOf(row, segments)
    if (params === undefined || (row.endpoint.access === "admin" && !hasAdmin)) continue
    if (row.endpoint.method === wanted) return { operation: row.operation, endpoint: row.endpoint, params }
    allow.push(row.endpoint.method)
  }
  return { allow }
}

/** The endpoint of a request, if there is one. */
export const operationOf = (method: string, path: string): Operation | undefined => {
  const found = match(method, path)
  return "operation" in found ? found.operation : undefined
}
