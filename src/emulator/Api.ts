/**
 * The routes that the emulator serves, as one `HttpApi`: it routes the requests, checks their parameters and emits the
 * OpenAPI document. Answers are written by hand, since their exact form on the wire is the point.
 */
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Multipart from "effect/http/Multipart"
import * as Schema from "effect/Schema"
import { DeletedFile, FileId, FileMetadata, FilePage } from "../FileMetadata.ts"
import { maxPageLimit } from "../internal/wire/constants.ts"

/** Every error, whatever its status. */
export const ErrorEnvelope = Schema.Struct({
  type: Schema.Literal("error"),
  error: Schema.Struct({
    type: Schema.String,
    message: Schema.String,
    details: Schema.optionalKey(Schema.Struct({ error_code: Schema.String }))
  }),
  request_id: Schema.String
}).annotate({ identifier: "ErrorEnvelope" })

const error = (status: number) => ErrorEnvelope.pipe(HttpApiSchema.status(status))

const badRequest = error(400)
const unauthorized = error(401)
const forbidden = error(403)
const notFound = error(404)
const tooLarge = error(413)
const rateLimited = error(429)

const common = [badRequest, unauthorized, forbidden, rateLimited] as const

const Limit = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxPageLimit }))

const upload = HttpApiEndpoint.post("upload", "/v1/files", {
  payload: Schema.Struct({
    file: Multipart.SingleFileSchema,
    expires_in_seconds: Schema.optionalKey(Schema.String),
    purpose: Schema.optionalKey(Schema.String)
  }).pipe(HttpApiSchema.asMultipartStream()),
  success: FileMetadata,
  error: [...common, tooLarge]
}).annotate(OpenApi.Summary, "Upload a file")

const list = HttpApiEndpoint.get("list", "/v1/files", {
  query: {
    limit: Schema.optionalKey(Limit),
    page: Schema.optionalKey(Schema.String),
    "ids[]": Schema.optionalKey(Schema.Array(Schema.String)),
    scope_id: Schema.optionalKey(Schema.String),
    after_id: Schema.optionalKey(Schema.String),
    before_id: Schema.optionalKey(Schema.String)
  },
  success: FilePage,
  error: common
}).annotate(OpenApi.Summary, "List files, newest first")

const metadata = HttpApiEndpoint.get("metadata", "/v1/files/:file_id", {
  params: { file_id: FileId },
  success: FileMetadata,
  error: [...common, notFound]
}).annotate(OpenApi.Summary, "What is known about a file")

const content = HttpApiEndpoint.get("content", "/v1/files/:file_id/content", {
  params: { file_id: FileId },
  success: HttpApiSchema.StreamUint8Array(),
  error: [...common, notFound]
}).annotate(OpenApi.Summary, "Download a file that a tool or a skill made")

const delete_ = HttpApiEndpoint.delete("delete", "/v1/files/:file_id", {
  params: { file_id: FileId },
  success: DeletedFile,
  error: [...common, notFound]
}).annotate(OpenApi.Summary, "Delete a file")

const files = HttpApiGroup.make("files").add(upload, list, metadata, content, delete_)

/** As much of a message request as is looked at. */
export const CreateMessage = Schema.Struct({
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

/** @see {@link CreateMessage:var} */
export type CreateMessage = typeof CreateMessage.Type

const createMessage = HttpApiEndpoint.post("createMessage", "/v1/messages", {
  payload: CreateMessage,
  success: Schema.Json,
  error: [...common, notFound, tooLarge]
}).annotate(OpenApi.Summary, "Ask about files; the emulator answers, no model does")

const countTokens = HttpApiEndpoint.post("countTokens", "/v1/messages/count_tokens", {
  payload: Schema.Json,
  success: Schema.Struct({ input_tokens: Schema.Natural }),
  error: [...common, tooLarge]
}).annotate(OpenApi.Summary, "Count the tokens of a request that has no file sources")

const messages = HttpApiGroup.make("messages").add(createMessage, countTokens)

/** A batch as it stands on the wire. */
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

const batchId = { message_batch_id: Schema.String }

const createBatch = HttpApiEndpoint.post("createBatch", "/v1/messages/batches", {
  payload: Schema.Struct({
    requests: Schema.Array(Schema.Struct({ custom_id: Schema.String, params: Schema.Json }))
  }),
  success: MessageBatch,
  error: [...common, tooLarge]
}).annotate(OpenApi.Summary, "Send many message requests at once")

const listBatches = HttpApiEndpoint.get("listBatches", "/v1/messages/batches", {
  query: {
    limit: Schema.optionalKey(Limit),
    after_id: Schema.optionalKey(Schema.String),
    before_id: Schema.optionalKey(Schema.String)
  },
  success: Schema.Struct({
    data: Schema.Array(MessageBatch),
    has_more: Schema.Boolean,
    first_id: Schema.NullOr(Schema.String),
    last_id: Schema.NullOr(Schema.String)
  }),
  error: common
}).annotate(OpenApi.Summary, "List batches, newest first")

const getBatch = HttpApiEndpoint.get("getBatch", "/v1/messages/batches/:message_batch_id", {
  params: batchId,
  success: MessageBatch,
  error: [...common, notFound]
}).annotate(OpenApi.Summary, "How far a batch has come")

const cancelBatch = HttpApiEndpoint.post("cancelBatch", "/v1/messages/batches/:message_batch_id/cancel", {
  params: batchId,
  success: MessageBatch,
  error: [...common, notFound]
}).annotate(OpenApi.Summary, "Stop a batch")

const deleteBatch = HttpApiEndpoint.delete("deleteBatch", "/v1/messages/batches/:message_batch_id", {
  params: batchId,
  success: Schema.Struct({ id: Schema.String, type: Schema.Literal("message_batch_deleted") }),
  error: [...common, notFound]
}).annotate(OpenApi.Summary, "Delete a batch that has ended")

const batchResults = HttpApiEndpoint.get("batchResults", "/v1/messages/batches/:message_batch_id/results", {
  params: batchId,
  success: HttpApiSchema.StreamUint8Array({ contentType: "application/x-jsonl" }),
  error: [...common, notFound]
}).annotate(OpenApi.Summary, "The results of a batch that has ended, one JSON object a line")

const batches = HttpApiGroup.make("batches").add(
  createBatch,
  listBatches,
  getBatch,
  cancelBatch,
  deleteBatch,
  batchResults
)

/**
 * The whole of what is served, the admin route aside.
 */
export class Api extends HttpApi.make("anthropic-files-emulator")
  .add(files, messages, batches)
  .annotateMerge(OpenApi.annotations({
    title: "Anthropic Files API, emulated",
    version: "2023-06-01",
    description:
      "The Files API and as much of Messages and Message Batches as files need. Send the key as `x-api-key` or as "
      + "`Authorization: Bearer`. The `anthropic-beta: files-api-2025-04-14` header selects the beta dialect.",
    transform: (document) => ({
      ...document,
      components: {
        ...document.components,
        securitySchemes: {
          apiKey: { type: "apiKey", in: "header", name: "x-api-key" },
          bearer: { type: "http", scheme: "bearer" }
        }
      },
      security: [{ apiKey: [] }, { bearer: [] }]
    })
  }))
{}

/** The name of an endpoint, as faults and recorded requests use it. */
export type Operation = (typeof operations)[number]["operation"]

interface RouteShape {
  readonly method: string
  readonly operation: string
  readonly pattern: RegExp
}

const shape = <const Identifier extends string>(endpoint: {
  readonly identifier: Identifier
  readonly method: string
  readonly path: string
}) => ({
  operation: endpoint.identifier,
  method: endpoint.method,
  pattern: new RegExp(`^${endpoint.path.replace(/:[a-z_]+/g, "[^/]+")}/?$`)
})

// Fixed paths come before the ones with a parameter, as a router would have it.
const operations = [
  shape(upload),
  shape(list),
  shape(content),
  shape(metadata),
  shape(delete_),
  shape(createMessage),
  shape(countTokens),
  shape(createBatch),
  shape(listBatches),
  shape(cancelBatch),
  shape(batchResults),
  shape(getBatch),
  shape(deleteBatch)
] as const

const shapes: ReadonlyArray<RouteShape> = operations

/** Which endpoint a request is for, if any. */
export const operationOf = (method: string, path: string): string | undefined =>
  shapes.find((route) => route.method === (method === "HEAD" ? "GET" : method) && route.pattern.test(path))?.operation

/** The methods that a path knows; empty for a path that does not exist. */
export const methodsOf = (path: string): ReadonlyArray<string> => [
  ...new Set(shapes.filter((route) => route.pattern.test(path)).map((route) => route.method))
]

/** The OpenAPI document of what is served. */
export const openApi = (): OpenApi.OpenAPISpec => OpenApi.fromApi(Api)
