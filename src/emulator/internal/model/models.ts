/**
 * The listing of models.
 */
import * as Effect from "effect/Effect"
import { defaultPageLimit } from "../../../internal/wire/constants.ts"
import { RequestContext } from "../context.ts"
import { timestamp } from "../files/operations.ts"
import { type ApiError, notFound } from "../http/apiError.ts"
import type { ModelInfo } from "../http/endpoints.ts"
import { Model } from "./model.ts"

/** Listed if no models are given. Requests then still take any name. */
const usual = ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"]

const lines = ["haiku", "sonnet", "opus", "fable", "mythos"] as const

/** `Claude Opus 5.5` for `claude-opus-5-5`. */
const displayName = (id: string): string =>
  id.replace(/(\d)-(?=\d)/g, "$1.").split("-").map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(" ")

/** The date of every model, since the emulator does not know the real ones. */
const createdAt = Date.UTC(2026, 0, 1)

const toWire = (id: string, contextWindow: number): ModelInfo => ({
  id,
  type: "model",
  display_name: displayName(id),
  created_at: timestamp(createdAt),
  capabilities: null,
  deprecated_at: null,
  lifecycle: "active",
  line: lines.find((line) => id.includes(line)) ?? null,
  max_input_tokens: contextWindow,
  max_tokens: null,
  retires_at: null
})

type Needs = RequestContext | Model

const all = Effect.gen(function*() {
  const { limits } = yield* RequestContext
  const { models } = yield* Model
  return (models ?? usual).map((id) => toWire(id, limits.contextWindow))
})

/** A page of models. */
export const list = Effect.fnUntraced(function*(query: {
  readonly limit?: number
  readonly after_id?: string
  readonly before_id?: string
}): Effect.fn.Return<unknown, never, Needs> {
  const models = yield* all
  const limit = query.limit ?? defaultPageLimit
  const position = (id: string | undefined) => models.findIndex((model) => model.id === id)
  const end = position(query.before_id)
  const isBackwards = query.after_id === undefined && end !== -1
  const start = isBackwards ? Math.max(0, end - limit) : position(query.after_id) + 1
  const page = models.slice(start, isBackwards ? end : start + limit)
  return {
    data: page,
    has_more: isBackwards ? start > 0 : start + limit < models.length,
    first_id: page[0]?.id ?? null,
    last_id: page.at(-1)?.id ?? null
  }
})

/** One model. Without a list of models, any name that looks like one exists. */
export const get = Effect.fnUntraced(function*(id: string): Effect.fn.Return<ModelInfo, ApiError, Needs> {
  const { limits } = yield* RequestContext
  const { models } = yield* Model
  const isThere = models === undefined ? id.startsWith("claude-") : models.includes(id)
  return isThere ? toWire(id, limits.contextWindow) : yield* notFound(`model: ${id}`)
})
