/**
 * Something that expires and is asked for again in time: by one fiber for all that wait, and in the background where
 * what is held still serves.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { CredentialsFailed } from "../../FilesError.ts"

/** A value and how long it lasts. */
export interface Lent<A> {
  readonly value: A
  /** Epoch milliseconds; `undefined` for one that doesn't expire. */
  readonly expiresAt: number | undefined
}

export interface Tokens<A> {
  readonly get: Effect.Effect<A, CredentialsFailed>
  /** The value was refused. It is dropped if it is still the one in use, and a late refusal of an older one is not. */
  readonly invalidate: (value: A) => Effect.Effect<void>
}

/** With this much left, a value is renewed while it still serves. Milliseconds, or a part of a short lifetime. */
const renewal = { most: 120_000, part: 1 / 5 }

/** With this much left, a value doesn't serve any more: it could expire on its way. */
const reserve = { most: 30_000, part: 1 / 20 }

const marginOf = (margin: { readonly most: number; readonly part: number }, lifetime: number): number =>
  Math.min(margin.most, lifetime * margin.part)

/** After a renewal in the background has failed, the next one waits this long. Milliseconds. */
const restAfterFailure = 5_000

interface Held<A> {
  readonly value: A
  readonly expiresAt: number
  /** When it was obtained, epoch milliseconds. */
  readonly since: number
}

/** A renewal under way. */
interface Flight<A> {
  /** What no longer served when it began. */
  readonly instead: A | undefined
  readonly done: Deferred.Deferred<A, CredentialsFailed>
}

/**
 * @param acquire is told which value no longer serves, so that it doesn't give that one again out of a cache of its own
 */
export const make = <A>(
  acquire: (instead: A | undefined) => Effect.Effect<Lent<A>, CredentialsFailed>,
  isSame: (a: A, b: A) => boolean
): Effect.Effect<Tokens<A>, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    let held: Held<A> | undefined
    let refused: A | undefined
    let flight: Flight<A> | undefined
    let failedAt: number | undefined

    const isRefused = (value: A) => refused !== undefined && isSame(value, refused)

    const renew = (instead: A | undefined): Effect.Effect<A, CredentialsFailed> =>
      acquire(instead).pipe(
        Effect.flatMap(({ expiresAt, value }) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            held = { value, expiresAt: expiresAt ?? Infinity, since: now }
            failedAt = undefined
            if (!isRefused(value)) refused = undefined
            return value
          })
        ),
        Effect.tapCause((cause) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            failedAt = now
            return Effect.logDebug("A credential could not be renewed", cause)
          })
        )
      )

    // In the scope of them all, so that a fiber that is interrupted takes nothing from the others that wait.
    const start = (instead: A | undefined): Effect.Effect<Flight<A>> =>
      Effect.uninterruptible(Effect.suspend(() => {
        const current: Flight<A> = { instead, done: Deferred.makeUnsafe() }
        flight = current
        return Effect.map(Effect.forkIn(renew(instead), scope), (fiber) => {
          fiber.addObserver((exit) => {
            if (flight === current) flight = undefined
            Deferred.doneUnsafe(current.done, exit)
          })
          return current
        })
      }))

    const join = (instead: A | undefined) =>
      Effect.suspend(() => flight === undefined ? start(instead) : Effect.succeed(flight))

    const wait: Effect.Effect<A, CredentialsFailed> = Effect.gen(function*() {
      const current = yield* join(held?.value)
      const value = yield* Deferred.await(current.done)
      // It was on its way before the refusal, and may have come out of a cache.
      return isRefused(value) && current.instead === undefined
        ? yield* Effect.flatMap(join(value), ({ done }) => Deferred.await(done))
        : value
    })

    const renewBehind = ({ value }: Held<A>, now: number): Effect.Effect<A> =>
      // A clock that was set back must not make the rest longer.
      flight !== undefined || (failedAt !== undefined && now >= failedAt && now - failedAt < restAfterFailure)
        ? Effect.succeed(value)
        : Effect.as(start(value), value)

    return {
      get: Effect.flatMap(Clock.currentTimeMillis, (now) => {
        if (held === undefined || isRefused(held.value)) return wait
        const lifetime = held.expiresAt - held.since
        const left = held.expiresAt - now
        if (left <= marginOf(reserve, lifetime)) return wait
        // Longer than it was to last: the clock was set back, and when it ends is not known any more.
        return left <= marginOf(renewal, lifetime) || left > lifetime
          ? renewBehind(held, now)
          : Effect.succeed(held.value)
      }),
      invalidate: (value) =>
        Effect.sync(() => {
          if (held !== undefined && isSame(held.value, value)) refused = value
        })
    }
  })
