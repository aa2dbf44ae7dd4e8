/**
 * The handlers of the `Api`.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Api } from "../../Api.ts"
import type { Store } from "../../Store.ts"
import { type BodyError, RequestContext } from "../context.ts"
import * as FilesRoutes from "../files/operations.ts"
import * as Batches from "../model/batches.ts"
import * as Messages from "../model/messages.ts"
import {
  ApiError,
  ConnectionReset,
  internal,
  invalidRequest,
  RequestBodyFailed,
  tooLarge,
  toResponse
} from "./apiError.ts"

type Response = HttpServerResponse.HttpServerResponse

/**
 * Turns a failure into its answer. A broken connection has none: it passes through as a defect, since an `HttpApi`
 * handler has no place for it, and the outermost layer takes it up again.
 */
const respond = <R>(
  handler: Effect.Effect<Response, FilesRoutes.Failure, R>
): Effect.Effect<Response, never, R | RequestContext> =>
  Effect.catch(handler, (error) => {
    if (error instanceof ConnectionReset || error instanceof RequestBodyFailed) return Effect.die(error)
    return Effect.gen(function*() {
      const { requestId } = yield* RequestContext
      if (error instanceof ApiError) return toResponse(error, requestId)
      yield* Effect.logError("The emulator's store failed", error)
      return toResponse(internal(), requestId)
    })
  })

/** The whole body as JSON, read no further than the limit. */
const readJson: Effect.Effect<unknown, BodyError, RequestContext | Scope.Scope> = Effect.gen(function*() {
  const context = yield* RequestContext
  const chunks: Array<Uint8Array> = []
  let size = 0
  const pull = yield* Stream.toPull(context.body)
  while (true) {
    const next = yield* pull.pipe(Pull.catchDone(() => Effect.undefined))
    if (next === undefined) break
    for (const chunk of next) {
      size += chunk.byteLength
      if (size > context.limits.maxJsonBytes) return yield* tooLarge("Request exceeds the maximum size")
      chunks.push(chunk)
    }
  }
  const decoder = new TextDecoder()
  const text = chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("") + decoder.decode()
  const body: unknown = yield* Effect.try({
    try: () => JSON.parse(text),
    catch: () => invalidRequest("The request body is not valid JSON")
  })
  context.notes.json = body
  return body
})

const encoder = new TextEncoder()

const serverSentEvents = (events: ReadonlyArray<{ readonly type: string }>): Response =>
  HttpServerResponse.stream(
    Stream.fromIterable(
      events.map((event) => encoder.encode(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)),
      { chunkSize: 1 }
    ),
    { contentType: "text/event-stream; charset=utf-8", headers: { "cache-control": "no-cache" } }
  )

const FilesGroup = HttpApiBuilder.group(Api, "files", (handlers) =>
  handlers
    .handleRaw("upload", () => respond(FilesRoutes.upload))
    .handleRaw("list", ({ query }) => respond(FilesRoutes.list(query)))
    .handleRaw("metadata", ({ params }) => respond(FilesRoutes.metadata(params.file_id)))
    .handleRaw("content", ({ params }) => respond(FilesRoutes.content(params.file_id)))
    .handleRaw("delete", ({ params }) => respond(FilesRoutes.delete(params.file_id))))

const MessagesGroup = HttpApiBuilder.group(Api, "messages", (handlers) =>
  handlers
    .handleRaw("createMessage", () =>
      respond(Effect.gen(function*() {
        const body = yield* readJson
        const message = yield* Messages.create(body)
        return Messages.wantsStream(body)
          ? serverSentEvents(Messages.events(message))
          : HttpServerResponse.jsonUnsafe(message)
      })))
    .handleRaw("countTokens", () =>
      respond(readJson.pipe(
        Effect.flatMap(Messages.countTokens),
        Effect.map((count) => HttpServerResponse.jsonUnsafe(count))
      ))))

const BatchesGroup = HttpApiBuilder.group(Api, "batches", (handlers) =>
  handlers
    .handleRaw("createBatch", () => respond(Effect.flatMap(readJson, Batches.create)))
    .handleRaw("listBatches", ({ query }) => respond(Batches.list(query)))
    .handleRaw("getBatch", ({ params }) => respond(Batches.get(params.message_batch_id)))
    .handleRaw("cancelBatch", ({ params }) => respond(Batches.cancel(params.message_batch_id)))
    .handleRaw("deleteBatch", ({ params }) => respond(Batches.delete(params.message_batch_id)))
    .handleRaw("batchResults", ({ params }) => respond(Batches.results(params.message_batch_id))))

/** Everything that a handler may ask for. */
export type Requirements = RequestContext | Store | Batches.Batches

/** All routes, ready to be turned into one effect per request. */
export const layer = HttpApiBuilder.layer(Api).pipe(Layer.provide([FilesGroup, MessagesGroup, BatchesGroup]))
