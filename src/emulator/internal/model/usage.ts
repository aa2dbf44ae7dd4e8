/**
 * The usage of a request: tokens of the prompt, and how many of them were cached.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Sha256 from "../../../internal/sha256.ts"
import type { Store, StoreFailed } from "../../Store.ts"
import { RequestContext } from "../context.ts"
import type { Attachment } from "./attachments.ts"
import type { ModelRequest } from "./request.ts"

/** Tokens of a prompt. */
export interface PromptTokens {
  /** All tokens of the prompt. */
  readonly total: number
  /** Read from the cache. */
  readonly cacheRead: number
  /** Written to the cache, by lifetime. */
  readonly cacheWritten: { readonly fiveMinutes: number; readonly hour: number }
}

/** Cached prompts: the hash of everything before a mark, with the time at which it expires. */
export type PromptCache = Map<string, number>

/** Shorter prompts are not cached, as the service documents. */
const minCachedTokens = 1024

/** Tokens besides the content of a prompt. */
const overhead = 8

const perToken = 4

interface Mark {
  readonly hash: string
  readonly tokens: number
  readonly millis: number
}

/** Counts the tokens of a prompt, and those that were cached; then caches the prompt. */
export const count = Effect.fnUntraced(function*(
  request: Pick<ModelRequest, "model" | "segments">,
  attachments: ReadonlyArray<Attachment>,
  cache: PromptCache
): Effect.fn.Return<PromptTokens, StoreFailed, RequestContext | Store | Scope.Scope> {
  const { now, workspace } = yield* RequestContext
  const isMarked = request.segments.some((segment) => segment.cacheMillis !== undefined)
  const marks: Array<Mark> = []
  let seen = ""
  let characters = 0
  let ofFiles = 0
  for (const segment of request.segments) {
    characters += segment.characters
    for (const reference of segment.references) ofFiles += yield* attachments[reference]?.tokens ?? Effect.succeed(0)
    if (!isMarked) continue
    // Hashing the hash so far covers everything before this segment.
    seen = Sha256.ofLines(seen, JSON.stringify(segment.value, withoutMark))
    const tokens = Math.ceil(characters / perToken) + ofFiles
    if (segment.cacheMillis !== undefined && tokens >= minCachedTokens) {
      marks.push({ hash: `${workspace} ${request.model} ${seen}`, tokens, millis: segment.cacheMillis })
    }
  }
  const total = Math.ceil(characters / perToken) + ofFiles + overhead
  const isKnown = (mark: Mark) => (cache.get(mark.hash) ?? 0) > now
  const cacheRead = marks.findLast(isKnown)?.tokens ?? 0
  const written = { fiveMinutes: 0, hour: 0 }
  let before = cacheRead
  for (const { hash, millis, tokens } of marks) {
    cache.set(hash, now + millis)
    if (tokens <= before) continue
    written[millis > 300_000 ? "hour" : "fiveMinutes"] += tokens - before
    before = tokens
  }
  forget(cache, now)
  return { total, cacheRead, cacheWritten: written }
})

/** Marks may move between calls, so they are not part of the hash. */
const withoutMark = (key: string, value: unknown): unknown => key === "cache_control" ? undefined : value

/** Expired entries are removed once the cache has this many. */
const maxEntries = 10_000

const forget = (cache: PromptCache, now: number) => {
  if (cache.size <= maxEntries) return
  for (const [hash, end] of cache) {
    if (end <= now || cache.size > maxEntries) cache.delete(hash)
  }
}

/** The `usage` of an answer. */
export interface Usage {
  readonly input_tokens: number
  readonly output_tokens: number
  readonly cache_creation_input_tokens: number
  readonly cache_read_input_tokens: number
  readonly cache_creation: { readonly ephemeral_5m_input_tokens: number; readonly ephemeral_1h_input_tokens: number }
  readonly inference_geo: null
  readonly output_tokens_details: null
  readonly server_tool_use: null
  readonly service_tier: "standard" | "batch"
  readonly speed: null
}

/** The `usage` of an answer of so many tokens. */
export const toWire = (
  { cacheRead, cacheWritten: { fiveMinutes, hour }, total }: PromptTokens,
  outputTokens: number,
  serviceTier: Usage["service_tier"]
): Usage => ({
  // The service counts here only the tokens after the last mark.
  input_tokens: total - cacheRead - fiveMinutes - hour,
  output_tokens: outputTokens,
  cache_creation_input_tokens: fiveMinutes + hour,
  cache_read_input_tokens: cacheRead,
  cache_creation: { ephemeral_5m_input_tokens: fiveMinutes, ephemeral_1h_input_tokens: hour },
  inference_geo: null,
  output_tokens_details: null,
  server_tool_use: null,
  service_tier: serviceTier,
  speed: null
})

/** What the `usage` of a request with a beta has besides. */
export const betaFields = { fallback_credit: null, iterations: null }
