/**
 * The body of a batch, checked as far as possible before it is sent, because the service validates a batch's requests
 * only hours later, one by one. Bounds: the Message Batches API reference.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { RequestFailed } from "../../FilesError.ts"
import { invalidRequest } from "../request/errors.ts"
import { excerpt } from "../text.ts"
import { checkRequest } from "./request.ts"

/** The most requests in one batch. */
export const maxRequests = 100_000

/** The most bytes in one batch's body: 256 MB, as the service counts them. */
const maxBytes = 256_000_000

const customId = /^[a-zA-Z0-9_-]{1,64}$/

/** Whether a text can be the custom id of a request. */
export const isCustomId = (text: unknown): text is string => Predicate.isString(text) && customId.test(text)

const refuse = (message: string): RequestFailed => invalidRequest("createBatch", "requests", message)

const encoder = new TextEncoder()

/**
 * The body of a batch as JSON, or what is wrong with its requests.
 */
export const encodeBatch = Effect.fnUntraced(function*(
  requests: unknown
): Effect.fn.Return<Uint8Array, RequestFailed> {
  if (!Array.isArray(requests)) {
    return yield* refuse("The requests of a batch are not a list; expected for example [{ custom_id, params }].")
  }
  if (requests.length === 0) return yield* refuse("The batch is empty: it needs at least one request.")
  if (requests.length > maxRequests) {
    return yield* refuse(`A batch takes at most ${maxRequests} requests, not ${requests.length}: split it.`)
  }
  const seen = new Set<string>()
  const chunks: Array<Uint8Array> = [encoder.encode("{\"requests\":[")]
  let size = 0
  for (const [i, request] of requests.entries()) {
    const custom_id: unknown = Predicate.hasProperty(request, "custom_id") ? request.custom_id : undefined
    if (!isCustomId(custom_id)) {
      const given = custom_id === undefined ? "missing" : `“${excerpt(String(custom_id)).slice(0, 100)}”`
      return yield* refuse(`The custom_id of request ${i} is ${given}; expected 1 to 64 of a-z A-Z 0-9 _ -.`)
    }
    if (seen.has(custom_id)) {
      return yield* refuse(`The custom_id ${custom_id} occurs twice in the batch: make each one unique.`)
    }
    seen.add(custom_id)
    const params: unknown = Predicate.hasProperty(request, "params") ? request.params : undefined
    if (params === undefined) return yield* refuse(`The request ${custom_id} has no params.`)
    yield* checkRequest("createBatch", params, `The request ${custom_id}`)
    const chunk = yield* Effect.try({
      try: () => encoder.encode(`${i === 0 ? "" : ","}${JSON.stringify(request)}`),
      catch: () => refuse(`The request ${custom_id} contains a value that JSON can't express.`)
    })
    size += chunk.length
    if (size > maxBytes) {
      return yield* refuse(
        `A batch takes at most ${maxBytes / 1_000_000} MB, which request ${i + 1} of ${requests.length} exceeds: `
          + "split it."
      )
    }
    chunks.push(chunk)
  }
  chunks.push(encoder.encode("]}"))
  return Bytes.concat(chunks)
})
