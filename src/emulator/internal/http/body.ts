/**
 * Reads the bodies of requests, within limits of time and size.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Fault from "../../Fault.ts"
import { type BodyError, RequestContext } from "../context.ts"
import * as Faults from "../faults.ts"
import { bodyTimeout, ConnectionReset, invalidRequest, type RequestBodyFailed, tooLarge } from "./apiError.ts"

type BodyPull = Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, BodyError>

export interface Guards {
  /** A body that brings no byte for this long is not read on. */
  readonly idle: Duration.Duration
  /** The announced length, if the transport does not compare the body with it. */
  readonly declaredLength: number | undefined
  /** Whether the sender may reuse a chunk once the next one is pulled. */
  readonly reusesChunks: boolean
  readonly faults: ReadonlyArray<Fault.Fault>
}

export const broken = (description: string): ConnectionReset => new ConnectionReset({ description })

/** The body that a handler reads. */
export const guarded = (
  body: Stream.Stream<Uint8Array, RequestBodyFailed>,
  { declaredLength, faults, idle, reusesChunks }: Guards
): Stream.Stream<Uint8Array, BodyError> =>
  Stream.transformPull(body, (pull) =>
    Effect.sync(() => {
      const ending = Faults.endingAt(faults, "during")
      let received = 0
      const next: BodyPull = pull.pipe(
        Effect.timeoutOrElse({ duration: idle, orElse: () => Effect.fail(bodyTimeout()) }),
        Effect.flatMap((chunks): BodyPull => {
          for (const chunk of chunks) received += chunk.byteLength
          if (ending !== undefined && received >= (ending.after ?? 0)) {
            return Faults.end(ending, broken, "Reset while the body was sent")
          }
          if (declaredLength !== undefined && received > declaredLength) {
            return Effect.fail(broken("The body is longer than its content-length"))
          }
          return Effect.succeed(reusesChunks ? Arr.map(chunks, (chunk) => chunk.slice()) : chunks)
        })
      )
      if (declaredLength === undefined) return next
      return next.pipe(
        Pull.catchDone(() =>
          Effect.suspend((): BodyPull =>
            received === declaredLength
              ? Cause.done()
              : Effect.fail(broken("The body is shorter than its content-length"))
          )
        )
      )
    }))

/** JSON that is nested deeper is refused, since recursive functions would overflow the stack. */
const maxDepth = 512

/** Tracks the nesting of JSON over its bytes, chunk by chunk. */
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
  const decoder = new TextDecoder("utf-8", { fatal: true })
  const decode = (chunk?: Uint8Array) =>
    Effect.try({
      try: () => decoder.decode(chunk, { stream: chunk !== undefined }),
      catch: () => invalidRequest("The request body is not valid UTF-8")
    })
  const depthOf = makeDepth()
  let size = 0
  const pull = yield* Stream.toPull(body)
  while (true) {
    const next = yield* pull.pipe(Pull.catchDone(() => Effect.undefined))
    if (next === undefined) return chunks.join("") + (yield* decode())
    for (const chunk of next) {
      size += chunk.byteLength
      if (size > maxBytes) return yield* tooLarge("Request exceeds the maximum size")
      if (depthOf(chunk) > maxDepth) return yield* invalidRequest("The request body is nested too deeply")
      chunks.push(yield* decode(chunk))
    }
  }
})

/**
 * The whole body as JSON, up to the limit. The whole body has a time limit, since one that drips would never end.
 *
 * @param ifEmpty the value of an empty body, if it may be empty
 */
export const readJson = Effect.fnUntraced(function*(
  maxBytes: number,
  ifEmpty?: unknown
): Effect.fn.Return<unknown, BodyError, RequestContext | Scope.Scope> {
  const { limits, notes } = yield* RequestContext
  const text = yield* readText(maxBytes).pipe(
    Effect.timeoutOrElse({ duration: limits.jsonTimeout, orElse: () => Effect.fail(bodyTimeout()) })
  )
  if (text === "" && ifEmpty !== undefined) return ifEmpty
  const body = parse(text)
  if (Option.isNone(body)) return yield* invalidRequest("The request body is not valid JSON")
  notes.json = text
  return body.value
})
