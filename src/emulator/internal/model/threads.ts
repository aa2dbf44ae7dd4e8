/**
 * Conversations that the service keeps between turns: a request then sends only its new turn, and the id of the answer
 * before. The tool runner of the official SDK works this way.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { RequestContext } from "../context.ts"
import { type ApiError, invalidRequest, notFound } from "../http/apiError.ts"
import { type Json, object } from "./json.ts"

interface Thread {
  readonly workspace: string
  /** The request that was answered, all its turns included, without `thread`. */
  readonly request: Json
  /** The answer. */
  readonly content: ReadonlyArray<unknown>
  isContinued: boolean
}

/** Threads by the id of their last answer. */
export type Threads = Map<string, Thread>

/** How many threads are kept; the oldest are forgotten first. */
const maxThreads = 200

const previousOf = (thread: Json): string => String(thread.previous_message_id)

const messagesOf = (request: Json): ReadonlyArray<unknown> => Array.isArray(request.messages) ? request.messages : []

/** The whole request of a body, with the turns of its thread if it continues one. */
export const resume = Effect.fnUntraced(function*(
  threads: Threads,
  body: unknown
): Effect.fn.Return<unknown, ApiError, RequestContext> {
  if (!Predicate.isObject(body) || !Predicate.isObject(body.thread)) return body
  const { thread, ...request } = body
  const { type } = object(thread)
  if (type === "create") return request
  if (type !== "continue") return yield* invalidRequest("thread.type: Input should be 'create' or 'continue'")
  const { workspace } = yield* RequestContext
  const found = threads.get(previousOf(object(thread)))
  if (found === undefined || found.workspace !== workspace) {
    return yield* notFound("No thread state was found for `previous_message_id`.", "thread_not_found")
  }
  if (found.isContinued) {
    return yield* invalidRequest("This response has already been continued.", "thread_already_continued")
  }
  return {
    ...found.request,
    ...request,
    messages: [...messagesOf(found.request), { role: "assistant", content: found.content }, ...messagesOf(request)]
  }
})

/** Keeps the conversation for the next turn, if the request asks for that. */
export const keep = Effect.fnUntraced(function*(
  threads: Threads,
  body: unknown,
  whole: unknown,
  answer: { readonly id: string; readonly content: ReadonlyArray<unknown> }
): Effect.fn.Return<void, never, RequestContext> {
  const { thread } = object(body)
  if (!Predicate.isObject(thread)) return
  const { workspace } = yield* RequestContext
  const previous = threads.get(previousOf(thread))
  if (previous !== undefined) previous.isContinued = true
  threads.set(answer.id, { workspace, request: object(whole), content: answer.content, isContinued: false })
  const [oldest] = threads.keys()
  if (threads.size > maxThreads && oldest !== undefined) threads.delete(oldest)
})
