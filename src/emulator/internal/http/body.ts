/**
 * The body of a request: how much of it is read, and how long that may take.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type BodyError, RequestContext } from "../context.ts"
import { bodyTimeout, invalidRequest, tooLarge } from "./apiError.ts"

/** Deeper JSON than this is refused: what walks it by recursion would run out of stack. */
const maxDepth = 512

/** Follows the nesting of JSON over its bytes, chunk by chunk. */
const makeDepth = () => {
  let depth = 0
  let inString = false
  let escaped = false
  return (chunk: Uint8Array): number => {
    let deepest = depth
    for (const byte of chunk) {
      if (escaped) escaped = false
      else if (inString) {
        if (byte === 0x5c) escaped = true
        else if (byte === 0x22) inString = false
      } else if (byte === 0x22) inString = true
      else if (byte === 0x5b || byte === 0x7b) {
        depth++
        if (depth > deepest) deepest = depth
      } else if (byte === 0x5d || byte === 0x7d) depth--
    }
    return deepest
  }
}

const parse = Option.liftThrowable((text: string): unknown => JSON.parse(text))

const readText = Effect.fnUntraced(function*(
  maxBytes: number
): Effect.fn.Return<string, BodyError, RequestContext | Scope.Scope> {
  const { body } = yield* RequestContext
  const chunks: Array<string> = []
  const decoder = new TextDecoder()
  const depthOf = makeDepth()
  let size = 0
  const pull = yield* Stream.toPull(body)
  while (true) {
    const next = yield* pull.pipe(Pull.catchDone(() => Effect.undefined))
    if (next === undefined) return chunks.join("") + decoder.decode()
    for (const chunk of next) {
      size += chunk.byteLength
      if (size > maxBytes) return yield* tooLarge("Request exceeds the maximum size")
      if (depthOf(chunk) > maxDepth) return yield* invalidRequest("The request body is nested too deeply")
      chunks.push(decoder.decode(chunk, { stream: true }))
    }
  }
})

/**
 * The whole body as JSON, read no further than the limit. It has a time limit as a whole: a body that drips would
 * otherwise never end.
 */
export const readJson = Effect.fnUntraced(function*(
  maxBytes: number
): Effect.fn.Return<unknown, BodyError, RequestContext | Scope.Scope> {
  const { limits, notes } = yield* RequestContext
  const text = yield* readText(maxBytes).pipe(
    Effect.timeoutOrElse({ duration: limits.jsonTimeout, orElse: () => Effect.fail(bodyTimeout()) })
  )
  const body = parse(text)
  if (Option.isNone(body)) return yield* invalidRequest("The request body is not valid JSON")
  notes.json = text
  return body.value
})
