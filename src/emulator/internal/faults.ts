/**
 * Decides which faults hit a request, and applies them. The emulator and `testing/Faults` share all of it.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as Fault from "../Fault.ts"
import { cut } from "./cut.ts"

/** What a fault matches of a request. */
export interface Target {
  readonly method: string
  readonly operation: string | undefined
  readonly path: string
}

/** A fault, and how many requests it has hit. */
export interface Armed {
  readonly fault: Fault.Fault
  readonly hits: number
}

/** The faults of an emulator or of a policy, with their counts. */
export interface FaultEngine {
  /** Replaces all faults. Counts start at 0. */
  readonly set: (faults: ReadonlyArray<Fault.Fault>) => void
  readonly add: (fault: Fault.Fault) => void
  readonly list: () => ReadonlyArray<Armed>
  /** The faults that hit this request. Every call counts as one request. */
  readonly hit: (target: Target) => ReadonlyArray<Fault.Fault>
}

/** mulberry32: a small generator that gives the same numbers everywhere. */
export const generator = (seed: number) => {
  let state = seed >>> 0
  return (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

const matches = (match: Fault.Match | undefined, target: Target): boolean =>
  match === undefined
  || ((match.method === undefined || match.method.toUpperCase() === target.method)
    && (match.operation === undefined || match.operation === target.operation)
    && (match.path === undefined || match.path === target.path))

/** Whether the request goes on after the fault, so that other faults may hit it too. */
const onlySlows = (fault: Fault.Fault): boolean => fault._tag === "Latency" || fault._tag === "Drip"

const arm = (fault: Fault.Fault) => {
  const random = generator(fault.seed ?? 1)
  const times = fault.times === undefined ? 1 : fault.times ?? Infinity
  const probability = fault.probability ?? 1
  let toSkip = fault.skip ?? 0
  let hits = 0
  return {
    fault,
    hits: () => hits,
    /** @param isTaken another fault hits this request already, so this one waits for the next request */
    hit: (target: Target, isTaken: boolean): boolean => {
      if (!matches(fault.match, target)) return false
      if (toSkip > 0) {
        toSkip--
        return false
      }
      if (hits >= times || (isTaken && !onlySlows(fault))) return false
      if (probability < 1 && random() >= probability) return false
      hits++
      return true
    }
  }
}

const none: ReadonlyArray<Fault.Fault> = []

/** An engine that starts with these faults. */
export const make = (initial: ReadonlyArray<Fault.Fault>): FaultEngine => {
  let armed = initial.map(arm)
  return {
    set: (faults) => {
      armed = faults.map(arm)
    },
    add: (fault) => {
      armed = [...armed, arm(fault)]
    },
    list: () => armed.map(({ fault, hits }) => ({ fault, hits: hits() })),
    hit: (target) => {
      if (armed.length === 0) return none
      const hit: Array<Fault.Fault> = []
      let isTaken = false
      for (const entry of armed) {
        if (!entry.hit(target, isTaken)) continue
        hit.push(entry.fault)
        isTaken ||= !onlySlows(entry.fault)
      }
      return hit
    }
  }
}

/** A fault that ends a connection, or leaves it silent. */
type Ending = Fault.Reset | Fault.Stall

const isEnding = (fault: Fault.Fault): fault is Ending => fault._tag === "Reset" || fault._tag === "Stall"

/** The fault that ends the connection at this moment. */
export const endingAt = (faults: ReadonlyArray<Fault.Fault>, at: Fault.Moment): Ending | undefined =>
  faults.filter(isEnding).find((fault) => fault.at === at)

const answerAt = (faults: ReadonlyArray<Fault.Fault>, at: "before" | "after"): Fault.Answer | undefined =>
  faults.find((fault): fault is Fault.Answer => fault._tag === "Answer" && (fault.at ?? "before") === at)

/** How a fault is applied in one place: on a socket, in process, or over a client. */
export interface Place<Response, E> {
  /** The failure of a broken connection. */
  readonly reset: (description: string) => E
  /** The answer of a fault. */
  readonly answer: (fault: Fault.Answer) => Response
  /** Frees a response that is not passed on. */
  readonly discard: (response: Response) => Effect.Effect<void>
}

/** Never ends, for a stall, or fails, for a reset. */
export const end = <E>(
  fault: Ending,
  reset: (description: string) => E,
  description: string
): Effect.Effect<never, E> => fault._tag === "Stall" ? Effect.never : Effect.fail(reset(description))

/**
 * Applies faults to a request, except those within its bodies: see {@link endingAt} for the body of the request, and
 * {@link damage} for that of the response.
 *
 * @param send carries the request out
 */
export const applyFaults = Effect.fnUntraced(function*<Response, E, E2, R>(
  faults: ReadonlyArray<Fault.Fault>,
  place: Place<Response, E2>,
  send: Effect.Effect<Response, E, R>
): Effect.fn.Return<Response, E | E2, R> {
  for (const fault of faults) {
    if (fault._tag === "Latency") yield* Effect.sleep(fault.duration)
  }
  const before = endingAt(faults, "before")
  if (before !== undefined) return yield* end(before, place.reset, "Reset before the request was read")
  const early = answerAt(faults, "before")
  if (early !== undefined) return place.answer(early)

  const response = yield* send
  const after = endingAt(faults, "after")
  const late = answerAt(faults, "after")
  if (after === undefined && late === undefined) return response
  yield* place.discard(response)
  if (after !== undefined) return yield* end(after, place.reset, "Reset before the answer was sent")
  return late === undefined ? response : place.answer(late)
})

const pieces = (chunk: Uint8Array, size: number): ReadonlyArray<Uint8Array> => {
  const out: Array<Uint8Array> = []
  for (let at = 0; at < chunk.byteLength; at += size) out.push(chunk.subarray(at, at + size))
  return out
}

/** A response body after the faults. */
export interface Damaged {
  readonly body: Stream.Stream<Uint8Array, unknown>
  /** Whether the content-length of the whole body is still announced. */
  readonly keepsLength: boolean
}

/** Applies faults to a response body; `undefined` if none of them concerns it. */
export const damage = <E>(
  faults: ReadonlyArray<Fault.Fault>,
  body: Stream.Stream<Uint8Array, unknown>,
  reset: (description: string) => E
): Damaged | undefined => {
  let damaged: Damaged | undefined
  for (const fault of faults) {
    const { body: current, keepsLength } = damaged ?? { body, keepsLength: true }
    if (fault._tag === "Truncate") {
      damaged = { body: cut(current, fault.after, Stream.empty), keepsLength: fault.keepLength ?? true }
    } else if (fault._tag === "Drip") {
      const slow = current.pipe(
        Stream.flatMap((chunk) => Stream.fromIterable(pieces(chunk, fault.bytes), { chunkSize: 1 })),
        Stream.tap(() => Effect.sleep(fault.every))
      )
      damaged = { body: slow, keepsLength }
    } else if (isEnding(fault) && fault.at === "response") {
      const broken = Stream.fromEffect(end(fault, reset, "Reset while the answer was sent"))
      damaged = { body: cut(current, fault.after ?? 0, broken), keepsLength }
    }
  }
  return damaged
}
