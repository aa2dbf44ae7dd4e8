/**
 * Values that one holder at a time may change, whether it is in this process or in another one that shares the store.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as RcMap from "effect/RcMap"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { UploadStore, UploadStoreFailed } from "../UploadStore.ts"
import { token } from "./token.ts"

export interface Lease<V> {
  /** The value when it was claimed; `undefined` for none, and for one that can't be read. */
  readonly value: V | undefined
  /** Puts another value. `false` when the lease has passed to somebody else, and nothing was changed. */
  readonly put: (value: V | undefined) => Effect.Effect<boolean, UploadStoreFailed>
}

export interface Leases {
  /** What is there, whoever holds it. */
  readonly read: <V>(key: string, schema: Schema.Codec<V, unknown>) => Effect.Effect<V | undefined, UploadStoreFailed>
  /** Puts a value where nobody holds the key. Another one that comes in between stays. */
  readonly note: <V>(
    key: string,
    schema: Schema.Codec<V, unknown>,
    value: V
  ) => Effect.Effect<void, UploadStoreFailed>
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

/** Milliseconds between two looks at a value that another process holds: at first, and at most. */
const firstLook = 20
const lastLook = 500

export const make = Effect.fnUntraced(function*(
  store: UploadStore["Service"],
  length: Duration.Duration
): Effect.fn.Return<Leases, never, Scope.Scope> {
  // Within the process nobody has to look again and again.
  const locks = yield* RcMap.make<string, Semaphore.Semaphore, never, never>({ lookup: () => Semaphore.make(1) })
  const millis = Duration.toMillis(length)

  return {
    read: (key, schema) => {
      const decode = Schema.decodeOption(entry(schema))
      return Effect.map(store.get(key), (raw) => {
        const found = raw === undefined ? undefined : decode(raw)
        return found?._tag === "Some" ? found.value.value : undefined
      })
    },

    note: (key, schema, value) => {
      const codec = entry(schema)
      const decode = Schema.decodeOption(codec)
      return Effect.flatMap(store.get(key), (raw) => {
        const found = raw === undefined ? undefined : decode(raw)
        return found?._tag === "Some" && found.value.holder !== undefined
          ? Effect.void
          : Effect.asVoid(store.swap(key, raw, Schema.encodeSync(codec)({ value })))
      })
    },

    claim: <V>(key: string, schema: Schema.Codec<V, unknown>) => {
      const codec = entry(schema)
      const decode = Schema.decodeOption(codec)
      const encode = Schema.encodeSync(codec)
      return Effect.gen(function*() {
        const clock = yield* Clock.Clock
        const lock = yield* RcMap.get(locks, key)
        yield* Effect.acquireRelease(lock.take(1), () => lock.release(1), { interruptible: true })

        const mark = yield* token
        const held = (value: V | undefined): string =>
          encode({
            holder: { token: mark, until: clock.currentTimeMillisUnsafe() + millis, length: millis },
            ...(value === undefined ? undefined : { value })
          })

        const attempt: Effect.Effect<boolean, UploadStoreFailed> = Effect.gen(function*() {
          const before = yield* store.get(key)
          // A record that can't be read, torn by a crash for example, is as good as none.
          const found = before === undefined ? undefined : decode(before)
          const current = found?._tag === "Some" ? found.value : {}
          if (current.holder !== undefined) {
            const left = current.holder.until - clock.currentTimeMillisUnsafe()
            // More than the whole: a clock was set back, which must not hold everybody up.
            if (left > 0 && left <= current.holder.length) return false
          }
          raw = held(current.value)
          value = current.value
          return yield* store.swap(key, before, raw)
        })
        let raw = ""
        let value: V | undefined
        let isMine = true
        const turns = yield* Semaphore.make(1)
        /** One after another, so that what is there is always what was put last. */
        const write = (
          next: () => V | undefined,
          encoded: (value: V | undefined) => string | undefined
        ): Effect.Effect<boolean, UploadStoreFailed> =>
          Effect.uninterruptible(turns.withPermit(Effect.suspend(() => {
            if (!isMine) return Effect.succeed(false)
            const after = next()
            const afterRaw = encoded(after)
            return Effect.map(store.swap(key, raw, afterRaw), (done) => {
              isMine = done
              if (done) {
                raw = afterRaw ?? ""
                value = after
              }
              return done
            })
          })))
        const same = () => value
        const release = Effect.catch(
          write(same, (value) => value === undefined ? undefined : encode({ value })),
          (error) => Effect.logWarning("A lease could not be given back; it ends by itself", error)
        )
        yield* Effect.uninterruptibleMask(Effect.fnUntraced(function*(restore) {
          for (let wait = firstLook; !(yield* attempt); wait = Math.min(wait * 2, lastLook)) {
            yield* restore(Effect.sleep(wait))
          }
          yield* Effect.addFinalizer(() => release)
        }))
        const found = value
        yield* Effect.forkScoped(Effect.forever(Effect.delay(Effect.ignore(write(same, held)), millis / 3)))

        return { value: found, put: (next: V | undefined) => write(() => next, held) }
      })
    }
  }
})
