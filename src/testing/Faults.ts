/**
 * The emulator's faults over any `HttpClient`: latency, resets, stalls, truncation, storms of 429. The values are those
 * of `emulator/Fault`, so that what was tried in process can be done to a server too.
 *
 * Waiting is the `Clock`'s, chance is the `Random` of the context in which the Layer is built: under `TestClock` and
 * `Random.withSeed` a run repeats itself to the letter.
 */
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import { operationOf } from "../emulator/Api.ts"
import type * as Fault from "../emulator/Fault.ts"
import { cut } from "../emulator/internal/cut.ts"
import * as Engine from "../emulator/internal/faults.ts"
import type { Policy } from "../Policy.ts"
import { connectionReset, through, transportError, type Try, urlOf } from "./internal/request.ts"
import { respond } from "./internal/response.ts"

/** From `/v1/` on: a base URL may have a path of its own. */
const pathOf = (url: URL): string => url.pathname.slice(Math.max(0, url.pathname.indexOf("/v1/")))

const split = (chunk: Uint8Array, size: number): ReadonlyArray<Uint8Array> => {
  const pieces: Array<Uint8Array> = []
  for (let at = 0; at < chunk.length; at += size) pieces.push(chunk.subarray(at, at + size))
  return pieces
}

type Request = HttpClientRequest.HttpClientRequest

type Response = HttpClientResponse.HttpClientResponse

/** What faults do to an answer on its way up. */
const spoil = (request: Request, response: Response, effects: ReadonlyArray<Fault.Effect>): Response => {
  let body: Stream.Stream<Uint8Array, unknown> = response.stream
  let isSpoilt = false
  let keepLength = true
  for (const effect of effects) {
    if (effect._tag === "Truncate") {
      body = cut(body, effect.keepBytes, Stream.empty)
      keepLength = effect.keepLength ?? true
    } else if (effect._tag === "Drip") {
      body = body.pipe(
        Stream.flatMap((chunk) => Stream.fromIterable(split(chunk, effect.bytes), { chunkSize: 1 })),
        Stream.tap(() => Effect.sleep(effect.millis))
      )
    } else if (effect._tag === "Reset" && effect.when === "response") {
      body = cut(body, effect.afterBytes ?? 0, Stream.fail(connectionReset("Reset while the answer came")))
    } else if (effect._tag === "Stall" && effect.when === "response") {
      body = cut(body, effect.afterBytes ?? 0, Stream.never)
    } else continue
    isSpoilt = true
  }
  if (!isSpoilt) return response
  const { "content-length": length, ...headers } = response.headers
  return respond(request, {
    status: response.status,
    headers: keepLength && length !== undefined ? { ...headers, "content-length": length } : headers,
    body
  })
}

const encoder = new TextEncoder()

const answer = (request: Request, effect: typeof Fault.Answer.Type): Response => {
  const body = effect.body ?? JSON.stringify({
    type: "error",
    error: {
      type: effect.type ?? "api_error",
      message: effect.message ?? "Internal server error",
      ...(effect.errorCode === undefined ? undefined : { details: { error_code: effect.errorCode } })
    },
    request_id: "req_fault"
  })
  const bytes = encoder.encode(body)
  return respond(request, {
    status: effect.status,
    headers: {
      "content-type": effect.contentType ?? "application/json",
      "content-length": String(bytes.length),
      "request-id": "req_fault",
      ...effect.headers
    },
    body: bytes
  })
}

/** Takes the first bytes of a request body off its source, and sends nothing. */
const take = (request: Request, bytes: number): Effect.Effect<void, HttpClientError.HttpClientError> => {
  const { body } = request
  if (body._tag !== "Stream") return Effect.void
  let taken = 0
  return Stream.runForEachWhile(body.stream, (chunk) => Effect.sync(() => (taken += chunk.length) < bytes)).pipe(
    Effect.mapError((cause) => transportError(request, cause))
  )
}

const endAt = (effects: ReadonlyArray<Fault.Effect>, when: typeof Fault.Reset.Type["when"]) =>
  effects.find((effect) => (effect._tag === "Reset" || effect._tag === "Stall") && effect.when === when)

/** A connection that is reset, or one on which nothing comes any more. */
const end = (
  request: Request,
  effect: Fault.Effect,
  what: string
): Effect.Effect<never, HttpClientError.HttpClientError> =>
  effect._tag === "Stall" ? Effect.never : Effect.fail(transportError(request, connectionReset(what)))

const suffer = (request: Request, effects: ReadonlyArray<Fault.Effect>, send: (request: Request) => Try): Try =>
  Effect.gen(function*() {
    for (const effect of effects) {
      if (effect._tag === "Latency") yield* Effect.sleep(effect.millis)
    }
    const before = endAt(effects, "before")
    if (before !== undefined) return yield* end(request, before, "Reset before the request was sent")
    const early = effects.find((effect) => effect._tag === "Answer" && effect.when !== "after")
    if (early?._tag === "Answer") return answer(request, early)
    const during = endAt(effects, "during")
    if (during !== undefined) {
      yield* take(request, "afterBytes" in during ? during.afterBytes ?? 0 : 0)
      return yield* end(request, during, "Reset while the request was sent")
    }
    const response = yield* send(request)
    const after = endAt(effects, "after")
    const late = effects.find((effect) => effect._tag === "Answer" && effect.when === "after")
    if (after === undefined && late?._tag !== "Answer") return spoil(request, response, effects)
    // The connection is let go of.
    yield* Effect.ignore(Stream.runDrain(response.stream))
    if (after !== undefined) return yield* end(request, after, "Reset before the answer came")
    return late?._tag === "Answer" ? spoil(request, answer(request, late), effects) : response
  })

/**
 * A policy that does what the faults say. It belongs innermost, where the network is:
 * `Policy.stack(Policy.standard(), Faults.layer(Fault.rateLimited(1, { times: 20 })))`.
 *
 * A fault without a `seed` gets one from `Random`. Of a request that breaks in the middle nothing is sent at all.
 */
export const layer = (...faults: ReadonlyArray<Fault.Fault>): Policy =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      const seeded = yield* Effect.forEach(
        faults,
        (fault) =>
          fault.seed === undefined ? Effect.map(Random.nextInt, (seed) => ({ ...fault, seed })) : Effect.succeed(fault)
      )
      const engine = Engine.make(seeded)
      return through(client, (request, send) =>
        Effect.suspend(() => {
          const path = pathOf(urlOf(request))
          const effects = engine.hit({ method: request.method, operation: operationOf(request.method, path), path })
          return effects.length === 0 ? send(request) : suffer(request, effects, send)
        }))
    })
  )
