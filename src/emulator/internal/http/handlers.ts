/**
 * The handlers of all endpoints.
 */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { RequestContext } from "../context.ts"
import * as Files from "../files/operations.ts"
import * as Batches from "../model/batches.ts"
import * as Events from "../model/events.ts"
import * as Messages from "../model/messages.ts"
import * as Models from "../model/models.ts"
import * as Admin from "./admin.ts"
import { readJson } from "./body.ts"
import type { Control } from "./control.ts"
import type { Handlers } from "./handler.ts"
import type { State } from "./state.ts"

const json = (body: unknown): HttpServerResponse.HttpServerResponse => HttpServerResponse.jsonUnsafe(body)

/** The body of a message request. */
const messageBody = Effect.flatMap(RequestContext, ({ limits }) => readJson(limits.maxJsonBytes))

const batchBody = Effect.flatMap(RequestContext, ({ limits }) => readJson(limits.maxBatchBytes))

/** Much more than a grant needs. */
const maxGrantBytes = 64 * 1024

const createMessage = Effect.fnUntraced(function*(state: State) {
  const body = yield* messageBody
  const answered = yield* Messages.create(body)
  const { now } = yield* RequestContext
  const { input_tokens: read, output_tokens: written } = answered.message.usage
  state.tokenLimit?.take(read + written, now)
  return answered.isStreamed
    ? HttpServerResponse.stream(Events.body(answered), {
      contentType: "text/event-stream; charset=utf-8",
      headers: { "cache-control": "no-cache" }
    })
    : json(answered.message)
})

/** The token endpoint answers errors in the form of RFC 6749, not in the envelope. */
const exchangeToken = (state: State) =>
  Effect.gen(function*() {
    const { betas, now } = yield* RequestContext
    const body = yield* readJson(maxGrantBytes)
    return yield* state.tokens.exchange(body, betas, state.organization, now).pipe(
      Effect.map(json),
      Effect.catchTag("Refusal", ({ description, error, status }) =>
        Effect.succeed(
          HttpServerResponse.jsonUnsafe({ error, error_description: description }, { status })
        ))
    )
  })

export const make = (state: State, control: Control): Handlers => ({
  ...Admin.make(control),
  health: () => Effect.succeed(json({ status: "ok" })),
  upload: () => Files.upload,
  list: ({ query }) => Files.list(query),
  metadata: ({ params }) => Files.metadata(params.file_id),
  content: ({ params }) => Files.content(params.file_id),
  delete: ({ params }) => Files.delete(params.file_id),
  createMessage: () => createMessage(state),
  countTokens: () => Effect.map(Effect.flatMap(messageBody, Messages.countTokens), json),
  createBatch: () => Effect.flatMap(batchBody, Batches.create),
  listBatches: ({ query }) => Batches.list(query),
  getBatch: ({ params }) => Batches.get(params.message_batch_id),
  cancelBatch: ({ params }) => Batches.cancel(params.message_batch_id),
  deleteBatch: ({ params }) => Batches.delete(params.message_batch_id),
  batchResults: ({ params }) => Batches.results(params.message_batch_id),
  listModels: ({ query }) => Effect.map(Models.list(query), json),
  getModel: ({ params }) => Effect.map(Models.get(params.model_id), json),
  token: () => exchangeToken(state)
})
