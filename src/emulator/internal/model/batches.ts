/**
 * Message Batches. They are carried out when they are due on the emulator's clock.
 */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { defaultPageLimit } from "../../../internal/wire/constants.ts"
import { Store, type StoreFailed } from "../../Store.ts"
import { RequestContext } from "../context.ts"
import { type Failure, timestamp } from "../files/operations.ts"
import { ApiError, envelope, internal, invalidRequest, notFound } from "../http/apiError.ts"
import type { MessageBatch } from "../http/endpoints.ts"
import * as Random from "../random.ts"
import type { Batch, Entry, Result } from "./batch.ts"
import { object } from "./json.ts"
import * as Messages from "./messages.ts"
import { Model } from "./model.ts"

const dayMillis = 24 * 60 * 60 * 1000

const maxRequests = 100_000

const Json = Schema.Record(Schema.String, Schema.Unknown)

/** The state of a batch that survives a restart. */
const Kept = Schema.fromJsonString(Schema.Struct({
  id: Schema.String,
  workspace: Schema.String,
  createdAt: Schema.Finite,
  endsAt: Schema.Finite,
  isBeta: Schema.Boolean,
  entries: Schema.Array(Schema.Struct({ customId: Schema.String, params: Schema.Unknown })),
  canceledAt: Schema.optional(Schema.Finite),
  endedAt: Schema.optional(Schema.Finite),
  results: Schema.Array(Schema.Struct({
    custom_id: Schema.String,
    result: Schema.StructWithRest(Schema.Struct({ type: Schema.String }), [Json])
  }))
}))

const decodeKept = Schema.decodeUnknownOption(Kept)

const keep = (batch: Batch): Effect.Effect<void, StoreFailed, Store> =>
  Effect.flatMap(Store, (store) => store.keepBatch(batch.id, JSON.stringify({ ...batch, settling: undefined })))

/** The batches that a store has kept, oldest first. */
export const restore = (store: Store["Service"]): Effect.Effect<Map<string, Batch>> =>
  Effect.gen(function*() {
    const texts = yield* store.takeBatches
    const kept = texts.flatMap((text) => Option.toArray(decodeKept(text)))
    if (kept.length < texts.length) {
      yield* Effect.logWarning(`${texts.length - kept.length} batches can't be read and are left out`)
    }
    const batches = kept.map((batch): Batch => ({
      ...batch,
      canceledAt: batch.canceledAt,
      endedAt: batch.endedAt,
      settling: Semaphore.makeUnsafe(1)
    }))
    return new Map(batches.sort((a, b) => a.createdAt - b.createdAt).map((batch) => [batch.id, batch]))
  })

type Needs = RequestContext | Store | Model | Scope.Scope

const runEntry = Effect.fnUntraced(function*({ customId, params }: Entry): Effect.fn.Return<Result, never, Needs> {
  const { requestId } = yield* RequestContext
  // Other requests run in between, so that a large batch does not block them.
  yield* Effect.yieldNow
  return yield* Messages.create(params, "batch").pipe(
    Effect.map(({ message }) => ({ custom_id: customId, result: { type: "succeeded", message } })),
    Effect.catch((error) =>
      Effect.succeed({
        custom_id: customId,
        result: { type: "errored", error: envelope(error instanceof ApiError ? error : internal(), requestId) }
      })
    )
  )
})

/**
 * Ends the batch if it is due: every request is then answered, unless it was canceled. Other requests for the batch wait
 * meanwhile, and an interrupted one leaves it complete.
 */
const settle = Effect.fnUntraced(function*(batch: Batch): Effect.fn.Return<Batch, never, Needs> {
  const context = yield* RequestContext
  const carryOut = Effect.gen(function*() {
    if (batch.endedAt !== undefined) return
    const canceledAt = batch.canceledAt
    if (canceledAt === undefined && context.now < batch.endsAt) return
    const results = canceledAt === undefined
      ? yield* Effect.forEach(batch.entries, runEntry).pipe(
        Effect.provideService(RequestContext, { ...context, isBeta: batch.isBeta })
      )
      : batch.entries.map(({ customId }) => ({ custom_id: customId, result: { type: "canceled" } }))
    batch.results = results
    batch.endedAt = canceledAt === undefined ? batch.endsAt : context.now
    // A batch that can't be stored is carried out again after a restart.
    yield* Effect.ignore(keep(batch), { log: true })
  })
  yield* batch.settling.withPermit(Effect.uninterruptible(carryOut))
  return batch
})

const find = Effect.fnUntraced(function*(id: string): Effect.fn.Return<Batch, ApiError, Needs> {
  const { workspace } = yield* RequestContext
  const { all } = (yield* Model).batches
  const batch = all.get(id)
  if (batch === undefined || batch.workspace !== workspace) return yield* notFound(`Message batch not found: ${id}`)
  return yield* settle(batch)
})

const statusOf = ({ canceledAt, endedAt }: Batch): MessageBatch["processing_status"] => {
  if (endedAt !== undefined) return "ended"
  return canceledAt === undefined ? "in_progress" : "canceling"
}

const timestampOf = (millis: number | undefined): string | null => millis === undefined ? null : timestamp(millis)

const toWire = (batch: Batch, baseUrl: string): MessageBatch => {
  const ended = batch.endedAt !== undefined
  const tally = (type: string) => batch.results.filter((entry) => entry.result.type === type).length
  return {
    id: batch.id,
    type: "message_batch",
    processing_status: statusOf(batch),
    request_counts: {
      processing: ended ? 0 : batch.entries.length,
      succeeded: tally("succeeded"),
      errored: tally("errored"),
      canceled: tally("canceled"),
      expired: 0
    },
    created_at: timestamp(batch.createdAt),
    expires_at: timestamp(batch.createdAt + dayMillis),
    ended_at: timestampOf(batch.endedAt),
    cancel_initiated_at: timestampOf(batch.canceledAt),
    archived_at: null,
    results_url: ended ? `${baseUrl}/v1/messages/batches/${batch.id}/results` : null
  }
}

const answer = Effect.fnUntraced(function*(batch: Batch): Effect.fn.Return<
  HttpServerResponse.HttpServerResponse,
  never,
  Needs
> {
  const { baseUrl } = yield* RequestContext
  return HttpServerResponse.jsonUnsafe(toWire(batch, baseUrl))
})

const entriesOf = Effect.fnUntraced(function*(body: unknown): Effect.fn.Return<ReadonlyArray<Entry>, ApiError> {
  const { requests } = object(body)
  if (!Array.isArray(requests)) return yield* invalidRequest("requests: Field required")
  if (requests.length === 0) return yield* invalidRequest("requests: at least one request is required")
  if (requests.length > maxRequests) return yield* invalidRequest(`requests: at most ${maxRequests} requests`)
  const seen = new Set<string>()
  const entries: Array<Entry> = []
  for (const [i, request] of requests.entries()) {
    const { custom_id: customId, params } = object(request)
    if (!Predicate.isString(customId) || !/^[a-zA-Z0-9_-]{1,64}$/.test(customId)) {
      return yield* invalidRequest(`requests.${i}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'`)
    }
    if (!Predicate.isObject(params)) return yield* invalidRequest(`requests.${i}.params: Field required`)
    if (seen.has(customId)) return yield* invalidRequest(`requests.${i}.custom_id: must be unique: ${customId}`)
    seen.add(customId)
    entries.push({ customId, params })
  }
  return entries
})

/** Creates a batch. Its answer is always in progress, as clients of the service see it. */
export const create = Effect.fnUntraced(function*(body: unknown): Effect.fn.Return<
  HttpServerResponse.HttpServerResponse,
  Failure,
  Needs
> {
  const { isBeta, now, workspace } = yield* RequestContext
  const { all, delayMillis } = (yield* Model).batches
  const batch: Batch = {
    entries: yield* entriesOf(body),
    id: yield* Random.identifier("msgbatch"),
    workspace,
    isBeta,
    createdAt: now,
    endsAt: now + delayMillis,
    settling: Semaphore.makeUnsafe(1),
    canceledAt: undefined,
    endedAt: undefined,
    results: []
  }
  yield* keep(batch)
  all.set(batch.id, batch)
  return yield* answer(batch)
})

export const get = Effect.fnUntraced(function*(id: string): Effect.fn.Return<
  HttpServerResponse.HttpServerResponse,
  Failure,
  Needs
> {
  return yield* answer(yield* find(id))
})

export const list = Effect.fnUntraced(function*(query: {
  readonly limit?: number
  readonly after_id?: string
  readonly before_id?: string
}): Effect.fn.Return<HttpServerResponse.HttpServerResponse, Failure, Needs> {
  const { baseUrl, workspace } = yield* RequestContext
  const { all } = (yield* Model).batches
  const newestFirst = [...all.values()].filter((batch) => batch.workspace === workspace).reverse()
  const limit = query.limit ?? defaultPageLimit
  const position = (id: string) => newestFirst.findIndex((batch) => batch.id === id)
  const cursor = query.after_id ?? query.before_id
  if (cursor !== undefined && position(cursor) === -1) return yield* notFound(`Message batch not found: ${cursor}`)
  const backwards = query.after_id === undefined && query.before_id !== undefined
  const end = backwards ? position(query.before_id ?? "") : newestFirst.length
  const start = backwards ? Math.max(0, end - limit) : position(query.after_id ?? "") + 1
  const page = newestFirst.slice(start, backwards ? end : start + limit)
  for (const batch of page) yield* settle(batch)
  return HttpServerResponse.jsonUnsafe({
    data: page.map((batch) => toWire(batch, baseUrl)),
    has_more: backwards ? start > 0 : start + limit < newestFirst.length,
    first_id: page[0]?.id ?? null,
    last_id: page.at(-1)?.id ?? null
  })
})

export const cancel = Effect.fnUntraced(function*(id: string): Effect.fn.Return<
  HttpServerResponse.HttpServerResponse,
  Failure,
  Needs
> {
  const { now } = yield* RequestContext
  const batch = yield* find(id)
  if (batch.endedAt !== undefined) {
    return yield* invalidRequest(`Message batch ${id} has ended and cannot be canceled.`)
  }
  yield* keep({ ...batch, canceledAt: now })
  batch.canceledAt = now
  return yield* answer(batch)
})

const remove = Effect.fnUntraced(function*(id: string): Effect.fn.Return<
  HttpServerResponse.HttpServerResponse,
  Failure,
  Needs
> {
  const { all } = (yield* Model).batches
  const batch = yield* find(id)
  if (batch.endedAt === undefined) {
    return yield* invalidRequest(`Message batch ${id} is still processing. Cancel it first.`)
  }
  yield* (yield* Store).dropBatch(id)
  all.delete(id)
  return HttpServerResponse.jsonUnsafe({ id, type: "message_batch_deleted" })
})

export { remove as delete }

export const results = Effect.fnUntraced(function*(id: string): Effect.fn.Return<
  HttpServerResponse.HttpServerResponse,
  Failure,
  Needs
> {
  const batch = yield* find(id)
  if (batch.endedAt === undefined) {
    return yield* notFound(`Message batch ${id} has not ended; it has no results yet.`)
  }
  return HttpServerResponse.text(batch.results.map((entry) => `${JSON.stringify(entry)}\n`).join(""), {
    contentType: "application/x-jsonl"
  })
})
