/**
 * Message Batches: kept in memory, and carried out when their time has come on the emulator's clock.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import { defaultPageLimit } from "../../../internal/wire/constants.ts"
import type { Store } from "../../Store.ts"
import { RequestContext } from "../context.ts"
import { type Failure, timestamp } from "../files/operations.ts"
import { ApiError, envelope, internal, invalidRequest, notFound } from "../http/apiError.ts"
import type { MessageBatch } from "../http/endpoints.ts"
import * as Random from "../random.ts"
import * as Messages from "./messages.ts"

interface Entry {
  readonly customId: string
  readonly params: unknown
}

interface Batch {
  readonly id: string
  readonly workspace: string
  readonly createdAt: number
  readonly endsAt: number
  readonly entries: ReadonlyArray<Entry>
  canceledAt: number | undefined
  endedAt: number | undefined
  /** One JSON object each, once the batch has ended. */
  results: ReadonlyArray<{ readonly custom_id: string; readonly result: { readonly type: string } }>
}

/** The batches of an emulator. */
export class Batches extends Context.Service<Batches, {
  readonly all: Map<string, Batch>
  readonly delayMillis: number
}>()("effect-anthropic-files/emulator/Batches") {}

const dayMillis = 24 * 60 * 60 * 1000

const maxRequests = 100_000

type Needs = RequestContext | Store | Batches | Scope.Scope

const runEntry = (entry: Entry, canceled: boolean) =>
  Effect.gen(function*() {
    if (canceled) return { custom_id: entry.customId, result: { type: "canceled" } }
    const context = yield* RequestContext
    return yield* Messages.create(entry.params, "batch").pipe(
      Effect.map((message) => ({ custom_id: entry.customId, result: { type: "succeeded", message } })),
      Effect.catch((error) =>
        Effect.succeed({
          custom_id: entry.customId,
          result: {
            type: "errored",
            error: envelope(error instanceof ApiError ? error : internal(), context.requestId)
          }
        })
      )
    )
  })

/** Lets the batch end if its time has come: then every request is answered, or was cancelled before. */
const settle = Effect.fnUntraced(function*(batch: Batch): Effect.fn.Return<Batch, never, Needs> {
  const { now } = yield* RequestContext
  if (batch.endedAt !== undefined) return batch
  const canceled = batch.canceledAt !== undefined
  if (!canceled && now < batch.endsAt) return batch
  // Marked first, so that a second look at the same batch does not carry it out again.
  batch.endedAt = canceled ? now : batch.endsAt
  batch.results = yield* Effect.forEach(batch.entries, (entry) => runEntry(entry, canceled))
  return batch
})

const find = Effect.fnUntraced(function*(id: string): Effect.fn.Return<Batch, ApiError, Needs> {
  const { workspace } = yield* RequestContext
  const { all } = yield* Batches
  const batch = all.get(id)
  if (batch === undefined || batch.workspace !== workspace) return yield* notFound(`Message batch not found: ${id}`)
  return yield* settle(batch)
})

const toWire = (batch: Batch, baseUrl: string): MessageBatch => {
  const ended = batch.endedAt !== undefined
  const tally = (type: string) => batch.results.filter((entry) => entry.result.type === type).length
  return {
    id: batch.id,
    type: "message_batch",
    processing_status: ended ? "ended" : batch.canceledAt === undefined ? "in_progress" : "canceling",
    request_counts: {
      processing: ended ? 0 : batch.entries.length,
      succeeded: tally("succeeded"),
      errored: tally("errored"),
      canceled: tally("canceled"),
      expired: 0
    },
    created_at: timestamp(batch.createdAt),
    expires_at: timestamp(batch.createdAt + dayMillis),
    ended_at: batch.endedAt === undefined ? null : timestamp(batch.endedAt),
    cancel_initiated_at: batch.canceledAt === undefined ? null : timestamp(batch.canceledAt),
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
  const requests = Predicate.isObject(body) ? (body as { readonly requests?: unknown }).requests : undefined
  if (!Array.isArray(requests)) return yield* invalidRequest("requests: Field required")
  if (requests.length === 0) return yield* invalidRequest("requests: at least one request is required")
  if (requests.length > maxRequests) return yield* invalidRequest(`requests: at most ${maxRequests} requests`)
  const seen = new Set<string>()
  const entries: Array<Entry> = []
  for (const [i, request] of requests.entries()) {
    const { custom_id: customId, params } = (Predicate.isObject(request) ? request : {}) as {
      readonly custom_id?: unknown
      readonly params?: unknown
    }
    if (typeof customId !== "string" || !/^[a-zA-Z0-9_-]{1,64}$/.test(customId)) {
      return yield* invalidRequest(`requests.${i}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'`)
    }
    if (!Predicate.isObject(params)) return yield* invalidRequest(`requests.${i}.params: Field required`)
    if (seen.has(customId)) return yield* invalidRequest(`requests.${i}.custom_id: must be unique: ${customId}`)
    seen.add(customId)
    entries.push({ customId, params })
  }
  return entries
})

export const create = Effect.fnUntraced(function*(body: unknown): Effect.fn.Return<
  HttpServerResponse.HttpServerResponse,
  Failure,
  Needs
> {
  const context = yield* RequestContext
  const { all, delayMillis } = yield* Batches
  const batch: Batch = {
    entries: yield* entriesOf(body),
    id: yield* Random.identifier("msgbatch"),
    workspace: context.workspace,
    createdAt: context.now,
    endsAt: context.now + delayMillis,
    canceledAt: undefined,
    endedAt: undefined,
    results: []
  }
  all.set(batch.id, batch)
  // Even one that ends at once is first seen in progress, as clients of the service see it.
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
  const { all } = yield* Batches
  const newestFirst = [...all.values()].filter((batch) => batch.workspace === workspace).reverse()
  const limit = query.limit ?? defaultPageLimit
  const position = (id: string) => newestFirst.findIndex((batch) => batch.id === id)
  const cursor = query.after_id ?? query.before_id
  if (cursor !== undefined && position(cursor) === -1) return yield* notFound(`Message batch not found: ${cursor}`)
  const backwards = query.after_id === undefined && query.before_id !== undefined
  const end = backwards ? position(query.before_id ?? "") : newestFirst.length
  const start = backwards
    ? Math.max(0, end - limit)
    : query.after_id === undefined
    ? 0
    : position(query.after_id) + 1
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
  batch.canceledAt = now
  return yield* answer(batch)
})

const remove = Effect.fnUntraced(function*(id: string): Effect.fn.Return<
  HttpServerResponse.HttpServerResponse,
  Failure,
  Needs
> {
  const { all } = yield* Batches
  const batch = yield* find(id)
  if (batch.endedAt === undefined) {
    return yield* invalidRequest(`Message batch ${id} is still processing. Cancel it first.`)
  }
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
