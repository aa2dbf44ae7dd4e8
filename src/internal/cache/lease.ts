/**
 * Values in a store, and leases on them: only one holder at a time may change a value, among all processes that share the
 * store.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as RcMap from "effect/RcMap"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { token } from "../token.ts"
import type { Key } from "./keys.ts"
import { storeFailed, type UploadStore, type UploadStoreFailed } from "./store.ts"

/** A value, and for how long it may have been the note of something that was under way. */
interface Kept<V> {
  /** `undefined` if there is none, or if it can't be decoded. */
  readonly value: V | undefined
  /**
   * Until when the process that wrote the value held it, epoch milliseconds by its clock: when it released it without a last
   * value or, if it died, the end of its lease. 0 if that is not known.
   */
  readonly until: number
}

/** A value as it was read. */
export interface Cell<V> extends Kept<V> {
  /** Whether there is a record that can't be decoded, for example one torn by a crash. */
  readonly isTorn: boolean
  /** Writes another value. `false`, and nothing is written, if someone else has changed the value or holds it. */
  readonly put: (value: V | undefined) => Effect.Effect<boolean, UploadStoreFailed>
}

/** A value that nobody else may change. `value` and `until` are those of when it was claimed. */
export interface Lease<V> extends Kept<V> {
  /** Writes another value. `false`, and nothing is written, if someone else has taken over the lease. */
  readonly put: (value: V | undefined) => Effect.Effect<boolean, UploadStoreFailed>
  /** Writes the last value and releases the lease in one step. */
  readonly finish: (value: V | undefined) => Effect.Effect<boolean, UploadStoreFailed>
  /** Renews the lease; `false` if someone else has taken it over. */
  readonly renew: Effect.Effect<boolean, UploadStoreFailed>
}

export interface Leases {
  /** Reads the value, even if someone holds it. */
  readonly read: <V>(key: Key<V>) => Effect.Effect<Cell<V>, UploadStoreFailed>
  /**
   * Waits until nobody else holds the key, and holds it until the Scope closes. A holder that dies loses it after the
   * length of the lease.
   */
  readonly claim: <V>(key: Key<V>) => Effect.Effect<Lease<V>, UploadStoreFailed, Scope.Scope>
}

const Holder = Schema.Struct({
  token: Schema.String,
  /** Epoch milliseconds by the holder's clock. */
  until: Schema.Finite,
  /** Milliseconds. */
  length: Schema.Finite
})

type Holder = typeof Holder.Type

interface Entry<V> {
  readonly holder?: Holder
  readonly value?: V
  /** As in {@link Kept}; absent from a last value, and while the process that wrote the value holds it. */
  readonly until?: number
}

interface Codec<V> {
  readonly decode: (raw: string | undefined) => Entry<V>
  readonly encode: (kept: Partial<Kept<V>>, holder?: Holder) => string | undefined
}

const makeCodec = <V>(schema: Schema.Codec<V, unknown>): Codec<V> => {
  const codec = Schema.fromJsonString(Schema.Struct({
    holder: Schema.optionalKey(Holder),
    value: Schema.optionalKey(schema),
    until: Schema.optionalKey(Schema.Finite)
  }))
  const decode = Schema.decodeOption(codec)
  const encode = Schema.encodeSync(codec)
  return {
    decode: (raw) => {
      const found = raw === undefined ? undefined : decode(raw)
      // A record that can't be decoded, for example one torn by a crash, counts as none.
      return found?._tag === "Some" ? found.value : {}
    },
    encode: ({ until, value }, holder) =>
      value === undefined && holder === undefined ? undefined : encode({
        ...(holder === undefined ? undefined : { holder }),
        ...(value === undefined ? undefined : { value }),
        ...(value === undefined || until === undefined ? undefined : { until })
      })
  }
}

const codecs = new WeakMap<object, unknown>()

/** The codec of a key's schema, made only once. */
const codecOf = <V>({ schema }: Key<V>): Codec<V> => {
  const known = codecs.get(schema) as Codec<V> | undefined
  if (known !== undefined) return known
  const made = makeCodec(schema)
  codecs.set(schema, made)
  return made
}

/** The first and the longest wait between two reads of a value that another process holds. Milliseconds. */
const firstWait = 20
const longestWait = 500

/** A store that takes longer than this to answer has failed. */
const answerLimit = Duration.seconds(30)

const noAnswer = () =>
  storeFailed(`The upload store did not answer within ${Duration.format(answerLimit)}: check that it can be reached.`)

const answered = <A>(answer: Effect.Effect<A, UploadStoreFailed>): Effect.Effect<A, UploadStoreFailed> =>
  Effect.timeoutOrElse(answer, { duration: answerLimit, orElse: () => Effect.fail(noAnswer()) })

/** The record that a waiter sees, and since when it has not changed, by the monotonic clock. */
interface Sighting {
  readonly raw: string | undefined
  readonly since: bigint
}

const see = (clock: Clock.Clock, last: Sighting | undefined, raw: string | undefined): Sighting =>
  last !== undefined && last.raw === raw ? last : { raw, since: clock.monotonicTimeNanosUnsafe() }

/**
 * Whether a lease is still held. By the wall clock it is held until `until`. If that is further ahead than a renewal can
 * set it, a clock was set back, here or on the holder's machine. The lease then counts as held for as long as the waiter
 * sees that it is renewed.
 */
const isHeld = (clock: Clock.Clock, holder: Holder | undefined, { since }: Sighting): boolean => {
  if (holder === undefined) return false
  const left = holder.until - clock.currentTimeMillisUnsafe()
  if (left <= 0) return false
  // The clocks of two machines may differ by a lease.
  if (left <= 2 * holder.length) return true
  return clock.monotonicTimeNanosUnsafe() - since < BigInt(Math.ceil(holder.length)) * BigInt(1_000_000)
}

const keptIn = <V>({ holder, until, value }: Entry<V>): Kept<V> => ({ value, until: until ?? holder?.until ?? 0 })

/** A lease that was acquired, with the functions to write its value. */
interface Held<V> {
  readonly write: (
    next: () => Partial<Kept<V>>,
    encode: (kept: Partial<Kept<V>>) => string | undefined,
    isLast: boolean
  ) => Effect.Effect<boolean, UploadStoreFailed>
  readonly current: () => Partial<Kept<V>>
}

/** Writes one at a time, so that the store always holds the last write. */
const makeHeld = <V>(
  swap: (current: string | undefined, next: string | undefined) => Effect.Effect<boolean, UploadStoreFailed>,
  taken: { readonly raw: string | undefined; readonly kept: Kept<V> }
): Held<V> => {
  const turns = Semaphore.makeUnsafe(1)
  let raw = taken.raw
  let kept: Partial<Kept<V>> = taken.kept
  let isMine = true
  return {
    current: () => kept,
    write: (next, encode, isLast) =>
      Effect.uninterruptible(turns.withPermit(Effect.suspend(() => {
        if (!isMine) return Effect.succeed(false)
        const after = next()
        const afterRaw = encode(after)
        return Effect.map(swap(raw, afterRaw), (done) => {
          isMine = done && !isLast
          if (done) {
            raw = afterRaw
            kept = after
          }
          return done
        })
      })))
  }
}

export const make = Effect.fnUntraced(function*(
  store: UploadStore["Service"],
  length: Duration.Duration
): Effect.fn.Return<Leases, never, Scope.Scope> {
  // Within the process, fibers wait for a lock instead of polling the store.
  const locks = yield* RcMap.make<string, Semaphore.Semaphore, never, never>({ lookup: () => Semaphore.make(1) })
  const millis = Duration.toMillis(length)

  const read = <V>(key: Key<V>): Effect.Effect<Cell<V>, UploadStoreFailed> => {
    const { decode, encode } = codecOf(key)
    return Effect.map(answered(store.get(key.name)), (before): Cell<V> => {
      let raw = before
      const entry = decode(raw)
      const { holder, value } = entry
      return {
        ...keptIn(entry),
        isTorn: raw !== undefined && holder === undefined && value === undefined,
        put: (value) =>
          Effect.suspend(() => {
            if (holder !== undefined) return Effect.succeed(false)
            const after = encode({ value })
            return Effect.map(answered(store.swap(key.name, raw, after)), (done) => {
              if (done) raw = after
              return done
            })
          })
      }
    })
  }

  const claim = <V>(key: Key<V>): Effect.Effect<Lease<V>, UploadStoreFailed, Scope.Scope> =>
    Effect.gen(function*() {
      const { decode, encode } = codecOf(key)
      const clock = yield* Clock.Clock
      const lock = yield* RcMap.get(locks, key.name)
      yield* Effect.acquireRelease(lock.take(1), () => lock.release(1), { interruptible: true })

      const mark = yield* token
      const asHeld = (kept: Partial<Kept<V>>) =>
        encode(kept, { token: mark, until: clock.currentTimeMillisUnsafe() + millis, length: millis })
      const asLast = (kept: Partial<Kept<V>>) => encode(kept)
      const asLeft = ({ until = clock.currentTimeMillisUnsafe(), value }: Partial<Kept<V>>) => encode({ value, until })
      const swap = (current: string | undefined, next: string | undefined) =>
        answered(store.swap(key.name, current, next))

      const take = Effect.uninterruptibleMask(Effect.fnUntraced(function*(restore) {
        let sighting: Sighting | undefined
        for (let wait = firstWait;; wait = Math.min(wait * 2, longestWait)) {
          const before = yield* restore(answered(store.get(key.name)))
          const entry = decode(before)
          sighting = see(clock, sighting, before)
          if (!isHeld(clock, entry.holder, sighting)) {
            const kept = keptIn(entry)
            const raw = asHeld(kept)
            if (yield* swap(before, raw)) {
              const held = makeHeld(swap, { raw, kept })
              yield* Effect.addFinalizer(() =>
                Effect.catch(
                  held.write(held.current, asLeft, true),
                  (error) => Effect.logWarning("A lease could not be released; it expires by itself", error)
                )
              )
              return { held, kept }
            }
          }
          yield* restore(Effect.sleep(wait))
        }
      }))
      const { held, kept } = yield* take
      const renew = held.write(held.current, asHeld, false)
      yield* Effect.forkScoped(Effect.forever(Effect.delay(Effect.ignore(renew), millis / 3)))

      return {
        ...kept,
        put: (value: V | undefined) => held.write(() => ({ value }), asHeld, false),
        finish: (value: V | undefined) => held.write(() => ({ value }), asLast, true),
        renew
      }
    })

  return { read, claim }
})
