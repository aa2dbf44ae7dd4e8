/**
 * Values in a store, and leases on them: one holder at a time may change a value, whether it is in this process or in
 * another one that shares the store.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as RcMap from "effect/RcMap"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { failed, type UploadStore, type UploadStoreFailed } from "../../UploadStore.ts"
import { token } from "../token.ts"

/** A value as it was read. */
export interface Cell<V> {
  /** `undefined` for none, and for one that can't be read. */
  readonly value: V | undefined
  /** Whether something is there that can't be read, torn by a crash for example. */
  readonly isTorn: boolean
  /** Puts another value, unless somebody else has changed it or holds it: then `false`. */
  readonly put: (value: V | undefined) => Effect.Effect<boolean, UploadStoreFailed>
}

/** A value that nobody else changes. */
export interface Lease<V> {
  /** The value when it was claimed; `undefined` for none, and for one that can't be read. */
  readonly value: V | undefined
  /** Puts another value. `false` when the lease has passed to somebody else, and nothing was changed. */
  readonly put: (value: V | undefined) => Effect.Effect<boolean, UploadStoreFailed>
  /** Puts the last value and gives the lease back in the same step. */
  readonly finish: (value: V | undefined) => Effect.Effect<boolean, UploadStoreFailed>
  /** Renews it; `false` when it has passed to somebody else. */
  readonly renew: Effect.Effect<boolean, UploadStoreFailed>
}

export interface Leases {
  /** What is there, whoever holds it. */
  readonly read: <V>(key: string, schema: Schema.Codec<V, unknown>) => Effect.Effect<Cell<V>, UploadStoreFailed>
  /**
   * Waits until nobody else holds the key, and holds it until the Scope closes. A holder that dies loses it after the
   * lease's length.
   */
  readonly claim: <V>(
    key: string,
    schema: Schema.Codec<V, unknown>
  ) => Effect.Effect<Lease<V>, UploadStoreFailed, Scope.Scope>
}

const entry = <V>(value: Schema.Codec<V, unknown>) =>
  Schema.fromJsonString(Schema.Struct({
    holder: Schema.optionalKey(Schema.Struct({
      token: Schema.String,
      /** Epoch milliseconds. */
      until: Schema.Finite,
      /** Milliseconds. */
      length: Schema.Finite
    })),
    value: Schema.optionalKey(value)
  }))

interface Codec<V> {
  // A record that can't be read, torn by a crash for example, is as good as none.
  readonly decode: (raw: string | undefined) => Entry<V>
  readonly encode: (value: V | undefined, holder?: Entry<V>["holder"]) => string | undefined
}

interface Entry<V> {
  readonly holder?: { readonly token: string; readonly until: number; readonly length: number }
  readonly value?: V
}

const makeCodec = <V>(schema: Schema.Codec<V, unknown>): Codec<V> => {
  const codec = entry(schema)
  const decode = Schema.decodeOption(codec)
  const encode = Schema.encodeSync(codec)
  return {
    decode: (raw) => {
      const found = raw === undefined ? undefined : decode(raw)
      return found?._tag === "Some" ? found.value : {}
    },
    encode: (value, holder) =>
      value === undefined && holder === undefined ? undefined : encode({
        ...(holder === undefined ? undefined : { holder }),
        ...(value === undefined ? undefined : { value })
      })
  }
}

const codecs = new WeakMap<object, unknown>()

/** Made once for each schema. */
const codecOf = <V>(schema: Schema.Codec<V, unknown>): Codec<V> => {
  const known = codecs.get(schema) as Codec<V> | undefined
  if (known !== undefined) return known
  const made = makeCodec(schema)
  codecs.set(schema, made)
  return made
}

/** Milliseconds between two looks at a value that another process holds: at first, and at most. */
const firstLook = 20
const lastLook = 500

/** A store that does not answer for that long has failed. */
const patience = Duration.seconds(30)

const late = () => failed(`The upload cache's store did not answer within ${Duration.format(patience)}.`, undefined)

export const make = Effect.fnUntraced(function*(
  { get, swap }: UploadStore["Service"],
  length: Duration.Duration
): Effect.fn.Return<Leases, never, Scope.Scope> {
  // Within the process nobody has to look again and again.
  const locks = yield* RcMap.make<string, Semaphore.Semaphore, never, never>({ lookup: () => Semaphore.make(1) })
  const millis = Duration.toMillis(length)

  const bounded = <A>(answer: Effect.Effect<A, UploadStoreFailed>): Effect.Effect<A, UploadStoreFailed> =>
    Effect.timeoutOrElse(answer, { duration: patience, orElse: () => Effect.fail(late()) })

  return {
    read: <V>(key: string, schema: Schema.Codec<V, unknown>) => {
      const { decode, encode } = codecOf(schema)
      return Effect.map(bounded(get(key)), (before): Cell<V> => {
        let raw = before
        const { holder, value } = decode(raw)
        return {
          value,
          isTorn: raw !== undefined && holder === undefined && value === undefined,
          put: (value) =>
            Effect.suspend(() => {
              const after = encode(value)
              if (holder !== undefined) return Effect.succeed(false)
              return Effect.map(bounded(swap(key, raw, after)), (done) => {
                if (done) raw = after
                return done
              })
            })
        }
      })
    },

    claim: <V>(key: string, schema: Schema.Codec<V, unknown>) => {
      const { decode, encode } = codecOf(schema)
      return Effect.gen(function*() {
        const clock = yield* Clock.Clock
        const lock = yield* RcMap.get(locks, key)
        yield* Effect.acquireRelease(lock.take(1), () => lock.release(1), { interruptible: true })

        const mark = yield* token
        const held = (value: V | undefined) =>
          encode(value, { token: mark, until: clock.currentTimeMillisUnsafe() + millis, length: millis })

        let raw: string | undefined
        let value: V | undefined
        let isMine = true
        const turns = yield* Semaphore.make(1)

        /** One after another, so that what is there is always what was put last. */
        const write = (
          next: () => V | undefined,
          encoded: (value: V | undefined) => string | undefined,
          isLast: boolean
        ): Effect.Effect<boolean, UploadStoreFailed> =>
          Effect.uninterruptible(turns.withPermit(Effect.suspend(() => {
            if (!isMine) return Effect.succeed(false)
            const after = next()
            const afterRaw = encoded(after)
            return Effect.map(bounded(swap(key, raw, afterRaw)), (done) => {
              isMine = done && !isLast
              if (done) {
                raw = afterRaw
                value = after
              }
              return done
            })
          })))
        const same = () => value
        const release = Effect.catch(
          write(same, (value) => encode(value), true),
          (error) => Effect.logWarning("A lease could not be given back; it ends by itself", error)
        )

        yield* Effect.uninterruptibleMask(Effect.fnUntraced(function*(restore) {
          for (let wait = firstLook;; wait = Math.min(wait * 2, lastLook)) {
            const before = yield* restore(bounded(get(key)))
            const current = decode(before)
            const left = (current.holder?.until ?? 0) - clock.currentTimeMillisUnsafe()
            // Clocks may differ by a lease; by more, one was set back, which must not hold everybody up.
            const isHeld = current.holder !== undefined && left > 0 && left <= 2 * current.holder.length
            if (!isHeld) {
              const after = held(current.value)
              if (yield* bounded(swap(key, before, after))) {
                raw = after
                value = current.value
                break
              }
            }
            yield* restore(Effect.sleep(wait))
          }
          yield* Effect.addFinalizer(() => release)
        }))
        const found = value
        yield* Effect.forkScoped(Effect.forever(Effect.delay(Effect.ignore(write(same, held, false)), millis / 3)))

        return {
          value: found,
          put: (next: V | undefined) => write(() => next, held, false),
          finish: (next: V | undefined) => write(() => next, (value) => encode(value), true),
          renew: write(same, held, false)
        }
      })
    }
  }
})
