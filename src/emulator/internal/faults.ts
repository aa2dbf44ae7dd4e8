/**
 * Decides which faults hit a request.
 */
import type { Effect, Fault, Match } from "../Fault.ts"

export interface Target {
  readonly method: string
  readonly operation: string | undefined
  readonly path: string
}

export interface FaultEngine {
  readonly set: (faults: ReadonlyArray<Fault>) => void
  readonly add: (fault: Fault) => void
  readonly list: () => ReadonlyArray<Fault>
  /** What happens to this request. Every call counts as one request. */
  readonly hit: (target: Target) => ReadonlyArray<Effect>
}

/** mulberry32: small, and the same everywhere. Nothing here needs more than to be repeatable. */
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

const matches = (match: Match | undefined, target: Target): boolean =>
  match === undefined
  || ((match.method === undefined || match.method.toUpperCase() === target.method)
    && (match.operation === undefined || match.operation === target.operation)
    && (match.path === undefined || match.path === target.path))

const arm = (fault: Fault) => {
  const random = generator(fault.seed ?? 1)
  const times = fault.times === undefined ? 1 : fault.times ?? Infinity
  const probability = fault.probability ?? 1
  let skip = fault.after ?? 0
  let hits = 0
  return {
    fault,
    hit: (target: Target): boolean => {
      if (!matches(fault.match, target)) return false
      if (skip > 0) {
        skip--
        return false
      }
      if (hits >= times) return false
      if (probability < 1 && random() >= probability) return false
      hits++
      return true
    }
  }
}

const none: ReadonlyArray<Effect> = []

export const make = (initial: ReadonlyArray<Fault>): FaultEngine => {
  let armed = initial.map(arm)
  return {
    set: (faults) => {
      armed = faults.map(arm)
    },
    add: (fault) => {
      armed = [...armed, arm(fault)]
    },
    list: () => armed.map((entry) => entry.fault),
    hit: (target) =>
      armed.length === 0 ? none : armed.filter((entry) => entry.hit(target)).map((entry) => entry.fault.effect)
  }
}
